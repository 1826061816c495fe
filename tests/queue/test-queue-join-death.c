/* SPDX-License-Identifier: MIT */
/* Consumers of a joinable queue, which does not redeliver, are killed with
 * tasks in their hands; and joiners are killed too. A join tells of what is
 * lost, once, and never hangs. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 4 /* joiners at once */

struct stage {
    mp_queue *queue;
    mp__a32 joined;
    int results[MOST];
    uint32_t number;
};

static struct stage *
stage_new(void)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->queue = queue_with(MP_QUEUE_ATTR(.joinable = 1));
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
join_it(void *arg, int i)
{
    struct stage *stage = arg;

    stage->results[i] = mp_queue_join(stage->queue, MP_FOREVER);
    ck_assert_uint_eq(mp_queue_unfinished(stage->queue), 0);
    mp__add(&stage->joined, 1);
    return 0;
}

/* ---- Told once ---- */

static void
expect_told(mp_queue *queue, const char *lost, pid_t dead)
{
    char pid[16];

    snprintf(pid, sizeof(pid), "%d", (int)dead);
    must_fail(mp_queue_join(queue, MP_FOREVER), -ESRCH, lost);
    kin_text(mp_last_error(), pid, __LINE__);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_queue_join(queue, MP_FOREVER), 0);
}

START_TEST(join_tells_once_of_tasks_that_are_lost)
{
    enum hold how = (enum hold)(_i % HOLDS);
    size_t size = message_sizes[_i / HOLDS];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.joinable = 1));

    for (int round = 0; round < 3; round++) {
        pid_t pid;

        put_numbers(queue, size, 1, 4);
        gives(queue, size, 1);
        pid = holder_of(queue, how, 2);
        kill_holder(pid);
        ck_assert_int_eq(mp_queue_join(queue, MP_NOW), -EAGAIN);
        gives(queue, size, 4);
        must(mp_queue_task_done(queue));
        ck_assert_int_eq(mp_queue_join(queue, MP_NOW), -EAGAIN);
        must(mp_queue_task_done(queue));
        must_fail(mp_queue_task_done(queue), -EOVERFLOW, "");
        expect_told(queue, "2", pid);
    }
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(join_tells_of_consumers_of_each_method)
{
    static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.joinable = 1));

    put_numbers(queue, 4, 1, 3);
    die_holding_by(methods[_i], queue, HOLD_GOT, 1);
    mp_test_leaks_mark(); /* the forkserver stays */
    die_holding_by(methods[_i], queue, HOLD_GOT, 1);
    gives_tasks(queue, 4, 3);
    must_fail(mp_queue_join(queue, MP_FOREVER), -ESRCH, "2");
    ck_assert_int_eq(mp_queue_join(queue, MP_FOREVER), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
get_and_leave(void *arg)
{
    struct stage *stage = arg;
    uint32_t number;

    must(mp_queue_get(stage->queue, &number, 4, MP_FOREVER));
    must(mp_queue_get(stage->queue, &number, 4, MP_FOREVER));
    must(mp_queue_task_done(stage->queue));
    return 0;
}

/* To leave in order, but without doing it, is the same. */
START_TEST(join_tells_of_a_consumer_that_left)
{
    struct stage *stage = stage_new();
    pid_t pid;

    put_numbers(stage->queue, 4, 1, 2);
    pid = child(get_and_leave, stage);
    expect_exit(pid, 0);
    mp__reap();
    expect_told(stage->queue, "1", pid);
    end_stage(stage);
}
END_TEST

/* ---- While others sleep ---- */

static unsigned
count_results(const struct stage *stage, int n, int result)
{
    unsigned count = 0;

    for (int i = 0; i < n; i++)
        count += stage->results[i] == result;
    return count;
}

START_TEST(joiners_asleep_learn_of_the_death)
{
    enum kin_how kind = (enum kin_how)(_i % 2);
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_numbers(stage->queue, 4, 1, 2);
    pid = holder_of(stage->queue, (enum hold)(_i / 2), 2);
    kin = kin_start(kind, MOST, join_it, stage);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->joined), 0);
    kill_and_reap(pid);
    kin_end(kin);
    ck_assert_uint_eq(count_results(stage, MOST, -ESRCH), 1);
    ck_assert_uint_eq(count_results(stage, MOST, 0), MOST - 1);
    end_stage(stage);
}
END_TEST

