/* SPDX-License-Identifier: MIT */
/* The consumers' side of a queue that does more than its ring: it holds what
 * was taken until it is done, gives back what a dead consumer had taken, or has
 * an order of its own.
 *
 * Puts go through the ring as ever. Where the order is another, a get first
 * moves all there is from the ring into slots of the shelf, and then takes the
 * best. Each step is one store to the head, {count, place}:
 *
 *   drain   ring -> slot that waits     the place goes on, the count stays
 *   take    ring -> slot that is held   both go on
 *   hold    a waiting slot is held      the count goes on
 *   back    a held slot waits again     the count goes back by one
 *
 * so that the difference of the two counts is the number of messages in the
 * queue at every instant. What a death leaves half done the intent tells, and
 * repair (shelf.c) compares the head with what it was.
 *
 * Who holds a message and dies keeps it until its burial. Then whoever comes to
 * get puts it back, if the queue redelivers; if not, the reaper has counted it
 * as lost. A get that would have to wait looks for the dead first, and the
 * leader that sleeps for a message watches the lives of all who hold some. */
#include "channel/consume.h"
#include "channel/produce.h"

#include "base/error.h"
#include "os/clock.h"
#include "region/extents.h"
#include "region/waiters.h"

#include <errno.h>
#include <sched.h>

#define LOOK_PERIOD 1024u   /* gets between two looks for the dead */
#define NAP         100000  /* ns: while somebody else buries the dead */
#define PARTIAL     8000000 /* ns: a sleep in which not all can be watched */

/* The slot that this thread had last: likely free, and in its cache. */
static __thread struct mp__slot *latest;

/* ---- The dead ---- */

/* What a look for dead owners has found. */
struct dead {
    struct mp_queue *queue;
    struct mp__slot *letter; /* ours now: was taken too often */
    int unburied;
    int returned;
};

/* Puts a slot of the caller's back into the queue. */
static void
put_back(struct mp_queue *queue, struct mp__slot *slot)
{
    struct mp__side *side = &queue->consumers;
    uint64_t head = mp__load_relaxed(&queue->head);
    uint32_t count = mp__count(head) - 1;

    mp__head_intend(queue);
    mp__poll_wake_for_return(queue);
    mp__shelf_intend(&side->shelf, slot, MP__SLOT_BACK);
    if (queue->max_bytes)
        mp__store_release(&side->bytes[count & 1],
                          mp__load_relaxed(&side->bytes[(count + 1) & 1]) -
                              slot->size);
#ifdef MP__MUTATION_BACK_BEFORE_COMMIT
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
#endif
    mp__store_release(&queue->head, mp__position(count, mp__place(head)));
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
    mp__shelf_settled(&side->shelf);
    mp__shelf_push(&side->shelf, slot);
}

static int
look_at_owner(struct mp__slot *slot, void *arg)
{
    uint64_t word = mp__load(&slot->holding.owner);
    uint64_t owner = word & ~MP__HOLDING_BUSY;
    struct dead *dead = arg;

    if (owner <= MP__SLOT_WAITING || mp__participant_find(owner))
        return 0;
#ifndef MP__MUTATION_TAKE_FROM_UNBURIED
    if (!mp__participant_buried(owner)) {
        dead->unburied = 1;
        return 0;
    }
#endif
    if (!mp__slot_take_over(slot, word))
        return 0;
    if (dead->queue->max_attempts &&
        slot->attempts >= dead->queue->max_attempts) {
        dead->letter = slot;
        return 1;
    }
    put_back(dead->queue, slot);
    dead->returned = 1;
    return 0;
}

/* Does with a message that was taken too often what is to be done. */
static void
send_letter(struct mp_queue *queue, struct mp__slot *slot)
{
    mp_queue *letters = queue->dead_letters;
    int r = -ESHUTDOWN;

    if (letters && mp__object_ok(letters, MP__SLAB_QUEUE))
        r = mp__queue_put_slot(letters, slot, slot->priority);
    if (r < 0)
        mp__task_lose(queue, slot);
    mp__task_finished(queue);
}

static void
nap(void)
{
    mp__a32 nothing = 0;

    mp__futex_wait(&nothing, 0, mp__now() + NAP);
}

/* Deals with what dead consumers held. 0: nothing to do; 1: look again; or an
 * error and the mutex is not held. */
