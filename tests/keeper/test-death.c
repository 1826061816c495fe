/* SPDX-License-Identifier: MIT */
/* Workers that die: at rest, in a task, in an item of a map, at the start. */
#include "pool/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
exit_3(mp_task *task)
{
    (void)task;
    exit(3);
}

static int
write_nowhere(mp_task *task)
{
    int *volatile nowhere = (int *)16;

    (void)task;
    signal(SIGSEGV, SIG_DFL); /* the sanitizers' handler prints */
    *nowhere = 1;
    return 0;
}

/* ---- At rest ---- */

START_TEST(G27_worker_killed_at_rest_is_replaced)
{
    mp_process *list[3];
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(3);
    for (int i = 0; i < 8; i++) {
        pid_t pids[3], victim;

        await_workers(pool, 3, pids);
        ck_assert_int_eq(mp_pool_workers(pool, list, 3), 3);
        victim = mp_process_pid(list[i % 3]);
        must(mp_process_kill(list[i % 3]));
        if (i & 1)
            must(mp_process_join(list[i % 3], MP_FOREVER));
        wait_until(mp_pool_workers(pool, list, 3) == 3 &&
                       mp_process_pid(list[i % 3]) != victim,
                   10);
    }
    end_pool(pool);
}
END_TEST

START_TEST(G27_all_killed_at_rest_are_replaced)
{
    mp_process *list[2];
    mp_result *result;
    mp_pool *pool;
    pid_t pids[2];

    use_method(_i);
    pool = pool_of(2);
    await_workers(pool, 2, pids);
    ck_assert_int_eq(mp_pool_workers(pool, list, 2), 2);
    must(mp_process_kill(list[0]));
    must(mp_process_kill(list[1]));
    must(mp_pool_apply(pool, echo, "still there", 12, &result));
    ck_assert_int_eq(end_of(result), 12);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* ---- In a task ---- */

static void
expect_death(mp_pool *pool, mp_task_fn f, const char *how)
{
    mp_result *before, *result, *after;
    char text[64];
    mp_process *list[1];

    must(mp_pool_apply_async(pool, echo, "before", 7, NULL, &before));
    must(mp_pool_apply_async(pool, f, NULL, 0, NULL, &result));
    must(mp_pool_apply_async(pool, echo, "after", 6, NULL, &after));
    ck_assert_int_eq(mp_pool_workers(pool, list, 1), 1);
    snprintf(text, sizeof(text), "worker hands:1 (pid ");
    ck_assert_int_eq(mp_result_get(result, NULL, 0, MP_FOREVER), -ESRCH);
    expect_text(text);
    expect_text("died while running task ");
    expect_text(how);
    ck_assert_str_eq(mp_result_error(result), mp_last_error());
    ck_assert_int_eq(end_of(before), 7);
    ck_assert_int_eq(end_of(after), 6);
    must(mp_result_free(before));
    must(mp_result_free(result));
    must(mp_result_free(after));
}

START_TEST(G27_death_fails_one_task_and_says_who_and_how)
{
    mp_pool *pool;

    use_method(_i);
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.name = "hands")));
    expect_death(pool, kill_self, "killed by signal 9 (SIGKILL)");
    expect_death(pool, exit_3, "exit code 3");
    expect_death(pool, write_nowhere, "killed by signal 11 (SIGSEGV)");
    end_pool(pool);
}
END_TEST

START_TEST(error_names_the_pid_and_the_task)
{
    struct gate gate = gate_open();
    mp_pool *pool = pool_of(1);
    mp_result *result;
    char text[96];
    pid_t pid;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    result = submit_to_gate(pool, gate);
    pid = gate_await(gate);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(end_of(result), -ESRCH);
    snprintf(text, sizeof(text),
             "(pid %d) died while running task 2: ", (int)pid);
    mp_test_text(mp_result_error(result), text);
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(every_second_task_is_deadly)
{
    enum { TASKS = 100 };
    mp_pool *pool = pool_of(2);
    mp_result *results[TASKS];

    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, i % 2 ? kill_self : echo, &i, sizeof(i),
                                 NULL, &results[i]));
    for (int i = TASKS - 1; i >= 0; i--) {
        ck_assert_int_eq(end_of(results[i]), i % 2 ? -ESRCH : (int)sizeof(i));
        must(mp_result_free(results[i]));
    }
    end_pool(pool);
}
END_TEST

