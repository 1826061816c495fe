/* SPDX-License-Identifier: MIT */
/* The biased lock: two are never inside, whoever is the owner, whoever comes
 * second, and whoever dies. */
#include "pipe/bias.h"
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 8

struct stage {
    struct mp__bias bias;
    mp__a64 inside;       /* who is: 0 nobody */
    uint64_t steps;       /* plain: only who is inside counts */
    uint64_t quick[MOST]; /* how often by the bias */
    uint32_t rounds;
    mp__a32 stop;
};

static struct stage *
stage_new(void)
{
    struct stage *stage;

    must(mp__enter());
    stage = mp_new(struct stage);
    mp__bias_init(&stage->bias, MP__MUTEX_PLAIN);
    return stage;
}

/* Enters in the one way or the other; whether it was by the bias. */
static int
enter(struct stage *stage)
{
    if (mp__bias_try(&stage->bias))
        return 1;
    must(mp__bias_lock(&stage->bias, MP_FOREVER));
    return 0;
}

static void
leave(struct stage *stage, int quick)
{
    if (quick)
        mp__bias_leave(&stage->bias);
    else
        mp__mutex_unlock(&stage->bias.mutex);
}

static int
step(struct stage *stage)
{
    int quick = enter(stage);
    uint64_t before = stage->steps;

    if (mp__swap(&stage->inside, mp__me.id) != 0)
        ck_abort_msg("two are inside");
    mp__cpu_relax();
    stage->steps = before + 1;
    mp__store(&stage->inside, 0);
    leave(stage, quick);
    return quick;
}

static int
step_often(void *arg, int i)
{
    struct stage *stage = arg;

    for (uint32_t n = 0; n < stage->rounds; n++)
        stage->quick[i] += (uint64_t)step(stage);
    return 0;
}

/* ---- Its owner ---- */

START_TEST(bias_is_the_first_users)
{
    struct stage *stage = stage_new();

    ck_assert_int_eq(mp__bias_try(&stage->bias), 0);
    must(mp__bias_lock(&stage->bias, MP_NOW));
    mp__mutex_unlock(&stage->bias.mutex);
    if (mp__load(&stage->bias.owner) == MP__BIAS_SHARED)
        return; /* a system without membarrier */
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(step(stage), 1);
    must(mp__bias_lock(&stage->bias, MP_NOW)); /* the mutex, now and then */
    mp__mutex_unlock(&stage->bias.mutex);
    ck_assert_int_eq(step(stage), 1);
    must(mp_free(stage));
}
END_TEST

START_TEST(bias_is_nobodys_when_a_second_has_come)
{
    struct stage *stage = stage_new();

    step(stage);
    stage->rounds = 1;
    kin_run((enum kin_how)_i, 1, step_often, stage);
    ck_assert_uint_eq(stage->quick[0], 0);
    ck_assert_int_eq(step(stage), 0);
    ck_assert_uint_eq(mp__load(&stage->bias.owner), MP__BIAS_SHARED);
    must(mp_free(stage));
}
END_TEST

START_TEST(bias_of_a_dead_owner_is_the_next_ones)
{
    struct stage *stage = stage_new();

    stage->rounds = 3;
    kin_run(PROCESSES, 1, step_often, stage);
    if (stage->quick[0] == 0)
        return; /* a system without membarrier */
    step(stage);
    ck_assert_int_eq(step(stage), 1);
    must(mp_free(stage));
}
END_TEST

START_TEST(bias_can_be_given_up)
{
    struct stage *stage = stage_new();

    step(stage);
    must(mp__bias_lock(&stage->bias, MP_NOW));
    mp__bias_give_up(&stage->bias);
    mp__mutex_unlock(&stage->bias.mutex);
    ck_assert_uint_eq(mp__load(&stage->bias.owner), 0);
    stage->rounds = 2;
    kin_run(PROCESSES, 1, step_often, stage);
    ck_assert_uint_ne(mp__load(&stage->bias.owner), mp__me.id);
    must(mp_free(stage));
}
END_TEST

/* ---- One at a time ---- */

/* One is at it by the bias all the time, until the others come. */
START_TEST(bias_lets_one_in_at_a_time)
{
    struct stage *stage = stage_new();
    uint64_t mine = 0;
    struct kin *kin;

    for (int round = 0; round < 30; round++) {
        mp__bias_init(&stage->bias, MP__MUTEX_PLAIN);
        stage->steps = mine = 0;
        stage->rounds = 200;
        step(stage);
        kin = kin_start((enum kin_how)_i, 3, step_often, stage);
        do {
            step(stage);
            mine++;
        } while (!mp__load(&kin->ended[0]) || !mp__load(&kin->ended[1]) ||
                 !mp__load(&kin->ended[2]));
        kin_end(kin);
        ck_assert_uint_eq(stage->steps, 1 + mine + 3 * 200);
    }
    must(mp_free(stage));
}
END_TEST

