/* SPDX-License-Identifier: MIT */
/* mp_value in one process. */
#include "container/container.h"
#include "sync/kit.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mp_value *
value_of(int type, mp_scalar x)
{
    mp_value *value;

    must((mp_value_create)(&value, type, x));
    return value;
}

#define expect_value(value, type, expected) \
    do {                                    \
        type now;                           \
        must(mp_value_get((value), &now));  \
        ck_assert(now == (type)(expected)); \
    } while (0)

/* ---- Steps ---- */

START_TEST(value_is_what_was_set_last)
{
    mp_value *value = value_of('d', MP_SCALAR(0));
    float third = 1.0f / 3;
    float f;

    expect_value(value, double, 0);
    ck_assert_int_eq(mp_value_type(value), 'd');
    must(mp_value_set(value, 3.25));
    expect_value(value, double, 3.25);
    expect_value(value, float, 3.25);
    must(mp_value_set(value, -7));
    expect_value(value, int, -7);
    expect_value(value, signed char, -7);
    must(mp_value_set(value, third));
    must(mp_value_get(value, &f));
    ck_assert(f == third);
    must(mp_value_destroy(value));
}
END_TEST

START_TEST(value_in_vain_is_as_it_was)
{
    mp_value *value = value_of('B', MP_SCALAR(200));
    int sum = 7;

    must_fail(mp_value_set(value, 256), -ERANGE, "256");
    must_fail(mp_value_set(value, -1), -ERANGE, "-1");
    must_fail(mp_value_set(value, 1.5), -ERANGE, "1.5");
    must_fail(mp_value_add(value, 56), -ERANGE,
              "mp_value_add: 200 + 56 does not fit into 'B'");
    must_fail(mp_value_add(value, -201), -ERANGE, "200 + -201");
    must_fail(mp_value_add(value, 0.5), -ERANGE, "0.5");
    must_fail(mp_value_add_get(value, 56, &sum), -ERANGE, "56");
    must_fail(mp_value_compare_exchange(value, 200, 256), -ERANGE, "256");
    must_fail(mp_value_compare_exchange(value, 456, 1), -ERANGE, "456");
    must_fail((mp_value_get)(value, 'i', NULL), -EINVAL, "NULL");
    must_fail((mp_value_get)(value, 'y', &sum), -EINVAL, "'y'");
    must_fail((mp_value_add_get)(value, MP_SCALAR(1), 'i', NULL), -EINVAL,
              "NULL");
    must_fail((mp_value_create)(NULL, 'i', MP_SCALAR(1)), -EINVAL,
              "ret_value");
    ck_assert_int_eq(sum, 7);
    expect_value(value, int, 200);
    must(mp_value_destroy(value));
}
END_TEST

START_TEST(value_adds_to_the_limits)
{
    mp_value *b = value_of('b', MP_SCALAR(-128));
    mp_value *q = value_of('q', MP_SCALAR(LLONG_MIN));
    mp_value *Q = value_of('Q', MP_SCALAR(0));
    unsigned long long big = ULLONG_MAX;

    must(mp_value_add(b, 255));
    expect_value(b, int, 127);
    must(mp_value_add(b, -255.0));
    expect_value(b, int, -128);
    must(mp_value_add(q, ULLONG_MAX));
    expect_value(q, long long, LLONG_MAX);
    must_fail(mp_value_add(q, 1), -ERANGE, "9223372036854775807 + 1");
    must(mp_value_add(Q, big));
    must_fail(mp_value_add(Q, 1), -ERANGE, "18446744073709551615 + 1");
    must(mp_value_add(Q, LLONG_MIN));
    must(mp_value_add(Q, -LLONG_MAX));
    expect_value(Q, int, 0);
    must_fail(mp_value_add(Q, -1), -ERANGE, "0 + -1");
    must_fail(mp_value_add(Q, 1e30), -ERANGE, "1e+30");
    must(mp_value_destroy(b));
    must(mp_value_destroy(q));
    must(mp_value_destroy(Q));
}
END_TEST

