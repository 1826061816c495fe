/* SPDX-License-Identifier: MIT */
/* mp_queue_fd(): who sleeps in poll() is woken by what is put, by whomever,
 * and whoever dies meanwhile. */
#include "channel/ring.h"
#include "region/kin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRODUCERS 3

static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
#define METHODS 3

struct message {
    uint64_t number;
    uint32_t producer;
};

struct stage {
    mp_queue *queue;
    mp__a64 put[PRODUCERS]; /* messages of each whose put has returned */
    mp__a32 stop;
    mp__a32 armed; /* pollers that have found nothing */
    mp__a32 taken; /* by all pollers */
    mp__a32 go;
};

static int
nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void
run(mp_target target, const void *arg, size_t size, int method)
{
    mp_process *p;
    int code;

    must(mp_process_start(&p, target, arg, size,
                          MP_PROCESS_ATTR(.method = method)));
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(p));
}

/* Opens what this process keeps: the fork server, the socket to page with. */
static void
warm_up(void)
{
    mp_queue *queue;

    for (int i = 0; i < METHODS; i++)
        run(nothing, NULL, 0, methods[i]);
    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

static struct stage *
stage_with(const mp_queue_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_queue_create(&stage->queue, attr));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 0);

    ck_assert_int_ge(n, 0);
    return n;
}

/* Sleeps until the descriptor is readable; 0: it was not for 20 s. */
static int
await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do
        n = poll(&p, 1, (int)(20000 * mp_test_scale()));
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static int
get_now(mp_queue *queue)
{
    struct message message;

    return (int)mp_queue_get(queue, &message, sizeof(message), MP_NOW);
}

static void
put_now(mp_queue *queue)
{
    struct message message = {0};

    must(mp_queue_put(queue, &message, sizeof(message), MP_NOW));
}

