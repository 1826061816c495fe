/* SPDX-License-Identifier: MIT */
/* What users of process pools have asked for: who does what, when, and with how
 * much memory and how many workers. Each test is named after its row in the
 * list of such reports, or after our own guarantee. */
#include "pool/kit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- B24: "daemonic processes are not allowed to have children": a task
 * cannot have a pool. ---- */

struct doll {
    mp_pool **pools;
    int inside; /* so many pools */
};

/* The number of pools that could be made inside each other. */
static int
open_doll(mp_task *task)
{
    struct doll doll = *(struct doll *)mp_task_arg(task, NULL);
    mp_result *result;
    mp_pool *pool;
    int r = mp_pool_create(&pool, 1, NULL);

    if (r == -ELOOP)
        return mp_task_return(task, &doll.inside, sizeof(int));
    if (r < 0)
        return mp_task_fail(task, "create: %s", mp_last_error());
    doll.inside++;
    r = mp_pool_apply(pool, open_doll, &doll, sizeof(doll), &result);
    if (r == 0)
        r = (int)mp_result_get(result, &doll.inside, sizeof(int), MP_NOW);
    if (r < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    mp_result_free(result);
    mp_pool_destroy(pool);
    return mp_task_return(task, &doll.inside, sizeof(int));
}

START_TEST(B24_pools_inside_of_pools_up_to_a_depth)
{
    struct doll doll = {.inside = 1};
    mp_result *result;
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(1);
    must(mp_pool_apply(pool, open_doll, &doll, sizeof(doll), &result));
    ck_assert_msg(mp_result_successful(result) == 1, "%s",
                  mp_result_error(result));
    must(mp_result_get(result, &doll.inside, sizeof(int), MP_NOW));
    ck_assert_int_eq(doll.inside, MP_POOL_DEPTH);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

static int
size_of_pool(mp_task *task)
{
    mp_pool *pool;
    int n = mp_pool_create(&pool, 0, NULL);

    if (n < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    n = mp_pool_workers(pool, NULL, 0);
    mp_pool_destroy(pool);
    return mp_task_return(task, &n, sizeof(n));
}

START_TEST(B24_a_pool_inside_has_its_share_of_the_processors)
{
    for (int workers = 1; workers <= 5; workers += 2) {
        int n, share = mp_cpu_count() / workers;
        mp_pool *pool = pool_of(workers);
        mp_result *result;

        must(mp_pool_apply(pool, size_of_pool, NULL, 0, &result));
        must(mp_result_get(result, &n, sizeof(n), MP_NOW));
        ck_assert_int_eq(n, share > 1 ? share : 1);
        must(mp_result_free(result));
        end_pool(pool);
    }
}
END_TEST

/* ---- B25, G30: imap reads all its input first, and eats the memory. ---- */

struct source {
    uint64_t read; /* so far */
    uint64_t most; /* then it ends */
};

static int
read_number(void *item, void *arg)
{
    struct source *source = arg;

    if (source->read == source->most)
        return 0;
    *(uint64_t *)item = source->read++;
    return 1;
}

static int
square(const void *item, void *result, void *ctx)
{
    uint64_t number = *(const uint64_t *)item;

    (void)ctx;
    *(uint64_t *)result = number * number;
    return 0;
}

typedef int imap_fn(mp_pool *, mp_map_fn, mp_item_fn, void *, size_t, size_t,
                    const mp_map_attr *, mp_imap **);

static imap_fn *const imaps[] = {mp_pool_imap, mp_pool_imap_unordered};

START_TEST(G30_imap_reads_no_further_ahead_than_its_window)
{
    static const uint64_t windows[] = {1, 2, 5, 0 /* 4 for each worker */};
    mp_pool *pool;

    use_method(_i % 4);
    pool = pool_of(2);
    for (size_t w = 0; w < LENGTH(windows); w++) {
        uint64_t ahead = windows[w] ? windows[w] : 64, number, sum = 0;
        struct source source = {.most = 100};
        mp_imap *imap;
        size_t index;

        must(imaps[_i / 4](pool, square, read_number, &source, 8, 8,
                           MP_MAP_ATTR(.window = windows[w]), &imap));
        ck_assert_uint_le(source.read, ahead);
        for (uint64_t i = 0; i < 100; i++) {
            ck_assert_int_eq(mp_imap_next(imap, &number, &index, soon()), 1);
            ck_assert_uint_le(source.read, i + ahead);
            ck_assert_uint_eq(number, index * index);
            ck_assert(_i / 4 || index == i);
            sum += index;
        }
        ck_assert_uint_eq(sum, 99 * 100 / 2);
        ck_assert_int_eq(mp_imap_next(imap, &number, &index, soon()), 0);
        must(mp_imap_free(imap));
    }
    end_pool(pool);
}
END_TEST

START_TEST(B25_imap_of_an_endless_source_needs_little_memory)
{
    enum { SIZE = 100000 }; /* of each result */
    struct source source = {.most = UINT64_MAX};
    mp_memory_statistics before = {.size = sizeof(before)}, after = before;
    mp_pool *pool = pool_of(2);
    uint64_t use;
    char *result = malloc(SIZE);
    mp_imap *imap;

    must(imaps[_i](pool, square, read_number, &source, 8, SIZE, NULL, &imap));
    must(mp_imap_free(imap));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    use = heap_use();
    must(imaps[_i](pool, square, read_number, &source, 8, SIZE, NULL, &imap));
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(mp_imap_next(imap, result, NULL, soon()), 1);
    must(mp_memory_stats(&before));
    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(mp_imap_next(imap, result, NULL, soon()), 1);
    must(mp_memory_stats(&after));
    ck_assert_uint_le(after.peak, before.peak + (64 + 20) * SIZE);
    must(mp_imap_free(imap)); /* abandoned */
    ck_assert_uint_le(source.read, 550 + 64);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    wait_until(heap_use() <= use, 10);
    end_pool(pool);
    free(result);
}
END_TEST

/* ---- B28: memory grows in the workers until the machine is out of it. ---- */

static char *leaked; /* known outside: no compiler leaves the bytes out */

static int
leak(mp_task *task)
{
    size_t size = *(size_t *)mp_task_arg(task, NULL);
    pid_t pid = getpid();

    leaked = malloc(size);
    if (!leaked)
        return -ENOMEM;
    for (size_t i = 0; i < size; i += 4096)
        ((volatile char *)leaked)[i] = 1;
    return mp_task_return(task, &pid, sizeof(pid));
}

static pid_t
leak_in(mp_pool *pool, size_t size)
{
    mp_result *result;
    pid_t pid = 0;

    must(mp_pool_apply(pool, leak, &size, sizeof(size), &result));
    if (mp_result_get(result, &pid, sizeof(pid), MP_NOW) == -ENOMEM)
        pid = -ENOMEM;
    must(mp_result_free(result));
    return pid;
}

START_TEST(B28_worker_that_has_grown_is_replaced)
{
    const size_t mib = 1 << 20;
    pid_t small, large, next;
    mp_pool *pool;

    use_method(_i);
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.memory_soft = 100 * mib)));
    small = leak_in(pool, 1 * mib);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(leak_in(pool, 1000), small);
    large = leak_in(pool, 120 * mib); /* it has ended well first */
    ck_assert_int_eq(large, small);
    await_workers(pool, 1, &next);
    ck_assert_int_ne(next, large);
    ck_assert_uint_eq(stats_of(pool).replaced, 1);
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    end_pool(pool);
}
END_TEST

