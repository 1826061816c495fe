/* SPDX-License-Identifier: MIT */
/* Keepers.
 *
 * Each post has one keeper at a time, whose participant id is in the post. A
 * dead keeper counts as none, and the next one does every step again:
 *
 *   settle  what the dead worker had in hand: bury.c
 *   VACANT  counts the death; the process's handle is put aside, to be closed
 *   START.. a new epoch; then a process is started with it: birth.c
 *   UP      set by the worker itself, if the epoch is still its own */
#include "keeper/keeper.h"

#include <limits.h>

/* The pool's mutex, because a pool that is being destroyed under our feet has
 * no posts any more: mp_pool_destroy() takes it too. */
int
mp__post_keep(mp_pool *pool, uint64_t id, struct mp__post *post)
{
    uint64_t keeper;
    int mine = 0;

    mp__mutex_lock(&pool->mutex);
    if (mp__pool_is(pool, id)) {
        keeper = mp__load(&post->keeper);
        mine = mp__is_dead(keeper) && mp__cas(&post->keeper, &keeper,
                                              mp__participant_id(mp__me.part));
    }
    mp__mutex_unlock(&pool->mutex);
    return mine;
}

void
mp__post_resign(mp_pool *pool, struct mp__post *post)
{
    mp__store(&post->keeper, 0);
    mp__bell_arm(&pool->bell);
    mp__add(&pool->changes, 1);
    mp__bell_ring(&pool->bell, INT_MAX);
}
