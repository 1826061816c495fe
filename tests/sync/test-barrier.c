/* SPDX-License-Identifier: MIT */
/* Barrier: attributes, handles, results, and rounds. How a wait ends otherwise
 * is in test-barrier-wait.c, deaths in test-barrier-death.c. */
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MOST 4096

struct stage {
    mp_barrier *barrier, *other;
    mp_time deadline;
    uint32_t parties, rounds;
    mp__a32 tickets;
    mp__a32 acted;
    mp__a32 came[ROUNDS_MOST];
    mp__a32 numbers[ROUNDS_MOST]; /* how often each was given */
    mp__a32 sum[ROUNDS_MOST];     /* of the numbers of a round */
    mp__a32 sum_of_squares[ROUNDS_MOST];
};

static mp_barrier *
barrier_for(uint32_t parties)
{
    mp_barrier *barrier;

    must(mp_barrier_create(&barrier, parties, NULL));
    return barrier;
}

static struct stage *
stage_for(uint32_t parties)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->barrier = barrier_for(parties);
    stage->parties = parties;
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_barrier_destroy(stage->barrier));
    must(mp_free(stage));
}

static uint32_t
fewer(uint32_t rounds)
{
    return mp_test_scale() > 1 ? rounds / 10 : rounds;
}

/* ---- Making ---- */

static int
create(const void *attr)
{
    mp_barrier *untouched = (mp_barrier *)&errno, *barrier = untouched;
    int r = mp_barrier_create(&barrier, 2, attr);

    if (r < 0)
        ck_assert_ptr_eq(barrier, untouched);
    else
        must(mp_barrier_destroy(barrier));
    return r;
}

START_TEST(barrier_attributes_are_checked)
{
    attributes_are_checked(create, sizeof(mp_barrier_attr), 0);
    must(create(MP_BARRIER_ATTR(.name = "a name that is longer than it may "
                                        "be, and is cut")));
    must_fail(mp_barrier_create(NULL, 2, NULL), -EINVAL, "ret_barrier");
}
END_TEST

