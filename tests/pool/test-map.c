/* SPDX-License-Identifier: MIT */
/* Maps. */
#include "pool/maps.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
map_and_wait(mp_pool *pool, size_t n, int shared_in, int shared_out)
{
    int *in = numbers(shared_in, n);
    int64_t *out = array(shared_out, n + 1, sizeof(int64_t));

    out[n] = 99;
    must(mp_pool_map(pool, square, in, sizeof(int), out, sizeof(int64_t), n,
                     NULL));
    expect_squares(out, n);
    ck_assert_int_eq(out[n], 99);
    free_array(shared_in, in);
    free_array(shared_out, out);
}

START_TEST(squares_of_any_number_of_items)
{
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    for (int kind = 0; kind < 4; kind++) {
        map_and_wait(pool, 0, kind & 1, kind & 2);
        map_and_wait(pool, 1, kind & 1, kind & 2);
        map_and_wait(pool, 17, kind & 1, kind & 2);
        map_and_wait(pool, 1000000, kind & 1, kind & 2);
    }
    end_pool(pool);
}
END_TEST

START_TEST(map_leaves_no_memory)
{
    mp_pool *pool = pool_of(3);
    pid_t pids[3];
    uint64_t before;

    map_and_wait(pool, 1000, 0, 0);
    await_workers(pool, 3, pids); /* all are out of the map */
    before = heap_use();
    for (int i = 0; i < 20; i++)
        map_and_wait(pool, 1000, i & 1, i & 2);
    await_workers(pool, 3, pids);
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
}
END_TEST

/* ---- Arguments ---- */

struct context {
    mp__a32 *runs;
    int factor;
};

static int
multiply(const void *item, void *result, void *ctx)
{
    struct context *c = ctx;

    mp__add(c->runs, 1);
    if (result)
        *(int *)result = *(const int *)item * c->factor;
    return 0;
}

START_TEST(context_is_copied_if_it_has_a_size)
{
    struct context c = {.runs = mp_new(mp__a32), .factor = 3};
    struct context *shared = mp_new(struct context);
    int in[5] = {1, 2, 3, 4, 5}, out[5];
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    must(mp_pool_map(pool, multiply, in, sizeof(int), out, sizeof(int), 5,
                     MP_MAP_ATTR(.ctx = &c, .ctx_size = sizeof(c))));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(out[i], 3 * in[i]);
    *shared = c;
    must(mp_pool_map(pool, multiply, in, sizeof(int), NULL, 0, 5,
                     MP_MAP_ATTR(.ctx = shared)));
    ck_assert_uint_eq(mp__load(c.runs), 10);
    end_pool(pool);
    must(mp_free((void *)c.runs));
    must(mp_free(shared));
}
END_TEST

static int
look_at_result(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)ctx;
    *(int *)result += 1;
    return 0;
}

START_TEST(results_are_zeroed_but_not_in_the_family)
{
    mp_pool *pool = pool_of(1);
    int *shared = mp_new_array(int, 3);
    int own[3] = {7, 7, 7};

    for (int i = 0; i < 3; i++)
        shared[i] = 7;
    must(mp_pool_map(pool, look_at_result, own, sizeof(int), own, sizeof(int),
                     3, NULL));
    must(mp_pool_map(pool, look_at_result, shared, sizeof(int), shared,
                     sizeof(int), 3, NULL));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(own[i], 1);
        ck_assert_int_eq(shared[i], 8);
    }
    end_pool(pool);
    must(mp_free(shared));
}
END_TEST

START_TEST(chunk_is_obeyed)
{
    enum { ITEMS = 1000, CHUNK = 7 };
    static pid_t pids[ITEMS];
    mp_pool *pool = pool_of(3);

    must(mp_pool_map(pool, tell_pid, NULL, 0, pids, sizeof(pid_t), ITEMS,
                     MP_MAP_ATTR(.chunk = CHUNK)));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(pids[i], pids[i / CHUNK * CHUNK]);
    must(mp_pool_map(pool, tell_pid, NULL, 0, pids, sizeof(pid_t), ITEMS,
                     MP_MAP_ATTR(.chunk = 2 * ITEMS)));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(pids[i], pids[0]);
    end_pool(pool);
}
END_TEST

