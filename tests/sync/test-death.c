/* SPDX-License-Identifier: MIT */
/* Those who hold a lock or a permit die: in every way there is, while nobody
 * waits, while somebody sleeps, one after the other. (Those who wait die in
 * test-waiter-death.c.)
 *
 * (Every single instruction is the kill sweep's business: tests/sweep.) */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST    8
#define BOUND   10 /* seconds; what is promised is 10 ms: see test-noticing.c */
#define PERMITS 5

struct stage {
    mp_lock *lock;
    mp_rlock *rlock;
    mp_semaphore *semaphore; /* tracked, of PERMITS */
    int way, permits;
    mp__a32 held;      /* the victim has what it is to die with */
    mp__a32 go;        /* it may */
    mp__a32 got, dead; /* acquired; of these, from the dead */
    mp__a32 stop;
};

static struct stage *
death_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_lock_create(&stage->lock, NULL));
    must(mp_rlock_create(&stage->rlock, NULL));
    must(mp_semaphore_create(&stage->semaphore, PERMITS,
                             MP_SEMAPHORE_ATTR(.tracked = 1)));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_lock_destroy(stage->lock));
    must(mp_rlock_destroy(stage->rlock));
    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_free(stage));
}

static unsigned
sleepers(const void *object)
{
    return mp__waiters_of(object, 64, NULL, 0);
}

/* ---- Ways to die ---- */

static void
die_by_kill(void)
{
    raise(SIGKILL);
}

static void
die_by_crash(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void
die_by_exit(void)
{
    _exit(0);
}

static void
die_by_exec(void)
{
    execlp("sleep", "sleep", "1000", NULL);
}

static void
die_by_end_of_thread(void)
{
    pthread_exit(NULL);
}

static const struct {
    void (*die)(void);
    int in_thread; /* of a process that lives on */
    int ended;     /* what reap() says; 0: it has to be killed */
    int reaped;
} ways[] = {
    {die_by_kill, 0, 1, -SIGKILL},   {die_by_crash, 0, 1, -SIGSEGV},
    {die_by_exit, 0, 1, 0},          {die_by_exec, 0, 0, 0},
    {die_by_end_of_thread, 1, 0, 0},
};
#define WAYS ((int)LENGTH(ways))

/* ---- Victims: hold something and die when told ---- */

static void *
hold_and_die(void *arg)
{
    struct stage *stage = arg;
    int r;

    r = mp_lock_acquire(stage->lock, MP_FOREVER);
    ck_assert(r == 0 || r == -EOWNERDEAD);
    for (int i = 0; i < 3; i++) {
        r = mp_rlock_acquire(stage->rlock, MP_FOREVER);
        ck_assert(r == 0 || r == -EOWNERDEAD);
    }
    for (int i = 0; i < stage->permits; i++)
        must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
    mp__store(&stage->held, 1);
    wait_until(mp__load(&stage->go), 60);
    ways[stage->way].die();
    return NULL;
}

static int
be_victim(void *arg)
{
    struct stage *stage = arg;
    pthread_t thread;

    if (!ways[stage->way].in_thread)
        hold_and_die(stage);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_and_die, stage), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    for (;;)
        pause();
}

static pid_t
start_victim(struct stage *stage, int way, int permits)
{
    pid_t pid;

    stage->way = way;
    stage->permits = permits;
    mp__store(&stage->held, 0);
    mp__store(&stage->go, 0);
    pid = child(be_victim, stage);
    wait_until(mp__load(&stage->held), 20);
    return pid;
}

static void
end_victim(struct stage *stage, pid_t pid)
{
    if (ways[stage->way].ended)
        expect_exit(pid, ways[stage->way].reaped);
    else
        kill_and_reap(pid);
}

/* ---- Who comes later is told at once ---- */

