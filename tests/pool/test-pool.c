/* SPDX-License-Identifier: MIT */
/* Pools: made, closed, terminated, destroyed; bad input. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- Bad input ---- */

START_TEST(create_bad_arguments_einval)
{
    static const mp_pool_attr attrs[] = {
        {.size = sizeof(mp_pool_attr), .flags = 2},
        {.size = sizeof(mp_pool_attr), .method = 99},
        {.size = sizeof(mp_pool_attr), .method = -1},
        {.size = sizeof(mp_pool_attr), .reserved = 1},
        {.size = sizeof(mp_pool_attr), .initializer_size = 1},
        {.size = sizeof(mp_pool_attr),
         .name = "forty-one bytes are one more than allowed"},
        {.size = 4},
    };
    static const int workers[] = {-1, 1001, 2000};
    mp_pool *pool = NULL;

    for (size_t i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
        ck_assert_int_eq(mp_pool_create(&pool, workers[i], NULL), -EINVAL);
        expect_text("mp_pool_create");
        expect_text("workers");
    }
    for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
        ck_assert_int_eq(mp_pool_create(&pool, 1, &attrs[i]), -EINVAL);
    ck_assert_int_eq(mp_pool_create(NULL, 1, NULL), -EINVAL);
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(create_unknown_field_e2big)
{
    struct {
        mp_pool_attr known;
        uint64_t more;
    } attr = {.known.size = sizeof(attr), .more = 1};
    mp_pool *pool;

    ck_assert_int_eq(mp_pool_create(&pool, 1, &attr.known), -E2BIG);
    attr.more = 0;
    must(mp_pool_create(&pool, 1, &attr.known));
    end_pool(pool);
}
END_TEST

static int
never_called(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return 0;
}

static void
expect_no_pool(mp_pool *pool)
{
    mp_process *list[1];
    mp_result *result;
    int item = 1;

    ck_assert_int_eq(mp_pool_apply(pool, echo, NULL, 0, &result), -EBADF);
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &result),
                     -EBADF);
    expect_text("pool");
    ck_assert_int_eq(
        mp_pool_map(pool, never_called, &item, sizeof(item), NULL, 0, 1, NULL),
        -EBADF);
    ck_assert_int_eq(mp_pool_close(pool), -EBADF);
    ck_assert_int_eq(mp_pool_terminate(pool), -EBADF);
    ck_assert_int_eq(mp_pool_join(pool, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_pool_workers(pool, list, 1), -EBADF);
    if (pool)
        ck_assert_int_eq(mp_pool_destroy(pool), -EBADF);
}

START_TEST(foreign_handles_ebadf)
{
    static char zeroes[256];
    mp_pool *pool = pool_of(1);
    mp_queue *queue;
    void *block = mp_alloc(64);

    must(mp_queue_create(&queue, NULL));
    end_pool(pool);
    expect_no_pool(pool);
    expect_no_pool(NULL);
    expect_no_pool((mp_pool *)(void *)zeroes);
    expect_no_pool((mp_pool *)(void *)queue);
    expect_no_pool((mp_pool *)block);
    expect_no_pool((mp_pool *)(void *)((char *)pool + 1));
    must(mp_pool_destroy(NULL));
    must(mp_free(block));
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Workers ---- */

START_TEST(workers_work_in_each_method)
{
    pid_t pids[3];
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(3);
    await_workers(pool, 3, pids);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ne(pids[i], getpid());
        ck_assert_int_ne(pids[i], pids[(i + 1) % 3]);
    }
    end_pool(pool);
}
END_TEST

START_TEST(workers_are_named_daemons)
{
    mp_process *list[8] = {NULL};
    pid_t pids[3];
    mp_pool *pool;

    must(mp_pool_create(&pool, 3, MP_POOL_ATTR(.name = "squares")));
    await_workers(pool, 3, pids);
    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), 3);
    ck_assert_int_eq(mp_pool_workers(pool, list, 2), 3);
    ck_assert_ptr_null(list[2]);
    ck_assert_int_eq(mp_pool_workers(pool, list, 8), 3);
    for (int i = 0; i < 3; i++) {
        char name[32];

        snprintf(name, sizeof(name), "squares:%d", i + 1);
        ck_assert_str_eq(mp_process_name(list[i]), name);
        ck_assert_int_eq(mp_process_is_daemon(list[i]), 1);
        ck_assert_int_eq(mp_process_is_alive(list[i]), 1);
    }
    end_pool(pool);
}
END_TEST

