/* SPDX-License-Identifier: MIT */
/* A queue that redelivers: who notices that a consumer has died, while others
 * sleep, or come later, or die too; and closing meanwhile. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 4 /* sleepers at once */

struct stage {
    mp_queue *queue;
    mp__a32 through, waiting;
    int64_t numbers[MOST]; /* what each got; or the error */
    uint32_t attempts[MOST];
};

static struct stage *
stage_with(const mp_queue_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    stage->queue = queue_with(attr);
    return stage;
}

static struct stage *
stage_new(void)
{
    return stage_with(MP_QUEUE_ATTR(.redeliver = 1));
}

static void
end_stage(struct stage *stage)
{
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), 0);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 0);
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
take_one(void *arg, int i)
{
    struct stage *stage = arg;
    mp_message message;
    int r = mp_queue_take(stage->queue, &message, MP_FOREVER);

    if (r == 0) {
        stage->numbers[i] = message_number(message.data, message.size);
        stage->attempts[i] = message.attempt;
        must(mp_message_done(stage->queue, &message));
    } else {
        stage->numbers[i] = r;
    }
    mp__add(&stage->through, 1);
    return 0;
}

static int
join_it(void *arg, int i)
{
    struct stage *stage = arg;

    stage->numbers[i] = mp_queue_join(stage->queue, MP_FOREVER);
    mp__add(&stage->through, 1);
    return 0;
}

/* Which of the sleepers got `number`; -1: none. */
static int
who_got(const struct stage *stage, int64_t number)
{
    int who = -1;

    for (int i = 0; i < MOST; i++) {
        if (stage->numbers[i] != number)
            continue;
        ck_assert_int_eq(who, -1); /* once */
        who = i;
    }
    return who;
}

/* ---- Somebody sleeps ---- */

START_TEST(getters_asleep_get_what_comes_back)
{
    enum kin_how kind = (enum kin_how)(_i % 2);
    size_t size = message_sizes[_i / 2 % MESSAGE_SIZES];
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, size, 9);
    pid = holder_of(stage->queue, (enum hold)(_i / 2 / MESSAGE_SIZES), 1);
    kin = kin_start(kind, MOST, take_one, stage);
    kin_await_sleep(kin);
    kill_and_reap(pid);
    wait_until(mp__load(&stage->through) == 1, 20);
    ck_assert_int_ge(who_got(stage, 9), 0);
    ck_assert_uint_eq(stage->attempts[who_got(stage, 9)], 2);
    for (uint32_t number = 10; number < 10 + MOST - 1; number++)
        put_number(stage->queue, size, number);
    kin_end(kin);
    for (uint32_t number = 10; number < 10 + MOST - 1; number++)
        ck_assert_int_ge(who_got(stage, number), 0);
    end_stage(stage);
}
END_TEST

/* The four of one dead consumer come to four who sleep. */
START_TEST(getters_asleep_get_all_that_comes_back)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_numbers(stage->queue, 4, 1, MOST);
    pid = holder_of(stage->queue, HOLD_GOT_MANY, MOST);
    kin = kin_start((enum kin_how)_i, MOST, take_one, stage);
    kin_await_sleep(kin);
    kill_and_reap(pid);
    kin_end(kin);
    for (int number = 1; number <= MOST; number++)
        ck_assert_int_ge(who_got(stage, number), 0);
    end_stage(stage);
}
END_TEST

START_TEST(joiners_asleep_go_on_when_it_comes_back)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 1);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    kin = kin_start((enum kin_how)_i, MOST, join_it, stage);
    kin_await_sleep(kin);
    kill_holder(pid);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->through), 0);
    gives(stage->queue, 4, 1);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->through), 0);
    must(mp_queue_task_done(stage->queue));
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        ck_assert_int_eq(stage->numbers[i], 0);
    end_stage(stage);
}
END_TEST

