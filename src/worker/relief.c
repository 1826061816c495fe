/* SPDX-License-Identifier: MIT */
/* Workers that leave before the end of the pool: they have done what they
 * were to do, have grown too large, are too many, or have nothing to do.
 *
 * A worker leaves of its own accord and between two tasks only, so none is ever
 * cut short. It says so by the stage RELIEVED, under the pool's mutex: from
 * there on it is not counted among those who are there, and takes nothing any
 * more. When it has ended, its post is vacant again; its death is nobody's
 * fault. If it is killed before that store, it was a worker with nothing in
 * hand; after it, it has left. If it is killed while it waits to hand over, the
 * work waits for the next call on the pool, as it does after any death that
 * nobody is there to see.
 *
 * Those who are too many must not all leave at once: each looks with the mutex
 * held whether there still are more than enough, and the store takes itself off
 * the count.
 *
 * One that leaves for want of work may miss a task that is submitted at that
 * very moment. The submitter first puts the task into the queue and then looks
 * how many workers there are; the worker first takes itself off their number
 * and then looks into the queue. So one of them sees the other: the submitter
 * starts a new worker, or the worker stays.
 *
 * Successors are started by whoever is in a call on the pool. When nobody is,
 * and the last worker leaves while something waits, it starts the next one
 * itself, at another post, which is vacant or soon will be; but not at once: a
 * child that the owner forks is better than one which takes over what this one
 * has grown. Only who left last stays for that: all others end, and so their
 * posts become vacant. */
#include "worker/relief.h"

#include "keeper/attend.h"
#include "keeper/watch.h"
#include "os/clock.h"
#include "task/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMORY_PAUSE 1000000  /* ns between two looks at the memory */
#define PATIENCE     20000000 /* ns, that others have to see to the work */

/* Of this worker; cleared in one that is forked from another. */
static struct {
    int dismissed;
    uint64_t inherited; /* bytes it had at its start: shared with its starter
                            until they are written to */
    mp_time looked;     /* at its memory */
    int is_large;
    uint64_t place; /* how manieth it was to leave; 0: it has not */
} self;

/* Bytes that are in memory and not shared by files or mappings; 0 if nobody
 * knows. */
static uint64_t
own_memory(void)
{
    unsigned long resident, shared;
    char text[128], *at = text;
    ssize_t n = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    strtoul(at, &at, 10);
    resident = strtoul(at, &at, 10);
    shared = strtoul(at, &at, 10);
    return shared < resident
               ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

void
mp__relief_begin(void)
{
    self.dismissed = 0;
    self.is_large = 0;
    self.looked = 0;
    self.place = 0;
    self.inherited = own_memory();
}

static int
is_too_large(mp_pool *pool)
{
    mp_time now;

    if (self.is_large || mp__now() - self.looked < MEMORY_PAUSE)
        return self.is_large;
    now = mp__now();
    self.looked = now;
    self.is_large = own_memory() > self.inherited + pool->memory_soft;
    return self.is_large;
}

/* It is to be replaced. */
static int
is_worn(mp_pool *pool, struct mp__post *post)
{
    if (pool->tasks_per_worker &&
        mp__load_relaxed(&post->served) >= pool->tasks_per_worker)
        return 1;
    return pool->memory_soft && is_too_large(pool);
}

void
mp__worker_dismiss(void)
{
    self.dismissed = 1;
}

/* Somebody is about to kill it: see keeper/bury.c. */
static int
is_dismissed(struct mp__post *post)
{
    return self.dismissed ||
           (mp__load_relaxed(&post->stage) & 0xff) != MP__STAGE_UP;
}

int
mp__worker_should_leave(mp_pool *pool, struct mp__post *post)
{
    return MP__UNLIKELY(is_dismissed(post) || is_worn(pool, post) ||
                        mp__load_relaxed(&pool->filled) >
                            mp__load_relaxed(&pool->wanted));
}

/* How many stay in any case. */
static uint32_t
floor_of(mp_pool *pool, int idle)
{
    uint32_t wanted = mp__load(&pool->wanted);

    return idle && pool->least && pool->least < wanted ? pool->least : wanted;
}

/* Takes the worker off the count. */
static int
step_down(mp_pool *pool, struct mp__post *post, int idle)
{
    int worn = is_worn(pool, post);
    int leaves;

    mp__mutex_lock(&pool->mutex);
    leaves = is_dismissed(post) || worn ||
             mp__posts_filled(pool) > floor_of(pool, idle);
    if (leaves && mp__post_stage(post) == MP__STAGE_UP) {
        if (worn)
            mp__add(&pool->replaced, 1);
        self.place = mp__add(&pool->relieved, 1) + 1;
        mp__post_set(pool, post, mp__post_epoch(post), MP__STAGE_RELIEVED);
    }
    mp__mutex_unlock(&pool->mutex);
    return leaves;
}

/* Back to its place, unless it is too many or somebody was faster. */
static int
step_up(mp_pool *pool, struct mp__post *post)
{
    int stays;

    mp__mutex_lock(&pool->mutex);
    stays = mp__post_stage(post) == MP__STAGE_RELIEVED &&
            mp__posts_filled(pool) < mp__load(&pool->wanted);
    if (stays)
        mp__post_set(pool, post, mp__post_epoch(post), MP__STAGE_UP);
    mp__mutex_unlock(&pool->mutex);
    return stays;
}

/* Another takes its part in the maps: it may have taken the hint that would
 * have called that one. Whoever succeeds it looks for maps without a hint. */
static void
call_another(mp_pool *pool)
{
    if (!mp__job_pending(pool))
        return;
    while (mp__queue_put_pointer(pool->queue, MP__HINT, MP_FOREVER) == -EINTR)
        ;
}

int
mp__worker_relieve(mp_pool *pool, struct mp__post *post, int idle)
{
    if (mp__post_stage(post) != MP__STAGE_UP)
        mp__worker_dismiss();
    if (!idle && !is_worn(pool, post))
        call_another(pool);
    if (!step_down(pool, post, idle))
        return 0;
    return !idle || self.dismissed || mp__pool_queued(pool) == 0 ||
           !step_up(pool, post);
}

static int
is_abandoned(mp_pool *pool)
{
    return mp__load(&pool->relieved) == self.place && mp__posts(pool) > 1 &&
           mp__pool_state(pool) < MP__POOL_TERMINATED &&
           mp__posts_filled(pool) == 0 &&
           (mp__pool_queued(pool) > 0 || mp__job_pending(pool));
}

void
mp__worker_hand_over(mp_pool *pool)
{
    mp_time until = mp__now() + PATIENCE;

    while (is_abandoned(pool)) {
        uint32_t seen = mp__load(&pool->changes);

        if (mp__now() >= until) {
            mp__pool_attend(pool);
            until = mp__now() + PATIENCE;
        }
        if (is_abandoned(pool))
            mp__pool_sleep(pool, &pool->bell, &pool->changes, seen, until);
    }
}
