/* SPDX-License-Identifier: MIT */
/* What the test programs share. A program is
 *
 *     START_TEST(queue_full_put_waits)
 *     {
 *         ck_assert_int_eq(mp_queue_put(...), 0);
 *     }
 *     END_TEST
 *
 *     int
 *     main(void)
 *     {
 *         Suite *suite = suite_create("queue");
 *         TCase *tcase = mp_test_case(suite, "limits", 5);
 *
 *         tcase_add_test(tcase, queue_full_put_waits);
 *         return mp_test_main(suite);
 *     }
 *
 * Each test runs in a process of its own, in a process group of its own, and
 * fails when it leaves a descriptor, a thread or a process behind. What a
 * test writes to standard output goes to standard error: standard output
 * carries the results (TAP). */
#pragma once

#include <check.h>
#include <stdint.h>
#include <sys/types.h>

/* Check notes the place of each assertion that holds, in a file that a test's
 * process shares with its children, through a buffer of stdio: a child that
 * is killed with half a note in the file makes the rest unreadable. So only
 * the test's own process notes; an assertion that fails is told from
 * anywhere. */
#define _mark_point(file, line) mp_test_point(file, line)
void mp_test_point(const char *file, int line);

/* Runs all tests of the suite and gives main's result. Check's variables
 * hold: CK_RUN_CASE=limits for one case, CK_FORK=no for a debugger. */
int mp_test_main(Suite *suite);

/* A case whose tests may take `seconds` each (more in builds that are slower:
 * mp_test_scale()) and have the fixture that looks for what they leave. */
TCase *mp_test_case(Suite *suite, const char *name, double seconds);

/* By how much time limits grow under valgrind and the sanitizers. */
double mp_test_scale(void);

/* 0: a process that has, or had, threads must not fork: ThreadSanitizer cannot
 * follow. */
int mp_test_may_fork_with_threads(void);

/* From here on, what is open and runs in this process counts as there from
 * the start. For a library's own that lives as long as the process does (the
 * forkserver): start it, call this, then test. */
void mp_test_leaks_mark(void);

/* Descriptors that this process has open; for tests that count them. */
int mp_test_fds(void);

/* ---- Other processes, made by plain fork: no part of what is tested. */

/* Runs `fn(arg)` in a child, which ends by _exit() with its result. A failed
 * ck_assert in there ends it with code 1: expect_exit(pid, 0) then fails the
 * test, with the child's message. */
pid_t child(int (*fn)(void *), void *arg);

/* Waits for the child's end: its exit code, or -N if signal N killed it. */
int reap(pid_t pid);

/* Sends SIGKILL and waits for the end. */
void kill_and_reap(pid_t pid);

/* Waits for the child's end, which must come by signal `sig`. */
#define expect_killed(pid, sig) ck_assert_int_eq(reap(pid), -(sig))
/* ... and here by its own doing, with exit code `code`. */
#define expect_exit(pid, code) ck_assert_int_eq(reap(pid), (code))

/* State letter of /proc/PID/stat ('R', 'S', 'Z', ...), 0 if there is no such
 * process. And that of one of its threads. */
char process_state(pid_t pid);
char thread_state(pid_t pid, pid_t tid);

/* Waits until `condition` holds, and fails the test if it does not within
 * `seconds` (scaled). For what only the system can tell, such as
 * `process_state(pid) == 'S'`; everything else has an event to wait for. */
#define wait_until(condition, seconds)                                      \
    do {                                                                    \
        int64_t mp__until = mp_test_deadline(seconds);                      \
        while (!(condition))                                                \
            ck_assert_msg(mp_test_poll(mp__until), "did not come true: %s", \
                          #condition);                                      \
    } while (0)
int64_t mp_test_deadline(double seconds);
int mp_test_poll(int64_t deadline);
