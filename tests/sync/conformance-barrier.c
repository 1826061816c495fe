/* SPDX-License-Identifier: MIT */
/* Barrier: the clauses. */
#include "os/clock.h"
#include "sync/conformance.h"

#include <errno.h>

#define N 5

struct stage {
    mp_barrier *barrier, *second;
    int rounds;
    mp__a32 before, after;     /* passes begun, passes ended */
    mp__a32 numbers;           /* a bit for each that was given */
    mp__a32 acted;             /* calls of the action */
    mp__a32 passed, cancelled; /* results of waits */
    mp__a32 go;
};

static struct stage *
barrier_stage(uint32_t parties)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_barrier_create(&stage->barrier, parties, NULL));
    must(mp_barrier_create(&stage->second, parties, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_barrier_destroy(stage->barrier));
    must(mp_barrier_destroy(stage->second));
    must(mp_free(stage));
}

/* ---- Passing ---- */

static int
pass_in_step(struct party *me)
{
    struct stage *stage = me->arg;

    for (uint32_t i = 0; i < (uint32_t)stage->rounds; i++) {
        mp__add(&stage->before, 1);
        expect(mp__load(&stage->after), i * N);
        expect(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
        mp__add(&stage->after, 1);
        expect(mp__load(&stage->before), (i + 1) * N);
        expect(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
    }
    return 0;
}

static void
is_passed_in_step(enum way way)
{
    struct stage *stage = barrier_stage(N);

    stage->rounds = 50;
    ck_assert_int_eq(mp_barrier_parties(stage->barrier), N);
    crew_run(way, N, pass_in_step, stage);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    end_stage(stage);
}

static int
count_rounds(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < stage->rounds; i++)
        expect(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
    mp__add(&stage->passed, (uint32_t)stage->rounds);
    return 0;
}

static void
is_passed_a_thousand_times(enum way way)
{
    struct stage *stage = barrier_stage(3);

    stage->rounds = mp_test_scale() > 1 ? 100 : 1000;
    crew_run(way, 3, count_rounds, stage);
    ck_assert_uint_eq(mp__load(&stage->passed), 3 * (uint32_t)stage->rounds);
    end_stage(stage);
}

static int
take_a_number(struct party *me)
{
    struct stage *stage = me->arg;
    int number = mp_barrier_wait(stage->barrier, MP_FOREVER);

    expect(number >= 0 && number < N, 1);
    mp__add(&stage->numbers, 1u << number);
    return 0;
}

static void
gives_each_another_number(enum way way)
{
    struct stage *stage = barrier_stage(N);

    for (int i = 0; i < 3; i++) {
        mp__store(&stage->numbers, 0);
        crew_run(way, N, take_a_number, stage);
        ck_assert_uint_eq(mp__load(&stage->numbers), (1u << N) - 1);
    }
    end_stage(stage);
}

static void
of_one_lets_it_pass(enum way way)
{
    struct stage *stage = barrier_stage(1);

    (void)way;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER), 0);
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), 0);
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, mp_timeout(-1)), 0);
    }
    end_stage(stage);
}

static void
waits_for_all(enum way way)
{
    struct stage *stage = barrier_stage(N);
    struct crew *crew = crew_start(way, N - 1, take_a_number, stage);

    await(crew, mp_barrier_n_waiting(stage->barrier) == N - 1);
    ck_assert_uint_eq(mp__load(&stage->numbers), 0);
    ck_assert_int_ge(mp_barrier_wait(stage->barrier, MP_NOW), 0);
    crew_end(crew);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    end_stage(stage);
}

static void
incomplete_does_not_wait_now(enum way way)
{
    struct stage *stage = barrier_stage(N);
    struct crew *crew;

    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    crew = crew_start(way, N - 2, take_a_number, stage);
    await(crew, mp_barrier_n_waiting(stage->barrier) == N - 2);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), N - 2);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    crew_run(way, 2, take_a_number, stage);
    crew_end(crew);
    ck_assert_uint_eq(mp__load(&stage->numbers), (1u << N) - 1);
    end_stage(stage);
}

/* ---- The action ---- */

static int
act(void *arg)
{
    struct stage *stage = arg;

    /* Nobody is released before. */
    if (mp__load(&stage->passed) != 0)
        return -EDOM;
    mp__add(&stage->acted, 1);
    return 0;
}

static int
pass_with_action(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_barrier_wait_with(stage->barrier, act, stage, MP_FOREVER) >= 0,
           1);
    expect(mp__load(&stage->acted), 1);
    mp__add(&stage->passed, 1);
    return 0;
}

static void
action_is_done_once_before_all_pass(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, pass_with_action, stage);
    ck_assert_uint_eq(mp__load(&stage->acted), 1);
    ck_assert_uint_eq(mp__load(&stage->passed), N);
    end_stage(stage);
}

static int
refuse(void *unused)
{
    (void)unused;
    return -ERANGE;
}

static int
pass_with_failure(struct party *me)
{
    struct stage *stage = me->arg;
    int r = mp_barrier_wait_with(stage->barrier, refuse, NULL, MP_FOREVER);

    expect(r == -ERANGE || r == -ECANCELED, 1);
    mp__add(r == -ERANGE ? &stage->passed : &stage->cancelled, 1);
    return 0;
}

static void
action_that_fails_breaks_it(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, pass_with_failure, stage);
    ck_assert_uint_eq(mp__load(&stage->passed), 1);
    ck_assert_uint_eq(mp__load(&stage->cancelled), N - 1);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    end_stage(stage);
}

/* ---- Broken ---- */

