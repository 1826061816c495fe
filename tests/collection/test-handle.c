/* SPDX-License-Identifier: MIT */
/* Handles as values: `h` in formats. */
#include "kit.h"

#include "codec/handle.h"
#include "region/far.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "list",  "dict",      "set",   "namespace", "value",   "array", "lock",
    "rlock", "semaphore", "event", "condition", "barrier", "queue",
};

#define KINDS ((int)LENGTH(names))

/* One of each kind; some are destroyed by the end of the test's process. */
static void *
object_of(int kind)
{
    void *p = NULL;

    switch (kind) {
    case 0:
        must(mp_list_create((mp_list **)&p));
        break;
    case 1:
        must(mp_dict_create((mp_dict **)&p));
        break;
    case 2:
        must(mp_set_create((mp_set **)&p));
        break;
    case 3:
        must(mp_namespace_create((mp_namespace **)&p));
        break;
    case 4:
        must(mp_value_create((mp_value **)&p, 'i', 5));
        break;
    case 5:
        must(mp_array_create((mp_array **)&p, 'i', 5, NULL));
        break;
    case 6:
        must(mp_lock_create((mp_lock **)&p, NULL));
        break;
    case 7:
        must(mp_rlock_create((mp_rlock **)&p, NULL));
        break;
    case 8:
        must(mp_semaphore_create((mp_semaphore **)&p, 1, NULL));
        break;
    case 9:
        must(mp_event_create((mp_event **)&p, NULL));
        break;
    case 10:
        must(mp_condition_create((mp_condition **)&p, NULL));
        break;
    case 11:
        must(mp_barrier_create((mp_barrier **)&p, 2, NULL));
        break;
    default:
        must(mp_queue_create((mp_queue **)&p, NULL));
    }
    return p;
}

START_TEST(G20_handle_of_each_kind_is_a_value)
{
    void *object = object_of(_i), *back = NULL;
    mp_any any = value_of("h", object);
    char text[100];

    ck_assert_int_eq(mp_any_type(any), MP_ANY_EXT);
    ck_assert_uint_eq(any.size, MP__HANDLE_SIZE);
    must(mp_any_parse(any, "h", &back));
    ck_assert_ptr_eq(back, object);
    snprintf(text, sizeof(text), "<%s at %p>", names[_i], object);
    any_is(any, text);
    ck_assert_int_eq(mp_any_equal(any, value_of("h", object)), 1);
    ck_assert_int_eq(mp_any_equal(any, value_of("h", object_of(_i))), 0);
    ck_assert_str_eq(mp__handle_class_name(mp__object_slab(object)),
                     names[_i]);
    ck_assert_int_eq(mp__handle_class_of(names[_i]), mp__object_slab(object));
    must_fail(mp_any_to_json(any, stderr), -EINVAL, "JSON has no");
}
END_TEST

