/* SPDX-License-Identifier: MIT */
/* One pool and many users: threads, processes, some that come and go, and what
 * holds when the pool's maker is dead. */
#include "pool/kit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- All that a user does, written once ---- */

struct crowd {
    mp_pool *pool;
    mp__a32 callbacks, failures;
    char finding[200];
};

static void
count_callback(mp_result *result, void *arg)
{
    (void)result;
    mp__add(&((struct crowd *)arg)->callbacks, 1);
}

static int
negate(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = -*(const int *)item;
    return 0;
}

static int
use_tasks(mp_pool *pool, int n)
{
    mp_result *results[10];
    int r = 0, back = 0;

    for (int i = 0; i < 10 && r == 0; i++)
        r = mp_pool_apply_async(pool, echo, &n, sizeof(n),
                                MP_TASK_ATTR(.priority = i % 3 - 1),
                                &results[i]);
    for (int i = 0; i < 10 && r == 0; i++) {
        if (mp_result_get(results[i], &back, sizeof(back), MP_FOREVER) !=
                sizeof(back) ||
            back != n)
            return -EPROTO;
        r = mp_result_free(results[i]);
    }
    return r;
}

static int
use_maps(mp_pool *pool, int n)
{
    int in[50], out[50], r;

    for (int i = 0; i < 50; i++)
        in[i] = n + i;
    r = mp_pool_map(pool, negate, in, sizeof(int), out, sizeof(int), 50, NULL);
    for (int i = 0; i < 50 && r == 0; i++)
        r = out[i] == -in[i] ? 0 : -EPROTO;
    return r;
}

static int
use_callbacks(struct crowd *crowd)
{
    return mp_pool_apply_async(
        crowd->pool, echo, NULL, 0,
        MP_TASK_ATTR(.callback = count_callback, .callback_arg = crowd), NULL);
}

enum { ROUNDS = 15 };

static int
use_all(struct crowd *crowd, int number)
{
    int r = 0;

    for (int i = 0; i < ROUNDS && r == 0; i++) {
        r = use_callbacks(crowd);
        if (r == 0)
            r = use_tasks(crowd->pool, number * ROUNDS + i);
        if (r == 0)
            r = use_maps(crowd->pool, number * ROUNDS + i);
    }
    if (r < 0 && mp__add(&crowd->failures, 1) == 0)
        snprintf(crowd->finding, sizeof(crowd->finding), "%s: %s",
                 mp_strerror(r), mp_last_error());
    return r;
}

static struct crowd *
crowd_of(int workers)
{
    struct crowd *crowd = mp_new(struct crowd);

    crowd->pool = pool_of(workers);
    return crowd;
}

static void
crowd_end(struct crowd *crowd)
{
    end_pool(crowd->pool);
    ck_assert_msg(mp__load(&crowd->failures) == 0, "%u failed, first: %s",
                  mp__load(&crowd->failures), crowd->finding);
    must(mp_free(crowd));
}

/* ---- Threads ---- */

struct user {
    struct crowd *crowd;
    int number;
    pthread_t thread;
};

static void *
use_in_thread(void *arg)
{
    struct user *user = arg;

    use_all(user->crowd, user->number);
    return NULL;
}

START_TEST(many_threads_of_one_process)
{
    enum { THREADS = 12 };
    struct user users[THREADS];
    struct crowd *crowd;

    use_method(_i);
    crowd = crowd_of(2);
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.crowd = crowd, .number = i};
        ck_assert_int_eq(
            pthread_create(&users[i].thread, NULL, use_in_thread, &users[i]),
            0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(users[i].thread, NULL);
    while (must(mp_pool_callbacks(crowd->pool, soon())) > 0)
        ;
    ck_assert_uint_eq(mp__load(&crowd->callbacks), THREADS * ROUNDS);
    crowd_end(crowd);
}
END_TEST

/* One thread may be in every call that waits while another ends the pool. */
static void *
wait_in_thread(void *arg)
{
    struct crowd *crowd = arg;

    while (use_tasks(crowd->pool, 1) == 0)
        ;
    mp__add(&crowd->callbacks, 1);
    return NULL;
}