START_TEST(barrier_parties_are_checked)
{
    mp_barrier *barrier;

    must_fail(mp_barrier_create(&barrier, 0, NULL), -EINVAL, "0 parties");
    must_fail(mp_barrier_create(&barrier, MP_BARRIER_MAX + 1, NULL), -EINVAL,
              "4097");
    barrier = barrier_for(MP_BARRIER_MAX);
    ck_assert_int_eq(mp_barrier_parties(barrier), MP_BARRIER_MAX);
    ck_assert_int_eq(mp_barrier_wait(barrier, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_barrier_wait(barrier, 1), -ETIMEDOUT);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_is_made_whole_and_empty)
{
    mp_barrier *barrier = barrier_for(3);

    ck_assert(mp_memory_contains(barrier, 64));
    ck_assert_int_eq(mp_barrier_parties(barrier), 3);
    ck_assert_int_eq(mp_barrier_n_waiting(barrier), 0);
    ck_assert_int_eq(mp_barrier_broken(barrier), 0);
    must(mp_barrier_destroy(barrier));
}
END_TEST

static int
wait_now(void *barrier)
{
    return mp_barrier_wait(barrier, MP_NOW);
}

static int
wait_with_now(void *barrier)
{
    return mp_barrier_wait_with(barrier, NULL, NULL, MP_NOW);
}

#define CALL(verb)                         \
    static int call_##verb(void *barrier)  \
    {                                      \
        return mp_barrier_##verb(barrier); \
    }
CALL(destroy)
CALL(abort)
CALL(reset)
CALL(register)
CALL(unregister)
CALL(parties)
CALL(n_waiting)
CALL(broken)

START_TEST(barrier_handles_are_checked)
{
    static const struct handle_call calls[] = {
        {"mp_barrier_wait", wait_now},
        {"mp_barrier_wait_with", wait_with_now},
        {"mp_barrier_destroy", call_destroy},
        {"mp_barrier_abort", call_abort},
        {"mp_barrier_reset", call_reset},
        {"mp_barrier_register", call_register},
        {"mp_barrier_unregister", call_unregister},
        {"mp_barrier_parties", call_parties},
        {"mp_barrier_n_waiting", call_n_waiting},
        {"mp_barrier_broken", call_broken},
    };
    mp_barrier *gone = barrier_for(2);

    must(mp_barrier_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_BARRIER, gone);
}
END_TEST

START_TEST(barrier_destroyed_gives_its_memory_back)
{
    uint64_t before = heap_use();

    for (uint32_t parties = 1; parties <= MP_BARRIER_MAX; parties *= 4)
        must(mp_barrier_destroy(barrier_for(parties)));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Alone ---- */

static int
wait_alone(void *barrier)
{
    return mp_barrier_wait(barrier, MP_FOREVER);
}

START_TEST(barrier_of_one_does_not_wait)
{
    mp_barrier *barrier = barrier_for(1);

    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(mp_barrier_wait(barrier, i % 2 ? MP_NOW : 1), 0);
    needs_no_system_call(wait_alone, barrier);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_broken_stays_so_until_it_is_reset)
{
    mp_barrier *barrier = barrier_for(1);

    must(mp_barrier_abort(barrier));
    must(mp_barrier_abort(barrier));
    ck_assert_int_eq(mp_barrier_broken(barrier), 1);
    must_fail(mp_barrier_wait(barrier, MP_FOREVER), -ECANCELED, "broken");
    must_fail(mp_barrier_wait(barrier, MP_NOW), -ECANCELED, "broken");
    must_fail(mp_barrier_wait_with(barrier, NULL, NULL, 1), -ECANCELED,
              "mp_barrier_wait_with");
    must(mp_barrier_reset(barrier));
    must(mp_barrier_reset(barrier));
    ck_assert_int_eq(mp_barrier_broken(barrier), 0);
    ck_assert_int_eq(mp_barrier_wait(barrier, MP_FOREVER), 0);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_wait_now_changes_nothing)
{
    mp_barrier *barrier = barrier_for(2);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(mp_barrier_wait(barrier, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_barrier_n_waiting(barrier), 0);
    ck_assert_int_eq(mp_barrier_broken(barrier), 0);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_deadline_breaks_it)
{
    mp_barrier *barrier = barrier_for(2);
    mp_time deadline = mp_timeout(0.05);

    ck_assert_int_eq(mp_barrier_wait(barrier, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    ck_assert_int_eq(mp_barrier_broken(barrier), 1);
    ck_assert_int_eq(mp_barrier_wait(barrier, deadline), -ECANCELED);
    must(mp_barrier_reset(barrier));
    ck_assert_int_eq(mp_barrier_wait(barrier, 1), -ETIMEDOUT);
    ck_assert_ptr_null(mp__me.head->pending);
    must(mp_barrier_destroy(barrier));
}
END_TEST

START_TEST(barrier_turns_begin_again_after_the_last)
{
    mp_barrier *barrier = barrier_for(1);
    uint32_t turns = (1u << 20) + 5;

    for (uint32_t i = 0; i < turns; i++)
        ck_assert_int_eq(mp_barrier_wait(barrier, MP_FOREVER), 0);
    for (uint32_t i = 0; i < turns; i++)
        must(mp_barrier_reset(barrier));
    ck_assert_int_eq(mp_barrier_wait(barrier, MP_FOREVER), 0);
    must(mp_barrier_destroy(barrier));
}
END_TEST

/* ---- Rounds ---- */

/* All have come before the first is released; each has another number. */
static int
go_round(struct stage *stage, uint32_t round)
{
    int number;

    mp__add(&stage->came[round], 1);
    number = mp_barrier_wait(stage->barrier, stage->deadline);
    if (number < 0 || number >= (int)stage->parties ||
        mp__load(&stage->came[round]) != stage->parties)
        return 1;
    mp__add(&stage->sum[round], (uint32_t)number);
    mp__add(&stage->sum_of_squares[round], (uint32_t)(number * number));
    return 0;
}

static int
go_rounds(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = 0;

    (void)unused;
    for (uint32_t n = 0; n < stage->rounds && r == 0; n++)
        r = go_round(stage, n);
    return r;
}

static void
numbers_were_distinct(struct stage *stage)
{
    uint32_t n = stage->parties;

    for (uint32_t round = 0; round < stage->rounds; round++) {
        ck_assert_uint_eq(stage->sum[round], n * (n - 1) / 2);
        ck_assert_uint_eq(stage->sum_of_squares[round],
                          (n - 1) * n * (2 * n - 1) / 6);
    }
}

static void
rounds_of(enum kin_how how, uint32_t parties, uint32_t rounds)
{
    struct stage *stage = stage_for(parties);

    stage->rounds = mp__view.tier == MP__TIER_FULL ? rounds : rounds / 10;
    kin_run(how, (int)parties, go_rounds, stage);
    numbers_were_distinct(stage);
    ck_assert_int_eq(mp_barrier_n_waiting(stage->barrier), 0);
    end_stage(stage);
}

/* They are not held up between two rounds: who is fast runs into the next one
 * while others still leave. */
START_TEST(barrier_rounds_follow_one_another)
{
    rounds_of((enum kin_how)_i, 2, fewer(4000));
    rounds_of((enum kin_how)_i, 3, fewer(2000));
    rounds_of((enum kin_how)_i, 8, fewer(1000));
}
END_TEST

START_TEST(barrier_of_more_than_can_be_watched)
{
    rounds_of(THREADS, 200, 20);
}
END_TEST

static int
use_tickets(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    while (mp__add(&stage->tickets, 1) < stage->rounds * stage->parties) {
        int number = mp_barrier_wait(stage->barrier, MP_FOREVER);

        if (number < 0)
            return 1;
        mp__add(&stage->numbers[number], 1);
    }
    return 0;
}

/* More threads than parties: some find all seats taken. */
START_TEST(barrier_takes_as_many_as_there_are_parties)
{
    struct stage *stage = stage_for(3);

    stage->rounds = fewer(1000);
    kin_run((enum kin_how)_i, 7, use_tickets, stage);
    for (uint32_t number = 0; number < 3; number++)
        ck_assert_uint_eq(stage->numbers[number], stage->rounds);
    end_stage(stage);
}
END_TEST

/* Two barriers at once, and a barrier in which nobody waits for long. */
static int
go_rounds_of_two(void *arg, int i)
{
    struct stage *stage = arg;

    for (uint32_t n = 0; n < stage->rounds; n++) {
        if (go_round(stage, n) != 0 ||
            mp_barrier_wait(stage->other, MP_FOREVER) < 0)
            return 1;
        if (i == 0 && mp_barrier_n_waiting(stage->barrier) > 1)
            return 1;
    }
    return 0;
}

START_TEST(barrier_in_turn_with_another)
{
    struct stage *stage = stage_for(2);

    stage->rounds = fewer(500);
    stage->other = barrier_for(2);
    kin_run((enum kin_how)_i, 2, go_rounds_of_two, stage);
    numbers_were_distinct(stage);
    must(mp_barrier_destroy(stage->other));
    end_stage(stage);
}
END_TEST

static int
go_rounds_in_spite_of_signals(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (uint32_t n = 0; n < stage->rounds; n++) {
        int r;

        do
            r = mp_barrier_wait(stage->barrier, MP_FOREVER);
        while (r == -EINTR);
        if (r < 0)
            return 1;
        mp__add(&stage->sum[n], (uint32_t)r);
        mp__add(&stage->sum_of_squares[n], (uint32_t)(r * r));
    }
    mp__add(&stage->acted, 1);
    return 0;
}

START_TEST(barrier_rounds_among_signals)
{
    struct stage *stage = stage_for(4);
    struct kin *kin;

    catch_signals();
    stage->rounds = fewer(500);
    kin = kin_start((enum kin_how)_i, 4, go_rounds_in_spite_of_signals, stage);
    while (mp__load(&stage->acted) == 0)
        for (int i = 0; i < 4; i++)
            kin_signal(kin, i, SIGUSR1);
    kin_end(kin);
    numbers_were_distinct(stage);
    end_stage(stage);
}
END_TEST

/* ---- The action ---- */

static int
count_action(void *arg)
{
    struct stage *stage = arg;
    mp_event *event;

    /* It may use the library. */
    must(mp_event_create(&event, NULL));
    must(mp_event_set(event));
    must(mp_event_destroy(event));
    if (mp_barrier_n_waiting(stage->barrier) != (int)stage->parties)
        return -EPROTO;
    mp__add(&stage->acted, 1);
    return 0;
}

static int
go_rounds_with_action(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (uint32_t n = 0; n < stage->rounds; n++) {
        int r = mp_barrier_wait_with(stage->barrier, count_action, stage,
                                     MP_FOREVER);
        uint32_t acted = mp__load(&stage->acted);

        /* Once for this round, and perhaps for the next already. */
        if (r < 0 || acted < n + 1 || acted > n + 2)
            return 1;
        mp__add(&stage->sum[n], (uint32_t)r);
        mp__add(&stage->sum_of_squares[n], (uint32_t)(r * r));
    }
    return 0;
}

START_TEST(barrier_action_runs_once_before_the_release)
{
    struct stage *stage = stage_for(4);

    stage->rounds = fewer(300);
    kin_run((enum kin_how)_i, 4, go_rounds_with_action, stage);
    ck_assert_uint_eq(stage->acted, stage->rounds);
    numbers_were_distinct(stage);
    end_stage(stage);
}
END_TEST

/* ---- ---- */

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, barrier_rounds_follow_one_another, 0, 2);
    tcase_add_test(tcase, barrier_of_more_than_can_be_watched);
    tcase_add_loop_test(tcase, barrier_takes_as_many_as_there_are_parties, 0,
                        2);
    tcase_add_loop_test(tcase, barrier_in_turn_with_another, 0, 2);
    tcase_add_loop_test(tcase, barrier_rounds_among_signals, 0, 2);
    tcase_add_loop_test(tcase, barrier_action_runs_once_before_the_release, 0,
                        2);
}

int
main(void)
{
    Suite *suite = suite_create("barrier");
    TCase *tcase = mp_test_case(suite, "alone", 30);

    tcase_add_test(tcase, barrier_attributes_are_checked);
    tcase_add_test(tcase, barrier_parties_are_checked);
    tcase_add_test(tcase, barrier_is_made_whole_and_empty);
    tcase_add_test(tcase, barrier_handles_are_checked);
    tcase_add_test(tcase, barrier_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, barrier_of_one_does_not_wait);
    tcase_add_test(tcase, barrier_broken_stays_so_until_it_is_reset);
    tcase_add_test(tcase, barrier_wait_now_changes_nothing);
    tcase_add_test(tcase, barrier_deadline_breaks_it);
    tcase_add_test(tcase, barrier_turns_begin_again_after_the_last);
    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
