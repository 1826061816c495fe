/* SPDX-License-Identifier: MIT */
/* RLock: the clauses. */
#include "os/clock.h"
#include "sync/conformance.h"

#include <errno.h>

#define MOST 5

struct stage {
    mp_rlock *lock;
    mp__a32 in;     /* parties that have come so far */
    mp__a32 go;     /* the test says: go on */
    mp__a32 inside; /* who holds it at the moment */
    uint64_t count; /* what it guards */
};

static struct stage *
rlock_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_rlock_create(&stage->lock, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_rlock_destroy(stage->lock));
    must(mp_free(stage));
}

static int
sleepers(struct stage *stage)
{
    return mp_rlock_waiters(stage->lock, NULL, 0);
}

static int
use_it_recursively(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 3; i++)
        expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
    expect(mp_rlock_release(stage->lock), 0);
    expect(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    for (int i = 0; i < 3; i++) {
        expect(mp_rlock_locked(stage->lock), 1);
        expect(mp_rlock_release(stage->lock), 0);
    }
    expect(mp_rlock_release(stage->lock), -EPERM);
    expect(mp_rlock_locked(stage->lock), 0);
    return 0;
}

static void
recursive(enum way way)
{
    struct stage *stage = rlock_stage();

    for (int i = 0; i < 2; i++)
        crew_run(way, 1, use_it_recursively, stage);
    end_stage(stage);
}

static int
try_in_vain(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_rlock_locked(stage->lock), 1);
    expect(mp_rlock_acquire(stage->lock, MP_NOW), -EAGAIN);
    expect(mp_rlock_acquire(stage->lock, mp_timeout(0)), -ETIMEDOUT);
    expect(mp_rlock_release(stage->lock), -EPERM);
    return 0;
}

static int
try_it(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    expect(mp_rlock_release(stage->lock), 0);
    return 0;
}

static void
of_one_owner(enum way way)
{
    struct stage *stage = rlock_stage();

    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    crew_run(way, 2, try_in_vain, stage);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    crew_run(way, 2, try_in_vain, stage);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    crew_run(way, 1, try_it, stage);
    end_stage(stage);
}

static int
release_in_vain(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_rlock_release(stage->lock), -EPERM);
    return 0;
}

static void
free_cannot_be_released(enum way way)
{
    struct stage *stage = rlock_stage();

    crew_run(way, 1, release_in_vain, stage);
    ck_assert_int_eq(mp_rlock_release(stage->lock), -EPERM);
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 0);
    end_stage(stage);
}

static int
hold_until_told(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 2; i++)
        expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
    mp__store(&stage->in, 1);
    party_await(mp__load(&stage->go));
    for (int i = 0; i < 2; i++)
        expect(mp_rlock_release(stage->lock), 0);
    return 0;
}

static void
held_is_seen_by_others(enum way way)
{
    struct stage *stage = rlock_stage();
    struct crew *crew = crew_start(way, 1, hold_until_told, stage);

    await(crew, mp__load(&stage->in));
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_rlock_owner(stage->lock), crew->pids[0]);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_rlock_release(stage->lock), -EPERM);
    mp__store(&stage->go, 1);
    crew_end(crew);
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 0);
    ck_assert_int_eq(mp_rlock_owner(stage->lock), 0);
    end_stage(stage);
}

static int
pass_through(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
    expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_rlock_release(stage->lock), 0);
    expect(mp_rlock_release(stage->lock), 0);
    return 0;
}

static void
contended_is_had_by_all(enum way way)
{
    struct stage *stage = rlock_stage();
    struct crew *crew;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    crew = crew_start(way, MOST, pass_through, stage);
    await(crew, sleepers(stage) == MOST);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(mp__load(&stage->in), 0);
        ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    }
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->in), MOST);
    end_stage(stage);
}

static int
wait_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until = mp_timeout(0.1);

    expect(mp_rlock_acquire(stage->lock, until), -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    return 0;
}

static void
wait_lasts_until_its_deadline(enum way way)
{
    struct stage *stage = rlock_stage();

    ck_assert_int_eq(mp_rlock_acquire(stage->lock, mp_timeout(0)), 0);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, mp_timeout(0)), 0);
    crew_run(way, 3, wait_in_vain, stage);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    crew_run(way, 1, try_it, stage);
    end_stage(stage);
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_rlock_acquire(stage->lock, MP_FOREVER), -EINTR);
    expect(mp_rlock_release(stage->lock), -EPERM);
    return 0;
}

static void
wait_ends_at_a_signal(enum way way)
{
    struct stage *stage = rlock_stage();
    struct crew *crew;

    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    crew = crew_start(way, 1, wait_for_signal, stage);
    await(crew, sleepers(stage) == 1);
    crew_interrupt(crew, 0);
    crew_end(crew);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    end_stage(stage);
}

static int
count_recursively(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 1000; i++) {
        expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
        expect(mp__add(&stage->inside, 1), 0);
        stage->count++;
        expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
        stage->count++;
        expect(mp_rlock_release(stage->lock), 0);
        stage->count++;
        expect(mp__sub(&stage->inside, 1), 1);
        expect(mp_rlock_release(stage->lock), 0);
    }
    return 0;
}

static void
one_at_a_time(enum way way)
{
    struct stage *stage = rlock_stage();

    crew_run(way, 4, count_recursively, stage);
    ck_assert_uint_eq(stage->count, 4 * 3000);
    end_stage(stage);
}

static int
end_holding_it(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 3; i++)
        expect(mp_rlock_acquire(stage->lock, MP_FOREVER), 0);
    return 0;
}

static void
owner_gone_is_told(enum way way)
{
    struct stage *stage = rlock_stage();

    crew_run(way, 1, end_holding_it, stage);
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_rlock_release(stage->lock), -EPERM);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), -EOWNERDEAD);
    ck_assert_int_eq(mp_rlock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_rlock_release(stage->lock), 0);
    ck_assert_int_eq(mp_rlock_locked(stage->lock), 0);
    end_stage(stage);
}

const struct clause rlock_clauses[] = {
    {"rlock_is_recursive", recursive},
    {"rlock_has_one_owner", of_one_owner},
    {"rlock_free_cannot_be_released", free_cannot_be_released},
    {"rlock_held_is_seen_by_others", held_is_seen_by_others},
    {"rlock_contended_is_had_by_all", contended_is_had_by_all},
    {"rlock_wait_lasts_until_its_deadline", wait_lasts_until_its_deadline},
    {"rlock_wait_ends_at_a_signal", wait_ends_at_a_signal},
    {"rlock_is_held_by_one_at_a_time", one_at_a_time},
    {"G02_rlock_owner_gone_is_told", owner_gone_is_told},
    {0},
};
