/* SPDX-License-Identifier: MIT */
/* Every letter, and every conversion between two, at the limits: against what C
 * says, by 128 bits for whole numbers. */
#include "container/type.h"
#include "region/kin.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static const char letters[] = "?cubBhHiIlLqQnNfd"; /* and 'P' */

#define LETTERS ((int)sizeof(letters) - 1)

/* A number: `d`, and if that is whole exactly `i`. */
struct number {
    int whole;
    mp__wide i;
    double d;
};

static const double reals[] = {
    -0.0,
    2.7,
    -2.5,
    0.1,
    1e-300,
    0x1p24 + 0.5,
    3e10,
    0x1p64,
    -0x1p64,
    1e20,
    1e100,
    3.4e38,
    -3.5e38,
    1.7e308,
    -1.7e308,
    INFINITY,
    -(double)INFINITY,
    (double)NAN,
};

/* Whole numbers: a power of two, and some more or less. */
static const int powers[] = {0, 7, 8, 15, 16, 24, 31, 32, 53, 63, 64};

#define AROUND  5 /* -2 to 2 */
#define NUMBERS (LENGTH(reals) + LENGTH(powers) * AROUND * 2)

static struct number
number_of(double d)
{
    struct number x = {fabs(d) < 0x1p65 && floor(d) == d, 0, d};

    if (x.whole)
        x.i = (mp__wide)d;
    return x;
}

static struct number
number_at(size_t at)
{
    mp__wide i;

    if (at < LENGTH(reals))
        return number_of(reals[at]);
    at -= LENGTH(reals);
    i = ((mp__wide)1 << powers[at / 2 / AROUND]) + (int)(at / 2 % AROUND) - 2;
    if (at % 2)
        i = -i;
    return (struct number){1, i, (double)i};
}

/* ---- What C says ---- */

static mp__wide
least(char letter)
{
    switch (letter) {
    case 'c':
        return CHAR_MIN;
    case 'u':
        return WCHAR_MIN;
    case 'b':
        return SCHAR_MIN;
    case 'h':
        return SHRT_MIN;
    case 'i':
        return INT_MIN;
    case 'l':
    case 'q':
    case 'n':
        return LLONG_MIN;
    default:
        return 0;
    }
}

static mp__wide
most(char letter)
{
    switch (letter) {
    case '?':
        return 1;
    case 'c':
        return CHAR_MAX;
    case 'u':
        return WCHAR_MAX;
    case 'b':
        return SCHAR_MAX;
    case 'B':
        return UCHAR_MAX;
    case 'h':
        return SHRT_MAX;
    case 'H':
        return USHRT_MAX;
    case 'i':
        return INT_MAX;
    case 'I':
        return UINT_MAX;
    case 'l':
    case 'q':
    case 'n':
        return LLONG_MAX;
    default:
        return ULLONG_MAX;
    }
}

static int
is_real(char letter)
{
    return letter == 'f' || letter == 'd';
}

/* Whether `x` goes into the type of the letter; `real`: it comes as floating
 * point. */
static int
fits(char letter, struct number x, int real)
{
    if (letter == 'd')
        return real || (mp__wide)x.d == x.i;
    if (letter == 'f')
        return real ? !isfinite(x.d) || isfinite((float)x.d)
                    : (mp__wide)(float)x.i == x.i;
    return x.whole && x.i >= least(letter) && x.i <= most(letter);
}

/* The whole number that lies at `p`. */
static mp__wide
read_back(char letter, const void *p)
{
    switch (letter) {
    case '?':
        return *(const _Bool *)p;
    case 'c':
        return *(const char *)p;
    case 'u':
        return *(const wchar_t *)p;
    case 'b':
        return *(const signed char *)p;
    case 'B':
        return *(const unsigned char *)p;
    case 'h':
        return *(const short *)p;
    case 'H':
        return *(const unsigned short *)p;
    case 'i':
        return *(const int *)p;
    case 'I':
        return *(const unsigned *)p;
    case 'l':
    case 'q':
    case 'n':
        return *(const long long *)p;
    default:
        return *(const unsigned long long *)p;
    }
}

