/* SPDX-License-Identifier: MIT */
/* mp_queue_fd(): readable until a get finds nothing, in each process by itself,
 * and to the queue's end. */
#include "fd-kit.h"
#include "queue/ring.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- One process ---- */

START_TEST(queue_fd_is_readable_until_a_get_finds_nothing)
{
    struct stage *stage = stage_with(NULL);
    int fd = armed_fd(stage->queue);

    ck_assert_int_eq(mp_queue_fd(stage->queue), fd);
    for (int round = 0; round < 3; round++) {
        put_now(stage->queue);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
        ck_assert_int_eq(is_readable(fd), 0);
    }
    end_stage(stage);
}
END_TEST

START_TEST(queue_fd_after_other_calls_that_find_nothing)
{
    struct stage *stage = stage_with(NULL);
    int fd = mp_queue_fd(stage->queue);
    char c;

    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(mp_queue_get(stage->queue, &c, 1, mp_timeout(0.01)),
                     -ETIMEDOUT);
    ck_assert_int_eq(is_readable(fd), 0);
    put_now(stage->queue);
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(mp_queue_next_size(stage->queue, MP_NOW), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    put_now(stage->queue);
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

START_TEST(queue_fd_of_what_is_no_queue)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must(mp_queue_destroy(queue));
    must_fail(mp_queue_fd(queue), -EBADF, "mp_queue_fd");
    must_fail(mp_queue_fd(NULL), -EBADF, "mp_queue_fd");
}
END_TEST

START_TEST(queue_fd_many_queues_leave_no_descriptor)
{
    int before = mp_test_fds();
    mp_queue *queues[50];

    for (size_t i = 0; i < LENGTH(queues); i++) {
        must(mp_queue_create(&queues[i], NULL));
        armed_fd(queues[i]);
    }
    ck_assert_int_eq(mp_test_fds(), before + (int)LENGTH(queues));
    for (size_t i = 0; i < LENGTH(queues); i++) {
        put_now(queues[i]);
        for (size_t k = 0; k < LENGTH(queues); k++)
            ck_assert_int_eq(is_readable(mp_queue_fd(queues[k])), k == i);
        ck_assert_int_gt(get_now(queues[i]), 0);
        ck_assert_int_eq(get_now(queues[i]), -EAGAIN);
    }
    for (size_t i = 0; i < LENGTH(queues); i++)
        must(mp_queue_destroy(queues[i]));
    ck_assert_int_eq(mp_test_fds(), before);
}
END_TEST

START_TEST(queue_fd_no_descriptor_left)
{
    struct stage *stage = stage_with(NULL);
    struct rlimit files, none;
    int r;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    r = mp_queue_fd(stage->queue);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(r, -EMFILE);
    armed_fd(stage->queue); /* nothing has stayed of the attempt */
    end_stage(stage);
}
END_TEST

/* Threads share the descriptor: whoever drains it does not do so to the other's
 * loss. */
static int
poll_until_closed(void *arg, int unused)
{
    struct stage *stage = arg;
    int fd = mp_queue_fd(stage->queue), r;

    (void)unused;
    for (;;) {
        if (!await(fd))
            return -1;
        while ((r = get_now(stage->queue)) > 0)
            mp__add(&stage->taken, 1);
        if (r != -EAGAIN)
            return r == -ESHUTDOWN ? 0 : r;
    }
}

static int
put_thousands(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (int i = 0; i < 3000; i++) {
        put_now(stage->queue);
        /* Time and again they have taken all of it, and go to sleep. */
        if (i % 10 == 0)
            while (!mp_queue_empty(stage->queue))
                usleep(100);
    }
    must(mp_queue_close(stage->queue));
    return 0;
}

START_TEST(queue_fd_threads_and_processes_share_the_messages)
{
    struct stage *stage = stage_with(NULL);
    struct kin *processes = kin_start(PROCESSES, 2, poll_until_closed, stage);
    struct kin *producer = kin_start(PROCESSES, 1, put_thousands, stage);
    struct kin *threads = kin_start(THREADS, 3, poll_until_closed, stage);

    kin_end(threads);
    kin_end(processes);
    kin_end(producer);
    ck_assert_uint_eq(mp__load(&stage->taken), 3000);
    end_stage(stage);
}
END_TEST

/* ---- Closing, destroying ---- */

static int
close_it(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_close(stage->queue));
    return 0;
}