START_TEST(getter_and_joiner_asleep)
{
    enum kin_how kind = (enum kin_how)_i;
    struct stage *stage = stage_new(), *joining = mp_new(struct stage);
    struct kin *getter, *joiner;
    pid_t pid;

    joining->queue = stage->queue;
    put_number(stage->queue, 4, 7);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    joiner = kin_start(kind, 1, join_it, joining);
    kin_await_sleep(joiner);
    getter = kin_start(kind, 1, take_one, stage);
    kin_await_sleep(getter);
    kill_and_reap(pid);
    kin_end(getter); /* it does the task */
    kin_end(joiner);
    ck_assert_int_eq(stage->numbers[0], 7);
    ck_assert_int_eq(joining->numbers[0], 0);
    must(mp_free(joining));
    end_stage(stage);
}
END_TEST

START_TEST(getter_asleep_gets_what_comes_back_each_time)
{
    struct stage *stage = stage_new();
    pid_t pids[5];

    put_number(stage->queue, 4, 1);
    pids[0] = holder_of(stage->queue, HOLD_GOT, 1);
    for (int i = 1; i < 5; i++) {
        struct kin *kin = kin_start(PROCESSES, 1, take_one, stage);

        kin_await_sleep(kin);
        kill_and_reap(pids[i - 1]);
        kin_end(kin);
        ck_assert_int_eq(stage->numbers[0], i);
        ck_assert_uint_eq(stage->attempts[0], 2);
        put_number(stage->queue, 4, (uint32_t)i + 1);
        pids[i] = holder_of(stage->queue, (enum hold)(i % HOLDS), 1);
    }
    kill_holder(pids[4]);
    gives_tasks(stage->queue, 4, 5);
    end_stage(stage);
}
END_TEST

/* ---- Sleepers die with it ---- */

/* Any but one of those who sleep for messages are killed before the consumer,
 * or at the same time: the one that is left notices. */
static int
take_from_two_and_wait(void *arg)
{
    struct stage **stages = arg;
    mp_message message;

    for (int i = 0; i < 2; i++)
        if (mp_queue_take(stages[i]->queue, &message, MP_FOREVER) < 0)
            return 1;
    mp__add(&stages[0]->waiting, 1);
    pause();
    return 0;
}

/* The kernel tells one of those who watch the dead one's life. */
START_TEST(getters_of_two_queues_get_what_one_consumer_had)
{
    struct stage *stages[2] = {stage_new(), stage_new()};
    struct kin *kin[2];
    pid_t pid;

    for (int i = 0; i < 2; i++)
        put_number(stages[i]->queue, 8, 1);
    pid = child(take_from_two_and_wait, stages);
    wait_until(mp__load(&stages[0]->waiting) == 1, 20);
    for (int i = 0; i < 2; i++) {
        kin[i] = kin_start((enum kin_how)_i, 1, take_one, stages[i]);
        kin_await_sleep(kin[i]);
    }
    kill_and_reap(pid);
    for (int i = 0; i < 2; i++) {
        kin_end(kin[i]);
        ck_assert_int_eq(stages[i]->numbers[0], 1);
        ck_assert_uint_eq(stages[i]->attempts[0], 2);
        end_stage(stages[i]);
    }
}
END_TEST

START_TEST(getters_asleep_die_before_the_consumer)
{
    struct stage *stage = stage_new();
    int left = _i / 2, at_once = _i % 2;
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 3);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    kin = kin_start(PROCESSES, MOST, take_one, stage);
    kin_await_sleep(kin);
    for (int i = 0; i < MOST; i++)
        if (i != left)
            ck_assert_int_eq(kill(kin->pids[i], SIGKILL), 0);
    if (at_once)
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    for (int i = 0; i < MOST; i++) {
        if (i == left)
            continue;
        expect_killed(kin->pids[i], SIGKILL);
        kin->pids[i] = 0;
    }
    if (!at_once)
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    expect_killed(pid, SIGKILL);
    kin_end(kin);
    ck_assert_int_eq(stage->numbers[left], 3);
    end_stage(stage);
}
END_TEST

/* The consumer first, and then all but one, who may or may not have got its
 * message by then: somebody does it in the end. */