START_TEST(G02_owner_dead_is_told_at_once)
{
    struct stage *stage = death_stage();

    for (int round = 0; round < 3; round++) {
        pid_t pid = start_victim(stage, _i, 2);

        ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_rlock_acquire(stage->rlock, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 2);
        mp__store(&stage->go, 1);
        wait_until(mp_lock_owner(stage->lock) == -EOWNERDEAD, 20);
        ck_assert_int_eq(mp_rlock_owner(stage->rlock), -EOWNERDEAD);
        ck_assert_int_eq(mp_lock_locked(stage->lock), 1);
        ck_assert_int_eq(mp_lock_is_robust(stage->lock), 1);
        ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS);
        ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EOWNERDEAD);
        ck_assert_int_eq(mp_lock_owner(stage->lock), getpid());
        must(mp_lock_release(stage->lock));
        ck_assert_int_eq(mp_rlock_acquire(stage->rlock, MP_NOW), -EOWNERDEAD);
        must(mp_rlock_release(stage->rlock)); /* held once, not three times */
        ck_assert_int_eq(mp_rlock_locked(stage->rlock), 0);
        end_victim(stage, pid);
        ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
        must(mp_lock_release(stage->lock));
        ck_assert_int_eq(mp_lock_is_robust(stage->lock), 1);
    }
    end_stage(stage);
}
END_TEST

/* It is nobody's who could mind. */
START_TEST(G02_lock_of_the_dead_may_be_destroyed)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, _i, PERMITS);

    mp__store(&stage->go, 1);
    wait_until(mp_lock_owner(stage->lock) == -EOWNERDEAD, 20);
    end_stage(stage);
    kill(pid, SIGKILL);
    reap(pid);
}
END_TEST

/* Releasing is what another than the owner does: from then on it is a token,
 * and nothing is told. */
START_TEST(lock_of_the_dead_may_be_released)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, 0, 0);

    mp__store(&stage->go, 1);
    end_victim(stage, pid);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_lock_is_robust(stage->lock), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_rlock_release(stage->rlock), -EPERM);
    end_stage(stage);
}
END_TEST

START_TEST(G02_locks_of_a_chain_of_dead)
{
    struct stage *stage = death_stage();

    for (int i = 0; i < 20; i++) {
        pid_t pid = start_victim(stage, 0, i % (PERMITS + 1));

        mp__store(&stage->go, 1);
        end_victim(stage, pid);
        ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS);
    }
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EOWNERDEAD);
    must(mp_lock_release(stage->lock));
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), 0);
    must(mp_lock_release(stage->lock));
    end_stage(stage);
}
END_TEST

static int
end_at_once(void *unused)
{
    (void)unused;
    return 0;
}

/* Nor does a fork's child own what its parent owns: its end says nothing. */
START_TEST(lock_outlives_the_children_of_its_owner)
{
    struct stage *stage = death_stage();
    pid_t pid;

    must(mp_lock_acquire(stage->lock, MP_NOW));
    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    expect_exit(child(end_at_once, NULL), 0);
    pid = child(be_victim, stage); /* waits for the lock */
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 1, 20);
    kill_and_reap(pid);
    ck_assert_int_eq(mp_lock_owner(stage->lock), getpid());
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 1);
    must(mp_lock_release(stage->lock));
    must(mp_semaphore_release(stage->semaphore));
    end_stage(stage);
}
END_TEST

/* Who is stopped is not dead. */
START_TEST(lock_of_the_stopped_is_held)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, 0, 1);

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    wait_until(process_state(pid) == 'T', 20);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, mp_timeout(0.05)),
                     -ETIMEDOUT);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(mp_lock_acquire(stage->lock, mp_timeout(BOUND)),
                     -EOWNERDEAD);
    expect_killed(pid, SIGKILL);
    must(mp_lock_release(stage->lock));
    end_stage(stage);
}
END_TEST

/* ---- Sleepers ---- */

static int
sleep_for_lock(void *arg, int i)
{
    struct stage *stage = arg;
    int r = i % 2 ? mp_lock_acquire(stage->lock, MP_FOREVER)
                  : mp_lock_acquire(stage->lock, mp_timeout(1000));

    ck_assert(r == 0 || r == -EOWNERDEAD);
    mp__add(&stage->dead, r == -EOWNERDEAD);
    must(mp_lock_release(stage->lock));
    mp__add(&stage->got, 1);
    return 0;
}

static int
sleep_for_rlock(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_rlock_acquire(stage->rlock, MP_FOREVER);

    (void)unused;
    ck_assert(r == 0 || r == -EOWNERDEAD);
    mp__add(&stage->dead, r == -EOWNERDEAD);
    must(mp_rlock_acquire(stage->rlock, MP_NOW));
    must(mp_rlock_release(stage->rlock));
    must(mp_rlock_release(stage->rlock));
    mp__add(&stage->got, 1);
    return 0;
}

