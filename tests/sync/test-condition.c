/* SPDX-License-Identifier: MIT */
/* Condition, as far as one thread can tell: attributes, handles, results. Who
 * is notified is in test-condition-wait.c, deaths in test-condition-death.c,
 * what Python says of it in conformance-condition.c. */
#include "os/clock.h"
#include "sync/condition-kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static mp_condition *
condition_with(const mp_condition_attr *attr)
{
    mp_condition *condition;

    must(mp_condition_create(&condition, attr));
    return condition;
}

/* ---- Making ---- */

static int
create(const void *attr)
{
    mp_condition *untouched = (mp_condition *)&errno, *condition = untouched;
    int r = mp_condition_create(&condition, attr);

    if (r < 0)
        ck_assert_ptr_eq(condition, untouched);
    else
        must(mp_condition_destroy(condition));
    return r;
}

START_TEST(condition_attributes_are_checked)
{
    struct stage *stage = stage_with(LOCK);
    mp_rlock *rlock;

    must(mp_rlock_create(&rlock, NULL));
    attributes_are_checked(create, sizeof(mp_condition_attr), 0);
    must_fail(mp_condition_create(NULL, NULL), -EINVAL, "ret_condition");
    must(create(MP_CONDITION_ATTR(.name = "thirty-one bytes are all of it, "
                                          "the rest is cut")));
    must_fail(create(MP_CONDITION_ATTR(.lock = stage->lock, .rlock = rlock)),
              -EINVAL, "both");
    must_fail(create(MP_CONDITION_ATTR(.lock = (mp_lock *)rlock)), -EBADF,
              "mp_condition_create");
    must_fail(create(MP_CONDITION_ATTR(.rlock = (mp_rlock *)stage->lock)),
              -EBADF, "mp_condition_create");
    must(mp_rlock_destroy(rlock));
    must_fail(create(MP_CONDITION_ATTR(.rlock = rlock)), -EBADF, "rlock");
    end_stage(stage);
}
END_TEST

static int
call_acquire(void *condition)
{
    return mp_condition_acquire(condition, MP_NOW);
}

static int
call_release(void *condition)
{
    return mp_condition_release(condition);
}

static int
call_wait(void *condition)
{
    return mp_condition_wait(condition, MP_NOW);
}

static int
never(void *arg)
{
    (void)arg;
    return 0;
}

static int
call_wait_for(void *condition)
{
    return mp_condition_wait_for(condition, never, NULL, MP_NOW);
}

static int
call_notify(void *condition)
{
    return mp_condition_notify(condition, 1);
}

static int
call_notify_all(void *condition)
{
    return mp_condition_notify_all(condition);
}

static int
call_destroy(void *condition)
{
    return mp_condition_destroy(condition);
}

static const struct handle_call calls[] = {
    {"mp_condition_acquire", call_acquire},
    {"mp_condition_release", call_release},
    {"mp_condition_wait", call_wait},
    {"mp_condition_wait_for", call_wait_for},
    {"mp_condition_notify", call_notify},
    {"mp_condition_notify_all", call_notify_all},
    {"mp_condition_destroy", call_destroy},
};

START_TEST(condition_handles_are_checked)
{
    mp_condition *gone = condition_with(NULL);

    must(mp_condition_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_CONDITION, gone);
}
END_TEST

START_TEST(condition_without_its_lock)
{
    struct stage *stage = stage_with(_i ? RLOCK : LOCK);

    if (stage->lock)
        must(mp_lock_destroy(stage->lock));
    else
        must(mp_rlock_destroy(stage->rlock));
    for (size_t i = 0; i < LENGTH(calls) - 1; i++) {
        must_fail(calls[i].call(stage->condition), -EBADF, "lock");
        kin_text(mp_last_error(), calls[i].name, __LINE__);
    }
    must(mp_condition_destroy(stage->condition));
    must(mp_condition_destroy(stage->other));
    must(mp_free(stage));
}
END_TEST

