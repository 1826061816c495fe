/* SPDX-License-Identifier: MIT */
/* Arguments of every type that C has, by the macros of C and, from
 * scalars-cxx.cc, by the overloads of C++. Says which line has failed. */
#include <mproc.h>
#include <stdbool.h>
#include <wchar.h>

#ifdef __cplusplus
#define POINTER(p) (p) /* of any type */
#define NOTHING    nullptr
#else
#define POINTER(p) ((void *)(p))
#define NOTHING    NULL
#endif

#define CHECK(condition)     \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

/* A value of that letter goes through a variable of that type. */
#define CHECK_TYPE(type, letter, x)                                   \
    do {                                                              \
        const type in = (type)(x);                                    \
        type out = (type)0, sum = (type)0;                            \
        mp_value *value;                                              \
        mp_array *array;                                              \
                                                                      \
        CHECK(MP_TYPE(in) == MP_TYPE(out));                           \
        CHECK(mp_value_create(&value, letter, in) == 0);              \
        CHECK(mp_value_get(value, &out) == 0 && out == in);           \
        CHECK(mp_value_set(value, (type)0) == 0);                     \
        CHECK(mp_value_add(value, in) == 0);                          \
        CHECK(mp_value_add_get(value, (type)0, &sum) == 0);           \
        CHECK(sum == in);                                             \
        CHECK(mp_value_compare_exchange(value, in, (type)1) == 1);    \
        CHECK(mp_value_destroy(value) == 0);                          \
        CHECK(mp_array_create(&array, letter, 3, NULL) == 0);         \
        CHECK(mp_array_set(array, 2, (type)0) == 0);                  \
        CHECK(mp_array_add(array, -1, in) == 0);                      \
        CHECK(mp_array_get(array, 2, &out) == 0 && out == in);        \
        CHECK(mp_array_compare_exchange(array, 2, in, (type)1) == 1); \
        CHECK(((type *)mp_array_data(array))[2] == (type)1);          \
        CHECK(mp_array_destroy(array) == 0);                          \
        CHECK((int)sizeof(type) == (int)sizeof(out));                 \
    } while (0)

enum colour { RED, GREEN };

static int
use_all_types(void)
{
    CHECK_TYPE(bool, '?', 1);
    CHECK_TYPE(char, 'c', 'x');
    CHECK_TYPE(wchar_t, 'u', 0x1f600);
    CHECK_TYPE(signed char, 'b', -128);
    CHECK_TYPE(unsigned char, 'B', 255);
    CHECK_TYPE(short, 'h', -32768);
    CHECK_TYPE(unsigned short, 'H', 65535);
    CHECK_TYPE(int, 'i', -2147483647 - 1);
    CHECK_TYPE(unsigned, 'I', 4294967295u);
    CHECK_TYPE(long, 'l', INT64_MIN);
    CHECK_TYPE(unsigned long, 'L', UINT64_MAX);
    CHECK_TYPE(long long, 'q', INT64_MIN);
    CHECK_TYPE(unsigned long long, 'Q', UINT64_MAX);
    CHECK_TYPE(ssize_t, 'n', -1);
    CHECK_TYPE(size_t, 'N', SIZE_MAX);
    CHECK_TYPE(float, 'f', 0.1f);
    CHECK_TYPE(double, 'd', 0.1);
    return 0;
}

static int
use_constants(void)
{
    mp_value *value;
    void *p = NULL;
    double d = 0;

    CHECK(mp_value_create(&value, 'd', 0) == 0);
    CHECK(mp_value_set(value, GREEN) == 0);
    CHECK(mp_value_add(value, 0.5f) == 0 && mp_value_add(value, 1u) == 0);
    CHECK(mp_value_get(value, &d) == 0 && d == 2.5);
    CHECK(mp_value_destroy(value) == 0);
    CHECK(mp_value_create(&value, 'P', 0) == 0);
    CHECK(mp_value_set(value, NOTHING) == 0);
    CHECK(mp_value_set(value, POINTER(value)) == 0);
    CHECK(mp_value_get(value, &p) == 0 && p == (void *)value);
    CHECK(mp_value_destroy(value) == 0);
    return 0;
}

int
main(void)
{
    int line = use_all_types();

    if (line == 0)
        line = use_constants();
    if (line)
        fprintf(stderr, "line %d: %s\n", line, mp_last_error());
    return line != 0;
}
