/* SPDX-License-Identifier: MIT */
/* The server, asked by clients that speak the protocol by hand: calls that
 * wait, and what becomes of a client's things when it goes, and comes back. */
#include "server/raw.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mp_manager *manager;
static mp_lock *lock;
static mp_value *value;

static void
set_up(enum raw_by by, const mp_manager_attr *attr)
{
    manager = raw_start(by, attr);
    must(mp_lock_create(&lock, NULL));
    must(mp_value_create(&value, 'q', 0));
}

static void
tear_down(void)
{
    /* The server may not have heard yet that a client who waited is gone. */
    wait_until(mp_lock_destroy(lock) == 0, 20);
    must(mp_value_destroy(value));
    raw_end(manager);
}

static int64_t
ask_lock(struct raw *raw, const char *op, mp_time wait)
{
    return raw_ask(raw, op, MP__SLAB_LOCK, lock, wait);
}

static uint64_t
send_acquire(struct raw *raw)
{
    return raw_send(raw, "lock_acquire", MP__SLAB_LOCK, lock, MP_FOREVER,
                    "[]");
}

static uint64_t
send_add(struct raw *raw)
{
    return raw_send(raw, "value_add", MP__SLAB_VALUE, value, MP_NOW, "[i,Q]",
                    'q', (uint64_t)1);
}

static int
sum(void)
{
    int64_t x;

    must(mp_value_get(value, &x));
    return (int)x;
}

static void
error_says(struct raw *raw, const char *word)
{
    char text[256] = "";

    ck_assert_ptr_nonnull(raw->answer.error);
    memcpy(text, raw->answer.error,
           raw->answer.error_size < 255 ? raw->answer.error_size : 255);
    kin_text(text, word, __LINE__);
}

/* ---- Calls ---- */

START_TEST(a_call_gives_back_what_it_should)
{
    struct raw raw;
    int n;

    set_up((enum raw_by)_i, NULL);
    raw_open(&raw, manager);
    raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[i]", 42);
    ck_assert_int_eq(raw_hear(&raw), 0);
    must(mp_any_parse(raw.answer.outs, "[[i]]", &n));
    ck_assert_int_eq(n, 42);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    ck_assert_int_eq(mp_lock_locked(lock), 1);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), -EAGAIN);
    ck_assert_int_eq(ask_lock(&raw, "lock_release", MP_NOW), 0);
    raw_close(&raw);
    tear_down();
}
END_TEST

START_TEST(a_call_that_cannot_be_says_why)
{
    struct raw raw;
    mp_lock *dead;

    set_up(BY_UNIX, NULL);
    must(mp_lock_create(&dead, NULL));
    must(mp_lock_destroy(dead));
    raw_open(&raw, manager);
    ck_assert_int_eq(raw_ask(&raw, "system", -1, NULL, MP_NOW), -ENOSYS);
    error_says(&raw, "no such call");
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, dead, MP_NOW), -EBADF);
    error_says(&raw, "the lock has been destroyed");
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_VALUE, value, MP_NOW), -EBADF);
    error_says(&raw, "another type");
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, value, MP_NOW), -EBADF);
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, NULL, MP_NOW), -EBADF);
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, (char *)lock + 8, MP_NOW),
        -EBADF);
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK,
                (char *)mp__view.base + (mp__view.size / 128 * 64), MP_NOW),
        -EBADF);
    raw_send(&raw, "value_set", MP__SLAB_VALUE, lock, MP_NOW, "[s]", "x");
    ck_assert_int_eq(raw_hear(&raw), -EBADF);
    ck_assert_int_eq(raw_ask(&raw, "value_add", MP__SLAB_VALUE, value, MP_NOW),
                     -EINVAL);
    raw_ping(&raw);
    raw_close(&raw);
    tear_down();
}
END_TEST

/* A copy of an object's memory, which the family has somewhere, is none. */
START_TEST(what_looks_like_an_object_is_none)
{
    char *block, *place;
    uint64_t stamp;
    struct raw raw;

    set_up(BY_UNIX, NULL);
    block = mp_alloc(8192);
    place = (char *)(((uintptr_t)block + 127) & ~(uintptr_t)63);
    stamp = mp__object_stamp(place, MP__SLAB_LOCK);
    memcpy(place, &stamp, sizeof(stamp));
    ck_assert(mp__object_ok(place, MP__SLAB_LOCK));
    raw_open(&raw, manager);
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, place, MP_NOW), -EBADF);
    raw_close(&raw);
    must(mp_free(block));
    tear_down();
}
END_TEST