START_TEST(value_adds_floating_point_as_c)
{
    mp_value *d = value_of('d', MP_SCALAR(0.1));
    mp_value *f = value_of('f', MP_SCALAR(0.1));
    float sum = 0.1f;
    double x;

    must(mp_value_add(d, 0.2));
    expect_value(d, double, 0.1 + 0.2);
    must_fail(mp_value_add(d, 0x1p53 + 2), 0, "");
    must_fail(mp_value_add(d, (1ll << 53) + 1), -ERANGE, "9007199254740993");
    must(mp_value_set(d, DBL_MAX));
    must(mp_value_add(d, DBL_MAX));
    expect_value(d, double, INFINITY);
    must(mp_value_add(d, -(double)INFINITY));
    must(mp_value_get(d, &x));
    ck_assert(isnan(x));
    for (int i = 0; i < 1000; i++) {
        must(mp_value_add(f, 0.1));
        sum += 0.1;
        expect_value(f, float, sum);
    }
    must(mp_value_destroy(d));
    must(mp_value_destroy(f));
}
END_TEST

START_TEST(value_add_get_gives_its_own_sum)
{
    mp_value *value = value_of('h', MP_SCALAR(299));
    signed char small = 3;
    double sum;

    must(mp_value_add_get(value, 1, &sum));
    ck_assert(sum == 300);
    must_fail(mp_value_add_get(value, 1, &small), -ERANGE, "301");
    ck_assert_int_eq(small, 3);
    expect_value(value, int, 301); /* added all the same */
    must(mp_value_destroy(value));
}
END_TEST

START_TEST(value_exchanges_what_was_expected)
{
    static const char letters[] = "cubBhHiIlLqQnNfd";

    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        mp_value *value = value_of(letters[i], MP_SCALAR(5));

        ck_assert_int_eq(mp_value_compare_exchange(value, 4, 6), 0);
        expect_value(value, int, 5);
        ck_assert_int_eq(mp_value_compare_exchange(value, 5.0, 6), 1);
        expect_value(value, int, 6);
        must(mp_value_destroy(value));
    }
}
END_TEST

START_TEST(value_compares_floating_point_by_bits)
{
    mp_value *value = value_of('f', MP_SCALAR(0.1));

    ck_assert_int_eq(mp_value_compare_exchange(value, 0.1, 0.0), 1);
    ck_assert_int_eq(mp_value_compare_exchange(value, -0.0, 1), 0);
    ck_assert_int_eq(mp_value_compare_exchange(value, 0, (double)NAN), 1);
    ck_assert_int_eq(mp_value_compare_exchange(value, (double)NAN, 1), 1);
    must(mp_value_destroy(value));
}
END_TEST

static int
take_steps(void *arg)
{
    mp_value *value = arg;
    int x;

    return mp_value_set(value, 3) || mp_value_add(value, 4) ||
           mp_value_add_get(value, -2, &x) || x != 5 ||
           mp_value_compare_exchange(value, 5, 6) != 1 ||
           mp_value_get(value, &x) || x != 6;
}

START_TEST(value_steps_make_no_system_call)
{
    mp_value *value = value_of(_i, MP_SCALAR(0));

    needs_no_system_call(take_steps, value);
    must(mp_value_destroy(value));
}
END_TEST

/* ---- Handles ---- */

static int
get(void *value)
{
    int x;

    return mp_value_get(value, &x);
}

static int
set(void *value)
{
    return mp_value_set(value, 1);
}

static int
add(void *value)
{
    return mp_value_add(value, 1);
}

static int
add_get(void *value)
{
    int x;

    return mp_value_add_get(value, 1, &x);
}

static int
compare_exchange(void *value)
{
    return mp_value_compare_exchange(value, 0, 1);
}

static int
lock(void *value)
{
    return mp_value_lock(value) ? 0 : -EBADF;
}

static int
type(void *value)
{
    return mp_value_type(value);
}

static int
print(void *value)
{
    return mp_value_print(value, stderr);
}

static int
destroy(void *value)
{
    return mp_value_destroy(value);
}

