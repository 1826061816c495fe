/* SPDX-License-Identifier: MIT */
/* The client's side of a call, against a server that does as it is told. */
#include "link/both.h"
#include "link/proxy.h"
#include "os/clock.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_ 8
#define CALLS    500
#define SOON     0.1
#define LARGE    300000u

static int
echo(int x, mp_time deadline)
{
    int y = ~x;
    ssize_t r = ask("mp_test_echo", deadline, "i > i", x, &y);

    if (r == 0)
        ck_assert_int_eq(y, x);
    return (int)r;
}

/* ---- What comes back ---- */

START_TEST(values_go_there_and_back)
{
    char *text = NULL;
    mp_any any;
    double d;
    int i;

    open_both();
    ck_assert_int_eq(ask("mp_test_echo", MP_NOW, "i,[d],s,{s:n} > i [d] s v",
                         42, 2.5, "hello", "key", &i, &d, &text, &any),
                     0);
    ck_assert_int_eq(i, 42);
    ck_assert_double_eq(d, 2.5);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(mp_any_type(any), MP_ANY_DICT);
    mp_any_free(any);
    free(text);
    close_both();
}
END_TEST

START_TEST(a_large_call_has_a_large_answer)
{
    char *there = calloc(1, LARGE), *back = NULL;

    open_both();
    memset(there, 'x', LARGE - 1);
    ck_assert_int_eq(ask("mp_test_echo", MP__FAR_PLAIN, "s > s", there, &back),
                     0);
    ck_assert_str_eq(there, back);
    free(there);
    free(back);
    close_both();
}
END_TEST

START_TEST(an_error_comes_with_its_text)
{
    open_both();
    must_fail(ask("mp_test_fail", MP_NOW, ""), -EPERM, "it is forbidden");
    must_fail(ask("mp_test_echo", MP_NOW, "x"), -EINVAL, "mp_test_echo");
    must(echo(1, MP_NOW));
    close_both();
}
END_TEST

START_TEST(what_was_taken_is_confirmed_or_given_back)
{
    char *text;
    int x = 0;

    open_both();
    ck_assert_int_eq(ask("mp_test_take", MP_NOW, "> i", &x), 0);
    ck_assert_int_eq(x, 7);
    wait_until(mp__load(&fake.n_received) == 1, 10);
    must_fail(ask("mp_test_take", MP_NOW, "> s", &text), -EINVAL, "string");
    wait_until(mp__load(&fake.n_abandoned) == 1, 10);
    ck_assert_uint_eq(mp__load(&fake.n_received), 1);
    ck_assert_uint_eq(mp__load(&fake.abandoned), mp__load(&fake.received) + 1);
    close_both();
}
END_TEST

static int
look(const void *data, size_t size, void *arg)
{
    int *result = arg;

    ck_assert_uint_eq(size, 1);
    return *(const unsigned char *)data == 7 ? *result : -EIO;
}

START_TEST(who_looks_where_it_lies_may_refuse)
{
    int result = 0;

    open_both();
    ck_assert_int_eq(ask("mp_test_take", MP_NOW, "> @", look, &result), 0);
    wait_until(mp__load(&fake.n_received) == 1, 10);
    result = -ERANGE;
    ck_assert_int_eq(ask("mp_test_take", MP_NOW, "> @", look, &result),
                     -ERANGE);
    wait_until(mp__load(&fake.n_abandoned) == 1, 10);
    close_both();
}
END_TEST

/* ---- Deadlines ---- */

START_TEST(a_call_returns_at_its_deadline)
{
    open_both();
    must_time_out(ask("mp_test_park", mp_timeout(SOON), ""), SOON);
    wait_until(mp__load(&fake.n_abandoned) == 1, 10);
    must(echo(1, MP_FOREVER));
    close_both();
}
END_TEST

START_TEST(a_passed_deadline_is_good_for_a_try)
{
    open_both();
    must(echo(1, mp_timeout(0)));
    close_both();
}
END_TEST

START_TEST(calls_without_a_deadline_end_too)
{
    fake_start(&fake, NULL);
    manager = fake_connect(&fake, SOON);
    must_time_out(ask("mp_test_park", MP__FAR_PLAIN, ""), SOON);
    must_time_out(ask("mp_test_park", MP_NOW, ""), SOON);
    kin_text(mp_last_error(), "no answer", __LINE__);
    close_both();
}
END_TEST

/* The socket is full, and nobody reads. */
static void *
call_in_vain(void *arg)
{
    char *text = calloc(1, LARGE), *back;

    (void)arg;
    memset(text, 'x', LARGE - 1);
    must_time_out(
        ask("mp_test_echo", mp_timeout(3 * SOON), "s > s", text, &back),
        3 * SOON);
    free(text);
    return NULL;
}