/* The manager's own things are nobody's. */
START_TEST(what_the_server_needs_cannot_be_called)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    ck_assert_int_eq(
        raw_ask(&raw, "dict_clear", MP__SLAB_DICT, manager->names, MP_NOW),
        -EBADF);
    ck_assert_int_eq(
        raw_ask(&raw, "queue_get", MP__SLAB_QUEUE, manager->callers, MP_NOW),
        -EBADF);
    ck_assert_int_eq(raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK,
                             manager->starting, MP_NOW),
                     -EBADF);
    raw_close(&raw);
    tear_down();
}
END_TEST

#define MANY 1000

START_TEST(requests_are_pipelined_and_answered_in_order)
{
    struct raw raw;

    set_up((enum raw_by)_i, NULL);
    raw_open(&raw, manager);
    for (int i = 1; i <= MANY; i++)
        raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[i]", i);
    for (int i = 1; i <= MANY; i++) {
        int n;

        ck_assert_int_eq(raw_hear(&raw), 0);
        ck_assert_uint_eq(raw.answer.serial, (uint64_t)i);
        must(mp_any_parse(raw.answer.outs, "[[i]]", &n));
        ck_assert_int_eq(n, i);
    }
    raw_close(&raw);
    tear_down();
}
END_TEST

/* ---- Calls that wait ---- */

START_TEST(a_call_waits_until_it_can_go_on)
{
    struct raw a, b;

    set_up((enum raw_by)_i, NULL);
    raw_open(&a, manager);
    raw_open(&b, manager);
    must(mp_lock_acquire(lock, MP_NOW));
    send_acquire(&a);
    ck_assert(raw_is_silent(&a));
    send_acquire(&b);
    ck_assert(raw_is_silent(&b));
    /* By the family, without the server. */
    must(mp_lock_release(lock));
    ck_assert_int_eq(raw_hear(&a), 0);
    ck_assert(raw_is_silent(&b));
    /* By a client. */
    ck_assert_int_eq(ask_lock(&a, "lock_release", MP_NOW), 0);
    ck_assert_int_eq(raw_hear(&b), 0);
    raw_close(&a);
    raw_close(&b);
    ck_assert_int_eq(mp_lock_acquire(lock, LATER), -EOWNERDEAD);
    must(mp_lock_release(lock));
    tear_down();
}
END_TEST

START_TEST(a_deadline_holds)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    must(mp_lock_acquire(lock, MP_NOW));
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", 30000000), -ETIMEDOUT);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", 1), -ETIMEDOUT);
    must(mp_lock_release(lock));
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", 1000000000), 0);
    ck_assert_int_eq(ask_lock(&raw, "lock_release", MP_NOW), 0);
    raw_close(&raw);
    tear_down();
}
END_TEST

/* Calls of one thread go one after the other; those of others pass. */
START_TEST(calls_of_one_thread_stay_in_order)
{
    struct raw raw;
    uint64_t first;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    must(mp_lock_acquire(lock, MP_NOW));
    first = send_acquire(&raw);
    send_add(&raw);
    raw_send(&raw, "lock_release", MP__SLAB_LOCK, lock, MP_NOW, "[]");
    send_acquire(&raw);
    raw_send(&raw, "lock_release", MP__SLAB_LOCK, lock, MP_NOW, "[]");
    raw.thread = 2;
    raw_ping(&raw);
    ck_assert_int_eq(sum(), 0);
    must(mp_lock_release(lock));
    for (uint64_t serial = first; serial < first + 5; serial++) {
        raw_hear(&raw);
        ck_assert_uint_eq(raw.answer.serial, serial);
        ck_assert_int_eq(raw.answer.result, 0);
    }
    ck_assert_int_eq(sum(), 1);
    raw_close(&raw);
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    tear_down();
}
END_TEST