/* _i: in which way. One of them is told, and all get it. */
START_TEST(G02_owner_dead_is_told_to_one_who_sleeps)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, _i % WAYS, 0);
    enum kin_how how = (enum kin_how)(_i / WAYS % 2);
    int recursive = _i / WAYS / 2;
    struct kin *kin =
        kin_start(how, 4, recursive ? sleep_for_rlock : sleep_for_lock, stage);

    wait_until(mp_lock_waiters(stage->lock, NULL, 0) +
                       mp_rlock_waiters(stage->rlock, NULL, 0) ==
                   4,
               20);
    kin_await_sleep(kin);
    mp__store(&stage->go, 1);
    wait_until(mp__load(&stage->got) == 4, BOUND);
    ck_assert_uint_eq(mp__load(&stage->dead), 1);
    kin_end(kin);
    end_victim(stage, pid);
    end_stage(stage);
}
END_TEST

static int
sleep_for_permit(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_semaphore_acquire(stage->semaphore, MP_FOREVER));
    mp__add(&stage->got, 1);
    wait_until(mp__load(&stage->stop), 60);
    must(mp_semaphore_release(stage->semaphore));
    return 0;
}

static int
sleep_for_one_of_them(void *arg, int i)
{
    kin_fn *const fns[] = {sleep_for_lock, sleep_for_rlock, sleep_for_permit};

    return fns[i % 3](arg, i);
}

/* The kernel wakes one of all who watch a life: that one tells the others,
 * whatever they wait for. */
START_TEST(G02_owner_dead_is_told_wherever_it_matters)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, _i % WAYS, PERMITS);
    struct kin *kin =
        kin_start((enum kin_how)(_i / WAYS), 6, sleep_for_one_of_them, stage);

    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == 2 &&
                   mp_rlock_waiters(stage->rlock, NULL, 0) == 2 &&
                   sleepers(stage->semaphore) == 2,
               20);
    kin_await_sleep(kin);
    mp__store(&stage->go, 1);
    wait_until(mp__load(&stage->got) == 6, BOUND);
    ck_assert_uint_eq(mp__load(&stage->dead), 2);
    mp__store(&stage->stop, 1);
    kin_end(kin);
    end_victim(stage, pid);
    end_stage(stage);
}
END_TEST

static int
take_lock_and_wait(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = mp_lock_acquire(stage->lock, MP_FOREVER);

    (void)unused;
    ck_assert(r == 0 || r == -EOWNERDEAD);
    mp__add(&stage->dead, r == -EOWNERDEAD);
    mp__add(&stage->got, 1);
    for (;;)
        pause();
    return 0;
}

/* Kills whichever of them has the lock. */
static void
kill_owner(struct stage *stage, struct kin *kin)
{
    pid_t owner = mp_lock_owner(stage->lock);

    for (int i = 0; i < kin->n; i++)
        if (kin->pids[i] == owner && owner > 0) {
            kin_kill(kin, i);
            return;
        }
    ck_abort_msg("the owner is %d", (int)owner);
}

/* All sleep, for long when `patient`; then it passes from one who is killed to
 * the next: nobody releases it any more. */
static void
die_one_after_the_other(struct stage *stage, int patient)
{
    struct kin *kin;

    must(mp_lock_acquire(stage->lock, MP_NOW));
    kin = kin_start(PROCESSES, MOST, take_lock_and_wait, stage);
    wait_until(mp_lock_waiters(stage->lock, NULL, 0) == MOST, 20);
    kin_await_sleep(kin);
    if (patient) /* long enough that they have stopped looking every while;
                    what follows holds either way */
        ck_assert_int_eq(
            mp_semaphore_acquire(stage->semaphore, mp_timeout(0.1)), 0);
    must(mp_lock_release(stage->lock));
    for (uint32_t i = 1; i <= MOST; i++) {
        wait_until(mp__load(&stage->got) == i, BOUND);
        ck_assert_uint_eq(mp__load(&stage->dead), i - 1);
        kill_owner(stage, kin);
    }
    ck_assert_int_eq(mp_lock_acquire(stage->lock, MP_NOW), -EOWNERDEAD);
    must(mp_lock_release(stage->lock));
    kin_end(kin);
}

