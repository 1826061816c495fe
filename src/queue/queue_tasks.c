/* SPDX-License-Identifier: MIT */
/* Tasks: messages that are held until they are done.
 *
 * What is unfinished is not counted but seen: the messages in the queue, and
 * the slots of the consumers' shelf that are not free. A message is in its slot
 * before the head goes past it, and the slot is free only when it is done; so
 * who finds the queue empty, then all slots free, and then that nothing was put
 * meanwhile, has seen a moment at which all was done.
 *
 * Giving up a slot is the commit of task_done. It is done with the joiners'
 * bell armed: should the process die between that and waking them, the kernel
 * wakes one, who looks for himself and wakes the others.
 *
 * Death. The reaper frees what the dead had reserved, and taken from queues
 * that do not redeliver; the latter, in a joinable queue, is lost, and
 * mp_queue_join() says so. */
#include "queue/consume.h"

#include "base/error.h"
#include "os/clock.h"
#include "region/layout.h"

#include <errno.h>
#include <limits.h>

/* ---- What is unfinished ---- */

static int
is_in_use(struct mp_queue *queue)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t used = mp__load(&shelf->used);

    for (uint32_t i = 0; i < used; i++) {
        struct mp__slot *slot = mp__shelf_slot(shelf, i);

        if (slot && mp__load(&slot->holding.owner) != MP__SLOT_FREE)
            return 1;
    }
    return 0;
}

int
mp__tasks_are_done(struct mp_queue *queue)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t shrinks, tail;
    int done;

    do {
        shrinks = mp__load(&shelf->shrinks);
        tail = mp__count(mp__load(&queue->tail));
        done = tail == mp__count(mp__load(&queue->head)) && !is_in_use(queue);
    } while (mp__load(&shelf->shrinks) != shrinks ||
             (done && mp__count(mp__load(&queue->tail)) != tail));
    return done;
}

size_t
mp_queue_unfinished(mp_queue *queue)
{
    ssize_t r = mp__queue_enter(queue, "mp_queue_unfinished");
    uint64_t head, tail;
    size_t n;

    if (r < 0) {
        r = MP__FAR(r, queue, MP__FAR_PLAIN, "");
        return r < 0 ? 0 : (size_t)r;
    }
    if (!(queue->mode & MP__QUEUE_JOINABLE))
        return mp_queue_size(queue);
    /* Nothing comes, moves into a slot, or comes back meanwhile. */
    do {
        head = mp__load(&queue->head);
        tail = mp__load(&queue->tail);
        n = mp__count(tail) - mp__count(head);
        n += mp__shelf_count_held(&queue->consumers.shelf);
    } while (mp__load(&queue->head) != head || mp__load(&queue->tail) != tail);
    return n;
}

/* ---- Being done ---- */

void
mp__tasks_ring(struct mp_queue *queue)
{
    struct mp__joiners *joiners = &queue->joiners;

    mp__bell_arm(&joiners->bell);
    mp__add(&joiners->finishes, 1);
    mp__bell_ring(&joiners->bell, INT_MAX);
}

void
mp__task_finished(struct mp_queue *queue)
{
    if (mp__load(&queue->joiners.joining) && mp__tasks_are_done(queue))
        mp__tasks_ring(queue);
    /* Who waits at the end of a queue, for what may come back. Whatever the
     * flag says: who lowered it may have died before the wake-up. */
    if (mp__load(&queue->closing) != MP__QUEUE_OPEN &&
        queue->mode & MP__QUEUE_RETURNS) {
        mp__store(&queue->consumer_sleeps, 0);
        mp__futex_wake(&queue->consumer_sleeps, 1);
        mp__poll_wake_all(queue);
    }
}

int
mp__task_finish(struct mp_queue *queue, struct mp__slot *slot, uint64_t seen)
{
    void *block;
    int r;

    mp__bell_arm(&queue->joiners.bell);
    r = mp__slot_release(slot, seen, &block);
    if (r == 0)
        mp__task_finished(queue);
    mp__bell_disarm();
    mp__slot_discard(block);
    return r;
}