/* A descriptor that is not readable. */
static int
armed_fd(mp_queue *queue)
{
    int fd = mp_queue_fd(queue);

    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(get_now(queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    return fd;
}

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

static int
get_one(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message message;

    (void)unused;
    must(mp_queue_get(stage->queue, &message, sizeof(message), MP_FOREVER));
    return 0;
}

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

    wait_until(mp__load(&stage->armed) == MP__POLLERS, 60);
    must_fail(mp_queue_fd(stage->queue), -ENOMEM, "64 processes");
    kin_kill(kin, 7);
    armed_fd(stage->queue);
    mp__store(&stage->go, 1);
    kin_end(kin);
    put_now(stage->queue);
    for (uint32_t i = 0; i < MP__POLLERS; i++)
        ck_assert(i == 7 || mp__load(&stage->queue->pollers.pager[i]) == 0);
    end_stage(stage);
}
END_TEST

/* ---- Queues that do more than their ring ---- */

static const mp_queue_attr modes[] = {
    {.size = sizeof(mp_queue_attr), .order = MP_QUEUE_LIFO},
    {.size = sizeof(mp_queue_attr), .order = MP_QUEUE_PRIORITY},
    {.size = sizeof(mp_queue_attr), .joinable = 1},
    {.size = sizeof(mp_queue_attr), .joinable = 1, .redeliver = 1},
    {.size = sizeof(mp_queue_attr), .maxsize = 2},
};

START_TEST(queue_fd_in_every_mode)
{
    struct stage *stage = stage_with(&modes[_i]);
    int fd = armed_fd(stage->queue);
    mp_message message;
    char bytes[64];

    for (int round = 0; round < 3; round++) {
        put_now(stage->queue);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        must(mp_queue_take(stage->queue, &message, MP_NOW));
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        if (round == 0)
            ck_assert_int_eq(mp_queue_take(stage->queue, &message, MP_NOW),
                             -EAGAIN);
        else if (round == 1)
            ck_assert_int_eq(
                mp_queue_get_many(stage->queue, bytes, 32, 2, NULL, MP_NOW),
                -EAGAIN);
        else
            ck_assert_int_eq(mp_queue_next_size(stage->queue, MP_NOW),
                             -EAGAIN);
        ck_assert_int_eq(is_readable(fd), 0);
    }
    must(mp_queue_put_many(stage->queue, "ab", 1, 2, MP_NOW));
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

START_TEST(queue_fd_tells_of_a_reservation_when_it_is_put)
{
    struct stage *stage = stage_with(NULL);
    int fd = armed_fd(stage->queue);
    void *data;

    must(mp_queue_reserve(stage->queue, 100, &data, MP_NOW));
    ck_assert_int_eq(is_readable(fd), 0);
    must(mp_queue_commit(stage->queue, data));
    ck_assert_int_eq(is_readable(fd), 1);
    end_stage(stage);
}
END_TEST

/* Has as many messages as `go` says, and is done with the first at last. */
static int
hold(void *arg, int unused)
{
    struct stage *stage = arg;
    struct message message;

    (void)unused;
    for (uint32_t i = mp__load(&stage->go); i > 0; i--)
        must(
            mp_queue_get(stage->queue, &message, sizeof(message), MP_FOREVER));
    mp__store(&stage->armed, 1);
    while (!mp__load(&stage->stop))
        usleep(1000);
    return mp_queue_task_done(stage->queue);
}

static struct kin *
start_holder(struct stage *stage, uint32_t n)
{
    struct kin *kin;

    for (uint32_t i = 0; i < n; i++)
        put_now(stage->queue);
    mp__store(&stage->go, n);
    kin = kin_start(PROCESSES, 1, hold, stage);
    wait_until(mp__load(&stage->armed), 20);
    return kin;
}

START_TEST(queue_fd_poller_gets_what_the_dead_had)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 2);
    int fd = armed_fd(stage->queue);

    kin_kill(kin, 0);
    ck_assert_int_eq(is_readable(fd), 0);
    mp__reap(); /* as the parent's mp_process_join() does */
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_gt(get_now(stage->queue), 0);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* The one that sleeps in a get notices the death and takes one of two: there is
 * another one. */
START_TEST(queue_fd_sleeping_consumer_returns_what_the_dead_had)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 2);
    struct kin *other = kin_start(PROCESSES, 1, get_one, stage);
    int fd;

    kin_await_sleep(other);
    fd = armed_fd(stage->queue);
    kin_kill(kin, 0);
    ck_assert(await(fd));
    kin_end(other);
    ck_assert_int_gt(get_now(stage->queue), 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* Until the last message is done it may come back: the descriptor does not stay
 * readable meanwhile. */
START_TEST(queue_fd_closed_while_another_has_a_message)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.redeliver = 1));
    struct kin *kin = start_holder(stage, 1);
    int fd = armed_fd(stage->queue);

    must(mp_queue_close(stage->queue));
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(get_now(stage->queue), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    if (_i == 0) {
        mp__store(&stage->stop, 1);
        ck_assert(await(fd));
    } else {
        kin_kill(kin, 0);
        mp__reap();
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        must(mp_queue_task_done(stage->queue));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(get_now(stage->queue), -ESHUTDOWN);
    }
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- Killed ---- */

static int
produce(void *arg)
{
    struct {
        struct stage *stage;
        uint32_t producer;
    } *with = arg;
    struct stage *stage = with->stage;
    struct message message = {.producer = with->producer};
    mp__a64 *put = &stage->put[with->producer];

    while (!mp__load(&stage->stop)) {
        message.number = mp__load(put);
        if (mp_queue_put(stage->queue, &message, sizeof(message), MP_FOREVER) <
            0)
            return 1;
        mp__store(put, message.number + 1);
        if (message.number % 4 == 0) /* let the poller fall asleep */
            usleep(200);
    }
    return 0;
}

static mp_process *
start_producer(struct stage *stage, uint32_t producer, int method)
{
    struct {
        struct stage *stage;
        uint32_t producer;
    } with = {stage, producer};
    mp_process *p;

    must(mp_process_start(&p, produce, &with, sizeof(with),
                          MP_PROCESS_ATTR(.method = method)));
    return p;
}

/* Takes what there is. A producer that was killed after its commit, and before
 * it could tell, begins with the same number again. */
static void
take_all(struct stage *stage, uint64_t *next)
{
    struct message message;

    while (mp_queue_get(stage->queue, &message, sizeof(message), MP_NOW) > 0) {
        uint64_t *n = &next[message.producer];

        ck_assert_uint_le(message.number, *n);
        ck_assert_uint_ge(message.number + 1, *n);
        *n = message.number + 1;
    }
}

/* An event loop; producers are killed again and again, and others come in their
 * place. */
START_TEST(G01_queue_fd_producers_killed_at_any_moment)
{
    struct stage *stage = stage_with(NULL);
    struct epoll_event event = {.events = EPOLLIN | (_i % 2 ? EPOLLET : 0u)};
    uint64_t next[PRODUCERS] = {0};
    mp_process *producers[PRODUCERS];
    int method = methods[_i / 2];
    int loop = epoll_create1(EPOLL_CLOEXEC), code;

    ck_assert_int_eq(
        epoll_ctl(loop, EPOLL_CTL_ADD, mp_queue_fd(stage->queue), &event), 0);
    for (uint32_t i = 0; i < PRODUCERS; i++)
        producers[i] = start_producer(stage, i, method);
    srand((unsigned)_i + 1);
    for (uint32_t kills = 0; kills < 30; kills++) {
        mp_process **victim = &producers[kills % PRODUCERS];

        for (int k = rand() % 60; k >= 0; k--) {
            ck_assert_int_eq(
                epoll_wait(loop, &event, 1, (int)(20000 * mp_test_scale())),
                1);
            take_all(stage, next);
        }
        must(mp_process_kill(*victim));
        must(mp_process_join(*victim, MP_FOREVER));
        must(mp_process_close(*victim));
        *victim = start_producer(stage, kills % PRODUCERS, method);
    }
    mp__store(&stage->stop, 1);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        must(mp_process_join(producers[i], MP_FOREVER));
        must(mp_process_exitcode(producers[i], &code));
        ck_assert_int_eq(code, 0);
        must(mp_process_close(producers[i]));
    }
    while (mp_queue_size(stage->queue) > 0) {
        ck_assert_int_eq(epoll_wait(loop, &event, 1, 20000), 1);
        take_all(stage, next);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++)
        ck_assert_uint_eq(next[i], mp__load(&stage->put[i]));
    close(loop);
    end_stage(stage);
}
END_TEST