START_TEST(getters_asleep_die_after_the_consumer)
{
    struct stage *stage = stage_new();
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 3);
    pid = holder_of(stage->queue, HOLD_TAKEN, 1);
    kin = kin_start(PROCESSES, MOST, take_one, stage);
    kin_await_sleep(kin);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    for (int i = 0; i < MOST; i++)
        if (i != _i)
            ck_assert_int_eq(kill(kin->pids[i], SIGKILL), 0);
    expect_killed(pid, SIGKILL);
    for (int i = 0; i < MOST; i++) {
        if (i == _i)
            continue;
        reap(kin->pids[i]); /* killed, or through */
        kin->pids[i] = 0;
    }
    wait_until(mp_queue_unfinished(stage->queue) == 0, 20);
    put_number(stage->queue, 4, 4); /* if it was not the last who did it */
    kin_end(kin);
    if (stage->numbers[_i] == 3)
        gives_tasks(stage->queue, 4, 4);
    else
        ck_assert_int_eq(stage->numbers[_i], 4);
    end_stage(stage);
}
END_TEST

/* ---- Nobody sleeps ---- */

/* Nobody but the test itself, which never waits. */
START_TEST(poller_gets_what_comes_back)
{
    struct stage *stage = stage_new();
    uint32_t number = 0;

    for (uint32_t n = 1; n <= 5; n++) {
        put_number(stage->queue, 4, n);
        kill_and_reap(holder_of(stage->queue, (enum hold)(n % HOLDS), 1));
        wait_until(mp_queue_get(stage->queue, &number, 4, MP_NOW) == 4, 20);
        ck_assert_uint_eq(number, n);
        must(mp_queue_task_done(stage->queue));
    }
    end_stage(stage);
}
END_TEST

/* A queue that is never empty, so that no get sleeps. */
START_TEST(busy_getter_gets_what_comes_back)
{
    struct stage *stage = stage_new();
    int64_t until = mp_test_deadline(20);
    uint32_t number = 1, attempt;
    mp_message message;

    put_number(stage->queue, 4, 1);
    kill_and_reap(holder_of(stage->queue, HOLD_GOT, 1));
    put_number(stage->queue, 4, 2);
    do {
        put_number(stage->queue, 4, ++number + 1);
        must(mp_queue_take(stage->queue, &message, MP_NOW));
        attempt = message.attempt;
        must(mp_message_done(stage->queue, &message));
        ck_assert_msg(number % 1000 || mp_test_poll(until),
                      "it does not come back");
    } while (attempt != 2);
    while (mp_queue_take(stage->queue, &message, MP_NOW) == 0)
        must(mp_message_done(stage->queue, &message));
    end_stage(stage);
}
END_TEST

static int
start_all_over(void *arg)
{
    struct stage *stage = arg;

    for (int round = 0; round < 3; round++)
        die_holding(stage->queue, HOLD_GOT, 3);
    return 0;
}

/* The only consumer is gone, and all who knew of it. */
START_TEST(new_consumer_gets_what_comes_back)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    put_numbers(stage->queue, 4, 1, MOST);
    expect_exit(child(start_all_over, stage), 0);
    kin = kin_start((enum kin_how)_i, MOST, take_one, stage);
    kin_end(kin);
    for (int number = 1; number <= MOST; number++) {
        ck_assert_int_ge(who_got(stage, number), 0);
        ck_assert_uint_eq(stage->attempts[who_got(stage, number)],
                          number <= 3 ? 4 : 1);
    }
    end_stage(stage);
}
END_TEST

/* Who waits for room gets it, although more comes back than there is. */
static int
put_more(void *arg, int i)
{
    struct stage *stage = arg;
    uint32_t number = 10 + (uint32_t)i;

    must(mp_queue_put(stage->queue, &number, 4, MP_FOREVER));
    return 0;
}

