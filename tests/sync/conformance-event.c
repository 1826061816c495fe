/* SPDX-License-Identifier: MIT */
/* Event: the clauses. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/conformance.h"
#include "sync/event.h"

#include <errno.h>

#define MOST 5

struct stage {
    mp_event *event, *next;
    mp__a32 passed; /* how many have gone on */
};

static struct stage *
event_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_event_create(&stage->event, NULL));
    must(mp_event_create(&stage->next, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_event_destroy(stage->event));
    must(mp_event_destroy(stage->next));
    must(mp_free(stage));
}

static unsigned
sleepers(mp_event *event)
{
    return mp__waiters_of(event, sizeof(*event), NULL, 0);
}

static int
look_at_it(struct party *me)
{
    struct stage *stage = me->arg;
    mp_event *event = stage->event;

    expect(mp_event_is_set(event), 0);
    for (int i = 0; i < 2; i++) {
        expect(mp_event_set(event), 0);
        expect(mp_event_is_set(event), 1);
        expect(mp_event_wait(event, MP_FOREVER), 0);
        expect(mp_event_wait(event, MP_NOW), 0);
        expect(mp_event_wait(event, mp_timeout(-1)), 0);
        expect(mp_event_is_set(event), 1);
    }
    for (int i = 0; i < 2; i++) {
        expect(mp_event_clear(event), 0);
        expect(mp_event_is_set(event), 0);
        expect(mp_event_wait(event, MP_NOW), -EAGAIN);
        expect(mp_event_wait(event, mp_timeout(-1)), -ETIMEDOUT);
    }
    return 0;
}

static void
set_and_cleared(enum way way)
{
    struct stage *stage = event_stage();

    for (int i = 0; i < 2; i++)
        crew_run(way, 1, look_at_it, stage);
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    end_stage(stage);
}

static int
set_it(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_set(stage->event), 0);
    return 0;
}

static int
clear_it(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_is_set(stage->event), 1);
    expect(mp_event_clear(stage->event), 0);
    return 0;
}

static void
changes_are_seen_by_others(enum way way)
{
    struct stage *stage = event_stage();
    struct crew *crew = crew_start(way, 1, set_it, stage);

    ck_assert_int_eq(mp_event_wait(stage->event, mp_timeout(20)), 0);
    crew_end(crew);
    ck_assert_int_eq(mp_event_is_set(stage->event), 1);
    crew_run(way, 1, clear_it, stage);
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    ck_assert_int_eq(mp_event_wait(stage->event, MP_NOW), -EAGAIN);
    end_stage(stage);
}

static int
wait_twice(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_wait(stage->event, MP_FOREVER), 0);
    mp__add(&stage->passed, 1);
    expect(mp_event_wait(stage->event, MP_FOREVER), 0);
    mp__add(&stage->passed, 1);
    return 0;
}

/* And again after it has been set and cleared. */
static void
set_sends_all_on(enum way way)
{
    struct stage *stage = event_stage();

    for (uint32_t round = 0; round < 2; round++) {
        struct crew *crew = crew_start(way, MOST, wait_twice, stage);

        await(crew, sleepers(stage->event) == MOST);
        ck_assert_uint_eq(mp__load(&stage->passed), round * 2 * MOST);
        ck_assert_int_eq(mp_event_set(stage->event), 0);
        crew_end(crew);
        ck_assert_uint_eq(mp__load(&stage->passed), (round + 1) * 2 * MOST);
        ck_assert_int_eq(mp_event_clear(stage->event), 0);
    }
    end_stage(stage);
}

static int
wait_once(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_wait(stage->event, MP_FOREVER), 0);
    mp__add(&stage->passed, 1);
    return 0;
}

static void
set_and_cleared_at_once_sends_all_on(enum way way)
{
    struct stage *stage = event_stage();
    struct crew *crew = crew_start(way, MOST, wait_once, stage);

    await(crew, sleepers(stage->event) == MOST);
    ck_assert_int_eq(mp_event_set(stage->event), 0);
    ck_assert_int_eq(mp_event_clear(stage->event), 0);
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->passed), MOST);
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    end_stage(stage);
}

