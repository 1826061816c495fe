/* SPDX-License-Identifier: MIT */
/* What users of process pools have asked for, and suffered from: workers that
 * die. Each test is named after its row in the list of such reports, B1 to
 * B45; the other rows are in the other test-asked-*.c. */
#include "pool/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- B1: one worker is killed by the system, and the program waits for its
 * result for ever. ---- */

START_TEST(B01_killed_worker_is_an_error_and_no_hang)
{
    struct gate gate = gate_open();
    mp_result *victim, *other, *waiting;
    mp_pool *pool;
    pid_t pids[2], pid;

    use_method(_i);
    pool = pool_of(2);
    victim = submit_to_gate(pool, gate);
    pid = gate_await(gate);
    other = submit_to_gate(pool, gate);
    gate_await(gate);
    must(mp_pool_apply_async(pool, echo, "waits", 6, NULL, &waiting));
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(mp_result_get(victim, NULL, 0, soon()), -ESRCH);
    ck_assert_int_eq(mp_result_get(waiting, (char[6]){0}, 6, soon()), 6);
    ck_assert_int_eq(mp_result_ready(other), 0); /* nobody else is hit */
    gate_let_go(gate);
    ck_assert_int_eq(mp_result_get(other, NULL, 0, soon()), 0);
    await_workers(pool, 2, pids); /* at full strength again */
    ck_assert_int_ne(pids[0], pid);
    ck_assert_int_ne(pids[1], pid);
    must(mp_result_free(victim));
    must(mp_result_free(other));
    must(mp_result_free(waiting));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* The same for what is no single task. */
static int
item_dies(const void *item, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    if (*(const int *)item % 4 == 2)
        raise(SIGKILL);
    return 0;
}

static int
next_of_eight(void *item, void *arg)
{
    int *next = arg;

    *(int *)item = *next;
    return (*next)++ < 8;
}

static void
imap_past_deaths(mp_pool *pool, int unordered)
{
    int from = 0, ended = 0, r;
    mp_imap *imap;
    size_t index;

    must((unordered ? mp_pool_imap_unordered : mp_pool_imap)(
        pool, item_dies, next_of_eight, &from, sizeof(int), 0, NULL, &imap));
    while ((r = mp_imap_next(imap, NULL, &index, soon())) != 0) {
        ck_assert_uint_lt(index, 8);
        ck_assert_int_eq(r, index % 4 == 2 ? -ESRCH : 1);
        ended++;
    }
    ck_assert_int_eq(ended, 8);
    must(mp_imap_free(imap));
}

START_TEST(B01_killed_worker_hangs_no_map)
{
    int items[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    mp_result *result;
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    must_fail(
        mp_pool_map(pool, item_dies, items, sizeof(int), NULL, 0, 8, NULL),
        -ESRCH, "item 2");
    must(mp_pool_map_async(pool, item_dies, items, sizeof(int), NULL, 0, 8,
                           NULL, &result));
    must_fail((int)mp_result_get(result, NULL, 0, soon()), -ESRCH, "item 2");
    must(mp_result_free(result));
    imap_past_deaths(pool, 0);
    imap_past_deaths(pool, 1);
    end_pool(pool);
}
END_TEST

/* ---- B2: "terminated abruptly": nobody says why. ---- */

static int crash_in_here(mp_task *task);

__attribute__((noinline)) static int
crash_in_here(mp_task *task)
{
    static int *volatile nowhere = (int *)16;

    (void)task;
    *nowhere = 1;
    return *nowhere;
}

static int
give_up(mp_task *task)
{
    (void)task;
    abort();
}

static int
leave(mp_task *task)
{
    (void)task;
    exit(3);
}

START_TEST(B02_error_says_who_died_of_what_and_where)
{
    static const struct {
        mp_task_fn f;
        const char *how, *where;
    } ends[] = {
        {kill_self, "killed by signal 9 (SIGKILL)", ""},
        {leave, "exit code 3", ""},
        {give_up, "signal 6 (SIGABRT)", "give_up"},
        {crash_in_here, "signal 11 (SIGSEGV)", "crash_in_here"},
    };
    mp_pool *pool;

    use_method(_i);
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.name = "hands")));
    for (size_t i = 0; i < LENGTH(ends); i++) {
        char task[64], pid[32];
        mp_result *result;
        pid_t worker;

        if (mp_test_scale() > 1 && ends[i].where[0])
            continue; /* the sanitizers have handlers of their own */
        ck_assert_int_eq(pids_of(pool, &worker, 1), 1);
        must(mp_pool_apply(pool, ends[i].f, NULL, 0, &result));
        snprintf(task, sizeof(task), "task %zu", i + 1);
        snprintf(pid, sizeof(pid), "worker hands:1 (pid %d)", (int)worker);
        mp_test_text(mp_result_error(result), task);
        mp_test_text(mp_result_error(result), pid);
        mp_test_text(mp_result_error(result), ends[i].how);
        mp_test_text(mp_result_error(result), ends[i].where);
        must_fail((int)mp_result_get(result, NULL, 0, MP_NOW), -ESRCH,
                  ends[i].how);
        must(mp_result_free(result));
    }
    end_pool(pool);
}
END_TEST

