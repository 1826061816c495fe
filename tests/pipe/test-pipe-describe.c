/* SPDX-License-Identifier: MIT */
/* What mp_describe() tells of an end of a pipe: what lies in it, who holds the
 * two ends, who waits. */
#include "process/family.h"
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEER "connection @, an end of a pipe, the other is @"
#define BOTH                            \
    "  pid %d (MainProcess) holds it\n" \
    "  pid %d (MainProcess) holds the other\n"

START_TEST(describe_pipe_content)
{
    char byte, *large = calloc(1, 100000);
    int me = getpid();
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    expect_report(a, PEER "; in: empty, nobody waits to receive\n" BOTH, me,
                  me);
    must(mp_conn_send(b, "x", 1, MP_NOW));
    expect_report(a, PEER "; in: 1 message, nobody waits to receive\n" BOTH,
                  me, me);
    must(mp_conn_send(b, large, 100000, MP_NOW));
    must(mp_conn_send_fd(b, STDERR_FILENO, MP_NOW));
    expect_report(b, PEER "; out: 3 messages, nobody waits to send\n" BOTH, me,
                  me);
    must(mp_conn_recv(a, &byte, 1, MP_NOW));
    must(mp_conn_recv(a, large, 100000, MP_NOW));
    expect_report(a, PEER "; in: 1 message, nobody waits to receive\n" BOTH,
                  me, me);
    must(mp_conn_close(b));
    expect_report(a,
                  "connection @, an end of a pipe, the other is gone; in: 1 "
                  "message, nobody waits to receive\n"
                  "  pid %d (MainProcess) holds it\n",
                  me);
    must(mp_conn_close(a));
    free(large);
}
END_TEST

/* Over laps: what is left empty at the end of one is no message. */
START_TEST(describe_pipe_counts_over_laps)
{
    static char message[8000];
    int me = getpid();
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    for (int i = 0; i < 30; i++) {
        must(mp_conn_send(b, message, sizeof(message), MP_NOW));
        if (i > 0)
            must(mp_conn_recv(a, message, sizeof(message), MP_NOW));
        must(mp_conn_send(b, message, 100, MP_NOW));
        expect_report(a,
                      PEER "; in: %d messages, nobody waits to receive; out: "
                           "empty, nobody waits to send\n" BOTH,
                      2, me, me);
        must(mp_conn_recv(a, message, sizeof(message), MP_NOW));
    }
    must(mp_conn_close(a));
    must(mp_conn_close(b));
}
END_TEST

static int
receive_one(void *arg)
{
    char byte;

    return mp_conn_recv(*(mp_conn **)arg, &byte, 1, MP_FOREVER) != 1;
}

START_TEST(describe_pipe_receivers)
{
    mp_process *first, *second;
    int me = getpid();
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    first = start_named("first", receive_one, a);
    await_report(a,
                 PEER "; in: empty, 1 waits to receive\n"
                      "  pid %d (first) holds it\n"
                      "  pid %d (MainProcess) holds the other\n"
                      "  pid %d (first) waits for #, to receive\n",
                 pid_of(first), me, pid_of(first));
    second = start_named("second", receive_one, a);
    await_report(a,
                 PEER "; in: empty, 2 wait to receive\n"
                      "  pid %d (first) holds it\n"
                      "  pid %d (second) holds it\n"
                      "  pid %d (MainProcess) holds the other\n"
                      "  pid %d (first) waits for #, to receive\n"
                      "  pid %d (second) waits for #, to receive\n",
                 pid_of(first), pid_of(second), me, pid_of(first),
                 pid_of(second));
    kill_named(first);
    await_report(a,
                 PEER "; in: empty, 1 waits to receive\n"
                      "  pid %d (second) holds it\n"
                      "  pid %d (MainProcess) holds the other\n"
                      "  pid %d (second) waits for #, to receive\n",
                 pid_of(second), me, pid_of(second));
    await_report(second,
                 "process @ \"second\": pid %d runs; child of pid %d "
                 "(MainProcess)\n"
                 "  pid %d (second) waits for #, for connection @\n",
                 pid_of(second), me, pid_of(second));
    must(mp_conn_send(b, "x", 1, MP_NOW));
    ck_assert_int_eq(end_of(second), 0);
    must(mp_conn_close(a));
    must(mp_conn_close(b));
}
END_TEST

/* Until there is no room. */
static int
send_for_ever(void *arg)
{
    static char message[8000];

    while (mp_conn_send(*(mp_conn **)arg, message, sizeof(message),
                        MP_FOREVER) == 0)
        ;
    return 1;
}

START_TEST(describe_pipe_senders)
{
    mp_process *sender;
    int me = getpid();
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    sender = start_named("sender", send_for_ever, b);
    await_report(b,
                 PEER "; out: 8 messages, 1 waits to send\n"
                      "  pid %d (sender) holds it\n"
                      "  pid %d (MainProcess) holds the other\n"
                      "  pid %d (sender) waits for #, to send\n",
                 pid_of(sender), me, pid_of(sender));
    kill_named(sender);
    must(mp_conn_close(a));
    must(mp_conn_close(b));
}
END_TEST

START_TEST(describe_pipe_refuses_an_end_that_is_no_more)
{
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    must(mp_conn_close(a));
    must(mp_conn_close(b));
    must_fail(mp_describe(a, stderr), -EBADF, "mp_describe");
    must_fail(mp_describe(b, stderr), -EBADF, "mp_describe");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-describe");
    TCase *tcase = family_case(suite, "describe", 60);

    tcase_add_test(tcase, describe_pipe_content);
    tcase_add_test(tcase, describe_pipe_counts_over_laps);
    tcase_add_test(tcase, describe_pipe_receivers);
    tcase_add_test(tcase, describe_pipe_senders);
    tcase_add_test(tcase, describe_pipe_refuses_an_end_that_is_no_more);
    return mp_test_main(suite);
}
