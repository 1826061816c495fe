/* SPDX-License-Identifier: MIT */
/* Semaphore: plain, bounded, tracked. Deaths are in test-death.c, what Python
 * says of it in conformance-semaphore.c. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/kit.h"
#include "sync/semaphore.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct stage {
    mp_semaphore *semaphore, *empty;
    mp_time deadline;
    int expected; /* result of everybody's acquire */
    int rounds;
    mp__a32 got, inside, most;
};

/* The kinds, for loop tests. */
static const mp_semaphore_attr kinds[] = {
    {.size = sizeof(mp_semaphore_attr)},
    {.size = sizeof(mp_semaphore_attr), .bounded = 1},
    {.size = sizeof(mp_semaphore_attr), .tracked = 1},
};
#define PLAIN   0
#define BOUNDED 1
#define TRACKED 2

static mp_semaphore *
semaphore_with(uint32_t value, const mp_semaphore_attr *attr)
{
    mp_semaphore *semaphore;

    must(mp_semaphore_create(&semaphore, value, attr));
    return semaphore;
}

static struct stage *
semaphore_stage(uint32_t value, const mp_semaphore_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->semaphore = semaphore_with(value, attr);
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_free(stage));
}

static unsigned
sleepers(mp_semaphore *semaphore)
{
    return mp__waiters_of(semaphore, sizeof(*semaphore), NULL, 0);
}

/* ---- Making ---- */

static int
create_with(uint32_t value, const void *attr)
{
    mp_semaphore *untouched = (mp_semaphore *)&errno, *made = untouched;
    int r = mp_semaphore_create(&made, value, attr);

    if (r < 0)
        ck_assert_ptr_eq(made, untouched);
    else
        must(mp_semaphore_destroy(made));
    return r;
}

static int
create(const void *attr)
{
    return create_with(3, attr);
}

START_TEST(semaphore_attributes_are_checked)
{
    attributes_are_checked(create, sizeof(mp_semaphore_attr), 0);
    must_fail(mp_semaphore_create(NULL, 1, NULL), -EINVAL, "ret_semaphore");
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        must(create_with(1, &kinds[i]));
        must_fail(create_with(MP_SEMAPHORE_MAX + 1u, &kinds[i]), -EINVAL,
                  "value");
        must_fail(create_with(UINT32_MAX, &kinds[i]), -EINVAL, "value");
    }
    must(create_with(0, &kinds[PLAIN]));
    must(create_with(0, &kinds[BOUNDED]));
    must(create_with(MP_SEMAPHORE_MAX, &kinds[PLAIN]));
    must(create_with(MP_SEMAPHORE_MAX, &kinds[BOUNDED]));
}
END_TEST

static int
acquire_now(void *semaphore)
{
    return mp_semaphore_acquire(semaphore, MP_NOW);
}

static int
release(void *semaphore)
{
    return mp_semaphore_release(semaphore);
}

static int
value(void *semaphore)
{
    return mp_semaphore_value(semaphore);
}

static int
locked(void *semaphore)
{
    return mp_semaphore_locked(semaphore);
}

static int
destroy(void *semaphore)
{
    return mp_semaphore_destroy(semaphore);
}

START_TEST(semaphore_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_semaphore_acquire", acquire_now},
        {"mp_semaphore_release", release},
        {"mp_semaphore_value", value},
        {"mp_semaphore_locked", locked},
        {"mp_semaphore_destroy", destroy},
    };
    mp_semaphore *gone = semaphore_with(1, &kinds[_i]);

    must(mp_semaphore_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_SEMAPHORE, gone);
}
END_TEST

START_TEST(semaphore_destroyed_gives_its_memory_back)
{
    static mp_semaphore *many[500];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(many); i++) {
        many[i] = semaphore_with((uint32_t)i + 1, &kinds[_i]);
        must(mp_semaphore_acquire(many[i], MP_NOW));
    }
    for (size_t i = 0; i < LENGTH(many); i++)
        must(mp_semaphore_destroy(many[i])); /* permits may be out */
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Alone ---- */

