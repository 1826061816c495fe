/* SPDX-License-Identifier: MIT */
/* The senders' side of a pipe.
 *
 * A sender places its message behind the tail, where no receiver looks, and
 * commits by storing the new tail. If the side is its own by bias (bias.h), and
 * there is room and nobody to be woken, no atomic operation is needed, and a
 * death leaves nothing to be repaired.
 *
 * A message of more than 8 KiB is copied into a block of its own before, and
 * only a reference is placed. The block is in the sender's hand until the
 * commit, and the pipe's after. Which of the two a dead sender had reached the
 * tail tells; hence this takes the mutex, so that who buries the sender can
 * have that repaired first.
 *
 * How many bytes are under way by reference is the difference of two running
 * totals: `bytes` here, and what the receiver has noted of the last reference
 * that it has taken. */
#include "pipe/pipe.h"
#include "region/heap.h"

#include <errno.h>
#include <string.h>

/* What is to be sent. */
struct message {
    const void *data;
    size_t size;
    void *block; /* a copy, in hand, that goes by reference */
    enum mp__pipe_kind kind;
};

/* ---- Repair ---- */

static void
repair(struct mp__mutex *mutex)
{
    struct mp__pipe_side *side =
        MP__CONTAINER(mutex, struct mp__pipe_side, bias.mutex);
    struct mp__pipe_ring *ring =
        MP__CONTAINER(side, struct mp__pipe_ring, sender);
    void *block = side->intent_block;

    if (block && mp__load(&ring->tail) != side->intent_position) {
        side->bytes = side->intent_bytes;
        mp__hands_clear_of(side->intent_part, block);
    }
    mp__compiler_barrier();
    side->intent_block = NULL;
    /* The flag stays: an owner may be inside by its bias, and rely on it. */
    mp__futex_wake(&ring->receiver_sleeps, 1);
    mp__pipe_page_all(MP__CONTAINER(ring, struct mp__pipe_end, in));
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_PIPE_SENDER, repair);
}

/* ---- Room ---- */

/* Whether a record has room behind the tail, as far as is known. */
static int
has_room(const struct mp__pipe_use *use, uint32_t *ret_pad)
{
    uint64_t tail = mp__load_relaxed(&use->ring->tail);
    uint32_t rest = mp__pipe_rest(tail);

    *ret_pad = use->need > rest ? rest : 0;
    return tail + *ret_pad + use->need - use->side->other <= MP__PIPE_GRANULES;
}

/* Whether so many bytes more may go by reference. What is under way should not
 * have left the processor's cache before it is received: with 64 MiB of it a
 * message of 64 KiB takes five times as long. */
static int
has_bytes(const struct mp__pipe_use *use, size_t size)
{
    /* acquire: with the head that was seen before, or a later one */
    uint64_t under_way =
        use->side->bytes - mp__load_acquire(&use->ring->bytes_received);

    return under_way <= size || under_way + size <= MP__PIPE_BYTES;
}

/* Inside: looks where the receivers are. Whether they have gone on. */
static int
look_again(struct mp__pipe_side *side, mp__a64 *word)
{
    uint64_t now = mp__load_acquire(word);

    if (now == side->other)
        return 0;
    side->other = mp__pipe_gather(side, word, now);
    return 1;
}

/* The mutex is held, and is not after an error. */
static int
await_room(const struct mp__pipe_use *use, const struct message *m,
           uint32_t *ret_pad, mp_time deadline)
{
    for (;;) {
        int r;

        if (has_room(use, ret_pad) &&
            (m->kind != MP__PIPE_REFERENCE || has_bytes(use, m->size)))
            return 0;
        if (look_again(use->side, use->word))
            continue;
        r = mp__pipe_wait(use, use->side->other, deadline);
        if (r < 0)
            return r;
    }
}

/* ---- Placing ---- */