START_TEST(B28_hard_limit_makes_malloc_fail)
{
    const size_t mib = 1 << 20;
    mp_pool *pool;

    if (mp_test_scale() > 1) /* the build itself reserves much */
        return;
    use_method(_i);
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.memory_hard = 256 * mib)));
    ck_assert_int_gt(leak_in(pool, 10 * mib), 0);
    ck_assert_int_eq(leak_in(pool, 300 * mib), -ENOMEM);
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    end_pool(pool);
}
END_TEST

/* ---- B29: all workers are replaced at once: memory for twice as many, and
 * each copies what its owner has. ---- */

struct arrival {
    struct tide *tide;
    mp_queue *parents; /* of each worker */
};

static int
arrive(void *arg)
{
    struct arrival *arrival = arg;
    pid_t parent = getppid();

    tide_in(arrival->tide);
    return mp_queue_put(arrival->parents, &parent, sizeof(parent), MP_FOREVER);
}

static void
depart(void *arg)
{
    tide_out(((struct arrival *)arg)->tide);
}

START_TEST(B29_replacing_makes_one_more_worker_at_the_most)
{
    enum { WORKERS = 3, TASKS = 45 };
    struct arrival arrival = {.tide = tide_new()};
    mp_pool *pool;
    pid_t parent, first;

    use_method(_i);
    must(mp_queue_create(&arrival.parents, NULL));
    must(mp_pool_create(
        &pool, WORKERS,
        MP_POOL_ATTR(.tasks_per_worker = 1, .initializer = arrive,
                     .finalizer = depart, .initializer_arg = &arrival,
                     .initializer_size = sizeof(arrival))));
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, NULL));
    end_pool(pool);
    /* A successor may be there before the last of its predecessors is gone. */
    ck_assert_uint_le(mp__load(&arrival.tide->most), WORKERS + 1);
    ck_assert_uint_ge(mp__load(&arrival.tide->runs), TASKS);
    must(mp_queue_get(arrival.parents, &first, sizeof(first), MP_NOW));
    while (mp_queue_get(arrival.parents, &parent, sizeof(parent), MP_NOW) > 0)
        if (_i == MP_FORKSERVER) /* all come from the one small server */
            ck_assert_int_eq(parent, first);
    ck_assert(_i != MP_FORKSERVER || first != getpid());
    must(mp_queue_destroy(arrival.parents));
    must(mp_free(arrival.tide));
}
END_TEST