START_TEST(semaphore_value_is_exact)
{
    mp_semaphore *semaphore = semaphore_with(100, &kinds[_i]);

    for (int left = 100; left > 0; left--) {
        ck_assert_int_eq(mp_semaphore_value(semaphore), left);
        ck_assert_int_eq(mp_semaphore_locked(semaphore), 0);
        ck_assert_int_eq(mp_semaphore_acquire(semaphore, MP_FOREVER), 0);
    }
    ck_assert_int_eq(mp_semaphore_locked(semaphore), 1);
    ck_assert_int_eq(mp_semaphore_acquire(semaphore, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_semaphore_acquire(semaphore, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_semaphore_acquire(semaphore, INT64_MIN), -ETIMEDOUT);
    for (int left = 0; left < 100; left++) {
        ck_assert_int_eq(mp_semaphore_value(semaphore), left);
        must(mp_semaphore_release(semaphore));
    }
    ck_assert_int_eq(mp_semaphore_value(semaphore), 100);
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

START_TEST(semaphore_with_a_permit_needs_no_time)
{
    const mp_time deadlines[] = {MP_NOW, 1, -5, INT64_MIN, MP_FOREVER};
    mp_semaphore *semaphore = semaphore_with(LENGTH(deadlines), &kinds[_i]);

    for (size_t i = 0; i < LENGTH(deadlines); i++)
        ck_assert_int_eq(mp_semaphore_acquire(semaphore, deadlines[i]), 0);
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

START_TEST(semaphore_counts_to_its_limit)
{
    mp_semaphore *semaphore =
        semaphore_with(MP_SEMAPHORE_MAX - 1, &kinds[PLAIN]);

    must(mp_semaphore_release(semaphore));
    ck_assert_int_eq(mp_semaphore_value(semaphore), MP_SEMAPHORE_MAX);
    must_fail(mp_semaphore_release(semaphore), -EOVERFLOW, "2147483647");
    ck_assert_int_eq(mp_semaphore_value(semaphore), MP_SEMAPHORE_MAX);
    must(mp_semaphore_acquire(semaphore, MP_NOW));
    must(mp_semaphore_release(semaphore));
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

START_TEST(semaphore_bounded_counts_to_its_first_value)
{
    mp_semaphore *semaphore = semaphore_with(2, &kinds[BOUNDED]);
    mp_semaphore *none = semaphore_with(0, &kinds[BOUNDED]);

    must_fail(mp_semaphore_release(semaphore), -EOVERFLOW,
              "mp_semaphore_release");
    ck_assert_int_eq(mp_semaphore_value(semaphore), 2);
    must(mp_semaphore_acquire(semaphore, MP_NOW));
    must(mp_semaphore_release(semaphore));
    must_fail(mp_semaphore_release(semaphore), -EOVERFLOW, "2 permits");
    must_fail(mp_semaphore_release(none), -EOVERFLOW, "mp_semaphore_release");
    must(mp_semaphore_destroy(semaphore));
    must(mp_semaphore_destroy(none));
}
END_TEST

START_TEST(semaphore_tracked_takes_back_what_one_has)
{
    mp_semaphore *semaphore = semaphore_with(3, &kinds[TRACKED]);

    must_fail(mp_semaphore_release(semaphore), -EPERM, "no permit");
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            must(mp_semaphore_acquire(semaphore, MP_NOW));
        ck_assert_int_eq(mp_semaphore_acquire(semaphore, MP_NOW), -EAGAIN);
        for (int i = 0; i < 3; i++)
            must(mp_semaphore_release(semaphore));
        must_fail(mp_semaphore_release(semaphore), -EPERM,
                  "mp_semaphore_release");
    }
    ck_assert_int_eq(mp_semaphore_value(semaphore), 3);
    must(mp_semaphore_destroy(semaphore));
}
END_TEST

static int
use_quietly(void *arg)
{
    struct stage *stage = arg;

    return mp_semaphore_acquire(stage->semaphore, MP_FOREVER) != 0 ||
           mp_semaphore_acquire(stage->semaphore, MP_NOW) != 0 ||
           mp_semaphore_value(stage->semaphore) != 0 ||
           mp_semaphore_acquire(stage->semaphore, MP_NOW) != -EAGAIN ||
           mp_semaphore_locked(stage->semaphore) != 1 ||
           mp_semaphore_release(stage->semaphore) != 0 ||
           mp_semaphore_release(stage->semaphore) != 0 ||
           mp_semaphore_value(stage->semaphore) != 2;
}

START_TEST(semaphore_without_contention_makes_no_system_call)
{
    struct stage *stage = semaphore_stage(2, &kinds[_i]);

    needs_no_system_call(use_quietly, stage);
    end_stage(stage);
}
END_TEST

/* ---- With others ---- */

static int
acquire_it(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_semaphore_acquire(stage->semaphore, stage->deadline);

    (void)unused;
    mp__add(&stage->got, 1);
    ck_assert_int_eq(r, stage->expected);
    return 0;
}

START_TEST(semaphore_release_lets_one_through)
{
    struct stage *stage = semaphore_stage(0, &kinds[PLAIN]);
    struct kin *kin = kin_start((enum kin_how)_i, 8, acquire_it, stage);

    for (uint32_t i = 0; i < 8; i++) {
        wait_until(sleepers(stage->semaphore) == 8 - i, 20);
        ck_assert_uint_eq(mp__load(&stage->got), i);
        ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW),
                         -EAGAIN);
        must(mp_semaphore_release(stage->semaphore));
        wait_until(mp__load(&stage->got) == i + 1, 20);
    }
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    end_stage(stage);
}
END_TEST

/* Many releases in a row wake few: those have to let the others through. */
START_TEST(semaphore_releases_let_as_many_through)
{
    for (int round = 0; round < 20; round++) {
        struct stage *stage = semaphore_stage(0, &kinds[PLAIN]);
        struct kin *kin = kin_start((enum kin_how)_i, 6, acquire_it, stage);

        wait_until(sleepers(stage->semaphore) == 6, 20);
        for (int i = 0; i < 6 + round; i++)
            must(mp_semaphore_release(stage->semaphore));
        kin_end(kin);
        ck_assert_int_eq(mp_semaphore_value(stage->semaphore), round);
        end_stage(stage);
    }
}
END_TEST

static int
hold_one(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
    mp__add(&stage->got, 1);
    must(mp_semaphore_acquire(stage->empty, MP_FOREVER));
    must(mp_semaphore_release(stage->semaphore));
    return 0;
}

START_TEST(semaphore_tracked_serves_more_than_it_has)
{
    struct stage *stage = semaphore_stage(3, &kinds[TRACKED]);
    struct kin *kin;

    stage->empty = semaphore_with(0, NULL);
    kin = kin_start((enum kin_how)_i, 7, hold_one, stage);
    wait_until(sleepers(stage->semaphore) == 4, 20);
    ck_assert_uint_eq(mp__load(&stage->got), 3);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    must_fail(mp_semaphore_release(stage->semaphore), -EPERM, "no permit");
    for (uint32_t i = 1; i <= 7; i++) {
        must(mp_semaphore_release(stage->empty));
        wait_until(mp__load(&stage->got) == (i < 4 ? i + 3 : 7), 20);
    }
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 3);
    must(mp_semaphore_destroy(stage->empty));
    end_stage(stage);
}
END_TEST

START_TEST(semaphore_with_sleepers_is_not_destroyed)
{
    struct stage *stage = semaphore_stage(0, &kinds[PLAIN]);
    struct kin *kin = kin_start((enum kin_how)_i, 1, acquire_it, stage);

    wait_until(sleepers(stage->semaphore) == 1, 20);
    must_fail(mp_semaphore_destroy(stage->semaphore), -EBUSY,
              "mp_semaphore_destroy");
    must(mp_semaphore_release(stage->semaphore));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

START_TEST(G35_semaphore_sleepers_leave_at_their_deadline)
{
    struct stage *stage = semaphore_stage(1, &kinds[_i / 2]);

    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    stage->deadline = mp_timeout(0.1);
    stage->expected = -ETIMEDOUT;
    kin_run((enum kin_how)(_i & 1), 4, acquire_it, stage);
    ck_assert_int_ge(mp__now(), stage->deadline);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    must(mp_semaphore_release(stage->semaphore));
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    end_stage(stage);
}
END_TEST

START_TEST(semaphore_sleepers_are_interrupted)
{
    struct stage *stage = semaphore_stage(1, &kinds[_i / 2]);
    struct kin *kin;

    catch_signals();
    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    stage->expected = -EINTR;
    kin = kin_start((enum kin_how)(_i & 1), 3, acquire_it, stage);
    wait_until(sleepers(stage->semaphore) == 3, 20);
    for (int i = 3; i-- > 0;) {
        kin_interrupt(kin, i, SIGUSR1);
        ck_assert_uint_eq(mp__load(&stage->got), (uint32_t)(3 - i));
    }
    kin_end(kin);
    must(mp_semaphore_release(stage->semaphore));
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    end_stage(stage);
}
END_TEST

static int
be_inside(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (int n = 0; n < stage->rounds; n++) {
        must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
        ck_assert_uint_lt(mp__add(&stage->inside, 1), 3);
        mp__sub(&stage->inside, 1);
        must(mp_semaphore_release(stage->semaphore));
    }
    return 0;
}

START_TEST(semaphore_admits_as_many_as_it_has)
{
    struct stage *stage = semaphore_stage(3, &kinds[_i / 2]);

    stage->rounds = mp_test_scale() > 1 ? 500 : 4000;
    kin_run((enum kin_how)(_i & 1), 6, be_inside, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 3);
    end_stage(stage);
}
END_TEST

static int
take_turns(void *arg, int i)
{
    struct stage *stage = arg;
    mp_semaphore *mine = i ? stage->empty : stage->semaphore;
    mp_semaphore *next = i ? stage->semaphore : stage->empty;

    for (int n = 0; n < stage->rounds; n++) {
        must(mp_semaphore_acquire(mine, MP_FOREVER));
        must(mp_semaphore_release(next));
    }
    return 0;
}

START_TEST(semaphore_rally_loses_no_wake_up)
{
    struct stage *stage = semaphore_stage(1, NULL);

    stage->rounds = mp_test_scale() > 1 ? 500 : 4000;
    stage->empty = semaphore_with(0, NULL);
    kin_run((enum kin_how)_i, 2, take_turns, stage);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 1);
    must(mp_semaphore_destroy(stage->empty));
    end_stage(stage);
}
END_TEST

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, semaphore_release_lets_one_through, 0, 2);
    tcase_add_loop_test(tcase, semaphore_releases_let_as_many_through, 0, 2);
    tcase_add_loop_test(tcase, semaphore_tracked_serves_more_than_it_has, 0,
                        2);
    tcase_add_loop_test(tcase, semaphore_with_sleepers_is_not_destroyed, 0, 2);
    tcase_add_loop_test(tcase, G35_semaphore_sleepers_leave_at_their_deadline,
                        0, 6);
    tcase_add_loop_test(tcase, semaphore_sleepers_are_interrupted, 0, 6);
    tcase_add_loop_test(tcase, semaphore_admits_as_many_as_it_has, 0, 6);
}