static inline void
write_head(struct mp__pipe_record *record, enum mp__pipe_kind kind,
           size_t size)
{
    record->head = (uint64_t)size << 8 | kind;
}

static inline void
commit(struct mp__pipe_ring *ring, uint64_t tail)
{
    /* release: pairs with the receivers' acquire of the tail. */
    mp__store_release(&ring->tail, tail);
}

static void
write_record(struct mp__pipe_record *record, const struct mp__pipe_side *side,
             const struct message *m)
{
    struct mp__pipe_reference reference = {m->block, side->intent_bytes};

    write_head(record, m->kind, m->size);
    if (m->block)
        memcpy(record->body, &reference, sizeof(reference));
    else
        mp__pipe_copy(record->body, m->data, m->size);
}

static void
note_intent(struct mp__pipe_side *side, uint64_t tail, const struct message *m)
{
    side->intent_position = tail;
    side->intent_part = mp__me.index;
    side->intent_bytes = side->bytes + m->size;
    mp__compiler_barrier();
#ifndef MP__MUTATION_PIPE_NO_INTENT
    side->intent_block = m->block;
#endif
    mp__compiler_barrier();
}

/* After the commit: the block is the pipe's. */
static void
settle_intent(struct mp__pipe_side *side, const struct message *m)
{
    mp__compiler_barrier();
    side->bytes = side->intent_bytes;
    mp__block_keep(m->block);
    mp__compiler_barrier();
    side->intent_block = NULL;
}

static void
place(const struct mp__pipe_use *use, const struct message *m, uint32_t pad)
{
    uint64_t tail = mp__load_relaxed(&use->ring->tail);

    if (m->block)
        note_intent(use->side, tail, m);
    if (pad)
        write_head(mp__pipe_record(use->ring, tail), MP__PIPE_PAD, 0);
    write_record(mp__pipe_record(use->ring, tail + pad), use->side, m);
    commit(use->ring, tail + pad + use->need);
    if (m->block)
        settle_intent(use->side, m);
}

/* Waits for room, and places it. */
static int
send_one(const struct mp__pipe_use *use, const struct message *m,
         mp_time deadline)
{
    uint32_t pad;
    int r = mp__pipe_lock(use, deadline);

    if (r == 0)
        r = await_room(use, m, &pad, deadline);
    if (r < 0)
        return r;
    mp__pipe_wake(use);
    place(use, m, pad);
    mp__mutex_unlock(&use->side->bias.mutex);
    return 0;
}

MP__COLD static int
send_slowly(struct mp__pipe_end *end, enum mp__pipe_kind kind,
            const void *data, size_t size, mp_time deadline, int spun)
{
    struct message m = {data, size, NULL, kind};
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, end, 1);

    if (r < 0)
        return r;
    use.need = mp__pipe_granules(size);
    use.spun = spun;
    return (int)mp__pipe_exit(&use, send_one(&use, &m, deadline));
}

int
mp__pipe_send_kind(struct mp__pipe_end *end, enum mp__pipe_kind kind,
                   const void *data, size_t size, mp_time deadline)
{
    return send_slowly(end, kind, data, size, deadline, 0);
}

/* ---- By reference ---- */

/* Copies the message into a block, in hand. */
static int
make_block(const struct mp__pipe_use *use, struct message *m)
{
    m->block = mp__block_alloc(m->size, 0);
    if (m->block == NULL)
        return -ENOMEM;
    mp__block_fill(m->block, m->data, m->size);
    mp__hand_set(mp__block_hand(m->block), m->block, &use->side->bias.mutex);
    return 0;
}

/* A copy of gigabytes is not made only to be refused. */
static int
look_for_room(const struct mp__pipe_use *use, const struct message *m,
              mp_time deadline)
{
    uint32_t pad;
    int r = mp__pipe_lock(use, deadline);

    if (r == 0)
        r = await_room(use, m, &pad, deadline);
    if (r == 0)
        mp__mutex_unlock(&use->side->bias.mutex);
    return r;
}

