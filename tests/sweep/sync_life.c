/* SPDX-License-Identifier: MIT */
/* Synchronisation objects come and go: who makes or ends one is killed.
 *
 * One whose creation is killed may be lost, with its block if it has one. One
 * whose end is killed is live, or not: then its memory may be lost. */
#include "sync_stage.h"

#include <errno.h>

/* The victim notes what it has made, or that it has ended it. */
enum { MADE, ENDED };

struct kind {
    int (*create)(void **ret);
    int (*destroy)(void *object);
};

static const struct kind *kind;
static void *object;

#define KIND(name, create_it)                                            \
    static int create_##name(void **ret)                                 \
    {                                                                    \
        mp_##name *made;                                                 \
        int r = create_it;                                               \
                                                                         \
        *ret = made;                                                     \
        return r;                                                        \
    }                                                                    \
    static int destroy_##name(void *ended)                               \
    {                                                                    \
        return mp_##name##_destroy(ended);                               \
    }                                                                    \
    static void choose_##name(void)                                      \
    {                                                                    \
        static const struct kind this = {create_##name, destroy_##name}; \
                                                                         \
        sync_begin();                                                    \
        kind = &this;                                                    \
    }                                                                    \
    static void make_##name(void)                                        \
    {                                                                    \
        choose_##name();                                                 \
        sweep_check(kind->create(&object) == 0, "%s", mp_last_error());  \
    }

KIND(lock, mp_lock_create(&made, MP_LOCK_ATTR(.name = "new")))
KIND(rlock, mp_rlock_create(&made, NULL))
KIND(semaphore, mp_semaphore_create(&made, 3, MP_SEMAPHORE_ATTR(.tracked = 1)))
KIND(event, mp_event_create(&made, NULL))
KIND(condition, mp_condition_create(&made, NULL))
KIND(barrier, mp_barrier_create(&made, 3, NULL))

static void
victim_creates(void)
{
    void *made;

    if (kind->create(&made) == 0)
        mp__store(&sweep.note[MADE], (uintptr_t)made);
}

static void
victim_destroys(void)
{
    if (kind->destroy(object) == 0)
        mp__store(&sweep.note[ENDED], 1);
}

/* Others can be made and ended. */
static void
check_rest(void)
{
    sweep_check(kind->create(&object) == 0, "%s", mp_last_error());
    sweep_check(kind->destroy(object) == 0, "%s", mp_last_error());
    sweep_check(kind->destroy(object) == -EBADF, "it is live after its end");
}

static void
check_created(void)
{
    void *made = (void *)(uintptr_t)mp__load(&sweep.note[MADE]);

    if (made)
        sweep_check(kind->destroy(made) == 0, "it is not live");
    check_rest();
}

static void
check_destroyed(void)
{
    int r = kind->destroy(object);

    sweep_check(r == -EBADF || (r == 0 && !mp__load(&sweep.note[ENDED])),
                "its end, once more: %d", r);
    check_rest();
}

#define LIFE(name, most)                                            \
    {#name ".create", choose_##name,          sync_enter,           \
     victim_creates,  .check = check_created, .may_lose = most},    \
    {                                                               \
#name ".destroy", make_##name, sync_enter, victim_destroys, \
            .check = check_destroyed, .may_lose = most              \
    }

const struct sweep_scenario sweep_life[] = {
    LIFE(lock, 1),
    LIFE(rlock, 1),
    LIFE(semaphore, 2),
    LIFE(event, 1),
    LIFE(condition, 1),
    LIFE(barrier, 2),
    {0},
};
