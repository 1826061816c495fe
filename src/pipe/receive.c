/* SPDX-License-Identifier: MIT */
/* The receivers' side of a pipe.
 *
 * A receiver copies the first message out, and then takes it (take.c). If the
 * side is its own by bias (bias.h), the message lies in the ring, and nobody is
 * to be woken, no atomic operation is needed, and a death leaves nothing to be
 * repaired: the quick way. */
#include "pipe/take.h"

#include <errno.h>
#include <string.h>

/* ---- Finding ---- */

/* Takes the mutex and waits for a message; after an error it is not held. */
static int
find(const struct mp__pipe_use *use, struct mp__pipe_found *found,
     mp_time deadline)
{
    int r = mp__pipe_lock(use, deadline);

    if (r < 0)
        return r;
    while (!mp__pipe_has_some(use->ring, use->side)) {
        r = mp__pipe_wait(use, use->side->other, deadline);
        if (r < 0)
            return r;
    }
    mp__pipe_first(use->ring, found);
    return 0;
}

/* ---- Refusing ---- */

/* Leaves it there. */
static int
refuse(const struct mp__pipe_use *use, int r)
{
    mp__mutex_unlock(&use->side->bias.mutex);
    return r;
}

MP__COLD static int
refuse_kind(const struct mp__pipe_use *use, enum mp__pipe_kind kind)
{
    return mp__fail(
        refuse(use, -ENOMSG),
        kind == MP__PIPE_DESCRIPTOR
            ? "mp_conn_recv: the next message is a descriptor, for "
              "mp_conn_recv_fd()"
            : "mp_conn_recv_fd: the next message is no "
              "descriptor");
}

MP__COLD static int
refuse_size(const struct mp__pipe_use *use, size_t size, size_t cap)
{
    return mp__fail(refuse(use, -EMSGSIZE),
                    "mp_conn_recv: the message has %zu bytes, there is room "
                    "for %zu",
                    size, cap);
}

static int
is_of(const struct mp__pipe_found *found, enum mp__pipe_kind kind)
{
    return found->kind == kind ||
           (found->kind == MP__PIPE_REFERENCE && kind == MP__PIPE_MESSAGE);
}

/* ---- The quick way ---- */

#define NOT_QUICK (-1)
#define IN_VAIN   (-2) /* it has waited for a while already */

/* Nothing is there, as far as is known: waits a little. */
MP__COLD static int
wait_quickly(struct mp__pipe_ring *ring, mp_time deadline)
{
    struct mp__pipe_side *side = &ring->receiver;

    if (deadline == MP_NOW)
        return NOT_QUICK;
    if (!mp__patience_spin(&side->patience, &ring->tail, side->other))
        return IN_VAIN;
    return mp__pipe_has_some(ring, side) ? 0 : IN_VAIN;
}

/* The owner is inside. What is so nearly always: a message is there, or comes
 * soon, and lies in the ring; nobody sleeps. Its size, or as above. */
static inline ssize_t
take_quickly(struct mp__pipe_ring *ring, void *buf, size_t cap,
             mp_time deadline)
{
    struct mp__pipe_found found;

    if (MP__UNLIKELY(!mp__pipe_has_some(ring, &ring->receiver))) {
        int r = wait_quickly(ring, deadline);

        if (r < 0)
            return r;
    }
    mp__pipe_first(ring, &found);
    if (MP__UNLIKELY(found.kind != MP__PIPE_MESSAGE || found.size > cap ||
                     mp__load_relaxed(&ring->sender_sleeps)))
        return NOT_QUICK;
    mp__pipe_copy(buf, found.record->body, found.size);
    mp__pipe_commit_head(ring, found.next);
    return (ssize_t)found.size;
}

static inline ssize_t
recv_quickly(struct mp__pipe_end *end, void *buf, size_t cap, mp_time deadline)
{
    struct mp__bias *bias = &end->in.receiver.bias;
    ssize_t size;

    if (!mp__bias_try(bias))
        return NOT_QUICK;
    size = take_quickly(&end->in, buf, cap, deadline);
    mp__bias_leave(bias);
    return size;
}