START_TEST(queue_fd_closed_queue_is_readable_for_ever)
{
    struct stage *stage = stage_with(NULL);
    int fd = armed_fd(stage->queue);

    put_now(stage->queue);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    kin_run(PROCESSES, 1, close_it, stage);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(get_now(stage->queue), -ESHUTDOWN);
    }
    end_stage(stage);
}
END_TEST

START_TEST(queue_fd_asked_for_when_it_is_closed)
{
    struct stage *stage = stage_with(NULL);
    int fd;

    must(mp_queue_close(stage->queue));
    fd = mp_queue_fd(stage->queue);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(get_now(stage->queue), -ESHUTDOWN);
    }
    end_stage(stage);
}
END_TEST

static int
destroy_it(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_destroy(stage->queue));
    return 0;
}

/* Makes a queue in the same place. */
static void
create_at(mp_queue *place)
{
    mp_queue *others[100];
    size_t n = 0;

    do {
        ck_assert_uint_lt(n, LENGTH(others));
        must(mp_queue_create(&others[n++], NULL));
    } while (others[n - 1] != place);
    for (size_t i = 0; i < n - 1; i++)
        must(mp_queue_destroy(others[i]));
}

/* The queue is destroyed by another process, and the next one has its place. */
START_TEST(queue_fd_destroyed_by_another_process)
{
    struct stage *stage = stage_with(NULL);
    int before = mp_test_fds(), fd;
    mp_queue *gone = stage->queue;

    for (int round = 0; round < 3; round++) {
        fd = armed_fd(stage->queue);
        kin_run(PROCESSES, 1, destroy_it, stage);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(get_now(gone), -EBADF);
        create_at(gone);
        /* One that was not asked for here is of no concern to the new one. */
        ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
        put_now(stage->queue);
        ck_assert_int_gt(get_now(stage->queue), 0);
        fd = armed_fd(stage->queue);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        ck_assert_int_eq(mp_test_fds(), before + 1);
    }
    end_stage(stage);
}
END_TEST

/* ---- Other processes ---- */

static int
poll_once(void *arg, int unused)
{
    struct stage *stage = arg;
    int fd = mp_queue_fd(stage->queue), r;

    (void)unused;
    while (is_readable(fd))
        if (get_now(stage->queue) != -EAGAIN)
            return 1;
    mp__add(&stage->armed, 1);
    if (!await(fd))
        return 2;
    mp__add(&stage->armed, (uint32_t)-1);
    while (mp__load(&stage->armed) > 0)
        ;
    r = get_now(stage->queue);
    if (r > 0)
        mp__add(&stage->taken, 1);
    return r > 0 || r == -EAGAIN ? 0 : 3;
}

START_TEST(queue_fd_one_message_is_told_to_all_pollers)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin = kin_start(PROCESSES, 3, poll_once, stage);

    wait_until(mp__load(&stage->armed) == 3, 20);
    put_now(stage->queue);
    kin_end(kin);
    ck_assert_uint_eq(mp__load(&stage->taken), 1);
    end_stage(stage);
}
END_TEST

/* Consumers that sleep in a get, and a poller: whatever came first. */
START_TEST(queue_fd_beside_consumers_that_sleep)
{
    struct stage *stage = stage_with(NULL);
    int fd = _i == 0 ? armed_fd(stage->queue) : -1;
    struct kin *kin = kin_start(PROCESSES, 2, get_one, stage);

    kin_await_sleep(kin);
    if (_i == 1)
        fd = armed_fd(stage->queue);
    for (int i = 0; i < 3; i++)
        put_now(stage->queue);
    kin_end(kin);
    ck_assert(await(fd));
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    end_stage(stage);
}
END_TEST

static int inherited;
static ino_t inode; /* of what it is in the parent */

