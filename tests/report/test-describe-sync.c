/* SPDX-License-Identifier: MIT */
/* mp_describe() of locks, semaphores, events, conditions and barriers. */
#include "os/clock.h"
#include "process/family.h"
#include "report/report.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Locks ---- */

static int
hold_lock(void *arg)
{
    int r = mp_lock_acquire(*(mp_lock **)arg, MP_FOREVER);

    return (r < 0 && r != -EOWNERDEAD) || sleep_for_ever(NULL);
}

START_TEST(describe_lock_owner_and_waiters)
{
    mp_process *boss, *buyers[2];
    mp_time before, seen;
    mp_lock *lock;

    must(mp_lock_create(&lock, MP_LOCK_ATTR(.name = "tickets")));
    expect_report(lock, "lock @ \"tickets\": free; nobody waits\n");
    boss = start_named("boss", hold_lock, lock);
    await_report(lock,
                 "lock @ \"tickets\": held by pid %d (boss); nobody waits\n",
                 pid_of(boss));
    before = mp__now();
    buyers[0] = start_named("buyer 1", hold_lock, lock);
    await_report(lock,
                 "lock @ \"tickets\": held by pid %d (boss) for at least #; "
                 "1 waits\n"
                 "  pid %d (buyer 1) waits for #\n",
                 pid_of(boss), pid_of(buyers[0]));
    buyers[1] = start_named("buyer 2", hold_lock, lock);
    await_report(lock,
                 "lock @ \"tickets\": held by pid %d (boss) for at least #; "
                 "2 wait\n"
                 "  pid %d (buyer 1) waits for #\n"
                 "  pid %d (buyer 2) waits for #\n",
                 pid_of(boss), pid_of(buyers[0]), pid_of(buyers[1]));
    seen = let_time_pass();
    expect_time(lock, "for at least ", before, seen);
    expect_time(lock, "(buyer 1) waits for ", before, seen);
    expect_time(lock, "(buyer 2) waits for ", before, seen);
    kill_named(buyers[1]);
    kill_named(boss);
    await_report(lock,
                 "lock @ \"tickets\": held by pid %d (buyer 1); "
                 "nobody waits\n",
                 pid_of(buyers[0]));
    kill_named(buyers[0]);
    expect_report(
        lock,
        "lock @ \"tickets\": left behind by a dead owner; nobody waits\n");
    must(mp_lock_destroy(lock));
}
END_TEST

START_TEST(describe_lock_handed_over)
{
    mp_process *giver;
    mp_lock *lock;

    must(mp_lock_create(&lock, MP_LOCK_ATTR(.flags = MP_LOCK_HANDOVER)));
    expect_report(lock, "lock @ (handover): free; nobody waits\n");
    giver = start_named("giver", hold_lock, lock);
    await_report(lock,
                 "lock @ (handover): held by pid %d (giver); nobody waits\n",
                 pid_of(giver));
    kill_named(giver);
    expect_report(lock, "lock @ (handover): held, by a thread that has "
                        "ended; nobody waits\n");
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
}
END_TEST

static void *
hold_in_thread(void *arg)
{
    mp_rlock *lock = *(mp_rlock **)arg;

    for (int i = 0; i < 3; i++)
        if (mp_rlock_acquire(lock, MP_FOREVER) < 0)
            return NULL;
    sleep_for_ever(NULL);
    return NULL;
}

static int
hold_rlock(void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, hold_in_thread, arg) != 0)
        return 1;
    return sleep_for_ever(NULL);
}

/* The thread of a process that is not its main one. */
static int
other_thread(int pid)
{
    for (int tid = pid + 1; tid < pid + 100000; tid++)
        if (thread_state(pid, tid))
            return tid;
    return 0;
}

START_TEST(describe_rlock_held_by_a_thread)
{
    mp_process *holder;
    mp_rlock *lock;
    int pid, tid;

    must(mp_rlock_create(&lock, MP_LOCK_ATTR(.name = "a\nb")));
    must(mp_rlock_acquire(lock, MP_NOW));
    expect_report(lock,
                  "rlock @ \"a?b\": held by pid %d (MainProcess); "
                  "nobody waits\n",
                  getpid());
    must(mp_rlock_acquire(lock, MP_NOW));
    expect_report(lock,
                  "rlock @ \"a?b\": held 2 times by pid %d (MainProcess); "
                  "nobody waits\n",
                  getpid());
    must(mp_rlock_release(lock));
    must(mp_rlock_release(lock));
    holder = start_named("holder", hold_rlock, lock);
    pid = pid_of(holder);
    wait_until((tid = other_thread(pid)) != 0, 20);
    await_report(lock,
                 "rlock @ \"a?b\": held 3 times by pid %d (holder), "
                 "thread %d; nobody waits\n",
                 pid, tid);
    kill_named(holder);
    must(mp_rlock_destroy(lock));
}
END_TEST

