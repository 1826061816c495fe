/* SPDX-License-Identifier: MIT */
/* Inboxes.
 *
 * An inbox is a queue, and a bell for a reader who has to watch the workers'
 * lives beside it. The pool has a list of them that only grows: a process that
 * wants one takes the first whose owner has ended. An inbox goes with its
 * process, not with a thread; so the owner is named by its record, in two words
 * that are written under the pool's mutex, the record last: who dies in
 * between leaves nobody.
 *
 * Who tells may be killed at any instruction. Before the message is in the
 * queue, and then before the bell is rung, the end has not been committed: who
 * buries the worker tells again, and rings. What a dead reader leaves behind is
 * told from the list of the next: it knows none of those cells. */
#include "task/inbox.h"

#include "process/record.h"

#include <errno.h>
#include <limits.h>

_Static_assert(sizeof(struct mp__inbox) % 64 == 0, "a slab's cell");

/* ---- Owners ---- */

/* Whether that use of the record is a process that runs. */
static int
is_running(mp_process *owner, uint32_t serial)
{
    return owner && mp__process_ok(owner) &&
           mp__state_serial(mp__load(&owner->state)) == serial &&
           mp_process_is_alive(owner) == 1;
}

/* Makes it the calling process's, unless it is somebody's by now. */
static int
occupy(mp_pool *pool, struct mp__inbox *inbox, mp_process *me)
{
    mp_process *seen = atomic_load(&inbox->owner);
    uint32_t serial = mp__load(&inbox->owner_serial);
    int mine;

    if (is_running(seen, serial))
        return 0;
    mp__mutex_lock(&pool->mutex);
    mine = atomic_load(&inbox->owner) == seen &&
           mp__load(&inbox->owner_serial) == serial;
    if (mine) {
        atomic_store(&inbox->owner, NULL);
        mp__store(&inbox->owner_serial,
                  mp__state_serial(mp__load(&me->state)));
        atomic_store(&inbox->owner, me);
    }
    mp__mutex_unlock(&pool->mutex);
    return mine;
}

void
mp__inbox_give(mp_pool *pool, struct mp__inbox *inbox)
{
    mp__mutex_lock(&pool->mutex);
    atomic_store(&inbox->owner, NULL);
    mp__mutex_unlock(&pool->mutex);
}

/* ---- Making and taking ---- */

/* A new one is listed without a queue: should its maker die, the next owner
 * makes that. */
static struct mp__inbox *
add_inbox(mp_pool *pool, mp_process *me)
{
    struct mp__inbox *inbox = mp__object_alloc(MP__SLAB_INBOX, sizeof(*inbox));
    struct mp__inbox *first = atomic_load(&pool->inboxes);

    if (!inbox)
        return NULL;
    mp__store(&inbox->owner_serial, mp__state_serial(mp__load(&me->state)));
    atomic_store(&inbox->owner, me);
    mp__object_publish(inbox, MP__SLAB_INBOX);
    do
        inbox->next = first;
    while (!atomic_compare_exchange_strong(&pool->inboxes, &first, inbox));
    return inbox;
}

static int
make_ready(struct mp__inbox *inbox)
{
    struct mp__news news;
    mp_queue *queue = atomic_load(&inbox->queue);
    ssize_t r;

    if (!queue) {
        r = mp_queue_create(&queue, NULL);
        if (r < 0)
            return (int)r;
        mp__object_hide(queue);
        atomic_store(&inbox->queue, queue);
    }
    mp__store(&inbox->lost, 0);
    do
        r = mp_queue_get(queue, &news, sizeof(news), MP_NOW);
    while (r >= 0 || r == -EINTR);
    return 0;
}

struct mp__inbox *
mp__inbox_take(mp_pool *pool)
{
    mp_process *me = mp__process_self();
    struct mp__inbox *inbox;

    if (!me)
        return NULL;
    inbox = atomic_load(&pool->inboxes);
    while (inbox && !occupy(pool, inbox, me))
        inbox = inbox->next;
    if (!inbox)
        inbox = add_inbox(pool, me);
    if (inbox && make_ready(inbox) < 0) {
        mp__inbox_give(pool, inbox);
        return NULL;
    }
    return inbox;
}

void
mp__inboxes_free(mp_pool *pool)
{
    struct mp__inbox *next;

    for (struct mp__inbox *inbox = atomic_load(&pool->inboxes); inbox;
         inbox = next) {
        next = inbox->next;
        mp__object_retire(inbox, MP__SLAB_INBOX);
        mp_queue_destroy(atomic_load(&inbox->queue));
        mp__object_free(inbox, MP__SLAB_INBOX);
    }
    atomic_store(&pool->inboxes, NULL);
}

/* ---- Telling ---- */

void
mp__inbox_stir(struct mp__inbox *inbox)
{
    mp__bell_arm(&inbox->bell);
    mp__add(&inbox->arrivals, 1);
    mp__bell_ring(&inbox->bell, INT_MAX);
}

void
mp__inbox_put(struct mp__inbox *inbox, void *cell, uint64_t number)
{
    struct mp__news news = {.cell = cell, .number = number};
    int r;

    if (!inbox || !mp__object_ok(inbox, MP__SLAB_INBOX))
        return;
    do
        r = mp_queue_put(atomic_load(&inbox->queue), &news, sizeof(news),
                         MP_FOREVER);
    while (r == -EINTR);
    if (r < 0)
        mp__store(&inbox->lost, 1);
    mp__inbox_stir(inbox);
}