/* What is told so is forgotten, and the rest is not. */
START_TEST(what_has_arrived_is_told_while_a_call_waits)
{
    struct raw raw;
    uint64_t waits, asked;

    set_up(BY_TCP, NULL);
    raw_open(&raw, manager);
    must(mp_lock_acquire(lock, MP_NOW));
    waits = send_acquire(&raw);
    raw.thread = 2;
    for (int i = 0; i < 3000; i++) {
        raw_ping(&raw);
        if (i % 100 == 0)
            raw_send_again(&raw, waits, "arrived", -1, NULL, MP_NOW, "[Q,Q]",
                           raw.serial + 1, waits);
    }
    asked = raw.serial;
    raw_send_again(&raw, waits, "arrived", -1, NULL, MP_NOW, "[Q,Q,Q]",
                   asked + 1, waits, asked);
    raw_send_again(&raw, asked, "manager_ping", -1, NULL, MP_NOW, "[]");
    ck_assert_int_eq(raw_hear(&raw), 0);
    ck_assert_uint_eq(raw.answer.serial, asked);
    must(mp_lock_release(lock));
    ck_assert_int_eq(raw_hear(&raw), 0);
    ck_assert_uint_eq(raw.answer.serial, waits);
    raw_send_again(&raw, waits, "arrived", -1, NULL, MP_NOW, "[Q]", asked + 1);
    raw_send_again(&raw, asked, "manager_ping", -1, NULL, MP_NOW, "[]");
    raw_expect_end(&raw);
    raw_close(&raw);
    tear_down();
}
END_TEST

START_TEST(an_abandoned_call_takes_nothing)
{
    struct raw raw;
    uint64_t serial;

    set_up(BY_TCP, NULL);
    raw_open(&raw, manager);
    /* It waits. */
    must(mp_lock_acquire(lock, MP_NOW));
    serial = send_acquire(&raw);
    ck_assert(raw_is_silent(&raw));
    raw_send_again(&raw, serial, "abandon", -1, NULL, MP_NOW, "[]");
    ck_assert_int_eq(raw_hear(&raw), -ETIMEDOUT);
    must(mp_lock_release(lock));
    /* It was answered, which the client may not have heard. */
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw_send_again(&raw, raw.serial, "abandon", -1, NULL, MP_NOW, "[]");
    raw_ping(&raw);
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    /* It has never come. */
    serial = ++raw.serial;
    raw_send_again(&raw, serial, "abandon", -1, NULL, MP_NOW, "[]");
    ck_assert_int_eq(raw_hear(&raw), -ETIMEDOUT);
    ck_assert_uint_eq(raw.answer.serial, serial);
    /* It was answered, and has arrived: nothing is taken back. */
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw.done = raw.serial + 1;
    raw_ping(&raw);
    raw_send_again(&raw, raw.serial - 1, "abandon", -1, NULL, MP_NOW, "[]");
    raw_ping(&raw);
    ck_assert_int_eq(mp_lock_locked(lock), 1);
    ck_assert_int_eq(ask_lock(&raw, "lock_release", MP_NOW), 0);
    raw_close(&raw);
    tear_down();
}
END_TEST

START_TEST(a_client_has_a_limit_of_calls_that_wait)
{
    struct raw raw;
    uint64_t n = 8;

    set_up(BY_UNIX, MP_MANAGER_ATTR(.max_calls = 8));
    raw_open(&raw, manager);
    ck_assert_uint_eq(raw.welcome.calls, n);
    must(mp_lock_acquire(lock, MP_NOW));
    for (uint64_t i = 0; i < n; i++) {
        raw.thread = (uint32_t)i;
        send_acquire(&raw);
    }
    raw.thread = 100;
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_FOREVER), -EDQUOT);
    error_says(&raw, "no more can");
    raw.thread = 0; /* behind the others of its thread */
    ck_assert_int_eq(ask_lock(&raw, "lock_release", MP_FOREVER), -EDQUOT);
    raw.thread = 100;
    raw_ping(&raw);
    raw_close(&raw);
    must(mp_lock_release(lock));
    tear_down();
}
END_TEST

/* Thousands wait, and each gets its turn. */
START_TEST(hundreds_wait_for_one_lock)
{
    struct raw raws[4];
    int n = 0;

    set_up(BY_UNIX, NULL);
    must(mp_lock_acquire(lock, MP_NOW));
    for (int i = 0; i < 4; i++) {
        raw_open(&raws[i], manager);
        for (raws[i].thread = 0; raws[i].thread < 60; raws[i].thread++)
            send_acquire(&raws[i]);
        raws[i].thread = 1000;
        raw_ping(&raws[i]);
    }
    must(mp_lock_release(lock));
    while (n < 240) {
        for (int i = 0; i < 4; i++) {
            if (mp_conn_poll(raws[i].conn, MP_NOW) != 1)
                continue;
            ck_assert_int_eq(raw_hear(&raws[i]), 0);
            must(mp_lock_release(lock));
            n++;
        }
    }
    for (int i = 0; i < 4; i++)
        raw_close(&raws[i]);
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    tear_down();
}
END_TEST

/* ---- Clients that go ---- */