static int
describe_into_block(void *arg)
{
    void **given = *(void ***)arg; /* the object, and where the text goes */
    FILE *out = fmemopen(given[1], 256, "w");

    return out == NULL || mp_describe(given[0], out) < 0 || fclose(out) != 0;
}

START_TEST(describe_from_another_process)
{
    char *text = mp_alloc(256);
    void **given = mp_new_array(void *, 2);
    mp_lock *lock;
    char expected[256];

    must(mp_lock_create(&lock, NULL));
    must(mp_lock_acquire(lock, MP_NOW));
    given[0] = lock;
    given[1] = text;
    ck_assert_int_eq(run(describe_into_block, &given, sizeof(given),
                         MP_PROCESS_ATTR(.method = methods[_i])),
                     0);
    snprintf(expected, sizeof(expected),
             "lock @: held by pid %d (MainProcess); nobody waits\n", getpid());
    ck_assert_str_eq(report_in(text), expected);
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
    must(mp_free(given));
    must(mp_free(text));
}
END_TEST

/* ---- Semaphore ---- */

static int
hold_permit(void *arg)
{
    return mp_semaphore_acquire(*(mp_semaphore **)arg, MP_FOREVER) < 0 ||
           sleep_for_ever(NULL);
}

START_TEST(describe_semaphore_permits)
{
    mp_semaphore *plain, *bounded;
    mp_process *singer;
    mp_time before;

    must(mp_semaphore_create(&plain, 1, NULL));
    must(mp_semaphore_create(
        &bounded, 4, MP_SEMAPHORE_ATTR(.name = "booth", .bounded = 1)));
    must(mp_semaphore_acquire(bounded, MP_NOW));
    must(mp_semaphore_acquire(plain, MP_NOW));
    expect_report(bounded, "semaphore @ \"booth\" (bounded): 3 of 4 permits "
                           "left; nobody waits\n");
    before = mp__now();
    singer = start_named("singer", hold_permit, plain);
    await_report(plain,
                 "semaphore @: 0 permits left (1 at first); 1 waits\n"
                 "  pid %d (singer) waits for #\n",
                 pid_of(singer));
    expect_time(plain, "waits for ", before, let_time_pass());
    kill_named(singer);
    expect_report(plain, "semaphore @: 0 permits left (1 at first); "
                         "nobody waits\n");
    must(mp_semaphore_destroy(plain));
    must(mp_semaphore_destroy(bounded));
}
END_TEST

START_TEST(describe_tracked_semaphore_holders)
{
    mp_process *singer, *next;
    mp_semaphore *booth;

    must(mp_semaphore_create(&booth, 3, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_semaphore_acquire(booth, MP_NOW));
    must(mp_semaphore_acquire(booth, MP_NOW));
    expect_report(booth,
                  "semaphore @ (tracked): 1 of 3 permits left; nobody waits\n"
                  "  pid %d (MainProcess) has 2\n",
                  getpid());
    must(mp_semaphore_release(booth));
    singer = start_named("singer", hold_permit, booth);
    wait_until(mp_semaphore_value(booth) == 1, 20);
    must(mp_semaphore_acquire(booth, MP_NOW));
    next = start_named("next", hold_permit, booth);
    wait_until(strstr(report_of(booth), "; 1 waits\n") != NULL, 20);
    ck_assert_ptr_nonnull(strstr(report_of(booth), "(tracked): 0 of 3 "));
    ck_assert_ptr_nonnull(strstr(report_of(booth), " (MainProcess) has 2\n"));
    ck_assert_ptr_nonnull(strstr(report_of(booth), " (singer) has 1\n"));
    ck_assert_ptr_nonnull(strstr(report_of(booth), " (next) waits for #\n"));
    kill_named(next);
    kill_named(singer);
    expect_report(booth,
                  "semaphore @ (tracked): 1 of 3 permits left; nobody waits\n"
                  "  pid %d (MainProcess) has 2\n",
                  getpid());
    must(mp_semaphore_destroy(booth));
}
END_TEST

/* ---- Event ---- */

static int
await_event(void *arg)
{
    return mp_event_wait(*(mp_event **)arg, MP_FOREVER) < 0;
}

START_TEST(describe_event_and_waiters)
{
    mp_process *car;
    mp_event *event;
    mp_time before = mp__now();

    must(mp_event_create(&event, MP_EVENT_ATTR(.name = "green")));
    expect_report(event, "event @ \"green\": not set; nobody waits\n");
    car = start_named("car", await_event, event);
    await_report(event,
                 "event @ \"green\": not set; 1 waits\n"
                 "  pid %d (car) waits for #\n",
                 pid_of(car));
    expect_time(event, "waits for ", before, let_time_pass());
    must(mp_event_set(event));
    ck_assert_int_eq(end_of(car), 0);
    expect_report(event, "event @ \"green\": set; nobody waits\n");
    must(mp_event_destroy(event));
}
END_TEST

enum { CROWD = 260 };

static void *
await_in_thread(void *arg)
{
    return mp_event_wait(arg, MP_FOREVER) < 0 ? arg : NULL;
}

static int
await_in_threads(void *arg)
{
    mp_event *event = *(mp_event **)arg;
    pthread_t threads[CROWD];
    void *failed = NULL;

    for (int i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], NULL, await_in_thread, event) != 0)
            return 1;
    for (int i = 0; i < CROWD && !failed; i++)
        pthread_join(threads[i], &failed);
    return failed != NULL;
}