START_TEST(handle_of_a_destroyed_object_is_told)
{
    mp_list *list = object_of(0), *back = NULL;
    mp_any any = value_of("[i,[n,h]]", 1, list);
    mp_any_writer w = MP_ANY_WRITER;
    int n;

    must(mp_any_parse(any, "[i,[_,h]]", &n, &back));
    must(mp_list_destroy(list));
    must_fail(mp_any_parse(any, "[i,[_,h]]", &n, &back), -EBADF,
              "mp_any_parse: item 1, item 1: the list has been destroyed");
    must_fail(mp_any_build(&w, "[h]", list), -EBADF, "mp_any_build: item 0: ");
    mp_any_discard(&w);
    must_fail(mp_any_build(&w, "h", &n), -EBADF, "no live object");
    mp_any_discard(&w);
    list = object_of(0); /* as a rule elsewhere */
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(handle_may_be_none)
{
    void *back = &back;
    mp_any any = value_of("[h,?h]", NULL, NULL);

    any_is(any, "[None, None]");
    must_fail(mp_any_parse(any, "[h *]", &back), -EINVAL,
              "item 0: expected handle, got None");
    must(mp_any_parse(any, "[?h,?h]", &back, &back));
    ck_assert_ptr_eq(back, &back);
    must_fail(mp_any_parse(value_of("i", 1), "h", &back), -EINVAL,
              "expected handle, got int");
}
END_TEST

/* What somebody has made up: no address of an object, one of another kind, one
 * in the middle of an object, or of memory that looks like one. */
START_TEST(handle_that_is_forged_is_refused)
{
    mp_list *list = object_of(0);
    mp_any any = value_of("h", list);
    unsigned char bytes[MP__HANDLE_SIZE];
    uint64_t *fake = mp_alloc(128);
    char *text;
    void *back;

    memcpy(bytes, any.data, sizeof(bytes));
    any.data = bytes;
    for (int bit = 0; bit < 64; bit++) {
        bytes[20 + bit / 8] ^= (unsigned char)(1 << bit % 8);
        ck_assert_int_eq(mp_any_parse(any, "h", &back), -EBADF);
        bytes[20 + bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    bytes[3] = MP__SLAB_DICT;
    ck_assert_int_eq(mp_any_parse(any, "h", &back), -EBADF);
    bytes[3] = 200; /* no handle at all */
    ck_assert_int_eq(mp_any_parse(any, "h", &back), -EINVAL);
    free(any_text(any));
    bytes[3] = MP__SLAB_LIST;
    must(mp_any_parse(any, "h", &back));
    bytes[4]++; /* another family's */
    must_fail(mp_any_parse(any, "h", &back), -ENOTCONN, "list");
    text = any_text(any);
    ck_assert_int_eq(strncmp(text, "<remote list at 0x", 18), 0);
    free(text);
    bytes[4]--;
    fake = (uint64_t *)(((uintptr_t)fake + 63) & ~(uintptr_t)63);
    *fake = mp__object_stamp(fake, MP__SLAB_LIST);
    for (int i = 0; i < 8; i++)
        bytes[20 + i] = (unsigned char)((uintptr_t)fake >> (56 - 8 * i));
    ck_assert_int_eq(mp_any_parse(any, "h", &back), -EBADF);
    must(mp_list_destroy(list));
}
END_TEST

START_TEST(G20_handles_go_through_collections_and_queues)
{
    mp_list *list = object_of(0), *inner = object_of(0), *back;
    mp_dict *dict = object_of(1);
    mp_queue *queue = object_of(12);

    must(mp_list_append(inner, "s", "inside"));
    must(mp_list_append(list, "h", inner));
    must(mp_list_append(list, "h", list)); /* in itself */
    must(mp_dict_set(dict, "s", "list", "[h,i]", list, 1));
    must(mp_queue_putf(queue, "{'dict':h}", dict));
    must(mp_queue_getf(queue, "{'dict':h}", &dict));
    must(mp_dict_get(dict, "s", "list", "[h,_]", &list));
    ck_assert_int_eq(mp_list_index(list, "h", list), 1);
    ck_assert_int_eq(mp_list_index(list, "h", inner), 0);
    must(mp_list_get(list, 0, "h", &back));
    list_is(back, "['inside']");
    must(mp_list_destroy(inner));
    must_fail(mp_list_pop(list, 0, "h", &back), -EBADF,
              "mp_list_pop: the list has been destroyed");
    must(mp_list_pop(list, 0, NULL));
    must(mp_list_destroy(list));
    must(mp_dict_destroy(dict));
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Of another family ---- */

static struct far {
    struct mp__far_cell cell;
    uint64_t id;
} * far;

static void
name(const struct mp__far_handle *handle, unsigned char uuid[16],
     uint64_t *ret_id)
{
    memset(uuid, 7, 16);
    *ret_id = ((const struct far *)(const void *)handle)->id;
}

static int met; /* without a mutex */

/* As the room above does: with a mutex held nothing can be made. */
static void *
find(const unsigned char uuid[16], int slab, uint64_t id, int *ret_error)
{
    int held = mp__me.head && mp__me.head->pending;

    if (held && !met) {
        *ret_error = mp__fail(-EAGAIN, "it is not known here");
        return NULL;
    }
    met |= !held;
    if (uuid[0] == 7 && slab == MP__SLAB_QUEUE && id == far->id)
        return far;
    *ret_error = mp__fail(-ENOTCONN, "there is no such family");
    return NULL;
}

START_TEST(handle_of_another_family_is_found)
{
    static const struct mp__far_ops ops = {.name = name, .find = find};
    mp_any any;
    void *back;

    must(mp__enter());
    far = mp__object_alloc(MP__SLAB_FAR, 64);
    mp__store_relaxed(&far->cell.slab, MP__SLAB_QUEUE);
    far->id = 0x7000;
    mp__object_publish(far, MP__SLAB_FAR);
    mp__far_with(&ops);
    any = value_of("[h]", far);
    any_is(any, "[<remote queue at 0x7000>]");
    must(mp_any_parse(any, "[h]", &back));
    ck_assert_ptr_eq(back, far);
    far->id = 0x8000;
    must_fail(mp_any_parse(any, "[h]", &back), -ENOTCONN,
              "mp_any_parse: item 0: there is no such family");
}
END_TEST

/* In a list, whose mutex is held while an item is taken apart. */
START_TEST(handle_of_another_family_comes_out_of_a_list)
{
    static const struct mp__far_ops ops = {.name = name, .find = find};
    mp_list *list = object_of(0);
    void *back;
    int n;

    far = mp__object_alloc(MP__SLAB_FAR, 64);
    mp__store_relaxed(&far->cell.slab, MP__SLAB_QUEUE);
    far->id = 0x7000;
    mp__object_publish(far, MP__SLAB_FAR);
    mp__far_with(&ops);
    must(mp_list_append(list, "[i,{'a':[h]},h]", 1, far, far));
    must(mp_list_get(list, 0, "[i,{'a':[h]},_]", &n, &back));
    ck_assert_ptr_eq(back, far);
    met = 0;
    far->id = 0x8000;
    must_fail(mp_list_pop(list, 0, "[_,_,h]", &back), -ENOTCONN, "family");
    far->id = 0x7000;
    met = 0;
    must(mp_list_pop(list, 0, "[_,_,h]", &back));
    ck_assert_ptr_eq(back, far);
    must(mp_list_destroy(list));
}
END_TEST

/* In a program that has no region. */
START_TEST(handle_is_printed_anywhere)
{
    static const unsigned char bytes[MP__HANDLE_SIZE] = {
        0xc7, 25, 1, MP__SLAB_LOCK, [27] = 0x40};
    mp_any any = {bytes, sizeof(bytes)};
    void *back;

    mp__view.base = NULL;
    any_is(any, "<remote lock at 0x40>");
    ck_assert_int_eq(mp_any_parse(any, "h", &back), -ENOTCONN);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("handle");
    TCase *tcase = mp_test_case(suite, "handle", 20);

    tcase_add_loop_test(tcase, G20_handle_of_each_kind_is_a_value, 0, KINDS);
    tcase_add_test(tcase, handle_of_a_destroyed_object_is_told);
    tcase_add_test(tcase, handle_may_be_none);
    tcase_add_test(tcase, handle_that_is_forged_is_refused);
    tcase_add_test(tcase, G20_handles_go_through_collections_and_queues);
    tcase_add_test(tcase, handle_of_another_family_is_found);
    tcase_add_test(tcase, handle_of_another_family_comes_out_of_a_list);
    tcase_add_test(tcase, handle_is_printed_anywhere);
    return mp_test_main(suite);
}