/* ---- B38: the number of workers is fixed, and idle ones stay. ---- */

START_TEST(B38_resize_starts_at_once_and_kills_nobody_who_is_busy)
{
    struct gate gate = gate_open();
    mp_result *results[5];
    mp_pool *pool;
    pid_t pids[6];

    use_method(_i);
    pool = pool_of(2);
    must(mp_pool_resize(pool, 5));
    ck_assert_int_eq(pids_of(pool, pids, 6), 5);
    for (int i = 0; i < 5; i++)
        results[i] = submit_to_gate(pool, gate);
    for (int i = 0; i < 5; i++)
        gate_await(gate); /* all at once */
    must(mp_pool_resize(pool, 1));
    ck_assert_int_eq(pids_of(pool, pids, 6), 5);
    for (int i = 0; i < 5; i++)
        gate_let_go(gate);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(mp_result_get(results[i], NULL, 0, soon()), 0);
        must(mp_result_free(results[i]));
    }
    wait_until(pids_of(pool, pids, 6) == 1, 20);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_int_eq(pids_of(pool, pids, 6), 1);
    must(mp_pool_resize(pool, 3));
    await_workers(pool, 3, pids);
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(B38_idle_workers_leave_and_come_back)
{
    struct gate gate = gate_open();
    mp_result *results[4];
    mp_pool *pool;
    pid_t pids[4];

    use_method(_i);
    must(mp_pool_create(&pool, 4,
                        MP_POOL_ATTR(.least = 1, .idle_timeout = 0.05)));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++)
            results[i] = submit_to_gate(pool, gate);
        for (int i = 0; i < 4; i++)
            gate_await(gate);
        for (int i = 0; i < 4; i++)
            gate_let_go(gate);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(mp_result_get(results[i], NULL, 0, soon()), 0);
            must(mp_result_free(results[i]));
        }
        wait_until(pids_of(pool, pids, 4) == 1, 20);
    }
    ck_assert_uint_eq(stats_of(pool).deaths, 0);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* ---- B39: what is urgent waits behind what is not. ---- */

