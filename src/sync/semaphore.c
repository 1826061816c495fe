/* SPDX-License-Identifier: MIT */
/* Semaphore.
 *
 * The number of permits is one word: taking is a compare-and-swap to one less,
 * giving an addition, and each is the commit. Who finds none waits at the gate
 * (gate.c); who gets one there and sees more lets the next one in. A permit
 * that a dead process had is gone, as nobody can tell who would have given it
 * back. Tracked semaphores can: places.c. */
#include "sync/semaphore.h"

#include "base/attr.h"
#include "base/error.h"
#include "os/clock.h"
#include "region/heap.h"

#include <errno.h>

static int
enter(const mp_semaphore *semaphore, const char *function)
{
    return mp__object_enter(semaphore, MP__SLAB_SEMAPHORE, function,
                            "a semaphore");
}

/* ---- Life ---- */

static mp_semaphore *
make(uint32_t value, const mp_semaphore_attr *a, mp__a64 *places)
{
    mp_semaphore *semaphore =
        mp__object_alloc(MP__SLAB_SEMAPHORE, sizeof(*semaphore));

    if (semaphore == NULL)
        return NULL;
    semaphore->value = value;
    semaphore->bound = a->bounded || a->tracked ? value : MP_SEMAPHORE_MAX;
    semaphore->places = places;
    mp__store_relaxed(&semaphore->permits, value);
    mp__gate_init(&semaphore->gate);
    mp__sync_name(semaphore->name, a->name);
    mp__object_publish(semaphore, MP__SLAB_SEMAPHORE);
    return semaphore;
}

static int
check(uint32_t value, const mp_semaphore_attr *a)
{
    uint32_t most = a->tracked ? MP_SEMAPHORE_TRACKED_MAX : MP_SEMAPHORE_MAX;

    if (value > most)
        return mp__fail(-EINVAL,
                        "mp_semaphore_create: value is %u, the most is %u%s",
                        value, most, a->tracked ? " if tracked" : "");
    if (value == 0 && a->tracked)
        return mp__fail(-EINVAL, "mp_semaphore_create: value is 0: a tracked "
                                 "semaphore never gets more");
    return 0;
}

int
mp_semaphore_create(mp_semaphore **ret_semaphore, uint32_t value,
                    const mp_semaphore_attr *attr)
{
    mp__a64 *places = NULL;
    mp_semaphore *semaphore;
    mp_semaphore_attr a;
    int r;

    if (ret_semaphore == NULL)
        return mp__fail(-EINVAL, "mp_semaphore_create: ret_semaphore is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_semaphore_create");
    if (r < 0 || (r = check(value, &a)) < 0 || (r = mp__enter()) < 0)
        return r;
    if (a.tracked) {
        places = mp__block_alloc(value * sizeof(*places), 1);
        if (places == NULL)
            return -ENOMEM;
    }
    semaphore = make(value, &a, places);
    if (places && semaphore)
        mp__block_keep(places);
    else if (places)
        mp__block_free(places);
    if (semaphore == NULL)
        return -ENOMEM;
    *ret_semaphore = semaphore;
    return 0;
}

int
mp_semaphore_destroy(mp_semaphore *semaphore)
{
    int r = semaphore ? enter(semaphore, "mp_semaphore_destroy") : 1;
    mp__a64 *places;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, semaphore, MP__FAR_PLAIN, "") : 0;
    places = semaphore->places;
    r = mp__sync_destroy(semaphore, sizeof(*semaphore), MP__SLAB_SEMAPHORE,
                         "mp_semaphore_destroy");
    if (r == 0 && places)
        mp__block_free(places);
    return r;
}

/* ---- Taking ---- */

/* 0, or -EAGAIN: there is none. */
static int
take(mp_semaphore *semaphore)
{
    uint32_t permits;

    if (MP__UNLIKELY(semaphore->places))
        return mp__places_take(semaphore);
    permits = mp__load_relaxed(&semaphore->permits);
    while (permits > 0)
        if (mp__cas(&semaphore->permits, &permits, permits - 1))
            return 0;
    return -EAGAIN;
}

static uint32_t
left(mp_semaphore *semaphore)
{
    return semaphore->places ? mp__places_left(semaphore)
                             : mp__load(&semaphore->permits);
}