static int
settle_dead(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    uint64_t burials = mp__participant_burials();
    struct dead dead = {.queue = queue};
    int r;

    /* What is put back must be buried in this mutex, if we die here. */
    mp__hands_under(&side->mutex);
    mp__shelf_each_held(&side->shelf, look_at_owner, &dead);
    if (!dead.letter && !dead.unburied) {
        queue->burials_seen = burials;
        mp__hands_settled();
        return dead.returned;
    }
    mp__mutex_unlock(&side->mutex);
    mp__hands_settled();
    if (dead.letter) {
        send_letter(queue, dead.letter);
    } else {
        mp__reap();
        if (mp__participant_burials() == burials)
            nap();
    }
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    return r < 0 ? r : 1;
}

int
mp__shelf_settle(struct mp_queue *queue)
{
    struct mp__side *side = &queue->consumers;
    int r;

    /* For a moment it may be we who hold a message. */
    mp__task_note_taker(queue);
    do {
        if (mp__mutex_lock_until(&side->mutex, MP_NOW) < 0)
            return -EAGAIN;
        r = settle_dead(queue, MP_NOW);
    } while (r > 0 && (mp__mutex_unlock(&side->mutex), 1));
    if (r == 0)
        mp__mutex_unlock(&side->mutex);
    return r;
}

/* ---- Waiting ---- */

/* The lives to watch, each once. */
struct watch {
    struct mp__futex_word words[MP__FUTEX_WAITV_MAX];
    unsigned n;
    int partial, dead;
};

static int
watch_owner(struct mp__slot *slot, void *arg)
{
    uint64_t owner = mp__slot_owner(slot);
    struct mp__participant *part;
    struct watch *watch = arg;
    mp__a32 *word;

    if (owner <= MP__SLOT_WAITING || owner == mp__me.id)
        return 0;
    part = mp__participant_find(owner);
    if (part == NULL) {
        watch->dead = 1;
        return 1;
    }
    word = mp__participant_word(part);
    for (unsigned i = 1; i < watch->n; i++)
        if (watch->words[i].word == word)
            return 0;
    if (watch->n == MP__FUTEX_WAITV_MAX) {
        watch->partial = 1;
        return 1;
    }
    watch->words[watch->n++] =
        (struct mp__futex_word){word, mp__participant_word_alive(part)};
    /* Was what has just been read of this life? */
    watch->dead = mp__participant_find(owner) == NULL;
    return watch->dead;
}

int
mp__shelf_sleep(struct mp_queue *queue, mp__a32 *flag, uint32_t up,
                mp_time until)
{
    struct watch watch;

    watch.words[0] = (struct mp__futex_word){flag, up};
    watch.n = 1;
    watch.partial = watch.dead = 0;
#ifndef MP__MUTATION_LIVES_UNWATCHED
    mp__shelf_each_held(&queue->consumers.shelf, watch_owner, &watch);
#endif
    if (watch.dead)
        return 0;
    if (mp__view.tier >= MP__TIER_NO_WAITV && watch.n > 1)
        watch.partial = 1;
    if (watch.partial && until > mp__now() + PARTIAL)
        until = mp__now() + PARTIAL;
    if (watch.n == 1 || mp__view.tier >= MP__TIER_NO_WAITV)
        return mp__futex_wait(flag, up, until);
    return mp__futex_waitv(watch.words, watch.n, until);
}

/* Whether somebody else holds a message who will be done with it before it
 * waits for one here. */
static int
will_be_done(struct mp__slot *slot, void *arg)
{
    uint64_t owner = mp__slot_owner(slot);
    struct mp__participant *part;
    struct mp_queue *queue = arg;

    if (owner <= MP__SLOT_WAITING || owner == mp__me.id)
        return 0;
    part = mp__participant_find(owner);
    return part == NULL ||
           mp__load(&part->waiting) - (uintptr_t)queue >= sizeof(*queue);
}

/* The queue is closed and empty; but what others hold may come back. 0: look
 * again. */
static int
wait_for_done(struct mp_queue *queue, mp_time deadline)
{
    mp__a32 *flag = &queue->consumer_sleeps;
    struct mp__shelf *shelf = &queue->consumers.shelf;
    mp_time until;
    int r;

    if (!(queue->mode & MP__QUEUE_REDELIVER))
        return -ESHUTDOWN;
    mp__swap(flag, MP__FLAG_SLEEPER);
    if (!mp__shelf_each_held(shelf, will_be_done, queue))
        return -ESHUTDOWN;
    r = mp__expired(deadline);
    if (r < 0)
        return r;
    /* Not for long: who is still to be done may come to wait here, and then
     * nobody tells us. */
    until = mp__now() + PARTIAL;
    mp__wait_begin(flag);
    r = mp__shelf_sleep(queue, flag, MP__FLAG_SLEEPER,
                        deadline < until ? deadline : until);
    mp__wait_end();
    return r == -EINTR ? r : 0;
}

