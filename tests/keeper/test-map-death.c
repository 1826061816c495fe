/* SPDX-License-Identifier: MIT */
/* Maps whose workers die. */
#include "pool/crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the items of a map are told, and what they note. */
struct notes {
    struct gate gate;
    mp__a32 runs[1000]; /* of each item */
    mp__a32 refuse;     /* for an initializer */
};

static struct notes *
make_notes(void)
{
    struct notes *notes = mp_new(struct notes);

    notes->gate = gate_open();
    return notes;
}

static void
end_notes(struct notes *notes)
{
    gate_close(notes->gate);
    must(mp_free(notes));
}

static uint32_t
note_run(const void *item, struct notes *notes)
{
    return mp__add(&notes->runs[*(const int *)item], 1) + 1;
}

static int *
numbers(int n)
{
    int *in = calloc((size_t)n, sizeof(int));

    for (int i = 0; i < n; i++)
        in[i] = i;
    return in;
}

/* ---- One death each ---- */

/* Every tenth item kills its worker, every ninth fails. */
static int
die_now_and_then(const void *item, void *result, void *ctx)
{
    int number = *(const int *)item;

    note_run(item, ctx);
    if (number % 10 == 4)
        raise(SIGKILL);
    *(int *)result = number + 1;
    return number % 9 == 5 ? -ERANGE : number;
}

START_TEST(G27_codes_tell_which_items_died)
{
    enum { ITEMS = 100 };
    struct notes *notes;
    int *in = numbers(ITEMS), *out = calloc(ITEMS, sizeof(int));
    int32_t *codes;
    mp_pool *pool;

    use_method(_i);
    notes = make_notes();
    codes = mp_new_array(int32_t, ITEMS);
    pool = pool_of(2);
    ck_assert_int_eq(mp_pool_map(pool, die_now_and_then, in, sizeof(int), out,
                                 sizeof(int), ITEMS,
                                 MP_MAP_ATTR(.ctx = notes, .codes = codes)),
                     -ESRCH);
    expect_text("mp_pool_map: item 4 failed: worker ");
    expect_text("died while running it: killed by signal 9");
    for (int i = 0; i < ITEMS; i++) {
        int dies = i % 10 == 4;

        ck_assert_uint_eq(mp__load(&notes->runs[i]), 1);
        ck_assert_int_eq(codes[i], dies ? -ESRCH : i % 9 == 5 ? -ERANGE : i);
        ck_assert_int_eq(out[i], dies ? 0 : i + 1);
    }
    end_pool(pool);
    end_notes(notes);
    must(mp_free(codes));
    free(in);
    free(out);
}
END_TEST

/* ---- Again ---- */

static int
die_at_first(const void *item, void *result, void *ctx)
{
    int number = *(const int *)item;

    if (note_run(item, ctx) == 1 && number % 5 == 0)
        raise(SIGKILL);
    *(int *)result = number + 1;
    return 0;
}

/* The second map has the same items at the same posts: what the first has used
 * up of its attempts does not count. */
START_TEST(items_are_tried_again_in_every_map)
{
    enum { ITEMS = 40 };
    mp_pool_statistics statistics = {.size = sizeof(statistics)};
    struct notes *notes;
    int *in = numbers(ITEMS), *out = calloc(ITEMS, sizeof(int));
    int32_t codes[ITEMS];
    mp_pool *pool;

    use_method(_i);
    notes = make_notes();
    pool = pool_of(2);
    for (int round = 0; round < 3; round++) {
        memset(out, 0, ITEMS * sizeof(int));
        for (int i = 0; i < ITEMS; i++)
            mp__store(&notes->runs[i], 0);
        must(mp_pool_map(
            pool, die_at_first, in, sizeof(int), out, sizeof(int), ITEMS,
            MP_MAP_ATTR(.ctx = notes, .retries = 1,
                        .chunk = 8 * (uint64_t)(round == 1), .codes = codes)));
        for (int i = 0; i < ITEMS; i++) {
            ck_assert_uint_eq(mp__load(&notes->runs[i]), i % 5 ? 1 : 2);
            ck_assert_int_eq(out[i], i + 1);
            ck_assert_int_eq(codes[i], 0);
        }
    }
    must(mp_pool_stats(pool, &statistics));
    ck_assert_uint_eq(statistics.retried, 3 * ITEMS / 5);
    end_pool(pool);
    end_notes(notes);
    free(in);
    free(out);
}
END_TEST

static int
die_at_two(const void *item, void *result, void *ctx)
{
    (void)result;
    note_run(item, ctx);
    if (*(const int *)item == 2)
        raise(SIGKILL);
    return 0;
}

