/* SPDX-License-Identifier: MIT */
/* mp_describe() of pools and results. */
#include "os/clock.h"
#include "pool/crew.h"
#include "report/report.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The pid of the worker at a post. */
static int
pid_at(mp_pool *pool, int post)
{
    mp_process *list[8];

    ck_assert_int_gt(mp_pool_workers(pool, list, 8), post);
    return (int)mp_process_pid(list[post]);
}

START_TEST(describe_pool_at_work)
{
    mp_pool *pool = pool_of(2);
    struct gate gate = gate_open();
    mp_result *results[4];
    int pids[2];

    await_workers(pool, 2, (pid_t[2]){0});
    for (int i = 0; i < 2; i++)
        pids[i] = pid_at(pool, i);
    await_report(pool,
                 "pool @ \"Pool-1\": running; 2 workers; 0 in its queue\n"
                 "  pid %d (Pool-1:1) has nothing to do\n"
                 "  pid %d (Pool-1:2) has nothing to do\n",
                 pids[0], pids[1]);
    for (int i = 0; i < 4; i++)
        results[i] = submit_to_gate(pool, gate);
    for (int i = 0; i < 2; i++)
        gate_await(gate);
    ck_assert_ptr_nonnull(
        strstr(report_of(pool), ": running; 2 workers; 2 in its queue\n"));
    ck_assert_ptr_nonnull(strstr(report_of(pool), " (Pool-1:1) runs task "));
    ck_assert_ptr_nonnull(strstr(report_of(pool), " (Pool-1:2) runs task "));
    ck_assert_ptr_nonnull(strstr(report_of(results[0]),
                                 "result @ of task 3 in pool @ \"Pool-1\": "
                                 "running at pid "));
    expect_report(results[3], "result @ of task 6 in pool @ \"Pool-1\": "
                              "queued; nobody waits\n");
    for (int i = 0; i < 4; i++)
        gate_let_go(gate);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(end_of(results[i]), 0);
    expect_report(results[3], "result @ of task 6 in pool @ \"Pool-1\": done, "
                              "0 bytes; nobody waits\n");
    for (int i = 0; i < 4; i++)
        must(mp_result_free(results[i]));
    ck_assert_int_eq(mp_describe(results[0], stdout), -EBADF);
    gate_close(gate);
    end_pool(pool);
    ck_assert_int_eq(mp_describe(pool, stdout), -EBADF);
}
END_TEST

static int
fail_loudly(mp_task *task)
{
    return mp_task_fail(task, "no such\nfile");
}

START_TEST(describe_results_that_have_ended)
{
    mp_result *failed, *killed, *cancelled, *running, *queued;
    struct gate gate = gate_open();
    mp_pool *pool;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.name = "p")));
    must(mp_pool_apply(pool, fail_loudly, NULL, 0, &failed));
    must(mp_pool_apply(pool, kill_self, NULL, 0, &killed));
    running = submit_to_gate(pool, gate);
    gate_await(gate);
    cancelled = submit_to_gate(pool, gate);
    queued = submit_to_gate(pool, gate);
    must(mp_result_cancel(cancelled));
    expect_report(failed,
                  "result @ of task 1 in pool @ \"p\": failed with %d: no "
                  "such?file; nobody waits\n",
                  -EREMOTEIO);
    ck_assert_ptr_nonnull(
        strstr(report_of(killed), "\"p\": failed with -3: worker p:1 (pid "));
    expect_report(cancelled, "result @ of task 4 in pool @ \"p\": cancelled; "
                             "nobody waits\n");
    must(mp_pool_terminate(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    expect_report(pool,
                  "pool @ \"p\": terminated; 1 worker; 2 in its queue\n");
    ck_assert_int_eq(mp_result_ready(queued), 1);
    must(mp_pool_destroy(pool));
    expect_report(running, "result @ of task 3: ended by the end of its pool; "
                           "nobody waits\n");
    expect_report(queued, "result @ of task 5: ended by the end of its pool; "
                          "nobody waits\n");
    must(mp_result_free(failed));
    must(mp_result_free(killed));
    must(mp_result_free(cancelled));
    must(mp_result_free(running));
    must(mp_result_free(queued));
    gate_close(gate);
}
END_TEST

static int
refuse(void *unused)
{
    (void)unused;
    return 7;
}

START_TEST(describe_broken_pool_says_why)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.initializer = refuse)));
    while (mp_pool_apply(pool, echo, NULL, 0, NULL) != -ESRCH)
        ;
    ck_assert_ptr_nonnull(strstr(report_of(pool),
                                 ": broken (its initializer failed in every "
                                 "worker; the last: worker "));
    must(mp_pool_destroy(pool));
}
END_TEST

