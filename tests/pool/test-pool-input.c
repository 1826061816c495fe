/* SPDX-License-Identifier: MIT */
/* Bad input: each function of mproc/pool.h refuses it, says which argument is
 * to blame, changes nothing, and writes no out-parameter. */
#include "pool/kit.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static int
do_item(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return 0;
}

static int
no_item(void *item, void *arg)
{
    (void)item;
    (void)arg;
    return 0;
}

static int
do_nothing(mp_task *task)
{
    (void)task;
    return 0;
}

static void
ignore_result(mp_result *result, void *arg)
{
    (void)result;
    (void)arg;
}

/* ---- mp_pool_create() ---- */

static const struct {
    mp_pool_attr attr;
    const char *word;
} bad_pools[] = {
    {{.flags = 2}, "flags"},
    {{.flags = UINT32_MAX}, "flags"},
    {{.method = -1}, "method"},
    {{.method = 4}, "method"},
    {{.reserved = 1}, "reserved"},
    {{.reserved2 = -1}, "reserved2"},
    {{.name = "forty-one bytes are one more than allowed"}, "name"},
    {{.initializer_size = 1}, "initializer_arg"},
    {{.task_timeout = -1}, "task_timeout"},
    {{.task_timeout = (double)NAN}, "task_timeout"},
    {{.least = -1}, "least"},
    {{.least = 1, .idle_timeout = -1}, "idle_timeout"},
    {{.least = 1, .idle_timeout = 0.001}, "idle_timeout"},
    {{.least = 1, .idle_timeout = (double)NAN}, "idle_timeout"},
    {{.cpus = ""}, "cpus"},
    {{.cpus = "nonsense"}, "cpus"},
    {{.cpus = "0-"}, "cpus"},
    {{.cpus = "99999"}, "cpus"},
    {{.threads = -2}, "threads"},
};

START_TEST(pool_attributes)
{
    mp_pool *pool = (mp_pool *)8;
    mp_pool_attr attr = bad_pools[_i].attr;

    attr.size = sizeof(attr);
    must_fail(mp_pool_create(&pool, 2, &attr), -EINVAL, "mp_pool_create");
    expect_text(bad_pools[_i].word);
    ck_assert_ptr_eq(pool, (mp_pool *)8);
}
END_TEST

