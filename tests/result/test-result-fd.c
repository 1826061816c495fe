/* SPDX-License-Identifier: MIT */
/* mp_result_fd(), mp_pool_fd(), and results in mp_wait(): the end of a task is
 * told, and so is the death of a worker while all sleep in poll(). */
#include "pool/kit.h"

#include "os/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

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

/* Sleeps in poll(), and asks when it is told to, as a program's loop does. */
static void
poll_until_ready(mp_result *result)
{
    int fd = mp_result_fd(result);

    ck_assert_int_gt(fd, 2);
    while (mp_result_ready(result) == 0)
        ck_assert_int_eq(await(fd), 1);
    ck_assert_int_eq(mp_result_ready(result), 1);
}

/* Asks until there are no more spurious news. */
static void
settle(mp_result *result)
{
    mp_time until = soon();

    do {
        ck_assert_int_eq(mp_result_ready(result), 0);
        ck_assert_int_lt(mp__now(), until);
    } while (is_readable(mp_result_fd(result)));
}

/* After so long, from a process of its own. */
static pid_t
kill_soon(pid_t victim)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        usleep(30000); /* by then the parent sleeps, as a rule */
        kill(victim, SIGKILL);
        _exit(0);
    }
    return pid;
}

/* ---- The end of a task ---- */

START_TEST(result_fd_is_readable_when_the_task_has_ended)
{
    mp_pool *pool;
    struct gate gate;
    mp_result *result;
    int fd;

    use_method(_i);
    pool = pool_of(2);
    gate = gate_open();
    for (int round = 0; round < 3; round++) {
        result = submit_to_gate(pool, gate);
        gate_await(gate);
        fd = mp_result_fd(result);
        ck_assert_int_eq(mp_result_fd(result), fd);
        settle(result);
        gate_let_go(gate);
        poll_until_ready(result);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(end_of(result), 0);
        must(mp_result_free(result));
    }
    gate_close(gate);
    end_pool(pool);
}
END_TEST

START_TEST(result_fd_asked_for_when_it_has_ended)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_apply(pool, return_pid, NULL, 0, &result));
    ck_assert_int_eq(is_readable(mp_result_fd(result)), 1);
    ck_assert_int_eq(mp_result_ready(result), 1);
    must(mp_result_free(result));
    must_fail(mp_result_fd(result), -EBADF, "mp_result_fd");
    must_fail(mp_result_fd(NULL), -EBADF, "mp_result_fd");
    end_pool(pool);
}
END_TEST

static int
twice(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = *(const int *)item * 2;
    return 0;
}

START_TEST(result_fd_of_a_map)
{
    mp_pool *pool = pool_of(2);
    static int in[5000], out[5000];
    mp_result *result;

    for (int round = 0; round < 10; round++) {
        must(mp_pool_map_async(pool, twice, in, sizeof(int), out, sizeof(int),
                               5000, NULL, &result));
        poll_until_ready(result);
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

START_TEST(result_fd_cancelled)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *running = submit_to_gate(pool, gate),
              *queued = submit_to_gate(pool, gate);

    gate_await(gate);
    settle(running);
    settle(queued);
    must(mp_result_cancel(queued));
    ck_assert_int_eq(is_readable(mp_result_fd(queued)), 1);
    ck_assert_int_eq(mp_result_ready(queued), 1);
    must(mp_result_cancel(running));
    poll_until_ready(running);
    must(mp_result_free(running));
    must(mp_result_free(queued));
    gate_close(gate);
    end_pool(pool);
}
END_TEST

/* ---- Deaths ---- */

/* The only worker is killed while its owner sleeps in poll(). */
START_TEST(G27_only_worker_is_killed_while_its_owner_polls)
{
    mp_pool *pool;
    struct gate gate;
    mp_result *result, *next;
    pid_t victim, killer;

    use_method(_i);
    pool = pool_of(1);
    gate = gate_open();
    result = submit_to_gate(pool, gate);
    victim = gate_await(gate);
    next = submit_to_gate(pool, gate);
    settle(result);
    settle(next);
    killer = kill_soon(victim);
    poll_until_ready(result);
    ck_assert_int_eq(end_of(result), -ESRCH);
    gate_let_go(
        gate); /* for a successor, whom nobody but we can have started */
    poll_until_ready(next);
    ck_assert_int_eq(end_of(next), 0);
    expect_exit(killer, 0);
    must(mp_result_free(result));
    must(mp_result_free(next));
    gate_close(gate);
    end_pool(pool);
}
END_TEST

static _Atomic int failures;

static void
note_failure(mp_result *result, void *arg)
{
    (void)result;
    (void)arg;
    failures++;
}

/* The same with callbacks: mp_pool_fd(). */
START_TEST(G27_only_worker_is_killed_while_its_owner_polls_the_pool)
{
    mp_pool *pool;
    struct gate gate;
    pid_t victim, killer;
    int fd;

    use_method(_i);
    pool = pool_of(1);
    gate = gate_open();
    fd = mp_pool_fd(pool);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(mp_pool_fd(pool), fd);
    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             MP_TASK_ATTR(.error_callback = note_failure),
                             NULL));
    victim = gate_await(gate);
    do
        ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
    while (is_readable(fd));
    killer = kill_soon(victim);
    while (!failures) {
        ck_assert_int_eq(await(fd), 1);
        must(mp_pool_callbacks(pool, MP_NOW));
    }
    expect_exit(killer, 0);
    gate_close(gate);
    end_pool(pool);
}
END_TEST