START_TEST(a_full_socket_keeps_nobody_longer)
{
    pthread_t threads[THREADS_];

    open_both();
    ck_assert_int_eq(ask("mp_test_deaf", MP_NOW, ""), 0);
    for (int i = 0; i < THREADS_; i++)
        pthread_create(&threads[i], NULL, call_in_vain, NULL);
    for (int i = 0; i < THREADS_; i++)
        pthread_join(threads[i], NULL);
    must_time_out(echo(1, mp_timeout(SOON)), SOON);
    fake_listen(&fake);
    must(echo(2, MP_FOREVER));
    wait_until(mp__load(&fake.n_abandoned) == THREADS_ + 1, 10);
    close_both();
}
END_TEST

START_TEST(connecting_keeps_the_deadline)
{
    open_both();
    mp__store(&fake.silent, 1);
    ck_assert_int_eq(ask("mp_test_drop", mp_timeout(SOON), ""), -ETIMEDOUT);
    must_time_out(echo(1, mp_timeout(SOON)), SOON);
    mp__store(&fake.silent, 0);
    must_fail(echo(2, mp_timeout(20)), -EPIPE, "given this");
    must(echo(3, mp_timeout(20)));
    close_both();
}
END_TEST

static mp__a32 handled;

static void
on_signal(int sig)
{
    (void)sig;
    mp__add(&handled, 1);
}

static void *
park_until_interrupted(void *arg)
{
    return (void *)(intptr_t)ask("mp_test_park", MP_FOREVER, arg);
}

START_TEST(a_signal_ends_a_call_that_waits)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t thread;
    void *result;

    open_both();
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, park_until_interrupted, "");
    wait_until(mp__load(&fake.requests) == 1, 10);
    /* It may not sleep yet. */
    while (pthread_tryjoin_np(thread, &result) != 0) {
        pthread_kill(thread, SIGUSR1);
        usleep(1000);
    }
    ck_assert_int_eq((intptr_t)result, -EINTR);
    wait_until(mp__load(&fake.n_abandoned) == 1, 10);
    close_both();
}
END_TEST

/* ---- Who is there ---- */

START_TEST(nobody_is_there)
{
    must_fail(mp_manager_connect(&manager, "unix:/tmp/mproc-nobody",
                                 MP_MANAGER_ATTR(.flags = 0)),
              -ENOENT, "mproc-nobody");
    must_fail(mp_manager_connect(&manager, "tcp:127.0.0.1:1",
                                 MP_MANAGER_ATTR(.flags = MP_CONN_CLEAR_TEXT)),
              -ECONNREFUSED, "127.0.0.1:1");
    must_fail(mp_manager_connect(&manager, "nowhere", NULL), -EINVAL,
              "nowhere");
    must_fail(mp_manager_connect(NULL, "unix:/x", NULL), -EINVAL, "NULL");
    must_fail(mp_manager_connect(&manager, NULL, NULL), -EINVAL, "NULL");
    must(mp_manager_close(NULL));
    must_fail(mp_manager_close((mp_manager *)&fake), -EBADF, "a manager");
}
END_TEST

/* A listener that takes hello for a message of its own. */
static void *
answer_anything(void *listener)
{
    mp_conn *conn;

    must(mp_listener_accept(listener, &conn, MP_FOREVER));
    must(mp_conn_sendf(conn, "[i,i]", 1, 2));
    mp_conn_poll(conn, mp_timeout(30)); /* its hello */
    mp_conn_close(conn);
    return NULL;
}

START_TEST(somebody_else_is_there)
{
    mp_listener *listener;
    pthread_t thread;
    char address[64];

    snprintf(address, sizeof(address), "unix:/tmp/mproc-else-%d",
             (int)getpid());
    must(mp_listener_open(&listener, address, NULL));
    pthread_create(&thread, NULL, answer_anything, listener);
    must_fail(mp_manager_connect(&manager, address, NULL), -EPROTO,
              "no manager");
    pthread_join(thread, NULL);
    must(mp_listener_close(listener));
}
END_TEST

START_TEST(a_silent_listener_is_left)
{
    fake_start(&fake, NULL);
    mp__store(&fake.silent, 1);
    must_time_out(
        mp_manager_connect(&manager, fake.address,
                           MP_MANAGER_ATTR(.handshake_timeout = SOON)),
        SOON);
    fake_end(&fake);
}
END_TEST

