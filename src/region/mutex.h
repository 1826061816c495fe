/* SPDX-License-Identifier: MIT */
/* The internal lock: robust, 20 bytes, held for nanoseconds, never nested.
 *
 * Whoever acquires it after its holder died runs the repair function of its
 * kind before anything else, still inside mp__mutex_lock(): users never see a
 * broken invariant. A thread holds at most one mutex, and calls nothing that
 * takes another (memory, for one, is allocated before and freed after). */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "os/futex.h"
#include "region/participant.h"

enum mp__mutex_kind {
    MP__MUTEX_PLAIN, /* nothing to repair */
    MP__MUTEX_EXTENTS,
    MP__MUTEX_BIN,
    MP__MUTEX_QUEUE_TAIL,
    MP__MUTEX_QUEUE_HEAD,
    MP__MUTEX_COLLECTION,
    MP__MUTEX_PIPE_SENDER,
    MP__MUTEX_PIPE_RECEIVER,
    MP__MUTEX_POOL,
    MP__MUTEX_JOB,
    MP__MUTEX_KINDS,
};

struct mp__mutex {
    mp__a32 word;    /* 0 free; tid|WAITERS held; with OWNER_DIED as well: to
                     be repaired, or being repaired */
    mp__a32 waiters; /* "there may be sleepers": may only over-report */
    mp__a32 waking;  /* MP__MUTEX_WAKING: one has been woken, and will look; 0:
                        nobody. Futex: sleepers sleep on it as well */
    uint32_t uses;   /* unlocks since the last scrub; writer: holder */
    uint32_t kind;
};

/* As the kernel reads it, a word without an owner. */
#define MP__MUTEX_WAKING 0x80000000u

/* Repairs what the mutex guards. Called with the mutex held, any number of
 * times: it may itself be killed, and is then begun again by the next. */
typedef void mp__repair_fn(struct mp__mutex *mutex);

/* Each room registers its kinds by a constructor function. */
void mp__mutex_repair_with(enum mp__mutex_kind kind, mp__repair_fn *repair);

void mp__mutex_init(struct mp__mutex *mutex, enum mp__mutex_kind kind);

MP__COLD int mp__mutex_lock_slow(struct mp__mutex *mutex, mp_time deadline);
MP__COLD void mp__mutex_unlock_slow(struct mp__mutex *mutex);
MP__COLD void mp__mutex_rouse(struct mp__mutex *mutex);

/* Acquires it if it is free and in order. If not, the pending slot is armed all
 * the same, for the slow way that must follow. */
static inline int
mp__mutex_try(struct mp__mutex *mutex)
{
    uint32_t expected = 0;

#ifndef MP__MUTATION_NO_PENDING
    mp__robust_arm(mp__me.head, &mutex->word);
#endif
    return mp__cas(&mutex->word, &expected, mp__me.word);
}

/* Acquires it. 0, or -EAGAIN, -ETIMEDOUT, -EINTR: not acquired. */
static inline int
mp__mutex_lock_until(struct mp__mutex *mutex, mp_time deadline)
{
    if (MP__LIKELY(mp__mutex_try(mutex)))
        return 0;
    return mp__mutex_lock_slow(mutex, deadline);
}

/* Acquires it, however long it takes; signals do not matter. */
static inline void
mp__mutex_lock(struct mp__mutex *mutex)
{
    while (mp__mutex_lock_until(mutex, MP_FOREVER) < 0)
        ;
}

static inline void
mp__mutex_unlock(struct mp__mutex *mutex)
{
    if (MP__UNLIKELY(mp__load_relaxed(&mutex->waiters))) {
        mp__mutex_unlock_slow(mutex);
        return;
    }
    mp__swap(&mutex->word, 0);
    /* seq_cst: a sleeper that set the flag after the look above either sees
     * the word free before it sleeps, or is seen here. */
    if (MP__UNLIKELY(mp__load(&mutex->waiters)))
        mp__mutex_rouse(mutex);
    mp__robust_disarm(mp__me.head);
}

/* After the death of thread `dead`: waits until what it may have left behind
 * under the mutex is repaired, and repairs it if nobody else does. Does not
 * wait for an owner that is alive, and may sleep for long; hence no lock. */
void mp__mutex_settle(struct mp__mutex *mutex, uint32_t dead);

/* Whether somebody holds it, and does not leave soon: what it guards takes
 * moments, unless its holder does not run. 0 also when `*word` (NULL: none)
 * differs from `seen`. */
int mp__mutex_stays_held(struct mp__mutex *mutex, mp__a64 *word,
                         uint64_t seen);

/* The thread id of the holder, 0 if it is free. For reports. */
static inline uint32_t
mp__mutex_holder(struct mp__mutex *mutex)
{
    return mp__load_relaxed(&mutex->word) & FUTEX_TID_MASK;
}
