/* SPDX-License-Identifier: MIT */
/* Waiting for messages in poll().
 *
 * The descriptors are bell/pollers.c's. Invariant: a descriptor is readable,
 * or its bit in `armed` is set and the flag of the sleeping consumer says POLLER
 * as well; or else somebody is inside one of the mutexes below, and the next who
 * looks at the mutex makes it readable.
 *
 * It is armed by a get that has found nothing: it drains the pager, sets the
 * bit and the flag, and looks again, as the consumer does that is about to
 * sleep (queue_wait.c). Who holds the mutex by then may have looked at the flag
 * before, and be about to commit; if he does not leave, the descriptor is
 * simply made readable: the program comes again. So it costs a stopped producer
 * that the poller does not sleep.
 *
 * Page before commit. Three may have something to tell:
 *   - a producer, who holds the producers' mutex. He takes the flag and all
 *     bits away before he pages; if he dies, repair pages everybody.
 *   - who returns a message of a dead consumer, with the consumers' mutex. A
 *     consumer that sleeps holds that too: it says SLEEPER, which is taken
 *     away before a return.
 *   - who closes the queue, with the mutex `closers`.
 * The latter two page everybody and leave bits and flag as they are: what one
 * took away, and then died, the others would not page.
 *
 * Where messages are redelivered, the pollers are told also by who buries a
 * consumer (they return what it had), and, once the queue is closed, by who is
 * done with a message. If he dies before, his burial tells them. A death that
 * nobody notices wakes nobody who sleeps in poll().
 *
 * If a page fails, the bit and the flag are set again: the next producer
 * tries. */
#include "queue/poll.h"

#include "bell/waitable.h"
#include "queue/ring.h"

/* ---- Paging ---- */

/* If some could not be told, the next producer is to try again. */
static void
raise_again(struct mp_queue *queue, int left)
{
    if (left)
        atomic_fetch_or(&queue->consumer_sleeps, MP__FLAG_POLLER);
}

void
mp__poll_wake(struct mp_queue *queue)
{
    raise_again(queue, mp__pollers_page(&queue->pollers));
}

void
mp__poll_wake_all(struct mp_queue *queue)
{
    raise_again(queue, mp__pollers_page_all(&queue->pollers));
}

void
mp__poll_wake_for_return(struct mp_queue *queue)
{
    atomic_fetch_and(&queue->consumer_sleeps, ~MP__FLAG_SLEEPER);
    mp__poll_wake_all(queue);
}

void
mp__poll_begin_close(struct mp_queue *queue)
{
    uint32_t open = MP__QUEUE_OPEN;

    mp__mutex_lock(&queue->closers);
    if (mp__load(&queue->closing) == MP__QUEUE_OPEN) {
#ifndef MP__MUTATION_CLOSER_PAGES_ARMED
        mp__poll_wake_all(queue);
#else
        mp__poll_wake(queue);
#endif
        mp__cas(&queue->closing, &open, MP__QUEUE_CLOSING);
    }
    mp__mutex_unlock(&queue->closers);
}

/* ---- Arming ---- */

static int
is_of_another(struct mp__slot *slot, void *unused)
{
    uint64_t owner = mp__slot_owner(slot);

    (void)unused;
    return owner > MP__SLOT_WAITING && owner != mp__me.id;
}

/* In a queue that redelivers, what others hold may come back to the very
 * end. */
int
mp__queue_has_news(struct mp_queue *queue)
{
    uint32_t closing = mp__load(&queue->closing);
    struct mp__shelf *shelf = &queue->consumers.shelf;

    if (!mp__queue_is_empty(queue))
        return 1;
    if (!(queue->mode & MP__QUEUE_RETURNS))
        return closing != MP__QUEUE_OPEN;
    if (mp__shelf_has_dead(shelf))
        return 1;
    return closing == MP__QUEUE_CLOSING ||
           (closing == MP__QUEUE_CLOSED &&
            !mp__shelf_each_held(shelf, is_of_another, NULL));
}

/* Drained and armed: whether there is, or may be, something after all. `flag`:
 * what it said before. First the mutexes: what was committed under them is
 * seen then. */
static int
must_look(struct mp_queue *queue, uint32_t flag)
{
#ifdef MP__MUTATION_POLL_UNLOOKED
    return 0;
#endif
#ifndef MP__MUTATION_PUTTER_UNSEEN
    if (mp__mutex_stays_held(&queue->producers.mutex, NULL, 0))
        return 1;
#endif
#ifndef MP__MUTATION_CLOSER_UNSEEN
    if (mp__mutex_stays_held(&queue->closers, NULL, 0))
        return 1;
#endif
    if ((queue->mode & MP__QUEUE_RETURNS) && !(flag & MP__FLAG_SLEEPER) &&
        mp__mutex_stays_held(&queue->consumers.mutex, NULL, 0))
        return 1;
    return mp__queue_has_news(queue);
}

void
mp__poll_arm(struct mp_queue *queue)
{
    struct mp__poller *poller = mp__poller_begin(&queue->pollers);
    uint32_t flag;

    if (!poller)
        return;
    flag = atomic_fetch_or(&queue->consumer_sleeps, MP__FLAG_POLLER);
    raise_again(queue, mp__poller_end(poller, must_look(queue, flag)));
}

/* ---- The public face ---- */

int
mp_queue_fd(mp_queue *queue)
{
    static const struct mp__poller_kind kind = {"mp_queue_fd", "queue", 0};
    int r = mp__queue_enter(queue, "mp_queue_fd");

    return r < 0 ? r : mp__poller_fd(&queue->pollers, &kind);
}

void
mp__poll_forget(struct mp_queue *queue)
{
    mp__poll_wake_all(queue);
    mp__poller_forget(&queue->pollers);
}

/* ---- For mp_wait() ---- */

static int
has_news(void *queue)
{
    return mp__queue_has_news(queue);
}

static int
fd_of(void *queue)
{
    return mp_queue_fd(queue);
}

static int
is_ready(void *queue)
{
    if (mp__queue_has_news(queue))
        return 1;
    mp__poll_arm(queue);
    return 0;
}

static struct mp__pollers *
pollers_of(void *queue)
{
    return &((mp_queue *)queue)->pollers;
}

__attribute__((constructor)) static void
register_waitable(void)
{
    static const struct mp__waitable queue = {
        .slab = MP__SLAB_QUEUE,
        .look = has_news,
        .fd = fd_of,
        .ready = is_ready,
        .pollers = pollers_of,
    };

    mp__waitable_register(&queue);
}
