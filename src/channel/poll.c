/* SPDX-License-Identifier: MIT */
/* Waiting for messages in poll().
 *
 * A process that asks for a queue's descriptor gets a pager (os/pager.h), whose
 * number it enters in the queue. Invariant: a descriptor is readable, or its
 * bit in `armed` is set and the flag of the sleeping consumer says POLLER as
 * well; or else somebody is inside one of the mutexes below, and the next who
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
 * A poller that has died is out of the table when its pager is found gone. If
 * a page fails for other reasons (no descriptor left, another network
 * namespace), the bit is set again: the next producer tries.
 *
 * The descriptors are in a table of this process. fork's child closes them: it
 * has to ask for one of its own. */
#include "channel/poll.h"

#include "base/error.h"
#include "channel/ring.h"
#include "os/pager.h"
#include "region/region.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKETS 64

/* A descriptor of this process. */
struct own {
    struct own *next;
    struct mp_queue *queue; /* perhaps destroyed since, by another process */
    uint64_t pager;
    uint32_t place; /* in the queue's table */
    int fd;
};

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct own *bucket[BUCKETS];
    pid_t pid; /* whose they are */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

mp__a32 mp__poll_descriptors;

/* ---- What this process has ---- */

static void
drop_all(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct own *own;

        while ((own = table.bucket[i]) != NULL) {
            table.bucket[i] = own->next;
            close(own->fd);
            free(own);
        }
    }
    mp__store_relaxed(&mp__poll_descriptors, 0);
}

static void
before_fork(void)
{
    pthread_mutex_lock(&table.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void
after_fork_in_child(void)
{
    drop_all();
    pthread_mutex_unlock(&table.lock);
}

__attribute__((constructor)) static void
register_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void
lock_table(void)
{
    pthread_mutex_lock(&table.lock);
    /* A copy that was made behind fork's back. */
    if (table.pid != getpid()) {
        drop_all();
        table.pid = getpid();
    }
}

static void
unlock_table(void)
{
    pthread_mutex_unlock(&table.lock);
}

/* Where the entry hangs, or would. */
static struct own **
find(const struct mp_queue *queue)
{
    struct own **at = &table.bucket[((uintptr_t)queue / MP__LINE) % BUCKETS];

    while (*at && (*at)->queue != queue)
        at = &(*at)->next;
    return at;
}

static void
drop(struct own **at)
{
    struct own *own = *at;

    *at = own->next;
    mp__sub(&mp__poll_descriptors, 1);
    close(own->fd);
    free(own);
}

/* ---- The queue's table ---- */

/* If it cannot be told, the next producer is to try again. */
static int
page(struct mp_queue *queue, uint32_t place)
{
    struct mp__pollers *pollers = &queue->pollers;
    uint64_t pager = mp__load(&pollers->pager[place]);
    int r;

    if (pager == 0)
        return 0;
    r = mp__pager_page(mp__region_uuid(), pager);
    if (r == -ECONNREFUSED) {
        mp__cas(&pollers->pager[place], &pager, 0);
    } else if (r < 0) {
        atomic_fetch_or(&pollers->armed, (uint64_t)1 << place);
        atomic_fetch_or(&queue->consumer_sleeps, MP__FLAG_POLLER);
    }
    return r;
}

void
mp__poll_wake(struct mp_queue *queue)
{
    uint64_t armed = mp__swap(&queue->pollers.armed, 0);

    for (; armed; armed &= armed - 1)
        page(queue, (uint32_t)__builtin_ctzll(armed));
}

void
mp__poll_wake_all(struct mp_queue *queue)
{
    for (uint32_t place = 0; place < MP__POLLERS; place++)
        page(queue, place);
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
    struct mp__mutex *closers = &queue->pollers.closers;
    uint32_t open = MP__QUEUE_OPEN;

    mp__mutex_lock(closers);
    if (mp__load(&queue->closing) == MP__QUEUE_OPEN) {
#ifndef MP__MUTATION_CLOSER_PAGES_ARMED
        mp__poll_wake_all(queue);
#else
        mp__poll_wake(queue);
#endif
        mp__cas(&queue->closing, &open, MP__QUEUE_CLOSING);
    }
    mp__mutex_unlock(closers);
}

/* Enters the pager in the queue, where it has no place yet. */
static int
enter(struct own *own)
{
    mp__a64 *pager = own->queue->pollers.pager;

    if (mp__load(&pager[own->place]) == own->pager)
        return 0;
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < MP__POLLERS; i++) {
            uint64_t free_place = 0;

            if (mp__cas(&pager[i], &free_place, own->pager)) {
                own->place = i;
                return 0;
            }
        }
        mp__poll_wake_all(own->queue); /* finds those who are gone */
    }
    return mp__fail(-ENOMEM,
                    "mp_queue_fd: %u processes have a descriptor of this "
                    "queue: no more can",
                    MP__POLLERS);
}

