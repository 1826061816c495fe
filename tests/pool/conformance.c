/* SPDX-License-Identifier: MIT */
/* The clauses of mproc/pool.h, each for pools of every start method, and for
 * users of every kind at once: processes of each start method, threads, and all
 * of them together. Nobody but the users looks after the pool meanwhile.
 *
 * A test's name is that of the clause, of the workers' method and of the way
 * that the users were started, as in "map_gives_results spawn [threads]". */
#include "sync/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USERS   3
#define WORKERS 2
#define EACH    30
#define LATEST  mp_timeout(20 * mp_test_scale())

struct stage {
    mp_pool *pool;
    int method;
    mp__a32 called[USERS * EACH]; /* how often */
    mp__a32 through;              /* users */
};

/* ---- What the workers run ---- */

static int
set_up(void *arg)
{
    return *(int *)arg == 1000 ? 0 : -1;
}

static int
add_to_state(mp_task *task)
{
    int *state = mp_task_state(task);
    int *number = mp_task_arg(task, NULL);

    if (!state || state != mp_worker_state() || *state < 1000)
        return mp_task_fail(task, "no state");
    *state += 1;
    *number *= 2;
    return mp_task_return(task, number, sizeof(*number));
}

static int
refuse(mp_task *task)
{
    return mp_task_fail(task, "number %d", *(int *)mp_task_arg(task, NULL));
}

static int
die(mp_task *task)
{
    (void)task;
    return raise(SIGKILL);
}

static int
die_at_first(mp_task *task)
{
    int attempt = mp_task_attempt(task);

    if (attempt < 3)
        raise(SIGKILL);
    return mp_task_return(task, &attempt, sizeof(attempt));
}

static int
hang(mp_task *task)
{
    (void)task;
    while (pause())
        ;
    return 0;
}

static int
add_ctx(const void *item, void *result, void *ctx)
{
    if (!mp_worker_state())
        return -EPROTO;
    *(int64_t *)result = *(const int *)item + *(int *)ctx;
    return *(const int *)item % 10 == 7 ? -ERANGE : 0;
}

/* ---- Tasks ---- */

static int
apply_gives_the_result(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < EACH; i++) {
        int number = me->i * EACH + i, twice;
        mp_result *result;

        expect(mp_pool_apply(stage->pool, add_to_state, &number,
                             sizeof(number), &result),
               0);
        expect(mp_result_ready(result), 1);
        expect(mp_result_successful(result), 1);
        expect(mp_result_get(result, &twice, sizeof(twice), MP_NOW),
               sizeof(twice));
        expect(twice, 2 * number);
        expect(mp_result_error(result) == NULL, 1);
        expect(mp_result_cancel(result), -EALREADY);
        expect(mp_result_free(result), 0);
        expect(mp_result_wait(result, MP_NOW), -EBADF);
    }
    return 0;
}

static int
apply_async_with_priorities(struct party *me)
{
    struct stage *stage = me->arg;
    mp_result *results[EACH];

    for (int i = 0; i < EACH; i++)
        expect(mp_pool_apply_async(stage->pool, add_to_state, &i, sizeof(i),
                                   MP_TASK_ATTR(.priority = i % 7 - 3,
                                                .timeout = 100,
                                                .soft_timeout = 50),
                                   &results[i]),
               0);
    for (int i = EACH - 1; i >= 0; i--) {
        int twice;

        expect(mp_result_wait(results[i], LATEST), 0);
        expect(mp_result_get(results[i], &twice, sizeof(twice), MP_NOW),
               sizeof(twice));
        expect(twice, 2 * i);
        expect(mp_result_free(results[i]), 0);
    }
    return 0;
}

static int
failure_has_code_and_text(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < EACH; i++) {
        char text[32];
        mp_result *result;

        snprintf(text, sizeof(text), "number %d", i);
        expect(mp_pool_apply(stage->pool, refuse, &i, sizeof(i), &result), 0);
        expect(mp_result_successful(result), 0);
        expect(mp_result_get(result, NULL, 0, MP_NOW), -EREMOTEIO);
        expect(strcmp(mp_last_error(), text), 0);
        expect(strcmp(mp_result_error(result), text), 0);
        expect(mp_result_free(result), 0);
    }
    return 0;
}

static int
cancelled_or_ended(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < EACH; i++) {
        mp_result *result;
        int r, number = i;
        ssize_t end;

        expect(mp_pool_apply_async(stage->pool, add_to_state, &number,
                                   sizeof(number), NULL, &result),
               0);
        r = mp_result_cancel(result);
        expect(r == 0 || r == -EALREADY, 1);
        end = mp_result_get(result, &number, sizeof(number), LATEST);
        expect(end, r == 0 ? -ECANCELED : (long)sizeof(number));
        expect(mp_result_free(result), 0);
    }
    return 0;
}

