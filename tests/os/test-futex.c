/* SPDX-License-Identifier: MIT */
/* Futexes between processes. */
#include "os/clock.h"
#include "os/futex.h"
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS 8

struct shared {
    mp__a32 words[WORDS];
    mp__a32 ready;
};

static struct shared *shared;
static int has_waitv;

static void
setup(void)
{
    struct mp__futex_word word;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    word = (struct mp__futex_word){&shared->words[0], 1};
    has_waitv = mp__futex_waitv(&word, 1, MP_FOREVER) != -ENOSYS;
}

static void
on_signal(int sig)
{
    (void)sig;
}

static void
catch_signal(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Sleeps on the last word, alone or with all the others before it. */
static int
wait_last(int all, mp_time deadline)
{
    struct mp__futex_word words[WORDS];

    if (!all)
        return mp__futex_wait(&shared->words[WORDS - 1], 0, deadline);
    for (int i = 0; i < WORDS; i++)
        words[i] = (struct mp__futex_word){&shared->words[i], 0};
    return mp__futex_waitv(words, WORDS, deadline);
}

static int
sleep_until_woken(void *all)
{
    mp__store(&shared->ready, 1);
    return -wait_last(*(int *)all, MP_FOREVER);
}

static pid_t
start_sleeper(int all)
{
    pid_t pid;

    mp__store(&shared->ready, 0);
    pid = child(sleep_until_woken, &all);
    wait_until(mp__load(&shared->ready) && process_state(pid) == 'S', 10);
    return pid;
}

START_TEST(futex_wake_reaches_another_process)
{
    int all = _i;
    pid_t first, second;

    if (all && !has_waitv)
        return;
    first = start_sleeper(all);
    second = start_sleeper(all);
    ck_assert_int_eq(mp__futex_wake(&shared->words[WORDS - 1], 1), 1);
    ck_assert_int_eq(mp__futex_wake(&shared->words[WORDS - 1], INT_MAX), 1);
    ck_assert_int_eq(mp__futex_wake(&shared->words[WORDS - 1], INT_MAX), 0);
    expect_exit(first, 0);
    expect_exit(second, 0);
}
END_TEST

START_TEST(futex_waitv_wakes_by_any_word)
{
    if (!has_waitv)
        return;
    for (int i = 0; i < WORDS; i++) {
        pid_t pid = start_sleeper(1);

        ck_assert_int_eq(mp__futex_wake(&shared->words[i], 1), 1);
        expect_exit(pid, 0);
    }
}
END_TEST

START_TEST(futex_word_that_differs_does_not_sleep)
{
    struct mp__futex_word words[2] = {{&shared->words[0], 0},
                                      {&shared->words[1], 9}};

    ck_assert_int_eq(mp__futex_wait(&shared->words[0], 1, MP_FOREVER), 0);
    if (has_waitv)
        ck_assert_int_eq(mp__futex_waitv(words, 2, MP_FOREVER), 0);
}
END_TEST

START_TEST(futex_wait_ends_at_its_deadline)
{
    mp_time deadline;

    if (_i && !has_waitv)
        return;
    ck_assert_int_eq(wait_last(_i, 1), -ETIMEDOUT);
    deadline = mp_timeout(0.02);
    ck_assert_int_eq(wait_last(_i, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
}
END_TEST

START_TEST(futex_wait_is_interrupted)
{
    int all = _i;
    pid_t pid;

    if (all && !has_waitv)
        return;
    catch_signal(0);
    pid = start_sleeper(all);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    expect_exit(pid, EINTR);
}
END_TEST

START_TEST(futex_waitv_refuses_too_many)
{
    static struct mp__futex_word words[MP__FUTEX_WAITV_MAX + 1];

    for (int i = 0; i <= MP__FUTEX_WAITV_MAX; i++)
        words[i] = (struct mp__futex_word){&shared->words[0], 1};
    ck_assert_int_eq(
        mp__futex_waitv(words, MP__FUTEX_WAITV_MAX + 1, MP_FOREVER), -EINVAL);
    if (has_waitv)
        ck_assert_int_eq(
            mp__futex_waitv(words, MP__FUTEX_WAITV_MAX, MP_FOREVER), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("futex");
    TCase *tcase = mp_test_case(suite, "futex", 20);

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, futex_wake_reaches_another_process, 0, 2);
    tcase_add_test(tcase, futex_waitv_wakes_by_any_word);
    tcase_add_test(tcase, futex_word_that_differs_does_not_sleep);
    tcase_add_loop_test(tcase, futex_wait_ends_at_its_deadline, 0, 2);
    tcase_add_loop_test(tcase, futex_wait_is_interrupted, 0, 2);
    tcase_add_test(tcase, futex_waitv_refuses_too_many);
    return mp_test_main(suite);
}