START_TEST(only_deadly_tasks_do_not_break_the_pool)
{
    enum { TASKS = 40 };
    mp_pool *pool = pool_of(2);
    mp_result *results[TASKS];

    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, kill_self, NULL, 0, NULL, &results[i]));
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(end_of(results[i]), -ESRCH);
        mp_test_text(mp_result_error(results[i]), "died while running");
        must(mp_result_free(results[i]));
    }
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
}
END_TEST

START_TEST(death_with_a_freed_result_leaves_nothing)
{
    mp_pool *pool = pool_of(1);
    char big[1000] = {0};
    uint64_t before;

    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    before = heap_use();
    for (int i = 0; i < 10; i++)
        must(mp_pool_apply_async(pool, kill_self, big, sizeof(big), NULL,
                                 NULL));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL)); /* behind them */
    ck_assert_uint_eq(heap_use(), before);
    end_pool(pool);
}
END_TEST

START_TEST(closed_pool_still_does_the_rest)
{
    enum { TASKS = 30 };
    mp_pool *pool = pool_of(2);
    mp_result *results[TASKS];

    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, i % 5 ? echo : kill_self, &i, sizeof(i),
                                 NULL, &results[i]));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    for (int i = 0; i < TASKS; i++) {
        ck_assert_int_eq(
            mp_result_get(results[i], &(int){0}, sizeof(int), MP_NOW),
            i % 5 ? (int)sizeof(i) : -ESRCH);
        must(mp_result_free(results[i]));
    }
    must(mp_pool_destroy(pool));
}
END_TEST

/* ---- In other hands ---- */

static int
wait_for_result(void *arg)
{
    mp_result *result = *(mp_result **)arg;

    return -(int)mp_result_get(result, NULL, 0, MP_FOREVER);
}