/* The queue seems empty. 0: look again; or an error and the mutex is not
 * held. */
static int
wait_for_some(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    void *segment;
    int r =
        queue->mode & MP__QUEUE_REDELIVER ? settle_dead(queue, deadline) : 0;

    if (r != 0)
        return r < 0 ? r : 0;
    segment = side->shelf.waiting == 0 ? mp__shelf_shrink(&side->shelf) : NULL;
    if (segment) {
        mp__mutex_unlock(&side->mutex);
        mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
        return mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    }
    r = mp__queue_await(queue, deadline);
    if (r == -ESHUTDOWN)
        r = wait_for_done(queue, deadline);
    if (r < 0)
        mp__mutex_unlock(&side->mutex);
    return r < 0 ? r : 0;
}

/* ---- Choosing ---- */

/* Leaves the mutex to get memory for slots, and takes it again. -EAGAIN: look
 * again; or an error and the mutex is not held. */
static int
grow(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;
    void *segment;
    int r;

    mp__mutex_unlock(&side->mutex);
    segment = mp__shelf_segment(&side->shelf, &side->mutex);
    if (segment == NULL)
        return -ENOMEM;
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    if (r == 0 && mp__shelf_add(&side->shelf, segment) == 0) {
        mp__hands_settled();
        return 0;
    }
    if (r == 0) /* somebody else has added one meanwhile */
        mp__mutex_unlock(&side->mutex);
    mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
    mp__hands_settled();
    return r < 0 ? r
                 : mp__side_lock(queue, side, mp__queue_is_empty, deadline);
}

/* Writes into the slot what the record says of the message. */
static void
describe_in(struct mp_queue *queue, const struct mp__found *found,
            struct mp__slot *slot)
{
    slot->priority = 0;
    if (queue->prefix)
        memcpy(&slot->priority, found->record->body, sizeof(slot->priority));
    slot->serial = queue->consumers.shelf.serial;
    slot->size = found->size;
    slot->attempts = 0;
    mp__slot_set_block(slot, NULL);
}

/* Moves the first message of the ring into a slot, where it waits. */
static void
drain(struct mp_queue *queue, const struct mp__found *found,
      struct mp__slot *slot)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint64_t head = mp__load_relaxed(&queue->head);

    describe_in(queue, found, slot);
    if (found->kind == MP__RECORD_REFERENCE)
        mp__slot_set_block(slot, mp__found_block(queue, found));
    else
        memcpy(slot->bytes, mp__found_body(queue, found), found->size);
    mp__head_intend(queue);
    mp__shelf_intend(shelf, slot, MP__SLOT_DRAIN);
    mp__store_release(&queue->head,
                      mp__position(mp__count(head), found->next_place));
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_WAITING);
    mp__shelf_settled(shelf);
    shelf->serial++;
    mp__shelf_push(shelf, slot);
}

/* Moves all there is in the ring. 0; 1: look again; or an error and the mutex
 * is not held. */
static int
drain_all(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->consumers;

    side->other = mp__load_acquire(&queue->tail);
    while (mp__ring_has_some(queue)) {
        struct mp__found found;
        struct mp__slot *slot;
        int r;

        mp__ring_look(queue, &found);
        if (found.kind == MP__RECORD_JUMP) {
            r = mp__queue_next_segment(queue, deadline);
            return r < 0 ? r : 1;
        }
        slot = mp__shelf_take_free(&side->shelf, NULL);
        if (slot == NULL) {
            r = grow(queue, deadline);
            return r < 0 ? r : 1;
        }
        drain(queue, &found, slot);
    }
    return 0;
}

/* There is a message. 0: it is chosen; 1: look again; or an error and the mutex
 * is not held. */
static int
choose(struct mp_queue *queue, mp_time deadline, struct mp__choice *choice)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    int r = queue->mode & MP__QUEUE_ORDERED ? drain_all(queue, deadline) : 0;

    if (r != 0)
        return r;
    choice->slot = mp__shelf_first(shelf);
    if (choice->slot) {
        choice->size = choice->slot->size;
        return 0;
    }
    mp__ring_look(queue, &choice->found);
    choice->size = choice->found.size;
    if (choice->found.kind != MP__RECORD_JUMP)
        return 0;
    r = mp__queue_next_segment(queue, deadline);
    return r < 0 ? r : 1;
}

/* Now and then, and when somebody was buried, before a message is chosen. */
static inline int
is_time_to_look(struct mp_queue *queue)
{
    return queue->burials_seen != mp__participant_burials() ||
           ++queue->gets % LOOK_PERIOD == 0;
}