static int
get_next(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    must(mp_queue_get(stage->queue, &stage->number, 4, MP_FOREVER));
    must(mp_queue_task_done(stage->queue));
    return 0;
}

/* The death is no message to who sleeps in get. */
START_TEST(getter_asleep_sleeps_on)
{
    enum kin_how kind = (enum kin_how)_i;
    struct stage *stage = stage_new();
    struct kin *getter, *joiner;
    pid_t pid;

    put_number(stage->queue, 4, 1);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    getter = kin_start(kind, 1, get_next, stage);
    kin_await_sleep(getter);
    joiner = kin_start(kind, 1, join_it, stage);
    kin_await_sleep(joiner);
    kill_and_reap(pid);
    kin_end(joiner);
    ck_assert_int_eq(stage->results[0], -ESRCH);
    ck_assert_uint_eq(mp__load(&getter->ended[0]), 0);
    put_number(stage->queue, 4, 2);
    kin_end(getter);
    ck_assert_uint_eq(stage->number, 2);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

/* The lost ones are told of when all others are done, not before. */
START_TEST(join_goes_on_for_those_who_live)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pids[2];

    put_numbers(stage->queue, 4, 1, 4);
    gives(stage->queue, 4, 1);
    pids[0] = holder_of(stage->queue, HOLD_GOT, 1);
    pids[1] = holder_of(stage->queue, HOLD_TAKEN, 1);
    kin = kin_start((enum kin_how)_i, 2, join_it, stage);
    kin_await_sleep(kin);
    kill_and_reap(pids[0]);
    kin_await_sleep(kin);
    kill_and_reap(pids[1]);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->joined), 0);
    must(mp_queue_task_done(stage->queue));
    gives(stage->queue, 4, 4);
    ck_assert_uint_eq(mp__load(&stage->joined), 0);
    must(mp_queue_task_done(stage->queue));
    kin_end(kin);
    ck_assert_uint_eq(count_results(stage, 2, -ESRCH), 1);
    ck_assert_uint_eq(count_results(stage, 2, 0), 1);
    end_stage(stage);
}
END_TEST

/* Whoever sleeps in join did not know the consumer when it lay down. */
START_TEST(join_learns_of_a_consumer_that_came_later)
{
    enum kin_how kind = (enum kin_how)(_i / HOLDS);
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 1);
    kin = kin_start(kind, 2, join_it, stage);
    kin_await_sleep(kin);
    pid = holder_of(stage->queue, (enum hold)(_i % HOLDS), 1);
    kill_and_reap(pid);
    kin_end(kin);
    ck_assert_uint_eq(count_results(stage, 2, -ESRCH), 1);
    ck_assert_uint_eq(count_results(stage, 2, 0), 1);
    end_stage(stage);
}
END_TEST

/* ---- Joiners die ---- */

START_TEST(joiner_killed_asleep_harms_nobody)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    put_number(stage->queue, 4, 1);
    gives(stage->queue, 4, 1);
    kin = kin_start(PROCESSES, MOST, join_it, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < MOST; i++)
        if (_i & 1 << i)
            kin_kill(kin, i);
    ck_assert_uint_eq(mp__load(&stage->joined), 0);
    must(mp_queue_task_done(stage->queue));
    kin_end(kin);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

/* Together with the consumer that it waits for. */
START_TEST(joiner_and_consumer_killed_at_once)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 1);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    kin = kin_start(PROCESSES, MOST, join_it, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < MOST - 1; i++)
        ck_assert_int_eq(kill(kin->pids[i], SIGKILL), 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    for (int i = 0; i < MOST - 1; i++) {
        reap(kin->pids[i]); /* it may have been through */
        kin->pids[i] = 0;
    }
    expect_killed(pid, SIGKILL);
    kin_end(kin); /* the one that is left has come back */
    ck_assert_uint_eq(mp_queue_unfinished(stage->queue), 0);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    end_stage(stage);
}
END_TEST

/* ---- At any moment ---- */

#define TASKS   12
#define WORKERS 3

struct shop {
    mp_queue *queue;
    mp__a32 handled[TASKS];
};

static int
work(void *arg, int unused)
{
    struct shop *shop = arg;
    mp_message message;
    uint32_t task;

    (void)unused;
    for (uint32_t n = 0;; n++) {
        if (n % 2) {
            if (mp_queue_get(shop->queue, &task, 4, MP_FOREVER) != 4)
                return 1;
            mp__add(&shop->handled[task], 1);
            must(mp_queue_task_done(shop->queue));
            continue;
        }
        must(mp_queue_take(shop->queue, &message, MP_FOREVER));
        memcpy(&task, message.data, 4);
        mp__add(&shop->handled[task], 1);
        must(mp_message_done(shop->queue, &message));
    }
}