START_TEST(terminated_under_the_feet_of_threads)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    struct crowd *crowd;

    use_method(_i);
    crowd = crowd_of(2);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, wait_in_thread, crowd);
    wait_until(stats_of(crowd->pool).done > 100, 20);
    must(mp_pool_terminate(crowd->pool));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(mp__load(&crowd->callbacks), THREADS);
    must(mp_pool_destroy(crowd->pool));
    must(mp_free(crowd));
}
END_TEST

/* ---- Processes ---- */

static int
use_in_process(void *arg)
{
    struct user *user = arg;
    int r = use_all(user->crowd, user->number);

    while (r >= 0 && (r = mp_pool_callbacks(user->crowd->pool, soon())) > 0)
        ;
    return r < 0;
}

static void
must_end_well(mp_process *process)
{
    int code;

    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(process));
}

START_TEST(many_processes_of_all_methods)
{
    enum { PROCESSES = 9 };
    mp_process *processes[PROCESSES];
    struct crowd *crowd;

    for (int method = METHODS_FROM; method < METHODS_TO; method++)
        use_method(method);
    use_method(_i);
    crowd = crowd_of(2);
    for (int i = 0; i < PROCESSES; i++) {
        struct user user = {.crowd = crowd, .number = i};

        must(mp_process_start(&processes[i], use_in_process, &user,
                              sizeof(user),
                              MP_PROCESS_ATTR(.method = 1 + i % 3)));
    }
    for (int i = 0; i < PROCESSES; i++)
        must_end_well(processes[i]);
    ck_assert_uint_eq(mp__load(&crowd->callbacks), PROCESSES * ROUNDS);
    crowd_end(crowd);
}
END_TEST

/* A user dies with callbacks outstanding: its own are lost, nobody else's. */
static int
die_with_callbacks(void *arg)
{
    struct crowd *crowd = *(struct crowd **)arg;

    for (int i = 0; i < 20; i++)
        use_callbacks(crowd);
    return raise(SIGKILL);
}

START_TEST(users_that_die_take_nothing_along)
{
    struct crowd *crowd;
    uint64_t before;

    use_method(_i);
    crowd = crowd_of(2);
    ck_assert_int_eq(use_all(crowd, 0), 0);
    while (must(mp_pool_callbacks(crowd->pool, soon())) > 0)
        ;
    ck_assert_uint_eq(mp__load(&crowd->callbacks), ROUNDS);
    for (int i = 0; i < 10; i++) {
        mp_process *process;

        must(mp_process_start(&process, die_with_callbacks, &crowd,
                              sizeof(crowd), NULL));
        ck_assert_int_eq(use_callbacks(crowd), 0);
        must(mp_process_join(process, MP_FOREVER));
        must(mp_process_close(process));
    }
    while (must(mp_pool_callbacks(crowd->pool, soon())) > 0)
        ;
    ck_assert_uint_eq(mp__load(&crowd->callbacks), ROUNDS + 10);
    wait_until(
        stats_of(crowd->pool).queued + stats_of(crowd->pool).running == 0, 20);
    before = stats_of(crowd->pool).done;
    ck_assert_uint_eq(before, stats_of(crowd->pool).submitted);
    crowd_end(crowd);
}
END_TEST

/* A worker that a user has started works for everybody: it does not end with
 * that user, with somebody else's task in its hands. */
struct errand {
    mp_pool *pool;
    struct gate gate;
};

static int
start_a_worker(void *arg)
{
    struct errand *errand = arg;
    char c;

    if (mp_pool_apply(errand->pool, echo, NULL, 0, NULL) < 0 ||
        mp_queue_put(errand->gate.begun, &(pid_t){getpid()}, sizeof(pid_t),
                     MP_FOREVER) < 0)
        return 1;
    return mp_queue_get(errand->gate.pass, &c, 1, MP_FOREVER) < 0;
}

