/* SPDX-License-Identifier: MIT */
/* Condition: the clauses of how a wait ends, and of waiting for a predicate. */
#include "os/clock.h"
#include "sync/conformance.h"

#include <errno.h>

struct stage {
    mp_condition *condition;
    mp__a32 in; /* waits begun */
    mp__a32 passed;
    int state;
    int produced, consumed, stored;
};

static struct stage *
condition_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_condition_create(&stage->condition, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_condition_destroy(stage->condition));
    must(mp_free(stage));
}

/* The party waits: it counts itself with the lock held, and gives it up by
 * waiting only. */
static void
gather(struct crew *crew, struct stage *stage)
{
    await(crew, mp__load(&stage->in) == 1);
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    must(mp_condition_release(stage->condition));
}

static void
notify(struct stage *stage)
{
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    ck_assert_int_eq(mp_condition_notify(stage->condition, 1), 0);
    must(mp_condition_release(stage->condition));
}

/* ---- The end of a wait ---- */

static int
wait_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    until = mp_timeout(0.05);
    expect(mp_condition_wait(stage->condition, until), -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    stage->state++;
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static void
wait_lasts_until_its_deadline(enum way way)
{
    struct stage *stage = condition_stage();

    notify(stage); /* before anybody waits */
    crew_run(way, 5, wait_in_vain, stage);
    ck_assert_int_eq(stage->state, 5);
    end_stage(stage);
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(mp_condition_wait(stage->condition, MP_FOREVER), -EINTR);
    expect(mp_condition_notify(stage->condition, 1), 0); /* it has the lock */
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static void
wait_ends_at_a_signal(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 1, wait_for_signal, stage);

    gather(crew, stage);
    crew_interrupt(crew, 0);
    crew_end(crew);
    ck_assert_int_eq(mp_condition_acquire(stage->condition, MP_NOW), 0);
    must(mp_condition_release(stage->condition));
    end_stage(stage);
}

static int
state_is_4(void *arg)
{
    struct stage *stage = arg;

    /* The lock is held, so this is allowed. */
    if (mp_condition_notify(stage->condition, 1) < 0)
        return -EPERM;
    return stage->state == 4 ? 4711 : 0;
}

static int
wait_for_4(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    expect(
        mp_condition_wait_for(stage->condition, state_is_4, stage, MP_FOREVER),
        4711);
    expect(stage->state, 4);
    mp__add(&stage->passed, 1);
    expect(mp_condition_wait_for(stage->condition, state_is_4, stage, MP_NOW),
           4711);
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static void
wait_for_waits_for_the_predicate(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 1, wait_for_4, stage);

    gather(crew, stage);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(mp__load(&stage->passed), 0);
        must(mp_condition_acquire(stage->condition, MP_FOREVER));
        stage->state++;
        ck_assert_int_eq(mp_condition_notify(stage->condition, 1), 0);
        must(mp_condition_release(stage->condition));
    }
    crew_end(crew);
    end_stage(stage);
}

static int
refuse(void *arg)
{
    struct stage *stage = arg;

    return stage->state++ ? -ERANGE : 0;
}

static int
wait_for_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until;

    expect(mp_condition_wait_for(stage->condition, state_is_4, stage, MP_NOW),
           -EPERM);
    expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
    mp__add(&stage->in, 1);
    until = mp_timeout(0.1);
    expect(mp_condition_wait_for(stage->condition, state_is_4, stage, until),
           -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    expect(mp_condition_wait_for(stage->condition, state_is_4, stage, MP_NOW),
           -EAGAIN);
    expect(stage->state <= 3, 1);
    stage->state = 1;
    expect(mp_condition_wait_for(stage->condition, refuse, stage, MP_FOREVER),
           -ERANGE);
    expect(mp_condition_release(stage->condition), 0);
    return 0;
}

static void
wait_for_ends_as_the_wait_does(enum way way)
{
    struct stage *stage = condition_stage();
    struct crew *crew = crew_start(way, 1, wait_for_in_vain, stage);

    gather(crew, stage);
    notify(stage); /* too little has happened */
    crew_end(crew);
    end_stage(stage);
}

/* ---- All of it ---- */

#define ITEMS 300
#define ROOM  4

static int
has_room(void *arg)
{
    return ((struct stage *)arg)->stored < ROOM;
}

static int
has_something(void *arg)
{
    struct stage *stage = arg;

    return stage->stored > 0 || stage->produced == ITEMS;
}

static int
produce(struct stage *stage, struct party *me)
{
    for (int done = 0; !done;) {
        expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
        expect(mp_condition_wait_for(stage->condition, has_room, stage,
                                     MP_FOREVER),
               1);
        done = stage->produced == ITEMS;
        if (!done) {
            stage->produced++;
            stage->stored++;
        }
        expect(mp_condition_notify_all(stage->condition), 0);
        expect(mp_condition_release(stage->condition), 0);
    }
    return 0;
}

static int
consume(struct stage *stage, struct party *me)
{
    for (int done = 0; !done;) {
        expect(mp_condition_acquire(stage->condition, MP_FOREVER), 0);
        expect(mp_condition_wait_for(stage->condition, has_something, stage,
                                     MP_FOREVER),
               1);
        done = stage->stored == 0;
        if (!done) {
            stage->stored--;
            stage->consumed++;
        }
        expect(mp_condition_notify_all(stage->condition), 0);
        expect(mp_condition_release(stage->condition), 0);
    }
    return 0;
}

static int
produce_or_consume(struct party *me)
{
    struct stage *stage = me->arg;

    return me->i < 2 ? produce(stage, me) : consume(stage, me);
}

static void
serves_producers_and_consumers(enum way way)
{
    struct stage *stage = condition_stage();

    crew_run(way, 5, produce_or_consume, stage);
    ck_assert_int_eq(stage->produced, ITEMS);
    ck_assert_int_eq(stage->consumed, ITEMS);
    ck_assert_int_eq(stage->stored, 0);
    end_stage(stage);
}

const struct clause condition_wait_clauses[] = {
    {"condition_wait_lasts_until_its_deadline", wait_lasts_until_its_deadline},
    {"condition_wait_ends_at_a_signal", wait_ends_at_a_signal},
    {"condition_wait_for_waits_for_the_predicate",
     wait_for_waits_for_the_predicate},
    {"condition_wait_for_ends_as_the_wait_does",
     wait_for_ends_as_the_wait_does},
    {"condition_serves_producers_and_consumers",
     serves_producers_and_consumers},
    {0},
};