START_TEST(pool_is_named_by_number)
{
    mp_process *list[1];
    mp_pool *pool = pool_of(1);

    ck_assert_int_eq(mp_pool_workers(pool, list, 1), 1);
    ck_assert_str_eq(mp_process_name(list[0]), "Pool-1:1"); /* the first */
    end_pool(pool);
}
END_TEST

START_TEST(zero_workers_is_cpu_count)
{
    mp_pool *pool = pool_of(0);

    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), mp_cpu_count());
    end_pool(pool);
}
END_TEST

START_TEST(more_workers_than_one_can_watch)
{
    enum { MANY = 150 };
    mp_pool *pool = pool_of(MANY);
    mp_result *results[2 * MANY];

    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), MANY);
    for (int i = 0; i < 2 * MANY; i++)
        must(mp_pool_apply_async(pool, i % 10 ? echo : kill_self, &i,
                                 sizeof(i), NULL, &results[i]));
    for (int i = 0; i < 2 * MANY; i++) {
        ck_assert_int_eq(end_of(results[i]), i % 10 ? (int)sizeof(i) : -ESRCH);
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
}
END_TEST

START_TEST(pool_leaves_no_memory)
{
    uint64_t before;
    char big[100000] = {0};
    int items[100] = {0};
    mp_result *result;
    mp_pool *pool;

    before = heap_use();
    must(mp_pool_create(
        &pool, 2,
        MP_POOL_ATTR(.initializer_arg = big, .initializer_size = 1000)));
    must(mp_pool_apply(pool, echo, big, sizeof(big), NULL));
    must(mp_pool_apply_async(pool, echo, big, sizeof(big), NULL, NULL));
    must(mp_pool_apply_async(pool, kill_self, big, sizeof(big), NULL, NULL));
    must(mp_pool_apply(pool, echo, big, sizeof(big), &result));
    must(mp_result_free(result));
    must(mp_pool_map(pool, never_called, items, sizeof(int), items,
                     sizeof(int), 100,
                     MP_MAP_ATTR(.ctx = big, .ctx_size = 5)));
    end_pool(pool);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Initializers ---- */

struct setup {
    mp__a32 *runs;
    int number;
};

static struct setup *my_setup;

static int
remember_setup(void *arg)
{
    my_setup = arg;
    my_setup->number += (int)mp__add(my_setup->runs, 1);
    return 0;
}

static int
return_setup(mp_task *task)
{
    return mp_task_return(task, &my_setup->number, sizeof(int));
}

START_TEST(initializer_runs_first_in_each_worker)
{
    struct setup setup = {.number = 100};
    int seen[2] = {0}, number;
    mp_result *result;
    pid_t pids[2];
    mp_pool *pool;

    use_method(_i);
    setup.runs = mp_new(mp__a32);
    must(mp_pool_create(&pool, 2,
                        MP_POOL_ATTR(.initializer = remember_setup,
                                     .initializer_arg = &setup,
                                     .initializer_size = sizeof(setup))));
    await_workers(pool, 2, pids);
    ck_assert_uint_eq(mp__load(setup.runs), 2);
    for (int i = 0; i < 20; i++) {
        must(mp_pool_apply(pool, return_setup, NULL, 0, &result));
        must(mp_result_get(result, &number, sizeof(number), MP_NOW));
        must(mp_result_free(result));
        ck_assert(number == 100 || number == 101); /* a copy for each */
        seen[number - 100]++;
    }
    ck_assert_int_eq(seen[0] + seen[1], 20);
    ck_assert_int_eq(setup.number, 100);
    end_pool(pool);
    must(mp_free((void *)setup.runs));
}
END_TEST

/* ---- The end ---- */

START_TEST(closed_pool_does_what_it_has)
{
    enum { TASKS = 200 };
    struct gate gate = gate_open();
    mp_result *first, *results[TASKS], *none = NULL;
    mp_pool *pool = pool_of(1);

    first = submit_to_gate(pool, gate);
    for (int i = 0; i < TASKS; i++)
        must(
            mp_pool_apply_async(pool, echo, &i, sizeof(i), NULL, &results[i]));
    must(mp_pool_close(pool));
    must(mp_pool_close(pool));
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &none),
                     -ESHUTDOWN);
    ck_assert_int_eq(mp_pool_apply(pool, echo, NULL, 0, &none), -ESHUTDOWN);
    expect_text("closed");
    ck_assert_ptr_null(none);
    ck_assert_int_eq(mp_pool_join(pool, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_pool_join(pool, mp_timeout(0.01)), -ETIMEDOUT);
    gate_let_go(gate);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_join(pool, MP_NOW));
    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), 0);
    for (int i = 0; i < TASKS; i++) {
        int number = -1;

        ck_assert_int_eq(
            mp_result_get(results[i], &number, sizeof(number), MP_NOW),
            sizeof(number));
        ck_assert_int_eq(number, i);
        must(mp_result_free(results[i]));
    }
    must(mp_result_free(first));
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(join_of_running_pool_einval)
{
    mp_pool *pool = pool_of(1);

    ck_assert_int_eq(mp_pool_join(pool, MP_FOREVER), -EINVAL);
    expect_text("neither closed nor terminated");
    end_pool(pool);
}
END_TEST

