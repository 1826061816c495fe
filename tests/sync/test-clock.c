/* SPDX-License-Identifier: MIT */
/* G35: no wait of a synchronisation object follows the wall clock. Nobody can
 * set that back and forth for a test; so the children here are killed by the
 * kernel if they sleep by it, and end at once if they read it. */
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define WALL_CLOCK_READ 9 /* exit code */

/* ---- Reading: in place of the C library's, for this program and for the
 * library in it ---- */

static int forbidden; /* to read the wall clock */

static void
be_asked(clockid_t clock)
{
    if (forbidden && (clock == CLOCK_REALTIME || clock == CLOCK_TAI ||
                      clock == CLOCK_REALTIME_COARSE))
        _exit(WALL_CLOCK_READ);
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
    be_asked(clock);
    return (int)syscall(SYS_clock_gettime, clock, t);
}

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    be_asked(CLOCK_REALTIME);
    return (int)syscall(SYS_gettimeofday, t, zone);
}

time_t
time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}

/* ---- Sleeping ---- */

#define LOAD(field)                    \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
             (uint32_t)offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, n) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define KILL_IF_SET(bits)                               \
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define KILL_UNLESS(value)                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 1, 0), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Low halves of the arguments: the machine is little-endian. */
static struct sock_filter filter[] = {
    LOAD(nr),      SKIP_UNLESS(SYS_futex, 4), /* operation */
    LOAD(args[1]), KILL_IF_SET(FUTEX_CLOCK_REALTIME),
    ALLOW,         SKIP_UNLESS(SYS_futex_waitv, 4), /* clock */
    LOAD(args[4]), KILL_UNLESS(CLOCK_MONOTONIC),
    ALLOW,         SKIP_UNLESS(SYS_clock_nanosleep, 4), /* clock */
    LOAD(args[0]), KILL_UNLESS(CLOCK_MONOTONIC),
    ALLOW,         ALLOW,
};

/* 0: it holds from here on. */
static int
forbid_wall_clock(void)
{
    struct sock_fprog program = {.len = LENGTH(filter), .filter = filter};

    forbidden = 1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* ---- It would be noticed ---- */

static int
read_wall_clock(void *unused)
{
    struct timeval t;

    (void)unused;
    if (forbid_wall_clock())
        return 77;
    gettimeofday(&t, NULL);
    return 0;
}

static int
sleep_by_wall_clock(void *unused)
{
    struct timespec past = {.tv_sec = 1000000000};
    sem_t semaphore;

    (void)unused;
    sem_init(&semaphore, 1, 0);
    if (forbid_wall_clock())
        return 77;
    sem_timedwait(&semaphore, &past);
    return 0;
}

static int
wait_for_many_by_wall_clock(void *unused)
{
    struct timespec past = {.tv_sec = 1000000000};
    uint32_t word = 0;
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waiter = {.address = (uintptr_t)&word, .flags = 2};

    (void)unused;
    if (forbid_wall_clock())
        return 77;
    syscall(SYS_futex_waitv, &waiter, 1, 0, &past, CLOCK_REALTIME);
    return errno == ENOSYS ? 77 : 0; /* valgrind has not got it */
}

static int
may_filter(void)
{
    int code = reap(child(sleep_by_wall_clock, NULL));

    return code != 77;
}

START_TEST(wall_clock_in_use_would_be_noticed)
{
    int code;

    if (!may_filter())
        return;
    expect_exit(child(read_wall_clock, NULL), WALL_CLOCK_READ);
    expect_killed(child(sleep_by_wall_clock, NULL), SIGSYS);
    code = reap(child(wait_for_many_by_wall_clock, NULL));
    ck_assert_msg(code == -SIGSYS || code == 77, "%d", code);
}
END_TEST

/* ---- It is not in use ---- */

struct stage {
    mp_lock *lock;
    mp_rlock *rlock;
    mp_semaphore *none, *all; /* all: tracked, its permit is the parent's */
    mp_event *event;
    mp_condition *condition;
    mp_barrier *barrier;
};

static int
never(void *unused)
{
    (void)unused;
    return 0;
}

static int
wait_in_condition(struct stage *stage, mp_time until)
{
    int r = mp_condition_acquire(stage->condition, MP_FOREVER);

    if (r == 0)
        r = mp_condition_wait(stage->condition, until);
    if (r == -ETIMEDOUT)
        r = mp_condition_wait_for(stage->condition, never, NULL,
                                  mp_timeout(0.02));
    must(mp_condition_release(stage->condition));
    return r;
}

static int
wait_for_each(void *arg)
{
    struct stage *stage = arg;
    mp_time until;

    must(mp__enter());
    if (forbid_wall_clock())
        return 77;
    for (int i = 0; i < 7; i++) {
        int r = 0;

        until = mp_timeout(0.02);
        if (i == 0)
            r = mp_lock_acquire(stage->lock, until);
        else if (i == 1)
            r = mp_rlock_acquire(stage->rlock, until);
        else if (i == 2)
            r = mp_semaphore_acquire(stage->none, until);
        else if (i == 3)
            r = mp_semaphore_acquire(stage->all, until);
        else if (i == 4)
            r = mp_event_wait(stage->event, until);
        else if (i == 5)
            r = wait_in_condition(stage, until);
        else
            r = mp_barrier_wait(stage->barrier, until);
        if (r != -ETIMEDOUT || mp__now() < until)
            return 10 + i;
    }
    return 0;
}

START_TEST(G35_no_wait_follows_the_wall_clock)
{
    struct stage *stage = mp_new(struct stage);

    must(mp_lock_create(&stage->lock, NULL));
    must(mp_rlock_create(&stage->rlock, NULL));
    must(mp_semaphore_create(&stage->none, 0, NULL));
    must(mp_semaphore_create(&stage->all, 1, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_event_create(&stage->event, NULL));
    must(mp_condition_create(&stage->condition, NULL));
    must(mp_barrier_create(&stage->barrier, 2, NULL));
    must(mp_lock_acquire(stage->lock, MP_NOW));
    must(mp_rlock_acquire(stage->rlock, MP_NOW));
    must(mp_semaphore_acquire(stage->all, MP_NOW));
    if (may_filter())
        expect_exit(child(wait_for_each, stage), 0);
}
END_TEST

/* A deadline is what its header says. */
START_TEST(G35_deadline_is_a_monotonic_time)
{
    struct timespec before, after;
    mp_time deadline;

    clock_gettime(CLOCK_MONOTONIC, &before);
    deadline = mp_timeout(5);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_int_ge(deadline, (before.tv_sec + 5) * INT64_C(1000000000) +
                                   before.tv_nsec);
    ck_assert_int_le(deadline,
                     (after.tv_sec + 5) * INT64_C(1000000000) + after.tv_nsec);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 30);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_test(tcase, G35_no_wait_follows_the_wall_clock);
}

int
main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = mp_test_case(suite, "clock", 30);

    tcase_add_test(tcase, wall_clock_in_use_would_be_noticed);
    tcase_add_test(tcase, G35_deadline_is_a_monotonic_time);
    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
