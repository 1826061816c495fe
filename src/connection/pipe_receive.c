/* SPDX-License-Identifier: MIT */
/* The receivers' side of a pipe.
 *
 * A receiver copies the first message out, and commits by storing the new head:
 * until then the message is there for the next receiver, after it the senders
 * may write over it. If the side is its own by bias (bias.h), and nobody is to
 * be woken, no atomic operation is needed, and a death leaves nothing to be
 * repaired.
 *
 * A message by reference passes into the receiver's hand with the commit, under
 * the mutex, and is copied out and freed after that. Who dies before the commit
 * may have the block in its hand already: repair takes it out. */
#include "connection/pipe.h"

#include <errno.h>
#include <string.h>

/* The first message, and where the head will be after it. */
struct found {
    struct mp__pipe_record *record;
    uint64_t next;
    size_t size;
    enum mp__pipe_kind kind;
};

/* ---- Repair ---- */

static void
repair(struct mp__mutex *mutex)
{
    struct mp__pipe_side *side =
        MP__CONTAINER(mutex, struct mp__pipe_side, bias.mutex);
    struct mp__pipe_ring *ring =
        MP__CONTAINER(side, struct mp__pipe_ring, receiver);
    void *block = side->intent_block;

    if (block && mp__load(&ring->head) == side->intent_position)
        mp__hands_clear_of(side->intent_part, block);
    mp__compiler_barrier();
    side->intent_block = NULL;
    /* The flag stays: an owner may be inside by its bias, and rely on it. */
    mp__futex_wake(&ring->sender_sleeps, 1);
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_PIPE_RECEIVER, repair);
}

/* ---- Finding ---- */

/* Inside, and there is a message. */
static inline void
look(struct mp__pipe_ring *ring, struct found *found)
{
    uint64_t head = mp__load_relaxed(&ring->head);
    struct mp__pipe_record *record = mp__pipe_record(ring, head);
    uint64_t word = record->head;

    if (MP__UNLIKELY((word & 0xff) == MP__PIPE_PAD)) {
        head += mp__pipe_rest(head);
        record = mp__pipe_record(ring, head);
        word = record->head;
    }
    found->record = record;
    found->kind = (enum mp__pipe_kind)(word & 0xff);
    found->size = word >> 8;
    found->next =
        head + mp__pipe_granules(found->kind == MP__PIPE_REFERENCE
                                     ? sizeof(struct mp__pipe_reference)
                                     : found->size);
}

/* Inside: whether there is a message. */
static inline int
has_some(struct mp__pipe_ring *ring, struct mp__pipe_side *side)
{
    uint64_t tail;

    /* The cache may be old, but then it is not before the head. */
    if (MP__LIKELY(side->other != mp__load_relaxed(&ring->head)))
        return 1;
    /* acquire: pairs with the senders' commit */
    tail = mp__load_acquire(&ring->tail);
    if (tail == side->other)
        return 0;
    side->other = mp__pipe_gather(side, &ring->tail, tail);
    return 1;
}

/* Takes the mutex and waits for a message; after an error it is not held. */
static int
find(const struct mp__pipe_use *use, struct found *found, mp_time deadline)
{
    int r = mp__pipe_lock(use, deadline);

    if (r < 0)
        return r;
    while (!has_some(use->ring, use->side)) {
        r = mp__pipe_wait(use, use->side->other, deadline);
        if (r < 0)
            return r;
    }
    look(use->ring, found);
    return 0;
}

/* ---- Taking ---- */

static inline void
commit(struct mp__pipe_ring *ring, uint64_t head)
{
    /* release: the senders may write over the message from here on. */
    mp__store_release(&ring->head, head);
}

/* What follows is called with the mutex held, and leaves it. */

static void
take_inline(const struct mp__pipe_use *use, const struct found *found)
{
    mp__pipe_wake(use);
    commit(use->ring, found->next);
    mp__mutex_unlock(&use->side->bias.mutex);
}

/* The block is in our hand then; its bytes do not count as under way any
 * more. */
static void *
take_reference(const struct mp__pipe_use *use, const struct found *found)
{
    struct mp__pipe_side *side = use->side;
    struct mp__pipe_reference reference;

    memcpy(&reference, found->record->body, sizeof(reference));
    side->intent_position = mp__load_relaxed(&use->ring->head);
    side->intent_part = mp__me.index;
    mp__compiler_barrier();
    side->intent_block = reference.block;
    mp__compiler_barrier();
    mp__hand_set(mp__block_hand(reference.block), reference.block,
                 &side->bias.mutex);
    mp__pipe_wake(use);
    mp__store_release(&use->ring->bytes_received, reference.total);
    commit(use->ring, found->next);
    mp__compiler_barrier();
    side->intent_block = NULL;
    mp__mutex_unlock(&side->bias.mutex);
    return reference.block;
}

/* Copies to `buf`, unless that is NULL. */
static void
take(const struct mp__pipe_use *use, const struct found *found, void *buf)
{
    void *block;

    if (found->kind != MP__PIPE_REFERENCE) {
        if (buf)
            mp__pipe_copy(buf, found->record->body, found->size);
        take_inline(use, found);
        return;
    }
    block = take_reference(use, found);
    if (buf)
        memcpy(buf, block, found->size);
    mp__block_free(block);
    mp__hands_settled();
}

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
is_of(const struct found *found, enum mp__pipe_kind kind)
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
    return has_some(ring, side) ? 0 : IN_VAIN;
}

/* The owner is inside. What is so nearly always: a message is there, or comes
 * soon, and lies in the ring; nobody sleeps. Its size, or as above. */
static inline ssize_t
take_quickly(struct mp__pipe_ring *ring, void *buf, size_t cap,
             mp_time deadline)
{
    struct found found;

    if (MP__UNLIKELY(!has_some(ring, &ring->receiver))) {
        int r = wait_quickly(ring, deadline);

        if (r < 0)
            return r;
    }
    look(ring, &found);
    if (MP__UNLIKELY(found.kind != MP__PIPE_MESSAGE || found.size > cap ||
                     mp__load_relaxed(&ring->sender_sleeps)))
        return NOT_QUICK;
    mp__pipe_copy(buf, found.record->body, found.size);
    commit(ring, found.next);
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
    struct found found;
    int r = find(use, &found, deadline);

    if (r < 0)
        return r;
    if (!is_of(&found, MP__PIPE_MESSAGE))
        return refuse_kind(use, found.kind);
    if (found.size > cap)
        return refuse_size(use, found.size, cap);
    take(use, &found, buf);
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
    struct found found;
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
    struct found found;
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
    struct found found;
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
    take(use, &found, NULL);
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

void
mp__pipe_discard(struct mp__pipe_end *end)
{
    struct mp__pipe_use use = {.end = end,
                               .ring = &end->in,
                               .side = &end->in.receiver,
                               .wakes = &end->in.sender_sleeps};
    struct found found;

    if (end->in.data == NULL)
        return;
    for (;;) {
        mp__mutex_lock(&use.side->bias.mutex);
        if (!has_some(use.ring, use.side))
            break;
        look(use.ring, &found);
        take(&use, &found, NULL);
    }
    mp__mutex_unlock(&use.side->bias.mutex);
}
