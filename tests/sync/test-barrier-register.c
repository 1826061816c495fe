/* SPDX-License-Identifier: MIT */
/* Barrier: threads that have registered, and end or are killed. As in
 * test-barrier-death.c nobody sleeps for less than an hour where the kernel
 * does all we ask for. */
#include "sync/barrier-kit.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* ---- Killed ---- */

enum {
    BE_KILLED,
    END,
    UNREGISTER,
};

struct member {
    struct stage *stage;
    int end;
};

static int
be_member(void *arg, int unused)
{
    struct member *member = arg;
    struct stage *stage = member->stage;

    (void)unused;
    must(mp_barrier_register(stage->barrier));
    must(mp_barrier_register(stage->barrier));
    mp__add(&stage->ready, 1);
    wait_until(mp__load(&stage->go) || member->end == BE_KILLED, 60);
    while (member->end == BE_KILLED)
        pause();
    if (member->end == UNREGISTER) {
        must(mp_barrier_unregister(stage->barrier));
        must(mp_barrier_unregister(stage->barrier));
    }
    return 0;
}

static struct kin *
members(struct member *member, enum kin_how how, int n, int end)
{
    uint32_t before = mp__load(&member->stage->ready);
    struct kin *kin;

    member->end = end;
    mp__store(&member->stage->go, 0);
    kin = kin_start(how, n, be_member, member);
    wait_until(mp__load(&member->stage->ready) == before + (uint32_t)n, 20);
    return kin;
}

static struct member *
member_of(struct stage *stage)
{
    struct member *member = mp_new(struct member);

    ck_assert_ptr_nonnull(member);
    member->stage = stage;
    return member;
}

/* Registered before the others sleep, or meanwhile. */
START_TEST(G04_barrier_breaks_when_a_member_is_killed)
{
    struct stage *stage = stage_for(6);
    struct member *member = member_of(stage);

    for (int before = 0; before < 2; before++) {
        struct kin *kin = NULL, *members_kin;

        if (!before)
            kin = sleepers(stage, PROCESSES, 3);
        members_kin = members(member, PROCESSES, 2, BE_KILLED);
        if (before)
            kin = sleepers(stage, PROCESSES, 3);
        kin_await_sleep(kin);
        kin_kill(members_kin, 1);
        ended_with(kin, stage, -ECANCELED, -1);
        kin_kill(members_kin, 0);
        kin_end(members_kin);
        must(mp_barrier_reset(stage->barrier));
    }
    goes_round(stage, PROCESSES);
    must(mp_free(member));
    end_stage(stage);
}
END_TEST

/* One of those who sleep watches them. When it goes, another does. */
START_TEST(G04_barrier_members_are_watched_when_a_sleeper_goes)
{
    struct stage *stage = stage_for(6);
    struct member *member = member_of(stage);

    catch_signals();
    for (int goes = 0; goes < 3; goes++) {
        struct kin *victim = members(member, PROCESSES, 1, BE_KILLED);
        struct kin *kin = sleepers_with(stage, PROCESSES, 3, wait_and_linger);

        mp__store(&stage->through, 0);
        while (mp__load(&stage->through) == 0)
            kin_signal(kin, goes, SIGUSR1);
        ck_assert_int_eq((int)stage->results[goes], -EINTR);
        kin_await_sleep(kin);
        kin_kill(victim, 0);
        wait_until(mp__load(&stage->through) == 3, 20);
        mp__store(&stage->go, 1);
        ended_with(kin, stage, -ECANCELED, goes);
        kin_end(victim);
        must(mp_barrier_reset(stage->barrier));
    }
    must(mp_free(member));
    end_stage(stage);
}
END_TEST

START_TEST(G04_barrier_tells_of_dead_members_who_comes_later)
{
    struct stage *stage = stage_for(2);
    struct member *member = member_of(stage);

    for (int way = 0; way < 4; way++) {
        struct kin *kin = members(member, PROCESSES, 2, BE_KILLED);

        must_fail(mp_barrier_register(stage->barrier), -EOVERFLOW,
                  "parties (2)");
        kin_kill(kin, way % 2);
        mp__reap();
        if (way == 1) /* another life in the same slot */
            kin_run(PROCESSES, 3, wait_once, stage);
        if (way == 2)
            ck_assert_int_eq(mp_barrier_broken(stage->barrier), 1);
        ck_assert_int_eq(
            mp_barrier_wait(stage->barrier, way == 3 ? MP_NOW : MP_FOREVER),
            -ECANCELED);
        kin_kill(kin, 1 - way % 2);
        kin_end(kin);
        must(mp_barrier_reset(stage->barrier));
        ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_NOW), -EAGAIN);
    }
    goes_round(stage, PROCESSES);
    must(mp_free(member));
    end_stage(stage);
}
END_TEST

