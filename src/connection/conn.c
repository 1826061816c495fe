/* SPDX-License-Identifier: MIT */
/* What all connections have in common: each call looks at the handle and at
 * what this end can do, and hands on to the kind of connection it is of.
 *
 * Shared are only fields that never change. */
#include "connection/conn.h"

#include "bell/waitable.h"
#include "report/describe.h"

#include <errno.h>

#pragma weak mp__pipe_ops
#pragma weak mp__socket_ops
#pragma weak mp__pipe_send
#pragma weak mp__pipe_recv
#pragma weak mp__socket_behind

static const struct mp__conn_ops *const ops_of_kind[] = {
    [MP__CONN_PIPE] = &mp__pipe_ops,
    [MP__CONN_SOCKET] = &mp__socket_ops,
};

static inline const struct mp__conn_ops *
ops_of(const mp_conn *conn)
{
    return ops_of_kind[conn->kind];
}

static MP__COLD int
fail_direction(const char *function, enum mp__conn_can need)
{
    return mp__fail(-EPERM, "%s: this end of the pipe only %s", function,
                    need == MP__CONN_SEND ? "receives" : "sends");
}

static inline int
enter(const mp_conn *conn, uint32_t need, const char *function)
{
    int r = mp__object_enter(conn, MP__SLAB_CONN, function, "a connection");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY((conn->can & need) != need))
        return fail_direction(function, need);
    return 0;
}

int
mp__conn_enter(const mp_conn *conn, enum mp__conn_can need,
               const char *function)
{
    return enter(conn, need, function);
}

/* Whether it is a pipe's end that can do what is needed: what is so nearly
 * always. What else may be the matter is looked into apart, so that this costs
 * next to nothing. */
static inline int
is_pipe(const mp_conn *conn, uint32_t need)
{
    return MP__LIKELY(mp__me.part != NULL && *mp__view.fork_guard != 0 &&
                      mp__object_ok(conn, MP__SLAB_CONN) &&
                      conn->kind == MP__CONN_PIPE && (conn->can & need) != 0);
}

MP__COLD static int
send_by_kind(mp_conn *conn, const void *data, size_t size, mp_time deadline)
{
    int r = enter(conn, MP__CONN_SEND, "mp_conn_send");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(!data && size))
        return mp__fail(-EINVAL, "mp_conn_send: data is NULL, size is %zu",
                        size);
    return ops_of(conn)->send(conn, data, size, deadline);
}

int
mp_conn_send(mp_conn *conn, const void *data, size_t size, mp_time deadline)
{
    if (is_pipe(conn, MP__CONN_SEND) && data)
        return mp__pipe_send(conn, data, size, deadline);
    return send_by_kind(conn, data, size, deadline);
}

MP__COLD static ssize_t
recv_by_kind(mp_conn *conn, void *buf, size_t cap, mp_time deadline)
{
    int r = enter(conn, MP__CONN_RECEIVE, "mp_conn_recv");

    if (MP__UNLIKELY(r < 0))
        return r;
    if (MP__UNLIKELY(!buf && cap))
        return mp__fail(-EINVAL, "mp_conn_recv: buf is NULL, cap is %zu", cap);
    return ops_of(conn)->recv(conn, buf, cap, deadline);
}

ssize_t
mp_conn_recv(mp_conn *conn, void *buf, size_t cap, mp_time deadline)
{
    if (is_pipe(conn, MP__CONN_RECEIVE) && buf)
        return mp__pipe_recv(conn, buf, cap, deadline);
    return recv_by_kind(conn, buf, cap, deadline);
}

int
mp__conn_recv_look(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                   mp_time deadline, const char *function)
{
    int r = enter(conn, MP__CONN_RECEIVE, function);

    return r < 0 ? r : ops_of(conn)->recv_look(conn, look, arg, deadline);
}

ssize_t
mp_conn_next_size(mp_conn *conn, mp_time deadline)
{
    int r = enter(conn, MP__CONN_RECEIVE, "mp_conn_next_size");

    return r < 0 ? r : ops_of(conn)->next_size(conn, deadline);
}

int
mp_conn_poll(mp_conn *conn, mp_time deadline)
{
    int r = enter(conn, MP__CONN_RECEIVE, "mp_conn_poll");

    if (r == 0)
        r = ops_of(conn)->poll(conn, deadline);
    return r == -EAGAIN || r == -ETIMEDOUT ? 0 : r;
}

int
mp_conn_fd(mp_conn *conn)
{
    int r = enter(conn, MP__CONN_RECEIVE, "mp_conn_fd");

    return r < 0 ? r : ops_of(conn)->fd(conn);
}

int
mp_conn_send_fd(mp_conn *conn, int fd, mp_time deadline)
{
    int r = enter(conn, MP__CONN_SEND, "mp_conn_send_fd");

    /* In place of what mp_conn_fd() has given, what is behind it. */
    if (r == 0 && fd >= 0 && mp__socket_behind)
        r = fd = mp__socket_behind(fd, "mp_conn_send_fd");
    return r < 0 ? r : ops_of(conn)->send_fd(conn, fd, deadline);
}

int
mp_conn_recv_fd(mp_conn *conn, mp_time deadline)
{
    int r = enter(conn, MP__CONN_RECEIVE, "mp_conn_recv_fd");

    return r < 0 ? r : ops_of(conn)->recv_fd(conn, deadline);
}

int
mp_conn_close(mp_conn *conn)
{
    int r = conn ? enter(conn, 0, "mp_conn_close") : 0;

    return r < 0 || !conn ? r : ops_of(conn)->close(conn);
}

/* ---- For mp_wait(), and mp_describe() ---- */

static int
look_at_conn(void *conn)
{
    const struct mp__conn_ops *ops = ops_of(conn);

    return ops->look ? ops->look(conn) : -EAGAIN;
}

static struct mp__pollers *
pollers_of_conn(void *conn)
{
    const struct mp__conn_ops *ops = ops_of(conn);

    return ops->pollers ? ops->pollers(conn) : NULL;
}

static int
conn_fd(void *conn)
{
    return mp_conn_fd(conn);
}

static int
conn_is_ready(void *conn)
{
    return mp_conn_poll(conn, MP_NOW);
}

static int
describe_conn(struct mp__report *report, void *object)
{
    mp_conn *conn = object;
    uint32_t kind = conn->kind;

    /* The cell may be on its way to another kind. */
    if (kind >= MP__LENGTH(ops_of_kind) || !ops_of_kind[kind])
        return -EBADF;
    mp__report_object(report, "connection", conn, NULL, 0);
    ops_of_kind[kind]->describe(report, conn);
    return 0;
}

void
mp__conn_register(void)
{
    static const struct mp__waitable conn = {
        .slab = MP__SLAB_CONN,
        .look = look_at_conn,
        .fd = conn_fd,
        .ready = conn_is_ready,
        .pollers = pollers_of_conn,
    };

    mp__waitable_register(&conn);
    mp__describe_with(MP__SLAB_CONN, "connection", describe_conn);
}
