/* SPDX-License-Identifier: MIT */
/* Listeners: being called.
 *
 * The handle's cell says whose the listener is, and its address; all else is
 * private (socket/private.h). Threads that accept take turns: one looks after
 * all clients until somebody is ready (accept.c).
 *
 * Everything that may happen is in one epoll descriptor, which the program can
 * watch: the socket, those who prove themselves, and an alarm for the first of
 * them whose time is up. The alarm also rings at once as long as somebody is
 * ready whom nobody has taken.
 *
 * A process that dies takes its clients with it. A local socket's file stays,
 * and is replaced by the next who listens there. */
#include "listener/listener.h"

#include "base/error.h"
#include "bell/waitable.h"
#include "os/descriptors.h"
#include "os/epoll.h"
#include "os/stream.h"
#include "os/stream_name.h"
#include "report/describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES 8

struct mp_listener {
    struct mp__object object;
    struct mp__private_cell private;
    char address[160];
} MP__ALIGNED(64);

static struct mp__private_cell *
cell_of(void *object)
{
    return &((mp_listener *)object)->private;
}

static const struct mp__private_class class = {
    .slab = MP__SLAB_LISTENER,
    .what = "a listener",
    .cell = cell_of,
};

/* ---- The private half ---- */

static struct mp__listener *
listener_of(struct mp__private *half)
{
    return MP__CONTAINER(half, struct mp__listener, half);
}

static void
wake(struct mp__private *half)
{
    mp__turn_over(&listener_of(half)->turn);
}

static void
close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void
close_own(struct mp__listener *listener)
{
    close_one(listener->fd);
    close_one(listener->epoll);
    close_one(listener->alarm);
    close_one(listener->spare);
}

static void
orphan(struct mp__private *half)
{
    struct mp__listener *listener = listener_of(half);
    struct mp__client *client;

    for (client = listener->waiting.first; client; client = client->next)
        close(client->fd);
    for (client = listener->ready.first; client; client = client->next)
        close(client->fd);
    close_own(listener);
}

static void
destroy_listener(struct mp__listener *listener)
{
    mp__line_clear(&listener->waiting);
    mp__line_clear(&listener->ready);
    close_own(listener);
    mp__terms_close(&listener->terms);
    free(listener);
}

static void
destroy(struct mp__private *half)
{
    destroy_listener(listener_of(half));
}

static const struct mp__private_ops private_ops = {
    .wake = wake,
    .orphan = orphan,
    .free = destroy,
};

static struct mp__listener *
pin(mp_listener *listener, const char *function, int *ret_error)
{
    struct mp__private *half;

    *ret_error = mp__enter();
    if (*ret_error == 0)
        *ret_error = mp__private_pin(&half, listener, &class, function);
    return *ret_error < 0 ? NULL : listener_of(half);
}

/* ---- Opening ---- */

static int
fail_at(const char *address, int r, const char *why)
{
    return mp__fail(r, "mp_listener_open: %s: %s", address, why);
}

static int
listen_local(struct mp__listener *listener, const char *address)
{
    const char *path = listener->terms.address.path;
    struct mp__stream_name name;
    int r;

    mp__stream_local_name(&name, path);
    listener->fd = mp__stream_open(&name);
    if (listener->fd < 0)
        return fail_at(address, listener->fd, mp_strerror(listener->fd));
    r = mp__stream_bind_file(listener->fd, path, listener->terms.mode,
                             &listener->file);
    if (r == -EADDRINUSE)
        return fail_at(address, r, "somebody listens there");
    if (r == -ENOTSOCK)
        return fail_at(address, -EADDRINUSE, "the file is no socket");
    if (r < 0)
        return fail_at(address, r, mp_strerror(r));
    r = mp__stream_listen(listener->fd, listener->terms.backlog);
    if (r < 0)
        mp__stream_remove_file(path, &listener->file);
    return r < 0 ? fail_at(address, r, mp_strerror(r)) : 0;
}