struct entry {
    mp_queue *book;
    int32_t priority, number;
};

static int
enter_it(mp_task *task)
{
    struct entry *entry = mp_task_arg(task, NULL);

    return mp_queue_put(entry->book, entry, sizeof(*entry), MP_FOREVER);
}

START_TEST(B39_urgent_tasks_begin_first_and_equals_in_their_order)
{
    enum { TASKS = 70 };
    struct gate gate = gate_open();
    struct entry entry, last = {.priority = 4};
    mp_result *blocker;
    mp_pool *pool;

    use_method(_i);
    must(mp_queue_create(&entry.book, NULL));
    pool = pool_of(1);
    blocker = submit_to_gate(pool, gate);
    gate_await(gate);
    for (int i = 0; i < TASKS; i++) {
        entry.number = i;
        entry.priority = i * 5 % 7 - 3;
        must(mp_pool_apply_async(pool, enter_it, &entry, sizeof(entry),
                                 MP_TASK_ATTR(.priority = entry.priority),
                                 NULL));
    }
    gate_let_go(gate);
    for (int i = 0; i < TASKS; i++) {
        must(mp_queue_get(entry.book, &entry, sizeof(entry), soon()));
        ck_assert_int_le(entry.priority, last.priority);
        ck_assert(entry.priority < last.priority ||
                  entry.number > last.number);
        last = entry;
    }
    must(mp_result_free(blocker));
    end_pool(pool);
    must(mp_queue_destroy(entry.book));
    gate_close(gate);
}
END_TEST

/* ---- B41: each worker's numerical library starts a thread for every
 * processor. ---- */

static const char *const thread_names[] = {
    "OMP_NUM_THREADS",  "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS",  "VECLIB_MAXIMUM_THREADS",
    "GOTO_NUM_THREADS",
};

static int
look_up(mp_task *task)
{
    const char *value = getenv(mp_task_arg(task, NULL));

    return mp_task_return(task, value ? value : "", value ? strlen(value) : 0);
}

static void
expect_threads(int workers, int asked, const char *variable,
               const char *expected)
{
    char value[32] = "";
    mp_result *result;
    mp_pool *pool;

    must(mp_pool_create(&pool, workers, MP_POOL_ATTR(.threads = asked)));
    must(
        mp_pool_apply(pool, look_up, variable, strlen(variable) + 1, &result));
    must(mp_result_get(result, value, sizeof(value) - 1, MP_NOW));
    ck_assert_str_eq(value, expected);
    must(mp_result_free(result));
    end_pool(pool);
}

START_TEST(B41_numerical_libraries_get_their_share_of_the_processors)
{
    char share[32];

    for (size_t i = 0; i < LENGTH(thread_names); i++)
        unsetenv(thread_names[i]);
    use_method(_i);
    for (size_t i = 0; i < LENGTH(thread_names); i++) {
        snprintf(share, sizeof(share), "%d", mp_cpu_count());
        expect_threads(1, 0, thread_names[i], share);
        expect_threads(mp_cpu_count(), 0, thread_names[i], "1");
        expect_threads(1, 5, thread_names[i], "5");
        expect_threads(1, -1, thread_names[i], "");
        ck_assert_ptr_null(getenv(thread_names[i]));
        setenv(thread_names[i], "11", 1); /* somebody knows better */
        expect_threads(1, 5, thread_names[i], "11");
        unsetenv(thread_names[i]);
    }
}
END_TEST

/* ---- B42: one slow item holds up all that come behind it. ---- */

