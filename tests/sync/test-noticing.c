/* SPDX-License-Identifier: MIT */
/* How long it takes until who sleeps is told that a holder has died. What is
 * promised is 10 ms. How long a test's processes wait for a processor is not
 * in our hands: each death has seconds, and the median a tenth of one; if
 * nothing but the end of a long sleep told, it would be a whole one. The
 * figures go to standard error. */
#include "bell/waiters.h"
#include "os/clock.h"
#include "sync/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MOST 50
#define BOUND       10  /* seconds */
#define MEDIAN      0.1 /* seconds */

struct stage {
    mp_lock *lock;
    mp_semaphore *semaphore; /* tracked, of one permit */
    mp__a64 noticed;         /* when the sleeper came back; 0: not yet */
    mp__a64 told;            /* what its wait gave */
    mp__a32 holder;          /* number of the kin that has it */
};

static mp_time took[ROUNDS_MOST];

static struct stage *
notice_stage(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_lock_create(&stage->lock, NULL));
    must(mp_semaphore_create(&stage->semaphore, 1,
                             MP_SEMAPHORE_ATTR(.tracked = 1)));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_lock_destroy(stage->lock));
    must(mp_semaphore_destroy(stage->semaphore));
    must(mp_free(stage));
}

/* ---- What is waited for ---- */

static int
acquire_lock(struct stage *stage)
{
    return mp_lock_acquire(stage->lock, MP_FOREVER);
}

static int
release_lock(struct stage *stage)
{
    return mp_lock_release(stage->lock);
}

static int
acquire_permit(struct stage *stage)
{
    return mp_semaphore_acquire(stage->semaphore, MP_FOREVER);
}

static int
release_permit(struct stage *stage)
{
    return mp_semaphore_release(stage->semaphore);
}

static const struct {
    const char *name;
    int (*acquire)(struct stage *), (*release)(struct stage *);
    int told; /* to who comes after the dead */
} kinds[] = {
    {"lock", acquire_lock, release_lock, -EOWNERDEAD},
    {"tracked semaphore", acquire_permit, release_permit, 0},
};
static int kind; /* before the fork */

static unsigned
sleepers(struct stage *stage)
{
    return mp__waiters_of(kind == 0 ? (void *)stage->lock
                                    : (void *)stage->semaphore,
                          64, NULL, 0);
}

/* ---- Who takes part ---- */

static int
hold_for_ever(void *arg, int i)
{
    struct stage *stage = arg;
    int r = kinds[kind].acquire(stage);

    mp__store(&stage->holder, (uint32_t)i);
    ck_assert(r == 0 || r == -EOWNERDEAD);
    mp__store(&stage->told, (uint64_t)r);
    mp__store(&stage->noticed, (uint64_t)mp__now());
    for (;;)
        pause();
    return 0;
}

static int
acquire_and_tell(void *arg, int unused)
{
    struct stage *stage = arg;
    int r = kinds[kind].acquire(stage);

    (void)unused;
    mp__store(&stage->told, (uint64_t)r);
    mp__store(&stage->noticed, (uint64_t)mp__now());
    must(kinds[kind].release(stage));
    return 0;
}

/* ---- Figures ---- */

static int
compare(const void *a, const void *b)
{
    mp_time x = *(const mp_time *)a, y = *(const mp_time *)b;

    return (x > y) - (x < y);
}

static void
report(const char *what, int rounds)
{
    double median;

    qsort(took, (size_t)rounds, sizeof(took[0]), compare);
    median = (double)took[rounds / 2] / 1e9;
    fprintf(stderr, "# %s, %s: median %.3f ms, most %.3f ms of %d\n",
            kinds[kind].name, what, median * 1e3,
            (double)took[rounds - 1] / 1e6, rounds);
    ck_assert_msg(median < MEDIAN * mp_test_scale(), "%s: %.3f s", what,
                  median);
}

static int
rounds(void)
{
    return mp_test_scale() > 1 ? 5 : ROUNDS_MOST;
}

/* The victim is killed; how long until `noticed`. */
static mp_time
kill_and_measure(struct stage *stage, struct kin *victims, int i)
{
    mp_time killed;

    mp__store(&stage->noticed, 0);
    killed = mp__now();
    kin_kill(victims, i);
    wait_until(mp__load(&stage->noticed), BOUND);
    ck_assert_int_eq((int)mp__load(&stage->told), kinds[kind].told);
    return (mp_time)mp__load(&stage->noticed) - killed;
}

/* The owner is the one for whom the sleeper began to sleep. */
START_TEST(G02_death_of_the_holder_is_noticed_soon)
{
    struct stage *stage = notice_stage();

    kind = _i % 2;
    for (int round = 0; round < rounds(); round++) {
        struct kin *victim, *sleeper;

        mp__store(&stage->noticed, 0);
        victim = kin_start(PROCESSES, 1, hold_for_ever, stage);
        wait_until(mp__load(&stage->noticed), 20);
        sleeper =
            kin_start((enum kin_how)(_i / 2), 1, acquire_and_tell, stage);
        wait_until(sleepers(stage) == 1, 20);
        kin_await_sleep(sleeper);
        took[round] = kill_and_measure(stage, victim, 0);
        kin_end(sleeper);
        kin_end(victim);
    }
    report(_i / 2 ? "for a thread" : "for a process", rounds());
    end_stage(stage);
}
END_TEST

/* Three sleep for long, whoever held it; one of them gets it and is killed:
 * the others had gone to sleep because of somebody else. Then the next one. */
static void
kill_two_holders(struct stage *stage, mp_time *first, mp_time *second)
{
    struct kin *kin;

    ck_assert_int_ge(kinds[kind].acquire(stage), -EOWNERDEAD);
    kin = kin_start(PROCESSES, 3, hold_for_ever, stage);
    wait_until(sleepers(stage) == 3, 20);
    usleep(30000);
    kin_await_sleep(kin);
    mp__store(&stage->noticed, 0);
    must(kinds[kind].release(stage));
    wait_until(mp__load(&stage->noticed), BOUND);
    *first = kill_and_measure(stage, kin, (int)stage->holder);
    *second = kill_and_measure(stage, kin, (int)stage->holder);
    kin_kill(kin, (int)stage->holder);
    kin_end(kin);
}

START_TEST(G02_death_of_a_later_holder_is_noticed_soon)
{
    struct stage *stage = notice_stage();
    mp_time second[ROUNDS_MOST];
    int n = rounds() / 2;

    kind = _i;
    for (int round = 0; round < n; round++)
        kill_two_holders(stage, &took[round], &second[round]);
    report("a later holder", n);
    memcpy(took, second, sizeof(second));
    report("the one after", n);
    ck_assert_int_eq(kinds[kind].acquire(stage), kinds[kind].told);
    must(kinds[kind].release(stage));
    end_stage(stage);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("notice");
    TCase *tcase = mp_test_case(suite, "notice", 120);

    tcase_add_loop_test(tcase, G02_death_of_the_holder_is_noticed_soon, 0,
                        mp_test_may_fork_with_threads() ? 4 : 2);
    tcase_add_loop_test(tcase, G02_death_of_a_later_holder_is_noticed_soon, 0,
                        2);
    return mp_test_main(suite);
}