/* It is quiet again once the successor is there. */
START_TEST(result_fd_is_quiet_after_a_death_of_others)
{
    mp_pool *pool = pool_of(2);
    struct gate gate = gate_open();
    mp_result *kept = submit_to_gate(pool, gate),
              *lost = submit_to_gate(pool, gate);
    pid_t one = gate_await(gate);

    gate_await(gate);
    settle(kept);
    settle(lost);
    kill(one, SIGKILL);
    while (!mp_result_ready(kept) && !mp_result_ready(lost))
        ck_assert_int_eq(await(mp_result_fd(lost)), 1);
    if (mp_result_ready(kept)) {
        mp_result *swap = kept;

        kept = lost;
        lost = swap;
    }
    ck_assert_int_eq(end_of(lost), -ESRCH);
    settle(kept);
    gate_let_go(gate);
    poll_until_ready(kept);
    ck_assert_int_eq(end_of(kept), 0);
    must(mp_result_free(kept));
    must(mp_result_free(lost));
    gate_close(gate);
    end_pool(pool);
}
END_TEST

/* ---- The end of the pool ---- */

static void
terminate_in_child(mp_pool *pool)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(mp_pool_terminate(pool) != 0);
    expect_exit(pid, 0);
}

/* Nobody tells of the tasks that had not begun; each must be told of all the
 * same, asked one after the other. */
START_TEST(result_fd_pool_is_terminated_by_another_process)
{
    enum { N = 50 };
    mp_pool *pool = pool_of(2);
    struct gate gate = gate_open();
    mp_result *results[N];

    for (int i = 0; i < N; i++) {
        results[i] = submit_to_gate(pool, gate);
        settle(results[i]);
    }
    terminate_in_child(pool);
    for (int i = 0; i < N; i++) {
        while (mp_result_ready(results[i]) == 0)
            ck_assert_int_eq(await(mp_result_fd(results[i])), 1);
        ck_assert_int_eq(end_of(results[i]), -ECANCELED);
    }
    for (int i = 0; i < N; i++)
        must(mp_result_free(results[i]));
    gate_close(gate);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}
END_TEST

/* ---- Many ---- */

/* All in one epoll instance. */
START_TEST(result_fd_hundreds_in_one_loop)
{
    enum { N = 400 };
    int before = mp_test_fds(), left = N;
    mp_pool *pool = pool_of(2);
    mp_result *results[N];
    struct epoll_event events[16];
    int epoll = epoll_create1(EPOLL_CLOEXEC), number;

    ck_assert_int_ge(epoll, 0);
    for (number = 0; number < N; number++) {
        struct epoll_event event = {.events = EPOLLIN,
                                    .data.u32 = (uint32_t)number};

        must(mp_pool_apply_async(pool, echo, &number, sizeof(number), NULL,
                                 &results[number]));
        ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD,
                                   mp_result_fd(results[number]), &event),
                         0);
    }
    while (left > 0) {
        int n = epoll_wait(epoll, events, 16, 20000);

        ck_assert_int_gt(n, 0);
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            int value = -1;

            if (!mp_result_ready(results[i]))
                continue;
            ck_assert_int_eq(
                mp_result_get(results[i], &value, sizeof(value), MP_NOW),
                sizeof(value));
            ck_assert_int_eq(value, (int)i);
            must(mp_result_free(results[i]));
            left--;
        }
    }
    close(epoll);
    end_pool(pool);
    ck_assert_int_le(mp_test_fds(), before);
}
END_TEST

START_TEST(result_fd_no_descriptor_left)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *result = submit_to_gate(pool, gate);
    int before, made = -EMFILE;
    struct rlimit files, few;

    gate_await(gate);
    mp_result_ready(result);
    before = mp_test_fds();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    for (int more = 0; made == -EMFILE; more++) {
        int next = dup(0);

        few = files;
        few.rlim_cur = (rlim_t)next + (rlim_t)more;
        close(next);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        made = mp_result_fd(result);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        if (made < 0)
            ck_assert_int_eq(mp_test_fds(), before);
    }
    ck_assert_int_ge(made, 0);
    settle(result);
    gate_let_go(gate);
    poll_until_ready(result);
    must(mp_result_free(result));
    gate_close(gate);
    end_pool(pool);
}
END_TEST