START_TEST(attempts_are_bounded_and_told)
{
    enum { ITEMS = 12 };
    int *in = numbers(ITEMS);
    struct notes *notes = make_notes();
    mp_pool *pool = NULL;
    mp_result *result;

    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.task_retries = 3)));
    must(mp_pool_map_async(pool, die_at_two, in, sizeof(int), NULL, 0, ITEMS,
                           MP_MAP_ATTR(.ctx = notes, .chunk = 4), &result));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ESRCH);
    mp_test_text(mp_result_error(result), "item 2 failed: ");
    mp_test_text(mp_result_error(result), "in each of 4 attempts");
    must(mp_result_free(result));
    for (int i = 0; i < ITEMS; i++)
        ck_assert_uint_eq(mp__load(&notes->runs[i]), i == 2 ? 4 : 1);
    ck_assert_int_eq(
        mp_pool_map(pool, die_at_two, in, sizeof(int), NULL, 0, ITEMS,
                    MP_MAP_ATTR(.ctx = notes, .retries = MP_TASK_NO_RETRIES)),
        -ESRCH);
    ck_assert_uint_eq(mp__load(&notes->runs[2]), 5);
    end_pool(pool);
    end_notes(notes);
    free(in);
}
END_TEST

/* ---- Time ---- */

static int
stay_at_three(const void *item, void *result, void *ctx)
{
    uint32_t run = note_run(item, ctx);

    while (*(const int *)item == 3 && run == 1)
        pause();
    *(int *)result = *(const int *)item + 1;
    return 0;
}

START_TEST(slow_item_is_killed_for_its_timeout)
{
    enum { ITEMS = 8 };
    int *in = numbers(ITEMS), out[ITEMS];
    struct notes *notes = make_notes();
    int32_t codes[ITEMS];
    mp_pool *pool = NULL;
    int again = _i & 1;
    double own = _i & 2 ? 1 : 0;

    must(mp_pool_create(&pool, 2, MP_POOL_ATTR(.task_timeout = own ? 0 : 1)));
    ck_assert_int_eq(
        mp_pool_map(pool, stay_at_three, in, sizeof(int), out, sizeof(int),
                    ITEMS,
                    MP_MAP_ATTR(.ctx = notes, .timeout = own, .codes = codes,
                                .retries = (uint32_t)again, .chunk = 4)),
        again ? 0 : -ETIMEDOUT);
    if (!again)
        expect_text("item 3 failed: ");
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_uint_eq(mp__load(&notes->runs[i]), 1 + (again && i == 3));
        ck_assert_int_eq(codes[i], i == 3 && !again ? -ETIMEDOUT : 0);
        ck_assert_int_eq(out[i], i == 3 && !again ? 0 : i + 1);
    }
    end_pool(pool);
    end_notes(notes);
    free(in);
}
END_TEST

/* ---- Posts that nobody comes to ---- */

static int
wait_at_first(const void *item, void *result, void *ctx)
{
    struct notes *notes = ctx;
    pid_t pid = getpid();
    char c;

    (void)result;
    note_run(item, notes);
    if (*(const int *)item % 10 == 0 &&
        (mp_queue_put(notes->gate.begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
         mp_queue_get(notes->gate.pass, &c, 1, MP_FOREVER) < 0))
        return -EIO;
    return 0;
}

/* Two ranges of ten, and then only one worker is wanted. */
START_TEST(rest_of_a_range_is_done_though_the_pool_shrinks)
{
    enum { ITEMS = 20 };
    int *in = numbers(ITEMS), failed = 0;
    struct notes *notes = make_notes();
    int32_t codes[ITEMS];
    mp_pool *pool = pool_of(2);
    mp_result *result;
    pid_t victim;

    must(mp_pool_map_async(
        pool, wait_at_first, in, sizeof(int), NULL, 0, ITEMS,
        MP_MAP_ATTR(.ctx = notes, .chunk = 10, .codes = codes), &result));
    gate_await(notes->gate);
    victim = gate_await(notes->gate);
    must(mp_pool_resize(pool, 1));
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    gate_let_go(notes->gate); /* the other one */
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ESRCH);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_uint_eq(mp__load(&notes->runs[i]), 1);
        failed += codes[i] == -ESRCH && i % 10 == 0;
        ck_assert(codes[i] == 0 || i % 10 == 0);
    }
    ck_assert_int_eq(failed, 1);
    must(mp_result_free(result));
    end_pool(pool);
    end_notes(notes);
    free(in);
}
END_TEST