static void
count_lost(struct mp_queue *queue, uint32_t pid)
{
    mp__store(&queue->joiners.lost_pid, pid);
    mp__add(&queue->joiners.lost, 1);
}

void
mp__task_lose(struct mp_queue *queue, struct mp__slot *slot)
{
    count_lost(queue, 0);
    mp__task_finish(queue, slot, mp__me.id | MP__HOLDING_BUSY);
}

/* The index of this thread's bit. */
void
mp__task_note_taker(struct mp_queue *queue)
{
    mp__a64 *word = &queue->joiners.takers[mp__me.index / 64];
    uint64_t bit = (uint64_t)1 << (mp__me.index % 64);

    if (MP__LIKELY(mp__load_relaxed(word) & bit))
        return;
    atomic_fetch_or(word, bit);
#ifndef MP__MUTATION_TAKER_UNSEEN
    if (mp__load(&queue->joiners.joining)) /* they do not watch us yet */
        mp__tasks_ring(queue);
#endif
}

/* ---- Which one is done ---- */

#define KNOWN 16u

/* What this thread holds of the queue that it has used last: the first ones
 * that it got, in that order, so that being done need not look through all
 * slots. Only a cache: others may have given them up. */
static __thread struct {
    struct mp_queue *queue;
    uint64_t owner; /* the thread; in a child it is another */
    unsigned first, n;
    int more; /* it may hold others, got later */
    struct {
        uint32_t index, got;
    } slots[KNOWN];
} known;

static void
know(const struct mp__slot *slot)
{
    unsigned at = (known.first + known.n++) % KNOWN;

    known.slots[at].index = slot->index;
    known.slots[at].got = slot->got;
}

static void
know_queue(struct mp_queue *queue)
{
    if (known.queue == queue && known.owner == mp__me.id)
        return;
    known.queue = queue;
    known.owner = mp__me.id;
    known.n = 0;
    known.more = 1;
}

void
mp__task_note_held(struct mp_queue *queue, const struct mp__slot *slot)
{
    know_queue(queue);
    if (known.n == KNOWN)
        known.more = 1;
    if (!known.more)
        know(slot);
}

/* The slots that this thread has got first (or, `mates`, the other threads of
 * its process), in that order. */
struct search {
    struct mp__slot *slots[KNOWN];
    uint64_t words[KNOWN]; /* their owners */
    unsigned n;
    int mates, more;
};

static int
is_before(const struct mp__slot *a, const struct mp__slot *b)
{
    return (int32_t)(a->got - b->got) < 0;
}

static int
look_at_slot(struct mp__slot *slot, void *arg)
{
    uint64_t word = mp__load(&slot->holding.owner);
    struct search *search = arg;
    unsigned at;

    if (search->mates ? !mp__slot_is_ours(word) : word != mp__me.id)
        return 0;
    search->more = search->n == KNOWN;
    if (search->more && !is_before(slot, search->slots[KNOWN - 1]))
        return 0;
    at = search->more ? KNOWN - 1 : search->n++;
    for (; at > 0 && is_before(slot, search->slots[at - 1]); at--) {
        search->slots[at] = search->slots[at - 1];
        search->words[at] = search->words[at - 1];
    }
    search->slots[at] = slot;
    search->words[at] = word;
    return 0;
}

/* The first one that is known, and this thread's still. */
static struct mp__slot *
next_known(struct mp_queue *queue)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;

    while (known.n > 0) {
        uint32_t index = known.slots[known.first].index;
        uint32_t got = known.slots[known.first].got;
        struct mp__slot *slot = index < mp__load_acquire(&shelf->used)
                                    ? mp__shelf_slot(shelf, index)
                                    : NULL;

        known.first = (known.first + 1) % KNOWN;
        known.n--;
        if (slot && mp__load(&slot->holding.owner) == mp__me.id &&
            slot->got == got)
            return slot;
    }
    return NULL;
}