static ino_t
inode_of(int fd)
{
    struct stat s;

    return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

/* Not with kin: it may have asked for one before it forks. */
static int
use_own(void *arg)
{
    struct stage *stage = arg;
    int fd;

    ck_assert_uint_ne(inode_of(inherited), inode);
    fd = armed_fd(stage->queue);
    mp__store(&stage->armed, 1);
    do /* it is told before the message is there */
        ck_assert(await(fd));
    while (get_now(stage->queue) == -EAGAIN);
    return 0;
}

START_TEST(queue_fd_child_of_fork_has_its_own)
{
    struct stage *stage = stage_with(NULL);
    pid_t pid;

    inherited = armed_fd(stage->queue);
    inode = inode_of(inherited);
    ck_assert_uint_ne(inode, 0);
    pid = child(use_own, stage);
    wait_until(mp__load(&stage->armed), 20);
    ck_assert_int_eq(is_readable(inherited), 0);
    put_now(stage->queue);
    expect_exit(pid, 0);
    ck_assert_int_eq(is_readable(inherited), 1);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(inherited), 0);
    put_now(stage->queue);
    ck_assert_int_eq(is_readable(inherited), 1);
    end_stage(stage);
}
END_TEST

static int
put_at_limit(void *arg)
{
    struct stage *stage = *(struct stage **)arg;
    struct rlimit before, none;
    int r;

    if (getrlimit(RLIMIT_NOFILE, &before) < 0)
        return 1;
    none = before;
    none.rlim_cur = 0;
    if (setrlimit(RLIMIT_NOFILE, &none) < 0)
        return 2;
    r = (int)mp_queue_put(stage->queue, "", 1, MP_NOW);
    setrlimit(RLIMIT_NOFILE, &before);
    return r < 0 ? 3 : 0;
}

/* A producer that cannot open anything. */
START_TEST(queue_fd_producer_at_its_limit)
{
    struct stage *stage = stage_with(NULL);
    int fd = armed_fd(stage->queue);

    /* It has what its parent has, which has paged before. */
    run(put_at_limit, &stage, sizeof(stage), MP_FORK);
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    /* It has nothing to page with: the next one does. */
    run(put_at_limit, &stage, sizeof(stage), MP_SPAWN);
    put_now(stage->queue);
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

static int
arm_and_stay(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    mp_queue_fd(stage->queue);
    if (get_now(stage->queue) != -EAGAIN)
        return 1;
    mp__add(&stage->armed, 1);
    while (!mp__load(&stage->go))
        usleep(10000);
    return 0;
}

START_TEST(queue_fd_more_pollers_than_there_is_room_for)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin = kin_start(PROCESSES, MP__POLLERS, arm_and_stay, stage);
    uint32_t left = 0;

    wait_until(mp__load(&stage->armed) == MP__POLLERS, 60);
    must_fail(mp_queue_fd(stage->queue), -ENOMEM, "64 processes");
    kin_kill(kin, 7);
    armed_fd(stage->queue);
    mp__store(&stage->go, 1);
    kin_end(kin);
    put_now(stage->queue);
    for (uint32_t i = 0; i < MP__POLLERS; i++)
        left += mp__load(&stage->queue->pollers.pager[i]) != 0;
    ck_assert_uint_eq(left, 1); /* ours */
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-fd");
    TCase *tcase = fd_case(suite, "one", 20);

    tcase_add_test(tcase, queue_fd_is_readable_until_a_get_finds_nothing);
    tcase_add_test(tcase, queue_fd_after_other_calls_that_find_nothing);
    tcase_add_test(tcase, queue_fd_of_what_is_no_queue);
    tcase_add_test(tcase, queue_fd_many_queues_leave_no_descriptor);
    tcase_add_test(tcase, queue_fd_no_descriptor_left);
    tcase_add_test(tcase, queue_fd_closed_queue_is_readable_for_ever);
    tcase_add_test(tcase, queue_fd_asked_for_when_it_is_closed);
    tcase_add_test(tcase, queue_fd_destroyed_by_another_process);
    tcase = fd_case(suite, "many", 60);
    tcase_add_test(tcase, queue_fd_threads_and_processes_share_the_messages);
    tcase_add_test(tcase, queue_fd_one_message_is_told_to_all_pollers);
    tcase_add_loop_test(tcase, queue_fd_beside_consumers_that_sleep, 0, 2);
    tcase_add_test(tcase, queue_fd_child_of_fork_has_its_own);
    tcase_add_test(tcase, queue_fd_producer_at_its_limit);
    tcase_add_test(tcase, queue_fd_more_pollers_than_there_is_room_for);
    return mp_test_main(suite);
}
