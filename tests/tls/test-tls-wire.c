/* SPDX-License-Identifier: MIT */
/* What TLS does on a wire that is slow, is cut, or carries other bytes than
 * were sent; and how bytes come through. */
#include "tls/tls-kit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- A wire that goes wrong ---- */

struct wire {
    int ends[2];    /* of the server's socket, and the client's */
    long passed[2]; /* bytes that came from each */
    int from;       /* whose bytes are harmed */
    long at;        /* this one, */
    int flip;       /* by that; 0: it is cut there */
    int slow;       /* byte by byte */
};

/* How many bytes may pass before the one that is harmed. */
static size_t
may_pass(const struct wire *wire, int from)
{
    size_t most = wire->slow ? 1 : 4096;

    if (from != wire->from || wire->passed[from] > wire->at)
        return most;
    if (wire->passed[from] == wire->at)
        return wire->flip != 0;
    return most < (size_t)(wire->at - wire->passed[from])
               ? most
               : (size_t)(wire->at - wire->passed[from]);
}

/* Passes on some bytes, in each direction. */
static int
pass(struct wire *wire)
{
    int passed = 0;

    for (int i = 0; i < 2; i++) {
        unsigned char bytes[4096];
        ssize_t n = read(wire->ends[i], bytes, may_pass(wire, i));

        if (n <= 0)
            continue;
        if (i == wire->from && wire->passed[i] == wire->at)
            bytes[0] ^= (unsigned char)wire->flip;
        wire->passed[i] += n;
        if (write(wire->ends[!i], bytes, (size_t)n) == n)
            passed++;
    }
    return passed;
}

static void
pass_all(struct wire *wire)
{
    while (pass(wire) > 0) {
    }
}

/* Connects by key over the wire; gives whether both are content. */
static int
connect_over(struct wire *wire)
{
    mp_conn_attr attr = key_attr(KEY);
    int left[2], right[2];

    make_sockets(left);
    make_sockets(right);
    wire->ends[0] = left[1];
    wire->ends[1] = right[1];
    server = make_end(&attr, 1, left[0], NULL);
    client = make_end(&attr, 0, right[0], NULL);
    do {
        client.result = mp__tls_handshake(client.tls);
        server.result = mp__tls_handshake(server.tls);
    } while (pass(wire) > 0);
    return server.result == 0 && client.result == 0;
}

static void
free_wire(struct wire *wire)
{
    close(wire->ends[0]);
    close(wire->ends[1]);
    free_ends();
}

static void
say_over(struct wire *wire, struct end *from, struct end *to)
{
    char buf[16] = "";

    ck_assert_int_eq(mp__tls_write(from->tls, "hello", 5), 5);
    pass_all(wire);
    ck_assert_int_eq(mp__tls_read(to->tls, buf, sizeof(buf)), 5);
    ck_assert_str_eq(buf, "hello");
}

/* How many bytes each end sends in a handshake. */
static void
measure(long sizes[2])
{
    struct wire wire = {.from = -1};

    ck_assert(connect_over(&wire));
    say_over(&wire, &client, &server);
    sizes[0] = wire.passed[0];
    sizes[1] = wire.passed[1];
    free_wire(&wire);
}

START_TEST(tls_slow_peers_get_there)
{
    struct wire wire = {.from = -1, .slow = 1};

    ck_assert(connect_over(&wire));
    say_over(&wire, &client, &server);
    say_over(&wire, &server, &client);
    free_wire(&wire);
}
END_TEST

START_TEST(tls_cut_handshake_is_no_proof)
{
    long sizes[2];

    measure(sizes);
    ck_assert_int_gt(sizes[_i], 100);
    /* What the client has said last is the word after the handshake. */
    for (long at = 0; at < sizes[_i] - (_i ? 28 : 0); at++) {
        struct wire wire = {.from = _i, .at = at};

        ck_assert(!connect_over(&wire));
        shutdown(wire.ends[0], SHUT_RDWR);
        shutdown(wire.ends[1], SHUT_RDWR);
        if (server.result != 0)
            ck_assert_int_eq(mp__tls_handshake(server.tls), -EPIPE);
        if (client.result != 0)
            ck_assert_int_eq(mp__tls_handshake(client.tls), -EPIPE);
        free_wire(&wire);
    }
}
END_TEST

