/* SPDX-License-Identifier: MIT */
/* How a message leaves a ring.
 *
 * A receiver commits by storing the new head: until then the message is there
 * for the next receiver, after it the senders may write over it.
 *
 * A message by reference passes into the receiver's hand with the commit, under
 * the mutex, and is copied out and freed after that. Who dies before the commit
 * may have the block in its hand already: repair takes it out. */
#include "pipe/take.h"

#include "region/heap.h"

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

/* ---- Taking: called with the mutex held, and leaves it ---- */

static void
take_inline(const struct mp__pipe_use *use, const struct mp__pipe_found *found)
{
    mp__pipe_wake(use);
    mp__pipe_commit_head(use->ring, found->next);
    mp__mutex_unlock(&use->side->bias.mutex);
}

/* The block is in our hand then; its bytes do not count as under way any
 * more. */
static void *
take_reference(const struct mp__pipe_use *use,
               const struct mp__pipe_found *found)
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
    mp__pipe_commit_head(use->ring, found->next);
    mp__compiler_barrier();
    side->intent_block = NULL;
    mp__mutex_unlock(&side->bias.mutex);
    return reference.block;
}

void
mp__pipe_take_found(const struct mp__pipe_use *use,
                    const struct mp__pipe_found *found, void *buf)
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

void
mp__pipe_discard(struct mp__pipe_end *end)
{
    struct mp__pipe_use use = {.end = end,
                               .ring = &end->in,
                               .side = &end->in.receiver,
                               .wakes = &end->in.sender_sleeps};
    struct mp__pipe_found found;

    if (end->in.data == NULL)
        return;
    for (;;) {
        mp__mutex_lock(&use.side->bias.mutex);
        if (!mp__pipe_has_some(use.ring, use.side))
            break;
        mp__pipe_first(use.ring, &found);
        mp__pipe_take_found(&use, &found, NULL);
    }
    mp__mutex_unlock(&use.side->bias.mutex);
}