/* How often the text has the words in it. */
static int
count(const char *text, const char *words)
{
    int n = 0;

    while ((text = strstr(text, words)) != NULL) {
        text += strlen(words);
        n++;
    }
    return n;
}

START_TEST(describe_crowd_is_cut)
{
    mp_process *crowd;
    mp_event *event;

    must(mp_event_create(&event, NULL));
    crowd = start_named("crowd", await_in_threads, event);
    wait_until(strstr(report_of(event), ": not set; 260 wait\n"), 20);
    ck_assert_int_eq(count(report_of(event), " waits for #\n"), 256);
    ck_assert_ptr_nonnull(strstr(report_of(event), "\n  and 4 more\n"));
    must(mp_event_set(event));
    ck_assert_int_eq(end_of(crowd), 0);
    must(mp_event_destroy(event));
}
END_TEST

/* ---- Condition ---- */

static int
await_condition(void *arg)
{
    mp_condition *condition = *(mp_condition **)arg;

    return mp_condition_acquire(condition, MP_FOREVER) < 0 ||
           mp_condition_wait(condition, MP_FOREVER) < 0 ||
           mp_condition_release(condition) < 0;
}

START_TEST(describe_condition_line_and_lock)
{
    mp_time before = mp__now();
    mp_process *first, *second;
    mp_condition *condition;

    must(mp_condition_create(&condition, MP_CONDITION_ATTR(.name = "jobs")));
    expect_report(condition, "condition @ \"jobs\": nobody waits; its rlock: "
                             "free, nobody waits for it\n");
    first = start_named("first", await_condition, condition);
    await_report(condition,
                 "condition @ \"jobs\": 1 waits; its rlock: free, nobody "
                 "waits for it\n"
                 "  pid %d (first) waits for #\n",
                 pid_of(first));
    second = start_named("second", await_condition, condition);
    await_report(condition,
                 "condition @ \"jobs\": 2 wait; its rlock: free, nobody "
                 "waits for it\n"
                 "  pid %d (first) waits for #\n"
                 "  pid %d (second) waits for #\n",
                 pid_of(first), pid_of(second));
    expect_time(condition, "(first) waits for ", before, let_time_pass());
    must(mp_condition_acquire(condition, MP_FOREVER));
    must(mp_condition_notify(condition, 1));
    await_report(condition,
                 "condition @ \"jobs\": 2 wait, 1 of them notified; its "
                 "rlock: held by pid %d (MainProcess) for at least #, 1 "
                 "waits for it\n"
                 "  pid %d (second) waits for #\n"
                 "  pid %d (first) waits for #, for the lock\n",
                 getpid(), pid_of(second), pid_of(first));
    must(mp_condition_notify_all(condition));
    must(mp_condition_release(condition));
    ck_assert_int_eq(end_of(first), 0);
    ck_assert_int_eq(end_of(second), 0);
    must(mp_condition_destroy(condition));
}
END_TEST

START_TEST(describe_condition_with_locks_of_others)
{
    mp_condition *one, *other;
    mp_rlock *rlock;
    mp_lock *lock;

    must(mp_lock_create(&lock, MP_LOCK_ATTR(.name = "l")));
    must(mp_rlock_create(&rlock, MP_LOCK_ATTR(.name = "r")));
    must(mp_condition_create(&one, MP_CONDITION_ATTR(.lock = lock)));
    must(mp_condition_create(&other, MP_CONDITION_ATTR(.rlock = rlock)));
    must(mp_condition_acquire(one, MP_NOW));
    expect_report(one,
                  "condition @: nobody waits; lock @ \"l\": held by pid %d "
                  "(MainProcess), nobody waits for it\n",
                  getpid());
    expect_report(other, "condition @: nobody waits; rlock @ \"r\": free, "
                         "nobody waits for it\n");
    must(mp_condition_release(one));
    must(mp_lock_destroy(lock));
    expect_report(one, "condition @: nobody waits; its lock is gone\n");
    must(mp_condition_destroy(one));
    must(mp_condition_destroy(other));
    must(mp_rlock_destroy(rlock));
}
END_TEST