START_TEST(G02_lock_passes_along_a_line_that_dies)
{
    struct stage *stage = death_stage();

    die_one_after_the_other(stage, _i);
    end_stage(stage);
}
END_TEST

/* ---- Tracked permits ---- */

START_TEST(G02_permits_of_the_dead_come_back_exactly)
{
    struct stage *stage = death_stage();
    pid_t first, second;

    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    first = start_victim(stage, _i, 3);
    mp__store(&stage->go, 0);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 4);
    must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    mp__store(&stage->go, 1);
    wait_until(mp_lock_owner(stage->lock) == -EOWNERDEAD, 20);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 3);
    ck_assert_int_eq(mp_semaphore_locked(stage->semaphore), 0);
    end_victim(stage, first);
    second = start_victim(stage, _i, 3);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    mp__store(&stage->go, 1);
    for (int i = 0; i < 3; i++) /* they are waited for */
        ck_assert_int_eq(
            mp_semaphore_acquire(stage->semaphore, mp_timeout(BOUND)), 0);
    ck_assert_int_eq(mp_semaphore_acquire(stage->semaphore, MP_NOW), -EAGAIN);
    for (int i = 0; i < PERMITS; i++)
        must(mp_semaphore_release(stage->semaphore));
    ck_assert_int_eq(mp_semaphore_release(stage->semaphore), -EPERM);
    end_victim(stage, second);
    end_stage(stage);
}
END_TEST

/* One who had three of five dies: three of the four who sleep get one. */
START_TEST(G02_permits_of_the_dead_go_to_those_who_sleep)
{
    struct stage *stage = death_stage();
    pid_t pid = start_victim(stage, _i % WAYS, 3);
    struct kin *kin;

    for (int i = 0; i < PERMITS - 3; i++)
        must(mp_semaphore_acquire(stage->semaphore, MP_NOW));
    kin = kin_start((enum kin_how)(_i / WAYS), 4, sleep_for_permit, stage);
    wait_until(sleepers(stage->semaphore) == 4, 20);
    kin_await_sleep(kin);
    mp__store(&stage->go, 1);
    wait_until(mp__load(&stage->got) == 3, BOUND);
    wait_until(sleepers(stage->semaphore) == 1, 20);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), 0);
    must(mp_semaphore_release(stage->semaphore));
    wait_until(mp__load(&stage->got) == 4, BOUND);
    mp__store(&stage->stop, 1);
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(stage->semaphore), PERMITS - 1);
    must(mp_semaphore_release(stage->semaphore));
    end_victim(stage, pid);
    end_stage(stage);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, G02_owner_dead_is_told_at_once, 0, WAYS);
    tcase_add_loop_test(tcase, G02_lock_of_the_dead_may_be_destroyed, 0, WAYS);
    tcase_add_test(tcase, lock_of_the_dead_may_be_released);
    tcase_add_test(tcase, G02_locks_of_a_chain_of_dead);
    tcase_add_test(tcase, lock_outlives_the_children_of_its_owner);
    tcase_add_test(tcase, lock_of_the_stopped_is_held);
    tcase_add_loop_test(tcase, G02_owner_dead_is_told_to_one_who_sleeps, 0,
                        WAYS * 4);
    tcase_add_loop_test(tcase, G02_owner_dead_is_told_wherever_it_matters, 0,
                        WAYS * 2);
    tcase_add_loop_test(tcase, G02_lock_passes_along_a_line_that_dies, 0, 2);
    tcase_add_loop_test(tcase, G02_permits_of_the_dead_come_back_exactly, 0,
                        WAYS);
    tcase_add_loop_test(tcase, G02_permits_of_the_dead_go_to_those_who_sleep,
                        0, WAYS * 2);
}

int
main(void)
{
    Suite *suite = suite_create("death");
    TCase *tcase;

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    tcase = mp_test_case(suite, "wake-ups", 60);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, G02_owner_dead_is_told_to_one_who_sleeps, 0,
                        WAYS * 4);
    tcase_add_loop_test(tcase, G02_owner_dead_is_told_wherever_it_matters, 0,
                        WAYS * 2);
    tcase_add_loop_test(tcase, G02_permits_of_the_dead_go_to_those_who_sleep,
                        0, WAYS * 2);
    return mp_test_main(suite);
}