static int
listen_at(struct mp__listener *listener, const struct mp__stream_name *name,
          const char *address)
{
    int r;

    if ((listener->terms.flags & MP_CONN_CLEAR_TEXT) &&
        !mp__stream_is_loopback(name))
        return fail_at(address, -EINVAL,
                       "clear text is for the loopback only");
    listener->fd = mp__stream_open(name);
    r = listener->fd;
    if (r >= 0)
        r = mp__stream_bind(listener->fd, name);
    if (r >= 0)
        r = mp__stream_listen(listener->fd, listener->terms.backlog);
    if (r >= 0)
        return 0;
    close_one(listener->fd);
    listener->fd = -1;
    return fail_at(address, r, mp_strerror(r));
}

static int
listen_tcp(struct mp__listener *listener, const char *address)
{
    struct mp__stream_name names[ADDRESSES];
    const struct mp__address *at = &listener->terms.address;
    const char *why;
    int n = mp__stream_look_up(names, ADDRESSES, at->host, at->port, &why);
    int r = n;

    if (n < 0)
        return fail_at(address, n == -EHOSTUNREACH ? -EADDRNOTAVAIL : n, why);
    for (int i = 0; i < n; i++) {
        r = listen_at(listener, &names[i], address);
        if (r == 0)
            break;
    }
    return r;
}

/* What is needed beside the socket. */
static int
open_watch(struct mp__listener *listener)
{
    int r;

    listener->epoll = mp__epoll_open();
    listener->alarm = mp__alarm_open();
    listener->spare = mp__fd_null();
    r = listener->epoll < 0 ? listener->epoll : listener->alarm;
    if (r >= 0)
        r = mp__epoll_add(listener->epoll, listener->fd, EPOLLIN, listener);
    if (r >= 0)
        r = mp__epoll_add(listener->epoll, listener->alarm, EPOLLIN, NULL);
    return r < 0 ? mp__fail(r, "mp_listener_open: %s", mp_strerror(r)) : 0;
}

static struct mp__listener *
new_listener(void)
{
    struct mp__listener *listener = calloc(1, sizeof(*listener));

    if (!listener)
        return NULL;
    listener->fd = listener->epoll = listener->alarm = listener->spare = -1;
    listener->alarm_at = MP_FOREVER;
    mp__line_init(&listener->waiting);
    mp__line_init(&listener->ready);
    return listener;
}

static int
start(struct mp__listener *listener, const char *address,
      const mp_conn_attr *attr)
{
    int r =
        mp__terms_open(&listener->terms, address, attr, 1, "mp_listener_open");

    if (r < 0)
        return r;
    r = listener->terms.address.local ? listen_local(listener, address)
                                      : listen_tcp(listener, address);
    return r < 0 ? r : open_watch(listener);
}

static int
publish(mp_listener **ret_listener, struct mp__listener *listener)
{
    const struct mp__address *at = &listener->terms.address;
    char bound[MP__STREAM_TEXT] = "?";
    mp_listener *cell;

    mp__private_collect(&class, 0);
    cell = mp__object_alloc(MP__SLAB_LISTENER, sizeof(*cell));
    if (!cell)
        return mp__fail(-ENOMEM, "mp_listener_open: no memory");
    if (!at->local)
        mp__stream_bound_text(listener->fd, bound);
    snprintf(cell->address, sizeof(cell->address), "%s:%s",
             at->local ? "unix" : "tcp", at->local ? at->path : bound);
    mp__private_publish(&listener->half, &private_ops, cell, &class);
    *ret_listener = cell;
    return 0;
}

static void
remove_file(const struct mp__listener *listener)
{
    if (listener->file.inode)
        mp__stream_remove_file(listener->terms.address.path, &listener->file);
}