int
main(void)
{
    Suite *suite = suite_create("semaphore");
    TCase *tcase = mp_test_case(suite, "alone", 30);

    tcase_add_test(tcase, semaphore_attributes_are_checked);
    tcase_add_loop_test(tcase, semaphore_handles_are_checked, 0, 3);
    tcase_add_loop_test(tcase, semaphore_destroyed_gives_its_memory_back, 0,
                        3);
    tcase_add_loop_test(tcase, semaphore_value_is_exact, 0, 3);
    tcase_add_loop_test(tcase, semaphore_with_a_permit_needs_no_time, 0, 3);
    tcase_add_test(tcase, semaphore_counts_to_its_limit);
    tcase_add_test(tcase, semaphore_bounded_counts_to_its_first_value);
    tcase_add_test(tcase, semaphore_tracked_takes_back_what_one_has);
    tcase_add_loop_test(
        tcase, semaphore_without_contention_makes_no_system_call, 0, 3);
    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, semaphore_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, semaphore_releases_let_as_many_through, 0, 2);
    tcase_add_loop_test(tcase, semaphore_tracked_serves_more_than_it_has, 0,
                        2);
    tcase_add_loop_test(tcase, semaphore_admits_as_many_as_it_has, 0, 6);
    return mp_test_main(suite);
}
