/* SPDX-License-Identifier: MIT */
/* Semaphore and BoundedSemaphore: the clauses. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/conformance.h"
#include "sync/semaphore.h"

#include <errno.h>

#define CROWD 10

struct stage {
    mp_semaphore *semaphore;
    mp__a32 first, second; /* acquired once, acquired twice */
    mp__a32 had, missed;
    mp__a32 inside, most; /* who holds a permit at the moment */
};

static struct stage *
semaphore_stage(uint32_t value, const mp_semaphore_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_semaphore_create(&stage->semaphore, value, attr));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_free(stage));
}

static unsigned
sleepers(struct stage *stage)
{
    return mp__waiters_of(stage->semaphore, sizeof(*stage->semaphore), NULL,
                          0);
}

/* ---- The value ---- */

static int
count_down_and_up(struct party *me)
{
    struct stage *stage = me->arg;
    mp_semaphore *semaphore = stage->semaphore;

    for (int value = 2; value > 0; value--) {
        expect(mp_semaphore_value(semaphore), value);
        expect(mp_semaphore_locked(semaphore), 0);
        expect(mp_semaphore_acquire(semaphore, MP_FOREVER), 0);
    }
    expect(mp_semaphore_locked(semaphore), 1);
    expect(mp_semaphore_acquire(semaphore, MP_NOW), -EAGAIN);
    expect(mp_semaphore_acquire(semaphore, mp_timeout(-1)), -ETIMEDOUT);
    for (int value = 0; value < 2; value++) {
        expect(mp_semaphore_value(semaphore), value);
        expect(mp_semaphore_release(semaphore), 0);
    }
    expect(mp_semaphore_value(semaphore), 2);
    return 0;
}

static int
count_on(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_release(stage->semaphore), 0);
    return 0;
}

static void
counts(enum way way)
{
    struct stage *stage = semaphore_stage(2, NULL);

    for (int i = 0; i < 2; i++)
        crew_run(way, 1, count_down_and_up, stage);
    crew_run(way, 3, count_on, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 5);
    end_stage(stage);
}

static int
release_in_vain(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_release(stage->semaphore), -EOVERFLOW);
    return 0;
}

static void
bounded_counts_no_further(enum way way)
{
    struct stage *stage = semaphore_stage(2, MP_SEMAPHORE_ATTR(.bounded = 1));

    crew_run(way, 2, release_in_vain, stage);
    crew_run(way, 1, count_down_and_up, stage);
    crew_run(way, 2, release_in_vain, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 2);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    crew_run(way, 1, count_on, stage); /* ours: permits have no owner */
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), -EOVERFLOW);
    end_stage(stage);
}

static int
acquire_and_end(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), 0);
    return 0;
}

static void
permits_have_no_owner(enum way way)
{
    struct stage *stage = semaphore_stage(3, NULL);

    crew_run(way, 2, acquire_and_end, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 3);
    end_stage(stage);
}

/* ---- Waiting ---- */

static int
acquire_twice(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), 0);
    mp__add(&stage->first, 1);
    expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), 0);
    mp__add(&stage->second, 1);
    return 0;
}

/* How many permits have been had. */
static uint32_t
taken(struct stage *stage)
{
    return mp__load(&stage->first) + mp__load(&stage->second);
}

static void
as_many_get_through_as_there_are_permits(enum way way)
{
    struct stage *stage = semaphore_stage(7, NULL);
    struct crew *crew;

    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    crew = crew_start(way, CROWD, acquire_twice, stage);
    await(crew, taken(stage) == 6);
    await(crew, sleepers(stage) + mp__load(&stage->second) == CROWD);
    ck_assert_uint_eq(taken(stage), 6);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    await(crew, taken(stage) == 13);
    await(crew, sleepers(stage) + mp__load(&stage->second) == CROWD);
    ck_assert_uint_eq(taken(stage), 13);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    await(crew, taken(stage) == 19);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    crew_end(crew);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    end_stage(stage);
}

static int
try_twice(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 2; i++)
        if (mp_semaphore_acquire(stage->semaphore, MP_NOW) == 0)
            mp__add(&stage->had, 1);
        else
            mp__add(&stage->missed, 1);
    return 0;
}

static void
tried_by_many_is_had_by_as_many(enum way way)
{
    struct stage *stage = semaphore_stage(4, NULL);

    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    crew_run(way, 5, try_twice, stage);
    ck_assert_uint_eq(mp__load(&stage->had), 3);
    ck_assert_uint_eq(mp__load(&stage->missed), 7);
    end_stage(stage);
}

static void
of_none_waits_for_a_release(enum way way)
{
    struct stage *stage = semaphore_stage(0, NULL);
    struct crew *crew = crew_start(way, 1, acquire_and_end, stage);

    await(crew, sleepers(stage) == 1);
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    crew_end(crew);
    ck_assert_int_eq(mp_semaphore_locked(stage->semaphore), 1);
    end_stage(stage);
}

