/* SPDX-License-Identifier: MIT */
/* Waiting until all tasks are done: queue_tasks.c tells what that means.
 *
 * A joiner watches the lives of all who ever took a message: the death of one
 * may be the end of the last task, or of the one who would have told. */
#include "queue/consume.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>

#define NAP 1000000 /* ns */

/* Watches the lives of those who take messages. -1: one is dead. */
static int
watch_takers(struct mp_queue *queue, struct mp__watch *watch)
{
    int r = 0;

    for (uint32_t w = 0; w < MP__LENGTH(queue->joiners.takers); w++) {
        uint64_t bits = mp__load(&queue->joiners.takers[w]);

        for (; bits; bits &= bits - 1) {
            uint32_t index = w * 64 + (uint32_t)__builtin_ctzll(bits);
            struct mp__participant *part = mp__participant_at(index);

            if (!mp__watch_life(watch, mp__participant_id(part)))
                r = -1;
        }
    }
    return r;
}

static int
tell_lost(struct mp_queue *queue)
{
    uint32_t pid = mp__load(&queue->joiners.lost_pid);
    uint32_t n = mp__swap(&queue->joiners.lost, 0);

    if (n == 0)
        return 0;
    if (pid == 0)
        return mp__fail(-ESRCH,
                        "mp_queue_join: %u task%s given up after "
                        "max_attempts = %u",
                        n, n == 1 ? " was" : "s were", queue->max_attempts);
    return mp__fail(-ESRCH,
                    "mp_queue_join: %u task%s lost with the consumer that had "
                    "taken %s (process %u was the last to die)",
                    n, n == 1 ? " was" : "s were", n == 1 ? "it" : "them",
                    pid);
}

/* Has the dead buried, and what they held put back, or given up: perhaps nobody
 * else comes to do that. Whether there is more to do, soon. */
static int
settle_dead(struct mp_queue *queue)
{
    struct mp__shelf *shelf = &queue->consumers.shelf;

    mp__bell_disarm();
    mp__reap();
    if (queue->mode & MP__QUEUE_RETURNS)
        mp__shelf_settle(queue);
    mp__bell_arm(&queue->joiners.bell);
    return mp__shelf_has_dead(shelf);
}

/* The bell is armed from the sleep to the look after it: whoever is woken in
 * place of a dead one wakes the others. 1: all is done, and the bell is not
 * armed any more; 0: look again; or an error. */
static int
wait_to_join(struct mp_queue *queue, mp_time deadline)
{
    struct mp__joiners *joiners = &queue->joiners;
    uint32_t seen = mp__load(&joiners->finishes);
    struct mp__watch watch;
    int r, more = 0;

    mp__watch_begin(&watch, &joiners->bell);
    mp__watch_word(&watch, &joiners->finishes, seen);
    if (watch_takers(queue, &watch) < 0 ||
        mp__shelf_has_dead(&queue->consumers.shelf))
        more = settle_dead(queue);
    if (mp__tasks_are_done(queue)) {
        mp__tasks_ring(queue);
        return 1;
    }
    r = mp__expired(deadline);
    if (r < 0)
        return r;
    /* Somebody else may be at it: that does not take long. */
    r = more ? mp__bell_nap(&joiners->bell, &watch, joiners, NAP, deadline)
             : mp__bell_sleep(&joiners->bell, &watch, joiners, deadline);
    return r == -EINTR ? r : 0;
}

int
mp_queue_join(mp_queue *queue, mp_time deadline)
{
    int r = mp__tasks_check(queue, "mp_queue_join");

    if (r < 0)
        return (int)MP__FAR(r, queue, deadline, "");
    /* Before the look: who is done after it sees us. */
    mp__add(&queue->joiners.joining, 1);
    mp__bell_arm(&queue->joiners.bell);
    do
        r = wait_to_join(queue, deadline);
    while (r == 0);
    mp__bell_disarm();
    mp__sub(&queue->joiners.joining, 1);
    return r == 1 ? tell_lost(queue) : r;
}
