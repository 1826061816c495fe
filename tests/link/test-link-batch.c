/* SPDX-License-Identifier: MIT */
/* Many calls at once, against a server that does as it is told. */
#include "link/both.h"
#include "link/proxy.h"
#include "os/clock.h"
#include "region/kin.h"

#include <errno.h>

#define SOON 0.1

#define FAR(...) mp__far_call(far, __VA_ARGS__)

START_TEST(a_batch_is_one_message)
{
    struct mp__far_handle *far;
    uint64_t before;
    int error;

    open_both();
    far = mp__proxy_get(manager, fake.family, MP__SLAB_LIST, 64, &error);
    must(mp_manager_batch_begin(manager));
    must_fail(mp_manager_batch_begin(manager), -EBUSY, "already");
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(FAR("mp_list_append", MP__FAR_PLAIN, "i", i), 0);
    before = mp__load(&fake.requests);
    ck_assert_uint_eq(before, 0);
    must(mp_manager_batch_end(manager));
    ck_assert_uint_eq(mp__load(&fake.requests), 30);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(FAR("mp_list_append", MP__FAR_PLAIN, "i", i), 0);
    ck_assert_uint_eq(mp__load(&fake.requests), 1030);
    must_fail(mp_manager_batch_end(manager), -EINVAL, "no batch");
    close_both();
}
END_TEST

START_TEST(a_batch_goes_out_before_a_call_with_a_result)
{
    struct mp__far_handle *far;
    int error;

    open_both();
    far = mp__proxy_get(manager, fake.family, MP__SLAB_LIST, 64, &error);
    must(mp_manager_batch_begin(manager));
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(FAR("mp_list_append", MP__FAR_PLAIN, "i", i), 0);
    ck_assert_int_eq(FAR("mp_test_count", MP__FAR_PLAIN, "?"), 1001);
    must(mp_manager_batch_end(manager));
    close_both();
}
END_TEST

START_TEST(a_batch_ends_with_its_first_error)
{
    struct mp__far_handle *far;
    int error;

    open_both();
    far = mp__proxy_get(manager, fake.family, MP__SLAB_LIST, 64, &error);
    mp__store(&fake.refuses, 1);
    must(mp_manager_batch_begin(manager));
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(FAR("mp_list_append", MP__FAR_PLAIN, "i", i), 0);
    must_fail(mp_manager_batch_end(manager), -ENOSPC, "number 0");
    mp__store(&fake.refuses, 0);
    must(mp_manager_batch_begin(manager));
    must(mp_manager_batch_end(manager));
    close_both();
}
END_TEST

START_TEST(a_batch_ends_when_no_answer_comes)
{
    struct mp__far_handle *far;
    int error;

    fake_start(&fake, NULL);
    manager = fake_connect(&fake, SOON);
    far = mp__proxy_get(manager, fake.family, MP__SLAB_LIST, 64, &error);
    ck_assert_int_eq(ask("mp_test_deaf", MP_NOW, ""), 0);
    must(mp_manager_batch_begin(manager));
    ck_assert_int_eq(FAR("mp_list_append", MP__FAR_PLAIN, "i", 1), 0);
    must_time_out(mp_manager_batch_end(manager), SOON);
    fake_listen(&fake);
    ck_assert_int_eq(ask("mp_test_count", mp_timeout(30), ""), 4);
    close_both();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("link-batch");
    TCase *tcase = mp_test_case(suite, "batches", 30);

    tcase_add_test(tcase, a_batch_is_one_message);
    tcase_add_test(tcase, a_batch_goes_out_before_a_call_with_a_result);
    tcase_add_test(tcase, a_batch_ends_with_its_first_error);
    tcase_add_test(tcase, a_batch_ends_when_no_answer_comes);
    return mp_test_main(suite);
}
