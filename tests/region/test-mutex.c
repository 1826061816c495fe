/* SPDX-License-Identifier: MIT */
/* The internal lock: one at a time; whoever dies holding it is succeeded by
 * one who repairs; who dies waiting for it harms nobody. */
#include "os/clock.h"
#include "region/kin.h"
#include "region/mutex.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct stage {
    struct mp__mutex mutex;
    /* What the mutex guards. */
    uint64_t count, mirror;
    uint32_t repairs;
    uint32_t die_in_repair; /* how often still */
    mp__a32 inside;         /* how many hold the mutex */
    mp__a32 held;           /* the holder is where it is to be */
    mp__a32 done;
    uint64_t each;
    mp_time deadline;
    int expected;
};

static void
repair(struct mp__mutex *mutex)
{
    struct stage *stage = MP__CONTAINER(mutex, struct stage, mutex);

    stage->repairs++;
    if (stage->die_in_repair > 0) {
        stage->die_in_repair--;
        raise(SIGKILL);
    }
    stage->mirror = stage->count;
    mp__store(&stage->inside, 0);
}

/* The room's own repair does not run in these programs: this one does. */
static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    mp__mutex_repair_with(MP__MUTEX_POOL, repair);
    mp__mutex_init(&stage->mutex, MP__MUTEX_POOL);
    return stage;
}

static void
end_stage(struct stage *stage)
{
    mp__mutex_lock(&stage->mutex);
    mp__mutex_unlock(&stage->mutex);
    ck_assert_uint_eq(mp__mutex_holder(&stage->mutex), 0);
    must(mp_free(stage));
}

/* ---- One at a time ---- */

static int
count_up(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (uint64_t n = 0; n < stage->each; n++) {
        mp__mutex_lock(&stage->mutex);
        if (mp__add(&stage->inside, 1) != 0)
            ck_abort_msg("two are inside");
        stage->count++;
        stage->mirror++;
        mp__sub(&stage->inside, 1);
        mp__mutex_unlock(&stage->mutex);
    }
    return 0;
}

START_TEST(mutex_lets_one_in_at_a_time)
{
    struct stage *stage = stage_new();

    stage->each = mp_test_scale() > 1 ? 2000 : 40000;
    kin_run((enum kin_how)(_i & 1), _i & 2 ? 8 : 2, count_up, stage);
    ck_assert_uint_eq(stage->count, stage->each * (_i & 2 ? 8 : 2));
    ck_assert_uint_eq(stage->mirror, stage->count);
    ck_assert_uint_eq(stage->repairs, 0);
    end_stage(stage);
}
END_TEST

static int
take_turns(void *arg, int i)
{
    struct stage *stage = arg;
    uint64_t turn;

    /* Each must come in again and again while the others want to as well. */
    do {
        mp__mutex_lock(&stage->mutex);
        turn = stage->count;
        if (turn % 8 == (uint64_t)i)
            stage->count++;
        mp__mutex_unlock(&stage->mutex);
    } while (turn < stage->each);
    return 0;
}

START_TEST(mutex_contenders_all_make_progress)
{
    struct stage *stage = stage_new();

    stage->each = 40;
    kin_run((enum kin_how)_i, 8, take_turns, stage);
    end_stage(stage);
}
END_TEST

START_TEST(mutex_tells_its_holder)
{
    struct stage *stage = stage_new();

    ck_assert_uint_eq(mp__mutex_holder(&stage->mutex), 0);
    mp__mutex_lock(&stage->mutex);
    ck_assert_uint_eq(mp__mutex_holder(&stage->mutex),
                      (uint32_t)syscall(SYS_gettid));
    mp__mutex_unlock(&stage->mutex);
    end_stage(stage);
}
END_TEST

/* ---- Deadlines and signals ---- */

static int
lock_until(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp__mutex_lock_until(&stage->mutex, stage->deadline);

    (void)unused;
    if (r == 0)
        mp__mutex_unlock(&stage->mutex);
    ck_assert_int_eq(r, stage->expected);
    mp__add(&stage->done, 1);
    return 0;
}

