/* SPDX-License-Identifier: MIT */
/* Processes that hold an end of a pipe are killed: before they have used it, in
 * the midst of it, and while the other end sleeps, or does not. */
#include "eof-kit.h"

#include "os/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 0.5 /* s: many times what it takes */

struct task {
    mp_conn *end;
    volatile int *begun;
};

/* A child at work, which has begun it. */
static mp_process *
start_task(mp_target target, mp_conn *end, int method)
{
    struct task task = {end, mp_new(int)};
    mp_process *p = start(target, &task, sizeof(task), method);

    await(task.begun, 1);
    must(mp_free((void *)task.begun));
    return p;
}

static void
kill_it(mp_process *p)
{
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
}

static void
is_soon(mp_time until)
{
    ck_assert_msg(mp__now() < until, "that took %.3f s too long",
                  (double)(mp__now() - until) / 1e9);
}

/* ---- Before it was used ---- */

static int
hold_only(void *arg)
{
    tell(((struct task *)arg)->begun, 1);
    return sleep_for_ever(NULL);
}

START_TEST(G01_killed_before_it_used_its_end)
{
    struct pair pair = make_pair(1);
    mp_process *p = start_task(hold_only, pair.b, methods[_i]);
    mp_time soon;
    char byte;

    must(mp_conn_send(pair.a, "x", 1, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EAGAIN);
    must(mp_process_kill(p));
    soon = mp_timeout(AT_ONCE * mp_test_scale());
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_FOREVER), -EPIPE);
    is_soon(soon);
    ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
    ck_assert_int_eq(end_of(p), -SIGKILL);
    close_pair(pair);
}
END_TEST

/* The sender has room for all it wants to send. */
START_TEST(G01_killed_before_it_used_its_end_is_seen_by_send)
{
    struct pair pair = make_pair(1);
    mp_process *p = start_task(hold_only, pair.b, methods[_i]);

    for (int i = 0; i < 100; i++)
        must(mp_conn_send(pair.a, "x", 1, MP_NOW));
    kill_it(p);
    ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
    close_pair(pair);
}
END_TEST

/* Perhaps before its first instruction. */
START_TEST(G01_killed_as_it_begins)
{
    for (int i = 0; i < 20; i++) {
        struct pair pair = make_pair(1);
        struct task task = {pair.b, mp_new(int)};
        mp_process *p = start(hold_only, &task, sizeof(task), methods[_i]);
        char byte;

        must(mp_conn_send(pair.a, "x", 1, MP_NOW));
        kill_it(p);
        ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
        ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_FOREVER), -EPIPE);
        close_pair(pair);
        must(mp_free((void *)task.begun));
    }
}
END_TEST

START_TEST(G01_killed_while_the_receiver_sleeps)
{
    struct pair pair = make_pair(0);
    mp_process *p = start_task(hold_only, pair.b, methods[_i]);
    pid_t killer = kill_when_asleep(p);

    ck_assert_int_eq(receive_all(pair.a, 0), 0);
    expect_exit(killer, 0);
    ck_assert_int_eq(end_of(p), -SIGKILL);
    close_pair(pair);
}
END_TEST

START_TEST(G01_killed_while_the_sender_sleeps)
{
    struct pair pair = make_pair(1);
    mp_process *p = start_task(hold_only, pair.b, methods[_i]);
    pid_t killer;
    int sent = 0;
    int r;

    while ((r = mp_conn_send(pair.a, "1234", 4, MP_NOW)) == 0)
        sent++;
    ck_assert_int_eq(r, -EAGAIN);
    killer = kill_when_asleep(p);
    ck_assert_int_eq(mp_conn_send(pair.a, "5678", 4, MP_FOREVER), -EPIPE);
    expect_exit(killer, 0);
    ck_assert_int_eq(end_of(p), -SIGKILL);
    /* What nobody will receive is thrown away with the pipe. */
    ck_assert_int_gt(sent, 1000);
    close_pair(pair);
}
END_TEST