/* The party with the middle number breaks it, the others wait. */
static int
wait_or_abort(struct party *me)
{
    struct stage *stage = me->arg;
    int number = mp_barrier_wait(stage->barrier, MP_FOREVER);

    expect(number >= 0, 1);
    if (number == N / 2) {
        expect(mp_barrier_abort(stage->barrier), 0);
        return 0;
    }
    expect(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
    mp__add(&stage->cancelled, 1);
    return 0;
}

static void
aborted_sends_all_away(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, wait_or_abort, stage);
    ck_assert_uint_eq(mp__load(&stage->cancelled), N - 1);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -ECANCELED);
    end_stage(stage);
}

static int
wait_or_reset(struct party *me)
{
    struct stage *stage = me->arg;
    int number = mp_barrier_wait(stage->barrier, MP_FOREVER);

    expect(number >= 0, 1);
    if (number == N / 2) {
        party_await(mp_barrier_n_waiting(stage->barrier) == N - 1);
        expect(mp_barrier_reset(stage->barrier), 0);
    } else {
        expect(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
        mp__add(&stage->cancelled, 1);
    }
    expect(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
    mp__add(&stage->passed, 1);
    return 0;
}

static void
reset_sends_away_and_is_whole(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, wait_or_reset, stage);
    ck_assert_uint_eq(mp__load(&stage->cancelled), N - 1);
    ck_assert_uint_eq(mp__load(&stage->passed), N);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    end_stage(stage);
}

static int
abort_then_reset(struct party *me)
{
    struct stage *stage = me->arg;
    int number;

    if (wait_or_abort(me) != 0)
        return 1;
    /* The second one sees to it that nobody is in the first any more. */
    number = mp_barrier_wait(stage->second, MP_FOREVER);
    expect(number >= 0, 1);
    if (number == N / 2)
        expect(mp_barrier_reset(stage->barrier), 0);
    expect(mp_barrier_wait(stage->second, MP_FOREVER) >= 0, 1);
    expect(mp_barrier_wait(stage->barrier, MP_FOREVER) >= 0, 1);
    mp__add(&stage->passed, 1);
    return 0;
}

static void
aborted_is_whole_after_a_reset(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, abort_then_reset, stage);
    ck_assert_uint_eq(mp__load(&stage->cancelled), N - 1);
    ck_assert_uint_eq(mp__load(&stage->passed), N);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    end_stage(stage);
}

/* One is late: the first whose time is over breaks it. */
static int
wait_for_the_late(struct party *me)
{
    struct stage *stage = me->arg;
    mp_time until = mp_timeout(0.1);
    int r;

    if (me->i == 0) {
        party_await(mp_barrier_broken(stage->barrier));
        expect(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
        return 0;
    }
    r = mp_barrier_wait(stage->barrier, me->i == 1 ? until : MP_FOREVER);
    expect(r, me->i == 1 ? -ETIMEDOUT : -ECANCELED);
    expect(me->i != 1 || mp__now() >= until, 1);
    mp__add(&stage->cancelled, 1);
    return 0;
}

static void
deadline_passed_breaks_it(enum way way)
{
    struct stage *stage = barrier_stage(N);

    crew_run(way, N, wait_for_the_late, stage);
    ck_assert_uint_eq(mp__load(&stage->cancelled), N - 1);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    end_stage(stage);
}

static int
wait_for_signal(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_barrier_wait(stage->barrier, MP_FOREVER), -EINTR);
    return 0;
}

static void
interrupted_counts_as_not_come(enum way way)
{
    struct stage *stage = barrier_stage(2);
    struct crew *crew = crew_start(way, 1, wait_for_signal, stage);

    await(crew, mp_barrier_n_waiting(stage->barrier) == 1);
    crew_interrupt(crew, 0);
    crew_end(crew);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    crew_run(way, 2, take_a_number, stage);
    ck_assert_uint_eq(mp__load(&stage->numbers), 3);
    end_stage(stage);
}

/* What Python has not. */
static int
register_and_end(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_barrier_register(stage->barrier), 0);
    expect(mp_barrier_register(stage->barrier), 0);
    party_await(mp_barrier_n_waiting(stage->barrier) == 1);
    return 0;
}

static int
wait_for_the_dead(struct party *me)
{
    struct stage *stage = me->arg;

    expect(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
    return 0;
}

static void
registered_and_gone_breaks_it(enum way way)
{
    struct stage *stage = barrier_stage(2);
    struct crew *crew = crew_start(way, 1, register_and_end, stage);

    crew_run(way, 1, wait_for_the_dead, stage);
    crew_end(crew);
    ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
    ck_assert_int_eq(mp_barrier_reset(stage->barrier), 0);
    crew_run(way, 2, take_a_number, stage);
    end_stage(stage);
}

const struct clause barrier_clauses[] = {
    {"barrier_is_passed_in_step", is_passed_in_step},
    {"barrier_is_passed_a_thousand_times", is_passed_a_thousand_times},
    {"barrier_gives_each_another_number", gives_each_another_number},
    {"barrier_of_one_lets_it_pass", of_one_lets_it_pass},
    {"barrier_waits_for_all", waits_for_all},
    {"barrier_incomplete_does_not_wait_now", incomplete_does_not_wait_now},
    {"barrier_action_is_done_once_before_all_pass",
     action_is_done_once_before_all_pass},
    {"barrier_action_that_fails_breaks_it", action_that_fails_breaks_it},
    {"barrier_aborted_sends_all_away", aborted_sends_all_away},
    {"barrier_reset_sends_away_and_is_whole", reset_sends_away_and_is_whole},
    {"barrier_aborted_is_whole_after_a_reset", aborted_is_whole_after_a_reset},
    {"barrier_deadline_passed_breaks_it", deadline_passed_breaks_it},
    {"barrier_interrupted_counts_as_not_come", interrupted_counts_as_not_come},
    {"G04_barrier_registered_and_gone_breaks_it",
     registered_and_gone_breaks_it},
    {0},
};
