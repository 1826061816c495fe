/* SPDX-License-Identifier: MIT */
/* Attribute structs of callers that are older or newer than the library. */
#include "base/attr.h"
#include "support/support.h"

#include <errno.h>
#include <mproc.h>
#include <string.h>

#define KNOWN_FLAGS 0x5u

struct attr { /* as this library knows it */
    uint32_t size, flags;
    uint64_t number;
    const char *name;
};

struct longer { /* as a later one does */
    struct attr attr;
    uint64_t later[3];
};

static struct attr out;

static int
read_attr(const void *attr)
{
    memset(&out, 0xee, sizeof(out));
    return mp__attr_read(&out, sizeof(out), attr, KNOWN_FLAGS, "mp_x_create");
}

static void
expect_text(const char *part)
{
    ck_assert_msg(strstr(mp_last_error(), "mp_x_create") != NULL &&
                      strstr(mp_last_error(), part) != NULL,
                  "\"%s\"", mp_last_error());
}

START_TEST(attr_null_gives_defaults)
{
    ck_assert_int_eq(read_attr(NULL), 0);
    ck_assert_uint_eq(out.flags, 0);
    ck_assert_uint_eq(out.number, 0);
    ck_assert_ptr_null(out.name);
}
END_TEST

START_TEST(attr_of_equal_size_is_copied)
{
    struct attr attr = {sizeof(attr), KNOWN_FLAGS, 42, "name"};

    ck_assert_int_eq(read_attr(&attr), 0);
    ck_assert_mem_eq(&out, &attr, sizeof(attr));
}
END_TEST

START_TEST(attr_shorter_is_extended_by_zeroes)
{
    struct attr attr = {offsetof(struct attr, name), 1, 42, "unknown to him"};

    ck_assert_int_eq(read_attr(&attr), 0);
    ck_assert_uint_eq(out.flags, 1);
    ck_assert_uint_eq(out.number, 42);
    ck_assert_ptr_null(out.name);
    attr.size = 8;
    ck_assert_int_eq(read_attr(&attr), 0);
    ck_assert_uint_eq(out.flags, 1);
    ck_assert_uint_eq(out.number, 0);
}
END_TEST

START_TEST(attr_longer_is_taken_if_the_tail_is_zero)
{
    struct longer attr = {{sizeof(attr), 4, 42, "name"}, {0}};

    ck_assert_int_eq(read_attr(&attr), 0);
    ck_assert_uint_eq(out.number, 42);
    ck_assert_str_eq(out.name, "name");
}
END_TEST

START_TEST(attr_longer_with_an_unknown_field_is_e2big)
{
    for (size_t i = 0; i < sizeof(((struct longer *)NULL)->later); i++) {
        struct longer attr = {{sizeof(attr), 0, 0, NULL}, {0}};

        ((char *)attr.later)[i] = 1;
        ck_assert_int_eq(read_attr(&attr), -E2BIG);
        expect_text("does not know");
    }
}
END_TEST

START_TEST(attr_without_size_is_einval)
{
    static const uint32_t sizes[] = {0, 1, 7, 65537, UINT32_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct attr attr = {sizes[i], 0, 0, NULL};

        ck_assert_int_eq(read_attr(&attr), -EINVAL);
        expect_text("attr->size");
    }
}
END_TEST

START_TEST(attr_with_unknown_flags_is_einval)
{
    for (int bit = 0; bit < 32; bit++) {
        struct attr attr = {sizeof(attr), 1u << bit, 0, NULL};

        if (attr.flags & KNOWN_FLAGS) {
            ck_assert_int_eq(read_attr(&attr), 0);
            continue;
        }
        ck_assert_int_eq(read_attr(&attr), -EINVAL);
        expect_text("flags");
    }
}
END_TEST

/* The same by the way that users go. */
START_TEST(attr_of_a_queue_is_checked)
{
    mp_queue *queue = (void *)&out;
    mp_queue_attr attr = {0};

    ck_assert_int_eq(mp_queue_create(&queue, &attr), -EINVAL);
    ck_assert_int_eq(mp_queue_create(&queue, MP_QUEUE_ATTR(.flags = 1)),
                     -EINVAL);
    ck_assert_ptr_eq(queue, &out); /* written only on success */
    ck_assert_int_eq(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 1)), 0);
    ck_assert_int_eq(mp_queue_destroy(queue), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("attr");
    TCase *tcase = mp_test_case(suite, "attr", 10);

    tcase_add_test(tcase, attr_null_gives_defaults);
    tcase_add_test(tcase, attr_of_equal_size_is_copied);
    tcase_add_test(tcase, attr_shorter_is_extended_by_zeroes);
    tcase_add_test(tcase, attr_longer_is_taken_if_the_tail_is_zero);
    tcase_add_test(tcase, attr_longer_with_an_unknown_field_is_e2big);
    tcase_add_test(tcase, attr_without_size_is_einval);
    tcase_add_test(tcase, attr_with_unknown_flags_is_einval);
    tcase_add_test(tcase, attr_of_a_queue_is_checked);
    return mp_test_main(suite);
}
