/* SPDX-License-Identifier: MIT */
/* Event: attributes, handles, setting, waiting. Deaths are in
 * test-waiter-death.c, what Python says of it in conformance-event.c. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/event.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define MOST 8

struct stage {
    mp_event *event, *back;
    mp_time deadline;
    int expected; /* result of everybody's wait */
    int rounds;
    mp__a32 got;
};

static mp_event *
event_new(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL));
    return event;
}

static struct stage *
event_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->event = event_new();
    stage->back = event_new();
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_event_destroy(stage->event));
    must(mp_event_destroy(stage->back));
    must(mp_free(stage));
}

static unsigned
sleepers(mp_event *event)
{
    return mp__waiters_of(event, sizeof(*event), NULL, 0);
}

/* ---- Alone ---- */

static int
create(const void *attr)
{
    mp_event *untouched = (mp_event *)&errno, *event = untouched;
    int r = mp_event_create(&event, attr);

    if (r < 0)
        ck_assert_ptr_eq(event, untouched);
    else
        must(mp_event_destroy(event));
    return r;
}

START_TEST(event_attributes_are_checked)
{
    attributes_are_checked(create, sizeof(mp_event_attr), 0);
    must_fail(mp_event_create(NULL, NULL), -EINVAL, "ret_event");
    must(create(MP_EVENT_ATTR(.name = "green")));
}
END_TEST

static int
set(void *event)
{
    return mp_event_set(event);
}

static int
clear(void *event)
{
    return mp_event_clear(event);
}

static int
is_set(void *event)
{
    return mp_event_is_set(event);
}

static int
wait_now(void *event)
{
    return mp_event_wait(event, MP_NOW);
}

static int
destroy(void *event)
{
    return mp_event_destroy(event);
}

START_TEST(event_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_event_set", set},         {"mp_event_clear", clear},
        {"mp_event_is_set", is_set},   {"mp_event_wait", wait_now},
        {"mp_event_destroy", destroy},
    };
    mp_event *gone = event_new();

    must(mp_event_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_EVENT, gone);
}
END_TEST

START_TEST(event_destroyed_gives_its_memory_back)
{
    static mp_event *many[1000];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(many); i++)
        many[i] = event_new();
    for (size_t i = 0; i < LENGTH(many); i += 2)
        must(mp_event_set(many[i]));
    for (size_t i = 0; i < LENGTH(many); i++) {
        ck_assert_int_eq(mp_event_is_set(many[i]), i % 2 == 0);
        must(mp_event_destroy(many[i]));
    }
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

START_TEST(event_that_is_set_needs_no_time)
{
    const mp_time deadlines[] = {MP_NOW, 1, -5, INT64_MIN, MP_FOREVER};
    mp_event *event = event_new();

    for (int i = 0; i < 3; i++)
        must(mp_event_set(event));
    for (size_t i = 0; i < LENGTH(deadlines); i++)
        ck_assert_int_eq(mp_event_wait(event, deadlines[i]), 0);
    for (int i = 0; i < 3; i++)
        must(mp_event_clear(event));
    ck_assert_int_eq(mp_event_wait(event, MP_NOW), -EAGAIN);
    for (size_t i = 1; i < 4; i++)
        ck_assert_int_eq(mp_event_wait(event, deadlines[i]), -ETIMEDOUT);
    must(mp_event_destroy(event));
}
END_TEST

static int
use_quietly(void *arg)
{
    struct stage *stage = arg;

    return mp_event_is_set(stage->event) != 0 ||
           mp_event_wait(stage->event, MP_NOW) != -EAGAIN ||
           mp_event_set(stage->event) != 0 ||
           mp_event_is_set(stage->event) != 1 ||
           mp_event_wait(stage->event, MP_FOREVER) != 0 ||
           mp_event_clear(stage->event) != 0;
}

START_TEST(event_without_sleepers_makes_no_system_call)
{
    struct stage *stage = event_stage();

    needs_no_system_call(use_quietly, stage);
    end_stage(stage);
}
END_TEST

/* ---- With others ---- */

static int
wait_for_it(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_event_wait(stage->event, stage->deadline);

    (void)unused;
    mp__add(&stage->got, 1);
    ck_assert_int_eq(r, stage->expected);
    return 0;
}

/* _i & 2: it is cleared at once; they have been sent on all the same. */
START_TEST(event_set_sends_all_on)
{
    struct stage *stage = event_stage();

    for (uint32_t round = 0; round < 20; round++) {
        struct kin *kin =
            kin_start((enum kin_how)(_i & 1), MOST, wait_for_it, stage);

        wait_until(sleepers(stage->event) == MOST, 20);
        ck_assert_uint_eq(mp__load(&stage->got), round * MOST);
        must(mp_event_set(stage->event));
        must(mp_event_clear(stage->event));
        kin_end(kin);
        must(mp_event_clear(stage->event));
    }
    end_stage(stage);
}
END_TEST