/* ---- B3: who submits spins, writing into the pipe of a dead worker. ---- */

static double
processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(B03_submitting_needs_no_living_worker_and_waiting_no_processor)
{
    enum { TASKS = 24, SIZE = 1 << 20 }; /* more than any pipe holds */
    mp_result *results[TASKS];
    char *big = calloc(1, SIZE);
    mp_pool *pool = pool_of(1);
    double before;
    pid_t pid;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_int_eq(pids_of(pool, &pid, 1), 1);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    wait_until(process_state(pid) == 'T', 10);
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, echo, big, SIZE, NULL, &results[i]));
    before = processor_time();
    ck_assert_int_eq(mp_result_wait(results[0], mp_timeout(0.5)), -ETIMEDOUT);
    ck_assert_msg(processor_time() - before < 0.25, "it spins: %g s of 0.5",
                  processor_time() - before);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    for (int i = 0, died = 0; i < TASKS; i++) {
        ssize_t r = mp_result_get(results[i], big, SIZE, soon());

        died += r == -ESRCH;
        ck_assert(r == SIZE || (r == -ESRCH && died == 1));
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
    free(big);
}
END_TEST

/* ---- B4: a worker dies with the lock of the queue in its hand, and nobody
 * gets a task any more. ---- */

START_TEST(B04_no_lock_of_the_pool_dies_with_a_worker)
{
    enum { TIMES = 60, TASKS = 40 };
    uint32_t seed = 12345;
    mp_result *results[TASKS];
    mp_pool *pool;
    pid_t pids[2];

    use_method(_i);
    pool = pool_of(2);
    for (int n = 0; n < TIMES; n++) {
        int died = 0, pause;

        for (int i = 0; i < TASKS; i++)
            must(mp_pool_apply_async(pool, echo, "x", 1, NULL, &results[i]));
        seed = seed * 1103515245 + 12345;
        for (pause = (int)(seed >> 20); pause > 0; pause--)
            mp__cpu_relax(); /* to die at this or that instruction */
        if (pids_of(pool, pids, 2) > n % 2)
            kill(pids[n % 2], SIGKILL);
        for (int i = 0; i < TASKS; i++) {
            ssize_t r = mp_result_get(results[i], (char[1]){0}, 1, soon());

            ck_assert(r == 1 || r == -ESRCH);
            died += r == -ESRCH;
            must(mp_result_free(results[i]));
        }
        ck_assert_int_le(died, 1);
    }
    await_workers(pool, 2, pids);
    end_pool(pool);
}
END_TEST

/* ---- B5: a lock that a dead worker held is held for ever. ---- */

static int
die_with_lock(mp_task *task)
{
    mp_lock *lock = *(mp_lock **)mp_task_arg(task, NULL);

    mp_lock_acquire(lock, MP_FOREVER);
    return kill_self(task);
}

static int
take_lock(mp_task *task)
{
    mp_lock *lock = *(mp_lock **)mp_task_arg(task, NULL);
    int r = mp_lock_acquire(lock, soon());

    mp_lock_release(lock);
    return mp_task_return(task, &r, sizeof(r));
}