/* ---- Death and time ---- */

/* Nobody leaves before all are through: those that somebody has started do not
 * get lost on the others. */
static int
stay_to_the_end(struct party *me)
{
    struct stage *stage = me->arg;

    mp__add(&stage->through, 1);
    party_await(mp__load(&stage->through) == USERS);
    return 0;
}

static int
death_fails_its_task(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < 4; i++) {
        mp_result *dead, *alive;
        int number = i;

        expect(mp_pool_apply_async(stage->pool, die, NULL, 0, NULL, &dead), 0);
        expect(mp_pool_apply_async(stage->pool, add_to_state, &number,
                                   sizeof(number), NULL, &alive),
               0);
        expect(mp_result_get(dead, NULL, 0, LATEST), -ESRCH);
        expect(strstr(mp_last_error(), "SIGKILL") != NULL, 1);
        expect(mp_result_get(alive, &number, sizeof(number), LATEST),
               sizeof(number));
        expect(number, 2 * i);
        expect(mp_result_free(dead), 0);
        expect(mp_result_free(alive), 0);
    }
    return stay_to_the_end(me);
}

static int
retried_until_it_is_done(struct party *me)
{
    struct stage *stage = me->arg;
    mp_result *result;
    int attempt = 0;

    for (uint32_t retries = 1; retries <= 3; retries++) {
        expect(mp_pool_apply_async(stage->pool, die_at_first, NULL, 0,
                                   MP_TASK_ATTR(.retries = retries), &result),
               0);
        expect(mp_result_get(result, &attempt, sizeof(attempt), LATEST),
               retries < 2 ? -ESRCH : (long)sizeof(attempt));
        if (retries < 2)
            expect(strstr(mp_result_error(result), "attempt") != NULL, 1);
        else
            expect(attempt, 3);
        expect(mp_result_free(result), 0);
    }
    return stay_to_the_end(me);
}

static int
timeout_kills(struct party *me)
{
    struct stage *stage = me->arg;
    mp_result *result;

    for (int i = 0; i < 3; i++) {
        expect(mp_pool_apply_async(stage->pool, hang, NULL, 0,
                                   MP_TASK_ATTR(.timeout = 0.05), &result),
               0);
        expect(mp_result_wait(result, LATEST), 0);
        expect(mp_result_get(result, NULL, 0, MP_NOW), -ETIMEDOUT);
        expect(mp_result_free(result), 0);
    }
    return stay_to_the_end(me);
}

static int
running_task_is_cancelled(struct party *me)
{
    struct stage *stage = me->arg;
    mp_result *result;

    for (int i = 0; i < 3; i++) {
        expect(mp_pool_apply_async(stage->pool, hang, NULL, 0, NULL, &result),
               0);
        expect(mp_result_wait(result, mp_timeout(0.01)), -ETIMEDOUT);
        expect(mp_result_cancel(result), 0);
        expect(mp_result_get(result, NULL, 0, LATEST), -ECANCELED);
        expect(mp_result_free(result), 0);
    }
    return stay_to_the_end(me);
}

/* ---- Maps ---- */

static int
check_items(struct party *me, const int64_t *out, const int32_t *codes)
{
    for (int i = 0; i < EACH; i++) {
        expect(out[i], i + me->i);
        expect(codes[i], i % 10 == 7 ? -ERANGE : 0);
    }
    return 0;
}

static int
map_gives_results(struct party *me)
{
    struct stage *stage = me->arg;
    int in[EACH], r = 0;
    int64_t out[EACH];
    int32_t codes[EACH];

    for (int i = 0; i < EACH; i++)
        in[i] = i;
    for (int i = 0; i < 10 && r == 0; i++) {
        expect(mp_pool_map(stage->pool, add_ctx, in, sizeof(int), out,
                           sizeof(int64_t), EACH,
                           MP_MAP_ATTR(.ctx = &me->i, .ctx_size = sizeof(int),
                                       .chunk = (uint64_t)i, .codes = codes,
                                       .priority = i % 3)),
               -ERANGE);
        expect(strstr(mp_last_error(), "item 7") != NULL, 1);
        r = check_items(me, out, codes);
    }
    return r;
}