/* ---- Barrier ---- */

struct round {
    mp_barrier *barrier;
    mp_event *event;
};

static int
come(void *arg)
{
    return mp_barrier_wait(*(mp_barrier **)arg, MP_FOREVER) < 0;
}

static int
register_and_stay(void *arg)
{
    return mp_barrier_register(*(mp_barrier **)arg) < 0 ||
           sleep_for_ever(NULL);
}

static int
await_start(void *arg)
{
    return mp_event_wait(arg, MP_FOREVER);
}

static int
come_with_action(void *arg)
{
    struct round *round = *(struct round **)arg;

    return mp_barrier_wait_with(round->barrier, await_start, round->event,
                                MP_FOREVER) < 0;
}

START_TEST(describe_barrier_round)
{
    mp_process *runner, *late, *last;
    struct round *round = mp_new(struct round);
    mp_time before = mp__now();

    must(mp_event_create(&round->event, NULL));
    must(mp_barrier_create(&round->barrier, 2,
                           MP_BARRIER_ATTR(.name = "round")));
    expect_report(round->barrier,
                  "barrier @ \"round\": 0 of 2 have come; nobody waits\n");
    runner = start_named("runner", come, round->barrier);
    await_report(round->barrier,
                 "barrier @ \"round\": 1 of 2 have come; 1 waits\n"
                 "  pid %d (runner) waits for #\n",
                 pid_of(runner));
    late = start_named("late", register_and_stay, round->barrier);
    await_report(round->barrier,
                 "barrier @ \"round\": 1 of 2 have come; 1 registered; 1 "
                 "waits\n"
                 "  pid %d (runner) waits for #\n"
                 "  pid %d (late) is registered, and has not come\n",
                 pid_of(runner), pid_of(late));
    expect_time(round->barrier, "(runner) waits for ", before,
                let_time_pass());
    kill_named(late);
    ck_assert_int_eq(end_of(runner), 1);
    expect_report(round->barrier,
                  "barrier @ \"round\": broken; 1 registered; nobody waits\n");
    must(mp_barrier_reset(round->barrier));
    runner = start_named("runner", come, round->barrier);
    wait_until(mp_barrier_n_waiting(round->barrier) == 1, 20);
    last = start_named("last", come_with_action, round);
    await_report(round->barrier,
                 "barrier @ \"round\": 2 of 2 have come; 1 waits\n"
                 "  pid %d (last) runs the action\n"
                 "  pid %d (runner) waits for #\n",
                 pid_of(last), pid_of(runner));
    must(mp_event_set(round->event));
    ck_assert_int_eq(end_of(last), 0);
    ck_assert_int_eq(end_of(runner), 0);
    must(mp_barrier_destroy(round->barrier));
    must(mp_event_destroy(round->event));
    must(mp_free(round));
}
END_TEST

START_TEST(describe_barrier_death_unnoticed)
{
    mp_barrier *barrier;
    mp_process *party;

    must(mp_barrier_create(&barrier, 3, NULL));
    party = start_named("party", register_and_stay, barrier);
    await_report(barrier,
                 "barrier @: 0 of 3 have come; 1 registered; nobody waits\n"
                 "  pid %d (party) is registered, and has not come\n",
                 pid_of(party));
    kill_named(party);
    expect_report(barrier,
                  "barrier @: 0 of 3 have come; 1 registered; one has died, "
                  "nobody has noticed yet; nobody waits\n");
    must(mp_barrier_destroy(barrier));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("describe-sync");
    TCase *tcase = family_case(suite, "locks", 60);

    tcase_add_test(tcase, describe_lock_owner_and_waiters);
    tcase_add_test(tcase, describe_lock_handed_over);
    if (mp_test_may_fork_with_threads()) /* no other threads but ours */
        tcase_add_test(tcase, describe_rlock_held_by_a_thread);
    tcase_add_loop_test(tcase, describe_from_another_process, 0, METHODS);
    tcase = family_case(suite, "others", 60);
    tcase_add_test(tcase, describe_semaphore_permits);
    tcase_add_test(tcase, describe_tracked_semaphore_holders);
    tcase_add_test(tcase, describe_event_and_waiters);
    if (mp_test_may_fork_with_threads())
        tcase_add_test(tcase, describe_crowd_is_cut);
    tcase_add_test(tcase, describe_condition_line_and_lock);
    tcase_add_test(tcase, describe_condition_with_locks_of_others);
    tcase_add_test(tcase, describe_barrier_round);
    tcase_add_test(tcase, describe_barrier_death_unnoticed);
    return mp_test_main(suite);
}