START_TEST(B05_lock_of_a_dead_worker_goes_to_the_next)
{
    mp_result *result;
    mp_pool *pool;
    mp_lock *lock;

    use_method(_i);
    must(mp_lock_create(&lock, NULL));
    pool = pool_of(2);
    for (int i = 0; i < 5; i++) {
        static const int expected[] = {-EOWNERDEAD, 0};

        must(mp_pool_apply(pool, die_with_lock, &lock, sizeof(lock), &result));
        ck_assert_int_eq(end_of(result), -ESRCH);
        must(mp_result_free(result));
        for (int k = 0; k < 2; k++) {
            int r = 1;

            must(mp_pool_apply(pool, take_lock, &lock, sizeof(lock), &result));
            must(mp_result_get(result, &r, sizeof(r), MP_NOW));
            ck_assert_int_eq(r, expected[k]);
            must(mp_result_free(result));
        }
    }
    end_pool(pool);
    must(mp_lock_destroy(lock));
}
END_TEST

/* ---- B11: the program is killed, and its workers go on for days. ---- */

static int
initialize_for_ever(void *unused)
{
    (void)unused;
    dprintf(1, "worker %d\n", (int)getpid());
    while (pause())
        ;
    return 0;
}

/* Busy ones, idle ones, one that is in its initializer, and one that another
 * worker has started. */
static int
be_killed(int method)
{
    struct gate gate = gate_open();
    mp_pool *busy, *idle, *setup;
    mp_process *list[2];

    mp_set_start_method(method);
    must(mp_pool_create(&busy, 2, NULL));
    must(mp_pool_create(&idle, 2, NULL));
    must(mp_pool_create(&setup, 1,
                        MP_POOL_ATTR(.initializer = initialize_for_ever)));
    submit_stuck(busy, sleep_for_ever, gate, NULL);
    submit_stuck(busy, spin_for_ever, gate, NULL);
    dprintf(1, "worker %d\n", (int)gate_await(gate));
    dprintf(1, "worker %d\n", (int)gate_await(gate));
    must(mp_pool_apply(idle, echo, NULL, 0, NULL));
    must(mp_pool_workers(idle, list, 2));
    for (int i = 0; i < 2; i++)
        dprintf(1, "worker %d\n", (int)mp_process_pid(list[i]));
    while (pause())
        ;
    return 0;
}

START_TEST(B11_no_worker_outlives_a_killed_program)
{
    struct scene scene = scene_start(SCENE_PIPE, "be-killed", _i);
    pid_t pids[5];

    scene_await(&scene, "worker ", 5);
    ck_assert_int_eq(scene_numbers(&scene, "worker ", pids, 5), 5);
    for (int i = 0; i < 5; i++)
        ck_assert(!is_gone(pids[i]));
    ck_assert_int_eq(kill(scene.pid, SIGKILL), 0);
    ck_assert_int_eq(scene_end(&scene), -SIGKILL); /* and nobody is left */
    for (int i = 0; i < 5; i++)
        wait_until(is_gone(pids[i]), 10);
    scene_free(&scene);
}
END_TEST

/* ---- B30: nobody can see how often workers were restarted, nor why. ---- */

static int
refuse(mp_task *task)
{
    return mp_task_fail(task, "no");
}

START_TEST(B30_deaths_and_replacements_are_counted_with_reasons)
{
    mp_pool_statistics stats;
    mp_result *result;
    mp_pool *pool;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.tasks_per_worker = 4)));
    for (int i = 0; i < 3; i++) {
        must(mp_pool_apply(pool, kill_self, NULL, 0, &result));
        mp_test_text(mp_result_error(result), "SIGKILL");
        must(mp_result_free(result));
    }
    must(mp_pool_apply(pool, refuse, NULL, 0, NULL));
    for (int i = 0; i < 7; i++)
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    wait_until(stats_of(pool).replaced == 2, 10);
    stats = stats_of(pool);
    ck_assert_uint_eq(stats.deaths, 3);
    ck_assert_uint_eq(stats.failed, 4);
    ck_assert_uint_eq(stats.done, 7);
    ck_assert_uint_eq(stats.submitted, 11);
    end_pool(pool);
}
END_TEST