static int
wait_for_others(const void *item, void *result, void *ctx)
{
    mp__a32 *ended = ctx;
    int64_t until = mp_test_deadline(20);

    (void)result;
    if (*(const uint64_t *)item == 0)
        while (mp__load(ended) < 30)
            if (!mp_test_poll(until))
                return -ETIMEDOUT;
    mp__add(ended, 1);
    return 0;
}

START_TEST(B42_a_slow_item_holds_up_no_others)
{
    struct source source = {.most = 31};
    mp__a32 *ended = mp_new(mp__a32);
    mp_imap *imap;
    mp_pool *pool;
    size_t index = 0;
    uint64_t items[31];

    use_method(_i);
    pool = pool_of(2);
    /* The first item needs all others: a map that had given one of them to
     * its worker would never end. */
    for (uint64_t i = 0; i < 31; i++)
        items[i] = i;
    must(mp_pool_map(pool, wait_for_others, items, 8, NULL, 0, 31,
                     MP_MAP_ATTR(.ctx = (void *)ended, .chunk = 1)));
    mp__store(ended, 0);
    must(mp_pool_imap_unordered(pool, wait_for_others, read_number, &source, 8,
                                0, MP_MAP_ATTR(.ctx = (void *)ended), &imap));
    for (int i = 0; i < 31; i++) {
        ck_assert_int_eq(mp_imap_next(imap, NULL, &index, soon()), 1);
        ck_assert(index != 0 || i >= 29); /* behind what its worker let by */
    }
    must(mp_imap_free(imap));
    mp__store(ended, 0);
    source.read = 0;
    must(mp_pool_imap(pool, wait_for_others, read_number, &source, 8, 0,
                      MP_MAP_ATTR(.ctx = (void *)ended, .window = 31), &imap));
    for (size_t i = 0; i < 31; i++) {
        ck_assert_int_eq(mp_imap_next(imap, NULL, &index, soon()), 1);
        ck_assert_uint_eq(index, i);
    }
    must(mp_imap_free(imap));
    end_pool(pool);
    must(mp_free((void *)ended));
}
END_TEST

static void
add_sizes(Suite *suite)
{
    TCase *sizes = pool_case(suite, "sizes", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    tcase_add_loop_test(sizes, B28_worker_that_has_grown_is_replaced, from,
                        to);
    tcase_add_loop_test(sizes, B28_hard_limit_makes_malloc_fail, from, to);
    tcase_add_loop_test(sizes,
                        B29_replacing_makes_one_more_worker_at_the_most,
                        from, to);
    tcase_add_loop_test(sizes,
                        B38_resize_starts_at_once_and_kills_nobody_who_is_busy,
                        from, to);
    tcase_add_loop_test(sizes, B38_idle_workers_leave_and_come_back, from, to);
    tcase_add_loop_test(
        sizes, B41_numerical_libraries_get_their_share_of_the_processors, from,
        to);
}

int
main(void)
{
    Suite *suite = suite_create("asked-scheduling");
    TCase *depth = pool_case(suite, "depth", 60);
    TCase *order = pool_case(suite, "order", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    tcase_add_loop_test(depth, B24_pools_inside_of_pools_up_to_a_depth, from,
                        to);
    tcase_add_test(depth, B24_a_pool_inside_has_its_share_of_the_processors);
    tcase_add_loop_test(order, G30_imap_reads_no_further_ahead_than_its_window,
                        from, to);
    tcase_add_loop_test(order, G30_imap_reads_no_further_ahead_than_its_window,
                        4 + from, 4 + to);
    tcase_add_loop_test(order,
                        B25_imap_of_an_endless_source_needs_little_memory, 0,
                        (int)LENGTH(imaps));
    tcase_add_loop_test(order,
                        B39_urgent_tasks_begin_first_and_equals_in_their_order,
                        from, to);
    tcase_add_loop_test(order, B42_a_slow_item_holds_up_no_others, from, to);
    add_sizes(suite);
    return pool_main(suite);
}