START_TEST(condition_destroyed_gives_its_memory_back)
{
    static mp_condition *conditions[500];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(conditions); i++)
        conditions[i] = condition_with(MP_CONDITION_ATTR(.name = "of many"));
    for (size_t i = 0; i < LENGTH(conditions); i++)
        must(mp_condition_destroy(conditions[i]));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Alone ---- */

START_TEST(condition_must_be_held)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    mp_condition *c = stage->condition;

    for (size_t i = 2; i < LENGTH(calls) - 1; i++) {
        must_fail(calls[i].call(c), -EPERM, calls[i].name);
        kin_text(mp_last_error(), "does not hold", __LINE__);
    }
    must_fail(mp_condition_release(c), _i == LOCK ? -EOVERFLOW : -EPERM,
              "mp_condition_release");
    acquire(stage);
    must_fail(mp_condition_notify(c, 0), -EINVAL, "mp_condition_notify: n");
    must_fail(mp_condition_wait_for(c, NULL, NULL, MP_NOW), -EINVAL,
              "predicate");
    must(mp_condition_notify(c, 1));
    must(mp_condition_notify(c, SIZE_MAX));
    must(mp_condition_notify_all(c));
    release(stage);
    end_stage(stage);
}
END_TEST

START_TEST(condition_has_the_lock_that_it_was_given)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    mp_condition *c = stage->condition;

    acquire(stage);
    if (_i == LOCK) {
        ck_assert_int_eq(mp_lock_owner(stage->lock), getpid());
        ck_assert_int_eq(mp_condition_acquire(c, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_condition_acquire(c, mp_timeout(0.01)),
                         -ETIMEDOUT);
        must(mp_lock_release(stage->lock));
        must(mp_lock_acquire(stage->lock, MP_NOW));
    } else {
        must(mp_condition_acquire(c, MP_NOW));
        c->rlock->again = UINT32_MAX - 1;
        must_fail(mp_condition_acquire(c, MP_NOW), -EOVERFLOW,
                  "mp_condition_acquire");
        c->rlock->again = 1;
        release(stage);
        if (_i == RLOCK)
            ck_assert_int_eq(mp_rlock_owner(stage->rlock), getpid());
    }
    must(mp_condition_notify(c, 1));
    release(stage);
    must_fail(mp_condition_notify(c, 1), -EPERM, "hold");
    end_stage(stage);
}
END_TEST

static int
use_with_nobody_there(void *arg)
{
    struct stage *stage = arg;

    return mp_condition_acquire(stage->condition, MP_FOREVER) ||
           mp_condition_notify(stage->condition, 1) ||
           mp_condition_notify_all(stage->condition) ||
           mp_condition_wait(stage->condition, MP_NOW) != -EAGAIN ||
           mp_condition_release(stage->condition);
}

START_TEST(condition_with_nobody_there_makes_no_system_call)
{
    struct stage *stage = stage_with((enum lock_kind)_i);

    needs_no_system_call(use_with_nobody_there, stage);
    end_stage(stage);
}
END_TEST

START_TEST(condition_wait_now_keeps_the_lock)
{
    struct stage *stage = stage_with((enum lock_kind)_i);

    acquire(stage);
    ck_assert_int_eq(mp_condition_wait(stage->condition, MP_NOW), -EAGAIN);
    ck_assert_uint_eq(mp__load(&stage->condition->tickets), 0);
    release(stage);
    end_stage(stage);
}
END_TEST