/* Sleeps as long as the word stays as it was when there was no permit. */
static int
sleep_for(mp_semaphore *semaphore, struct mp__gate_visit *visit, uint32_t seen,
          mp_time deadline)
{
    struct mp__watch watch;

    mp__gate_watch(&semaphore->gate, &watch, &semaphore->permits, seen);
    if (semaphore->places && !mp__places_watch(semaphore, &watch))
        return 0;
    return mp__gate_sleep(&semaphore->gate, visit, &watch, semaphore,
                          deadline);
}

static int
wait_for(mp_semaphore *semaphore, struct mp__gate_visit *visit,
         mp_time deadline)
{
    uint32_t seen;
    int r = 0;

    for (;;) {
        mp__gate_look(&semaphore->gate);
        seen = semaphore->places ? mp__load(&semaphore->permits) : 0;
        if (take(semaphore) == 0)
            return 0;
        if (r < 0 || (r = mp__expired(deadline)) < 0)
            return r;
        if (!mp__sync_spin(&semaphore->gate.spins, &semaphore->permits, seen))
            r = sleep_for(semaphore, visit, seen, deadline);
    }
}

static int
acquire_slow(mp_semaphore *semaphore, mp_time deadline)
{
    struct mp__gate_visit visit = {0};
    int r;

    mp__bell_arm(&semaphore->gate.bell);
    r = wait_for(semaphore, &visit, deadline);
    mp__gate_leave(&semaphore->gate, &visit,
                   visit.slept && (r < 0 || left(semaphore) > 0));
    mp__bell_disarm();
    return r;
}

int
mp_semaphore_acquire(mp_semaphore *semaphore, mp_time deadline)
{
    int r = enter(semaphore, "mp_semaphore_acquire");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, semaphore, deadline, "");
    r = take(semaphore);
    if (MP__LIKELY(r == 0) || deadline == MP_NOW)
        return r;
    return acquire_slow(semaphore, deadline);
}

/* ---- Giving ---- */

/* The bell is armed. */
static int
give(mp_semaphore *semaphore)
{
    uint32_t permits;

    if (MP__UNLIKELY(semaphore->places)) {
        if (mp__places_give(semaphore) < 0)
            return -EPERM;
#ifndef MP__MUTATION_GIVE_UNSEEN
        /* Who came to wait before that watches our life, and is woken by our
         * death in between. */
        mp__add(&semaphore->permits, 1);
#endif
        return 0;
    }
    permits = mp__load_relaxed(&semaphore->permits);
    do {
        if (permits >= semaphore->bound)
            return -EOVERFLOW;
    } while (!mp__cas(&semaphore->permits, &permits, permits + 1));
    return 0;
}

MP__COLD static int
refuse(mp_semaphore *semaphore, int r)
{
    if (r == -EPERM)
        return mp__fail(r, "mp_semaphore_release: the calling thread has no "
                           "permit of this tracked semaphore");
    return mp__fail(r,
                    "mp_semaphore_release: there are %u permits already, the "
                    "most there may be",
                    semaphore->bound);
}

int
mp_semaphore_release(mp_semaphore *semaphore)
{
    int r = enter(semaphore, "mp_semaphore_release");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, semaphore, MP__FAR_PLAIN, "");
#ifndef MP__MUTATION_GIVE_UNARMED
    mp__bell_arm(&semaphore->gate.bell);
#endif
    r = give(semaphore);
    if (MP__UNLIKELY(mp__gate_waited(&semaphore->gate)) && r == 0)
        mp__gate_open(&semaphore->gate);
    mp__bell_disarm();
    return MP__UNLIKELY(r < 0) ? refuse(semaphore, r) : 0;
}

/* ---- State ---- */

int
mp_semaphore_value(mp_semaphore *semaphore)
{
    int r = enter(semaphore, "mp_semaphore_value");

    if (r < 0)
        return (int)MP__FAR(r, semaphore, MP__FAR_PLAIN, "");
    return (int)left(semaphore);
}

int
mp_semaphore_locked(mp_semaphore *semaphore)
{
    int r = enter(semaphore, "mp_semaphore_locked");

    if (r < 0)
        return (int)MP__FAR(r, semaphore, MP__FAR_PLAIN, "");
    return left(semaphore) == 0;
}