START_TEST(bad_arguments_einval)
{
    static const mp_map_attr unknown = {.size = sizeof(unknown), .flags = 1};
    mp_pool *pool = pool_of(1);
    int in[2] = {0}, out[2];

    ck_assert_int_eq(mp_pool_map(pool, NULL, in, 4, out, 4, 2, NULL), -EINVAL);
    ck_assert_int_eq(mp_pool_map(pool, square, NULL, 4, out, 4, 2, NULL),
                     -EINVAL);
    ck_assert_int_eq(mp_pool_map(pool, square, in, 4, NULL, 4, 2, NULL),
                     -EINVAL);
    expect_text("out is NULL");
    ck_assert_int_eq(mp_pool_map(pool, square, in, 4, out, 4, 2, &unknown),
                     -EINVAL);
    ck_assert_int_eq(mp_pool_map(pool, square, in, 4, out, 4, 2,
                                 MP_MAP_ATTR(.ctx_size = 4)),
                     -EINVAL);
    ck_assert_int_eq(
        mp_pool_map(pool, square, in, 4, out, 4, SIZE_MAX / 2, NULL), -EINVAL);
    ck_assert_int_eq(
        mp_pool_map(pool, square, in, SIZE_MAX / 8, out, 4, 2, NULL), -ENOMEM);
    must(mp_pool_map(pool, square, NULL, 4, NULL, 4, 0, NULL));
    end_pool(pool);
}
END_TEST

/* ---- Failure ---- */

/* The item is the code to fail with. */
static int
fail_as_told(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = *(const int *)item + 1;
    return *(const int *)item;
}

START_TEST(lowest_failure_is_told_and_all_are_done)
{
    enum { ITEMS = 10000 };
    static int in[ITEMS], out[ITEMS];
    mp_pool *pool = pool_of(3);

    for (int first = 0; first < ITEMS; first += 613) {
        char text[32];

        for (int i = 0; i < ITEMS; i++)
            in[i] = i < first ? i : i == first ? -ERANGE : -ENOSPC;
        memset(out, 0, sizeof(out));
        ck_assert_int_eq(mp_pool_map(pool, fail_as_told, in, sizeof(int), out,
                                     sizeof(int), ITEMS, NULL),
                         -ERANGE);
        snprintf(text, sizeof(text), "item %d failed: ", first);
        expect_text(text);
        expect_text(mp_strerror(-ERANGE));
        for (int i = 0; i < ITEMS; i++)
            if (out[i] != in[i] + 1)
                ck_abort_msg("item %d: %d", i, out[i]);
    }
    end_pool(pool);
}
END_TEST

/* ---- The end of the pool, or of the caller ---- */

START_TEST(closed_pool_eshutdown)
{
    mp_pool *pool = pool_of(1);
    int in[2] = {0};
    int64_t out[2];

    must(mp_pool_close(pool));
    ck_assert_int_eq(mp_pool_map(pool, square, in, sizeof(int), out,
                                 sizeof(int64_t), 2, NULL),
                     -ESHUTDOWN);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}
END_TEST

/* Items that say that they run, and then wait. */
static int
hold_at_gate(const void *item, void *result, void *ctx)
{
    struct gate *gate = ctx;
    pid_t pid = getpid();
    char c;

    (void)item;
    (void)result;
    mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER);
    return (int)mp_queue_get(gate->pass, &c, 1, MP_FOREVER);
}

struct map_call {
    mp_pool *pool;
    struct gate gate;
    _Atomic pid_t tid; /* of the caller */
    uint64_t chunk;
    int r;
};

static void *
map_at_gate(void *arg)
{
    struct map_call *call = arg;

    call->tid = gettid();
    call->r = mp_pool_map(call->pool, hold_at_gate, NULL, 0, NULL, 0, 1000,
                          MP_MAP_ATTR(.ctx = &call->gate,
                                      .ctx_size = sizeof(call->gate),
                                      .chunk = call->chunk));
    return NULL;
}

START_TEST(terminated_meanwhile_ecanceled)
{
    struct map_call call = {.pool = pool_of(2), .gate = gate_open()};
    pthread_t thread;

    pthread_create(&thread, NULL, map_at_gate, &call);
    gate_await(call.gate);
    must(mp_pool_terminate(call.pool));
    pthread_join(thread, NULL);
    ck_assert_int_eq(call.r, -ECANCELED);
    must(mp_pool_destroy(call.pool));
    gate_close(call.gate);
}
END_TEST

static void
do_nothing(int sig)
{
    (void)sig;
}

