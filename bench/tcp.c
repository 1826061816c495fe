/* SPDX-License-Identifier: MIT */
/* tcp.{clear,tls,unix}.{stream,pingpong}.SIZE: connections between programs,
 * over the loopback in clear text and in TLS by a key, and over a local socket.
 * Each member opens its own end, as two programs would: one listens, the other
 * connects. */
#include "kernel.h"
#include "sample.h"
#include "stream.h"

#include <mproc.h>
#include <stdio.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Where they meet; `address` is shared, and written before `listens`. */
struct meeting {
    const char *where;
    const mp_conn_attr *attr;
    struct {
        int listens;
        char address[120];
    } * found;
};

static void
conn_put(void *conn, const void *data, size_t size)
{
    must(mp_conn_send(conn, data, size, MP_FOREVER), "mp_conn_send");
}

static void
conn_get(void *conn, void *buf, size_t size)
{
    ssize_t r = mp_conn_recv(conn, buf, size, MP_FOREVER);

    if (r != (ssize_t)size)
        fail("mp_conn_recv: %s", mp_last_error());
}

static mp_conn *
wait_for_caller(const struct meeting *m)
{
    mp_listener *listener;
    mp_conn *conn;

    must(mp_listener_open(&listener, m->where, m->attr), "mp_listener_open");
    snprintf(m->found->address, sizeof(m->found->address), "%s",
             mp_listener_address(listener));
    __atomic_store_n(&m->found->listens, 1, __ATOMIC_RELEASE);
    must(mp_listener_accept(listener, &conn, MP_FOREVER),
         "mp_listener_accept");
    mp_listener_close(listener);
    return conn;
}

static mp_conn *
call(const struct meeting *m)
{
    mp_conn *conn;

    while (!__atomic_load_n(&m->found->listens, __ATOMIC_ACQUIRE))
        usleep(1000);
    must(mp_connect(&conn, m->found->address, m->attr, MP_FOREVER),
         "mp_connect");
    return conn;
}

static void
stream_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;

    s.channel = seat ? wait_for_caller(s.channel) : call(s.channel);
    if (seat)
        stream_consume(&s, crew, seat, conn_get);
    else
        stream_produce(&s, crew, seat, conn_put);
    mp_conn_close(s.channel);
}

static void
bounce_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;

    s.channel = s.back = seat ? wait_for_caller(s.channel) : call(s.channel);
    stream_bounce(&s, crew, seat, conn_put, conn_get);
    mp_conn_close(s.channel);
}

static double
run(const struct load *load, int bounces, struct meeting m)
{
    struct stream s = {.load = load, .channel = &m};

    m.found = shared_memory(sizeof(*m.found));
    return bounces ? stream_run_bounce(&s, bounce_member)
                   : stream_run(&s, stream_member);
}

static double
run_clear(const struct load *load, int bounces)
{
    return run(load, bounces,
               (struct meeting){"tcp:127.0.0.1:0",
                                MP_CONN_ATTR(.flags = MP_CONN_CLEAR_TEXT)});
}

static double
run_tls(const struct load *load, int bounces)
{
    return run(load, bounces,
               (struct meeting){"tcp:127.0.0.1:0",
                                MP_CONN_ATTR(.authkey = "a key for the bench",
                                             .authkey_size = SIZE_MAX)});
}

static double
run_unix(const struct load *load, int bounces)
{
    return run(load, bounces, (struct meeting){.where = sample_socket()});
}

/* Defines NAME_stream and NAME_bounce. */
#define BOTH_WAYS(name)                                  \
    static double name##_stream(const struct load *load) \
    {                                                    \
        return run_##name(load, 0);                      \
    }                                                    \
    static double name##_bounce(const struct load *load) \
    {                                                    \
        return run_##name(load, 1);                      \
    }

BOTH_WAYS(clear)
BOTH_WAYS(tls)
BOTH_WAYS(unix)

#define TCP_LIMIT  "write and read of a TCP socket, over the loopback"
#define UNIX_LIMIT "write and read of a local stream socket"

static const struct contender to_clear[] = {
    {"mproc", OURS, clear_stream, NULL, NULL},
    {"limit", LIMIT, tcp_stream, NULL, TCP_LIMIT},
    {"cpython", PEER, NULL, "cpython", NULL, "stream_tcp"},
    {0},
};

static const struct contender with_clear[] = {
    {"mproc", OURS, clear_bounce, NULL, NULL},
    {"limit", LIMIT, tcp_bounce, NULL, TCP_LIMIT},
    {"cpython", PEER, NULL, "cpython", NULL, "bounce_tcp"},
    {0},
};

/* CPython has no TLS: it is shown as it is, in clear text. */
static const struct contender to_tls[] = {
    {"mproc", OURS, tls_stream, NULL, NULL},
    {"limit", LIMIT, tcp_stream, NULL, TCP_LIMIT},
    {"clear", BESIDE, clear_stream, NULL, NULL},
    {"cpython", BESIDE, NULL, "cpython", NULL, "stream_tcp"},
    {0},
};

static const struct contender with_tls[] = {
    {"mproc", OURS, tls_bounce, NULL, NULL},
    {"limit", LIMIT, tcp_bounce, NULL, TCP_LIMIT},
    {"clear", BESIDE, clear_bounce, NULL, NULL},
    {"cpython", BESIDE, NULL, "cpython", NULL, "bounce_tcp"},
    {0},
};

static const struct contender to_unix[] = {
    {"mproc", OURS, unix_stream, NULL, NULL},
    {"limit", LIMIT, local_stream, NULL, UNIX_LIMIT},
    {"cpython", PEER, NULL, "cpython", NULL, "stream_unix"},
    {0},
};

static const struct contender with_unix[] = {
    {"mproc", OURS, unix_bounce, NULL, NULL},
    {"limit", LIMIT, local_bounce, NULL, UNIX_LIMIT},
    {"cpython", PEER, NULL, "cpython", NULL, "bounce_unix"},
    {0},
};

#define STREAMS(name)                                                      \
    {"tcp." #name ".stream.64B", "stream", {64, 1, 1, 0, 256}, to_##name}, \
        {"tcp." #name ".stream.1KiB",                                      \
         "stream",                                                         \
         {KIB, 1, 1, 0, 256},                                              \
         to_##name},                                                       \
        {"tcp." #name ".stream.64KiB",                                     \
         "stream",                                                         \
         {64 * KIB, 1, 1, 0, 64},                                          \
         to_##name},                                                       \
        {"tcp." #name ".stream.1MiB",                                      \
         "stream",                                                         \
         {MIB, 1, 1, 0, 16},                                               \
         to_##name},                                                       \
        {"tcp." #name ".pingpong.64B",                                     \
         "bounce",                                                         \
         {64, 1, 1, 0, 16},                                                \
         with_##name,                                                      \
         WAITS_MOST},                                                      \
    {                                                                      \
        "tcp." #name ".pingpong.64KiB", "bounce", {64 * KIB, 1, 1, 0, 16}, \
            with_##name, WAITS_MOST                                        \
    }

const struct bench tcp_benches[] = {
    STREAMS(clear),
    STREAMS(tls),
    STREAMS(unix),
    {0},
};