static int
wait_for_one_then_the_next(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_wait(stage->event, MP_FOREVER), 0);
    expect(mp_event_wait(stage->next, MP_FOREVER), 0);
    mp__add(&stage->passed, 1);
    return 0;
}

static void
cleared_lets_nobody_on(enum way way)
{
    struct stage *stage = event_stage();
    struct crew *crew;

    ck_assert_int_eq(mp_event_set(stage->event), 0);
    ck_assert_int_eq(mp_event_set(stage->next), 0);
    ck_assert_int_eq(mp_event_clear(stage->next), 0);
    crew = crew_start(way, 3, wait_for_one_then_the_next, stage);
    await(crew, sleepers(stage->next) == 3);
    ck_assert_uint_eq(mp__load(&stage->passed), 0);
    ck_assert_int_eq(mp_event_set(stage->next), 0);
    crew_end(crew);
    end_stage(stage);
}

static int
wait_in_vain(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until = mp_timeout(0.1);

    expect(mp_event_wait(stage->event, MP_NOW), -EAGAIN);
    expect(mp_event_wait(stage->event, until), -ETIMEDOUT);
    expect(mp__now() >= until, 1);
    expect(mp_event_is_set(stage->event), 0);
    return 0;
}

static void
wait_lasts_until_its_deadline(enum way way)
{
    struct stage *stage = event_stage();

    crew_run(way, MOST, wait_in_vain, stage);
    ck_assert_int_eq(mp_event_set(stage->event), 0);
    crew_run(way, MOST, wait_once, stage);
    end_stage(stage);
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_event_wait(stage->event, MP_FOREVER), -EINTR);
    return 0;
}

static void
wait_ends_at_a_signal(enum way way)
{
    struct stage *stage = event_stage();
    struct crew *crew = crew_start(way, 2, wait_for_signal, stage);

    await(crew, sleepers(stage->event) == 2);
    crew_interrupt(crew, 0);
    ck_assert_uint_eq(sleepers(stage->event), 1);
    crew_interrupt(crew, 1);
    crew_end(crew);
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    end_stage(stage);
}

/* Each sends the next on its way. */
static int
pass_on(struct party *me)
{
    mp_event **line = me->arg;

    expect(mp_event_wait(line[me->i], MP_FOREVER), 0);
    expect(mp_event_set(line[me->i + 1]), 0);
    return 0;
}

static void
set_is_passed_on_down_a_line(enum way way)
{
    mp_event **line = mp_new_array(mp_event *, MOST + 1);
    struct crew *crew;

    for (int i = 0; i <= MOST; i++)
        must(mp_event_create(&line[i], NULL));
    crew = crew_start(way, MOST, pass_on, line);
    await(crew, sleepers(line[MOST - 1]) == 1);
    ck_assert_int_eq(mp_event_is_set(line[MOST]), 0);
    ck_assert_int_eq(mp_event_set(line[0]), 0);
    ck_assert_int_eq(mp_event_wait(line[MOST], mp_timeout(20)), 0);
    crew_end(crew);
    for (int i = 0; i <= MOST; i++)
        must(mp_event_destroy(line[i]));
    must(mp_free(line));
}

const struct clause event_clauses[] = {
    {"event_set_and_cleared", set_and_cleared},
    {"event_changes_are_seen_by_others", changes_are_seen_by_others},
    {"event_set_sends_all_on", set_sends_all_on},
    {"event_set_and_cleared_at_once_sends_all_on",
     set_and_cleared_at_once_sends_all_on},
    {"event_cleared_lets_nobody_on", cleared_lets_nobody_on},
    {"event_wait_lasts_until_its_deadline", wait_lasts_until_its_deadline},
    {"event_wait_ends_at_a_signal", wait_ends_at_a_signal},
    {"event_set_is_passed_on_down_a_line", set_is_passed_on_down_a_line},
    {0},
};