/* ---- In the midst of it ---- */

static int
send_for_ever(void *arg)
{
    struct task *task = arg;

    tell(task->begun, 1);
    for (int i = 0; send_numbers(task->end, i, 1) == 0; i++)
        ;
    return 1;
}

START_TEST(G01_killed_in_the_midst_of_sending)
{
    for (int i = 0; i < 20; i++) {
        struct pair pair = make_pair(1);
        mp_process *p = start_task(send_for_ever, pair.b, methods[_i]);
        char message[20000];
        int n;

        for (n = 0; n < i * 20; n++) {
            ck_assert_int_ge(
                mp_conn_recv(pair.a, message, sizeof(message), MP_FOREVER), 4);
            ck_assert_int_eq(memcmp(message, &n, sizeof(n)), 0);
        }
        must(mp_process_kill(p));
        receive_all(pair.a, n);
        ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
        ck_assert_int_eq(end_of(p), -SIGKILL);
        close_pair(pair);
    }
}
END_TEST

static int
receive_for_ever(void *arg)
{
    struct task *task = arg;
    char message[20000];

    tell(task->begun, 1);
    while (mp_conn_recv(task->end, message, sizeof(message), MP_FOREVER) >= 0)
        ;
    return 1;
}

START_TEST(G01_killed_in_the_midst_of_receiving)
{
    for (int i = 0; i < 20; i++) {
        struct pair pair = make_pair(1);
        mp_process *p = start_task(receive_for_ever, pair.b, methods[_i]);
        int n;

        for (n = 0; n < i * 20; n++)
            must(send_numbers(pair.a, n, 1));
        must(mp_process_kill(p));
        while (send_numbers(pair.a, n, 1) == 0)
            n++;
        ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
        ck_assert_int_eq(end_of(p), -SIGKILL);
        close_pair(pair);
    }
}
END_TEST

/* It streams through, with nobody asleep and no system call: a death is seen
 * all the same. */
START_TEST(G01_killed_receiver_is_seen_on_the_quick_way)
{
    struct pair pair = make_pair(0);
    mp_process *p = start_task(receive_for_ever, pair.a, methods[_i]);

    for (int i = 0; i < 10000; i++)
        must(mp_conn_send(pair.b, &i, sizeof(i), MP_FOREVER));
    kill_it(p);
    ck_assert_int_eq(mp_conn_send(pair.b, "x", 1, MP_NOW), -EPIPE);
    close_pair(pair);
}
END_TEST

/* ---- One of several ---- */

START_TEST(G01_one_of_several_is_killed)
{
    struct pair pair = make_pair(1);
    mp_process *p[4];

    for (int i = 0; i < 4; i++)
        p[i] = start_task(i % 2 ? hold_only : receive_for_ever, pair.b,
                          methods[_i]);
    for (int i = 0; i < 4; i++) {
        char byte;

        must(mp_conn_send(pair.a, "x", 1, MP_FOREVER));
        ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EAGAIN);
        kill_it(p[i]);
    }
    ck_assert_int_eq(receive_all(pair.a, 0), 0);
    ck_assert_int_eq(mp_conn_send(pair.a, "x", 1, MP_NOW), -EPIPE);
    close_pair(pair);
}
END_TEST

/* The end of a killed process is passed on to another, more often than there
 * are places for holders. */
START_TEST(an_end_has_one_holder_after_the_other)
{
    struct pair pair = make_pair(1);

    for (int i = 0; i < 200; i++) {
        struct task task = {pair.b, mp_new(int)};
        mp_process *p = start(hold_only, &task, sizeof(task), MP_FORK);
        char byte;

        ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EAGAIN);
        kill_it(p);
        ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EPIPE);
        must(mp_free((void *)task.begun));
    }
    close_pair(pair);
}
END_TEST

/* ---- The parent ---- */

struct heirs {
    mp_conn *a;
    volatile int *state;
};

