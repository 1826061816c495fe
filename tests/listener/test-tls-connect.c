/* SPDX-License-Identifier: MIT */
/* TLS as programs have it: a listener, and clients that are processes of their
 * own, over TCP. */
#include "support/support.h"
#include "tls/certificates.h"

#include <errno.h>
#include <mproc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY     "a key of more than 16 bytes"
#define OTHER   "another, of more than 16 bytes"
#define SECONDS 20
#define SMALL   200        /* messages */
#define LARGE   (20 << 20) /* bytes of a message */

static mp_conn_attr
key_attr(const char *key, uint32_t flags)
{
    return (mp_conn_attr){.size = sizeof(mp_conn_attr),
                          .flags = flags,
                          .authkey = key,
                          .authkey_size = SIZE_MAX};
}

static mp_time
soon(void)
{
    return mp_timeout(SECONDS * mp_test_scale());
}

struct client {
    const char *address;
    mp_conn_attr attr;
    int (*talk)(mp_conn *conn);
};

/* In a process of its own: 0, or the error of connecting. */
static int
run_client(void *arg)
{
    struct client *client = arg;
    mp_conn *conn;
    int r = mp_connect(&conn, client->address, &client->attr, soon());

    if (r < 0)
        return -r;
    r = client->talk(conn);
    mp_conn_close(conn);
    return r;
}

static mp_listener *
open_listener(const mp_conn_attr *attr)
{
    mp_listener *listener;
    int r = mp_listener_open(&listener, "tcp:127.0.0.1:0", attr);

    ck_assert_msg(r == 0, "%s", mp_last_error());
    return listener;
}

/* A connection with a client that says `talk`. */
static mp_conn *
let_in(const mp_conn_attr *ours, const mp_conn_attr *theirs,
       int (*talk)(mp_conn *), pid_t *ret_pid)
{
    mp_listener *listener = open_listener(ours);
    struct client client = {mp_listener_address(listener), *theirs, talk};
    mp_conn *conn;
    int r;

    *ret_pid = child(run_client, &client);
    r = mp_listener_accept(listener, &conn, soon());
    ck_assert_msg(r == 0, "%s", mp_last_error());
    ck_assert_int_eq(mp_listener_close(listener), 0);
    return conn;
}

static int
echo(mp_conn *conn)
{
    char *buf = malloc(LARGE);
    ssize_t n;

    do {
        n = mp_conn_recv(conn, buf, LARGE, soon());
        if (n >= 0 && mp_conn_send(conn, buf, (size_t)n, soon()) != 0)
            return 101;
    } while (n >= 0);
    free(buf);
    return n == -EPIPE ? 0 : 102;
}

static void
hear_back(mp_conn *conn, const void *data, size_t size)
{
    char *buf = malloc(size + 1);

    ck_assert_int_eq(mp_conn_send(conn, data, size, soon()), 0);
    ck_assert_int_eq(mp_conn_recv(conn, buf, size + 1, soon()), (ssize_t)size);
    ck_assert(memcmp(buf, data, size) == 0);
    free(buf);
}

START_TEST(tls_connection_carries_messages)
{
    mp_conn_attr ours[] = {key_attr(KEY, 0), certificates_attr(SERVER, OUR_CA),
                           certificates_attr(SERVER, OUR_CA)};
    mp_conn_attr theirs[] = {key_attr(KEY, 0),
                             certificates_attr(CLIENT, OUR_CA),
                             certificates_attr(CLIENT, OUR_CA)};
    char *large = calloc(1, LARGE);
    mp_conn *conn;
    pid_t pid;

    /* The third has a key as well, and for that a short one will do. */
    ours[2].authkey = theirs[2].authkey = "k";
    ours[2].authkey_size = theirs[2].authkey_size = 1;
    for (size_t i = 0; i < LARGE; i += 1000)
        large[i] = (char)(i / 1000);
    conn = let_in(&ours[_i], &theirs[_i], echo, &pid);
    hear_back(conn, "hello", 5);
    hear_back(conn, "", 0);
    hear_back(conn, large, LARGE);
    ck_assert_int_eq(mp_conn_recv(conn, large, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_close(conn), 0);
    expect_exit(pid, 0);
    free(large);
}
END_TEST

/* ---- Who is not let in ---- */

static int
say_nothing(mp_conn *conn)
{
    (void)conn;
    return 100;
}

static void
expect_rejected(const mp_conn_attr *ours, const mp_conn_attr *theirs, int code)
{
    mp_listener *listener = open_listener(ours);
    struct client client = {mp_listener_address(listener), *theirs,
                            say_nothing};
    mp_time until = soon();
    mp_conn *conn;
    pid_t pid = child(run_client, &client);

    while (mp_listener_rejected(listener) == 0 && mp_timeout(0) < until)
        ck_assert_int_eq(mp_listener_accept(listener, &conn, mp_timeout(0.05)),
                         -ETIMEDOUT);
    ck_assert_uint_eq(mp_listener_rejected(listener), 1);
    expect_exit(pid, -code);
    ck_assert_int_eq(mp_listener_close(listener), 0);
}

START_TEST(tls_connection_with_another_key_is_rejected)
{
    mp_conn_attr ours = key_attr(KEY, 0), theirs = key_attr(OTHER, 0);

    expect_rejected(&ours, &theirs, -EKEYREJECTED);
}
END_TEST

START_TEST(tls_connection_with_another_certificate_is_rejected)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs[] = {certificates_attr(STRANGER, OUR_CA),
                             certificates_attr(CLIENT, THEIR_CA)};

    for (int i = 0; i < 2; i++)
        expect_rejected(&ours, &theirs[i], -EKEYREJECTED);
}
END_TEST

