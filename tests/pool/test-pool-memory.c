/* SPDX-License-Identifier: MIT */
/* The family's memory is full: each function of the pool either works or says
 * -ENOMEM, and then nothing has happened; what was submitted before is done;
 * and as soon as there is memory again, all is as it was.
 *
 * The program makes its region small (main), and a ballast fills it. */
#include "pool/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ballast: a chain of blocks ---- */

struct link {
    struct link *next;
};

static struct link *ballast;

/* Takes all that there is, down to the smallest block. */
static void
fill_memory(void)
{
    for (size_t size = (size_t)1 << 24; size >= sizeof(struct link);
         size -= (size + 7) / 8) {
        struct link *link;

        while ((link = mp_alloc(size)) != NULL) {
            link->next = ballast;
            ballast = link;
        }
    }
}

/* Gives some of it back; 0: there was none. */
static int
drop_ballast(int n)
{
    int any = ballast != NULL;

    for (; n > 0 && ballast; n--) {
        struct link *next = ballast->next;

        must(mp_free(ballast));
        ballast = next;
    }
    return any;
}

/* ---- What is asked for meanwhile ---- */

static char some[100000];

static int
copy_item(const void *item, void *result, void *ctx)
{
    (void)ctx;
    memcpy(result, item, 1000);
    return 0;
}

static int
give_item(void *item, void *arg)
{
    int *left = arg;

    memset(item, 1, 1000);
    return (*left)-- > 0;
}

static int
try_small_task(mp_pool *pool)
{
    return mp_pool_apply(pool, echo, some, 10, NULL);
}

static int
try_large_task(mp_pool *pool)
{
    return mp_pool_apply(pool, echo, some, sizeof(some), NULL);
}

static void
ignore_end(mp_result *result, void *arg)
{
    (void)result;
    *(int *)arg += 1;
}

static int
try_callback(mp_pool *pool)
{
    int called = 0;
    int r = mp_pool_apply_async(pool, echo, NULL, 0,
                                MP_TASK_ATTR(.callback = ignore_end,
                                             .callback_arg = &called,
                                             .priority = 2),
                                NULL);

    while (r == 0 && called == 0)
        must(mp_pool_callbacks(pool, soon()));
    return r;
}

static int
try_map(mp_pool *pool)
{
    static char out[sizeof(some)];

    return mp_pool_map(pool, copy_item, some, 1000, out, 1000,
                       sizeof(some) / 1000, NULL);
}

static int
try_map_async(mp_pool *pool)
{
    static char out[sizeof(some)];
    mp_result *result;
    int r = mp_pool_map_async(pool, copy_item, some, 1000, out, 1000,
                              sizeof(some) / 1000, NULL, &result);

    if (r < 0)
        return r;
    must(mp_result_wait(result, soon()));
    r = mp_result_successful(result) == 1
            ? 0
            : (int)mp_result_get(result, out, sizeof(out), MP_NOW);
    must(mp_result_free(result));
    return r;
}

static int
try_imap(mp_pool *pool)
{
    static char result[1000];
    int left = 20, r;
    mp_imap *imap;

    r = mp_pool_imap(pool, copy_item, give_item, &left, 1000, 1000, NULL,
                     &imap);
    if (r < 0)
        return r;
    while ((r = mp_imap_next(imap, result, NULL, soon())) == 1)
        ;
    must(mp_imap_free(imap));
    return r;
}

static int
try_pool(mp_pool *unused)
{
    mp_pool *pool;
    int r = mp_pool_create(&pool, 1,
                           MP_POOL_ATTR(.initializer_arg = some,
                                        .initializer_size = sizeof(some),
                                        .cpus = "all"));

    (void)unused;
    if (r == 0)
        end_pool(pool);
    return r;
}

static int
try_resize(mp_pool *pool)
{
    int r = mp_pool_resize(pool, 40);

    must(mp_pool_resize(pool, 1));
    return r;
}

