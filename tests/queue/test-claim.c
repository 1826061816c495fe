/* SPDX-License-Identifier: MIT */
/* Taking a pointer in such a way that others know of it, even if the taker
 * dies. */
#include "queue/queue.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct stage {
    mp_queue *queue;
    struct mp__claim claim;
    mp__a64 settled; /* pointers that the taker has dealt with */
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_queue_create(&stage->queue, NULL));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static void *
pointer(uint64_t number)
{
    return (void *)(uintptr_t)(number * 64);
}

static void
put(struct stage *stage, uint64_t number)
{
    must(mp__queue_put_pointer(stage->queue, pointer(number), MP_FOREVER));
}

START_TEST(claim_holds_what_was_taken)
{
    struct stage *stage = stage_new();

    ck_assert_int_eq(mp__queue_get_claim(stage->queue, &stage->claim, MP_NOW),
                     -EAGAIN);
    ck_assert_int_eq(mp__queue_get_claim(stage->queue, &stage->claim, 1),
                     -ETIMEDOUT);
    ck_assert_uint_eq(mp__load(&stage->claim.pointer), 0);
    for (uint64_t n = 1; n < 100; n++)
        put(stage, n);
    for (uint64_t n = 1; n < 100; n++) {
        must(mp__queue_get_claim(stage->queue, &stage->claim, MP_NOW));
        ck_assert_ptr_eq((void *)mp__load(&stage->claim.pointer), pointer(n));
        ck_assert_uint_eq(mp__load(&stage->claim.sequence), n - 1);
        mp__queue_settle(stage->queue, &stage->claim);
        ck_assert_ptr_eq((void *)mp__load(&stage->claim.pointer), pointer(n));
        mp__store(&stage->claim.pointer, 0);
    }
    must(mp_queue_close(stage->queue));
    ck_assert_int_eq(
        mp__queue_get_claim(stage->queue, &stage->claim, MP_FOREVER),
        -ESHUTDOWN);
    must_fail(mp__queue_get_claim(NULL, &stage->claim, MP_NOW), -EBADF,
              "a queue");
    end_stage(stage);
}
END_TEST

START_TEST(claim_pointers_mix_with_messages)
{
    struct stage *stage = stage_new();
    void *p = NULL;

    put(stage, 5);
    ck_assert_int_eq(mp_queue_get(stage->queue, &p, sizeof(p), MP_NOW),
                     sizeof(p));
    ck_assert_ptr_eq(p, pointer(5));
    end_stage(stage);
}
END_TEST

static int
take_and_die(void *arg)
{
    struct stage *stage = arg;

    must(mp__enter());
    must(mp__queue_get_claim(stage->queue, &stage->claim, MP_FOREVER));
    return raise(SIGKILL);
}

START_TEST(claim_outlives_the_taker)
{
    struct stage *stage = stage_new();

    put(stage, 1);
    put(stage, 2);
    expect_killed(child(take_and_die, stage), SIGKILL);
    mp__queue_settle(stage->queue, &stage->claim);
    ck_assert_ptr_eq((void *)mp__load(&stage->claim.pointer), pointer(1));
    ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
    end_stage(stage);
}
END_TEST

static int
take(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp__queue_get_claim(stage->queue, &stage->claim, MP_FOREVER));
    return 0;
}

static int
get_other(void *arg, int unused)
{
    struct stage *stage = arg;
    void *p;

    (void)unused;
    must(mp_queue_get(stage->queue, &p, sizeof(p), MP_FOREVER));
    return 0;
}

/* The taker dies asleep for a pointer, and another sleeps in its place, with
 * the mutex: settling does not wait for it. */
START_TEST(claim_of_one_killed_asleep_stays_empty)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 1, take, stage), *other;

    kin_await_sleep(kin);
    other = kin_start(PROCESSES, 1, get_other, stage);
    kin_await_sleep(other);
    kin_kill(kin, 0);
    mp__queue_settle(stage->queue, &stage->claim);
    ck_assert_uint_eq(mp__load(&stage->claim.pointer), 0);
    put(stage, 1);
    kin_end(other);
    mp__queue_settle(stage->queue, &stage->claim);
    ck_assert_uint_eq(mp__load(&stage->claim.pointer), 0);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static int
take_all(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (;;) {
        must(mp__queue_get_claim(stage->queue, &stage->claim, MP_FOREVER));
        mp__store(&stage->settled, mp__load(&stage->settled) + 1);
        mp__store(&stage->claim.pointer, 0);
    }
    return 0;
}

/* Killed at any moment: a pointer is in the queue, in the claim, or dealt
 * with; never in two of these places, nor in none. */
START_TEST(claim_tells_the_truth_after_death_at_any_moment)
{
    srand(11);
    for (int round = 0; round < (mp_test_scale() > 1 ? 10 : 150); round++) {
        struct stage *stage = stage_new();
        struct kin *kin = kin_start(PROCESSES, 1, take_all, stage);
        uint64_t n = (uint64_t)(rand() % 300), done, next = 0;
        struct timespec pause = {.tv_nsec = rand() % 300000};
        void *p;

        wait_until(mp__load(&kin->begun[0]), 20);
        for (uint64_t i = 1; i <= n; i++)
            put(stage, i);
        nanosleep(&pause, NULL);
        kin_kill(kin, 0);
        mp__queue_settle(stage->queue, &stage->claim);
        done = mp__load(&stage->settled);
        p = (void *)mp__load(&stage->claim.pointer);
        /* It may have died between counting it and emptying the claim. */
        if (p && p != pointer(done))
            ck_assert_ptr_eq(p, pointer(++done));
        while (mp_queue_get(stage->queue, &p, sizeof(p), MP_NOW) >= 0)
            ck_assert_ptr_eq(p, pointer(done + ++next));
        ck_assert_uint_eq(done + next, n);
        kin_end(kin);
        end_stage(stage);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("claim");
    TCase *tcase = mp_test_case(suite, "claim", 30);

    tcase_add_test(tcase, claim_holds_what_was_taken);
    tcase_add_test(tcase, claim_pointers_mix_with_messages);
    tcase_add_test(tcase, claim_outlives_the_taker);
    tcase_add_test(tcase, claim_of_one_killed_asleep_stays_empty);
    tcase_add_test(tcase, claim_tells_the_truth_after_death_at_any_moment);
    return mp_test_main(suite);
}
