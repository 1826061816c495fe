/* SPDX-License-Identifier: MIT */
/* mp_array in one process. */
#include "container/container.h"
#include "sync/kit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mp_array *
array_of(int type, size_t n, const void *init)
{
    mp_array *array;

    must(mp_array_create(&array, type, n, init));
    return array;
}

START_TEST(array_of_each_type_is_as_it_was_made)
{
    static const char letters[] = "?cubBhHiIlLqQnNfdP";
    static const size_t sizes[] = {0, 1, 2, 3, 100, 5000, 100000, 1000000};
    const char zero[8] = {0};

    for (int i = 0; letters[i]; i++) {
        mp_array *array = array_of(letters[i], sizes[i % 8], NULL);
        char *data = mp_array_data(array);
        size_t n = mp_array_len(array), size = mp_array_itemsize(array);

        ck_assert_int_eq(mp_array_type(array), letters[i]);
        ck_assert_uint_eq(n, sizes[i % 8]);
        ck_assert_int_eq(mp_memory_contains(data, n * size), 1);
        ck_assert_uint_eq((uintptr_t)data % 16, 0);
        for (size_t k = 0; k < n; k++)
            ck_assert_int_eq(memcmp(data + k * size, zero, size), 0);
        must(mp_array_destroy(array));
    }
}
END_TEST

START_TEST(array_copies_what_it_begins_with)
{
    int squares[] = {0, 1, 4, 9, 16}, x;
    mp_array *array = array_of('i', 5, squares);

    ck_assert_int_eq(memcmp(mp_array_data(array), squares, sizeof(squares)),
                     0);
    squares[4] = 0;
    must(mp_array_get(array, 4, &x));
    ck_assert_int_eq(x, 16);
    must(mp_array_destroy(array));
}
END_TEST

START_TEST(array_items_are_changed_alone)
{
    const short init[] = {10, 20, 30, 40};
    mp_array *array = array_of('h', 4, init);
    const short *data = mp_array_data(array);
    double x;

    must(mp_array_set(array, 1, -1));
    must(mp_array_add(array, 2, 5));
    must(mp_array_set(array, -1, 44.0));
    ck_assert_int_eq(mp_array_compare_exchange(array, -4, 10, 11), 1);
    ck_assert_int_eq(mp_array_compare_exchange(array, -4, 10, 12), 0);
    ck_assert(data[0] == 11 && data[1] == -1 && data[2] == 35 &&
              data[3] == 44);
    must(mp_array_get(array, -2, &x));
    ck_assert(x == 35);
    must_fail(mp_array_set(array, 0, 32768), -ERANGE, "32768");
    must_fail(mp_array_add(array, 0, 32757), -ERANGE, "11 + 32757");
    ck_assert_int_eq(data[0], 11);
    must(mp_array_destroy(array));
}
END_TEST

START_TEST(array_index_out_of_bounds_is_refused)
{
    mp_array *array = array_of('i', 3, NULL), *empty = array_of('d', 0, NULL);
    const ssize_t outside[] = {3, -4, 1000000, SSIZE_MAX, -SSIZE_MAX - 1};
    int x;

    for (size_t i = 0; i < LENGTH(outside); i++) {
        must_fail(mp_array_get(array, outside[i], &x), -ERANGE, "array of 3");
        must_fail(mp_array_set(array, outside[i], 1), -ERANGE, "array of 3");
        must_fail(mp_array_add(array, outside[i], 1), -ERANGE, "array of 3");
        must_fail(mp_array_compare_exchange(array, outside[i], 0, 1), -ERANGE,
                  "array of 3");
    }
    must_fail(mp_array_get(array, -4, &x), -ERANGE,
              "mp_array_get: index -4 of an array of 3");
    must_fail(mp_array_get(empty, 0, &x), -ERANGE, "array of 0");
    must_fail(mp_array_get(empty, -1, &x), -ERANGE, "array of 0");
    must(mp_array_destroy(array));
    must(mp_array_destroy(empty));
}
END_TEST

struct point {
    double x, y;
    char name[5];
};

START_TEST(array_of_structs_is_plain_memory)
{
    const struct point init[] = {{1, 2, "a"}, {3, 4, "b"}};
    struct point *points;
    mp_array *array;
    int x;

    must(mp_array_create_of(&array, sizeof(*init), 2, init));
    points = mp_array_data(array);
    ck_assert(points[1].y == 4 && points[1].name[0] == 'b');
    ck_assert_uint_eq(mp_array_itemsize(array), sizeof(struct point));
    ck_assert_int_eq(mp_array_type(array), 0);
    must_fail(mp_array_get(array, 0, &x), -EINVAL, "mp_array_data");
    must_fail(mp_array_set(array, 0, 1), -EINVAL, "structs of 24 bytes");
    must(mp_array_destroy(array));
}
END_TEST

