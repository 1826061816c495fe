/* SPDX-License-Identifier: MIT */
/* Lock: the clauses. */
#include "os/clock.h"
#include "sync/conformance.h"

#include <errno.h>

#define MOST 5

struct stage {
    mp_lock *lock;
    mp__a32 in;     /* parties that have come so far */
    mp__a32 go;     /* the test says: go on */
    mp__a32 inside; /* who holds it at the moment */
    uint64_t count; /* what it guards */
};

static struct stage *
lock_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_lock_create(&stage->lock, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_lock_destroy(stage->lock));
    must(mp_free(stage));
}

static int
sleepers(struct stage *stage)
{
    return mp_lock_waiters(stage->lock, NULL, 0);
}

/* ---- What the parties do ---- */

static int
hold_until_told(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    expect(mp_lock_locked(stage->lock), 1);
    mp__store(&stage->in, 1);
    party_await(mp__load(&stage->go));
    expect(mp_lock_release(stage->lock), 0);
    return 0;
}

static int
pass_through(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_lock_release(stage->lock), 0);
    return 0;
}

static int
try_in_vain(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_locked(stage->lock), 1);
    expect(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    expect(mp_lock_acquire(stage->lock, mp_timeout(-3)), -ETIMEDOUT);
    return 0;
}

static int
release_it(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_release(stage->lock), 0);
    return 0;
}

static int
acquire_twice(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 2; i++) {
        expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
        mp__add(&stage->in, 1);
    }
    expect(mp_lock_release(stage->lock), 0);
    return 0;
}

static int
wait_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until = mp_timeout(0.1);

    expect(mp_lock_acquire(stage->lock, until), -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    return 0;
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_acquire(stage->lock, MP_FOREVER), -EINTR);
    mp__add(&stage->in, 1);
    return 0;
}

static int
count_alone(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 2000; i++) {
        expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
        expect(mp__add(&stage->inside, 1), 0);
        stage->count++;
        expect(mp__sub(&stage->inside, 1), 1);
        expect(mp_lock_release(stage->lock), 0);
    }
    return 0;
}

static int
end_holding_it(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    return 0;
}

/* ---- The clauses ---- */

static void
acquired_and_released(enum way way)
{
    struct stage *stage = lock_stage();

    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_FOREVER), 0);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
    crew_run(way, MOST, try_in_vain, stage);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    end_stage(stage);
}

static void
held_is_seen_by_others(enum way way)
{
    struct stage *stage = lock_stage();
    struct crew *crew = crew_start(way, 1, hold_until_told, stage);

    await(crew, mp__load(&stage->in));
    ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_lock_owner(stage->lock), crew->pids[0]);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    mp__store(&stage->go, 1);
    crew_end(crew);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    end_stage(stage);
}

static void
contended_is_had_by_all(enum way way)
{
    struct stage *stage = lock_stage();
    struct crew *crew;

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    crew = crew_start(way, MOST, pass_through, stage);
    await(crew, sleepers(stage) == MOST);
    ck_assert_uint_eq(mp__load(&stage->in), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->in), MOST);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    end_stage(stage);
}

static void
owner_waits_as_all_do(enum way way)
{
    struct stage *stage = lock_stage();
    struct crew *crew = crew_start(way, 1, acquire_twice, stage);

    await(crew, sleepers(stage) == 1);
    ck_assert_uint_eq(mp__load(&stage->in), 1);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->in), 2);
    end_stage(stage);
}

static void
released_by_another(enum way way)
{
    struct stage *stage = lock_stage();

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    crew_run(way, 1, release_it, stage);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    end_stage(stage);
}

static int
release_in_vain(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_lock_release(stage->lock), -EOVERFLOW);
    return 0;
}

static void
free_cannot_be_released(enum way way)
{
    struct stage *stage = lock_stage();

    crew_run(way, 2, release_in_vain, stage);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), -EOVERFLOW);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    end_stage(stage);
}