/* ---- The calls ---- */

static ssize_t
recv_one(const struct mp__pipe_use *use, void *buf, size_t cap,
         mp_time deadline)
{
    struct mp__pipe_found found;
    int r = find(use, &found, deadline);

    if (r < 0)
        return r;
    if (!is_of(&found, MP__PIPE_MESSAGE))
        return refuse_kind(use, found.kind);
    if (found.size > cap)
        return refuse_size(use, found.size, cap);
    mp__pipe_take_found(use, &found, buf);
    return (ssize_t)found.size;
}

MP__COLD static ssize_t
recv_slowly(struct mp__pipe_end *end, void *buf, size_t cap, mp_time deadline,
            int spun)
{
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, end, 0);

    if (r < 0)
        return r;
    use.spun = spun;
    return mp__pipe_exit(&use, recv_one(&use, buf, cap, deadline));
}

ssize_t
mp__pipe_recv(mp_conn *conn, void *buf, size_t cap, mp_time deadline)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    ssize_t size = recv_quickly(end, buf, cap, deadline);

    if (MP__LIKELY(size >= 0))
        return size;
    return recv_slowly(end, buf, cap, deadline, size == IN_VAIN);
}

static ssize_t
next_one(const struct mp__pipe_use *use, mp_time deadline)
{
    struct mp__pipe_found found;
    int r = find(use, &found, deadline);

    if (r < 0)
        return r;
    if (!is_of(&found, MP__PIPE_MESSAGE))
        return refuse_kind(use, found.kind);
    mp__mutex_unlock(&use->side->bias.mutex);
    return (ssize_t)found.size;
}

ssize_t
mp__pipe_next_size(mp_conn *conn, mp_time deadline)
{
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, (struct mp__pipe_end *)(void *)conn, 0);

    return r < 0 ? r : mp__pipe_exit(&use, next_one(&use, deadline));
}

int
mp__pipe_poll(mp_conn *conn, mp_time deadline)
{
    struct mp__pipe_use use;
    struct mp__pipe_found found;
    int r = mp__pipe_begin(&use, (struct mp__pipe_end *)(void *)conn, 0);

    if (r < 0)
        return r;
    r = find(&use, &found, deadline);
    if (r == 0) {
        mp__mutex_unlock(&use.side->bias.mutex);
        r = 1;
    }
    if (r == -EPIPE)
        r = 1;
    return (int)mp__pipe_exit(&use, r);
}

static int
take_one(const struct mp__pipe_use *use, enum mp__pipe_kind kind,
         mp__conn_look_fn *like, void *arg, mp_time deadline)
{
    struct mp__pipe_reference reference;
    struct mp__pipe_found found;
    int r = find(use, &found, deadline);

    if (r < 0)
        return r;
    if (!is_of(&found, kind))
        return refuse_kind(use, found.kind);
    memcpy(&reference, found.record->body, sizeof(reference.block));
    r = like(found.kind == MP__PIPE_REFERENCE ? reference.block
                                              : found.record->body,
             found.size, arg);
    if (r < 0)
        return refuse(use, r);
    mp__pipe_take_found(use, &found, NULL);
    return r;
}

int
mp__pipe_take(struct mp__pipe_end *end, enum mp__pipe_kind kind,
              mp__conn_look_fn *like, void *arg, mp_time deadline)
{
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, end, 0);

    if (r < 0)
        return r;
    r = take_one(&use, kind, like, arg, deadline);
    return (int)mp__pipe_exit(&use, r);
}

int
mp__pipe_recv_look(mp_conn *conn, mp__conn_look_fn *like, void *arg,
                   mp_time deadline)
{
    return mp__pipe_take((struct mp__pipe_end *)(void *)conn, MP__PIPE_MESSAGE,
                         like, arg, deadline);
}