START_TEST(array_that_cannot_be_is_not_made)
{
    uint64_t use = heap_use();
    mp_array *array = NULL;

    must_fail(mp_array_create_of(&array, 0, 1, NULL), -EINVAL, "size");
    must_fail(mp_array_create(NULL, 'i', 1, NULL), -EINVAL, "ret_array");
    must_fail(mp_array_create(&array, 'd', SIZE_MAX / 4, NULL), -ENOMEM,
              "mp_array_create");
    must_fail(mp_array_create(&array, 'B', SIZE_MAX / 4, NULL), -ENOMEM, "");
    must_fail(mp_array_create_of(&array, SIZE_MAX, 2, NULL), -ENOMEM,
              "address space");
    ck_assert_ptr_null(array);
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- Handles ---- */

static int
get(void *array)
{
    int x;

    return mp_array_get(array, 0, &x);
}

static int
set(void *array)
{
    return mp_array_set(array, 0, 1);
}

static int
add(void *array)
{
    return mp_array_add(array, 0, 1);
}

static int
compare_exchange(void *array)
{
    return mp_array_compare_exchange(array, 0, 0, 1);
}

static int
data(void *array)
{
    return mp_array_data(array) ? 0 : -EBADF;
}

static int
len(void *array)
{
    return mp_array_len(array) ? 0 : -EBADF;
}

static int
itemsize(void *array)
{
    return mp_array_itemsize(array) ? 0 : -EBADF;
}

static int
type(void *array)
{
    return mp_array_type(array);
}

static int
lock(void *array)
{
    return mp_array_lock(array) ? 0 : -EBADF;
}

static int
print(void *array)
{
    return mp_array_print(array, stderr);
}

static int
destroy(void *array)
{
    return mp_array_destroy(array);
}

START_TEST(array_handles_are_checked)
{
    const struct handle_call calls[] = {
        {"mp_array_get", get},
        {"mp_array_set", set},
        {"mp_array_add", add},
        {"mp_array_compare_exchange", compare_exchange},
        {"mp_array_data", data},
        {"mp_array_len", len},
        {"mp_array_itemsize", itemsize},
        {"mp_array_type", type},
        {"mp_array_lock", lock},
        {"mp_array_print", print},
        {"mp_array_destroy", destroy},
    };
    mp_array *gone = array_of('i', 10, NULL);

    must(mp_array_destroy(gone));
    calls_refuse_strangers(calls, LENGTH(calls), KINDS, gone);
}
END_TEST

START_TEST(array_destroyed_gives_its_memory_back)
{
    static mp_array *many[300];
    uint64_t use = heap_use();

    for (size_t i = 0; i < LENGTH(many); i++)
        many[i] = array_of('d', i * i, NULL);
    for (size_t i = 0; i < LENGTH(many); i += 3)
        ck_assert_ptr_nonnull(mp_array_lock(many[i]));
    for (size_t i = 0; i < LENGTH(many); i++)
        must(mp_array_destroy(many[i]));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- The lock, and reports ---- */

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

START_TEST(array_lock_in_use_is_not_destroyed)
{
    mp_array *array = array_of('i', 7, NULL);
    mp_rlock *own = mp_array_lock(array);

    ck_assert_ptr_eq(mp_array_lock(array), own);
    must(mp_rlock_acquire(own, MP_NOW));
    must_fail(mp_array_destroy(array), -EBUSY, "mp_array_destroy");
    report_is(array, "array %p ('i'): 7 items of 4 bytes; its lock: held by "
                     "pid %d; nobody waits\n");
    must(mp_rlock_release(own));
    must(mp_array_destroy(array));
    must_fail(mp_rlock_acquire(own, MP_NOW), -EBADF, "");
}
END_TEST

START_TEST(array_is_described)
{
    mp_array *array;

    must(mp_array_create_of(&array, 24, 9, NULL));
    report_is(array, "array %p: 9 structs of 24 bytes\n");
    must(mp_array_destroy(array));
}
END_TEST

/* ---- Printing (see test-print for the rest) ---- */

START_TEST(array_print_into_a_full_file_fails)
{
    mp_array *array = array_of('i', 100000, NULL);
    mp_value *value;
    FILE *full = fopen("/dev/full", "w");

    must(mp_value_create(&value, 'i', 1));
    ck_assert_ptr_nonnull(full);
    setvbuf(full, NULL, _IONBF, 0);
    must_fail(mp_array_print(array, full), -EIO, "mp_array_print");
    must_fail(mp_value_print(value, full), -EIO, "mp_value_print");
    must_fail(mp_array_print(array, NULL), -EINVAL, "out");
    must_fail(mp_value_print(value, NULL), -EINVAL, "out");
    fclose(full);
    must(mp_array_destroy(array));
    must(mp_value_destroy(value));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("array");
    TCase *tcase = mp_test_case(suite, "array", 20);

    tcase_add_test(tcase, array_of_each_type_is_as_it_was_made);
    tcase_add_test(tcase, array_copies_what_it_begins_with);
    tcase_add_test(tcase, array_items_are_changed_alone);
    tcase_add_test(tcase, array_index_out_of_bounds_is_refused);
    tcase_add_test(tcase, array_of_structs_is_plain_memory);
    tcase_add_test(tcase, array_that_cannot_be_is_not_made);
    tcase_add_test(tcase, array_handles_are_checked);
    tcase_add_test(tcase, array_destroyed_gives_its_memory_back);
    tcase_add_test(tcase, array_lock_in_use_is_not_destroyed);
    tcase_add_test(tcase, array_is_described);
    tcase_add_test(tcase, array_print_into_a_full_file_fails);
    return mp_test_main(suite);
}