START_TEST(pool_arguments)
{
    static const int workers[] = {-1, INT32_MIN, 1001, INT32_MAX};
    mp_pool *pool = (mp_pool *)8;
    uint64_t before = heap_use();

    for (size_t i = 0; i < LENGTH(workers); i++) {
        must_fail(mp_pool_create(&pool, workers[i], NULL), -EINVAL, "workers");
        expect_text("mp_pool_create");
    }
    must_fail(mp_pool_create(NULL, 1, NULL), -EINVAL, "ret_pool");
    ck_assert_ptr_eq(pool, (mp_pool *)8);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Attributes in general: sizes of older and newer programs ---- */

typedef int create_fn(mp_pool *pool, const void *attr);

static int
with_pool_attr(mp_pool *unused, const void *attr)
{
    mp_pool *pool;
    int r = mp_pool_create(&pool, 1, attr);

    (void)unused;
    return r < 0 ? r : mp_pool_destroy(pool);
}

static int
with_task_attr(mp_pool *pool, const void *attr)
{
    return mp_pool_apply_async(pool, do_nothing, NULL, 0, attr, NULL);
}

static int
with_map_attr(mp_pool *pool, const void *attr)
{
    return mp_pool_map(pool, do_item, NULL, 0, NULL, 0, 1, attr);
}

static int
with_async_attr(mp_pool *pool, const void *attr)
{
    return mp_pool_map_async(pool, do_item, NULL, 0, NULL, 0, 1, attr, NULL);
}

static int
with_imap_attr(mp_pool *pool, const void *attr)
{
    mp_imap *imap;
    int r = mp_pool_imap(pool, do_item, no_item, NULL, 1, 0, attr, &imap);

    return r < 0 ? r : mp_imap_free(imap);
}

static int
with_unordered_attr(mp_pool *pool, const void *attr)
{
    mp_imap *imap;
    int r = mp_pool_imap_unordered(pool, do_item, no_item, NULL, 1, 0, attr,
                                   &imap);

    return r < 0 ? r : mp_imap_free(imap);
}

static const struct {
    create_fn *create;
    size_t size;
} takers[] = {
    {with_pool_attr, sizeof(mp_pool_attr)},
    {with_task_attr, sizeof(mp_task_attr)},
    {with_map_attr, sizeof(mp_map_attr)},
    {with_async_attr, sizeof(mp_map_attr)},
    {with_imap_attr, sizeof(mp_map_attr)},
    {with_unordered_attr, sizeof(mp_map_attr)},
};

START_TEST(attributes_of_any_size)
{
    uint32_t words[128] = {0}, size = (uint32_t)takers[_i].size;
    create_fn *create = takers[_i].create;
    mp_pool *pool = pool_of(1);

    for (uint32_t small = 0; small < 8; small++) {
        words[0] = small;
        must_fail(create(pool, words), -EINVAL, "size");
    }
    words[0] = 8; /* as before there were other fields */
    must(create(pool, words));
    words[0] = size;
    must(create(pool, words));
    words[0] = size + 16; /* of a later version, */
    must(create(pool, words));
    words[size / 4 + 2] = 1; /*   with a field that this one does not know */
    ck_assert_int_eq(create(pool, words), -E2BIG);
    words[0] = 8;
    words[1] = 1u << 31;
    must_fail(create(pool, words), -EINVAL, "flags");
    end_pool(pool);
}
END_TEST

/* ---- Tasks ---- */

static const struct {
    mp_task_attr attr;
    const char *word;
} bad_tasks[] = {
    {{.flags = 1}, "flags"},
    {{.priority = 4}, "priority"},
    {{.priority = -4}, "priority"},
    {{.priority = INT32_MIN}, "priority"},
    {{.timeout = (double)NAN}, "timeout"},
    {{.soft_timeout = -1}, "soft_timeout"},
    {{.soft_timeout = (double)NAN}, "soft_timeout"},
};

START_TEST(task_attributes)
{
    mp_result *result = (mp_result *)8;
    mp_pool *pool = pool_of(1);

    for (size_t i = 0; i < LENGTH(bad_tasks); i++) {
        mp_task_attr attr = bad_tasks[i].attr;

        attr.size = sizeof(attr);
        must_fail(
            mp_pool_apply_async(pool, do_nothing, NULL, 0, &attr, &result),
            -EINVAL, "mp_pool_apply_async");
        expect_text(bad_tasks[i].word);
    }
    ck_assert_ptr_eq(result, (mp_result *)8);
    ck_assert_uint_eq(stats_of(pool).submitted, 0);
    end_pool(pool);
}
END_TEST

START_TEST(task_arguments)
{
    mp_result *result = (mp_result *)8;
    mp_pool *pool = pool_of(1);

    must_fail(mp_pool_apply(pool, NULL, NULL, 0, &result), -EINVAL,
              "mp_pool_apply: the function");
    must_fail(mp_pool_apply_async(pool, NULL, NULL, 0, NULL, &result), -EINVAL,
              "mp_pool_apply_async: the function");
    must_fail(mp_pool_apply(pool, do_nothing, NULL, 1, &result), -EINVAL,
              "arg");
    must_fail(mp_pool_apply_async(pool, do_nothing, NULL, 1, NULL, &result),
              -EINVAL, "arg");
    ck_assert_int_eq(
        mp_pool_apply_async(pool, do_nothing, "", SIZE_MAX, NULL, &result),
        -ENOMEM);
    ck_assert_ptr_eq(result, (mp_result *)8);
    end_pool(pool);
}
END_TEST

/* What a function may not do, in the worker. */
static int
misuse(mp_task *task)
{
    mp_task *strange = (mp_task *)(void *)((char *)task + 64);
    size_t size = 77;

    if (mp_task_return(task, NULL, 1) != -EINVAL ||
        !strstr(mp_last_error(), "data"))
        return mp_task_fail(task, "data is NULL");
    if (mp_task_return(strange, "x", 1) != -EBADF ||
        mp_task_fail(strange, "x") != -EBADF ||
        mp_task_cancelled(strange) != -EBADF ||
        mp_task_attempt(strange) != -EBADF ||
        mp_task_arg(strange, &size) != NULL || size != 77 ||
        mp_task_state(strange) != NULL)
        return mp_task_fail(task, "no such task");
    return 0;
}

START_TEST(misuse_in_a_task)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_apply(pool, misuse, NULL, 0, &result));
    ck_assert_msg(mp_result_successful(result) == 1, "not refused: %s",
                  mp_result_error(result));
    must(mp_result_free(result));
    ck_assert_ptr_null(mp_worker_state()); /* outside of workers */
    end_pool(pool);
}
END_TEST