static int
map_async_gives_results(struct party *me)
{
    struct stage *stage = me->arg;
    int64_t out[EACH], all[EACH];
    int32_t codes[EACH];
    mp_result *result, *whole;
    int in[EACH], r = 0, factor = 5;

    for (int i = 0; i < 5 && r == 0; i++) {
        for (int k = 0; k < EACH; k++)
            in[k] = k;
        expect(mp_pool_map_async(stage->pool, add_ctx, in, sizeof(int), out,
                                 sizeof(int64_t), EACH,
                                 MP_MAP_ATTR(.ctx = &me->i,
                                             .ctx_size = sizeof(int),
                                             .codes = codes),
                                 &result),
               0);
        expect(mp_pool_map_async(
                   stage->pool, add_ctx, in, sizeof(int), NULL,
                   sizeof(int64_t), 7,
                   MP_MAP_ATTR(.ctx = &factor, .ctx_size = sizeof(int)),
                   &whole),
               0);
        memset(in, 0, sizeof(in)); /* it was read */
        expect(mp_result_wait(result, LATEST), 0);
        expect(mp_result_successful(result), 0);
        expect(mp_result_get(result, NULL, 0, MP_NOW), -ERANGE);
        expect(strstr(mp_result_error(result), "item 7") != NULL, 1);
        r = check_items(me, out, codes);
        expect(mp_result_get(whole, all, sizeof(all), LATEST),
               7 * sizeof(int64_t));
        for (int k = 0; k < 7; k++)
            expect(all[k], k + 5);
        expect(mp_result_free(result), 0);
        expect(mp_result_free(whole), 0);
    }
    return r;
}

static int
next_number(void *item, void *arg)
{
    int *next = arg;

    *(int *)item = *next;
    return (*next)++ < EACH;
}

static int
imap_gives_results(struct party *me)
{
    struct stage *stage = me->arg;

    for (int unordered = 0; unordered < 2; unordered++) {
        uint64_t seen = 0, window = (uint64_t)me->i;
        int from = 0, r;
        int64_t sum;
        mp_imap *imap;
        size_t index;

        expect((unordered ? mp_pool_imap_unordered : mp_pool_imap)(
                   stage->pool, add_ctx, next_number, &from, sizeof(int),
                   sizeof(sum),
                   MP_MAP_ATTR(.ctx = &me->i, .ctx_size = sizeof(int),
                               .window = window),
                   &imap),
               0);
        for (size_t i = 0; i < EACH; i++) {
            r = mp_imap_next(imap, &sum, &index, LATEST);
            expect(index < EACH, 1);
            expect(unordered || index == i, 1);
            expect(r, index % 10 == 7 ? -ERANGE : 1);
            expect(r < 0 || sum == (int64_t)index + me->i, 1);
            expect(seen >> index & 1, 0);
            seen |= (uint64_t)1 << index;
        }
        expect(mp_imap_next(imap, &sum, &index, LATEST), 0);
        expect(mp_imap_next(imap, &sum, &index, MP_NOW), 0);
        expect(mp_imap_free(imap), 0);
    }
    return 0;
}

/* ---- Callbacks ---- */

static void
on_end(mp_result *result, void *arg)
{
    mp__add((mp__a32 *)arg, mp_result_ready(result) == 1 ? 1 : 100);
}

static int
submit_with_callbacks(struct party *me, int i)
{
    static const int item = 3, ctx = 1;
    struct stage *stage = me->arg;
    void *place = (void *)&stage->called[me->i * EACH + i];

    if (i % 3 == 2)
        return mp_pool_map_async(
            stage->pool, add_ctx, &item, sizeof(int), NULL, sizeof(int64_t), 1,
            MP_MAP_ATTR(.ctx = &ctx, .ctx_size = sizeof(ctx),
                        .callback = on_end, .callback_arg = place),
            NULL);
    return mp_pool_apply_async(
        stage->pool, i % 3 ? refuse : add_to_state, &i, sizeof(i),
        MP_TASK_ATTR(.callback = on_end, .error_callback = on_end,
                     .callback_arg = place),
        NULL);
}

static int
callbacks_are_run_once(struct party *me)
{
    struct stage *stage = me->arg;

    for (int i = 0; i < EACH; i++)
        expect(submit_with_callbacks(me, i), 0);
    for (int i = 0; i < EACH; i++)
        while (mp__load(&stage->called[me->i * EACH + i]) == 0) {
            int r = mp_pool_callbacks(stage->pool, LATEST);

            expect(r >= 0 || r == -EINTR, 1);
        }
    for (int i = 0; i < EACH; i++)
        expect(mp__load(&stage->called[me->i * EACH + i]), 1);
    expect(mp_pool_fd(stage->pool) > 2, 1);
    return 0;
}

/* ---- Pools ---- */

static int
pools_of_their_own(struct party *me)
{
    struct stage *stage = me->arg;
    int number = 21, state = 1000;
    mp_result *result;

    for (int i = 0; i < 3; i++) {
        mp_pool *pool;

        expect(mp_pool_create(&pool, 1,
                              MP_POOL_ATTR(.method = stage->method,
                                           .initializer = set_up,
                                           .initializer_arg = &state,
                                           .initializer_size = sizeof(state))),
               0);
        expect(mp_pool_apply(pool, add_to_state, &number, sizeof(number),
                             &result),
               0);
        expect(mp_pool_workers(pool, NULL, 0), 1);
        expect(mp_pool_resize(pool, 2), 0);
        expect(mp_pool_workers(pool, NULL, 0), 2);
        expect(mp_pool_join(pool, MP_NOW), -EINVAL);
        expect(i ? mp_pool_close(pool) : mp_pool_terminate(pool), 0);
        expect(
            mp_pool_apply(pool, add_to_state, &number, sizeof(number), NULL),
            i ? -ESHUTDOWN : -ECANCELED);
        if (i)
            expect(mp_pool_join(pool, LATEST), 0);
        expect(mp_pool_destroy(pool), 0);
        expect(mp_pool_close(pool), -EBADF);
        expect(mp_result_successful(result), 1);
        expect(mp_result_free(result), 0);
    }
    return 0;
}