/* Whether what lies at `p` is `x`, rounded if need be. */
static int
is_same(char letter, struct number x, const void *p)
{
    double got, expected;

    if (!is_real(letter))
        return read_back(letter, p) == x.i;
    got = letter == 'f' ? (double)*(const float *)p : *(const double *)p;
    expected = letter == 'f' ? (double)(float)x.d : x.d;
    return isnan(expected)
               ? isnan(got)
               : got == expected && !signbit(got) == !signbit(expected);
}

/* ---- The tests ---- */

/* Gives the number as each kind of scalar that has it exactly; how many. */
static int
scalars_of(struct number x, mp_scalar scalars[3])
{
    int n = 0;

    if (x.whole && x.i >= 0 && x.i <= ULLONG_MAX)
        scalars[n++] = MP_SCALAR((unsigned long long)x.i);
    if (x.whole && x.i >= LLONG_MIN && x.i <= LLONG_MAX)
        scalars[n++] = MP_SCALAR((long long)x.i);
    if (!x.whole || (mp__wide)x.d == x.i)
        scalars[n++] = MP_SCALAR(x.d);
    return n;
}

/* Reads a value of one letter, which is x, as another. */
static void
reads_as(mp_value *value, char from, char to, struct number x)
{
    unsigned char seen[16], before[16];
    int fit = fits(to, x, is_real(from)), r;

    memset(seen, 0xa5, sizeof(seen));
    memset(before, 0xa5, sizeof(before));
    r = (mp_value_get)(value, to, seen);
    ck_assert_msg(r == (fit ? 0 : -ERANGE), "'%c' %.17g as '%c': %d", from,
                  x.d, to, r);
    if (r == 0)
        ck_assert_msg(is_same(to, x, seen), "'%c' %.17g as '%c'", from, x.d,
                      to);
    else
        ck_assert_int_eq(memcmp(seen, before, sizeof(seen)), 0);
}

/* Makes a value of the number, as far as one can, and reads it back. */
static void
goes_through(char letter, struct number x, mp_scalar scalar)
{
    int real = scalar.type == 'd', fit = fits(letter, x, real);
    mp_value *value = NULL;
    int r = (mp_value_create)(&value, letter, scalar);

    ck_assert_msg(r == (fit ? 0 : -ERANGE), "'%c' of %.17g (%c): %d", letter,
                  x.d, scalar.type, r);
    ck_assert_int_eq(value != NULL, fit);
    if (letter == 'f')
        x = number_of((double)(float)x.d);
    else if (!(real && letter == 'd'))
        x.d += 0.0; /* an integer has no -0.0 */
    for (int to = 0; value && to < LETTERS; to++)
        reads_as(value, letter, letters[to], x);
    must(mp_value_destroy(value));
}

START_TEST(type_conversions_are_exact_or_refused)
{
    for (size_t at = 0; at < NUMBERS; at++) {
        struct number x = number_at(at);
        mp_scalar scalars[3];
        int n = scalars_of(x, scalars);

        for (int k = 0; k < n; k++) {
            struct number y = x;

            if (scalars[k].type != 'd')
                y.d += 0.0;
            goes_through(letters[_i], y, scalars[k]);
        }
    }
}
END_TEST