START_TEST(interrupted_map_is_abandoned)
{
    struct sigaction action = {.sa_handler = do_nothing};
    struct map_call call = {
        .pool = pool_of(2), .gate = gate_open(), .chunk = 10};
    pthread_t thread;
    uint64_t before;

    sigaction(SIGUSR1, &action, NULL);
    must(mp_pool_apply(call.pool, echo, NULL, 0, NULL));
    before = heap_use();
    pthread_create(&thread, NULL, map_at_gate, &call);
    gate_await(call.gate);
    gate_await(call.gate);
    wait_until(thread_state(getpid(), call.tid) == 'S', 10);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(call.r, -EINTR);
    /* Two items are running; no other begins. */
    gate_let_go(call.gate);
    gate_let_go(call.gate);
    must(mp_pool_apply(call.pool, echo, NULL, 0, NULL));
    must(mp_pool_close(call.pool));
    must(mp_pool_join(call.pool, MP_FOREVER));
    ck_assert_uint_eq(mp_queue_size(call.gate.begun), 0);
    must(mp_pool_destroy(call.pool));
    ck_assert_uint_lt(heap_use(), before);
    gate_close(call.gate);
}
END_TEST

static int
map_in_child(void *arg)
{
    map_at_gate(arg);
    return 1;
}

START_TEST(killed_callers_map_is_abandoned)
{
    struct map_call call = {
        .pool = pool_of(2), .gate = gate_open(), .chunk = 1};
    mp_process *process;
    uint64_t before;

    must(mp_pool_apply(call.pool, echo, NULL, 0, NULL));
    before = heap_use();
    must(mp_process_start(&process, map_in_child, &call, sizeof(call), NULL));
    gate_await(call.gate);
    gate_await(call.gate);
    must(mp_process_kill(process));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    gate_let_go(call.gate);
    gate_let_go(call.gate);
    map_and_wait(call.pool, 100, 0, 0); /* the pool goes on */
    wait_until(heap_use() <= before, 10);
    ck_assert_uint_eq(mp_queue_size(call.gate.begun), 0);
    end_pool(call.pool);
    gate_close(call.gate);
}
END_TEST

/* ---- Several at once ---- */

static void *
map_many_times(void *arg)
{
    mp_pool *pool = arg;

    for (int i = 0; i < 100; i++)
        map_and_wait(pool, 2000, i & 1, i & 2);
    return NULL;
}

START_TEST(several_maps_at_once)
{
    mp_pool *pool = pool_of(2);
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, map_many_times, pool);
    for (int i = 0; i < 500; i++)
        must(mp_pool_apply(pool, echo, "abc", 3, NULL));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    end_pool(pool);
}
END_TEST

static int
map_from_task(mp_task *task)
{
    mp_pool *pool = *(mp_pool **)mp_task_arg(task, NULL);
    int in[100];
    int64_t out[100];

    for (int i = 0; i < 100; i++)
        in[i] = i;
    if (mp_pool_map(pool, square, in, sizeof(int), out, sizeof(int64_t), 100,
                    NULL) < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    return out[99] == 99 * 99 ? 0 : mp_task_fail(task, "wrong");
}

START_TEST(map_within_a_task)
{
    mp_pool *pool = pool_of(2);
    mp_result *result;

    must(mp_pool_apply(pool, map_from_task, &pool, sizeof(pool), &result));
    ck_assert_msg(mp_result_successful(result) == 1, "%s",
                  mp_result_error(result));
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("map");
    TCase *items = pool_case(suite, "items", 60);
    TCase *end = pool_case(suite, "end", 30);
    TCase *several = pool_case(suite, "several", 60);

    tcase_add_loop_test(items, squares_of_any_number_of_items, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(items, map_leaves_no_memory);
    tcase_add_loop_test(items, context_is_copied_if_it_has_a_size, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(items, results_are_zeroed_but_not_in_the_family);
    tcase_add_test(items, chunk_is_obeyed);
    tcase_add_test(items, bad_arguments_einval);
    tcase_add_test(items, lowest_failure_is_told_and_all_are_done);
    tcase_add_test(end, closed_pool_eshutdown);
    tcase_add_test(end, terminated_meanwhile_ecanceled);
    tcase_add_test(end, interrupted_map_is_abandoned);
    tcase_add_test(end, killed_callers_map_is_abandoned);
    tcase_add_test(several, several_maps_at_once);
    tcase_add_test(several, map_within_a_task);
    return pool_main(suite);
}
