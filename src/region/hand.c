/* SPDX-License-Identifier: MIT */
/* What the reaper does with the hands of the dead.
 *
 * A block may be on its way out of a hand when its thread dies. Where it is then
 * is for others to say: for the repair of the mutex under which it was passed
 * on, and for the holding that it came from or went to. So these come first, and
 * what is in a hand after that is nobody else's. */
#include "region/hand.h"

#include "region/heap.h"
#include "region/mutex.h"

void
mp__hands_clear_of(uint32_t index, const void *p)
{
    for (int hand = 0; hand < MP__HANDS; hand++)
        mp__hand_clear_of(index, (enum mp__hand)hand, p);
}

void
mp__hand_clear_of(uint32_t index, enum mp__hand hand, const void *p)
{
    mp__a64 *word = &mp__participant_at(index)->hand[hand];

    /* Only if it holds this: the slot may have a new life already. */
    if (mp__load_relaxed(word) == (uintptr_t)p)
        mp__store_release(word, 0);
}

/* Brings the mutex in order under which the dead participant's hand might have
 * been passed on: repair empties the hand if it was. That is done for an empty
 * hand, too: a repair that came after the slot's next life had begun would look
 * into the wrong hand. */
static void
settle_hand(struct mp__participant *part, enum mp__hand hand)
{
    uintptr_t mutex = mp__load(&part->hand_mutex[hand]);

    if (mutex)
        mp__mutex_settle((struct mp__mutex *)mutex,
                         mp__load_relaxed(&part->tid));
    mp__store(&part->hand_mutex[hand], 0);
}

/* Leaves the block in the holding if it is there yet, or already. Nobody takes
 * the holding over from the dead before the burial is done. */
static void
settle_holding(struct mp__participant *part, uint32_t index)
{
    struct mp__holding *holding = (void *)(uintptr_t)mp__load(&part->holding);

#ifdef MP__MUTATION_HOLDING_UNSETTLED
    holding = NULL;
#endif
    if (holding && (mp__load(&holding->owner) & ~MP__HOLDING_BUSY) ==
                       mp__participant_id(part))
        mp__hands_clear_of(index,
                           (void *)(uintptr_t)mp__load(&holding->block));
    mp__store(&part->holding, 0);
}

/* Frees what the dead participant has in one hand. */
static void
empty_hand(uint32_t index, enum mp__hand hand)
{
    struct mp__participant *part = mp__participant_at(index);

    mp__heap_settle((void *)(uintptr_t)mp__load(&part->hand[hand]));
    mp__heap_reclaim((void *)(uintptr_t)mp__load(&part->hand[hand]), index,
                     hand);
    mp__store(&part->hand[hand], 0);
}

void
mp__hands_empty(uint32_t index)
{
    struct mp__participant *part = mp__participant_at(index);

    for (int hand = 0; hand < MP__HANDS; hand++)
        settle_hand(part, (enum mp__hand)hand);
    settle_holding(part, index);
    for (int hand = 0; hand < MP__HANDS; hand++)
        empty_hand(index, (enum mp__hand)hand);
}