/* Its end is as good as its death. */
START_TEST(barrier_breaks_when_a_member_ends)
{
    struct stage *stage = stage_for(4);
    struct member *member = member_of(stage);
    struct kin *kin, *ended = members(member, (enum kin_how)_i, 1, END);

    kin = sleepers(stage, (enum kin_how)_i, 2);
    mp__store(&stage->go, 1);
    kin_end(ended);
    ended_with(kin, stage, -ECANCELED, -1);
    must(mp_free(member));
    end_stage(stage);
}
END_TEST

START_TEST(barrier_whose_members_unregister_is_whole)
{
    struct stage *stage = stage_for(4);
    struct member *member = member_of(stage);
    struct kin *kin, *ended;

    for (int round = 0; round < 5; round++) {
        ended = members(member, (enum kin_how)_i, 4, UNREGISTER);
        kin = sleepers(stage, (enum kin_how)_i, 3);
        mp__store(&stage->go, 1);
        kin_end(ended);
        ck_assert_int_eq(mp_barrier_broken(stage->barrier), 0);
        ck_assert_int_ge(mp_barrier_wait(stage->barrier, MP_NOW), 0);
        kin_end(kin);
    }
    must(mp_barrier_unregister(stage->barrier)); /* never registered */
    must(mp_free(member));
    end_stage(stage);
}
END_TEST

static int
register_and_go_rounds(void *arg, int i)
{
    struct stage *stage = arg;

    must(mp_barrier_register(stage->barrier));
    for (int n = 0; n < 100; n++)
        if (mp_barrier_wait(stage->barrier, MP_FOREVER) < 0)
            return 1;
    if (i != 0)
        must(mp_barrier_unregister(stage->barrier));
    return 0;
}

/* All parties have registered; and one forgets to unregister. */
START_TEST(barrier_of_members_goes_round)
{
    struct stage *stage = stage_for(8);

    kin_run((enum kin_how)_i, 8, register_and_go_rounds, stage);
    ck_assert_int_eq(mp_barrier_wait(stage->barrier, MP_FOREVER), -ECANCELED);
    must(mp_barrier_reset(stage->barrier));
    goes_round(stage, (enum kin_how)_i);
    end_stage(stage);
}
END_TEST

/* The calling thread registers, and waits; nothing breaks. */
START_TEST(barrier_member_waits)
{
    struct stage *stage = stage_for(2);

    must(mp_barrier_register(stage->barrier));
    goes_round(stage, PROCESSES);
    goes_round(stage, PROCESSES);
    must(mp_barrier_unregister(stage->barrier));
    goes_round(stage, PROCESSES);
    end_stage(stage);
}
END_TEST

/* ---- ---- */

static void
add_tests(Suite *suite, const char *name, void (*believe)(void))
{
    TCase *tcase = mp_test_case(suite, name, 60);

    tcase_add_checked_fixture(tcase, believe, NULL);
    tcase_add_test(tcase, G04_barrier_breaks_when_a_member_is_killed);
    tcase_add_test(tcase, G04_barrier_members_are_watched_when_a_sleeper_goes);
    tcase_add_test(tcase, G04_barrier_tells_of_dead_members_who_comes_later);
    tcase_add_loop_test(tcase, barrier_breaks_when_a_member_ends, 0, 2);
    tcase_add_loop_test(tcase, barrier_whose_members_unregister_is_whole, 0,
                        2);
    tcase_add_loop_test(tcase, barrier_of_members_goes_round, 0, 2);
    tcase_add_test(tcase, barrier_member_waits);
}

int
main(void)
{
    Suite *suite = suite_create("barrier-register");

    add_tests(suite, "full", NULL);
    add_tests(suite, "sliced", believe_in_sliced);
    add_tests(suite, "no-waitv", believe_in_no_waitv);
    return mp_test_main(suite);
}