START_TEST(mutex_held_ends_the_wait_at_its_deadline)
{
    struct stage *stage = stage_new();
    enum kin_how how = (enum kin_how)_i;
    struct kin *kin;

    mp__mutex_lock(&stage->mutex);
    stage->deadline = MP_NOW;
    stage->expected = -EAGAIN;
    kin_end(kin_start(how, 1, lock_until, stage));
    stage->deadline = 1;
    stage->expected = -ETIMEDOUT;
    kin_end(kin_start(how, 1, lock_until, stage));
    stage->deadline = mp_timeout(0.2);
    kin = kin_start(how, 3, lock_until, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    mp__mutex_unlock(&stage->mutex);
    /* free: it does not matter when */
    stage->deadline = MP_NOW;
    stage->expected = 0;
    kin_end(kin_start(how, 1, lock_until, stage));
    end_stage(stage);
}
END_TEST

START_TEST(mutex_sleepers_get_it_one_by_one)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    stage->deadline = MP_FOREVER;
    mp__mutex_lock(&stage->mutex);
    kin = kin_start((enum kin_how)_i, 5, lock_until, stage);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->done), 0);
    mp__mutex_unlock(&stage->mutex);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static void
on_signal(int sig)
{
    (void)sig;
}

START_TEST(mutex_sleeper_is_interrupted)
{
    struct stage *stage = stage_new();
    struct sigaction action = {.sa_handler = on_signal};
    struct kin *kin;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    stage->deadline = MP_FOREVER;
    stage->expected = -EINTR;
    mp__mutex_lock(&stage->mutex);
    kin = kin_start((enum kin_how)_i, 2, lock_until, stage);
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_interrupt(kin, 1, SIGUSR1);
    kin_end(kin);
    mp__mutex_unlock(&stage->mutex);
    end_stage(stage);
}
END_TEST

/* mp__mutex_lock() does not mind signals. */
START_TEST(mutex_lock_outlasts_signals)
{
    struct stage *stage = stage_new();
    struct sigaction action = {.sa_handler = on_signal};
    struct kin *kin;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    stage->each = 1;
    mp__mutex_lock(&stage->mutex);
    kin = kin_start((enum kin_how)_i, 1, count_up, stage);
    for (int i = 0; i < 20; i++) {
        kin_await_sleep(kin);
        kin_signal(kin, 0, SIGUSR1);
    }
    ck_assert_uint_eq(stage->count, 0);
    mp__mutex_unlock(&stage->mutex);
    kin_end(kin);
    ck_assert_uint_eq(stage->count, 1);
    end_stage(stage);
}
END_TEST

/* ---- The holder dies ---- */

enum death {
    KILLED,
    EXITED,
    EXECUTED,
    THREAD_ENDED,
    DEATHS,
};

static struct stage *held_stage;

static void
hold(struct stage *stage)
{
    mp__mutex_lock(&stage->mutex);
    mp__add(&stage->inside, 1);
    stage->count++; /* and mirror is left behind */
    mp__store(&stage->held, 1);
    /* until the sleepers are there */
    while (mp__load(&stage->held) != 2)
        usleep(100);
}

static void *
hold_and_end(void *unused)
{
    (void)unused;
    must(mp__enter());
    hold(held_stage);
    return NULL;
}

static int
hold_and_die(void *arg)
{
    static char program[] = "/bin/true";
    char *arguments[] = {program, NULL};
    pthread_t thread;

    must(mp__enter());
    switch (*(enum death *)arg) {
    case KILLED:
        hold(held_stage);
        return raise(SIGKILL);
    case EXECUTED:
        hold(held_stage);
        return execv(program, arguments);
    case THREAD_ENDED:
        pthread_create(&thread, NULL, hold_and_end, NULL);
        pthread_join(thread, NULL);
        return 0;
    default:
        hold(held_stage);
        return 0;
    }
}

