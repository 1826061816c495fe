/* SPDX-License-Identifier: MIT */
/* Waiting in a queue, by threads and by processes: who sleeps is woken, in
 * whatever way the wait is to end. On kernels that do less, too. */
#include "os/clock.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 8 /* sleepers at once */

struct stage {
    mp_queue *queue;
    mp_time deadline;
    long expected; /* result of everybody's call */
    mp__a32 woken;
    long got[MOST];
};

static struct stage *
stage_with(const mp_queue_attr *attr)
{
    struct stage *stage = mp_new(struct stage);

    ck_assert_ptr_nonnull(stage);
    must(mp_queue_create(&stage->queue, attr));
    stage->deadline = MP_FOREVER;
    return stage;
}

static void
end_stage(struct stage *stage)
{
    must(mp_queue_destroy(stage->queue));
    must(mp_free(stage));
}

static int
get_number(void *arg, int i)
{
    struct stage *stage = arg;
    long number = -1, r;

    r = mp_queue_get(stage->queue, &number, sizeof(number), stage->deadline);
    stage->got[i] = number;
    mp__add(&stage->woken, 1);
    ck_assert_int_eq(r, stage->expected);
    return 0;
}

static int
put_number(void *arg, int i)
{
    struct stage *stage = arg;
    long number = i;
    int r =
        mp_queue_put(stage->queue, &number, sizeof(number), stage->deadline);

    mp__add(&stage->woken, 1);
    ck_assert_int_eq(r, stage->expected);
    return 0;
}

/* ---- Woken by the other side ---- */

START_TEST(queue_get_waits_for_a_put)
{
    struct stage *stage = stage_with(NULL);
    unsigned seen = 0;
    struct kin *kin;

    stage->expected = sizeof(long);
    kin = kin_start((enum kin_how)_i, MOST, get_number, stage);
    kin_await_sleep(kin);
    for (long number = 0; number < MOST; number++) {
        must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
        wait_until(mp__load(&stage->woken) == (uint32_t)number + 1, 20);
    }
    kin_end(kin);
    for (int i = 0; i < MOST; i++)
        seen |= 1u << stage->got[i];
    ck_assert_uint_eq(seen, (1u << MOST) - 1); /* each once */
    end_stage(stage);
}
END_TEST

START_TEST(queue_put_waits_for_a_get)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    unsigned seen = 0;
    struct kin *kin;
    long number = MOST;

    must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
    kin = kin_start((enum kin_how)_i, MOST, put_number, stage);
    kin_await_sleep(kin);
    for (uint32_t i = 0; i <= MOST; i++) {
        must(mp_queue_get(stage->queue, &number, sizeof(number), MP_FOREVER));
        seen |= 1u << number;
        if (i < MOST)
            wait_until(mp__load(&stage->woken) == i + 1, 20);
    }
    kin_end(kin);
    ck_assert_uint_eq(seen, (1u << (MOST + 1)) - 1);
    end_stage(stage);
}
END_TEST

START_TEST(queue_put_waits_for_room_in_bytes)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.max_bytes = 100));
    static char data[100];
    struct kin *kin;

    must(mp_queue_put(stage->queue, data, 40, MP_NOW));
    must(mp_queue_put(stage->queue, data, 53, MP_NOW));
    kin = kin_start((enum kin_how)_i, 1, put_number, stage);
    kin_await_sleep(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 2);
    must(mp_queue_get(stage->queue, data, sizeof(data), MP_NOW));
    kin_end(kin);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 2);
    end_stage(stage);
}
END_TEST

struct rally {
    mp_queue *there, *back;
    long rounds;
};

static int
play(void *arg, int i)
{
    struct rally *rally = arg;
    mp_queue *in = i ? rally->there : rally->back;
    mp_queue *out = i ? rally->back : rally->there;
    long ball = 0;

    for (long n = 0; n < rally->rounds; n++) {
        if (i == 0)
            must(mp_queue_put(out, &n, sizeof(n), MP_FOREVER));
        must(mp_queue_get(in, &ball, sizeof(ball), MP_FOREVER));
        if (ball != n)
            ck_abort_msg("%ld, not %ld", ball, n);
        if (i == 1)
            must(mp_queue_put(out, &n, sizeof(n), MP_FOREVER));
    }
    return 0;
}

