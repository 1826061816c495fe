/* SPDX-License-Identifier: MIT */
/* The permits of a tracked semaphore.
 *
 * Each permit is a word that names its holder. Taking is a compare-and-swap
 * from nobody, or from a dead holder, to oneself, which one of all who try
 * wins; giving is one back to nobody. So there is no moment at which a permit
 * is neither here nor there, and no count that a death could make wrong.
 *
 * Everybody searches from a place of his own: there he finds his permits
 * again, and seldom meets others. */
#include "sync/semaphore.h"

#include <errno.h>

static mp__a64 *
place_at(mp_semaphore *semaphore, uint32_t i)
{
    return &semaphore->places[(mp__me.index + (uint64_t)i) % semaphore->bound];
}

/* Changes the first place that names `from` to `to`; 0, or -EAGAIN: none
 * does. */
static int
change_one(mp_semaphore *semaphore, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < semaphore->bound; i++) {
        mp__a64 *place = place_at(semaphore, i);
        uint64_t holder = from;

        if (mp__load_relaxed(place) == from && mp__cas(place, &holder, to))
            return 0;
    }
    return -EAGAIN;
}

static int
take_from_dead(mp_semaphore *semaphore)
{
    for (uint32_t i = 0; i < semaphore->bound; i++) {
        mp__a64 *place = place_at(semaphore, i);
        uint64_t holder = mp__load(place);

        if (mp__participant_find(holder) == NULL &&
            mp__cas(place, &holder, mp__me.id))
            return 0;
    }
    return -EAGAIN;
}

int
mp__places_take(mp_semaphore *semaphore)
{
    int r = change_one(semaphore, 0, mp__me.id);

    return r < 0 ? take_from_dead(semaphore) : r;
}

int
mp__places_give(mp_semaphore *semaphore)
{
    return change_one(semaphore, mp__me.id, 0) < 0 ? -EPERM : 0;
}

uint32_t
mp__places_left(mp_semaphore *semaphore)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < semaphore->bound; i++)
        left += mp__participant_find(mp__load(&semaphore->places[i])) == NULL;
    return left;
}

/* Whether a life is watched already: a holder of many stands side by side. */
static int
is_last(const struct mp__watch *watch, uint64_t holder)
{
    struct mp__participant *part = mp__participant_find(holder);

    return part &&
           watch->words[watch->n - 1].word == mp__participant_word(part);
}

int
mp__places_watch(mp_semaphore *semaphore, struct mp__watch *watch)
{
    for (uint32_t i = 0; i < semaphore->bound && !watch->partial; i++) {
        uint64_t holder = mp__load(&semaphore->places[i]);

#ifdef MP__MUTATION_HOLDERS_UNWATCHED
        if (mp__participant_find(holder))
            continue;
#endif
        if (!is_last(watch, holder) && !mp__watch_life(watch, holder))
            return 0;
    }
    return 1;
}
