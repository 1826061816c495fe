/* SPDX-License-Identifier: MIT */
/* Condition: the clauses of its lock, and of notifying. */
#include "os/clock.h"
#include "sync/conformance.h"

#include <errno.h>

#define MOST 6

struct stage {
    mp_lock *lock; /* that of `condition`, or NULL */
    mp_condition *condition, *other;
    mp__a32 in;            /* waits begun */
    mp__a32 first, second; /* first and second waits ended */
    uint32_t line[MOST];   /* who came, in this order */
    uint32_t last;         /* who went on */
};

static struct stage *
stage_with(mp_lock *lock)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->lock = lock;
    must(mp_condition_create(&stage->condition,
                             MP_CONDITION_ATTR(.lock = lock)));
    return stage;
}

static struct stage *
condition_stage(void)
{
    return stage_with(NULL);
}

static void
end_stage(struct stage *stage)
{
    must(mp_condition_destroy(stage->condition));
    must(mp_lock_destroy(stage->lock));
    must(mp_free(stage));
}

/* All of `n` wait: each counts itself with the lock held, and gives it up by
 * waiting only. */
static void
gather(struct crew *crew, struct stage *stage, uint32_t n)
{
    await(crew, mp__load(&stage->in) == n);
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    must(mp_condition_release(stage->condition));
}

static void
notify(struct stage *stage, size_t n)
{
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    ck_assert_int_eq(mp_condition_notify(stage->condition, n), 0);
    must(mp_condition_release(stage->condition));
}

/* Nobody goes on who should not: those notified all have the lock behind
 * them, and an old notification is not kept. */
static void
nobody_else_goes_on(struct stage *stage, uint32_t went)
{
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    ck_assert_int_eq(mp_condition_wait(stage->condition, mp_timeout(0.02)),
                     -ETIMEDOUT);
    ck_assert_uint_eq(mp__load(&stage->first) + mp__load(&stage->second),
                      went);
    must(mp_condition_release(stage->condition));
}

/* ---- The lock ---- */

static int
find_it_held(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_NOW), -EAGAIN);
    expect(mp_condition_acquire(stage->condition, mp_timeout(0.01)),
           -ETIMEDOUT);
    expect(mp_condition_notify(stage->condition, 1), -EPERM);
    expect(mp_condition_notify_all(stage->condition), -EPERM);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), -EPERM);
    expect(mp_condition_wait(stage->condition, MP_NOW), -EPERM);
    return 0;
}

static int
acquire_twice(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 2; i++)
        expect(mp_condition_acquire(stage->condition, MP_NOW), 0);
    for (int i = 0; i < 2; i++)
        expect(mp_condition_release(stage->condition), 0);
    expect(mp_condition_release(stage->condition), -EPERM);
    return 0;
}

static void
has_an_rlock_of_its_own(enum way way)
{
    struct stage *stage = condition_stage();

    crew_run(way, 1, acquire_twice, stage);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_NOW), 0);
    for (int i = 0; i < 2; i++) {
        crew_run(way, 2, find_it_held, stage);
        must(mp_condition_release(stage->condition));
    }
    crew_run(way, 1, acquire_twice, stage);
    end_stage(stage);
}