START_TEST(value_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_value_get", get},
        {"mp_value_set", set},
        {"mp_value_add", add},
        {"mp_value_add_get", add_get},
        {"mp_value_compare_exchange", compare_exchange},
        {"mp_value_lock", lock},
        {"mp_value_type", type},
        {"mp_value_print", print},
        {"mp_value_destroy", destroy},
    };
    mp_value *gone = value_of('i', MP_SCALAR(0));
    mp_array *array;

    must(mp_value_destroy(gone));
    must(mp_array_create(&array, 'i', 1, NULL));
    calls_refuse_strangers(calls, LENGTH(calls), KINDS, gone);
    must_fail(mp_value_set((mp_value *)array, 1), -EBADF, "mp_value_set");
    must(mp_array_destroy(array));
}
END_TEST

START_TEST(value_destroyed_gives_its_memory_back)
{
    static mp_value *many[1000];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(many); i++)
        many[i] = value_of('i', MP_SCALAR(i));
    for (size_t i = 0; i < LENGTH(many); i += 3)
        ck_assert_ptr_nonnull(mp_value_lock(many[i]));
    for (size_t i = 0; i < LENGTH(many); i++) {
        expect_value(many[i], size_t, i);
        must(mp_value_destroy(many[i]));
    }
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- The lock, and reports ---- */

static int
hold_it(void *arg, int unused)
{
    (void)unused;
    must(mp_rlock_acquire(mp_value_lock(arg), MP_FOREVER));
    must(mp_value_add(arg, 1));
    return mp_rlock_release(mp_value_lock(arg));
}

START_TEST(value_lock_in_use_is_not_destroyed)
{
    mp_value *value = value_of('i', MP_SCALAR(0));
    mp_rlock *own = mp_value_lock(value);
    struct kin *kin;

    ck_assert_ptr_eq(mp_value_lock(value), own);
    must(mp_rlock_acquire(own, MP_NOW));
    must_fail(mp_value_destroy(value), -EBUSY, "held");
    kin = kin_start(PROCESSES, 2, hold_it, value);
    kin_await_sleep(kin);
    must(mp_value_add(value, 1)); /* looks at no lock */
    must(mp_rlock_release(own));
    kin_end(kin);
    expect_value(value, int, 3);
    must(mp_value_destroy(value));
    must_fail(mp_rlock_acquire(own, MP_NOW), -EBADF, "");
}
END_TEST

static void
report_is(const void *object, const char *format)
{
    char expected[256], *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    must(mp_describe(object, out));
    ck_assert_int_eq(fclose(out), 0);
    snprintf(expected, sizeof(expected), format, object, (int)getpid());
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(value_is_described)
{
    mp_value *value = value_of('f', MP_SCALAR(0.5));

    report_is(value, "value %p ('f'): 0.5\n");
    must(mp_rlock_acquire(mp_value_lock(value), MP_NOW));
    must(mp_value_set(value, 1e22));
    report_is(value, "value %p ('f'): 9.999999778196308e+21; its lock: held "
                     "by pid %d; nobody waits\n");
    must(mp_rlock_release(mp_value_lock(value)));
    report_is(value, "value %p ('f'): 9.999999778196308e+21; its lock: free; "
                     "nobody waits\n");
    must(mp_value_destroy(value));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("value");
    TCase *tcase = mp_test_case(suite, "value", 20);

    tcase_add_test(tcase, value_is_what_was_set_last);
    tcase_add_test(tcase, value_in_vain_is_as_it_was);
    tcase_add_test(tcase, value_adds_to_the_limits);
    tcase_add_test(tcase, value_adds_floating_point_as_c);
    tcase_add_test(tcase, value_add_get_gives_its_own_sum);
    tcase_add_test(tcase, value_exchanges_what_was_expected);
    tcase_add_test(tcase, value_compares_floating_point_by_bits);
    tcase_add_loop_test(tcase, value_steps_make_no_system_call, 'h', 'j');
    tcase_add_test(tcase, value_handles_are_checked);
    tcase_add_test(tcase, value_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, value_lock_in_use_is_not_destroyed);
    tcase_add_test(tcase, value_is_described);
    return mp_test_main(suite);
}
