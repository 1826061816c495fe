/* SPDX-License-Identifier: MIT */
/* mp_event_fd(): readable until somebody asks and the event is not set, in each
 * process by itself. */
#include "bell/notice.h"
#include "connection/poll-kit.h"
#include "sync/event.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

static mp_event *
new_event(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL));
    return event;
}

/* Not readable. */
static int
armed(mp_event *event)
{
    int fd = mp_event_fd(event);

    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(mp_event_is_set(event), 0);
    ck_assert_int_eq(is_readable(fd), 0);
    return fd;
}

/* ---- One process ---- */

START_TEST(event_fd_is_readable_until_it_is_asked_and_not_set)
{
    mp_event *event = new_event();
    int fd = armed(event);

    ck_assert_int_eq(mp_event_fd(event), fd);
    for (int round = 0; round < 3; round++) {
        must(mp_event_set(event));
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(is_readable(fd), 1);
            ck_assert_int_eq(mp_event_is_set(event), 1);
        }
        must(mp_event_set(event));
        must(mp_event_clear(event));
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(mp_event_is_set(event), 0);
        ck_assert_int_eq(is_readable(fd), 0);
        must(mp_event_clear(event));
        ck_assert_int_eq(is_readable(fd), 0);
    }
    must(mp_event_destroy(event));
}
END_TEST