/* ---- Who waits ---- */

static void *
await_result(void *result)
{
    return mp_result_wait(result, MP_FOREVER) < 0 ? result : NULL;
}

static void *
await_pool(void *pool)
{
    return mp_pool_join(pool, MP_FOREVER) < 0 ? pool : NULL;
}

static pthread_t
begin(void *(*f)(void *), void *arg)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, f, arg), 0);
    return thread;
}

static void
end(pthread_t thread)
{
    void *failed;

    ck_assert_int_eq(pthread_join(thread, &failed), 0);
    ck_assert_ptr_null(failed);
}

START_TEST(describe_who_waits_for_a_task_and_a_pool)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result = submit_to_gate(pool, gate);
    pthread_t waiter = begin(await_result, result), joiner;
    mp_time until;

    wait_until(strstr(report_of(result), "; 1 waits\n  pid ") != NULL, 20);
    until = mp_timeout(1.3); /* longer than a slice */
    wait_until(mp__now() > until, 20);
    ck_assert(report_time(result, " waits for ") >= 1.29);
    must(mp_pool_close(pool));
    joiner = begin(await_pool, pool);
    wait_until(strstr(report_of(pool), " waits for #, for its end\n"), 20);
    ck_assert_ptr_nonnull(strstr(report_of(pool), "\": closed; 1 worker; "));
    gate_let_go(gate);
    end(waiter);
    end(joiner);
    must(mp_result_free(result));
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

struct map {
    mp_pool *pool;
    struct gate gate;
};

static int
map_at_gate(const void *item, void *result, void *ctx)
{
    struct gate *gate = ctx;
    pid_t pid = getpid();
    char c;

    (void)item;
    (void)result;
    return mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
                   mp_queue_get(gate->pass, &c, 1, MP_FOREVER) < 0
               ? -EIO
               : 0;
}

static void *
call_map(void *arg)
{
    struct map *map = arg;
    int items[3] = {0};

    return mp_pool_map(map->pool, map_at_gate, items, sizeof(int), NULL, 0, 3,
                       MP_MAP_ATTR(.ctx = &map->gate,
                                   .ctx_size = sizeof(map->gate),
                                   .chunk = 1)) < 0
               ? arg
               : NULL;
}

START_TEST(describe_pool_at_a_map)
{
    struct map map = {pool_of(1), gate_open()};
    pthread_t caller = begin(call_map, &map);

    gate_await(map.gate);
    gate_let_go(map.gate);
    gate_await(map.gate);
    wait_until(strstr(report_of(map.pool),
                      " waits for #, for a map of 3 items, 2 begun\n"),
               20);
    ck_assert_ptr_nonnull(
        strstr(report_of(map.pool), ":1) maps item 1 of 3\n"));
    gate_let_go(map.gate);
    gate_let_go(map.gate);
    gate_await(map.gate);
    end(caller);
    ck_assert_ptr_null(strstr(report_of(map.pool), "map of"));
    end_pool(map.pool);
    gate_close(map.gate);
}
END_TEST