START_TEST(result_arguments)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    char c;

    must(mp_pool_apply(pool, echo, "abc", 3, &result));
    must_fail((int)mp_result_get(result, NULL, 3, MP_NOW), -EINVAL, "buf");
    must_fail((int)mp_result_get(result, &c, 1, MP_NOW), -EMSGSIZE, "3 bytes");
    must(mp_result_free(result));
    must(mp_result_free(NULL));
    must(mp_imap_free(NULL));
    must(mp_pool_destroy(NULL));
    end_pool(pool);
}
END_TEST

/* ---- Maps ---- */

static const struct {
    mp_map_attr attr;
    const char *word;
    int of_imap; /* it is refused by these, 1: too, 2: only */
} bad_maps[] = {
    {{.flags = 1}, "flags", 1},
    {{.ctx_size = 1}, "ctx", 1},
    {{.timeout = (double)NAN}, "timeout", 1},
    {{.codes = (int32_t *)8}, "codes", 2},
    {{.chunk = 1}, "chunk", 2},
    {{.callback = ignore_result}, "callback", 2},
    {{.error_callback = ignore_result}, "callback", 2},
};

static void
refused_by_maps(mp_pool *pool, const mp_map_attr *attr, const char *word)
{
    mp_result *result = (mp_result *)8;
    int in[2] = {0}, out[2] = {0};

    ck_assert_msg(mp_pool_map(pool, do_item, in, 4, out, 4, 2, attr) ==
                      -EINVAL,
                  "bad .%s is accepted", word);
    expect_text(word);
    expect_text("mp_pool_map");
    must_fail(
        mp_pool_map_async(pool, do_item, in, 4, out, 4, 2, attr, &result),
        -EINVAL, word);
    expect_text("mp_pool_map_async");
    ck_assert_ptr_eq(result, (mp_result *)8);
}

static void
refused_by_imaps(mp_pool *pool, const mp_map_attr *attr, const char *word)
{
    mp_imap *imap = (mp_imap *)8;

    ck_assert_msg(mp_pool_imap(pool, do_item, no_item, NULL, 4, 4, attr,
                               &imap) == -EINVAL,
                  "bad .%s is accepted", word);
    expect_text(word);
    expect_text("mp_pool_imap");
    must_fail(mp_pool_imap_unordered(pool, do_item, no_item, NULL, 4, 4, attr,
                                     &imap),
              -EINVAL, word);
    expect_text("mp_pool_imap_unordered");
    ck_assert_ptr_eq(imap, (mp_imap *)8);
}

START_TEST(map_attributes)
{
    mp_pool *pool = pool_of(1);

    for (size_t i = 0; i < LENGTH(bad_maps); i++) {
        mp_map_attr attr = bad_maps[i].attr;

        attr.size = sizeof(attr);
        if (bad_maps[i].of_imap < 2)
            refused_by_maps(pool, &attr, bad_maps[i].word);
        if (bad_maps[i].of_imap)
            refused_by_imaps(pool, &attr, bad_maps[i].word);
    }
    end_pool(pool);
}
END_TEST

