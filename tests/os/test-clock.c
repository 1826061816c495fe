/* SPDX-License-Identifier: MIT */
/* Deadlines. G35: they follow the monotonic clock. */
#include "os/clock.h"
#include "support/support.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#define SECOND 1000000000

static int64_t
monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

START_TEST(G35_clock_is_monotonic)
{
    int64_t before = monotonic();
    mp_time now = mp__now();

    ck_assert_int_le(before, now);
    ck_assert_int_le(now, monotonic());
}
END_TEST

START_TEST(timeout_lies_ahead_by_as_much)
{
    static const double seconds[] = {1e-9, 1e-6, 0.001, 0.5, 1, 3600, 1e9};

    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        mp_time ahead = (mp_time)(seconds[i] * 1e9);
        mp_time before = mp__now();
        mp_time deadline = mp_timeout(seconds[i]);

        ck_assert_int_le(before + ahead, deadline);
        ck_assert_int_le(deadline, mp__now() + ahead);
    }
}
END_TEST

START_TEST(timeout_without_end_is_forever)
{
    ck_assert_int_eq(mp_timeout(INFINITY), MP_FOREVER);
    ck_assert_int_eq(mp_timeout(HUGE_VAL), MP_FOREVER);
    ck_assert_int_eq(mp_timeout(1e300), MP_FOREVER);
    ck_assert_int_eq(mp_timeout(1e10), MP_FOREVER);
    ck_assert_int_eq(mp__expired(MP_FOREVER), 0);
}
END_TEST

START_TEST(timeout_of_nothing_has_passed)
{
    static const double seconds[] = {0.0,    -0.0,      -1e-9, -1,
                                     -1e300, -INFINITY, NAN,   -NAN};

    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        mp_time deadline = mp_timeout(seconds[i]);

        ck_assert_int_ne(deadline, MP_NOW);
        ck_assert_int_le(deadline, mp__now());
        ck_assert_int_eq(mp__expired(deadline), -ETIMEDOUT);
    }
}
END_TEST

START_TEST(expired_tells_now_from_past)
{
    ck_assert_int_eq(mp__expired(MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp__expired(1), -ETIMEDOUT);
    ck_assert_int_eq(mp__expired(-1), -ETIMEDOUT);
    ck_assert_int_eq(mp__expired(INT64_MIN), -ETIMEDOUT);
    ck_assert_int_eq(mp__expired(mp__now()), -ETIMEDOUT);
    ck_assert_int_eq(mp__expired(mp_timeout(1000)), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = mp_test_case(suite, "clock", 10);

    tcase_add_test(tcase, G35_clock_is_monotonic);
    tcase_add_test(tcase, timeout_lies_ahead_by_as_much);
    tcase_add_test(tcase, timeout_without_end_is_forever);
    tcase_add_test(tcase, timeout_of_nothing_has_passed);
    tcase_add_test(tcase, expired_tells_now_from_past);
    return mp_test_main(suite);
}