/* The slot to be given up, and its owner; NULL: there is none. */
static struct mp__slot *
find_own(struct mp_queue *queue, uint64_t *ret_word)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    struct search search = {.n = 0};
    struct mp__slot *slot;

    know_queue(queue);
    slot = next_known(queue);
    if (slot == NULL && known.more) {
        mp__shelf_each_held(shelf, look_at_slot, &search);
        for (unsigned i = 0; i < search.n; i++)
            know(search.slots[i]);
        known.more = search.more;
        slot = next_known(queue);
    }
    *ret_word = mp__me.id;
    if (slot)
        return slot;
    search = (struct search){.mates = 1};
    mp__shelf_each_held(shelf, look_at_slot, &search);
    *ret_word = search.words[0];
    return search.n ? search.slots[0] : NULL;
}

int
mp__tasks_check(struct mp_queue *queue, const char *function)
{
    int r = mp__queue_enter(queue, function);

    if (r == 0 && !(queue->mode & MP__QUEUE_JOINABLE))
        return mp__fail(-EINVAL,
                        "%s: the queue was not made joinable "
                        "(MP_QUEUE_ATTR(.joinable = 1))",
                        function);
    return r;
}

int
mp_queue_task_done(mp_queue *queue)
{
    struct mp__slot *slot;
    uint64_t word;
    int r = mp__tasks_check(queue, "mp_queue_task_done");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, queue, MP__FAR_PLAIN, "");
    do {
        slot = find_own(queue, &word);
        if (slot == NULL)
            return mp__fail(-EOVERFLOW, "mp_queue_task_done: this process has "
                                        "no task that is not done");
    } while (mp__task_finish(queue, slot, word) < 0);
    return 0;
}

/* ---- Burial ---- */

struct estate {
    struct mp__participant *dead;
    struct mp_queue *queue;
    int lost;
};

static int
is_slot_of(struct mp__slot *slot, void *arg)
{
    struct estate *estate = arg;

    return mp__slot_owner(slot) == mp__participant_id(estate->dead);
}

static int
free_slot_of(struct mp__slot *slot, void *arg)
{
    struct estate *estate = arg;

    if (mp__slot_owner(slot) != mp__participant_id(estate->dead) ||
        slot->on_way)
        return 0;
    if (estate->lost >= 0) {
        count_lost(estate->queue, mp__load_relaxed(&estate->dead->pid));
        estate->lost++;
    }
    mp__slot_free_for(slot, estate->dead);
    return 0;
}

/* Whatever happens to the queue meanwhile: slots are only ever slots. */
static void
bury_in_queue(void *object, void *arg)
{
    struct mp__participant *dead = arg;
    struct mp_queue *queue = object;
    struct estate estate = {.dead = dead, .queue = queue, .lost = -1};
    uint32_t index = (uint32_t)(dead - mp__participant_at(0));

    if (!mp__object_ok(queue, MP__SLAB_QUEUE))
        return;
#ifndef MP__MUTATION_RESERVED_FORGOTTEN
    mp__shelf_each_held(&queue->producers.shelf, free_slot_of, &estate);
#endif
    if (queue->mode & MP__QUEUE_JOINABLE)
        estate.lost = 0;
    if (!(queue->mode & MP__QUEUE_REDELIVER))
        mp__shelf_each_held(&queue->consumers.shelf, free_slot_of, &estate);
    /* Whoever sleeps in poll() is to put back what it had, or to learn that it
     * had the last. Before the bit goes: the burial may be done twice. */
    if (queue->mode & MP__QUEUE_RETURNS &&
        (mp__load(&queue->joiners.takers[index / 64]) >> (index % 64) & 1 ||
         mp__shelf_each_held(&queue->consumers.shelf, is_slot_of, &estate)))
        mp__poll_wake_all(queue);
    atomic_fetch_and(&queue->joiners.takers[index / 64],
                     ~((uint64_t)1 << (index % 64)));
    if (estate.lost > 0)
        mp__task_finished(queue);
}

static void
bury(struct mp__participant *dead)
{
    mp__object_each(MP__SLAB_QUEUE, bury_in_queue, dead);
}

__attribute__((constructor)) static void
register_burial(void)
{
    mp__participant_bury_with(bury);
}