START_TEST(map_arguments)
{
    mp_pool *pool = pool_of(1);
    int in[2] = {0}, out[2];

    must_fail(mp_pool_map(pool, NULL, in, 4, out, 4, 2, NULL), -EINVAL,
              "mp_pool_map: the function");
    must_fail(mp_pool_map(pool, do_item, NULL, 4, out, 4, 2, NULL), -EINVAL,
              "in is NULL");
    must_fail(mp_pool_map(pool, do_item, in, 4, NULL, 4, 2, NULL), -EINVAL,
              "out is NULL");
    must_fail(mp_pool_map(pool, do_item, in, 4, out, 4, SIZE_MAX / 2, NULL),
              -EINVAL, "items");
    must_fail(mp_pool_map(pool, do_item, in, SIZE_MAX, out, 4, 2, NULL),
              -EINVAL, "items");
    must_fail(mp_pool_map_async(pool, NULL, in, 4, out, 4, 2, NULL, NULL),
              -EINVAL, "mp_pool_map_async: the function");
    must_fail(mp_pool_map_async(pool, do_item, NULL, 4, out, 4, 2, NULL, NULL),
              -EINVAL, "in is NULL");
    must_fail(mp_pool_map_async(pool, do_item, in, 4, out, 4, SIZE_MAX / 2,
                                NULL, NULL),
              -EINVAL, "items");
    end_pool(pool);
}
END_TEST

START_TEST(imap_arguments)
{
    mp_imap *imap = (mp_imap *)8;
    mp_pool *pool = pool_of(1);
    int in[1] = {0};

    must_fail(mp_pool_imap(pool, NULL, no_item, NULL, 4, 4, NULL, &imap),
              -EINVAL, "function");
    must_fail(mp_pool_imap(pool, do_item, NULL, NULL, 4, 4, NULL, &imap),
              -EINVAL, "next");
    must_fail(mp_pool_imap(pool, do_item, no_item, NULL, 4, 4, NULL, NULL),
              -EINVAL, "ret_imap");
    must_fail(mp_pool_imap(pool, do_item, no_item, NULL, 4, 4,
                           MP_MAP_ATTR(.window = UINT64_MAX), &imap),
              -EINVAL, "window");
    ck_assert_ptr_eq(imap, (mp_imap *)8);
    ck_assert_int_eq(mp_imap_next(NULL, NULL, NULL, MP_NOW), -EBADF);
    must(mp_pool_imap(pool, do_item, no_item, NULL, 4, 4, NULL, &imap));
    must_fail(mp_imap_next(imap, NULL, NULL, MP_NOW), -EINVAL, "result");
    ck_assert_int_eq(mp_imap_next(imap, in, NULL, MP_NOW), 0);
    must(mp_imap_free(imap));
    ck_assert_int_eq(mp_imap_next(imap, in, NULL, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_imap_free(imap), -EBADF);
    end_pool(pool);
}
END_TEST

/* ---- The pool as a whole ---- */

START_TEST(pool_calls)
{
    static const int workers[] = {0, -1, 1001, INT32_MIN, INT32_MAX};
    mp_pool_statistics stats = {0};
    mp_pool *pool = pool_of(1);

    for (size_t i = 0; i < LENGTH(workers); i++) {
        must_fail(mp_pool_resize(pool, workers[i]), -EINVAL, "workers");
        expect_text("mp_pool_resize");
    }
    must_fail(mp_pool_stats(pool, NULL), -EINVAL, "ret_statistics");
    must_fail(mp_pool_stats(pool, &stats), -EINVAL, "size");
    expect_text("mp_pool_stats");
    must_fail(mp_pool_join(pool, MP_FOREVER), -EINVAL, "mp_pool_join");
    must_fail(mp_pool_workers(pool, NULL, 1), -EINVAL, "list");
    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), 1);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 0);
    end_pool(pool);
}
END_TEST

/* ---- Handles that are none ---- */