static int
everybody_sees_the_same_pool(struct party *me)
{
    struct stage *stage = me->arg;
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_process *list[WORKERS];
    int number = me->i;

    expect(mp_pool_apply(stage->pool, add_to_state, &number, 4, NULL), 0);
    expect(mp_pool_stats(stage->pool, &stats), 0);
    expect(stats.submitted >= 1 && stats.submitted <= USERS, 1);
    expect(stats.deaths + stats.failed + stats.cancelled + stats.replaced, 0);
    expect(stats.busy >= 0 && stats.busy <= 1, 1);
    expect(mp_pool_workers(stage->pool, list, WORKERS), WORKERS);
    expect(mp_process_is_alive(list[me->i % WORKERS]), 1);
    expect(stay_to_the_end(me), 0);
    expect(mp_pool_stats(stage->pool, &stats), 0);
    expect(stats.done, USERS);
    expect(stats.queued + stats.running, 0);
    return 0;
}

/* ---- The suite ---- */

static const struct {
    const char *name;
    party_fn *fn;
} clauses[] = {
    {"apply_gives_the_result", apply_gives_the_result},
    {"apply_async_with_priorities", apply_async_with_priorities},
    {"failure_has_code_and_text", failure_has_code_and_text},
    {"cancelled_or_ended", cancelled_or_ended},
    {"G27_death_fails_its_task", death_fails_its_task},
    {"G27_retried_until_it_is_done", retried_until_it_is_done},
    {"G28_timeout_kills", timeout_kills},
    {"G28_running_task_is_cancelled", running_task_is_cancelled},
    {"map_gives_results", map_gives_results},
    {"map_async_gives_results", map_async_gives_results},
    {"imap_gives_results", imap_gives_results},
    {"callbacks_are_run_once", callbacks_are_run_once},
    {"pools_of_their_own", pools_of_their_own},
    {"G32_everybody_sees_the_same_pool", everybody_sees_the_same_pool},
};

static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};

#define METHODS ((int)LENGTH(methods))

static struct {
    TTest test;
    char name[80];
} tests[LENGTH(clauses) * LENGTH(methods) * WAYS];

/* What the library keeps once it is used is no leak. */
static void
warm_up(void)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    crew_warm_up(WAY_MIXED);
}

/* `place`: of the clause, the method and the way. */
static void
run_clause(int place)
{
    static const int state = 1000;
    enum way way = (enum way)(place % WAYS);
    struct stage *stage = mp_new(struct stage);

    warm_up();
    stage->method = methods[place / WAYS % METHODS];
    must(mp_pool_create(&stage->pool, WORKERS,
                        MP_POOL_ATTR(.method = stage->method,
                                     .initializer = set_up,
                                     .initializer_arg = &state,
                                     .initializer_size = sizeof(state))));
    crew_run(way, USERS, clauses[place / WAYS / METHODS].fn, stage);
    must(mp_pool_close(stage->pool));
    ck_assert_int_eq(mp_pool_join(stage->pool, LATEST), 0);
    must(mp_pool_destroy(stage->pool));
    must(mp_free(stage));
}

static void
add_clause(TCase *tcase, int place)
{
    char *name = tests[place].name;
    TTest *test = &tests[place].test;
    enum way way = (enum way)(place % WAYS);
    enum way method = (enum way)(place / WAYS % METHODS);

    snprintf(name, sizeof(tests[place].name), "%s %s [%s]",
             clauses[place / WAYS / METHODS].name, way_name(method),
             way_name(way));
    *test = (TTest){name, run_clause, __FILE__, __LINE__};
    tcase_add_loop_test(tcase, test, place, place + 1);
}

int
main(void)
{
    Suite *suite = suite_create("pool-conformance");
    int most = mp_test_may_fork_with_threads() ? WAYS : WAY_MIXED;

    for (int i = 0; i < (int)LENGTH(clauses); i++) {
        TCase *tcase = mp_test_case(suite, clauses[i].name, 60);

        for (int place = 0; place < METHODS * WAYS; place++)
            if (place % WAYS < most)
                add_clause(tcase, i * METHODS * WAYS + place);
    }
    return mp_test_main(suite);
}
