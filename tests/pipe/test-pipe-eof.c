/* SPDX-License-Identifier: MIT */
/* Who holds an end of a pipe, and when it is gone: processes that got it in
 * each of the ways there are, and that end as they please. */
#include "eof-kit.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define MANY 300

/* ---- By argument ---- */

static int
send_many(void *arg)
{
    return send_numbers(*(mp_conn **)arg, 0, MANY) ? 1 : 0;
}

/* As in Python: start the child with b, close b, receive until the end. */
START_TEST(receive_until_the_end)
{
    struct pair pair = make_pair(0);
    mp_process *p = start(send_many, &pair.b, sizeof(pair.b), methods[_i]);

    must(mp_conn_close(pair.b));
    ck_assert_int_eq(receive_all(pair.a, 0), MANY);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
}
END_TEST

/* b need not even be closed: its maker has never used it. */
START_TEST(a_maker_that_does_not_use_it_does_not_count)
{
    struct pair pair = make_pair(1);
    mp_process *p = start(send_many, &pair.b, sizeof(pair.b), methods[_i]);

    ck_assert_int_eq(receive_all(pair.a, 0), MANY);
    ck_assert_int_eq(end_of(p), 0);
    close_pair(pair);
}
END_TEST

START_TEST(a_maker_that_uses_it_counts)
{
    struct pair pair = make_pair(1);
    mp_process *p;
    char byte;

    must(mp_conn_send(pair.b, "x", 1, MP_NOW));
    p = start(send_many, &pair.b, sizeof(pair.b), MP_FORK);
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_FOREVER), 1);
    ck_assert_int_eq(end_of(p), 0);
    for (int i = 0; i < MANY; i++) {
        ssize_t size = mp_conn_next_size(pair.a, MP_NOW);
        char message[20000];

        ck_assert_int_ge(size, 4);
        ck_assert_int_eq(
            mp_conn_recv(pair.a, message, sizeof(message), MP_NOW), size);
    }
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EAGAIN);
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(mp_conn_recv(pair.a, &byte, 1, MP_NOW), -EPIPE);
    must(mp_conn_close(pair.a));
}
END_TEST

/* What has come before the end is received after the sender's. */
START_TEST(G06_what_was_sent_outlives_its_sender)
{
    struct pair pair = make_pair(0);

    ck_assert_int_eq(run(send_many, &pair.b, sizeof(pair.b),
                         MP_PROCESS_ATTR(.method = methods[_i])),
                     0);
    ck_assert_int_eq(receive_all(pair.a, 0), MANY);
    close_pair(pair);
}
END_TEST

struct wrapped {
    char text[100];
    mp_conn *none, *ends[3];
    uint64_t junk[4];
    volatile int *go;
};

static int
send_on_the_last(void *arg)
{
    struct wrapped *w = arg;

    return await_value(w->go, 1) && send_numbers(w->ends[2], 0, 3) == 0 ? 0
                                                                        : 1;
}

/* The handle may be anywhere in the argument, and more than once, among all
 * sorts of words. */
START_TEST(ends_are_found_in_the_argument)
{
    struct pair pair = make_pair(1);
    struct wrapped w = {"Hello", NULL, {pair.b, pair.b, pair.b}, {0}, NULL};
    mp_process *p;

    w.go = mp_new(int);
    w.junk[0] = (uintptr_t)pair.b + 8;
    w.junk[1] = (uintptr_t)w.go & ~(uintptr_t)63;
    w.junk[2] = UINT64_MAX;
    w.junk[3] = (uintptr_t)pair.b + 4096 * 64;
    p = start(send_on_the_last, &w, sizeof(w), methods[_i]);
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(mp_conn_poll(pair.a, MP_NOW), 0);
    tell(w.go, 1);
    ck_assert_int_eq(receive_all(pair.a, 0), 3);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_free((void *)w.go));
}
END_TEST

/* ---- In other ways ---- */

static struct {
    mp_conn *b;
    volatile int *go;
} global;

static int
send_by_global(void *unused)
{
    (void)unused;
    return await_value(global.go, 1) && send_numbers(global.b, 0, MANY) == 0
               ? 0
               : 1;
}

/* Nobody but the maker has ever been seen with b, and the maker has closed
 * it: yet it is not the end, as a copy of him may know it. */
START_TEST(a_copy_knows_the_handle_from_a_variable)
{
    struct pair pair = make_pair(0);
    mp_process *p;
    pid_t teller;

    global.b = pair.b;
    global.go = mp_new(int);
    p = start(send_by_global, NULL, 0, MP_FORK);
    must(mp_conn_close(pair.b));
    teller = tell_when_asleep(global.go);
    ck_assert_int_eq(receive_all(pair.a, 0), MANY);
    expect_exit(teller, 0);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_free((void *)global.go));
}
END_TEST

static int
wait_for_go(void *go)
{
    return await_value(*(volatile int **)go, 1) ? 0 : 1;
}

START_TEST(a_copy_that_never_uses_it_ends)
{
    struct pair pair = make_pair(0);
    volatile int *go = mp_new(int);
    mp_process *p = start(wait_for_go, &go, sizeof(go), MP_FORK);
    pid_t teller;

    must(mp_conn_close(pair.b));
    ck_assert_int_eq(mp_conn_poll(pair.a, MP_NOW), 0);
    teller = tell_when_asleep(go);
    ck_assert_int_eq(receive_all(pair.a, 0), 0);
    expect_exit(teller, 0);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_free((void *)go));
}
END_TEST

struct copy {
    mp_conn *b;
    volatile int *stage;
};