static int
use_given_lock(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    expect(mp_lock_locked(stage->lock), 1);
    expect(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    expect(mp_condition_acquire(stage->condition, MP_NOW), -EAGAIN);
    expect(mp_condition_release(stage->condition), 0);
    expect(mp_lock_acquire(stage->lock, MP_NOW), 0);
    expect(mp_condition_acquire(stage->condition, MP_NOW), -EAGAIN);
    expect(mp_condition_notify(stage->condition, 1), 0);
    expect(mp_lock_release(stage->lock), 0);
    return 0;
}

static void
uses_the_lock_it_is_given(enum way way)
{
    mp_lock *lock;
    struct stage *stage;

    must(mp_lock_create(&lock, NULL));
    stage = stage_with(lock);
    crew_run(way, 1, use_given_lock, stage);
    must(mp_lock_acquire(lock, MP_NOW));
    crew_run(way, 2, find_it_held, stage);
    must(mp_condition_release(stage->condition));
    end_stage(stage);
}

static int
need_the_lock(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_wait(stage->condition, MP_FOREVER), -EPERM);
    expect(mp_condition_notify(stage->condition, 1), -EPERM);
    expect(mp_condition_notify_all(stage->condition), -EPERM);
    expect(mp_condition_acquire(stage->condition, MP_NOW), 0);
    expect(mp_condition_notify(stage->condition, 0), -EINVAL);
    expect(mp_condition_notify(stage->condition, 1), 0);
    expect(mp_condition_notify_all(stage->condition), 0);
    expect(mp_condition_wait(stage->condition, MP_NOW), -EAGAIN);
    expect(mp_condition_wait(stage->condition, mp_timeout(-1)), -ETIMEDOUT);
    expect(mp_condition_release(stage->condition), 0);
    expect(mp_condition_notify(stage->condition, 1), -EPERM);
    return 0;
}

static void
is_used_with_its_lock_held(enum way way)
{
    struct stage *stage = condition_stage();

    crew_run(way, 1, need_the_lock, stage);
    ck_assert_int_eq(mp_condition_notify_all(stage->condition), -EPERM);
    end_stage(stage);
}

static int
wait_three_deep(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 3; i++)
        expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), 0);
    mp__store(&stage->first, 1);
    for (int i = 0; i < 3; i++) {
        expect(mp_condition_notify(stage->condition, 1), 0);
        expect(mp_condition_release(stage->condition), 0);
    }
    expect(mp_condition_release(stage->condition), -EPERM);
    return 0;
}

static void
wait_gives_the_lock_up_entirely(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 1, wait_three_deep, stage);

    gather(crew, stage, 1);
    notify(stage, 1);
    crew_end(crew);
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_NOW), 0);
    must(mp_condition_release(stage->condition));
    end_stage(stage);
}

static int
wait_once(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    stage->line[mp__load(&stage->in) % MOST] = (uint32_t)me->i;
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), 0);
    stage->last = (uint32_t)me->i;
    mp__add(&stage->first, 1);
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static void
wait_returns_with_the_lock(enum way way)
{
    struct stage *stage;
    struct crew *crew;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    stage = stage_with(lock);
    crew = crew_start(way, 3, wait_once, stage);
    gather(crew, stage, 3);
    must(mp_lock_acquire(lock, MP_FOREVER));
    ck_assert_int_eq(mp_condition_notify_all(stage->condition), 0);
    await(crew, mp_lock_waiters(lock, NULL, 0) == 3);
    ck_assert_uint_eq(mp__load(&stage->first), 0);
    must(mp_lock_release(lock));
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->first), 3);
    end_stage(stage);
}

/* ---- Notifying ---- */

static void
notify_sends_one_on_in_order(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 4, wait_once, stage);

    gather(crew, stage, 4);
    for (uint32_t i = 0; i < 4; i++) {
        notify(stage, 1);
        await(crew, mp__load(&stage->first) == i + 1);
        nobody_else_goes_on(stage, i + 1);
        ck_assert_uint_eq(stage->last, stage->line[i]);
    }
    crew_end(crew);
    nobody_else_goes_on(stage, 4);
    end_stage(stage);
}

static void
notify_sends_as_many_on_as_it_says(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, MOST, wait_once, stage);

    gather(crew, stage, MOST);
    notify(stage, 2);
    await(crew, mp__load(&stage->first) == 2);
    nobody_else_goes_on(stage, 2);
    notify(stage, 4);
    crew_end(crew);
    notify(stage, 3); /* for nobody: it is not kept */
    nobody_else_goes_on(stage, MOST);
    end_stage(stage);
}

static void
notify_all_sends_all_on(enum way way)
{
    struct stage *stage = condition_stage();

    for (uint32_t round = 1; round <= 3; round++) {
        struct crew *crew = crew_start(way, MOST, wait_once, stage);

        gather(crew, stage, MOST * round);
        ck_assert_uint_eq(mp__load(&stage->first), MOST * (round - 1));
        must(mp_condition_acquire(stage->condition, MP_FOREVER));
        ck_assert_int_eq(mp_condition_notify_all(stage->condition), 0);
        must(mp_condition_release(stage->condition));
        crew_end(crew);
        ck_assert_uint_eq(mp__load(&stage->first), MOST * round);
    }
    nobody_else_goes_on(stage, MOST * 3);
    end_stage(stage);
}