START_TEST(putters_asleep_put_when_all_is_back)
{
    struct stage *stage =
        stage_with(MP_QUEUE_ATTR(.redeliver = 1, .maxsize = 2));
    struct kin *kin;
    uint32_t number;
    pid_t pid;

    put_numbers(stage->queue, 4, 1, 2);
    pid = holder_of(stage->queue, HOLD_GOT, 2);
    put_numbers(stage->queue, 4, 3, 4);
    kin = kin_start((enum kin_how)_i, 2, put_more, stage);
    kin_await_sleep(kin);
    kill_holder(pid);
    gives_tasks(stage->queue, 4, 1, 2, 3, 4);
    kin_end(kin);
    for (int i = 0; i < 2; i++) {
        must(mp_queue_get(stage->queue, &number, 4, MP_NOW));
        ck_assert_uint_ge(number, 10);
        must(mp_queue_task_done(stage->queue));
    }
    end_stage(stage);
}
END_TEST

/* ---- Closing ---- */

START_TEST(closed_is_not_over_before_all_is_done)
{
    struct stage *stage = stage_new();
    char data[4];

    put_numbers(stage->queue, 4, 1, 2);
    gives(stage->queue, 4, 1); /* our own does not count */
    must(mp_queue_close(stage->queue));
    gives(stage->queue, 4, 2);
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 4, MP_FOREVER),
                     -ESHUTDOWN);
    must(mp_queue_task_done(stage->queue));
    must(mp_queue_task_done(stage->queue));
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 4, MP_NOW), -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

/* What the dead one had comes to one of the sleepers; the others leave when
 * that is done. */
START_TEST(closed_gives_back_what_the_dead_had)
{
    struct stage *stage = stage_new();
    int close_first = _i / 2;
    struct kin *kin;
    char data[4];
    pid_t pid;

    put_number(stage->queue, 4, 6);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    if (close_first)
        must(mp_queue_close(stage->queue));
    kin = kin_start((enum kin_how)(_i % 2), MOST, take_one, stage);
    kin_await_sleep(kin);
    if (!close_first)
        must(mp_queue_close(stage->queue));
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->through), 0);
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 4, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_next_size(stage->queue, MP_NOW), -EAGAIN);
    kill_and_reap(pid);
    kin_end(kin);
    ck_assert_int_ge(who_got(stage, 6), 0);
    for (int i = 0; i < MOST; i++)
        if (i != who_got(stage, 6))
            ck_assert_int_eq(stage->numbers[i], -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 4, MP_FOREVER),
                     -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

