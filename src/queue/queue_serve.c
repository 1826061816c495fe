/* SPDX-License-Identifier: MIT */
/* What a queue does for clients of other families.
 *
 * A message on its way to one lies in a slot, like one that was taken, and is
 * marked. Should its taker die it goes back, whatever the queue does with tasks
 * otherwise; and if it does not arrive, the taker makes its owner one that looks
 * dead and buried to all, MP__SLOT_RETURNED: that store is the commit. Who comes
 * to get next, or sleeps there and is woken, puts it back (queue_return.c).
 *
 * So a queue that did with its ring alone has a shelf from the first such taker
 * on: consumers who have begun without look again when they have the mutex. (Who
 * sleeps for a message has it: nothing can be taken before he has gone.)
 */
#include "os/futex.h"
#include "queue/consume.h"

#include <sched.h>

#define TRIES 10

/* Wakes the consumer that sleeps, to look at the shelf. Whatever the flag says:
 * who lowered it may have died before the wake-up. */
static void
wake(struct mp_queue *queue)
{
    mp__store(&queue->consumer_sleeps, 0);
    mp__futex_wake(&queue->consumer_sleeps, 1);
    mp__poll_wake_all(queue);
}

int
mp__queue_serve(mp_queue *queue, mp__message_look_fn *look, void *arg,
                mp_message *ret_message)
{
    struct mp__wish wish = {
        .on_way = 1, .look = look, .look_arg = arg, .deadline = MP_NOW};
    int r = mp__queue_enter(queue, "mp_queue_get");

    if (r < 0)
        return r;
    if (!(queue->mode & MP__QUEUE_SERVED))
        atomic_fetch_or(&queue->mode, MP__QUEUE_SERVED);
    return mp__shelf_hold(queue, &wish, ret_message);
}

void
mp__queue_arrived(mp_queue *queue, mp_message *message)
{
    struct mp__slot *slot = mp__message_slot(queue, message);

    if (slot == NULL || mp__slot_owner(slot) != mp__me.id)
        return;
    slot->on_way = 0;
    if (!(queue->mode & MP__QUEUE_JOINABLE))
        mp_message_done(queue, message);
    else
        mp__task_finished(queue); /* it is a task like any other */
}

void
mp__queue_return(mp_queue *queue, mp_message *message)
{
    struct mp__slot *slot = mp__message_slot(queue, message);
    uint64_t owner = mp__me.id;

    if (slot == NULL || mp__load(&slot->holding.owner) != owner)
        return;
    slot->attempts--;
    if (!mp__cas(&slot->holding.owner, &owner, MP__SLOT_RETURNED))
        return;
    mp__add(&queue->returns, 1);
    wake(queue);
    for (int i = 0; i < TRIES && mp__shelf_settle(queue) < 0; i++)
        sched_yield();
}

static int
is_own(struct mp__slot *slot, void *unused)
{
    (void)unused;
    return mp__slot_owner(slot) == mp__me.id;
}

int
mp__queue_holds(mp_queue *queue)
{
    return mp__shelf_each_held(&queue->consumers.shelf, is_own, NULL);
}