/* Some bytes are there for the sake of old middle boxes only, and mean nothing:
 * then all is as if nothing had happened. */
START_TEST(tls_changed_handshake_is_no_proof)
{
    long sizes[2];
    int none = 0;

    measure(sizes);
    for (long at = 0; at < sizes[_i] - (_i ? 28 : 0); at++) {
        struct wire wire = {.from = _i, .at = at, .flip = 1 << (at % 8)};

        if (connect_over(&wire)) {
            say_over(&wire, &client, &server);
            say_over(&wire, &server, &client);
            none++;
        }
        free_wire(&wire);
    }
    ck_assert_int_lt(none, 20);
}
END_TEST

/* ---- Bytes ---- */

#define LARGE (8 << 20)

static unsigned char
pattern(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8) * 13);
}

static unsigned char *
make_large(void)
{
    unsigned char *data = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        data[i] = pattern(i);
    return data;
}

/* Reads some of what there is. */
static size_t
take(struct end *end, size_t done)
{
    static __thread unsigned char buf[10000];
    ssize_t n = mp__tls_read(end->tls, buf, sizeof(buf));

    if (n == MP__TLS_READ)
        return 0;
    ck_assert_int_gt(n, 0);
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] != pattern(done + (size_t)i))
            ck_abort_msg("byte %zu has changed", done + (size_t)i);
    return (size_t)n;
}

START_TEST(tls_small_buffers_carry_large_data)
{
    unsigned char *data = make_large();
    size_t given = 0, taken = 0;
    int small = 1, full = 0;

    connect_by_key();
    setsockopt(client.socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    while (taken < LARGE) {
        /* From another place in memory each time it is called again. */
        ssize_t n = given == LARGE ? MP__TLS_WRITE
                                   : mp__tls_write(client.tls, data + given,
                                                   LARGE - given);

        if (n == MP__TLS_WRITE)
            full++;
        else
            ck_assert_int_gt(n, 0);
        given += n > 0 ? (size_t)n : 0;
        taken += take(&server, taken);
    }
    ck_assert_int_gt(full, 0);
    ck_assert_uint_eq(given, LARGE);
    free(data);
    free_ends();
}
END_TEST

static void
wait_for(struct end *end, short events)
{
    struct pollfd fd = {.fd = end->socket, .events = events};

    poll(&fd, 1, -1);
}

static void *
give_all(void *arg)
{
    struct end *end = arg;
    unsigned char *data = make_large();

    for (size_t given = 0; given < LARGE;) {
        ssize_t n = mp__tls_write(end->tls, data + given, LARGE - given);

        if (n > 0)
            given += (size_t)n;
        else
            wait_for(end, POLLOUT);
    }
    free(data);
    return NULL;
}

static void *
take_all(void *arg)
{
    struct end *end = arg;

    for (size_t taken = 0, n; taken < LARGE; taken += n) {
        n = take(end, taken);
        if (n == 0)
            wait_for(end, POLLIN);
    }
    return NULL;
}

START_TEST(tls_one_thread_reads_while_another_writes)
{
    void *(*const works[])(void *) = {give_all, take_all, give_all, take_all};
    pthread_t threads[4];

    connect_by_key();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, works[i],
                                        i < 2 ? &server : &client),
                         0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    free_ends();
}
END_TEST

START_TEST(tls_pending_tells_what_poll_does_not_see)
{
    struct pollfd fd;
    char buf[16];

    connect_by_key();
    ck_assert_int_eq(mp__tls_pending(server.tls), 0);
    ck_assert_int_eq(mp__tls_write(client.tls, "0123456789", 10), 10);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 4), 4);
    fd = (struct pollfd){.fd = server.socket, .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
    ck_assert_int_eq(mp__tls_pending(server.tls), 1);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 6);
    ck_assert_int_eq(mp__tls_pending(server.tls), 0);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), MP__TLS_READ);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 0), 0);
    ck_assert_int_eq(mp__tls_write(server.tls, buf, 0), 0);
    free_ends();
}
END_TEST