/* ---- mp_wait() ---- */

START_TEST(wait_for_results)
{
    enum { N = 60 };
    mp_pool *pool;
    void *objects[N];
    int ready[N], left = N;

    use_method(_i);
    pool = pool_of(2);
    for (int i = 0; i < N; i++) {
        mp_result *result;

        must(mp_pool_apply_async(pool, i % 20 == 3 ? kill_self : echo, &i,
                                 sizeof(i), NULL, &result));
        objects[i] = result;
    }
    while (left > 0) {
        ck_assert_int_gt(mp_wait(objects, N, ready, soon()), 0);
        for (int i = 0; i < N; i++) {
            if (!ready[i])
                continue;
            ck_assert_int_eq(end_of(objects[i]),
                             i % 20 == 3 ? -ESRCH : (long)sizeof(int));
            must(mp_result_free(objects[i]));
            objects[i] = NULL;
            left--;
        }
    }
    end_pool(pool);
}
END_TEST

/* The only worker is killed while its owner sleeps in mp_wait(). */
START_TEST(G27_worker_is_killed_during_a_wait)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    void *objects[2] = {submit_to_gate(pool, gate), NULL};
    pid_t killer;
    mp_event *event;

    must(mp_event_create(&event, NULL));
    objects[1] = event;
    killer = kill_soon(gate_await(gate));
    ck_assert_int_eq(mp_wait(objects, 2, NULL, soon()), 1);
    ck_assert_int_eq(end_of(objects[0]), -ESRCH);
    must(mp_result_free(objects[0]));
    expect_exit(killer, 0);
    must(mp_event_destroy(event));
    gate_close(gate);
    end_pool(pool);
}
END_TEST

START_TEST(wait_for_a_map_beside_others)
{
    mp_pool *pool = pool_of(2);
    static int in[1000], out[1000];
    void *objects[2] = {NULL, MP_FD(0)};
    int ready[2], ends[2];
    mp_result *result;

    ck_assert_int_eq(pipe(ends), 0);
    objects[1] = MP_FD(ends[0]);
    must(mp_pool_map_async(pool, twice, in, sizeof(int), out, sizeof(int),
                           1000, NULL, &result));
    objects[0] = result;
    ck_assert_int_eq(mp_wait(objects, 2, ready, soon()), 1);
    ck_assert_int_eq(ready[0], 1);
    ck_assert_int_eq(ready[1], 0);
    must(mp_result_free(result));
    must_fail(mp_wait(objects, 2, ready, MP_NOW), -EBADF, "objects[0]");
    close(ends[0]);
    close(ends[1]);
    end_pool(pool);
}
END_TEST

/* What the library pages with, and keeps. */
static void
warm_up(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL));
    must(mp_event_fd(event));
    must(mp_event_destroy(event));
    mp_test_leaks_mark();
}

static TCase *
fd_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = pool_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("result-fd");
    TCase *tcase = fd_case(suite, "ends", 30);

    tcase_add_loop_test(tcase, result_fd_is_readable_when_the_task_has_ended,
                        METHODS_FROM, METHODS_TO);
    tcase_add_test(tcase, result_fd_asked_for_when_it_has_ended);
    tcase_add_test(tcase, result_fd_of_a_map);
    tcase_add_test(tcase, result_fd_cancelled);
    tcase = fd_case(suite, "deaths", 60);
    tcase_add_loop_test(tcase, G27_only_worker_is_killed_while_its_owner_polls,
                        METHODS_FROM, METHODS_TO);
    tcase_add_loop_test(
        tcase, G27_only_worker_is_killed_while_its_owner_polls_the_pool,
        METHODS_FROM, METHODS_TO);
    tcase_add_test(tcase, result_fd_is_quiet_after_a_death_of_others);
    tcase_add_test(tcase, result_fd_pool_is_terminated_by_another_process);
    tcase = fd_case(suite, "many", 60);
    tcase_add_test(tcase, result_fd_hundreds_in_one_loop);
    tcase_add_test(tcase, result_fd_no_descriptor_left);
    tcase = fd_case(suite, "wait", 60);
    tcase_add_loop_test(tcase, wait_for_results, METHODS_FROM, METHODS_TO);
    tcase_add_test(tcase, G27_worker_is_killed_during_a_wait);
    tcase_add_test(tcase, wait_for_a_map_beside_others);
    return pool_main(suite);
}