static int
wait_twice(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->first, 1);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->second, 1);
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

/* Three of five go on and wait again; then the five who have waited longest:
 * two in their first wait, three in their second. */
static void
notify_counts_those_who_wait_again(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 5, wait_twice, stage);

    gather(crew, stage, 5);
    notify(stage, 3);
    gather(crew, stage, 8);
    ck_assert_uint_eq(mp__load(&stage->first), 3);
    ck_assert_uint_eq(mp__load(&stage->second), 0);
    notify(stage, 5);
    gather(crew, stage, 10);
    await(crew, mp__load(&stage->second) == 3);
    ck_assert_uint_eq(mp__load(&stage->first), 5);
    nobody_else_goes_on(stage, 8);
    must(mp_condition_acquire(stage->condition, MP_FOREVER));
    ck_assert_int_eq(mp_condition_notify_all(stage->condition), 0);
    must(mp_condition_release(stage->condition));
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->second), 5);
    end_stage(stage);
}

static int
wait_in_the_other(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->other, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->other, MP_FOREVER), 0);
    mp__add(&stage->second, 1);
    expect(mp_condition_release(stage->other), 0);
    return 0;
}

static void
several_share_a_lock(enum way way)
{
    struct crew *crew, *others;
    struct stage *stage;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    stage = stage_with(lock);
    must(mp_condition_create(&stage->other, MP_CONDITION_ATTR(.lock = lock)));
    crew = crew_start(way, 2, wait_once, stage);
    others = crew_start(way, 2, wait_in_the_other, stage);
    gather(crew, stage, 4);
    notify(stage, 4); /* two wait in this one */
    crew_end(crew);
    nobody_else_goes_on(stage, 2);
    ck_assert_uint_eq(mp__load(&stage->second), 0);
    must(mp_lock_acquire(lock, MP_FOREVER));
    ck_assert_int_eq(mp_condition_notify_all(stage->other), 0);
    must(mp_lock_release(lock));
    crew_end(others);
    must(mp_condition_destroy(stage->other));
    end_stage(stage);
}

/* What Python has not. */
static int
wait_for_heritage(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), -EOWNERDEAD);
    expect(mp_condition_notify(stage->condition, 1), 0); /* it has the lock */
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static int
notify_and_end(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    expect(mp_condition_notify(stage->condition, 1), 0);
    return 0;
}

static void
owner_gone_is_told(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 1, wait_for_heritage, stage);

    gather(crew, stage, 1);
    crew_run(way, 1, notify_and_end, stage);
    crew_end(crew);
    crew_run(way, 1, notify_and_end, stage);
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_NOW),
                     -EOWNERDEAD);
    must(mp_condition_release(stage->condition));
    end_stage(stage);
}

const struct clause condition_clauses[] = {
    {"condition_has_an_rlock_of_its_own", has_an_rlock_of_its_own},
    {"condition_uses_the_lock_it_is_given", uses_the_lock_it_is_given},
    {"condition_is_used_with_its_lock_held", is_used_with_its_lock_held},
    {"condition_wait_gives_the_lock_up_entirely",
     wait_gives_the_lock_up_entirely},
    {"condition_wait_returns_with_the_lock", wait_returns_with_the_lock},
    {"condition_notify_sends_one_on_in_order", notify_sends_one_on_in_order},
    {"condition_notify_sends_as_many_on_as_it_says",
     notify_sends_as_many_on_as_it_says},
    {"condition_notify_all_sends_all_on", notify_all_sends_all_on},
    {"condition_notify_counts_those_who_wait_again",
     notify_counts_those_who_wait_again},
    {"condition_several_share_a_lock", several_share_a_lock},
    {"G02_condition_owner_gone_is_told", owner_gone_is_told},
    {0},
};