static int
poll_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;
    int fd = mp_queue_fd(stage->queue);

    (void)unused;
    for (;;) {
        if (!await(fd))
            return 1;
        while (get_now(stage->queue) > 0)
            mp__add(&stage->taken, 1);
    }
}

/* A poller is killed wherever it is; another process, which polls too, learns
 * of each message that the dead has not taken. */
START_TEST(G01_queue_fd_poller_killed_at_any_moment)
{
    srand(1);
    for (int round = 0; round < 50; round++) {
        struct stage *stage = stage_with(NULL);
        int fd = armed_fd(stage->queue);
        struct kin *kin = kin_start(PROCESSES, 1, poll_for_ever, stage);

        for (int k = rand() % 20; k >= 0; k--)
            put_now(stage->queue);
        kin_kill(kin, 0);
        ck_assert_int_eq(is_readable(fd), 1);
        while (get_now(stage->queue) > 0)
            ;
        wait_until(is_readable(fd) == 0 || get_now(stage->queue) == 0, 20);
        put_now(stage->queue);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_gt(get_now(stage->queue), 0);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-fd");
    TCase *tcase = mp_test_case(suite, "one", 20);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    tcase_add_test(tcase, queue_fd_is_readable_until_a_get_finds_nothing);
    tcase_add_test(tcase, queue_fd_after_other_calls_that_find_nothing);
    tcase_add_test(tcase, queue_fd_of_what_is_no_queue);
    tcase_add_test(tcase, queue_fd_many_queues_leave_no_descriptor);
    tcase_add_test(tcase, queue_fd_no_descriptor_left);
    tcase_add_test(tcase, queue_fd_closed_queue_is_readable_for_ever);
    tcase_add_test(tcase, queue_fd_asked_for_when_it_is_closed);
    tcase_add_test(tcase, queue_fd_destroyed_by_another_process);
    tcase = mp_test_case(suite, "many", 60);
    tcase_add_checked_fixture(tcase, warm_up, NULL);
    tcase_add_test(tcase, queue_fd_threads_and_processes_share_the_messages);
    tcase_add_test(tcase, queue_fd_one_message_is_told_to_all_pollers);
    tcase_add_loop_test(tcase, queue_fd_beside_consumers_that_sleep, 0, 2);
    tcase_add_test(tcase, queue_fd_child_of_fork_has_its_own);
    tcase_add_test(tcase, queue_fd_producer_at_its_limit);
    tcase_add_test(tcase, queue_fd_more_pollers_than_there_is_room_for);
    tcase = mp_test_case(suite, "modes", 20);
    tcase_add_checked_fixture(tcase, warm_up, NULL);
    tcase_add_loop_test(tcase, queue_fd_in_every_mode, 0, (int)LENGTH(modes));
    tcase_add_test(tcase, queue_fd_tells_of_a_reservation_when_it_is_put);
    tcase_add_test(tcase, queue_fd_poller_gets_what_the_dead_had);
    tcase_add_test(tcase,
                   queue_fd_sleeping_consumer_returns_what_the_dead_had);
    tcase_add_loop_test(tcase, queue_fd_closed_while_another_has_a_message, 0,
                        2);
    tcase = mp_test_case(suite, "killed", 60);
    tcase_add_checked_fixture(tcase, warm_up, NULL);
    tcase_add_loop_test(tcase, G01_queue_fd_producers_killed_at_any_moment, 0,
                        2 * METHODS);
    tcase_add_test(tcase, G01_queue_fd_poller_killed_at_any_moment);
    return mp_test_main(suite);
}