START_TEST(an_answer_that_is_none_ends_the_connection)
{
    open_both();
    must_fail(ask("mp_test_nonsense", MP_FOREVER, ""), -EPROTO, "no answer");
    must(echo(1, MP_FOREVER));
    ck_assert_uint_eq(mp__load(&fake.hellos), 2);
    close_both();
}
END_TEST

START_TEST(a_lost_session_says_what_became_of_it)
{
    open_both();
    must_fail(ask("mp_test_drop", MP_FOREVER, ""), -EPIPE, "given this");
    mp__store(&fake.server, 2);
    must_fail(ask("mp_test_drop", MP_FOREVER, ""), -EPIPE, "another runs");
    fake.family[0] ^= 1;
    must_fail(ask("mp_test_drop", MP_FOREVER, ""), -EPIPE, "another family");
    must(echo(1, MP_FOREVER));
    close_both();
}
END_TEST

START_TEST(a_session_goes_on)
{
    open_both();
    mp__store(&fake.resumes, 1);
    /* It comes again with each connection, and breaks it, until the tenth. */
    ck_assert_int_eq(ask("mp_test_drop", mp_timeout(3 * SOON), ""),
                     -ETIMEDOUT);
    ck_assert_uint_gt(mp__load(&fake.hellos), 1);
    must(echo(1, MP_FOREVER));
    close_both();
}
END_TEST

START_TEST(a_session_goes_on_without_telling_all_again)
{
    uint32_t before, hellos;
    int x;

    open_both();
    mp__store(&fake.resumes, 1);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ask("mp_test_take", MP_NOW, "> i", &x), 0);
    must(echo(1, MP_FOREVER));
    before = mp__load(&fake.n_received);
    ck_assert_uint_eq(before, 100);
    hellos = mp__load(&fake.hellos);
    ck_assert_int_eq(ask("mp_test_drop", mp_timeout(3 * SOON), ""),
                     -ETIMEDOUT);
    must(echo(2, MP_FOREVER));
    hellos = mp__load(&fake.hellos) - hellos;
    ck_assert_uint_ge(hellos, 1);
    /* The last of them, by each new connection. */
    ck_assert_uint_ge(mp__load(&fake.n_received), before + 1);
    ck_assert_uint_le(mp__load(&fake.n_received), before + hellos);
    close_both();
}
END_TEST

START_TEST(the_server_is_gone)
{
    open_both();
    fake_end(&fake);
    must_fail(echo(1, MP_FOREVER), -EPIPE, "is lost");
    must_fail(echo(1, MP_FOREVER), -ENOENT, "mproc-fake");
    fake_start(&fake, NULL);
    must(echo(2, MP_FOREVER));
    close_both();
}
END_TEST

/* ---- Handles ---- */

START_TEST(there_is_one_handle_for_each_object)
{
    struct mp__far_handle *a, *b, *c;
    int error;

    open_both();
    a = mp__proxy_get(manager, fake.family, MP__SLAB_LOCK, 0x1000, &error);
    b = mp__proxy_get(manager, fake.family, MP__SLAB_LOCK, 0x1000, &error);
    c = mp__proxy_get(manager, fake.family, MP__SLAB_LOCK, 0x1080, &error);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_eq(a, b);
    ck_assert_ptr_ne(a, c);
    ck_assert_int_eq(mp__far_slab(a), MP__SLAB_LOCK);
    must(mp_manager_forget(manager, a));
    must_fail(mp_manager_forget(manager, a), -EBADF, "no remote handle");
    ck_assert_int_eq(mp__far_slab(a), -1);
    ck_assert_int_eq(mp__far_slab(c), MP__SLAB_LOCK);
    close_both();
    ck_assert_int_eq(mp__far_slab(c), -1);
}
END_TEST

START_TEST(handles_of_a_family_that_was_are_dead)
{
    struct mp__far_handle *far;
    int error;

    open_both();
    far = mp__proxy_get(manager, fake.family, MP__SLAB_LOCK, 0x1000, &error);
    fake.family[0] ^= 1;
    ck_assert_int_eq(ask("mp_test_drop", MP_NOW, ""), -EPIPE);
    must_fail(mp__far_call(far, "mp_test_echo", MP_NOW, ""), -EBADF,
              "family has ended");
    close_both();
}
END_TEST

START_TEST(closing_ends_calls_under_way)
{
    pthread_t thread;
    void *result;

    open_both();
    pthread_create(&thread, NULL, park_until_interrupted, "");
    wait_until(mp__load(&fake.requests) == 1, 10);
    must(mp_manager_close(manager));
    pthread_join(thread, &result);
    ck_assert_int_eq((intptr_t)result, -EBADF);
    must_fail(mp_manager_close(manager), -EBADF, "a manager");
    fake_end(&fake);
}
END_TEST

