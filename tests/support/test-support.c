/* SPDX-License-Identifier: MIT */
/* The fixture itself: a test that leaves something behind must fail, and say
 * what. Each such test runs in a suite of its own, in a child. */
#include "support/leaks.h"
#include "support/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int
wait_for_signal(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return 0;
}

static int
return_number(void *arg)
{
    return *(int *)arg;
}

static void *
sleep_in_thread(void *unused)
{
    wait_for_signal(unused);
    return NULL;
}

START_TEST(leaves_nothing)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = child(wait_for_signal, NULL);

    ck_assert_int_ge(fd, 0);
    close(fd);
    kill_and_reap(pid);
}
END_TEST

START_TEST(leaves_descriptor)
{
    ck_assert_int_ge(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}
END_TEST

START_TEST(leaves_child)
{
    child(wait_for_signal, NULL);
}
END_TEST

START_TEST(leaves_zombie)
{
    pid_t pid = child(wait_for_signal, NULL);

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

static int
start_and_leave(void *unused)
{
    (void)unused;
    child(wait_for_signal, NULL);
    return 0;
}

START_TEST(leaves_orphan)
{
    expect_exit(child(start_and_leave, NULL), 0);
}
END_TEST

START_TEST(leaves_thread)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_in_thread, NULL), 0);
}
END_TEST

static int
fail_here(void *unused)
{
    (void)unused;
    ck_assert_msg(0, "failed in the child");
    return 0;
}

START_TEST(fails_in_child)
{
    expect_exit(child(fail_here, NULL), 0);
}
END_TEST

START_TEST(takes_too_long)
{
    wait_for_signal(NULL);
}
END_TEST

static const struct {
    const TTest **test;
    double limit;        /* seconds */
    const char *message; /* part of it; NULL: the test passes */
} inner[] = {
    {&leaves_nothing, 20, NULL},
    {&leaves_descriptor, 20, "descriptor left open"},
    {&leaves_child, 20, "process left behind"},
    {&leaves_zombie, 20, "process left behind"},
    {&leaves_orphan, 20, "process left behind"},
    {&leaves_thread, 20, "thread left behind"},
    {&fails_in_child, 20, "failed in the child"},
    {&takes_too_long, 0.2, "timeout"},
};

static int
run_inner(void *arg)
{
    int i = *(int *)arg;
    const char *message = inner[i].message;
    Suite *suite = suite_create("inner");
    TCase *tcase = mp_test_case(suite, "inner", inner[i].limit);
    SRunner *runner = srunner_create(suite);
    TestResult **results;
    int ok;

    /* Nothing of this is part of the outer results. */
    setenv("CK_TAP_LOG_FILE_NAME", "/dev/null", 1);
    srunner_set_fork_status(runner, CK_FORK);
    tcase_add_test(tcase, *inner[i].test);
    mp__leaks_own_group(1);
    mp__leaks_patience(message == NULL ? 10 : 0.1);
    srunner_run_all(runner, CK_SILENT);
    results = srunner_results(runner);
    ok = message == NULL ? tr_rtype(results[0]) == CK_PASS
                         : tr_rtype(results[0]) != CK_PASS &&
                               strcasestr(tr_msg(results[0]), message) != NULL;
    if (!ok)
        fprintf(stderr, "inner: %s\n", tr_msg(results[0]));
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

START_TEST(fixture_names_what_is_left)
{
    expect_exit(child(run_inner, &_i), EXIT_SUCCESS);
}
END_TEST

START_TEST(reap_tells_signal_from_exit)
{
    pid_t pid = child(wait_for_signal, NULL);
    int code = 7;

    wait_until(process_state(pid) == 'S', 5);
    ck_assert_int_eq(thread_state(pid, pid), 'S');
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    expect_killed(pid, SIGTERM);
    ck_assert_int_eq(process_state(pid), 0);
    expect_exit(child(return_number, &code), code);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("support");
    TCase *tcase = mp_test_case(suite, "fixture", 60);

    tcase_add_loop_test(tcase, fixture_names_what_is_left, 0,
                        sizeof(inner) / sizeof(inner[0]));
    tcase_add_test(tcase, reap_tells_signal_from_exit);
    return mp_test_main(suite);
}