START_TEST(tls_end_that_is_told_is_the_end)
{
    char buf[16];

    connect_by_key();
    ck_assert_int_eq(mp__tls_write(client.tls, "last", 4), 4);
    mp__tls_shutdown(client.tls);
    mp__tls_shutdown(client.tls);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 4);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 0);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 0);
    say(&server, &client); /* this direction has not ended */
    free_ends();
}
END_TEST

START_TEST(tls_end_that_is_not_told_is_epipe)
{
    char buf[16];

    connect_by_key();
    ck_assert_int_eq(mp__tls_write(client.tls, "last", 4), 4);
    close(client.socket);
    client.socket = -1;
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 4);
    expect(mp__tls_read(server.tls, buf, 16), -EPIPE, "mp_conn_recv: the oth");
    expect(mp__tls_read(server.tls, buf, 16), -EPIPE, "mp_conn_recv: the oth");
    free_ends();
}
END_TEST

/* No SIGPIPE either. */
START_TEST(tls_what_came_is_read_though_nothing_can_be_sent)
{
    char buf[16];

    connect_by_key();
    ck_assert_int_eq(mp__tls_write(client.tls, "last", 4), 4);
    close(client.socket);
    client.socket = -1;
    expect(mp__tls_write(server.tls, "x", 1), -EPIPE, "mp_conn_send: the oth");
    expect(mp__tls_write(server.tls, "x", 1), -EPIPE, "mp_conn_send: the oth");
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), 4);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), -EPIPE);
    mp__tls_shutdown(server.tls);
    free_ends();
}
END_TEST

START_TEST(tls_foreign_bytes_end_it)
{
    static const char record[] = "\x17\x03\x03\0\x14"
                                 "01234567890123456789";
    char buf[16];

    connect_by_key();
    ck_assert_int_eq(write(client.socket, record, 25), 25);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), -EPROTO);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), -EPROTO);
    ck_assert_int_eq(mp__tls_write(server.tls, buf, 16), -EPROTO);
    free_ends();
}
END_TEST

START_TEST(tls_nothing_is_said_before_the_proof)
{
    mp_conn_attr attr = key_attr(KEY);
    int sockets[2];
    char buf[16];

    make_sockets(sockets);
    server = make_end(&attr, 1, sockets[0], NULL);
    client = make_end(&attr, 0, sockets[1], NULL);
    ck_assert_int_eq(mp__tls_write(client.tls, "x", 1), -EPROTO);
    ck_assert_int_eq(mp__tls_read(server.tls, buf, 16), -EPROTO);
    ck_assert_int_eq(mp__tls_pending(server.tls), 0);
    mp__tls_shutdown(server.tls);
    shake_hands();
    say(&client, &server);
    free_ends();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tls-wire");
    TCase *wire = mp_test_case(suite, "wire", 60);
    TCase *tcase = mp_test_case(suite, "bytes", 30);

    tcase_add_test(wire, tls_slow_peers_get_there);
    tcase_add_loop_test(wire, tls_cut_handshake_is_no_proof, 0, 2);
    tcase_add_loop_test(wire, tls_changed_handshake_is_no_proof, 0, 2);
    tcase_add_test(tcase, tls_small_buffers_carry_large_data);
    tcase_add_test(tcase, tls_one_thread_reads_while_another_writes);
    tcase_add_test(tcase, tls_pending_tells_what_poll_does_not_see);
    tcase_add_test(tcase, tls_end_that_is_told_is_the_end);
    tcase_add_test(tcase, tls_end_that_is_not_told_is_epipe);
    tcase_add_test(tcase, tls_what_came_is_read_though_nothing_can_be_sent);
    tcase_add_test(tcase, tls_foreign_bytes_end_it);
    tcase_add_test(tcase, tls_nothing_is_said_before_the_proof);
    return mp_test_main(suite);
}
