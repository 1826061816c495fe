/* SPDX-License-Identifier: MIT */
#include "sync/sync.h"

#include "base/error.h"
#include "bell/waiters.h"
#include "sync/describe.h"

#include <errno.h>
#include <string.h>

/* In pauses of the processor, of 10 to 50 ns each. */
#define SPINS_LEAST 100u
#define SPINS_MOST  400u
#define STEP_MOST   32u

/* Here, for whoever is linked with any object of this room needs it. */
__attribute__((constructor)) static void
register_descriptions(void)
{
    mp__sync_describe();
    mp__sync_describe_groups();
}

void
mp__sync_name(char target[MP__SYNC_NAME], const char *name)
{
    size_t n = name ? strnlen(name, MP__SYNC_NAME - 1) : 0;

    if (n)
        memcpy(target, name, n);
    target[n] = 0;
}

/* Looks less and less often: each look takes the line away from who is at
 * work. A sleep costs so much more than these microseconds that one failure
 * says little. */
int
mp__sync_spin(mp__a32 *spins, mp__a32 *word, uint32_t seen)
{
    uint32_t most = mp__view.cpus > 1 ? mp__load_relaxed(spins) : 0;

    for (uint32_t spent = 0, step = 1; spent < most; spent += step) {
        if (mp__load_relaxed(word) != seen) {
            /* Leave room for twice of what it took. */
            if (spent * 2 > most && most < SPINS_MOST)
                mp__store_relaxed(spins, most * 2);
            return 1;
        }
        for (uint32_t i = 0; i < step; i++)
            mp__cpu_relax();
        if (step < STEP_MOST)
            step *= 2;
    }
    if (most > SPINS_LEAST)
        mp__store_relaxed(spins, most - most / 32);
    return 0;
}

int
mp__sync_destroy(void *object, size_t size, enum mp__slab slab,
                 const char *function)
{
    unsigned waiters = mp__waiters_of(object, size, NULL, 0);

    if (waiters)
        return mp__fail(-EBUSY, "%s: %u %s for it", function, waiters,
                        waiters == 1 ? "thread waits" : "threads wait");
    if (mp__object_retire(object, slab) < 0)
        return mp__fail_handle(function, object, "a live object");
    mp__object_free(object, slab);
    return 0;
}

#define WAITERS_MOST 256u /* pids that are told of */

int
mp__sync_waiters(const void *object, size_t size, pid_t *pids, size_t n,
                 const char *function)
{
    struct mp__waiting_thread waiters[WAITERS_MOST];
    unsigned most =
        n < MP__LENGTH(waiters) ? (unsigned)n : (unsigned)MP__LENGTH(waiters);
    unsigned found;

    if (pids == NULL && n > 0)
        return mp__fail(-EINVAL, "%s: pids is NULL", function);
    found = mp__waiters_of(object, size, waiters, most);
    for (unsigned i = 0; i < found && i < most; i++)
        pids[i] = waiters[i].pid;
    return (int)found;
}

int
mp__sync_far_waiters(int r, const void *object, pid_t *pids, size_t n,
                     const char *function)
{
    size_t room = n < WAITERS_MOST ? n : WAITERS_MOST;

    _Static_assert(sizeof(pid_t) == sizeof(int), "an i");
    if (r != -EREMOTE)
        return r;
    if (pids == NULL && n > 0)
        return mp__fail(-EINVAL, "%s: pids is NULL", function);
    return (int)mp__far_call(object, function, MP__FAR_PLAIN, "z > *i", room,
                             pids, &room);
}

pid_t
mp__sync_pid(uint64_t participant)
{
    struct mp__participant *part = mp__participant_find(participant);

    if (participant == 0)
        return 0;
    return part ? (pid_t)mp__load_relaxed(&part->pid) : -EOWNERDEAD;
}