/* A round of tasks: one of the workers is killed meanwhile. What is not
 * handled it has taken along: one task, and then the join has told. */
static void
kill_a_worker(struct shop *shop, struct kin *kin, int victim)
{
    unsigned missing = 0;
    int r;

    for (uint32_t task = 0; task < TASKS; task++) {
        mp__store(&shop->handled[task], 0);
        put_number(shop->queue, 4, task);
    }
    pause_at_random(200);
    kin_kill(kin, victim);
    r = mp_queue_join(shop->queue, mp_timeout(20 * mp_test_scale()));
    for (int task = 0; task < TASKS; task++) {
        uint32_t times = mp__load(&shop->handled[task]);

        ck_assert_uint_le(times, 1);
        missing += times == 0;
    }
    if (r == 0)
        ck_assert_uint_eq(missing, 0);
    else if (r == -ESRCH)
        ck_assert_uint_le(missing, 1);
    else
        ck_abort_msg("join: %d", r);
    ck_assert_int_eq(mp_queue_join(shop->queue, MP_NOW), 0);
}

START_TEST(G01_join_consumers_killed_at_any_moment)
{
    uint64_t before = heap_use();
    struct shop *shop = mp_new(struct shop);

    srand(1);
    ck_assert_ptr_nonnull(shop);
    for (int round = 0; round < rounds(100); round++) {
        struct kin *kin;

        shop->queue = queue_with(MP_QUEUE_ATTR(.joinable = 1));
        kin = kin_start(PROCESSES, WORKERS, work, shop);
        for (int i = 0; i < WORKERS; i++)
            wait_until(mp__load(&kin->begun[i]), 20);
        for (int victim = 0; victim < WORKERS - 1; victim++)
            kill_a_worker(shop, kin, victim);
        kin_kill(kin, WORKERS - 1);
        kin_end(kin);
        must(mp_queue_destroy(shop->queue));
    }
    must(mp_free(shop));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

static void
add_sleepers(TCase *tcase)
{
    tcase_add_loop_test(tcase, joiners_asleep_learn_of_the_death, 0,
                        2 * HOLDS);
    tcase_add_loop_test(tcase, getter_asleep_sleeps_on, 0, 2);
    tcase_add_loop_test(tcase, join_goes_on_for_those_who_live, 0, 2);
}

static void
add_killed(TCase *tcase)
{
    tcase_add_loop_test(tcase, joiner_killed_asleep_harms_nobody, 1,
                        (1 << MOST) - 1);
    tcase_add_test(tcase, joiner_and_consumer_killed_at_once);
}

int
main(void)
{
    Suite *suite = suite_create("queue-join-death");
    TCase *tcase = mp_test_case(suite, "told", 30);

    tcase_add_loop_test(tcase, join_tells_once_of_tasks_that_are_lost, 0,
                        HOLDS * MESSAGE_SIZES);
    tcase_add_loop_test(tcase, join_tells_of_consumers_of_each_method, 0, 3);
    tcase_add_test(tcase, join_tells_of_a_consumer_that_left);
    tcase = mp_test_case(suite, "asleep", 30);
    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    add_sleepers(tcase);
    add_killed(tcase);
    tcase = mp_test_case(suite, "later", 30);
    tcase_add_loop_test(tcase, join_learns_of_a_consumer_that_came_later, 0,
                        (mp_test_may_fork_with_threads() ? 2 : 1) * HOLDS);
    tcase = mp_test_case(suite, "any-moment", 60);
    tcase_add_test(tcase, G01_join_consumers_killed_at_any_moment);
    tcase = mp_test_case(suite, "sliced", 30);
    tcase_add_checked_fixture(tcase, believe_in_sliced, NULL);
    add_sleepers(tcase);
    tcase_add_test(tcase, joiner_and_consumer_killed_at_once);
    tcase = mp_test_case(suite, "no-waitv", 30);
    tcase_add_checked_fixture(tcase, believe_in_no_waitv, NULL);
    add_sleepers(tcase);
    tcase_add_test(tcase, joiner_and_consumer_killed_at_once);
    return mp_test_main(suite);
}