/* ---- B45: workers that die at once are restarted for ever, or the pool is
 * broken and says nothing. ---- */

static int
never_up(void *arg)
{
    mp__add(*(mp__a32 **)arg, 1);
    raise(SIGKILL);
    return 0;
}

static void
expect_broken(mp_pool *pool, const char *why)
{
    int item = 0, from = 0;
    mp_imap *imap = NULL;

    must_fail(mp_pool_apply(pool, echo, NULL, 0, NULL), -ESRCH, why);
    must_fail(
        mp_pool_map(pool, item_dies, &item, sizeof(int), NULL, 0, 1, NULL),
        -ESRCH, why);
    must_fail(mp_pool_map_async(pool, item_dies, &item, sizeof(int), NULL, 0,
                                1, NULL, NULL),
              -ESRCH, why);
    if (mp_pool_imap(pool, item_dies, next_of_eight, &from, sizeof(int), 0,
                     NULL, &imap) == 0) {
        ck_assert_int_eq(mp_imap_next(imap, NULL, NULL, soon()), -ESRCH);
        must(mp_imap_free(imap));
    }
    must_fail(mp_pool_resize(pool, 1), -ESRCH, why);
    must(mp_pool_join(pool, soon()));
    must(mp_pool_destroy(pool));
}

START_TEST(B45_restarts_are_bounded_and_the_pool_says_that_it_is_broken)
{
    mp__a32 *runs = mp_new(mp__a32);
    mp_result *result;
    mp_pool *pool;

    use_method(_i);
    must(
        mp_pool_create(&pool, 2,
                       MP_POOL_ATTR(.name = "fragile", .initializer = never_up,
                                    .initializer_arg = &runs,
                                    .initializer_size = sizeof(runs))));
    if (mp_pool_apply_async(pool, echo, NULL, 0, NULL, &result) == 0) {
        must_fail((int)mp_result_get(result, NULL, 0, soon()), -ESRCH,
                  "broken");
        must(mp_result_free(result));
    }
    wait_until(mp_pool_workers(pool, NULL, 0) == 0, 20);
    ck_assert_uint_le(mp__load(runs), 20);
    expect_broken(pool, "pool fragile is broken");
    must(mp_free((void *)runs));
}
END_TEST

START_TEST(B45_killing_without_end_breaks_the_pool)
{
    mp_pool *pool = pool_of(2);
    int times = 0;
    pid_t pids[2];

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    while (pids_of(pool, pids, 2) > 0) {
        ck_assert_int_lt(times++, 100);
        kill(pids[0], SIGKILL);
        wait_until(is_gone(pids[0]), 10);
    }
    ck_assert_int_ge(times, 5); /* some it must bear */
    expect_broken(pool, "no task did");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("asked-death");
    TCase *one = pool_case(suite, "one", 60);
    TCase *many = pool_case(suite, "many", 120);
    TCase *end = pool_case(suite, "end", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    if (argc == 3)
        return be_killed(atoi(argv[2]));
    (void)argv;
    tcase_add_loop_test(one, B01_killed_worker_is_an_error_and_no_hang, from,
                        to);
    tcase_add_loop_test(one, B01_killed_worker_hangs_no_map, from, to);
    tcase_add_loop_test(one, B02_error_says_who_died_of_what_and_where, from,
                        to);
    tcase_add_test(
        one, B03_submitting_needs_no_living_worker_and_waiting_no_processor);
    tcase_add_loop_test(many, B04_no_lock_of_the_pool_dies_with_a_worker, from,
                        to);
    tcase_add_loop_test(one, B05_lock_of_a_dead_worker_goes_to_the_next, from,
                        to);
    tcase_add_loop_test(end, B11_no_worker_outlives_a_killed_program, from,
                        to);
    tcase_add_test(one, B30_deaths_and_replacements_are_counted_with_reasons);
    tcase_add_loop_test(
        end, B45_restarts_are_bounded_and_the_pool_says_that_it_is_broken,
        from, to);
    tcase_add_test(end, B45_killing_without_end_breaks_the_pool);
    return pool_main(suite);
}