/* ---- Deaths ---- */

static int
stay_inside(void *arg, int i)
{
    struct stage *stage = arg;

    (void)i;
    step(stage);
    if (!mp__bias_try(&stage->bias))
        must(mp__bias_lock(&stage->bias, MP_FOREVER));
    mp__store(&stage->stop, 1);
    while (pause() == -1)
        ;
    return 1;
}

static int
step_once(void *arg, int i)
{
    (void)i;
    step(arg);
    return 0;
}

/* The owner stops inside; two want in, the first of whom dies revoking. */
START_TEST(G01_bias_owner_and_revoker_are_killed)
{
    struct stage *stage = stage_new();
    struct kin *owner = kin_start(PROCESSES, 1, stay_inside, stage), *others;
    mp_time soon;

    wait_until(mp__load(&stage->stop), 20);
    soon = mp_timeout(0.02);
    ck_assert_int_eq(mp__bias_lock(&stage->bias, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp__bias_lock(&stage->bias, soon), -ETIMEDOUT);
    others = kin_start(PROCESSES, 2, step_once, stage);
    kin_await_sleep(others);
    kin_kill(others, 0);
    kin_kill(owner, 0);
    kin_end(others);
    kin_end(owner);
    step(stage);
    ck_assert_uint_eq(stage->steps, 3);
    must(mp_free(stage));
}
END_TEST

static int
step_for_ever(void *arg, int i)
{
    struct stage *stage = arg;

    (void)i;
    while (mp__load(&stage->stop) < 2) {
        int quick = enter(stage);

        stage->steps++;
        leave(stage, quick);
        if (stage->steps % 64 == 0)
            mp__store(&stage->stop, 1);
    }
    return 1;
}

/* At any moment: the others go on. */
START_TEST(G01_bias_users_are_killed_at_any_moment)
{
    int rounds = mp_test_scale() > 1 ? 10 : 60;

    srand(3);
    for (int round = 0; round < rounds; round++) {
        struct stage *stage = stage_new();
        struct kin *kin = kin_start(PROCESSES, 2, step_for_ever, stage);

        wait_until(mp__load(&stage->stop), 20);
        usleep((unsigned)rand() % 1000);
        kin_kill(kin, 0);
        kin_kill(kin, 1);
        kin_end(kin);
        for (int i = 0; i < 5; i++)
            step(stage);
        ck_assert_uint_eq(mp__load(&stage->inside), 0);
        must(mp_free(stage));
    }
}
END_TEST

/* ---- Is somebody inside? ---- */

START_TEST(bias_tells_who_stays_inside)
{
    struct stage *stage = stage_new();
    struct kin *kin = kin_start(PROCESSES, 1, stay_inside, stage);
    mp__a64 word = 0;

    wait_until(mp__load(&stage->stop), 20);
    mp__bias_fence(&stage->bias);
    ck_assert_int_eq(mp__bias_stays_held(&stage->bias, NULL, 0), 1);
    ck_assert_int_eq(mp__bias_stays_held(&stage->bias, &word, 0), 1);
    ck_assert_int_eq(mp__bias_stays_held(&stage->bias, &word, 1), 0);
    kin_kill(kin, 0);
    kin_end(kin);
    mp__bias_fence(&stage->bias);
    ck_assert_int_eq(mp__bias_stays_held(&stage->bias, NULL, 0), 0);
    step(stage);
    ck_assert_int_eq(mp__bias_stays_held(&stage->bias, NULL, 0), 0);
    must(mp_free(stage));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bias");
    TCase *tcase = mp_test_case(suite, "owner", 10);

    tcase_add_test(tcase, bias_is_the_first_users);
    tcase_add_loop_test(tcase, bias_is_nobodys_when_a_second_has_come, 0, 2);
    tcase_add_test(tcase, bias_of_a_dead_owner_is_the_next_ones);
    tcase_add_test(tcase, bias_can_be_given_up);
    tcase = mp_test_case(suite, "one-at-a-time", 30);
    tcase_add_loop_test(tcase, bias_lets_one_in_at_a_time, 0, 2);
    tcase = mp_test_case(suite, "deaths", 30);
    tcase_add_test(tcase, G01_bias_owner_and_revoker_are_killed);
    tcase_add_test(tcase, G01_bias_users_are_killed_at_any_moment);
    tcase_add_test(tcase, bias_tells_who_stays_inside);
    return mp_test_main(suite);
}