START_TEST(queue_rally_loses_no_wake_up)
{
    struct rally *rally = mp_new(struct rally);

    rally->rounds = mp_test_scale() > 1 ? 500 : 4000;
    must(mp_queue_create(&rally->there, MP_QUEUE_ATTR(.maxsize = 1)));
    must(mp_queue_create(&rally->back, NULL));
    kin_run((enum kin_how)_i, 2, play, rally);
    must(mp_queue_destroy(rally->there));
    must(mp_queue_destroy(rally->back));
    must(mp_free(rally));
}
END_TEST

/* With nobody spinning, every wait is a sleep. */
START_TEST(queue_rally_on_one_processor)
{
    struct rally *rally = mp_new(struct rally);

    mp__view.cpus = 1;
    rally->rounds = mp_test_scale() > 1 ? 500 : 2000;
    must(mp_queue_create(&rally->there, MP_QUEUE_ATTR(.maxsize = 1)));
    must(mp_queue_create(&rally->back, NULL));
    kin_run((enum kin_how)_i, 2, play, rally);
    must(mp_queue_destroy(rally->there));
    must(mp_queue_destroy(rally->back));
    must(mp_free(rally));
}
END_TEST

/* ---- The deadline ---- */

START_TEST(G35_queue_sleepers_leave_at_their_deadline)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin;
    long number = 1;

    stage->deadline = mp_timeout(0.3);
    stage->expected = -ETIMEDOUT;
    kin = kin_start((enum kin_how)_i, 4, get_number, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
    stage->deadline = mp_timeout(0.3);
    kin = kin_start((enum kin_how)_i, 4, put_number, stage);
    kin_end(kin);
    ck_assert_int_ge(mp__now(), stage->deadline);
    ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
    end_stage(stage);
}
END_TEST

/* The first of the sleepers goes; those behind it do not notice. */
static int
get_patiently_but_the_first(void *arg, int i)
{
    struct stage *stage = arg;
    long number = -1;

    if (i == 0) {
        ck_assert_int_eq(mp_queue_get(stage->queue, &number, sizeof(number),
                                      stage->deadline),
                         -ETIMEDOUT);
        return 0;
    }
    must(mp_queue_get(stage->queue, &number, sizeof(number), MP_FOREVER));
    return 0;
}

START_TEST(queue_sleeper_gone_leaves_the_others_in_place)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin;

    stage->deadline = mp_timeout(0.5);
    kin = kin_start((enum kin_how)_i, 4, get_patiently_but_the_first, stage);
    kin_end_of(kin, 0);
    kin_await_sleep(kin);
    for (long number = 1; number < 4; number++)
        must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* One who may not wait is told the truth, whoever sleeps in the queue. */