START_TEST(a_client_that_ends_gives_back_what_it_held)
{
    struct raw raw;

    set_up((enum raw_by)_i, NULL);
    raw_open(&raw, manager);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw_close(&raw);
    ck_assert_int_eq(mp_lock_acquire(lock, LATER), -EOWNERDEAD);
    must(mp_lock_release(lock));
    tear_down();
}
END_TEST

/* What it waits for does not come to it any more. */
START_TEST(calls_of_a_client_that_ends_are_cancelled)
{
    struct raw a, b;

    set_up((enum raw_by)_i, NULL);
    raw_open(&a, manager);
    raw_open(&b, manager);
    must(mp_lock_acquire(lock, MP_NOW));
    send_acquire(&a);
    ck_assert(raw_is_silent(&a));
    raw_close(&a);
    send_acquire(&b);
    ck_assert(raw_is_silent(&b));
    must(mp_lock_release(lock));
    ck_assert_int_eq(raw_hear(&b), 0);
    ck_assert_int_eq(ask_lock(&b, "lock_release", MP_NOW), 0);
    raw_close(&b);
    tear_down();
}
END_TEST

START_TEST(a_thread_that_ends_gives_back_what_it_held)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw.thread = 2;
    ck_assert_int_eq(raw_ask(&raw, "thread_end", -1, NULL, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EAGAIN);
    raw.thread = 1;
    ck_assert_int_eq(raw_ask(&raw, "thread_end", -1, NULL, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EOWNERDEAD);
    must(mp_lock_release(lock));
    raw_ping(&raw);
    raw_close(&raw);
    tear_down();
}
END_TEST

START_TEST(a_client_has_a_limit_of_threads)
{
    struct raw raw;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    for (raw.thread = 1; raw.thread <= 64; raw.thread++) {
        ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
        ck_assert_int_eq(ask_lock(&raw, "lock_release", MP_NOW), 0);
    }
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), -EAGAIN);
    raw_ping(&raw);
    raw_close(&raw);
    tear_down();
}
END_TEST

/* ---- Clients that come back ---- */

START_TEST(a_client_that_was_cut_off_comes_back)
{
    struct raw raw, again;
    uint64_t added, waiting;

    set_up(BY_TCP, NULL);
    raw_open(&raw, manager);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    added = send_add(&raw);
    ck_assert_int_eq(raw_hear(&raw), 0); /* as if it had not */
    raw.thread = 2;
    waiting = send_acquire(&raw);
    ck_assert(raw_is_silent(&raw));
    raw_reset(&raw);

    raw_connect(&again, manager);
    raw_hello(&again, &raw);
    ck_assert_int_eq(again.welcome.resumed, 1);
    ck_assert_mem_eq(again.welcome.session, raw.welcome.session, 16);
    /* The same again: it is not executed once more. */
    raw_send_again(&again, added, "value_add", MP__SLAB_VALUE, value, MP_NOW,
                   "[i,Q]", 'q', (uint64_t)1);
    ck_assert_int_eq(raw_hear(&again), 0);
    ck_assert_uint_eq(again.answer.serial, added);
    ck_assert_int_eq(sum(), 1);
    again.thread = 2;
    raw_send_again(&again, waiting, "lock_acquire", MP__SLAB_LOCK, lock,
                   MP_FOREVER, "[]");
    ck_assert(raw_is_silent(&again));
    /* The lock is still its own, and comes to its other thread. */
    again.thread = 1;
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), -EAGAIN);
    raw_send(&again, "lock_release", MP__SLAB_LOCK, lock, MP_NOW, "[]");
    ck_assert_int_eq(raw_hear(&again), 0);
    ck_assert_int_eq(raw_hear(&again), 0);
    ck_assert_uint_eq(again.answer.serial, waiting);
    raw_close(&again);
    ck_assert_int_eq(mp_lock_acquire(lock, LATER), -EOWNERDEAD);
    must(mp_lock_release(lock));
    tear_down();
}
END_TEST

/* Not more is kept than .max_backlog: who asks again for the rest is told so,
 * and nothing is executed twice. */