/* ---- Threads and processes ---- */

static void *
echo_many(void *arg)
{
    int base = *(int *)arg;

    for (int i = 0; i < CALLS; i++)
        must(echo(base + i, i % 2 ? MP_FOREVER : MP__FAR_PLAIN));
    return NULL;
}

START_TEST(threads_share_a_connection)
{
    pthread_t threads[THREADS_];
    int bases[THREADS_];

    open_both();
    for (int i = 0; i < THREADS_; i++) {
        bases[i] = i * CALLS;
        pthread_create(&threads[i], NULL, echo_many, &bases[i]);
    }
    for (int i = 0; i < THREADS_; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(mp__load(&fake.hellos), 1);
    must(echo(1, MP_NOW));
    wait_until(mp__load(&fake.thread_ended) != 0, 10);
    close_both();
}
END_TEST

START_TEST(one_waits_while_others_call)
{
    pthread_t thread;
    void *result;
    int base = 0;

    open_both();
    pthread_create(&thread, NULL, park_until_interrupted, "");
    wait_until(mp__load(&fake.requests) == 1, 10);
    echo_many(&base);
    /* The server is told that only the one has no answer. */
    ck_assert_uint_ge(mp__load(&fake.n_arrived), CALLS / 100);
    ck_assert_uint_le(mp__load(&fake.n_arrived), CALLS / 50);
    ck_assert_uint_eq(mp__load(&fake.not_arrived), 1);
    must(mp_manager_close(manager));
    pthread_join(thread, &result);
    ck_assert_int_eq((intptr_t)result, -EBADF);
    fake_end(&fake);
}
END_TEST

static int
echo_in_child(void *arg)
{
    int y = 0;
    ssize_t r = ask("mp_test_echo", mp_timeout(30), "i > i", 5, &y);

    (void)arg;
    return r == 0 && y == 5 ? 0 : 1;
}

/* The fake serves one connection at a time: the child is served when the
 * parent's is closed. */
START_TEST(a_forked_child_has_a_connection_of_its_own)
{
    pid_t pid;

    open_both();
    must(echo(1, MP_NOW));
    pid = child(echo_in_child, NULL);
    must(echo(2, MP_NOW));
    ck_assert_uint_eq(mp__load(&fake.hellos), 1);
    mp__link_close(manager);
    expect_exit(pid, 0);
    ck_assert_uint_eq(mp__load(&fake.hellos), 2);
    must(echo(3, MP_NOW));
    close_both();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("link");
    TCase *results = mp_test_case(suite, "results", 30);
    TCase *deadlines = mp_test_case(suite, "deadlines", 60);
    TCase *there = mp_test_case(suite, "there", 30);
    TCase *handles = mp_test_case(suite, "handles", 30);
    TCase *threads = mp_test_case(suite, "threads", 60);

    tcase_add_test(results, values_go_there_and_back);
    tcase_add_test(results, a_large_call_has_a_large_answer);
    tcase_add_test(results, an_error_comes_with_its_text);
    tcase_add_test(results, what_was_taken_is_confirmed_or_given_back);
    tcase_add_test(results, who_looks_where_it_lies_may_refuse);
    tcase_add_test(deadlines, a_call_returns_at_its_deadline);
    tcase_add_test(deadlines, a_passed_deadline_is_good_for_a_try);
    tcase_add_test(deadlines, calls_without_a_deadline_end_too);
    tcase_add_test(deadlines, a_full_socket_keeps_nobody_longer);
    tcase_add_test(deadlines, connecting_keeps_the_deadline);
    tcase_add_test(deadlines, a_signal_ends_a_call_that_waits);
    tcase_add_test(there, nobody_is_there);
    tcase_add_test(there, somebody_else_is_there);
    tcase_add_test(there, a_silent_listener_is_left);
    tcase_add_test(there, an_answer_that_is_none_ends_the_connection);
    tcase_add_test(there, a_lost_session_says_what_became_of_it);
    tcase_add_test(there, a_session_goes_on);
    tcase_add_test(there, a_session_goes_on_without_telling_all_again);
    tcase_add_test(there, the_server_is_gone);
    tcase_add_test(handles, there_is_one_handle_for_each_object);
    tcase_add_test(handles, handles_of_a_family_that_was_are_dead);
    tcase_add_test(handles, closing_ends_calls_under_way);
    tcase_add_test(threads, threads_share_a_connection);
    tcase_add_test(threads, one_waits_while_others_call);
    tcase_add_test(threads, a_forked_child_has_a_connection_of_its_own);
    return mp_test_main(suite);
}