START_TEST(condition_wait_ends_at_its_deadline)
{
    struct stage *stage = stage_with((enum lock_kind)_i);
    mp_time deadline = mp_timeout(0.1);

    acquire(stage);
    ck_assert_int_eq(mp_condition_wait(stage->condition, 1), -ETIMEDOUT);
    mp__view.slice = 3000000; /* the ends of which are none of the wait's */
    ck_assert_int_eq(mp_condition_wait(stage->condition, deadline),
                     -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    must(mp_condition_notify_all(stage->condition)); /* it is held again */
    ck_assert_uint_eq(granted(stage), 0);
    release(stage);
    ck_assert_uint_eq(mp__line_any(stage->condition), 0);
    ck_assert_ptr_null(mp__me.head->pending);
    end_stage(stage);
}
END_TEST

START_TEST(condition_wait_gives_back_all_of_an_rlock)
{
    struct stage *stage = stage_with(_i ? RLOCK : OWN);

    for (int i = 0; i < 3; i++)
        acquire(stage);
    ck_assert_int_eq(mp_condition_wait(stage->condition, mp_timeout(0.01)),
                     -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        release(stage);
    must_fail(mp_condition_release(stage->condition), -EPERM, "hold");
    end_stage(stage);
}
END_TEST

/* ---- wait_for ---- */

/* What the predicate gives, and after how many looks. */
static int value, looks;

static int
look(void *arg)
{
    struct stage *stage = arg;

    ck_assert(mp__lock_is_mine(stage->lock ? &stage->lock->lock
                                           : &stage->condition->rlock->lock));
    return looks-- > 0 ? 0 : value;
}

static int
wait_for(struct stage *stage, int looks_first, int then, mp_time deadline)
{
    int r;

    looks = looks_first;
    value = then;
    acquire(stage);
    r = mp_condition_wait_for(stage->condition, look, stage, deadline);
    release(stage);
    return r;
}

START_TEST(condition_wait_for_gives_what_the_predicate_gives)
{
    struct stage *stage = stage_with((enum lock_kind)_i);

    ck_assert_int_eq(wait_for(stage, 0, 42, MP_NOW), 42);
    ck_assert_int_eq(wait_for(stage, 0, -7, MP_FOREVER), -7);
    ck_assert_int_eq(wait_for(stage, 0, 1, 1), 1); /* long over */
    ck_assert_int_eq(wait_for(stage, 1, 42, MP_NOW), -EAGAIN);
    ck_assert_int_eq(wait_for(stage, 9, 42, mp_timeout(0.01)), -ETIMEDOUT);
    /* It comes true at the last moment. */
    ck_assert_int_eq(wait_for(stage, 1, 42, mp_timeout(0.01)), 42);
    ck_assert_int_eq(wait_for(stage, 1, -7, mp_timeout(0.01)), -7);
    ck_assert_int_eq(wait_for(stage, 1, 5, 1), 5);
    end_stage(stage);
}
END_TEST

static int
let_go(void *arg)
{
    release(arg);
    return 0;
}

START_TEST(condition_wait_for_with_a_predicate_that_lets_go)
{
    struct stage *stage = stage_with((enum lock_kind)_i);

    acquire(stage);
    must_fail(mp_condition_wait_for(stage->condition, let_go, stage, 1),
              -EPERM, "mp_condition_wait_for");
    end_stage(stage);
}
END_TEST

static void
add_alone(Suite *suite)
{
    TCase *tcase = mp_test_case(suite, "alone", 10);

    tcase_add_test(tcase, condition_attributes_are_checked);
    tcase_add_test(tcase, condition_handles_are_checked);
    tcase_add_loop_test(tcase, condition_without_its_lock, 0, 2);
    tcase_add_test(tcase, condition_destroyed_gives_its_memory_back);
    tcase_add_loop_test(tcase, condition_must_be_held, 0, LOCK_KINDS);
    tcase_add_loop_test(tcase, condition_has_the_lock_that_it_was_given, 0,
                        LOCK_KINDS);
    tcase_add_loop_test(tcase,
                        condition_with_nobody_there_makes_no_system_call, 0,
                        LOCK_KINDS);
    tcase_add_loop_test(tcase, condition_wait_now_keeps_the_lock, 0,
                        LOCK_KINDS);
    tcase_add_loop_test(tcase, condition_wait_ends_at_its_deadline, 0,
                        LOCK_KINDS);
    tcase_add_loop_test(tcase, condition_wait_gives_back_all_of_an_rlock, 0,
                        2);
    tcase_add_loop_test(tcase,
                        condition_wait_for_gives_what_the_predicate_gives, 0,
                        LOCK_KINDS);
    tcase_add_loop_test(tcase,
                        condition_wait_for_with_a_predicate_that_lets_go, 0,
                        LOCK_KINDS);
}

int
main(void)
{
    Suite *suite = suite_create("condition");

    add_alone(suite);
    return mp_test_main(suite);
}