static int
refuse_when_told(void *arg)
{
    struct notes *notes = *(struct notes **)arg;

    if (mp__load(&notes->refuse))
        raise(SIGKILL);
    return 0;
}

START_TEST(broken_pool_ends_the_map)
{
    int *in = numbers(20);
    struct notes *notes = make_notes();
    mp_pool *pool;
    mp_result *result;
    pid_t victim;

    must(mp_pool_create(&pool, 1,
                        MP_POOL_ATTR(.initializer = refuse_when_told,
                                     .initializer_arg = &notes,
                                     .initializer_size = sizeof(notes),
                                     .name = "fragile")));
    must(mp_pool_map_async(pool, wait_at_first, in, sizeof(int), NULL, 0, 20,
                           MP_MAP_ATTR(.ctx = notes, .chunk = 10), &result));
    victim = gate_await(notes->gate);
    mp__store(&notes->refuse, 1);
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ESRCH);
    expect_text("broken");
    must(mp_pool_destroy(pool));
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ESRCH);
    must(mp_result_free(result));
    end_notes(notes);
    free(in);
}
END_TEST

/* ---- Storm ---- */

struct storm {
    mp_pool *pool;
    _Atomic int over;
    long kills;
};

static void *
kill_workers(void *arg)
{
    struct storm *storm = arg;
    mp_process *workers[3];
    unsigned turn = 0;

    while (!storm->over) {
        size_t n = (size_t)mp_pool_workers(storm->pool, workers, 3);

        if (n > 0 && n <= 3 && mp_process_kill(workers[turn++ % n]) == 0)
            storm->kills++;
        usleep(3000);
    }
    return NULL;
}

static int
work_a_little(const void *item, void *result, void *ctx)
{
    volatile int sum = 0;

    (void)ctx;
    for (int i = 0; i < 2000; i++)
        sum += i & 1;
    *(int *)result = *(const int *)item + 1 + (sum < 0);
    return 0;
}

/* Without attempts the items that died are told; with them there are none. */
START_TEST(workers_are_killed_all_the_time)
{
    enum { ITEMS = 1000, ROUNDS = 30 };
    struct storm storm = {.pool = pool_of(3)};
    int *in = numbers(ITEMS);
    static int out[ITEMS];
    static int32_t codes[ITEMS];
    long failed = 0;
    pthread_t thread;
    pid_t pids[3];
    mp_result *result;

    must(mp_pool_map(storm.pool, work_a_little, in, sizeof(int), out,
                     sizeof(int), ITEMS, NULL));
    pthread_create(&thread, NULL, kill_workers, &storm);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t retries = round & 1 ? 1000 : 0;
        int r;

        must(mp_pool_map_async(
            storm.pool, work_a_little, in, sizeof(int), out, sizeof(int),
            ITEMS, MP_MAP_ATTR(.codes = codes, .retries = retries), &result));
        must(mp_result_wait(result, MP_FOREVER));
        r = mp_result_successful(result);
        ck_assert_msg(r == 1 || !retries, "%s", mp_result_error(result));
        for (int i = 0; i < ITEMS; i++) {
            if (codes[i] == 0 && out[i] != i + 1)
                ck_abort_msg("item %d: %d", i, out[i]);
            if (codes[i] != 0 && codes[i] != -ESRCH)
                ck_abort_msg("item %d: code %d", i, codes[i]);
            r |= codes[i] == 0 ? 0 : 2;
            failed += codes[i] != 0;
        }
        ck_assert_int_ne(r, 3); /* a code without a failure */
        ck_assert_int_ne(r, 0); /* a failure without a code */
        must(mp_result_free(result));
    }
    storm.over = 1;
    pthread_join(thread, NULL);
    ck_assert_int_gt(storm.kills, 0);
    ck_assert_int_le(failed, storm.kills);
    await_workers(storm.pool, 3, pids);
    end_pool(storm.pool);
    free(in);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("map-death");
    TCase *tcase = pool_case(suite, "items", 60);

    tcase_add_loop_test(tcase, G27_codes_tell_which_items_died, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(tcase, items_are_tried_again_in_every_map, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, attempts_are_bounded_and_told);
    tcase_add_loop_test(tcase, slow_item_is_killed_for_its_timeout, 0, 4);

    tcase = pool_case(suite, "posts", 60);
    tcase_add_test(tcase, rest_of_a_range_is_done_though_the_pool_shrinks);
    tcase_add_test(tcase, broken_pool_ends_the_map);

    tcase = pool_case(suite, "storm", 120);
    tcase_add_test(tcase, workers_are_killed_all_the_time);
    return pool_main(suite);
}