static int
outlive_parent(void *arg)
{
    struct heirs *heirs = arg;
    char byte;

    tell(heirs->state, 1);
    tell(heirs->state, (int)-mp_conn_recv(heirs->a, &byte, 1, mp_timeout(20)));
    return 0;
}

/* Holds b, which it has made. */
static int
make_and_be_killed(void *arg)
{
    struct heirs heirs = {NULL, *(volatile int **)arg};
    mp_process *p;
    mp_conn *b;

    if (mp_pipe(&heirs.a, &b, 1) < 0 ||
        mp_process_start(&p, outlive_parent, &heirs, sizeof(heirs), NULL) <
            0 ||
        !await_value(heirs.state, 1))
        return 1;
    return raise(SIGKILL);
}

START_TEST(G01_the_maker_is_killed)
{
    volatile int *state = mp_new(int);

    ck_assert_int_eq(run(make_and_be_killed, &state, sizeof(state),
                         MP_PROCESS_ATTR(.method = methods[_i])),
                     -SIGKILL);
    await(state, EPIPE);
    must(mp_free((void *)state));
}
END_TEST

/* ---- Starts that fail ---- */

START_TEST(a_child_that_could_not_be_started_never_held_it)
{
    struct pair pair = make_pair(1);
    struct task task = {pair.b, NULL};
    mp_process *p;
    char byte;

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(
            mp_process_start(&p, hold_only, &task, sizeof(task),
                             MP_PROCESS_ATTR(.method = methods[_i % METHODS],
                                             .cwd = "/nowhere/at/all")),
            -ENOENT);
    /* It is its maker's again. */
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EAGAIN);
    must(mp_conn_send(pair.a, "x", 1, MP_NOW));
    close_pair(pair);
}
END_TEST

START_TEST(too_many_processes)
{
    struct pair pair = make_pair(1);
    mp_process *p[64];
    struct task task = {pair.b, mp_new(int)};
    int n = 0;
    int r;

    while (n < 64 && (r = mp_process_start(&p[n], hold_only, &task,
                                           sizeof(task), NULL)) == 0)
        n++;
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_int_eq(n, 63); /* and the maker */
    kill_it(p[10]);
    p[10] = start(hold_only, &task, sizeof(task), MP_FORK);
    for (int i = 0; i < n; i++)
        kill_it(p[i]);
    ck_assert_int_eq(receive_all(pair.a, 0), 0);
    close_pair(pair);
    must(mp_free((void *)task.begun));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-eof-death");
    TCase *tcase = family_case(suite, "unused", 20);

    tcase_add_loop_test(tcase, G01_killed_before_it_used_its_end, 0, METHODS);
    tcase_add_loop_test(
        tcase, G01_killed_before_it_used_its_end_is_seen_by_send, 0, METHODS);
    tcase_add_loop_test(tcase, G01_killed_as_it_begins, 0, METHODS);
    tcase_add_loop_test(tcase, G01_killed_while_the_receiver_sleeps, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G01_killed_while_the_sender_sleeps, 0, METHODS);
    tcase = family_case(suite, "used", 20);
    tcase_add_loop_test(tcase, G01_killed_in_the_midst_of_sending, 0, METHODS);
    tcase_add_loop_test(tcase, G01_killed_in_the_midst_of_receiving, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G01_killed_receiver_is_seen_on_the_quick_way, 0,
                        METHODS);
    tcase = family_case(suite, "several", 20);
    tcase_add_loop_test(tcase, G01_one_of_several_is_killed, 0, METHODS);
    tcase_add_test(tcase, an_end_has_one_holder_after_the_other);
    tcase_add_loop_test(tcase, G01_the_maker_is_killed, 0, METHODS);
    tcase = family_case(suite, "starts", 20);
    tcase_add_loop_test(tcase, a_child_that_could_not_be_started_never_held_it,
                        0, METHODS);
    tcase_add_test(tcase, too_many_processes);
    return mp_test_main(suite);
}
