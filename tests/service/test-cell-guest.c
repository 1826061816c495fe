/* SPDX-License-Identifier: MIT */
/* Values and arrays, served: what comes back for each type, and what is refused. */
#include "service/guest-kit.h"

#include "container/container.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The functions behind the macros. */
#undef mp_value_create
#undef mp_array_get
#undef mp_array_set

static const char codes[] = "?cubBhHiIlLqQnNfdP";

static void
setup(void)
{
    guest_new(); /* registers the operations */
}

static mp_value *
value_of(int code, mp_scalar x)
{
    mp_value *value;

    must(mp_value_create(&value, code, x));
    return value;
}

static ssize_t
send(struct ask *a, const char *op, void *object, mp_scalar x)
{
    return ask(a, NULL, op, object, MP_NOW, "iQ", x.type, x.u);
}

static mp_scalar
answer(const struct ask *a)
{
    mp_scalar x;

    given(a, "[iQ]", &x.type, &x.u);
    return x;
}

START_TEST(value_of_each_type)
{
    for (const char *code = codes; *code; code++) {
        int pointer = *code == 'P', real = *code == 'f' || *code == 'd';
        mp_value *value = value_of(*code, (mp_scalar){.u = 0, .type = 'Q'});
        mp_scalar one = pointer ? (mp_scalar){.u = 1, .type = 'P'}
                        : real  ? (mp_scalar){.d = 1, .type = 'd'}
                                : (mp_scalar){.i = 1, .type = 'q'};
        mp_scalar x;
        struct ask a;

        ck_assert_int_eq(ask_now(NULL, "value_type", value), *code);
        must(send(&a, "value_set", value, one));
        must(ask(&a, NULL, "value_get", value, MP_NOW, ""));
        x = answer(&a);
        ck_assert_uint_eq(x.u, one.u);
        ck_assert_int_eq(x.type == 'd', real);
        ck_assert_int_eq(x.type == 'P', pointer);
        ck_assert_int_eq(ask(&a, NULL, "value_compare_exchange", value, MP_NOW,
                             "iQiQ", one.type, one.u, 'Q', (uint64_t)0),
                         1);
        ck_assert_int_eq(ask(&a, NULL, "value_compare_exchange", value, MP_NOW,
                             "iQiQ", one.type, one.u, 'Q', (uint64_t)0),
                         0);
        ck_assert_int_eq(send(&a, "value_add", value, one),
                         pointer ? -EINVAL : 0);
        if (!pointer && *code != '?') {
            must(send(&a, "value_add_get", value, one));
            x = answer(&a);
            ck_assert_double_eq(real ? x.d : (double)x.i, 2);
        }
        must(mp_value_destroy(value));
    }
}
END_TEST

START_TEST(value_refuses_as_at_home)
{
    mp_value *value = value_of('b', (mp_scalar){.i = 100, .type = 'q'});
    mp_scalar x = {.i = 28, .type = 'q'};
    struct ask a;

    ck_assert_int_eq(send(&a, "value_add", value, x), -ERANGE);
    ck_assert_int_eq(send(&a, "value_add_get", value, x), -ERANGE);
    x.i = 128;
    ck_assert_int_eq(send(&a, "value_set", value, x), -ERANGE);
    x = (mp_scalar){.d = NAN, .type = 'd'};
    ck_assert_int_eq(send(&a, "value_set", value, x), -ERANGE);
    x = (mp_scalar){.u = 1, .type = 'P'};
    ck_assert_int_eq(send(&a, "value_set", value, x), -EINVAL);
    for (x.type = -300; x.type < 300; x.type++)
        if (!strchr("qQdP", x.type & 255) || x.type < 1 || x.type > 255)
            ck_assert_int_eq(send(&a, "value_set", value, x), -EINVAL);
    ck_assert_int_lt(ask(&a, NULL, "value_set", value, MP_NOW, "s", "text"),
                     0);
    ck_assert_int_lt(ask(&a, NULL, "value_set", value, MP_NOW, ""), 0);
    must(ask(&a, NULL, "value_get", value, MP_NOW, ""));
    ck_assert_int_eq(answer(&a).i, 100);
    must(mp_value_destroy(value));
}
END_TEST