START_TEST(whoever_waits_replaces_the_dead)
{
    struct gate gate = gate_open();
    mp_result *running, *queued;
    mp_process *waiter;
    mp_pool *pool;
    pid_t pid;
    int code;

    use_method(_i);
    pool = pool_of(1);
    running = submit_to_gate(pool, gate);
    pid = gate_await(gate);
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &queued));
    must(mp_process_start(&waiter, wait_for_result, &queued, sizeof(queued),
                          NULL));
    /* This process does not look after the pool until the waiter is done. */
    wait_until(process_state(mp_process_pid(waiter)) == 'S', 10);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    must(mp_process_join(waiter, MP_FOREVER));
    must(mp_process_exitcode(waiter, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(waiter));
    ck_assert_int_eq(mp_result_get(running, NULL, 0, MP_NOW), -ESRCH);
    must(mp_result_free(running));
    must(mp_result_free(queued));
    /* The worker that the waiter started has ended with it. */
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* A task that kills its colleague and waits for a task that only the
 * colleague's successor can run; arg: pool, gate. */
struct foster {
    mp_pool *pool;
    struct gate gate;
};

static int
outlive_colleague(mp_task *task)
{
    struct foster *f = mp_task_arg(task, NULL);
    mp_result *result;
    pid_t pid = 0;

    if (mp_queue_get(f->gate.begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
        kill(pid, SIGKILL) < 0 ||
        mp_pool_apply(f->pool, return_pid, NULL, 0, &result) < 0 ||
        mp_result_get(result, &pid, sizeof(pid), MP_NOW) != sizeof(pid) ||
        mp_result_free(result) < 0)
        return mp_task_fail(task, "%s", mp_last_error());
    return mp_task_return(task, &pid, sizeof(pid));
}

/* The two workers: one waits at the gate, the other kills it. */
static pid_t
make_foster_child(mp_pool *pool, struct gate gate)
{
    struct foster f = {pool, gate};
    mp_result *victim = submit_to_gate(pool, gate), *killer;
    pid_t child;

    must(mp_pool_apply_async(pool, outlive_colleague, &f, sizeof(f), NULL,
                             &killer));
    /* Only the killer may look after the pool: nobody else is in a call. */
    wait_until(mp_queue_empty(gate.begun) && mp_result_ready(killer) == 1, 20);
    ck_assert_msg(mp_result_get(killer, &child, sizeof(child), MP_NOW) ==
                      sizeof(child),
                  "%s", mp_last_error());
    ck_assert_int_eq(end_of(victim), -ESRCH);
    must(mp_result_free(victim));
    must(mp_result_free(killer));
    return child;
}

START_TEST(worker_that_waits_replaces_its_colleague)
{
    struct gate gate = gate_open();
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    make_foster_child(pool, gate);
    end_pool(pool); /* whoever's child it is, it ends in order */
    gate_close(gate);
}
END_TEST

/* ---- In a map ---- */

struct murder {
    int at; /* this item is deadly */
    int every;
};

static int
maybe_die(const void *item, void *result, void *ctx)
{
    const struct murder *m = ctx;
    int number = *(const int *)item;

    *(int *)result += 1;
    if (number == m->at || (m->every && number % m->every == 0))
        raise(SIGKILL);
    return 0;
}

static void
expect_once_each(const int *out, int n)
{
    for (int i = 0; i < n; i++)
        if (out[i] != 1)
            ck_abort_msg("item %d was run %d times", i, out[i]);
}

/* How often each item was run; the map's code. */
static int
map_with(mp_pool *pool, struct murder m, int *out, int n, uint64_t chunk)
{
    int *in = malloc((size_t)n * sizeof(int));
    int r;

    for (int i = 0; i < n; i++)
        in[i] = i;
    memset(out, 0, (size_t)n * sizeof(int));
    r = mp_pool_map(
        pool, maybe_die, in, sizeof(int), out, sizeof(int), (size_t)n,
        MP_MAP_ATTR(.ctx = &m, .ctx_size = sizeof(m), .chunk = chunk));
    free(in);
    return r;
}

START_TEST(death_in_an_item_fails_that_item)
{
    enum { ITEMS = 1000 };
    static const uint64_t chunks[] = {0, 1, 10, ITEMS, 2 * ITEMS};
    static const int deadly[] = {0, 1, 9, 500, ITEMS - 1};
    mp_pool *pool;
    int *out;

    use_method(_i);
    pool = pool_of(2);
    out = mp_new_array(int, ITEMS);
    for (size_t c = 0; c < 5; c++) {
        for (size_t d = 0; d < 5; d++) {
            struct murder m = {.at = deadly[d]};
            char text[64];

            ck_assert_int_eq(map_with(pool, m, out, ITEMS, chunks[c]), -ESRCH);
            snprintf(text, sizeof(text), "item %d failed: worker ", m.at);
            expect_text(text);
            expect_text("killed by signal 9 (SIGKILL)");
            expect_once_each(out, ITEMS);
        }
    }
    end_pool(pool);
    must(mp_free(out));
}
END_TEST

START_TEST(many_deaths_in_one_map)
{
    enum { ITEMS = 2000 };
    mp_pool *pool = pool_of(3);
    int *out = mp_new_array(int, ITEMS);

    ck_assert_int_eq(
        map_with(pool, (struct murder){.at = -1, .every = 50}, out, ITEMS, 0),
        -ESRCH);
    expect_text("item 0 failed");
    expect_once_each(out, ITEMS);
    must(map_with(pool, (struct murder){.at = -1}, out, ITEMS, 0));
    end_pool(pool);
    must(mp_free(out));
}
END_TEST

/* ---- At the start: G33 ---- */

static int
refuse(void *arg)
{
    mp__add(*(mp__a32 **)arg, 1);
    return 7;
}

static int
crash(void *arg)
{
    mp__add(*(mp__a32 **)arg, 1);
    raise(SIGKILL);
    return 0;
}

static int
refuse_first(void *arg)
{
    return mp__add(*(mp__a32 **)arg, 1) == 0;
}

static mp_pool *
pool_with(int workers, int (*initializer)(void *), mp__a32 **runs)
{
    mp_pool *pool;

    *runs = mp_new(mp__a32);
    must(mp_pool_create(&pool, workers,
                        MP_POOL_ATTR(.name = "fragile",
                                     .initializer = initializer,
                                     .initializer_arg = runs,
                                     .initializer_size = sizeof(*runs))));
    return pool;
}

static void
expect_broken(mp_pool *pool, const char *why)
{
    mp_result *results[10], *none = NULL;
    int in[3] = {0}, n = 0;

    while (n < 10 &&
           mp_pool_apply_async(pool, echo, "x", 1, NULL, &results[n]) == 0)
        n++;
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(end_of(results[i]), -ESRCH);
        mp_test_text(mp_result_error(results[i]), "pool broken");
        mp_test_text(mp_result_error(results[i]), why);
        must(mp_result_free(results[i]));
    }
    if (n == 0)
        wait_until(mp_pool_workers(pool, NULL, 0) == 0, 10);
    ck_assert_int_eq(mp_pool_apply_async(pool, echo, "x", 1, NULL, &none),
                     -ESRCH);
    expect_text("pool fragile is broken");
    expect_text(why);
    ck_assert_int_eq(map_with(pool, (struct murder){.at = -1}, in, 3, 0),
                     -ESRCH);
    expect_text(why);
    ck_assert_ptr_null(none);
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_close(pool));
    must(mp_pool_destroy(pool));
}