/* The last task is done by one who lives. */
START_TEST(closed_is_over_when_the_last_is_done)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    put_numbers(stage->queue, 4, 1, 2);
    gives(stage->queue, 4, 1, 2);
    must(mp_queue_close(stage->queue));
    kin = kin_start((enum kin_how)_i, MOST, take_one, stage);
    kin_await_sleep(kin);
    must(mp_queue_task_done(stage->queue));
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp__load(&stage->through), 0);
    must(mp_queue_task_done(stage->queue));
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        ck_assert_int_eq(stage->numbers[i], -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

static int
hold_one_and_wait(void *arg, int i)
{
    struct stage *stage = arg;
    char data[4];

    must(mp_queue_get(stage->queue, data, 4, MP_FOREVER));
    mp__add(&stage->through, 1);
    wait_until(mp__load(&stage->through) == MOST, 20);
    mp__add(&stage->waiting, 1);
    stage->numbers[i] =
        mp_queue_get(stage->queue, data, sizeof(data), MP_FOREVER);
    must(mp_queue_task_done(stage->queue));
    return 0;
}

/* All who hold a task wait for another one: nothing will come of that. */
START_TEST(closed_is_over_when_all_who_hold_some_wait)
{
    struct stage *stage = stage_new();
    struct kin *kin;

    put_numbers(stage->queue, 4, 1, MOST);
    kin = kin_start((enum kin_how)_i, MOST, hold_one_and_wait, stage);
    wait_until(mp__load(&stage->waiting) == MOST, 20);
    kin_await_sleep(kin);
    must(mp_queue_close(stage->queue));
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        ck_assert_int_eq(stage->numbers[i], -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

START_TEST(closed_and_nobody_there_when_it_comes_back)
{
    struct stage *stage = stage_new();
    char data[4];

    put_number(stage->queue, 4, 1);
    must(mp_queue_close(stage->queue));
    kill_and_reap(holder_of(stage->queue, (enum hold)_i, 1));
    must(mp_queue_get(stage->queue, data, 4, MP_FOREVER));
    ck_assert_int_eq(message_number(data, 4), 1);
    must(mp_queue_task_done(stage->queue));
    ck_assert_int_eq(mp_queue_get(stage->queue, data, 4, MP_FOREVER),
                     -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

/* The last attempt is over, and with it the queue. */
START_TEST(closed_is_over_when_the_last_is_given_up)
{
    struct stage *stage =
        stage_with(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1));
    struct kin *kin;
    pid_t pid;

    put_number(stage->queue, 4, 1);
    pid = holder_of(stage->queue, HOLD_GOT, 1);
    must(mp_queue_close(stage->queue));
    kin = kin_start((enum kin_how)_i, MOST, take_one, stage);
    kin_await_sleep(kin);
    kill_and_reap(pid);
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        ck_assert_int_eq(stage->numbers[i], -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_join(stage->queue, MP_NOW), -ESRCH);
    end_stage(stage);
}
END_TEST

static void
add_sleepers(TCase *tcase)
{
    tcase_add_loop_test(tcase, getters_asleep_get_all_that_comes_back, 0, 2);
    tcase_add_loop_test(tcase, joiners_asleep_go_on_when_it_comes_back, 0, 2);
    tcase_add_loop_test(tcase, getter_and_joiner_asleep, 0, 2);
    tcase_add_loop_test(tcase, getters_of_two_queues_get_what_one_consumer_had,
                        0, 2);
    tcase_add_loop_test(tcase, getters_asleep_die_before_the_consumer, 0,
                        2 * MOST);
    tcase_add_loop_test(tcase, getters_asleep_die_after_the_consumer, 0, MOST);
    tcase_add_loop_test(tcase, closed_gives_back_what_the_dead_had, 0, 4);
    tcase_add_loop_test(tcase, closed_is_over_when_the_last_is_done, 0, 2);
    tcase_add_loop_test(tcase, closed_is_over_when_the_last_is_given_up, 0, 2);
    tcase_add_loop_test(tcase, closed_is_over_when_all_who_hold_some_wait, 0,
                        2);
}

int
main(void)
{
    Suite *suite = suite_create("queue-redeliver-asleep");
    TCase *tcase = mp_test_case(suite, "asleep", 30);

    tcase_add_checked_fixture(tcase, rely_on_wake_ups, NULL);
    tcase_add_loop_test(tcase, getters_asleep_get_what_comes_back, 0,
                        2 * MESSAGE_SIZES * HOLDS);
    tcase_add_test(tcase, getter_asleep_gets_what_comes_back_each_time);
    add_sleepers(tcase);
    tcase = mp_test_case(suite, "awake", 30);
    tcase_add_test(tcase, poller_gets_what_comes_back);
    tcase_add_test(tcase, busy_getter_gets_what_comes_back);
    tcase_add_loop_test(tcase, new_consumer_gets_what_comes_back, 0, 2);
    tcase_add_loop_test(tcase, putters_asleep_put_when_all_is_back, 0, 2);
    tcase_add_test(tcase, closed_is_not_over_before_all_is_done);
    tcase_add_loop_test(tcase, closed_and_nobody_there_when_it_comes_back, 0,
                        HOLDS);
    tcase = mp_test_case(suite, "sliced", 30);
    tcase_add_checked_fixture(tcase, believe_in_sliced, NULL);
    add_sleepers(tcase);
    tcase = mp_test_case(suite, "no-waitv", 30);
    tcase_add_checked_fixture(tcase, believe_in_no_waitv, NULL);
    add_sleepers(tcase);
    return mp_test_main(suite);
}