/* A sleeper, or one who comes later, finds everything in order, and what was
 * broken repaired exactly once. */
START_TEST(G02_mutex_of_the_dead_goes_to_the_next)
{
    enum death death = (enum death)(_i % DEATHS);
    int sleepers = _i < DEATHS ? 0 : 4;
    struct stage *stage = held_stage = stage_new();
    struct kin *kin = NULL;
    mp_time died;
    pid_t pid;

    stage->each = 1;
    pid = child(hold_and_die, &death);
    wait_until(mp__load(&stage->held) == 1, 20);
    if (sleepers) {
        kin = kin_start(PROCESSES, sleepers, count_up, stage);
        kin_await_sleep(kin);
    }
    mp__store(&stage->held, 2);
    expect_exit(pid, death == KILLED ? -SIGKILL : 0);
    died = mp__now();
    mp__mutex_lock(&stage->mutex);
    /* No bound that load could break; a lost wake-up takes a slice more. */
    ck_assert_int_lt(mp__now() - died, (mp_time)(500000000 * mp_test_scale()));
    ck_assert_uint_eq(stage->repairs, 1);
    ck_assert_uint_eq(stage->mirror, stage->count);
    mp__mutex_unlock(&stage->mutex);
    if (kin)
        kin_end(kin);
    ck_assert_uint_eq(stage->count, 1 + (unsigned)sleepers);
    ck_assert_uint_eq(stage->mirror, stage->count);
    ck_assert_uint_eq(stage->repairs, 1);
    end_stage(stage);
}
END_TEST

static int
try_to_repair(void *arg)
{
    struct stage *stage = arg;

    must(mp__enter());
    mp__mutex_lock(&stage->mutex);
    mp__mutex_unlock(&stage->mutex);
    return 0;
}

START_TEST(mutex_repairer_dies_and_the_next_repairs)
{
    enum death death = KILLED;
    struct stage *stage = held_stage = stage_new();

    mp__store(&stage->held, 2);
    stage->each = 1;
    mp__mutex_lock(&stage->mutex);
    mp__store(&stage->held, 0);
    mp__mutex_unlock(&stage->mutex);
    /* nobody to wait for */
    {
        pid_t pid = child(hold_and_die, &death);

        wait_until(mp__load(&stage->held) == 1, 20);
        mp__store(&stage->held, 2);
        expect_killed(pid, SIGKILL);
    }
    stage->die_in_repair = 3;
    for (int i = 0; i < 3; i++)
        expect_killed(child(try_to_repair, stage), SIGKILL);
    ck_assert_uint_ne(stage->mirror, stage->count);
    mp__mutex_lock(&stage->mutex);
    ck_assert_uint_eq(stage->repairs, 4);
    ck_assert_uint_eq(stage->mirror, stage->count);
    mp__mutex_unlock(&stage->mutex);
    end_stage(stage);
}
END_TEST

START_TEST(mutex_sleepers_repairers_die_and_the_next_repairs)
{
    enum death death = KILLED;
    struct stage *stage = held_stage = stage_new();
    struct kin *kin;
    int killed = 0;
    pid_t pid;

    stage->each = 1;
    stage->die_in_repair = 3;
    pid = child(hold_and_die, &death);
    wait_until(mp__load(&stage->held) == 1, 20);
    kin = kin_start(PROCESSES, 6, count_up, stage);
    kin_await_sleep(kin);
    mp__store(&stage->held, 2);
    expect_killed(pid, SIGKILL);
    for (int i = 0; i < 6; i++) {
        killed += reap(kin->pids[i]) == -SIGKILL;
        kin->pids[i] = 0;
    }
    ck_assert_int_eq(killed, 3);
    ck_assert_uint_eq(stage->repairs, 4);
    ck_assert_uint_eq(stage->count, 1 + 3);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- A waiter dies ---- */

START_TEST(mutex_waiter_killed_asleep_harms_nobody)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    stage->each = 1;
    mp__mutex_lock(&stage->mutex);
    kin = kin_start(PROCESSES, 4, count_up, stage);
    kin_await_sleep(kin);
    kin_kill(kin, _i);
    mp__mutex_unlock(&stage->mutex);
    kin_end(kin);
    ck_assert_uint_eq(stage->count, 3);
    ck_assert_uint_eq(stage->repairs, 0);
    end_stage(stage);
}
END_TEST