START_TEST(waiting_is_interrupted)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result = submit_to_gate(pool, gate);
    struct interruption *interruption;

    gate_await(gate);
    interruption = interrupt_me();
    ck_assert_int_eq(mp_result_wait(result, MP_FOREVER), -EINTR);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -EINTR);
    must(mp_pool_close(pool));
    ck_assert_int_eq(mp_pool_join(pool, MP_FOREVER), -EINTR);
    interrupt_end(interruption);
    gate_let_go(gate);
    ck_assert_int_eq(end_of(result), 0);
    must(mp_result_free(result));
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(terminate_cancels_what_has_not_ended)
{
    struct gate gate = gate_open();
    mp_result *running, *queued, *done, *none;
    mp_pool *pool = pool_of(1);
    int item = 1;

    must(mp_pool_apply(pool, echo, NULL, 0, &done));
    running = submit_to_gate(pool, gate);
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &queued));
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, NULL));
    gate_await(gate);
    must(mp_pool_terminate(pool));
    ck_assert_int_eq(mp_result_ready(running), 1);
    ck_assert_int_eq(mp_result_ready(queued), 1);
    ck_assert_int_eq(mp_result_successful(running), 0);
    ck_assert_int_eq(mp_result_get(running, NULL, 0, MP_NOW), -ECANCELED);
    expect_text("terminated");
    ck_assert_int_eq(mp_result_get(queued, NULL, 0, MP_NOW), -ECANCELED);
    mp_test_text(mp_result_error(queued), "terminated");
    ck_assert_int_eq(mp_result_get(done, NULL, 0, MP_NOW), 0);
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &none),
                     -ECANCELED);
    ck_assert_int_eq(
        mp_pool_map(pool, never_called, &item, sizeof(item), NULL, 0, 1, NULL),
        -ECANCELED);
    must(mp_pool_terminate(pool));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
    must(mp_result_free(running));
    must(mp_result_free(queued));
    must(mp_result_free(done));
    gate_close(gate);
}
END_TEST

