/* SPDX-License-Identifier: MIT */
/* mp_describe() of managers, at home and of other families; of objects of users'
 * types, and of remote handles. */
#include "link/fake.h"
#include "link/proxy.h"
#include "region/kin.h"
#include "report/report.h"
#include "server/raw.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static char address[64];

static mp_manager *
start(void)
{
    mp_manager *manager;

    snprintf(address, sizeof(address), "unix:/tmp/mproc-test-%d",
             (int)getpid());
    must(mp_manager_start(
        &manager, MP_MANAGER_ATTR(.address = address, .name = "jobs")));
    return manager;
}

static int
pid_of_server(mp_manager *manager)
{
    return (int)mp_process_pid(mp_manager_process(manager));
}

static void
kill_server(mp_manager *manager)
{
    mp_process *server = mp_manager_process(manager);

    must(mp_process_kill(server));
    must(mp_process_join(server, MP_FOREVER));
}

START_TEST(describe_manager_at_home)
{
    mp_manager *manager = start();
    mp_list *list;

    must(mp_manager_list(manager, &list));
    expect_report(manager,
                  "manager @ \"jobs\": %s; 0 names; pid %d (jobs) serves\n",
                  address, pid_of_server(manager));
    must(mp_manager_publish(manager, "list", list));
    kill_server(manager);
    await_report(manager, "manager @ \"jobs\": %s; 1 name; nobody serves\n",
                 address);
    ck_assert_int_eq(must(mp_manager_restart(manager)), 1);
    expect_report(manager,
                  "manager @ \"jobs\": %s; 1 name; pid %d (jobs) serves\n",
                  address, pid_of_server(manager));
    must(mp_manager_shutdown(manager));
    ck_assert_int_eq(mp_describe(manager, stdout), -EBADF);
}
END_TEST

START_TEST(describe_manager_without_an_address)
{
    mp_manager *manager;

    must(mp_manager_start(&manager, NULL));
    expect_report(manager,
                  "manager @ \"manager\": of this family alone; 0 names; "
                  "pid %d (manager) serves\n",
                  pid_of_server(manager));
    must(mp_manager_shutdown(manager));
}
END_TEST

static int
create(void **ret_self, mp_any args)
{
    (void)args;
    *ret_self = NULL;
    return 0;
}

START_TEST(describe_object_of_a_users_type)
{
    static const mp_type_ops ops = {.size = sizeof(ops), .create = create};
    mp_manager *manager;
    mp_object *object;

    must(mp_manager_register("counter", &ops));
    manager = start();
    must(mp_manager_object(manager, &object, "counter", ""));
    expect_report(object, "object @ \"counter\": of manager @\n");
    must(mp_object_destroy(object));
    ck_assert_int_eq(mp_describe(object, stdout), -EBADF);
    must(mp_manager_shutdown(manager));
}
END_TEST

START_TEST(describe_manager_of_another_family)
{
    struct mp__far_handle *list;
    mp_manager *manager;
    struct fake fake;
    int error;

    fake_start(&fake, NULL);
    manager = fake_connect(&fake, 30);
    list = mp__proxy_get(manager, fake.family, MP__SLAB_LIST, 64, &error);
    ck_assert_ptr_nonnull(list);
    expect_report(manager,
                  "manager @: of another family, at %s; 1 remote handle\n",
                  fake.address);
    expect_report(list, "list @: remote, by manager @; @ at home\n");
    must(mp_manager_close(manager));
    ck_assert_int_eq(mp_describe(manager, stdout), -EBADF);
    ck_assert_int_eq(mp_describe(list, stdout), -EBADF);
    fake_end(&fake);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("describe-manager");
    TCase *tcase = raw_case(suite, "managers", 60);

    tcase_add_test(tcase, describe_manager_at_home);
    tcase_add_test(tcase, describe_manager_without_an_address);
    tcase_add_test(tcase, describe_object_of_a_users_type);
    tcase_add_test(tcase, describe_manager_of_another_family);
    return mp_test_main(suite);
}