static void
is_no_pool(mp_pool *pool)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_imap *imap;
    int item = 0;

    must_fail(mp_pool_apply(pool, do_nothing, NULL, 0, NULL), -EBADF, "pool");
    ck_assert_int_eq(
        mp_pool_apply_async(pool, do_nothing, NULL, 0, NULL, NULL), -EBADF);
    for (size_t i = 2; i < LENGTH(takers); i++)
        ck_assert_int_eq(takers[i].create(pool, NULL), -EBADF);
    ck_assert_int_eq(mp_pool_map(pool, do_item, &item, 4, NULL, 0, 1, NULL),
                     -EBADF);
    ck_assert_int_eq(
        mp_pool_imap(pool, do_item, no_item, NULL, 4, 0, NULL, &imap), -EBADF);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_pool_fd(pool), -EBADF);
    ck_assert_int_eq(mp_pool_close(pool), -EBADF);
    ck_assert_int_eq(mp_pool_terminate(pool), -EBADF);
    ck_assert_int_eq(mp_pool_join(pool, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_pool_resize(pool, 2), -EBADF);
    ck_assert_int_eq(mp_pool_workers(pool, NULL, 0), -EBADF);
    ck_assert_int_eq(mp_pool_stats(pool, &stats), -EBADF);
    if (pool)
        ck_assert_int_eq(mp_pool_destroy(pool), -EBADF);
}

static void
is_no_result(mp_result *result)
{
    ck_assert_int_eq(mp_result_wait(result, MP_FOREVER), -EBADF);
    ck_assert_int_eq(mp_result_ready(result), -EBADF);
    ck_assert_int_eq(mp_result_successful(result), -EBADF);
    must_fail((int)mp_result_get(result, NULL, 0, MP_FOREVER), -EBADF,
              "a result");
    ck_assert_ptr_null(mp_result_error(result));
    ck_assert_int_eq(mp_result_cancel(result), -EBADF);
    if (result)
        ck_assert_int_eq(mp_result_free(result), -EBADF);
}

START_TEST(G36_handles_that_are_none)
{
    static char zeroes[4096] __attribute__((aligned(64)));
    mp_pool *gone = pool_of(1), *pool = pool_of(1);
    mp_result *task, *map;
    mp_queue *queue;
    void *block = mp_alloc(4096);

    must(mp_queue_create(&queue, NULL));
    must(mp_pool_apply(pool, do_nothing, NULL, 0, &task));
    must(mp_pool_map_async(pool, do_item, NULL, 0, NULL, 0, 3, NULL, &map));
    end_pool(gone);
    void *none[] = {gone,  NULL, zeroes, queue, (char *)pool + 64,
                    block, task, map};
    for (size_t i = 0; i < LENGTH(none); i++)
        is_no_pool(none[i]);
    ck_assert_int_eq(mp_result_wait(map, soon()), 0);
    must(mp_result_free(task));
    must(mp_result_free(map));
    none[3] = pool;
    for (size_t i = 0; i < LENGTH(none); i++)
        is_no_result(none[i]);
    is_no_result((mp_result *)(void *)queue);
    end_pool(pool);
    must(mp_free(block));
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pool-input");
    TCase *pools = pool_case(suite, "pools", 30);
    TCase *tasks = pool_case(suite, "tasks", 30);
    TCase *maps = pool_case(suite, "maps", 30);

    tcase_add_loop_test(pools, pool_attributes, 0, (int)LENGTH(bad_pools));
    tcase_add_test(pools, pool_arguments);
    tcase_add_loop_test(pools, attributes_of_any_size, 0, (int)LENGTH(takers));
    tcase_add_test(pools, pool_calls);
    tcase_add_test(pools, G36_handles_that_are_none);
    tcase_add_test(tasks, task_attributes);
    tcase_add_test(tasks, task_arguments);
    tcase_add_test(tasks, misuse_in_a_task);
    tcase_add_test(tasks, result_arguments);
    tcase_add_test(maps, map_attributes);
    tcase_add_test(maps, map_arguments);
    tcase_add_test(maps, imap_arguments);
    return pool_main(suite);
}