/* The very one that the release wakes may be killed before it looks. */
START_TEST(mutex_waiter_killed_as_it_is_woken)
{
    int rounds = mp_test_scale() > 1 ? 10 : 100;

    for (int round = 0; round < rounds; round++) {
        struct stage *stage = stage_new();
        struct kin *kin;
        uint64_t count;

        stage->each = 1;
        mp__mutex_lock(&stage->mutex);
        kin = kin_start(PROCESSES, 3, count_up, stage);
        kin_await_sleep(kin);
        mp__mutex_unlock(&stage->mutex);
        kill(kin->pids[round % 3], SIGKILL);
        reap(kin->pids[round % 3]);
        kin->pids[round % 3] = 0;
        kin_end(kin);
        mp__mutex_lock(&stage->mutex);
        count = stage->count;
        mp__mutex_unlock(&stage->mutex);
        ck_assert_uint_ge(count, 2);
        ck_assert_uint_le(count, 3);
        end_stage(stage);
    }
}
END_TEST

/* Killed at random, always replaced: the count stays that of its mirror. */
static int
count_for_ever(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (;;)
        count_up(stage, 0);
    return 0;
}

START_TEST(G02_mutex_users_killed_at_any_moment)
{
    struct stage *stage = stage_new();
    int rounds = mp_test_scale() > 1 ? 10 : 50;

    stage->each = 1000;
    for (int round = 0; round < rounds; round++) {
        struct kin *kin = kin_start(PROCESSES, 3, count_for_ever, stage);

        for (int i = 0; i < 3; i++) {
            wait_until(mp__load(&kin->begun[i]), 20);
            kin_kill(kin, i);
        }
        kin_end(kin);
        mp__mutex_lock(&stage->mutex);
        ck_assert_uint_eq(stage->count, stage->mirror);
        ck_assert_uint_eq(mp__load(&stage->inside), 0);
        mp__mutex_unlock(&stage->mutex);
    }
    ck_assert_uint_gt(stage->count, 0);
    end_stage(stage);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, mutex_lets_one_in_at_a_time, 0, 4);
    tcase_add_loop_test(tcase, mutex_sleepers_get_it_one_by_one, 0, 2);
    tcase_add_loop_test(tcase, mutex_held_ends_the_wait_at_its_deadline, 0, 2);
    tcase_add_loop_test(tcase, G02_mutex_of_the_dead_goes_to_the_next, 0,
                        2 * DEATHS);
    tcase_add_loop_test(tcase, mutex_waiter_killed_asleep_harms_nobody, 0, 4);
}

int
main(void)
{
    Suite *suite = suite_create("mutex");
    TCase *tcase;

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    tcase = mp_test_case(suite, "contention", 60);
    tcase_add_test(tcase, mutex_tells_its_holder);
    tcase_add_loop_test(tcase, mutex_contenders_all_make_progress, 0, 2);
    tcase_add_loop_test(tcase, mutex_sleeper_is_interrupted, 0, 2);
    tcase_add_loop_test(tcase, mutex_lock_outlasts_signals, 0, 2);
    tcase = mp_test_case(suite, "death", 60);
    tcase_add_test(tcase, mutex_repairer_dies_and_the_next_repairs);
    tcase_add_test(tcase, mutex_sleepers_repairers_die_and_the_next_repairs);
    tcase_add_test(tcase, mutex_waiter_killed_as_it_is_woken);
    tcase_add_test(tcase, G02_mutex_users_killed_at_any_moment);
    return mp_test_main(suite);
}