START_TEST(tls_connection_with_certificates_and_another_key_is_rejected)
{
    mp_conn_attr ours = certificates_attr(SERVER, OUR_CA);
    mp_conn_attr theirs = certificates_attr(CLIENT, OUR_CA);

    ours.authkey = "k", ours.authkey_size = 1;
    theirs.authkey = "x", theirs.authkey_size = 1;
    expect_rejected(&ours, &theirs, -EKEYREJECTED);
}
END_TEST

START_TEST(G13_tls_listener_and_clear_text_do_not_meet)
{
    mp_conn_attr tls = key_attr(KEY, 0);
    mp_conn_attr clear = key_attr(KEY, MP_CONN_CLEAR_TEXT);

    /* Each waits for the other to begin. */
    tls.handshake_timeout = 0.2;
    expect_rejected(&tls, &clear, -ECONNRESET);
    tls.handshake_timeout = 0;
    expect_rejected(&clear, &tls, -EPROTO);
}
END_TEST

/* ---- What poll() does not see inside TLS ---- */

static int
say_much(mp_conn *conn)
{
    for (int i = 0; i < SMALL; i++)
        if (mp_conn_send(conn, &i, sizeof(i), soon()) != 0)
            return 103;
    return mp_conn_recv(conn, NULL, 0, soon()) == 0 ? 0 : 104;
}

static int
next(mp_conn *conn)
{
    int i = -1;

    ck_assert_int_eq(mp_conn_recv(conn, &i, sizeof(i), MP_NOW), sizeof(i));
    return i;
}

START_TEST(tls_connection_polls_for_each_message)
{
    mp_conn_attr attr = key_attr(KEY, 0);
    pid_t pid;
    mp_conn *conn = let_in(&attr, &attr, say_much, &pid);

    for (int i = 0; i < SMALL; i++) {
        ck_assert_int_eq(mp_conn_poll(conn, soon()), 1);
        ck_assert_int_eq(next(conn), i);
    }
    ck_assert_int_eq(mp_conn_poll(conn, MP_NOW), 0);
    ck_assert_int_eq(mp_conn_send(conn, NULL, 0, soon()), 0);
    expect_exit(pid, 0);
    ck_assert_int_eq(mp_conn_close(conn), 0);
}
END_TEST

START_TEST(tls_connection_descriptor_is_readable_while_there_is_more)
{
    mp_conn_attr attr = key_attr(KEY, 0);
    int i = 0;
    pid_t pid;
    mp_conn *conn = let_in(&attr, &attr, say_much, &pid);
    struct pollfd fd = {.fd = mp_conn_fd(conn), .events = POLLIN};

    ck_assert_int_ge(fd.fd, 0);
    while (i < SMALL) {
        ck_assert_int_eq(poll(&fd, 1, SECONDS * 1000), 1);
        /* One at a time: what is inside must keep it readable. */
        if (mp_conn_poll(conn, MP_NOW) == 1)
            ck_assert_int_eq(next(conn), i++);
    }
    ck_assert_int_eq(mp_conn_send(conn, NULL, 0, soon()), 0);
    expect_exit(pid, 0);
    ck_assert_int_eq(mp_conn_close(conn), 0);
}
END_TEST

/* ---- Ends ---- */

static int
die_in_the_midst(mp_conn *conn)
{
    char *large = calloc(1, LARGE);

    mp_conn_send(conn, "whole", 5, soon());
    /* Nobody takes it in time. */
    mp_conn_send(conn, large, LARGE, mp_timeout(0.1));
    return raise(SIGKILL);
}

static int
die(mp_conn *conn)
{
    mp_conn_send(conn, "whole", 5, soon());
    return raise(SIGKILL);
}

START_TEST(tls_connection_of_the_dead_ends)
{
    mp_conn_attr attr = key_attr(KEY, 0);
    pid_t pid;
    mp_conn *conn = let_in(&attr, &attr, _i ? die_in_the_midst : die, &pid);
    char buf[16];

    expect_killed(pid, SIGKILL);
    ck_assert_int_eq(mp_conn_recv(conn, buf, sizeof(buf), soon()), 5);
    if (_i)
        ck_assert_int_eq(mp_conn_next_size(conn, soon()), LARGE);
    else
        ck_assert_int_eq(mp_conn_recv(conn, buf, sizeof(buf), soon()), -EPIPE);
    if (_i) {
        char *large = malloc(LARGE);

        ck_assert_int_eq(mp_conn_recv(conn, large, LARGE, soon()), -EPROTO);
        free(large);
    }
    ck_assert_int_eq(mp_conn_close(conn), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tls-connect");
    TCase *tcase = mp_test_case(suite, "tls", 60);
    int failed;

    certificates_make();
    tcase_add_loop_test(tcase, tls_connection_carries_messages, 0, 3);
    tcase_add_test(tcase, tls_connection_with_another_key_is_rejected);
    tcase_add_test(tcase, tls_connection_with_another_certificate_is_rejected);
    tcase_add_test(
        tcase, tls_connection_with_certificates_and_another_key_is_rejected);
    tcase_add_test(tcase, G13_tls_listener_and_clear_text_do_not_meet);
    tcase_add_test(tcase, tls_connection_polls_for_each_message);
    tcase_add_test(tcase,
                   tls_connection_descriptor_is_readable_while_there_is_more);
    tcase_add_loop_test(tcase, tls_connection_of_the_dead_ends, 0, 2);
    failed = mp_test_main(suite);
    certificates_remove();
    return failed;
}