START_TEST(destroy_leaves_results_readable)
{
    struct gate gate = gate_open();
    uint64_t before;
    mp_result *running, *queued, *done;
    char text[1000] = "a result that lies in a block of its own", copy[1000];
    mp_pool *pool;

    before = heap_use();
    pool = pool_of(1);
    must(mp_pool_apply(pool, echo, text, sizeof(text), &done));
    running = submit_to_gate(pool, gate);
    must(mp_pool_apply_async(pool, echo, text, sizeof(text), NULL, &queued));
    gate_await(gate);
    must(mp_pool_destroy(pool)); /* of a pool that runs */
    ck_assert_int_eq(mp_result_get(done, copy, sizeof(copy), MP_FOREVER),
                     sizeof(text));
    ck_assert_str_eq(copy, text);
    ck_assert_int_eq(mp_result_wait(running, MP_FOREVER), 0);
    ck_assert_int_eq(end_of(running), -ECANCELED);
    ck_assert_int_eq(end_of(queued), -ECANCELED);
    ck_assert_int_eq(mp_result_cancel(queued), -EALREADY);
    must(mp_result_free(done));
    must(mp_result_free(running));
    must(mp_result_free(queued));
    ck_assert_uint_eq(heap_use(), before);
    gate_close(gate);
}
END_TEST

/* ---- Owners and terminals ---- */

/* Makes a pool whose worker is busy for ever, tells about it, and leaves. */
static int
leave_pool_behind(void *arg)
{
    struct gate *gate = arg;
    mp_pool *pool = pool_of(2);

    submit_to_gate(pool, *gate);
    submit_to_gate(pool, *gate);
    return 0;
}

static int
stay_with_pool(void *arg)
{
    leave_pool_behind(arg);
    for (;;)
        pause();
    return 0;
}

START_TEST(G31_exit_never_hangs)
{
    struct gate gate = gate_open();
    mp_process *process;
    int code;

    use_method(_i);
    must(mp_process_start(&process, leave_pool_behind, &gate, sizeof(gate),
                          NULL));
    must(mp_process_join(process, mp_timeout(20 * mp_test_scale())));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(process));
    gate_close(gate); /* the fixture finds workers that are left */
}
END_TEST

START_TEST(G31_workers_end_with_their_owner)
{
    struct gate gate = gate_open();
    mp_process *process;
    pid_t pids[2];

    use_method(_i);
    must(
        mp_process_start(&process, stay_with_pool, &gate, sizeof(gate), NULL));
    pids[0] = gate_await(gate);
    pids[1] = gate_await(gate);
    must(mp_process_kill(process));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    for (int i = 0; i < 2; i++)
        wait_until(
            process_state(pids[i]) == 0 || process_state(pids[i]) == 'Z', 10);
    gate_close(gate);
}
END_TEST

START_TEST(G34_workers_ignore_sigint)
{
    pid_t before[2], after[2];
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    await_workers(pool, 2, before);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(kill(before[i], SIGINT), 0);
    await_workers(pool, 2, after);
    ck_assert(after[0] == before[0] || after[0] == before[1]);
    ck_assert(after[1] == before[0] || after[1] == before[1]);
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pool");
    TCase *input = pool_case(suite, "input", 10);
    TCase *workers = pool_case(suite, "workers", 30);
    TCase *end = pool_case(suite, "end", 30);
    TCase *owner = pool_case(suite, "owner", 30);

    tcase_add_test(input, create_bad_arguments_einval);
    tcase_add_test(input, create_unknown_field_e2big);
    tcase_add_test(input, foreign_handles_ebadf);
    tcase_add_loop_test(workers, workers_work_in_each_method, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(workers, workers_are_named_daemons);
    tcase_add_test(workers, pool_is_named_by_number);
    tcase_add_test(workers, zero_workers_is_cpu_count);
    tcase_add_test(workers, more_workers_than_one_can_watch);
    tcase_add_test(workers, pool_leaves_no_memory);
    tcase_add_loop_test(workers, initializer_runs_first_in_each_worker,
                        MP_FORK, MP_FORKSERVER + 1);
    tcase_add_test(end, closed_pool_does_what_it_has);
    tcase_add_test(end, join_of_running_pool_einval);
    tcase_add_test(end, waiting_is_interrupted);
    tcase_add_test(end, terminate_cancels_what_has_not_ended);
    tcase_add_test(end, destroy_leaves_results_readable);
    tcase_add_loop_test(owner, G31_exit_never_hangs, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(owner, G31_workers_end_with_their_owner, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(owner, G34_workers_ignore_sigint, MP_FORK,
                        MP_FORKSERVER + 1);
    return pool_main(suite);
}
