/* SPDX-License-Identifier: MIT */
/* Closing an end: what the process can do with it afterwards, what becomes of
 * threads that are at it, and of the pipe's memory. */
#include "eof-kit.h"

#include <mproc/memory.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define THREADS 3

/* ---- The handle ---- */

START_TEST(G36_a_closed_end_is_ebadf)
{
    struct pair pair = make_pair(1);
    char byte;

    must(mp_conn_close(NULL));
    must(mp_conn_send(pair.a, "x", 1, MP_NOW));
    must(mp_conn_close(pair.a));
    ck_assert_int_eq(mp_conn_close(pair.a), -EBADF);
    ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_send(pair.a, NULL, 0, MP_FOREVER), -EBADF);
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_FOREVER), -EBADF);
    ck_assert_int_eq(mp_conn_poll(pair.a, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_next_size(pair.a, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_fd(pair.a), -EBADF);
    ck_assert_int_eq(mp_conn_send_fd(pair.a, 0, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_recv_fd(pair.a, MP_NOW), -EBADF);
    /* The other end is as good as before. */
    ck_assert_int_eq(mp_conn_recv(pair.b, &byte, 1, MP_NOW), 1);
    ck_assert_int_eq(mp_conn_recv(pair.b, &byte, 1, MP_NOW), -EPIPE);
    ck_assert_int_eq(mp_conn_send(pair.b, "x", 1, MP_NOW), -EPIPE);
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(mp_conn_close(pair.b), -EBADF);
}
END_TEST

static int
receive_three(void *arg)
{
    return receive_all(*(mp_conn **)arg, 0) == 3 ? 0 : 1;
}

/* Closed in one process, it is open in another. */
START_TEST(closed_here_and_open_there)
{
    struct pair pair = make_pair(1);
    mp_process *p;
    char byte;

    must(send_numbers(pair.b, 0, 1));
    p = start(receive_three, &pair.a, sizeof(pair.a), methods[_i]);
    must(mp_conn_close(pair.a));
    must(send_numbers(pair.b, 1, 2));
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EBADF);
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(end_of(p), 0);
}
END_TEST

/* ---- Threads at it ---- */

struct at_work {
    mp_conn *conn;
    volatile pid_t tid;
    int sends;
    int r;
};

static void *
work(void *arg)
{
    struct at_work *w = arg;
    char byte;

    __atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
    do
        w->r = w->sends ? mp_conn_send(w->conn, "x", 1, MP_FOREVER)
                        : (int)mp_conn_recv(w->conn, &byte, 1, MP_FOREVER);
    while (w->r >= 0);
    return NULL;
}

static int
is_asleep(const struct at_work *w)
{
    pid_t tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE);

    return tid && thread_state(getpid(), tid) == 'S';
}

/* Some of them receive, some send into a ring that nobody empties. All have
 * used the end before, one of them by its bias. */