START_TEST(describe_result_of_a_map)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    int items[3] = {0};
    mp_result *result;

    must(mp_pool_map_async(
        pool, map_at_gate, items, sizeof(int), NULL, 0, 3,
        MP_MAP_ATTR(.ctx = &gate, .ctx_size = sizeof(gate), .chunk = 1),
        &result));
    gate_await(gate);
    expect_report(result, "result @ of map 1 in pool @ \"Pool-1\": 3 items, "
                          "1 begun; nobody waits\n");
    for (int i = 0; i < 3; i++)
        gate_let_go(gate);
    must(mp_result_wait(result, MP_FOREVER));
    expect_report(result, "result @ of map 1 in pool @ \"Pool-1\": 3 items, "
                          "done; nobody waits\n");
    end_pool(pool);
    expect_report(result, "result @ of map 1: 3 items, done; nobody waits\n");
    must(mp_result_free(result));
    ck_assert_int_eq(mp_describe(result, stdout), -EBADF);
    gate_close(gate);
}
END_TEST

START_TEST(describe_pool_that_has_shrunk)
{
    mp_pool *pool = pool_of(3);

    await_workers(pool, 3, (pid_t[3]){0});
    must(mp_pool_resize(pool, 1));
    wait_until(mp_pool_workers(pool, NULL, 0) == 1, 20);
    wait_until(!strstr(report_of(pool), "leaves") &&
                   !strstr(report_of(pool), "has died"),
               20);
    /* What called the idle ones is taken by whoever is left. */
    wait_until(strstr(report_of(pool),
                      ": running; 1 worker; 0 in its queue\n") != NULL,
               20);
    ck_assert_ptr_null(strstr(report_of(pool), "nobody works"));
    end_pool(pool);
}
END_TEST

/* ---- Workers that die ---- */

START_TEST(describe_pool_with_a_dead_worker)
{
    mp_pool *pool = pool_of(1);
    int pid;

    await_workers(pool, 1, (pid_t[1]){0});
    pid = pid_at(pool, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    await_report(pool,
                 "pool @ \"Pool-1\": running; 1 worker; 0 in its queue\n"
                 "  pid %d (Pool-1:1) has died, nobody has noticed yet\n",
                 pid);
    end_pool(pool);
}
END_TEST

/* ---- While others are at it ---- */

struct busy {
    void *volatile pool, *volatile result;
    volatile int over;
};

/* Makes, uses and destroys pools, whose workers die now and then. */
static int
make_pools(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_result *result;
        mp_pool *pool;

        if (mp_pool_create(&pool, 2, NULL) < 0)
            return 1;
        busy->pool = pool;
        for (int i = 0; i < 20; i++) {
            if (mp_pool_apply_async(pool, i == 9 ? kill_self : echo, "x", 1,
                                    NULL, &result) < 0)
                return 1;
            busy->result = result;
            if (mp_result_wait(result, MP_FOREVER) < 0 ||
                mp_result_free(result) < 0)
                return 1;
        }
        if (mp_pool_destroy(pool) < 0)
            return 1;
    }
    return 0;
}

START_TEST(describe_pools_while_they_come_and_go)
{
    struct busy *busy = mp_new(struct busy);
    mp_process *maker;
    int code;

    must(mp_process_start(&maker, make_pools, &busy, sizeof(busy), NULL));
    wait_until(busy->result != NULL, 20);
    ck_assert_int_gt(report_in_loop(&busy->pool, "pool ", 1), 0);
    ck_assert_int_gt(report_in_loop(&busy->result, "result ", 1), 0);
    busy->over = 1;
    must(mp_process_join(maker, MP_FOREVER));
    must(mp_process_exitcode(maker, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(maker));
    must(mp_free(busy));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("describe");
    TCase *tcase = pool_case(suite, "reports", 60);

    tcase_add_test(tcase, describe_pool_at_work);
    tcase_add_test(tcase, describe_results_that_have_ended);
    tcase_add_test(tcase, describe_broken_pool_says_why);
    tcase_add_test(tcase, describe_who_waits_for_a_task_and_a_pool);
    tcase_add_test(tcase, describe_pool_at_a_map);
    tcase_add_test(tcase, describe_result_of_a_map);
    tcase_add_test(tcase, describe_pool_that_has_shrunk);
    tcase_add_test(tcase, describe_pool_with_a_dead_worker);
    tcase_add_test(tcase, describe_pools_while_they_come_and_go);
    return pool_main(suite);
}