static void
wait_lasts_until_its_deadline(enum way way)
{
    struct stage *stage = lock_stage();

    ck_assert_int_eq(mp_lock_acquire(stage->lock, mp_timeout(-1)), 0);
    crew_run(way, 3, wait_in_vain, stage);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    end_stage(stage);
}

static void
wait_ends_at_a_signal(enum way way)
{
    struct stage *stage = lock_stage();
    struct crew *crew;

    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    crew = crew_start(way, 2, wait_for_signal, stage);
    await(crew, sleepers(stage) == 2);
    crew_interrupt(crew, 0);
    ck_assert_uint_eq(mp__load(&stage->in), 1);
    ck_assert_int_eq(sleepers(stage), 1);
    crew_interrupt(crew, 1);
    crew_end(crew);
    ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
    ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    end_stage(stage);
}

static void
one_at_a_time(enum way way)
{
    struct stage *stage = lock_stage();

    crew_run(way, 4, count_alone, stage);
    ck_assert_uint_eq(stage->count, 4 * 2000);
    end_stage(stage);
}

/* In Python it stays locked for ever. */
static void
owner_gone_is_told(enum way way)
{
    struct stage *stage = lock_stage();

    for (int i = 0; i < 3; i++) {
        crew_run(way, 1, end_holding_it, stage);
        ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
        ck_assert_int_eq(mp_lock_owner(stage->lock), -EOWNERDEAD);
        ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EOWNERDEAD);
        ck_assert_int_eq(mp_lock_release(stage->lock), 0);
        ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
        ck_assert_int_eq(mp_lock_release(stage->lock), 0);
    }
    end_stage(stage);
}

static int
lend_through_queue(struct party *me)
{
    mp_queue *queue = me->arg;
    mp_lock *lock;

    expect(mp_queue_get(queue, &lock, sizeof(lock), MP_FOREVER), sizeof(lock));
    expect(mp_lock_acquire(lock, MP_NOW), 0);
    expect(mp_lock_release(lock), 0);
    expect(mp_lock_destroy(lock), 0);
    expect(mp_lock_create(&lock, NULL), 0);
    expect(mp_queue_put(queue, &lock, sizeof(lock), MP_FOREVER), 0);
    return 0;
}

/* G20, G21: any handle may be passed to any process. */
static void
sent_in_a_message(enum way way)
{
    mp_queue *queue;
    mp_lock *lock;

    must(mp_queue_create(&queue, NULL));
    must(mp_lock_create(&lock, NULL));
    must(mp_queue_put(queue, &lock, sizeof(lock), MP_NOW));
    crew_run(way, 1, lend_through_queue, queue);
    must(mp_queue_get(queue, &lock, sizeof(lock), MP_NOW));
    ck_assert_int_eq(mp_lock_acquire(lock, MP_NOW), 0);
    ck_assert_int_eq(mp_lock_release(lock), 0);
    must(mp_lock_destroy(lock));
    must(mp_queue_destroy(queue));
}

const struct clause lock_clauses[] = {
    {"lock_acquired_and_released", acquired_and_released},
    {"lock_held_is_seen_by_others", held_is_seen_by_others},
    {"lock_contended_is_had_by_all", contended_is_had_by_all},
    {"lock_owner_waits_as_all_do", owner_waits_as_all_do},
    {"lock_released_by_another", released_by_another},
    {"lock_free_cannot_be_released", free_cannot_be_released},
    {"lock_wait_lasts_until_its_deadline", wait_lasts_until_its_deadline},
    {"lock_wait_ends_at_a_signal", wait_ends_at_a_signal},
    {"lock_is_held_by_one_at_a_time", one_at_a_time},
    {"G02_lock_owner_gone_is_told", owner_gone_is_told},
    {"G20_lock_sent_in_a_message", sent_in_a_message},
    {0},
};