START_TEST(threads_that_wait_are_told)
{
    struct pair pair = make_pair(1);
    struct at_work w[2 * THREADS];
    pthread_t thread[2 * THREADS];

    for (int i = 0; i < 20; i++)
        must(mp_conn_send(pair.b, "x", 1, MP_NOW));
    for (int i = 0; i < 2 * THREADS; i++) {
        w[i] = (struct at_work){pair.a, 0, i % 2, 0};
        pthread_create(&thread[i], NULL, work, &w[i]);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        wait_until(is_asleep(&w[i]), 10);
    must(mp_conn_close(pair.a));
    for (int i = 0; i < 2 * THREADS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(w[i].r, -EBADF);
    }
    must(mp_conn_close(pair.b));
    ck_assert_uint_eq(count_ends(), 0);
}
END_TEST

/* Closed at any moment of a thread that sends as fast as it can. */
START_TEST(a_thread_in_the_midst_of_it_is_told)
{
    for (int i = 0; i < 200; i++) {
        struct pair pair = make_pair(1);
        struct at_work send = {pair.a, 0, 1, 0}, recv = {pair.b, 0, 0, 0};
        pthread_t sender, receiver;

        pthread_create(&sender, NULL, work, &send);
        pthread_create(&receiver, NULL, work, &recv);
        wait_until(recv.tid && send.tid, 10);
        usleep((useconds_t)i);
        must(mp_conn_close(_i ? pair.a : pair.b));
        pthread_join(sender, NULL);
        pthread_join(receiver, NULL);
        ck_assert_int_eq(send.r, _i ? -EBADF : -EPIPE);
        ck_assert_int_eq(recv.r, _i ? -EPIPE : -EBADF);
        must(mp_conn_close(_i ? pair.b : pair.a));
        ck_assert_int_eq(mp_conn_close(pair.a), -EBADF);
        ck_assert_int_eq(mp_conn_close(pair.b), -EBADF);
    }
}
END_TEST

/* ---- Memory ---- */

static mp_memory_statistics
memory(void)
{
    mp_memory_statistics now = {.size = sizeof(now)};

    must(mp_memory_stats(&now));
    return now;
}

static void
use_once(int i)
{
    static const char large[9000];
    struct pair pair = make_pair(i % 2);

    if (i % 3)
        must(send_numbers(pair.b, 0, i % 50 + 1));
    if (i % 5 == 0)
        must(mp_conn_send(pair.b, large, sizeof(large), MP_NOW));
    if (i % 7 == 0)
        must(mp_conn_send_fd(pair.b, 2, MP_NOW));
    close_pair(pair);
}

/* With messages in them, and blocks by reference. */
START_TEST(ten_thousand_pipes_leave_nothing)
{
    mp_memory_statistics before, after;

    for (int i = 0; i < 210; i++)
        use_once(i);
    before = memory();
    for (int i = 0; i < 10000; i++)
        use_once(i);
    after = memory();
    ck_assert_uint_eq(after.small_blocks, before.small_blocks);
    ck_assert_uint_eq(after.large_blocks, before.large_blocks);
    ck_assert_uint_le(after.chunks, before.chunks);
    ck_assert_uint_eq(count_ends(), 0);
}
END_TEST

#define PIPES 100

static int
make_pipes_and_die(void *unused)
{
    mp_conn *a, *b;

    (void)unused;
    for (int i = 0; i < PIPES; i++)
        if (mp_pipe(&a, &b, 1) < 0 || send_numbers(a, 0, 3) < 0)
            return 1;
    return raise(SIGKILL);
}

/* What killed processes have left is freed as new ones are made. */
START_TEST(pipes_of_the_killed_are_collected)
{
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(run(make_pipes_and_die, NULL, 0,
                             MP_PROCESS_ATTR(.method = methods[_i])),
                         -SIGKILL);
    ck_assert_uint_le(count_ends(), 2 * 3 * PIPES);
    for (int i = 0; i < 2 * PIPES; i++)
        close_pair(make_pair(1));
    ck_assert_uint_le(count_ends(), 2 * PIPES);
}
END_TEST

/* Of a process that the library has not started, killed wherever it is. */
static int
make_pipes_for_ever(void *unused)
{
    mp_conn *a, *b;

    (void)unused;
    while (mp_pipe(&a, &b, 0) == 0)
        ;
    return 1;
}

START_TEST(pipes_of_a_plain_fork_are_collected)
{
    for (int i = 0; i < 100; i++) {
        pid_t pid = child(make_pipes_for_ever, NULL);

        usleep((useconds_t)i * 20);
        kill_and_reap(pid);
    }
    for (int i = 0; i < 100 && count_ends() > 2 * PIPES; i++)
        for (int n = 0; n < 1000; n++)
            close_pair(make_pair(0));
    ck_assert_uint_le(count_ends(), 2 * PIPES);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-close");
    TCase *tcase = family_case(suite, "handle", 20);

    tcase_add_test(tcase, G36_a_closed_end_is_ebadf);
    tcase_add_loop_test(tcase, closed_here_and_open_there, 0, METHODS);
    tcase = mp_test_case(suite, "threads", 20);
    tcase_add_test(tcase, threads_that_wait_are_told);
    tcase_add_loop_test(tcase, a_thread_in_the_midst_of_it_is_told, 0, 2);
    tcase = family_case(suite, "memory", 30);
    tcase_add_test(tcase, ten_thousand_pipes_leave_nothing);
    tcase_add_loop_test(tcase, pipes_of_the_killed_are_collected, 0, METHODS);
    tcase_add_test(tcase, pipes_of_a_plain_fork_are_collected);
    return mp_test_main(suite);
}