START_TEST(large_answers_may_be_lost)
{
    static char large[100000];
    struct raw raw, again;

    set_up(BY_TCP, MP_MANAGER_ATTR(.max_backlog = 150000));
    raw_open(&raw, manager);
    for (int i = 0; i < 3; i++) {
        raw_send(&raw, "manager_ping", -1, NULL, MP_NOW, "[y]", large,
                 sizeof(large));
        ck_assert_int_eq(raw_hear(&raw), 0);
    }
    raw_reset(&raw);
    raw_connect(&again, manager);
    raw_hello(&again, &raw);
    for (uint64_t serial = 1; serial <= 3; serial++) {
        raw_send_again(&again, serial, "manager_ping", -1, NULL, MP_NOW, "[y]",
                       large, sizeof(large));
        ck_assert_int_eq(raw_hear(&again), serial == 1 ? 0 : -EPIPE);
        ck_assert_uint_eq(again.answer.serial, serial);
    }
    error_says(&again, "was lost with the connection");
    again.done = 4;
    raw_ping(&again);
    raw_close(&again);
    tear_down();
}
END_TEST

/* Before the server has noticed that the old connection is dead. */
START_TEST(a_half_open_connection_is_taken_over)
{
    struct raw raw, again;

    set_up(BY_TCP, NULL);
    raw_open(&raw, manager);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw_connect(&again, manager);
    raw_hello(&again, &raw);
    ck_assert_int_eq(again.welcome.resumed, 1);
    raw_expect_end(&raw);
    raw_close(&raw);
    ck_assert_int_eq(ask_lock(&again, "lock_release", MP_NOW), 0);
    raw_close(&again);
    tear_down();
}
END_TEST

START_TEST(patience_has_an_end)
{
    struct raw raw, again;

    set_up(BY_TCP, MP_MANAGER_ATTR(.patience = 0.3));
    raw_open(&raw, manager);
    ck_assert_int_eq(ask_lock(&raw, "lock_acquire", MP_NOW), 0);
    raw_reset(&raw);
    ck_assert_int_eq(mp_lock_acquire(lock, LATER), -EOWNERDEAD);
    must(mp_lock_release(lock));
    raw_connect(&again, manager);
    raw_hello(&again, &raw);
    ck_assert_int_eq(again.welcome.resumed, 0);
    ck_assert_mem_ne(again.welcome.session, raw.welcome.session, 16);
    raw_close(&again);
    tear_down();
}
END_TEST

/* A local client that is gone is dead: nobody comes back in its name. */
START_TEST(local_sessions_are_not_resumed)
{
    struct raw raw, thief;

    set_up(BY_UNIX, NULL);
    raw_open(&raw, manager);
    raw_connect(&thief, manager);
    raw_hello(&thief, &raw);
    ck_assert_int_eq(thief.welcome.resumed, 0);
    raw_ping(&raw);
    raw_ping(&thief);
    raw_close(&raw);
    raw_close(&thief);
    tear_down();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server");
    TCase *tcase = raw_case(suite, "calls", 60);

    tcase_add_loop_test(tcase, a_call_gives_back_what_it_should, 0, 2);
    tcase_add_test(tcase, a_call_that_cannot_be_says_why);
    tcase_add_test(tcase, what_looks_like_an_object_is_none);
    tcase_add_test(tcase, what_the_server_needs_cannot_be_called);
    tcase_add_loop_test(tcase, requests_are_pipelined_and_answered_in_order, 0,
                        2);
    tcase = raw_case(suite, "waiting", 60);
    tcase_add_loop_test(tcase, a_call_waits_until_it_can_go_on, 0, 2);
    tcase_add_test(tcase, a_deadline_holds);
    tcase_add_test(tcase, calls_of_one_thread_stay_in_order);
    tcase_add_test(tcase, an_abandoned_call_takes_nothing);
    tcase_add_test(tcase, what_has_arrived_is_told_while_a_call_waits);
    tcase_add_test(tcase, a_client_has_a_limit_of_calls_that_wait);
    tcase_add_test(tcase, hundreds_wait_for_one_lock);
    tcase = raw_case(suite, "going", 60);
    tcase_add_loop_test(tcase, a_client_that_ends_gives_back_what_it_held, 0,
                        2);
    tcase_add_loop_test(tcase, calls_of_a_client_that_ends_are_cancelled, 0,
                        2);
    tcase_add_test(tcase, a_thread_that_ends_gives_back_what_it_held);
    tcase_add_test(tcase, a_client_has_a_limit_of_threads);
    tcase = raw_case(suite, "coming back", 60);
    tcase_add_test(tcase, a_client_that_was_cut_off_comes_back);
    tcase_add_test(tcase, large_answers_may_be_lost);
    tcase_add_test(tcase, a_half_open_connection_is_taken_over);
    tcase_add_test(tcase, patience_has_an_end);
    tcase_add_test(tcase, local_sessions_are_not_resumed);
    return mp_test_main(suite);
}