int
mp__shelf_choose(struct mp_queue *queue, mp_time deadline,
                 struct mp__choice *choice)
{
    struct mp__side *side = &queue->consumers;
    int r, look;

    if (queue->mode & MP__QUEUE_JOINABLE)
        mp__task_note_taker(queue);
    r = mp__side_lock(queue, side, mp__queue_is_empty, deadline);
    if (r < 0)
        return r;
    look = is_time_to_look(queue) && queue->mode & MP__QUEUE_REDELIVER;
    while (look && r >= 0) {
        r = settle_dead(queue, deadline);
        look = r > 0;
    }
    if (r < 0)
        return r;
    do {
        if (mp__count(side->other) ==
            mp__count(mp__load_relaxed(&queue->head))) {
            r = wait_for_some(queue, deadline);
            if (r == 0)
                r = 1;
        } else {
            r = choose(queue, deadline, choice);
        }
    } while (r > 0);
    return r;
}

/* ---- Taking ---- */

/* Intents for what follows, until the commit. */
static void
intend(struct mp_queue *queue, struct mp__slot *slot,
       enum mp__slot_change change, void *block)
{
    struct mp__side *side = &queue->consumers;

#ifndef MP__MUTATION_BURIED_UNREPAIRED
    mp__hands_under(&side->mutex);
#endif
    mp__head_intend(queue);
    mp__shelf_intend(&side->shelf, slot, change);
    if (block) {
        side->intent_block = block;
        mp__compiler_barrier();
        mp__hand_set(mp__block_hand(block), block, &side->mutex);
    }
}

static void
settled(struct mp_queue *queue)
{
    mp__compiler_barrier();
    queue->consumers.intent_block = NULL;
    mp__shelf_settled(&queue->consumers.shelf);
}

/* Takes the first waiting slot out, and holds it. */
static void
hold_waiting(struct mp_queue *queue, struct mp__slot *slot)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t place = mp__place(mp__load_relaxed(&queue->head));

    intend(queue, slot, MP__SLOT_HOLD, NULL);
    slot->attempts = shelf->intent_attempts + 1;
    slot->got = ++shelf->got;
#ifndef MP__MUTATION_OWNER_AFTER_COMMIT
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
#endif
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, place, slot->size);
#ifdef MP__MUTATION_OWNER_AFTER_COMMIT
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
#endif
    settled(queue);
    mp__shelf_pop(shelf);
}

/* Takes the first waiting slot out, and leaves it free: its block is in our
 * hand. */
static void *
drop_waiting(struct mp_queue *queue, struct mp__slot *slot)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;
    uint32_t place = mp__place(mp__load_relaxed(&queue->head));
    void *block = mp__slot_block(slot);

    intend(queue, slot, MP__SLOT_DROP, block);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, place, slot->size);
    mp__compiler_barrier();
    mp__store_release(&slot->holding.owner, MP__SLOT_FREE);
    settled(queue);
    mp__shelf_pop(shelf);
    mp__shelf_give_free(shelf, slot);
    return block;
}

/* Copies a message that lies in its record into the slot, or into the fresh
 * block, which is the slot's then. */
static void
keep_record(struct mp_queue *queue, const struct mp__found *found,
            struct mp__wish *wish, struct mp__slot *slot)
{
    void *body = mp__found_body(queue, found);

    if (found->size <= MP__SLOT_INLINE) {
        memcpy(slot->bytes, body, found->size);
        return;
    }
    memcpy(wish->fresh, body, found->size);
    mp__slot_set_block(slot, wish->fresh);
    mp__hand_hold(&slot->holding);
    wish->fresh_used = 1;
}

/* Takes the first message of the ring into a slot that we hold. Returns its
 * block if that is in our hand. */
static void *
hold_record(struct mp_queue *queue, const struct mp__found *found,
            struct mp__wish *wish, struct mp__slot *slot)
{
    int keep = wish->whole || mp__queue_keeps(queue);
    int reference = found->kind == MP__RECORD_REFERENCE;
    void *block = reference ? mp__found_block(queue, found) : NULL;

    describe_in(queue, found, slot);
    slot->attempts = 1;
    slot->got = ++queue->consumers.shelf.got;
    if (reference && keep) {
        mp__slot_set_block(slot, block);
        block = NULL;
    } else if (!reference && keep) {
        keep_record(queue, found, wish, slot);
    }
    if (!reference && wish->buf)
        memcpy(wish->buf, mp__found_body(queue, found), found->size);
    intend(queue, slot, MP__SLOT_TAKE, block);
    mp__store_release(&slot->holding.owner, mp__me.id | MP__HOLDING_BUSY);
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, 1, found->next_place, found->size);
    settled(queue);
    queue->consumers.shelf.serial++;
    if (wish->fresh_used) {
        mp__hand_clear(mp__block_hand(wish->fresh));
        mp__hand_hold(NULL);
    }
    return block;
}