static int
acquire_once(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), 0);
    mp__add(&stage->had, 1);
    return 0;
}

static void
release_lets_one_through(enum way way)
{
    struct stage *stage = semaphore_stage(0, NULL);
    struct crew *crew = crew_start(way, 5, acquire_once, stage);

    for (uint32_t i = 0; i < 5; i++) {
        await(crew, sleepers(stage) == 5 - i);
        ck_assert_uint_eq(mp__load(&stage->had), i);
        ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
        await(crew, mp__load(&stage->had) == i + 1);
    }
    crew_end(crew);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    end_stage(stage);
}

static int
wait_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until = mp_timeout(0.1);

    expect(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    expect(mp_semaphore_acquire(stage->semaphore, until), -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    expect(mp_semaphore_acquire(stage->semaphore, until), -ETIMEDOUT);
    return 0;
}

static void
wait_lasts_until_its_deadline(enum way way)
{
    struct stage *stage = semaphore_stage(2, NULL);

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, mp_timeout(0)),
                         0);
    crew_run(way, 3, wait_in_vain, stage);
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, mp_timeout(0)), 0);
    end_stage(stage);
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), -EINTR);
    return 0;
}

static void
wait_ends_at_a_signal(enum way way)
{
    struct stage *stage = semaphore_stage(0, NULL);
    struct crew *crew = crew_start(way, 2, wait_for_signal, stage);

    await(crew, sleepers(stage) == 2);
    crew_interrupt(crew, 1);
    ck_assert_uint_eq(sleepers(stage), 1);
    crew_interrupt(crew, 0);
    crew_end(crew);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    end_stage(stage);
}

static int
be_inside_with_others(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 1000; i++) {
        uint32_t others, most = mp__load(&stage->most);

        expect(mp_semaphore_acquire(stage->semaphore, MP_FOREVER), 0);
        others = mp__add(&stage->inside, 1);
        expect(others < 4, 1);
        while (most < others + 1 && !mp__cas(&stage->most, &most, others + 1))
            ;
        if (i == 500) /* once, all four at a time */
            party_await(mp__load(&stage->most) == 4);
        mp__sub(&stage->inside, 1);
        expect(mp_semaphore_release(stage->semaphore), 0);
    }
    return 0;
}

/* Four in the booth. */
static void
as_many_inside_as_there_are_permits(enum way way)
{
    struct stage *stage = semaphore_stage(4, MP_SEMAPHORE_ATTR(.bounded = 1));

    crew_run(way, 6, be_inside_with_others, stage);
    ck_assert_uint_eq(mp__load(&stage->most), 4);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 4);
    end_stage(stage);
}

/* What Python has not: permits that return. */
static void
tracked_permits_return(enum way way)
{
    struct stage *stage = semaphore_stage(3, MP_SEMAPHORE_ATTR(.tracked = 1));

    crew_run(way, 3, acquire_and_end, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 3);
    crew_run(way, 3, acquire_and_end, stage);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), -EPERM);
    end_stage(stage);
}

static int
lack_permission(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_semaphore_release(stage->semaphore), -EPERM);
    expect(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    expect(mp_semaphore_value(stage->semaphore), 0);
    expect(mp_semaphore_release(stage->semaphore), 0);
    expect(mp_semaphore_release(stage->semaphore), -EPERM);
    return 0;
}

static void
tracked_permits_have_an_owner(enum way way)
{
    struct stage *stage = semaphore_stage(2, MP_SEMAPHORE_ATTR(.tracked = 1));

    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), 0);
    crew_run(way, 1, lack_permission, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), 0);
    end_stage(stage);
}

const struct clause semaphore_clauses[] = {
    {"semaphore_counts", counts},
    {"semaphore_bounded_counts_no_further", bounded_counts_no_further},
    {"semaphore_permits_have_no_owner", permits_have_no_owner},
    {"semaphore_lets_as_many_through_as_it_has",
     as_many_get_through_as_there_are_permits},
    {"semaphore_tried_by_many_is_had_by_as_many",
     tried_by_many_is_had_by_as_many},
    {"semaphore_of_none_waits_for_a_release", of_none_waits_for_a_release},
    {"semaphore_release_lets_one_through", release_lets_one_through},
    {"semaphore_wait_lasts_until_its_deadline", wait_lasts_until_its_deadline},
    {"semaphore_wait_ends_at_a_signal", wait_ends_at_a_signal},
    {"semaphore_admits_as_many_as_it_has",
     as_many_inside_as_there_are_permits},
    {"G02_semaphore_tracked_permits_return", tracked_permits_return},
    {"semaphore_tracked_permits_have_an_owner", tracked_permits_have_an_owner},
    {0},
};