static int
close_own(void *arg)
{
    struct copy *copy = arg;

    if (mp_conn_close(global.b) != 0 || mp_conn_close(global.b) != -EBADF)
        return 1;
    tell(copy->stage, 1);
    return await_value(copy->stage, 2) ? 0 : 2;
}

/* A copy that has closed its end holds it no more, alive or not. */
START_TEST(a_copy_that_has_closed_it_does_not_count)
{
    struct pair pair = make_pair(0);
    struct copy copy = {NULL, mp_new(int)};
    mp_process *p;

    global.b = pair.b;
    p = start(close_own, &copy, sizeof(copy), MP_FORK);
    await(copy.stage, 1);
    ck_assert_int_eq(mp_conn_poll(pair.a, MP_NOW), 0); /* the maker holds it */
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(receive_all(pair.a, 0), 0);
    tell(copy.stage, 2);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_free((void *)copy.stage));
}
END_TEST

static int
send_by_message(void *arg)
{
    mp_conn *b;

    if (mp_queue_get(*(mp_queue **)arg, &b, sizeof(b), MP_FOREVER) < 0)
        return 1;
    return send_numbers(b, 0, MANY) ? 2 : 0;
}

START_TEST(G20_a_handle_may_come_by_a_message)
{
    struct pair pair = make_pair(0);
    mp_queue *queue;
    mp_process *p;

    must(mp_queue_create(&queue, NULL));
    p = start(send_by_message, &queue, sizeof(queue), methods[_i]);
    must(mp_queue_put(queue, &pair.b, sizeof(pair.b), MP_FOREVER));
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(receive_all(pair.a, 0), MANY);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Several holders ---- */

struct part {
    mp_conn *b;
    volatile int *go;
    int first;
};

static int
send_one(void *arg)
{
    struct part *part = arg;

    return await_value(part->go, part->first + 1) &&
                   send_numbers(part->b, part->first, 1) == 0
               ? 0
               : 1;
}

START_TEST(G11_an_end_is_gone_with_its_last_holder)
{
    struct pair pair = make_pair(0);
    volatile int *go = mp_new(int);
    mp_process *p[3];

    for (int i = 0; i < 3; i++) {
        struct part part = {pair.b, go, i};

        p[i] = start(send_one, &part, sizeof(part), methods[_i]);
    }
    must(mp_conn_close(pair.b));
    for (int i = 0; i < 3; i++) {
        char byte[100];

        tell(go, i + 1);
        ck_assert_int_eq(end_of(p[i]), 0);
        ck_assert_int_gt(mp_conn_recv(pair.a, byte, sizeof(byte), MP_NOW), 0);
        ck_assert_int_eq(mp_conn_recv(pair.a, byte, sizeof(byte), MP_NOW),
                         i < 2 ? -EAGAIN : -EPIPE);
    }
    must(mp_conn_close(pair.a));
    must(mp_free((void *)go));
}
END_TEST

static void *
thread_sends(void *b)
{
    return send_numbers(b, 0, 1) ? "" : NULL;
}

static int
send_by_threads(void *arg)
{
    struct part *part = arg;
    pthread_t thread;
    void *failed;

    pthread_create(&thread, NULL, thread_sends, part->b);
    pthread_join(thread, &failed);
    tell(part->go, 1);
    if (failed || !await_value(part->go, 2))
        return 1;
    return send_numbers(part->b, 1, 1) ? 2 : 0;
}

/* The only thread that has used the end is gone, its process is not. */
START_TEST(the_end_of_a_thread_is_not_that_of_its_process)
{
    struct pair pair = make_pair(0);
    struct part part = {pair.b, mp_new(int), 0};
    mp_process *p = start(send_by_threads, &part, sizeof(part), methods[_i]);
    char byte[100];

    must(mp_conn_close(pair.b));
    await(part.go, 1);
    ck_assert_int_eq(mp_conn_recv(pair.a, byte, sizeof(byte), MP_NOW), 4);
    ck_assert_int_eq(mp_conn_recv(pair.a, byte, sizeof(byte), MP_NOW),
                     -EAGAIN);
    tell(part.go, 2);
    ck_assert_int_eq(receive_all(pair.a, 1), 2);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_conn_close(pair.a));
    must(mp_free((void *)part.go));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-eof");
    TCase *tcase = family_case(suite, "argument", 20);

    tcase_add_loop_test(tcase, receive_until_the_end, 0, METHODS);
    tcase_add_loop_test(tcase, a_maker_that_does_not_use_it_does_not_count, 0,
                        METHODS);
    tcase_add_test(tcase, a_maker_that_uses_it_counts);
    tcase_add_loop_test(tcase, G06_what_was_sent_outlives_its_sender, 0,
                        METHODS);
    tcase_add_loop_test(tcase, ends_are_found_in_the_argument, 0, METHODS);
    tcase = family_case(suite, "others", 20);
    tcase_add_test(tcase, a_copy_knows_the_handle_from_a_variable);
    tcase_add_test(tcase, a_copy_that_never_uses_it_ends);
    tcase_add_test(tcase, a_copy_that_has_closed_it_does_not_count);
    tcase_add_loop_test(tcase, G20_a_handle_may_come_by_a_message, 0, METHODS);
    tcase = family_case(suite, "several", 20);
    tcase_add_loop_test(tcase, G11_an_end_is_gone_with_its_last_holder, 0,
                        METHODS);
    tcase_add_loop_test(tcase, the_end_of_a_thread_is_not_that_of_its_process,
                        0, METHODS);
    return mp_test_main(suite);
}