START_TEST(G32_worker_outlives_the_process_that_started_it)
{
    struct gate gate = gate_open();
    struct errand errand = {.gate = gate_open()};
    mp_process *user;
    mp_result *result;
    pid_t pid, worker;

    use_method(_i);
    errand.pool = pool_of(1);
    await_workers(errand.pool, 1, &worker);
    /* Until it comes to its gate only the user is in calls on the pool. */
    ck_assert_int_eq(kill(worker, SIGKILL), 0);
    wait_until(is_gone(worker), 10);
    must(mp_process_start(&user, start_a_worker, &errand, sizeof(errand),
                          NULL));
    gate_await(errand.gate);
    result = submit_to_gate(errand.pool, gate);
    pid = gate_await(gate);
    ck_assert_int_ne(pid, worker);
    gate_let_go(errand.gate);
    must_end_well(user);
    gate_let_go(gate);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), 0);
    must(mp_result_free(result));
    end_pool(errand.pool);
    gate_close(gate);
    gate_close(errand.gate);
}
END_TEST

/* ---- The maker is dead ---- */

struct legacy {
    struct crowd crowd;
    struct gate gate;
    mp_result *running, *queued, *map;
    int items[20];
    int dies; /* else it leaves */
};

static int
make_and_go(void *arg)
{
    struct legacy *legacy = *(struct legacy **)arg;
    mp_pool *pool;

    if (mp_pool_create(&pool, 1, NULL) < 0)
        return 1;
    legacy->crowd.pool = pool;
    if (mp_pool_apply_async(pool, wait_at_gate, &legacy->gate,
                            sizeof(legacy->gate), NULL,
                            &legacy->running) < 0 ||
        mp_pool_apply_async(pool, echo, "queued", 6, NULL, &legacy->queued) <
            0 ||
        mp_pool_map_async(pool, negate, legacy->items, sizeof(int), NULL,
                          sizeof(int), 20, NULL, &legacy->map) < 0)
        return 2;
    gate_await(legacy->gate);
    if (legacy->dies)
        raise(SIGKILL);
    return 0;
}

/* Its workers ended with it: what one was running has failed, all that had not
 * begun is done by others, and the pool can be used, and ended, by anybody. */
START_TEST(pool_goes_on_without_its_maker)
{
    struct legacy *legacy = mp_new(struct legacy);
    mp_process *maker;
    char text[8];
    int out[20];

    use_method(_i / 2);
    legacy->gate = gate_open();
    legacy->dies = _i % 2;
    for (int i = 0; i < 20; i++)
        legacy->items[i] = i;
    must(mp_process_start(&maker, make_and_go, &legacy, sizeof(legacy), NULL));
    must(mp_process_join(maker, MP_FOREVER));
    must(mp_process_close(maker));
    ck_assert_int_eq(mp_result_get(legacy->running, NULL, 0, soon()), -ESRCH);
    ck_assert_int_eq(mp_result_get(legacy->queued, text, sizeof(text), soon()),
                     6);
    ck_assert_int_eq(mp_result_get(legacy->map, out, sizeof(out), soon()),
                     sizeof(out));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(out[i], -i);
    must(mp_result_free(legacy->running));
    must(mp_result_free(legacy->queued));
    must(mp_result_free(legacy->map));
    ck_assert_int_eq(use_all(&legacy->crowd, 1), 0);
    must(mp_pool_resize(legacy->crowd.pool, 2));
    end_pool(legacy->crowd.pool);
    gate_close(legacy->gate);
    must(mp_free(legacy));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pool-crowd");
    TCase *threads = pool_case(suite, "threads", 60);
    TCase *processes = pool_case(suite, "processes", 60);
    TCase *maker = pool_case(suite, "maker", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    if (mp_test_may_fork_with_threads()) {
        tcase_add_loop_test(threads, many_threads_of_one_process, from, to);
        tcase_add_loop_test(threads, terminated_under_the_feet_of_threads,
                            from, to);
    }
    tcase_add_loop_test(processes, many_processes_of_all_methods, from, to);
    tcase_add_loop_test(processes, users_that_die_take_nothing_along, from,
                        to);
    tcase_add_loop_test(
        processes, G32_worker_outlives_the_process_that_started_it, from, to);
    tcase_add_loop_test(maker, pool_goes_on_without_its_maker, 2 * from,
                        2 * to);
    return pool_main(suite);
}