START_TEST(cells_are_printed)
{
    mp_array *array, *large;
    const char *text;
    struct ask a;
    mp_value *value = value_of('d', (mp_scalar){.d = 0.1, .type = 'd'});
    size_t size;

    must(ask(&a, NULL, "value_print", value, MP_NOW, ""));
    given(&a, "[S]", &text, &size);
    ck_assert(size == 3 && memcmp(text, "0.1", 3) == 0);
    must(mp_array_create(&array, 'i', 3, (int[]){1, -2, 3}));
    must(ask(&a, NULL, "array_print", array, MP_NOW, ""));
    given(&a, "[S]", &text, &size);
    ck_assert(size == 10 && memcmp(text, "[1, -2, 3]", size) == 0);
    must(mp_array_create(&large, 'b', (1 << 20) + 1, NULL));
    ck_assert_int_eq(ask(&a, NULL, "array_print", large, MP_NOW, ""),
                     -EMSGSIZE);
    must(mp_value_destroy(value));
    must(mp_array_destroy(array));
    must(mp_array_destroy(large));
}
END_TEST

START_TEST(array_items)
{
    mp_array *array, *structs;
    struct ask a;

    must(mp_array_create(&array, 'i', 3, (int[]){1, -2, 3}));
    must(mp_array_create_of(&structs, 12, 5, NULL));
    ck_assert_int_eq(ask_now(NULL, "array_len", array), 3);
    ck_assert_int_eq(ask_now(NULL, "array_itemsize", structs), 12);
    ck_assert_int_eq(ask_now(NULL, "array_type", array), 'i');
    ck_assert_int_eq(ask_now(NULL, "array_type", structs), 0);
    must(ask(&a, NULL, "array_get", array, MP_NOW, "q", (int64_t)-2));
    ck_assert_int_eq(answer(&a).i, -2);
    must(ask(&a, NULL, "array_set", array, MP_NOW, "qiQ", (int64_t)1, 'q',
             (uint64_t)7));
    must(ask(&a, NULL, "array_add", array, MP_NOW, "qiQ", (int64_t)1, 'q',
             (uint64_t)-5));
    ck_assert_int_eq(ask(&a, NULL, "array_compare_exchange", array, MP_NOW,
                         "qiQiQ", (int64_t)1, 'd',
                         (uint64_t)0x4000000000000000, 'q', (uint64_t)9),
                     1);
    must(ask(&a, NULL, "array_get", array, MP_NOW, "q", (int64_t)1));
    ck_assert_int_eq(answer(&a).i, 9);
    ck_assert_int_eq(
        ask(&a, NULL, "array_get", array, MP_NOW, "q", (int64_t)3), -ERANGE);
    ck_assert_int_eq(ask(&a, NULL, "array_get", array, MP_NOW, "q", INT64_MIN),
                     -ERANGE);
    ck_assert_int_eq(
        ask(&a, NULL, "array_get", structs, MP_NOW, "q", (int64_t)0), -EINVAL);
    ck_assert_int_eq(ask(&a, NULL, "array_set", structs, MP_NOW, "qiQ",
                         (int64_t)0, 'q', (uint64_t)1),
                     -EINVAL);
    must(mp_array_destroy(structs));
    must(mp_array_destroy(array));
}
END_TEST

START_TEST(locks_of_cells_are_handles)
{
    mp_value *value = value_of('i', (mp_scalar){.i = 0, .type = 'q'});
    mp_rlock *lock;
    mp_array *array;
    struct ask a;

    must(mp_array_create(&array, 'i', 3, NULL));
    must(ask(&a, NULL, "value_lock", value, MP_NOW, ""));
    given(&a, "[h]", &lock);
    ck_assert_ptr_eq(lock, mp_value_lock(value));
    must(ask(&a, NULL, "array_lock", array, MP_NOW, ""));
    given(&a, "[h]", &lock);
    ck_assert_ptr_eq(lock, mp_array_lock(array));
    must(mp_value_destroy(value));
    must(mp_array_destroy(array));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cell-guest");
    TCase *tcase = mp_test_case(suite, "cells", 10);

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, value_of_each_type);
    tcase_add_test(tcase, value_refuses_as_at_home);
    tcase_add_test(tcase, array_items);
    tcase_add_test(tcase, cells_are_printed);
    tcase_add_test(tcase, locks_of_cells_are_handles);
    return mp_test_main(suite);
}
