/* SPDX-License-Identifier: MIT */
#include "family.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void
warm_up(void)
{
    for (int i = 0; i < METHODS; i++)
        ck_assert_int_eq(
            run(nothing, NULL, 0, MP_PROCESS_ATTR(.method = methods[i])), 0);
    mp_test_leaks_mark();
}

TCase *
family_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = mp_test_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    return tcase;
}

int
end_of(mp_process *p)
{
    int code;

    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code));
    must(mp_process_close(p));
    return code;
}

int
run(mp_target target, const void *arg, size_t size,
    const mp_process_attr *attr)
{
    mp_process *p;

    must(mp_process_start(&p, target, arg, size, attr));
    return end_of(p);
}

int
run_program(char *const argv[], char *output, size_t size)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    ck_assert_int_eq(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (used < size - 1 &&
           (n = read(ends[0], output + used, size - 1 - used)) > 0)
        used += (size_t)n;
    output[used] = '\0';
    close(ends[0]);
    return reap(pid);
}

int
sleep_for_ever(void *unused)
{
    (void)unused;
    while (pause())
        ;
    return 1;
}

int
await_value(volatile int *flag, int value)
{
    mp_time until = mp_timeout(10 * mp_test_scale());

    while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) != value) {
        struct timespec ms = {0, 1000000};

        if (mp_timeout(0.001) > until)
            return 0;
        nanosleep(&ms, NULL);
    }
    return 1;
}