START_TEST(event_with_sleepers_is_not_destroyed)
{
    struct stage *stage = event_stage();
    struct kin *kin = kin_start((enum kin_how)_i, 2, wait_for_it, stage);

    wait_until(sleepers(stage->event) == 2, 20);
    must_fail(mp_event_destroy(stage->event), -EBUSY, "mp_event_destroy");
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    must(mp_event_set(stage->event));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

START_TEST(G35_event_sleepers_leave_at_their_deadline)
{
    struct stage *stage = event_stage();

    stage->deadline = mp_timeout(0.1);
    stage->expected = -ETIMEDOUT;
    kin_run((enum kin_how)_i, 4, wait_for_it, stage);
    ck_assert_int_ge(mp__now(), stage->deadline);
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    end_stage(stage);
}
END_TEST

START_TEST(event_sleepers_are_interrupted)
{
    struct stage *stage = event_stage();
    struct kin *kin;

    catch_signals();
    stage->expected = -EINTR;
    kin = kin_start((enum kin_how)_i, 3, wait_for_it, stage);
    wait_until(sleepers(stage->event) == 3, 20);
    for (int i = 3; i-- > 0;) {
        kin_interrupt(kin, i, SIGUSR1);
        ck_assert_uint_eq(mp__load(&stage->got), (uint32_t)(3 - i));
    }
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* One sets and clears, the other waits for each time. */
static int
take_turns(void *arg, int i)
{
    struct stage *stage = arg;
    mp_event *mine = i ? stage->back : stage->event;
    mp_event *next = i ? stage->event : stage->back;

    for (int n = 0; n < stage->rounds; n++) {
        must(mp_event_wait(mine, MP_FOREVER));
        must(mp_event_clear(mine));
        must(mp_event_set(next));
    }
    return 0;
}

START_TEST(event_rally_loses_no_wake_up)
{
    struct stage *stage = event_stage();

    stage->rounds = mp_test_scale() > 1 ? 500 : 4000;
    must(mp_event_set(stage->event));
    kin_run((enum kin_how)(_i & 1), 2, take_turns, stage);
    ck_assert_int_eq(mp_event_is_set(stage->event), 1);
    ck_assert_int_eq(mp_event_is_set(stage->back), 0);
    end_stage(stage);
}
END_TEST

/* Several set and clear without an order; each change is whole. */
static int
change_often(void *arg, int i)
{
    struct stage *stage = arg;

    for (int n = 0; n < stage->rounds; n++) {
        must((n + i) % 3 ? mp_event_set(stage->event)
                         : mp_event_clear(stage->event));
        ck_assert_int_ge(mp_event_is_set(stage->event), 0);
    }
    must(mp_event_set(stage->back));
    return 0;
}

START_TEST(event_changed_by_many_stays_whole)
{
    struct stage *stage = event_stage();

    stage->rounds = mp_test_scale() > 1 ? 500 : 8000;
    kin_run((enum kin_how)_i, 4, change_often, stage);
    must(mp_event_set(stage->event));
    ck_assert_int_eq(mp_event_is_set(stage->event), 1);
    must(mp_event_clear(stage->event));
    ck_assert_int_eq(mp_event_is_set(stage->event), 0);
    ck_assert_int_eq(mp_event_wait(stage->event, MP_NOW), -EAGAIN);
    end_stage(stage);
}
END_TEST

static void
add_waiting(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, event_set_sends_all_on, 0, 4);
    tcase_add_loop_test(tcase, event_with_sleepers_is_not_destroyed, 0, 2);
    tcase_add_loop_test(tcase, G35_event_sleepers_leave_at_their_deadline, 0,
                        2);
    tcase_add_loop_test(tcase, event_sleepers_are_interrupted, 0, 2);
    tcase_add_loop_test(tcase, event_changed_by_many_stays_whole, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("event");
    TCase *tcase = mp_test_case(suite, "alone", 30);

    tcase_add_test(tcase, event_attributes_are_checked);
    tcase_add_test(tcase, event_handles_are_checked);
    tcase_add_test(tcase, event_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, event_that_is_set_needs_no_time);
    tcase_add_test(tcase, event_without_sleepers_makes_no_system_call);
    add_waiting(suite, "full", NULL);
    add_waiting(suite, "sliced", believe_in_sliced);
    add_waiting(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, event_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, event_set_sends_all_on, 0, 4);
    return mp_test_main(suite);
}