static const struct {
    const char *name;
    int (*fn)(mp_pool *pool);
} tries[] = {
    {"small task", try_small_task},
    {"large task", try_large_task},
    {"callback", try_callback},
    {"map", try_map},
    {"map_async", try_map_async},
    {"imap", try_imap},
    {"pool", try_pool},
    {"resize", try_resize},
};

START_TEST(full_memory_is_an_error_of_the_call_and_no_more)
{
    mp_pool *pool = pool_of(1);
    int refused = 0, r;

    fill_memory();
    while ((r = tries[_i].fn(pool)) != 0) {
        ck_assert_msg(r == -ENOMEM, "%s: %s: %s", tries[_i].name,
                      mp_strerror(r), mp_last_error());
        refused++;
        ck_assert_msg(drop_ballast(refused), "%s: refused with memory free",
                      tries[_i].name);
    }
    ck_assert_msg(refused > 0 || _i == 0, "%s: memory was not full",
                  tries[_i].name);
    while (drop_ballast(1000))
        ;
    for (size_t i = 0; i < LENGTH(tries); i++)
        must(tries[i].fn(pool));
    end_pool(pool);
}
END_TEST

/* Nothing is lost on the way: neither by the calls that were refused, nor by
 * those that got half of what they wanted. */
START_TEST(refused_calls_leave_nothing)
{
    mp_pool *pool = pool_of(1);
    pid_t pid;
    uint64_t before;

    must(tries[_i].fn(pool));
    await_workers(pool, 1, &pid);
    before = heap_use();
    fill_memory();
    for (int more = 1; tries[_i].fn(pool) == -ENOMEM; more++)
        ck_assert(drop_ballast(more));
    while (drop_ballast(1000))
        ;
    await_workers(pool, 1, &pid);
    wait_until(heap_use() <= before, 10);
    end_pool(pool);
}
END_TEST

/* ---- As many tasks as there is room for ---- */

START_TEST(tasks_until_the_memory_is_full_are_all_done)
{
    enum { MOST = 2000000 };
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *blocker = submit_to_gate(pool, gate);
    mp_result **results = calloc(MOST, sizeof(*results));
    int n = 0, r;

    gate_await(gate);
    while ((r = mp_pool_apply_async(pool, echo, some, 1000, NULL,
                                    &results[n])) == 0)
        ck_assert_int_lt(++n, MOST);
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_int_gt(n, 1000);
    gate_let_go(gate);
    for (int i = 0; i < n; i++) {
        static char back[1000];

        r = (int)mp_result_get(results[i], back, sizeof(back), soon());
        /* The first results find no memory, and say so. */
        ck_assert_msg(r == sizeof(back) || r == -ENOMEM, "task %d of %d: %s",
                      i, n, mp_last_error());
        must(mp_result_free(results[i]));
    }
    must(mp_result_free(blocker));
    for (size_t i = 0; i < LENGTH(tries); i++)
        must(tries[i].fn(pool));
    end_pool(pool);
    gate_close(gate);
    free(results);
}
END_TEST

/* A worker that dies while there is no memory is replaced when there is. */
START_TEST(death_in_full_memory)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result = submit_stuck(pool, sleep_for_ever, gate, NULL);
    pid_t pid = gate_await(gate);

    fill_memory();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, soon()), -ESRCH);
    while (drop_ballast(1000))
        ;
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pool-memory");
    TCase *full;

    setenv("MPROC_REGION_SIZE", "16M", 1);
    full = pool_case(suite, "full", 120);
    tcase_add_loop_test(full, full_memory_is_an_error_of_the_call_and_no_more,
                        0, (int)LENGTH(tries));
    tcase_add_loop_test(full, refused_calls_leave_nothing, 0,
                        (int)LENGTH(tries));
    tcase_add_test(full, tasks_until_the_memory_is_full_are_all_done);
    tcase_add_test(full, death_in_full_memory);
    return pool_main(suite);
}