MP__COLD static int
send_large(struct mp__pipe_end *end, const void *data, size_t size,
           mp_time deadline)
{
    struct message m = {data, size, NULL, MP__PIPE_REFERENCE};
    struct mp__pipe_use use;
    int r = mp__pipe_begin(&use, end, 1);

    if (r < 0)
        return r;
    use.need = mp__pipe_granules(sizeof(struct mp__pipe_reference));
    r = look_for_room(&use, &m, deadline);
    if (r == 0)
        r = make_block(&use, &m);
    if (r == 0)
        r = send_one(&use, &m, deadline);
    if (r < 0 && m.block)
        mp__block_free(m.block);
    mp__hands_settled();
    return (int)mp__pipe_exit(&use, r);
}

/* ---- The quick way ---- */

#define NOT_QUICK (-1)
#define IN_VAIN   (-2) /* it has waited for a while already */

/* There is no room before `end`, as far as is known: waits a little. */
MP__COLD static int
wait_quickly(struct mp__pipe_ring *ring, uint64_t end, mp_time deadline)
{
    struct mp__pipe_side *side = &ring->sender;

    look_again(side, &ring->head);
    if (end - side->other <= MP__PIPE_GRANULES)
        return 0;
    if (deadline == MP_NOW)
        return NOT_QUICK;
    mp__patience_spin(&side->patience, &ring->head, side->other);
    look_again(side, &ring->head);
    return end - side->other <= MP__PIPE_GRANULES ? 0 : IN_VAIN;
}

/* The owner is inside. What is so nearly always: there is room, all of it
 * before the end of the lap; nobody sleeps, and nothing has changed. 0, or as
 * above. */
static inline int
place_quickly(struct mp__pipe_ring *ring, const void *data, size_t size,
              mp_time deadline)
{
    struct mp__pipe_side *side = &ring->sender;
    uint64_t tail = mp__load_relaxed(&ring->tail);
    uint64_t end = tail + mp__pipe_granules(size);
    struct mp__pipe_record *record = mp__pipe_record(ring, tail);

    if (MP__UNLIKELY(end - side->other > MP__PIPE_GRANULES)) {
        int r = wait_quickly(ring, end, deadline);

        if (r < 0)
            return r;
    }
    if (MP__UNLIKELY(mp__pipe_granules(size) > mp__pipe_rest(tail) ||
                     mp__load_relaxed(&ring->receiver_sleeps) ||
                     mp__pipe_has_news(ring, side)))
        return NOT_QUICK;
#ifdef MP__MUTATION_PIPE_COMMIT_EARLY
    commit(ring, end);
    mp__compiler_barrier();
#endif
    write_head(record, MP__PIPE_MESSAGE, size);
    mp__pipe_copy(record->body, data, size);
#ifndef MP__MUTATION_PIPE_COMMIT_EARLY
    commit(ring, end);
#endif
    return 0;
}

static inline int
send_quickly(struct mp__pipe_end *end, const void *data, size_t size,
             mp_time deadline)
{
    /* NULL: of an end that another thread has closed just now */
    struct mp__pipe_end *peer = end->peer;
    int r;

    if (MP__UNLIKELY(peer == NULL) || !mp__bias_try(&peer->in.sender.bias))
        return NOT_QUICK;
    r = place_quickly(&peer->in, data, size, deadline);
    mp__bias_leave(&peer->in.sender.bias);
    return r;
}

int
mp__pipe_send(mp_conn *conn, const void *data, size_t size, mp_time deadline)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;
    int r;

    if (MP__UNLIKELY(size > MP__PIPE_INLINE))
        return send_large(end, data, size, deadline);
    r = send_quickly(end, data, size, deadline);
    if (MP__LIKELY(r == 0))
        return 0;
    return send_slowly(end, MP__PIPE_MESSAGE, data, size, deadline,
                       r == IN_VAIN);
}
