/* SPDX-License-Identifier: MIT */
/* A biased lock: a robust mutex that costs its first user nothing.
 *
 * The thread that uses it first is its owner, and from then on enters and
 * leaves by plain stores. When a second thread comes the lock is a mutex for
 * good; after the death of its owner it may have another. See bias.c. */
#pragma once

#include "region/mutex.h"

/* As `owner`: the mutex alone counts. */
#define MP__BIAS_SHARED ((uint64_t)1)
/* With the owner's id: a second has come, who has the mutex. */
#define MP__BIAS_REVOKING ((uint64_t)1 << 63)

struct mp__bias {
    struct mp__mutex mutex; /* held by all but the owner; and by the owner for
                               all that may sleep, or needs repair */
    mp__a64 owner; /* 0: nobody yet; a participant's id; see above. Writer: who
                      has the mutex */
    mp__a32 busy;  /* 1: the owner is inside by its bias, for a moment. Writer:
                      the owner */
};

void mp__bias_init(struct mp__bias *bias, enum mp__mutex_kind kind);

/* Enters by the bias, if the lock is the caller's. Whoever does must neither
 * sleep inside nor leave anything there that would have to be repaired. */
static inline int
mp__bias_try(struct mp__bias *bias)
{
    if (MP__UNLIKELY(mp__load_relaxed(&bias->owner) != mp__me.id))
        return 0;
    mp__store_relaxed(&bias->busy, 1);
    mp__compiler_barrier();
    /* Who revokes has us fenced between its store of `owner` and its look at
     * `busy`. */
    if (MP__LIKELY(mp__load_relaxed(&bias->owner) == mp__me.id))
        return 1;
    mp__store_release(&bias->busy, 0);
    return 0;
}

/* Leaves what was entered by the bias. */
static inline void
mp__bias_leave(struct mp__bias *bias)
{
    mp__store_release(&bias->busy, 0);
}

/* Acquires the mutex, with nobody inside by the bias; the lock becomes the
 * caller's if it was nobody's. 0; -EAGAIN, -ETIMEDOUT, -EINTR. To be released
 * by mp__mutex_unlock(). */
int mp__bias_lock(struct mp__bias *bias, mp_time deadline);

/* For who has acquired it: if the lock is the caller's, it is the next one's
 * who comes. */
void mp__bias_give_up(struct mp__bias *bias);

/* Whether somebody else may enter by the bias. */
int mp__bias_has_owner(struct mp__bias *bias);

/* A full fence in the owner's thread, if there is one: what the caller has
 * stored before is seen by the owner when it enters from now on, and if it is
 * inside, that is seen by the caller. */
void mp__bias_fence(struct mp__bias *bias);

/* Whether somebody is inside, for longer than a moment, unless `*word` changes:
 * see mp__mutex_stays_held(). To be asked after mp__bias_fence(). */
int mp__bias_stays_held(struct mp__bias *bias, mp__a64 *word, uint64_t seen);