START_TEST(queue_with_sleepers_answers_at_once)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin;
    long number = 1;

    stage->expected = sizeof(long);
    kin = kin_start((enum kin_how)_i, 2, get_number, stage);
    kin_await_sleep(kin);
    ck_assert_int_eq(mp_queue_get(stage->queue, &number, 8, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_get(stage->queue, &number, 8, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_next_size(stage->queue, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_empty(stage->queue), 1);
    for (int i = 0; i < 2; i++)
        must(mp_queue_put(stage->queue, &number, 8, MP_FOREVER));
    kin_end(kin);
    stage->expected = 0;
    must(mp_queue_put(stage->queue, &number, 8, MP_NOW));
    kin = kin_start((enum kin_how)_i, 2, put_number, stage);
    kin_await_sleep(kin);
    ck_assert_int_eq(mp_queue_put(stage->queue, &number, 8, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_put(stage->queue, &number, 8, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_full(stage->queue), 1);
    for (int i = 0; i < 3; i++)
        must(mp_queue_get(stage->queue, &number, 8, MP_FOREVER));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- Signals ---- */

static void
on_signal(int sig)
{
    (void)sig;
}

/* Without SA_RESTART: else the kernel goes on with some waits by itself. */
static void
catch_signal(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void
interrupt_all(struct stage *stage, struct kin *kin)
{
    kin_await_sleep(kin);
    for (int i = kin->n; i-- > 0;) {
        kin_interrupt(kin, i, SIGUSR1);
        ck_assert_uint_eq(mp__load(&stage->woken), (uint32_t)(kin->n - i));
    }
    kin_end(kin);
    mp__store(&stage->woken, 0);
}

START_TEST(queue_sleepers_are_interrupted)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    enum kin_how how = (enum kin_how)_i;
    long number = 1;

    catch_signal();
    stage->expected = -EINTR;
    interrupt_all(stage, kin_start(how, 3, get_number, stage));
    must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
    interrupt_all(stage, kin_start(how, 3, put_number, stage));
    ck_assert_uint_eq(mp_queue_size(stage->queue), 1);
    must(mp_queue_get(stage->queue, &number, sizeof(number), MP_NOW));
    end_stage(stage);
}
END_TEST

/* ---- Closing ---- */

START_TEST(queue_closed_sends_all_getters_away)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin;

    stage->expected = -ESHUTDOWN;
    kin = kin_start((enum kin_how)_i, 5, get_number, stage);
    kin_await_sleep(kin);
    must(mp_queue_close(stage->queue));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

START_TEST(queue_closed_sends_all_putters_away)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin;
    long number = 4711;

    must(mp_queue_put(stage->queue, &number, sizeof(number), MP_NOW));
    stage->expected = -ESHUTDOWN;
    kin = kin_start((enum kin_how)_i, 5, put_number, stage);
    kin_await_sleep(kin);
    must(mp_queue_close(stage->queue));
    kin_end(kin);
    must(mp_queue_get(stage->queue, &number, sizeof(number), MP_NOW));
    ck_assert_int_eq(number, 4711);
    ck_assert_int_eq(mp_queue_get(stage->queue, &number, 8, MP_FOREVER),
                     -ESHUTDOWN);
    end_stage(stage);
}
END_TEST

static int
close_it(void *arg, int i)
{
    struct stage *stage = arg;

    (void)i;
    must(mp_queue_close(stage->queue));
    return 0;
}

START_TEST(queue_may_be_closed_by_several)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin;

    stage->expected = -ESHUTDOWN;
    kin = kin_start((enum kin_how)_i, 3, get_number, stage);
    kin_await_sleep(kin);
    kin_run((enum kin_how)_i, 4, close_it, stage);
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* Producers put until they are sent away; what was put before comes out. */
static int
put_until_closed(void *arg, int i)
{
    struct stage *stage = arg;
    long n = 0;
    int r;

    while ((r = mp_queue_put(stage->queue, &n, sizeof(n), MP_FOREVER)) == 0)
        mp__store((mp__a64 *)&stage->got[i], ++n);
    return r == -ESHUTDOWN ? 0 : 1;
}

START_TEST(queue_closed_loses_nothing)
{
    for (int round = 0; round < 20; round++) {
        struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 50));
        struct kin *kin =
            kin_start((enum kin_how)_i, 3, put_until_closed, stage);
        long n, got = 0, put = 0;

        while (got < 10 + round * 13) {
            must(mp_queue_get(stage->queue, &n, sizeof(n), MP_FOREVER));
            got++;
        }
        must(mp_queue_close(stage->queue));
        while (mp_queue_get(stage->queue, &n, sizeof(n), MP_FOREVER) >= 0)
            got++;
        kin_end(kin);
        for (int i = 0; i < 3; i++)
            put += stage->got[i];
        ck_assert_int_eq(got, put);
        end_stage(stage);
    }
}
END_TEST

/* ---- Destroying ---- */

START_TEST(queue_with_a_sleeper_is_not_destroyed)
{
    struct stage *stage = stage_with(MP_QUEUE_ATTR(.maxsize = 1));
    struct kin *kin;
    long number = 7;

    stage->expected = sizeof(long);
    kin = kin_start((enum kin_how)_i, 2, get_number, stage);
    kin_await_sleep(kin);
    must_fail(mp_queue_destroy(stage->queue), -EBUSY, "mp_queue_destroy");
    for (int i = 0; i < 2; i++)
        must(mp_queue_put(stage->queue, &number, 8, MP_FOREVER));
    kin_end(kin);
    must(mp_queue_put(stage->queue, &number, 8, MP_FOREVER));
    stage->expected = 0;
    kin = kin_start((enum kin_how)_i, 2, put_number, stage);
    kin_await_sleep(kin);
    must_fail(mp_queue_destroy(stage->queue), -EBUSY, "mp_queue_destroy");
    for (int i = 0; i < 3; i++)
        must(mp_queue_get(stage->queue, &number, 8, MP_FOREVER));
    kin_end(kin);
    end_stage(stage);
}
END_TEST

/* ---- What others see ---- */

static int
put_and_tell(void *arg, int unused)
{
    struct stage *stage = arg;

    (void)unused;
    for (long n = 1; n <= 20000; n++) {
        must(mp_queue_put(stage->queue, &n, sizeof(n), MP_FOREVER));
        mp__store(&stage->woken, (uint32_t)n);
    }
    return 0;
}

START_TEST(G07_queue_message_is_visible_when_put_returned)
{
    struct stage *stage = stage_with(NULL);
    struct kin *kin = kin_start((enum kin_how)_i, 1, put_and_tell, stage);
    uint32_t got = 0;
    long n;

    while (got < 20000) {
        uint32_t told = mp__load(&stage->woken);

        /* all that was told of, and at the most the one under way */
        if (mp_queue_size(stage->queue) < told - got ||
            mp_queue_size(stage->queue) > mp__load(&stage->woken) + 1 - got ||
            (told > got && mp_queue_empty(stage->queue)))
            ck_abort_msg("told of %u, got %u, size %zu", told, got,
                         mp_queue_size(stage->queue));
        for (; got < told; got++)
            if (mp_queue_get(stage->queue, &n, sizeof(n), MP_NOW) != 8 ||
                n != got + 1)
                ck_abort_msg("message %u", got + 1);
    }
    kin_end(kin);
    end_stage(stage);
}
END_TEST

static void
add_tests(Suite *suite, const char *name, void (*believe)(void), int all)
{
    TCase *tcase = mp_test_case(suite, name, 30);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_loop_test(tcase, queue_get_waits_for_a_put, 0, 2);
    tcase_add_loop_test(tcase, queue_put_waits_for_a_get, 0, 2);
    tcase_add_loop_test(tcase, queue_put_waits_for_room_in_bytes, 0, 2);
    tcase_add_loop_test(tcase, queue_rally_loses_no_wake_up, 0, 2);
    tcase_add_loop_test(tcase, queue_closed_sends_all_getters_away, 0, 2);
    tcase_add_loop_test(tcase, queue_closed_sends_all_putters_away, 0, 2);
    tcase_add_loop_test(tcase, queue_sleeper_gone_leaves_the_others_in_place,
                        0, 2);
    if (!all)
        return;
    tcase_add_loop_test(tcase, queue_rally_on_one_processor, 0, 2);
    tcase_add_loop_test(tcase, G35_queue_sleepers_leave_at_their_deadline, 0,
                        2);
    tcase_add_loop_test(tcase, queue_with_sleepers_answers_at_once, 0, 2);
    tcase_add_loop_test(tcase, queue_sleepers_are_interrupted, 0, 2);
    tcase_add_loop_test(tcase, queue_may_be_closed_by_several, 0, 2);
    tcase_add_loop_test(tcase, queue_closed_loses_nothing, 0, 2);
    tcase_add_loop_test(tcase, queue_with_a_sleeper_is_not_destroyed, 0, 2);
    tcase_add_loop_test(tcase, G07_queue_message_is_visible_when_put_returned,
                        0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("queue-wait");

    add_tests(suite, "full", NULL, 1);
    add_tests(suite, "sliced", believe_in_sliced, 0);
    add_tests(suite, "no-waitv", believe_in_no_waitv, 0);
    return mp_test_main(suite);
}
