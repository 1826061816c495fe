/* SPDX-License-Identifier: MIT */
/* Running a suite: TAP on standard output, time limits that fit the build. */
#include "support/leaks.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#define TSAN_SCALE 10
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define BUILD_SCALE TSAN_SCALE
#elif defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define BUILD_SCALE 4
#else
#define BUILD_SCALE 1
#endif

double
mp_test_scale(void)
{
    const char *preload = getenv("LD_PRELOAD"); /* valgrind sets it */
    const char *more = getenv("MP_TEST_SCALE");
    double scale = BUILD_SCALE;

    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        scale *= 20;
    if (more != NULL)
        scale *= atof(more);
    return scale;
}

int
mp_test_may_fork_with_threads(void)
{
    return BUILD_SCALE != TSAN_SCALE;
}

#undef _mark_point
static pid_t test_process;

static void
note_test_process(void)
{
    test_process = getpid();
}

void
mp_test_point(const char *file, int line)
{
    if (getpid() == test_process)
        _mark_point(file, line);
}

TCase *
mp_test_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, seconds * mp_test_scale());
    tcase_add_checked_fixture(tcase, note_test_process, NULL);
    tcase_add_checked_fixture(tcase, mp__leaks_setup, mp__leaks_teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int
mp_test_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    /* By lines: a result is out before the next test's process is made, which
     * would otherwise have a copy of it to print. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    mp__leaks_own_group(srunner_fork_status(runner) != CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