int
mp_listener_open(mp_listener **ret_listener, const char *address,
                 const mp_conn_attr *attr)
{
    struct mp__listener *listener;
    int r = mp__enter();

    if (r < 0)
        return r;
    listener = new_listener();
    if (!listener)
        return mp__fail(-ENOMEM, "mp_listener_open: no memory");
    r = start(listener, address, attr);
    if (r == 0)
        r = publish(ret_listener, listener);
    if (r < 0) {
        remove_file(listener);
        destroy_listener(listener);
    }
    return r;
}

/* ---- The rest ---- */

int
mp_listener_accept(mp_listener *handle, mp_conn **ret_conn, mp_time deadline)
{
    int r;
    struct mp__listener *listener = pin(handle, "mp_listener_accept", &r);
    struct pollfd p;

    if (!listener)
        return r;
    r = mp__turn_take(&listener->turn, deadline);
    if (r < 0) {
        mp__private_unpin(&listener->half);
        return r;
    }
    mp__listener_come(listener);
    for (;;) {
        r = mp__listener_work(listener);
        if (r < 0)
            break;
        if (listener->ready.first) {
            r = mp__listener_take(listener, ret_conn);
            break;
        }
        p = (struct pollfd){.fd = listener->epoll, .events = POLLIN};
        r = deadline == MP_NOW
                ? -EAGAIN
                : mp__private_wait(&listener->half, &p, deadline);
        if (r < 0)
            break;
    }
    mp__listener_leave(listener);
    mp__turn_give(&listener->turn);
    mp__private_unpin(&listener->half);
    return r;
}

const char *
mp_listener_address(mp_listener *listener)
{
    return mp__object_enter(listener, MP__SLAB_LISTENER, "mp_listener_address",
                            "a listener") < 0
               ? NULL
               : listener->address;
}

uint64_t
mp_listener_rejected(mp_listener *handle)
{
    int r;
    struct mp__listener *listener = pin(handle, "mp_listener_rejected", &r);
    uint64_t n;

    if (!listener)
        return 0;
    n = mp__load_relaxed(&listener->rejected);
    mp__private_unpin(&listener->half);
    return n;
}

int
mp_listener_fd(mp_listener *handle)
{
    int r;
    struct mp__listener *listener = pin(handle, "mp_listener_fd", &r);

    if (!listener)
        return r;
    mp__store(&listener->watched, 1);
    r = listener->epoll;
    mp__private_unpin(&listener->half);
    return r;
}

int
mp_listener_close(mp_listener *handle)
{
    int r;
    struct mp__listener *listener;

    if (!handle)
        return 0;
    listener = pin(handle, "mp_listener_close", &r);
    if (!listener)
        return r;
    /* While the socket is bound nobody takes the file for one that was left. */
    remove_file(listener);
    mp__private_unpin(&listener->half);
    return mp__private_close(handle, &class, "mp_listener_close");
}

/* ---- For mp_wait(), and mp_describe() ---- */

static int
is_ready(void *object)
{
    int r;
    struct mp__listener *listener = pin(object, "mp_wait", &r);
    struct epoll_event event;

    if (!listener)
        return r;
    r = mp__epoll_look(listener->epoll, &event, 1);
    mp__private_unpin(&listener->half);
    return r;
}

static int
fd_of(void *object)
{
    return mp_listener_fd(object);
}

static int
describe_listener(struct mp__report *report, void *object)
{
    mp_listener *listener = object;
    pid_t pid = (pid_t)mp__load_relaxed(&listener->private.pid);

    mp__report_object(report, "listener", listener, NULL, 0);
    mp__report(report, ": ");
    mp__report_name(report, listener->address, sizeof(listener->address));
    mp__report(report, ", opened by ");
    mp__report_thread(report, pid, pid);
    mp__report(report, "\n");
    return 0;
}

__attribute__((constructor)) static void
register_class(void)
{
    static const struct mp__waitable waitable = {
        .slab = MP__SLAB_LISTENER,
        .ready = is_ready,
        .fd = fd_of,
    };

    mp__waitable_register(&waitable);
    mp__describe_with(MP__SLAB_LISTENER, "listener", describe_listener);
}