/* ---- Arming ---- */

static int
is_of_another(struct mp__slot *slot, void *unused)
{
    uint64_t owner = mp__slot_owner(slot);

    (void)unused;
    return owner > MP__SLOT_WAITING && owner != mp__me.id;
}

/* Whether a get would do other than find the queue empty and open; in one that
 * redelivers, what others hold may come back to the very end. */
static int
has_news(struct mp_queue *queue)
{
    uint32_t closing = mp__load(&queue->closing);
    struct mp__shelf *shelf = &queue->consumers.shelf;

    if (!mp__queue_is_empty(queue))
        return 1;
    if (!(queue->mode & MP__QUEUE_REDELIVER))
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
    if (mp__mutex_stays_held(&queue->pollers.closers, NULL, 0))
        return 1;
#endif
    if ((queue->mode & MP__QUEUE_REDELIVER) && !(flag & MP__FLAG_SLEEPER) &&
        mp__mutex_stays_held(&queue->consumers.mutex, NULL, 0))
        return 1;
    return has_news(queue);
}

void
mp__poll_arm(struct mp_queue *queue)
{
    struct own *own;
    uint32_t flag;

    lock_table();
    own = *find(queue);
    if (own) {
        mp__pager_drain(own->fd);
        if (enter(own) == 0) {
            atomic_fetch_or(&queue->pollers.armed, (uint64_t)1 << own->place);
            flag = atomic_fetch_or(&queue->consumer_sleeps, MP__FLAG_POLLER);
            if (must_look(queue, flag))
                page(queue, own->place);
        } else {
            mp__pager_page(mp__region_uuid(), own->pager);
        }
    }
    unlock_table();
}

/* ---- The public face ---- */

/* A descriptor that is readable: the get that follows arms it. */
static int
make(struct mp_queue *queue, struct own **at)
{
    struct own *own = calloc(1, sizeof(*own));
    int r;

    if (own == NULL)
        return mp__fail(-ENOMEM, "mp_queue_fd: out of memory");
    own->queue = queue;
    own->fd = mp__pager_open(mp__region_uuid(), &own->pager);
    if (own->fd < 0) {
        r = mp__fail(own->fd, "mp_queue_fd: no socket");
        free(own);
        return r;
    }
    *at = own;
    mp__add(&mp__poll_descriptors, 1);
    r = enter(own);
    if (r == 0) {
        r = page(queue, own->place);
        if (r < 0)
            mp__fail(r, "mp_queue_fd: this process cannot send to itself");
    }
    if (r < 0)
        drop(at);
    return r;
}

int
mp_queue_fd(mp_queue *queue)
{
    struct own **at;
    int r = mp__queue_enter(queue, "mp_queue_fd");

    if (r < 0)
        return r;
    lock_table();
    at = find(queue);
    /* One of a queue that was destroyed, in the same place? */
    if (*at && mp__load(&queue->pollers.pager[(*at)->place]) != (*at)->pager)
        drop(at);
    r = *at ? 0 : make(queue, at);
    if (r == 0)
        r = (*at)->fd;
    unlock_table();
    return r;
}

void
mp__poll_forget(struct mp_queue *queue)
{
    struct own **at;

    mp__poll_wake_all(queue);
    if (mp__load_relaxed(&mp__poll_descriptors) == 0)
        return;
    lock_table();
    at = find(queue);
    if (*at)
        drop(at);
    unlock_table();
}