START_TEST(G33_failing_initializer_breaks_the_pool)
{
    mp__a32 *runs;
    mp_pool *pool;

    use_method(_i);
    pool = pool_with(3, refuse, &runs);
    expect_broken(pool, "its initializer failed");
    ck_assert_uint_eq(mp__load(runs), 3); /* each once */
    must(mp_free((void *)runs));
}
END_TEST

START_TEST(G33_deadly_initializer_breaks_the_pool)
{
    mp__a32 *runs;
    mp_pool *pool;

    use_method(_i);
    pool = pool_with(2, crash, &runs);
    expect_broken(pool, "killed by signal 9 (SIGKILL)");
    ck_assert_uint_ge(mp__load(runs), 2);
    ck_assert_uint_le(mp__load(runs), 12);
    must(mp_free((void *)runs));
}
END_TEST

START_TEST(one_failed_initializer_does_not_break_it)
{
    mp__a32 *runs;
    mp_pool *pool;
    pid_t pids[2];

    use_method(_i);
    pool = pool_with(2, refuse_first, &runs);
    await_workers(pool, 2, pids);
    ck_assert_uint_eq(mp__load(runs), 3);
    end_pool(pool);
    must(mp_free((void *)runs));
}
END_TEST

START_TEST(broken_while_a_map_waits)
{
    mp__a32 *runs;
    mp_pool *pool = pool_with(1, refuse, &runs);
    int out[100];
    int r = map_with(pool, (struct murder){.at = -1}, out, 100, 0);

    ck_assert_int_eq(r, -ESRCH);
    expect_text("its initializer failed");
    must(mp_pool_destroy(pool));
    must(mp_free((void *)runs));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("death");
    TCase *rest = pool_case(suite, "rest", 30);
    TCase *task = pool_case(suite, "task", 60);
    TCase *hands = pool_case(suite, "hands", 60);
    TCase *map = pool_case(suite, "map", 120);
    TCase *start = pool_case(suite, "start", 60);
    const int from = MP_FORK, to = MP_FORKSERVER + 1;

    tcase_add_loop_test(rest, G27_worker_killed_at_rest_is_replaced, from, to);
    tcase_add_loop_test(rest, G27_all_killed_at_rest_are_replaced, from, to);
    tcase_add_loop_test(task, G27_death_fails_one_task_and_says_who_and_how,
                        from, to);
    tcase_add_test(task, error_names_the_pid_and_the_task);
    tcase_add_test(task, every_second_task_is_deadly);
    tcase_add_test(task, only_deadly_tasks_do_not_break_the_pool);
    tcase_add_test(task, death_with_a_freed_result_leaves_nothing);
    tcase_add_test(task, closed_pool_still_does_the_rest);
    tcase_add_loop_test(hands, whoever_waits_replaces_the_dead, from, to);
    tcase_add_loop_test(hands, worker_that_waits_replaces_its_colleague, from,
                        to);
    tcase_add_loop_test(map, death_in_an_item_fails_that_item, from, to);
    tcase_add_test(map, many_deaths_in_one_map);
    tcase_add_loop_test(start, G33_failing_initializer_breaks_the_pool, from,
                        to);
    tcase_add_loop_test(start, G33_deadly_initializer_breaks_the_pool, from,
                        to);
    tcase_add_loop_test(start, one_failed_initializer_does_not_break_it, from,
                        to);
    tcase_add_test(start, broken_while_a_map_waits);
    return pool_main(suite);
}