START_TEST(type_refusals_say_what_does_not_fit)
{
    mp_value *value;
    mp_array *array;
    char c;

    must_fail(mp_value_create(&value, 'b', 300), -ERANGE,
              "mp_value_create: 300 does not fit into 'b'");
    must_fail(mp_value_create(&value, 'I', -1), -ERANGE, "-1 does not");
    must_fail(mp_value_create(&value, 'i', 2.7), -ERANGE, "2.7 does not");
    must_fail(mp_value_create(&value, 'Q', (double)NAN), -ERANGE, "nan does");
    must(mp_value_create(&value, 'd', 3e10));
    must_fail(mp_value_get(value, &c), -ERANGE,
              "mp_value_get: 30000000000.0 does not fit into 'c'");
    must(mp_value_destroy(value));
    must_fail(mp_value_create(&value, 'x', 0), -EINVAL, "'x'");
    must_fail(mp_array_create(&array, '\n', 3, NULL), -EINVAL, "10");
    for (int letter = -300; letter < 300; letter++)
        if (letter <= 0 || letter > 127 ||
            (letter != 'P' && strchr(letters, letter) == NULL)) {
            ck_assert_int_eq(mp_value_create(&value, letter, 0), -EINVAL);
            ck_assert_int_eq(mp_array_create(&array, letter, 1, NULL),
                             -EINVAL);
        }
}
END_TEST

START_TEST(type_pointers_are_no_numbers)
{
    mp_value *pointer, *number;
    int *target = mp_new(int);
    void *p = &p;
    long n;

    must(mp_value_create(&pointer, 'P', 0));
    must(mp_value_get(pointer, &p));
    ck_assert_ptr_null(p);
    must(mp_value_set(pointer, (void *)target));
    must(mp_value_get(pointer, &p));
    ck_assert_ptr_eq(p, target);
    ck_assert_int_eq(
        mp_value_compare_exchange(pointer, (void *)target, (void *)NULL), 1);
    must_fail(mp_value_set(pointer, 1), -EINVAL, "1 is a number");
    must_fail(mp_value_set(pointer, 0.0), -EINVAL, "0.0 is a number");
    must_fail(mp_value_get(pointer, &n), -EINVAL, "pointer");
    must_fail(mp_value_add(pointer, 8), -EINVAL, "pointer");
    must(mp_value_create(&number, 'L', 0));
    must_fail(mp_value_get(number, &p), -EINVAL, "0 is a number");
    must_fail(mp_value_set(number, (void *)target), -EINVAL, "is a pointer");
    must_fail(mp_value_add(number, (void *)target), -EINVAL, "is a pointer");
    must(mp_value_destroy(pointer));
    must(mp_value_destroy(number));
    must(mp_free(target));
}
END_TEST

START_TEST(type_letters_are_those_of_c)
{
    ck_assert_int_eq(MP_TYPE((int8_t)0), 'b');
    ck_assert_int_eq(MP_TYPE((uint8_t)0), 'B');
    ck_assert_int_eq(MP_TYPE((int16_t)0), 'h');
    ck_assert_int_eq(MP_TYPE((uint16_t)0), 'H');
    ck_assert_int_eq(MP_TYPE((int32_t)0), 'i');
    ck_assert_int_eq(MP_TYPE((uint32_t)0), 'I');
    ck_assert_int_eq(MP_TYPE((_Bool)0), '?');
    ck_assert_int_eq(MP_TYPE((char)0), 'c');
    ck_assert_int_eq(MP_TYPE(0ll), 'q');
    ck_assert_int_eq(MP_TYPE(0ull), 'Q');
    ck_assert_int_eq(MP_TYPE(0.0f), 'f');
    ck_assert_int_eq(MP_TYPE((void *)0), 'P');
    ck_assert_uint_eq(mp__type_find(MP_TYPE((int64_t)0))->size, 8);
    ck_assert_uint_eq(mp__type_find(MP_TYPE((size_t)0))->size, sizeof(size_t));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("type");
    TCase *tcase = mp_test_case(suite, "type", 20);

    tcase_add_loop_test(tcase, type_conversions_are_exact_or_refused, 0,
                        LETTERS);
    tcase_add_test(tcase, type_refusals_say_what_does_not_fit);
    tcase_add_test(tcase, type_pointers_are_no_numbers);
    tcase_add_test(tcase, type_letters_are_those_of_c);
    return mp_test_main(suite);
}