/* A message that waits on the shelf. */
static void
take_waiting(struct mp_queue *queue, struct mp__slot *slot,
             const struct mp__wish *wish, struct mp__held *held)
{
    if (wish->buf && !mp__slot_block(slot))
        memcpy(wish->buf, slot->bytes, slot->size);
    if (wish->hold) {
        hold_waiting(queue, slot);
        held->slot = slot;
    } else {
        held->block = drop_waiting(queue, slot);
    }
}

/* Whether a fresh block is needed for it that is not there. */
static int
lacks_room(struct mp_queue *queue, const struct mp__choice *choice,
           const struct mp__wish *wish)
{
    return !choice->slot && choice->found.kind == MP__RECORD_MESSAGE &&
           (wish->whole || mp__queue_keeps(queue)) &&
           choice->size > MP__SLOT_INLINE && choice->size > wish->room;
}

int
mp__shelf_take(struct mp_queue *queue, const struct mp__choice *choice,
               struct mp__wish *wish, struct mp__held *held)
{
    struct mp__side *side = &queue->consumers;
    struct mp__slot *slot;
    int r;

    held->slot = NULL;
    held->block = NULL;
    if (lacks_room(queue, choice, wish)) {
        mp__mutex_unlock(&side->mutex);
        return -ENOSPC;
    }
    if (choice->slot) {
        take_waiting(queue, choice->slot, wish, held);
    } else {
        slot = mp__shelf_take_free(&side->shelf, latest);
        if (slot == NULL) {
            r = grow(queue, wish->deadline);
            if (r == 0)
                mp__mutex_unlock(&side->mutex);
            return r < 0 ? r : -EAGAIN;
        }
        held->block = hold_record(queue, &choice->found, wish, slot);
        held->slot = latest = slot;
    }
    mp__mutex_unlock(&side->mutex);
    mp__hands_settled();
    if (held->slot && queue->mode & MP__QUEUE_JOINABLE)
        mp__task_note_held(queue, held->slot);
    return 0;
}

/* ---- Getting ---- */

/* Copies what lies in a block, and lets go of what is not kept. */
static void
finish_get(struct mp__held *held, void *buf, size_t size)
{
    void *block = held->block;

    if (held->slot && mp__slot_block(held->slot))
        block = mp__slot_block(held->slot);
    if (block && buf)
        memcpy(buf, block, size);
    if (held->block)
        mp__block_free(held->block);
    if (held->slot)
        mp__slot_settle(held->slot);
}

ssize_t
mp__shelf_get(struct mp_queue *queue, void *buf, size_t cap, mp_time deadline,
              const char *function)
{
    struct mp__wish wish = {.buf = buf, .deadline = deadline};
    struct mp__choice choice;
    struct mp__held held;
    int r;

    wish.hold = queue->mode & MP__QUEUE_JOINABLE;
    do {
        r = mp__shelf_choose(queue, deadline, &choice);
        if (r < 0)
            return r;
        if (choice.size > cap)
            return mp__queue_refuse(queue, choice.size, cap, function);
        r = mp__shelf_take(queue, &choice, &wish, &held);
    } while (r == -EAGAIN);
    if (r < 0)
        return r;
    finish_get(&held, buf, choice.size);
    return (ssize_t)choice.size;
}

ssize_t
mp__shelf_next_size(struct mp_queue *queue, mp_time deadline)
{
    struct mp__choice choice;
    int r = mp__shelf_choose(queue, deadline, &choice);

    if (r < 0)
        return r;
    mp__mutex_unlock(&queue->consumers.mutex);
    return (ssize_t)choice.size;
}

/* For the end: what is discarded is not held. */
int
mp__shelf_discard(struct mp_queue *queue)
{
    struct mp__wish wish = {.deadline = MP_NOW};
    struct mp__choice choice;
    struct mp__held held;
    void *block;
    int r;

    do {
        r = mp__shelf_choose(queue, MP_NOW, &choice);
        if (r < 0)
            return r;
        r = mp__shelf_take(queue, &choice, &wish, &held);
    } while (r == -EAGAIN);
    if (r < 0)
        return r;
    if (held.block)
        mp__block_free(held.block);
    if (held.slot) {
        mp__slot_release(held.slot, mp__me.id | MP__HOLDING_BUSY, &block);
        mp__slot_discard(block);
    }
    return 0;
}