START_TEST(event_fd_after_a_wait_that_finds_nothing)
{
    mp_event *event = new_event();
    int fd = mp_event_fd(event);

    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(mp_event_wait(event, MP_NOW), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    must(mp_event_set(event));
    ck_assert_int_eq(is_readable(fd), 1);
    must(mp_event_wait(event, MP_FOREVER));
    must(mp_event_destroy(event));
}
END_TEST

/* It is there when the event was set long before. */
START_TEST(event_fd_asked_for_when_it_is_set)
{
    mp_event *event = new_event();

    must(mp_event_set(event));
    ck_assert_int_eq(is_readable(mp_event_fd(event)), 1);
    ck_assert_int_eq(mp_event_is_set(event), 1);
    ck_assert_int_eq(is_readable(mp_event_fd(event)), 1);
    must(mp_event_destroy(event));
}
END_TEST

START_TEST(event_fd_of_what_is_no_event)
{
    mp_event *event = new_event();

    must(mp_event_destroy(event));
    must_fail(mp_event_fd(event), -EBADF, "mp_event_fd");
    must_fail(mp_event_fd(NULL), -EBADF, "mp_event_fd");
}
END_TEST

/* Whoever waits in the usual way neither notices nor returns for nothing when a
 * poller comes. */
static int
wait_for_it(void *arg, int unused)
{
    (void)unused;
    return mp_event_wait(arg, MP_FOREVER) || mp_event_is_set(arg) != 1;
}

START_TEST(event_fd_beside_waiters)
{
    mp_event *event = new_event();
    struct kin *kin = kin_start(PROCESSES, 3, wait_for_it, event);
    int fd;

    kin_await_sleep(kin);
    fd = armed(event);
    kin_await_sleep(kin);
    must(mp_event_set(event));
    ck_assert_int_eq(is_readable(fd), 1);
    kin_end(kin);
    must(mp_event_destroy(event));
}
END_TEST

START_TEST(event_fd_hundreds_leave_no_descriptor)
{
    int before = mp_test_fds();
    uint64_t used = heap_use();
    mp_event *events[300];

    for (size_t i = 0; i < LENGTH(events); i++) {
        events[i] = new_event();
        armed(events[i]);
    }
    ck_assert_int_eq(mp_test_fds(), before + (int)LENGTH(events));
    for (size_t i = 0; i < LENGTH(events); i += 7) {
        must(mp_event_set(events[i]));
        for (size_t k = 0; k < LENGTH(events); k += 1 + i % 5)
            ck_assert_int_eq(is_readable(mp_event_fd(events[k])), k == i);
        must(mp_event_clear(events[i]));
        ck_assert_int_eq(mp_event_is_set(events[i]), 0);
    }
    for (size_t i = 0; i < LENGTH(events); i++)
        must(mp_event_destroy(events[i]));
    ck_assert_int_eq(mp_test_fds(), before);
    ck_assert_uint_eq(heap_use(), used);
}
END_TEST

START_TEST(event_fd_no_descriptor_left)
{
    mp_event *event = new_event();
    struct rlimit files, none;
    int r;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    r = mp_event_fd(event);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(r, -EMFILE);
    armed(event); /* nothing has stayed of the attempt */
    must(mp_event_destroy(event));
}
END_TEST

/* A loop that is told of changes only. */
START_TEST(event_fd_edges)
{
    mp_event *event = new_event();
    int epoll = epoll_with(armed(event), EPOLLIN | EPOLLET);

    ck_assert_int_eq(epoll_now(epoll), 0);
    for (int round = 0; round < 3; round++) {
        must(mp_event_set(event));
        ck_assert_int_eq(epoll_now(epoll), 1);
        ck_assert_int_eq(epoll_now(epoll), 0);
        must(mp_event_clear(event));
        ck_assert_int_eq(mp_event_is_set(event), 0);
        ck_assert_int_eq(epoll_now(epoll), 0);
    }
    close(epoll);
    must(mp_event_destroy(event));
}
END_TEST

/* ---- Other processes ---- */

struct stage2 {
    mp_event *event, *answer;
    mp__a64 sets;
    mp__a32 armed, stop;
};

static struct stage2 *
new_stage2(void)
{
    struct stage2 *stage = mp_new(struct stage2);

    ck_assert_ptr_nonnull(stage);
    stage->event = new_event();
    stage->answer = new_event();
    return stage;
}

static void
end_stage2(struct stage2 *stage)
{
    must(mp_event_destroy(stage->event));
    must(mp_event_destroy(stage->answer));
    must(mp_free(stage));
}

static int
set_it(void *arg)
{
    struct stage2 *stage = *(struct stage2 **)arg;

    return mp_event_set(stage->event);
}

START_TEST(event_fd_set_by_another_process)
{
    struct stage2 *stage = new_stage2();
    int fd = armed(stage->event);

    run(set_it, &stage, sizeof(stage), methods[_i]);
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(mp_event_is_set(stage->event), 1);
    end_stage2(stage);
}
END_TEST

/* Both sides sleep in poll() alone: a swallowed page would hang them. */
static int
answer_each(void *arg, int unused)
{
    struct stage2 *stage = arg;
    int fd = mp_event_fd(stage->event);

    (void)unused;
    while (!mp__load(&stage->stop)) {
        if (!await(fd))
            return 1;
        if (mp_event_is_set(stage->event) == 1) {
            must(mp_event_clear(stage->event));
            must(mp_event_set(stage->answer));
        }
    }
    return 0;
}

START_TEST(event_fd_ping_pong_in_poll)
{
    struct stage2 *stage = new_stage2();
    struct kin *kin =
        kin_start(_i ? THREADS : PROCESSES, 1, answer_each, stage);
    int fd = mp_event_fd(stage->answer);

    for (int i = 0; i < 2000; i++) {
        must(mp_event_set(stage->event));
        while (mp_event_is_set(stage->answer) != 1)
            ck_assert_int_eq(await(fd), 1);
        must(mp_event_clear(stage->answer));
    }
    mp__store(&stage->stop, 1);
    must(mp_event_set(stage->event));
    kin_end(kin);
    end_stage2(stage);
}
END_TEST

/* More tellers than there is room for, of which some are killed, and what they
 * leave in the notice is cleared by the next. The poller is told of each set
 * that has returned. */
static int
set_and_clear(void *arg, int unused)
{
    struct stage2 *stage = arg;

    (void)unused;
    while (!mp__load(&stage->stop)) {
        must(mp_event_set(stage->event));
        must(mp_event_clear(stage->event));
        mp__add(&stage->sets, 1);
    }
    return 0;
}

START_TEST(event_fd_setters_are_killed)
{
    struct stage2 *stage = new_stage2();
    int fd = mp_event_fd(stage->event), n = 2 * (int)MP__TELLERS;

    for (int round = 0; round < 4; round++) {
        struct kin *kin = kin_start(PROCESSES, n, set_and_clear, stage);
        uint64_t seen = mp__load(&stage->sets);

        for (int i = 0; i < n; i++) {
            wait_until(mp__load(&stage->sets) > seen, 30);
            seen = mp__load(&stage->sets);
            mp_event_is_set(stage->event); /* arms */
            kin_kill(kin, i);
        }
        kin_end(kin);
        must(mp_event_clear(stage->event));
        while (mp_event_is_set(stage->event) || is_readable(fd))
            ;
        must(mp_event_set(stage->event));
        ck_assert_int_eq(is_readable(fd), 1);
        must(mp_event_clear(stage->event));
    }
    for (unsigned i = 0; i < MP__TELLERS; i++)
        ck_assert_uint_eq(
            mp__load(&atomic_load(&stage->event->notice)->teller[i]), 0);
    end_stage2(stage);
}
END_TEST

static int
destroy_it(void *arg, int unused)
{
    struct stage2 *stage = arg;

    (void)unused;
    return mp_event_destroy(stage->event);
}

START_TEST(event_fd_destroyed_by_another_process)
{
    struct stage2 *stage = new_stage2();
    int before = mp_test_fds(), fd;

    for (int round = 0; round < 3; round++) {
        fd = armed(stage->event);
        kin_run(PROCESSES, 1, destroy_it, stage);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(mp_event_is_set(stage->event), -EBADF);
        /* The next one may have its place, and that of its pollers. */
        for (int i = 0; i < 20; i++) {
            stage->event = new_event();
            fd = armed(stage->event);
            must(mp_event_set(stage->event));
            ck_assert_int_eq(is_readable(fd), 1);
            must(mp_event_destroy(stage->event));
        }
        stage->event = new_event();
    }
    ck_assert_int_le(mp_test_fds(), before + 3);
    mp_test_leaks_mark(); /* those of events that others have destroyed */
    end_stage2(stage);
}
END_TEST

static int
child_polls_its_own(void *arg)
{
    struct stage2 *stage = arg;
    int fd = mp_event_fd(stage->event);

    if (mp_event_is_set(stage->event) != 0 || is_readable(fd))
        return 1;
    mp__store(&stage->armed, 1);
    do { /* it is told before it is done */
        if (!await(fd))
            return 2;
    } while (mp_event_is_set(stage->event) == 0);
    return 0;
}

START_TEST(event_fd_child_of_fork_has_its_own)
{
    struct stage2 *stage = new_stage2();
    int fd = armed(stage->event);
    pid_t pid = child(child_polls_its_own, stage);

    wait_until(mp__load(&stage->armed), 20);
    ck_assert_int_eq(is_readable(fd), 0);
    must(mp_event_set(stage->event));
    ck_assert_int_eq(is_readable(fd), 1);
    expect_exit(pid, 0);
    must(mp_event_clear(stage->event));
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    ck_assert_int_eq(is_readable(fd), 0);
    end_stage2(stage);
}
END_TEST

static int
arm_and_stay(void *arg, int unused)
{
    struct stage2 *stage = arg;

    (void)unused;
    mp_event_fd(stage->event);
    if (mp_event_is_set(stage->event) != 0)
        return 1;
    mp__add(&stage->armed, 1);
    return mp_event_wait(stage->answer, MP_FOREVER);
}

START_TEST(event_fd_more_pollers_than_there_is_room_for)
{
    struct stage2 *stage = new_stage2();
    struct kin *kin = kin_start(PROCESSES, MP__POLLERS, arm_and_stay, stage);

    wait_until(mp__load(&stage->armed) == MP__POLLERS, 60);
    must_fail(mp_event_fd(stage->event), -ENOMEM, "64 processes");
    kin_kill(kin, 7);
    armed(stage->event);
    must(mp_event_set(stage->answer));
    kin_end(kin);
    end_stage2(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("event-fd");
    TCase *tcase = poll_case(suite, "one", 30);

    tcase_add_test(tcase, event_fd_is_readable_until_it_is_asked_and_not_set);
    tcase_add_test(tcase, event_fd_after_a_wait_that_finds_nothing);
    tcase_add_test(tcase, event_fd_asked_for_when_it_is_set);
    tcase_add_test(tcase, event_fd_of_what_is_no_event);
    tcase_add_test(tcase, event_fd_beside_waiters);
    tcase_add_test(tcase, event_fd_hundreds_leave_no_descriptor);
    tcase_add_test(tcase, event_fd_no_descriptor_left);
    tcase_add_test(tcase, event_fd_edges);
    tcase = poll_case(suite, "many", 60);
    tcase_add_loop_test(tcase, event_fd_set_by_another_process, 0, METHODS);
    tcase_add_loop_test(tcase, event_fd_ping_pong_in_poll, 0, 2);
    tcase_add_test(tcase, event_fd_setters_are_killed);
    tcase_add_test(tcase, event_fd_destroyed_by_another_process);
    tcase_add_test(tcase, event_fd_child_of_fork_has_its_own);
    tcase_add_test(tcase, event_fd_more_pollers_than_there_is_room_for);
    return mp_test_main(suite);
}
