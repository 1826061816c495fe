/* SPDX-License-Identifier: MIT */
/* What workers are given: attributes, state, finalizers, processors,
 * variables, memory; and how they look after each other. */
#include "pool/crew.h"

#include "os/cpu.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FROM MP_FORK
#define TO   (MP_FORKSERVER + 1)

/* ---- Bad input ---- */

START_TEST(bad_attributes_einval)
{
    static const struct {
        mp_pool_attr attr;
        const char *word;
    } bad[] = {
        {{.least = -1}, ".least"},
        {{.least = 1001}, ".least"},
        {{.idle_timeout = 0.001}, ".idle_timeout"},
        {{.idle_timeout = -1}, ".idle_timeout"},
        {{.idle_timeout = NAN}, ".idle_timeout"},
        {{.task_timeout = -0.5}, ".task_timeout"},
        {{.task_timeout = NAN}, ".task_timeout"},
        {{.task_retries = 4095}, ".task_retries"},
        {{.threads = -2}, ".threads"},
        {{.reserved2 = 1}, ".reserved"},
        {{.cpus = ""}, ".cpus"},
        {{.cpus = "all,0"}, ".cpus"},
        {{.cpus = "1-0"}, ".cpus \"1-0\""},
        {{.cpus = "0,"}, ".cpus"},
        {{.cpus = "0 1"}, ".cpus"},
        {{.cpus = "99999999"}, ".cpus"},
    };
    mp_pool *pool = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mp_pool_attr attr = bad[i].attr;

        attr.size = sizeof(attr);
        ck_assert_int_eq(mp_pool_create(&pool, 1, &attr), -EINVAL);
        expect_text("mp_pool_create");
        expect_text(bad[i].word);
    }
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(all_at_their_limits_are_taken)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, 1,
                        MP_POOL_ATTR(.least = 1000, .idle_timeout = INFINITY,
                                     .task_timeout = INFINITY,
                                     .task_retries = 4094, .threads = 1,
                                     .tasks_per_worker = UINT64_MAX,
                                     .memory_soft = UINT64_MAX / 2)));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
}
END_TEST

/* ---- State and finalizer ---- */

struct state {
    mp__a32 *begun, *ended, *sum; /* of all workers */
    uint32_t mine;
};

static int
begin_state(void *arg)
{
    struct state *s = arg;

    mp__add(s->begun, 1);
    return 0;
}

static void
end_state(void *arg)
{
    struct state *s = arg;

    mp__add(s->sum, s->mine);
    mp__add(s->ended, 1);
}

static int
count_in_state(mp_task *task)
{
    struct state *s = mp_task_state(task);

    if (s == NULL || s != mp_worker_state())
        return mp_task_fail(task, "no state");
    s->mine++;
    return 0;
}

static int
count_item_in_state(const void *item, void *result, void *ctx)
{
    struct state *s = mp_worker_state();

    (void)item;
    (void)result;
    (void)ctx;
    if (s)
        s->mine++;
    return s ? 0 : -ENOENT;
}

static struct state
new_state(void)
{
    return (struct state){.begun = mp_new(mp__a32),
                          .ended = mp_new(mp__a32),
                          .sum = mp_new(mp__a32)};
}

static void
free_state(struct state s)
{
    must(mp_free((void *)s.begun));
    must(mp_free((void *)s.ended));
    must(mp_free((void *)s.sum));
}

static mp_pool *
pool_with_state(int workers, struct state *s, uint64_t tasks_per_worker)
{
    mp_pool *pool;

    must(mp_pool_create(
        &pool, workers,
        MP_POOL_ATTR(.initializer = begin_state, .finalizer = end_state,
                     .initializer_arg = s, .initializer_size = sizeof(*s),
                     .tasks_per_worker = tasks_per_worker)));
    return pool;
}

START_TEST(finalizer_sees_what_tasks_left_in_the_state)
{
    enum { TASKS = 20, ITEMS = 100 };
    struct state s = new_state();
    mp_pool *pool;

    use_method(_i);
    pool = pool_with_state(2, &s, 0);
    for (int i = 0; i < TASKS; i++) {
        mp_result *result;

        must(mp_pool_apply(pool, count_in_state, NULL, 0, &result));
        ck_assert_msg(end_of(result) == 0, "%s", mp_last_error());
        must(mp_result_free(result));
    }
    must(
        mp_pool_map(pool, count_item_in_state, NULL, 0, NULL, 0, ITEMS, NULL));
    ck_assert_uint_eq(mp__load(s.ended), 0);
    end_pool(pool);
    ck_assert_uint_eq(mp__load(s.begun), 2);
    ck_assert_uint_eq(mp__load(s.ended), 2);
    ck_assert_uint_eq(mp__load(s.sum), TASKS + ITEMS);
    free_state(s);
}
END_TEST

START_TEST(terminated_workers_run_no_finalizer)
{
    struct gate gate = gate_open();
    struct state s = new_state();
    mp_pool *pool = pool_with_state(1, &s, 0);

    must(mp_result_free(submit_to_gate(pool, gate)));
    gate_await(gate);
    must(mp_pool_destroy(pool));
    ck_assert_uint_eq(mp__load(s.begun), 1);
    ck_assert_uint_eq(mp__load(s.ended), 0);
    free_state(s);
    gate_close(gate);
}
END_TEST

static void
crash(void *arg)
{
    (void)arg;
    raise(SIGKILL);
}

START_TEST(finalizer_that_crashes_harms_nobody)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};
    mp_pool *pool;

    must(mp_pool_create(
        &pool, 2, MP_POOL_ATTR(.finalizer = crash, .tasks_per_worker = 1)));
    for (int i = 0; i < 30; i++)
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_stats(pool, &stats));
    ck_assert_uint_eq(stats.done, 30);
    ck_assert_uint_eq(stats.deaths, 0);
    must(mp_pool_destroy(pool));
}
END_TEST

static int
state_is_null(mp_task *task)
{
    return mp_task_state(task) == NULL && mp_worker_state() == NULL ? 0
                                                                    : -EINVAL;
}

START_TEST(without_an_argument_there_is_no_state)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    ck_assert_ptr_null(mp_worker_state());
    must(mp_pool_apply(pool, state_is_null, NULL, 0, &result));
    ck_assert_int_eq(end_of(result), 0);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

START_TEST(scope_destroys_the_pool)
{
    mp_pool *gone;

    {
        MP_POOL_SCOPE mp_pool *pool = NULL;
        MP_POOL_SCOPE mp_pool *none = NULL;

        (void)none;
        must(mp_pool_create(&pool, 1, NULL));
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
        gone = pool;
    }
    ck_assert_int_eq(mp_pool_close(gone), -EBADF);
    mp_pool_leave(NULL);
}
END_TEST

/* ---- Processors ---- */

/* Returns the one processor that it may run on. */
static int
which_cpu(mp_task *task)
{
    uint32_t cpus[2];

    if (mp__cpu_list("all", cpus, 0) != 1)
        return mp_task_fail(task, "bound to %d processors",
                            mp__cpu_list("all", cpus, 0));
    mp__cpu_list("all", cpus, 1);
    return mp_task_return(task, cpus, sizeof(cpus[0]));
}

static int
wait_and_tell_cpu(mp_task *task)
{
    int r = wait_at_gate(task);

    return r < 0 ? r : which_cpu(task);
}

/* Each of the processors is that of one worker. */
static void
expect_cpus(mp_pool *pool, const uint32_t *cpus, int n)
{
    struct gate gate = gate_open();
    mp_result *results[8];
    int seen[8] = {0};
    pid_t pid;

    for (int i = 0; i < n; i++)
        must(mp_pool_apply_async(pool, wait_and_tell_cpu, &gate, sizeof(gate),
                                 NULL, &results[i]));
    for (int i = 0; i < n; i++) /* whoever has left must be replaced */
        while (mp_queue_get(gate.begun, &pid, sizeof(pid),
                            mp_timeout(0.005)) < 0)
            must(mp_pool_workers(pool, NULL, 0));
    for (int i = 0; i < n; i++)
        gate_let_go(gate);
    for (int i = 0; i < n; i++) {
        uint32_t cpu;

        ck_assert_msg(mp_result_get(results[i], &cpu, sizeof(cpu),
                                    MP_FOREVER) == sizeof(cpu),
                      "%s", mp_last_error());
        for (int k = 0; k < n; k++)
            seen[k] += cpus[k] == cpu;
        must(mp_result_free(results[i]));
    }
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(seen[i], 1);
    gate_close(gate);
}

START_TEST(B41_each_worker_is_bound_to_a_processor)
{
    uint32_t cpus[8];
    int n = mp__cpu_list("all", cpus, 8);
    char list[32];
    mp_pool *pool;

    ck_assert_int_ge(n, 1);
    use_method(_i);
    n = n > 4 ? 4 : n;
    must(mp_pool_create(&pool, n, MP_POOL_ATTR(.cpus = "all")));
    if (n == mp__cpu_list("all", cpus, 0))
        expect_cpus(pool, cpus, n);
    end_pool(pool);
    snprintf(list, sizeof(list), "%u", (unsigned)cpus[n - 1]);
    must(mp_pool_create(&pool, 1,
                        MP_POOL_ATTR(.cpus = list, .tasks_per_worker = 1)));
    for (int i = 0; i < 3; i++) /* the next ones too */
        expect_cpus(pool, &cpus[n - 1], 1);
    end_pool(pool);
}
END_TEST

START_TEST(B41_processors_stay_shared_out_when_workers_are_replaced)
{
    uint32_t cpus[8];
    int n = mp__cpu_list("all", cpus, 8);
    char list[32];
    mp_pool *pool;

    if (n < 2)
        return;
    snprintf(list, sizeof(list), "%u,%u", (unsigned)cpus[1],
             (unsigned)cpus[0]);
    must(mp_pool_create(&pool, 2,
                        MP_POOL_ATTR(.cpus = list, .tasks_per_worker = 1)));
    for (int i = 0; i < 5; i++)
        expect_cpus(pool, cpus, 2);
    end_pool(pool);
}
END_TEST

START_TEST(processor_that_is_not_there_fails_the_start)
{
    mp_pool *pool = NULL;

    use_method(_i);
    ck_assert_int_lt(mp_pool_create(&pool, 1, MP_POOL_ATTR(.cpus = "60000")),
                     0);
    expect_text("cpus");
    ck_assert_ptr_null(pool);
}
END_TEST

/* ---- Threads of numerical libraries ---- */

static const char *const variables[] = {
    "OMP_NUM_THREADS",  "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS",  "VECLIB_MAXIMUM_THREADS",
    "GOTO_NUM_THREADS",
};
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* All of them, as numbers; -1: not set. */
static int
read_variables(mp_task *task)
{
    int values[VARIABLES];

    for (size_t i = 0; i < VARIABLES; i++) {
        const char *value = getenv(variables[i]);

        values[i] = value ? atoi(value) : -1;
    }
    return mp_task_return(task, values, sizeof(values));
}

static void
expect_threads(int workers, int32_t threads, int first, int others)
{
    int values[VARIABLES];
    mp_result *result;
    mp_pool *pool;

    must(mp_pool_create(&pool, workers, MP_POOL_ATTR(.threads = threads)));
    must(mp_pool_apply(pool, read_variables, NULL, 0, &result));
    ck_assert_int_eq(mp_result_get(result, values, sizeof(values), MP_FOREVER),
                     sizeof(values));
    ck_assert_int_eq(values[0], first);
    for (size_t i = 1; i < VARIABLES; i++)
        ck_assert_int_eq(values[i], others);
    must(mp_result_free(result));
    end_pool(pool);
}

START_TEST(B41_numerical_libraries_get_their_share)
{
    int cpus = mp_cpu_count();
    int half = cpus / 2 > 1 ? cpus / 2 : 1;

    for (size_t i = 0; i < VARIABLES; i++)
        unsetenv(variables[i]);
    use_method(_i);
    expect_threads(1, 0, cpus, cpus);
    expect_threads(2, 0, half, half);
    expect_threads(2 * cpus, 0, 1, 1);
    expect_threads(1, 5, 5, 5);
    expect_threads(1, -1, -1, -1);
    setenv(variables[0], "77", 1); /* the user's own */
    expect_threads(1, 5, 77, 5);
    ck_assert_str_eq(getenv(variables[0]), "77");
    ck_assert_ptr_null(getenv(variables[1]));
    unsetenv(variables[0]);
}
END_TEST

/* ---- Memory ---- */

#define MIB ((size_t)1 << 20)

static int
allocate(mp_task *task)
{
    size_t *size = mp_task_arg(task, NULL);
    volatile char *p = malloc(*size);

    if (!p)
        return -ENOMEM;
    p[*size - 1] = 1;
    free((void *)p);
    return 0;
}

static long
try_to_allocate(mp_pool *pool, size_t size)
{
    mp_result *result;
    long r;

    must(mp_pool_apply(pool, allocate, &size, sizeof(size), &result));
    r = end_of(result);
    must(mp_result_free(result));
    return r;
}

START_TEST(B28_hard_memory_limit_makes_malloc_fail)
{
    mp_pool *pool;

    if (SANITIZED) /* they need terabytes of address space */
        return;
    use_method(_i);
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.memory_hard = 512 * MIB)));
    ck_assert_int_eq(try_to_allocate(pool, 1024 * MIB), -ENOMEM);
    ck_assert_int_eq(try_to_allocate(pool, 32 * MIB), 0);
    end_pool(pool);
}
END_TEST

/* ---- Looking after each other ---- */

static int
count_start(void *arg)
{
    mp__add(*(mp__a32 **)arg, 1);
    return 0;
}

static mp_pool *
pool_that_counts(int workers, mp__a32 **ret_starts)
{
    mp_pool *pool;

    *ret_starts = mp_new(mp__a32);
    must(mp_pool_create(&pool, workers,
                        MP_POOL_ATTR(.initializer = count_start,
                                     .initializer_arg = ret_starts,
                                     .initializer_size = sizeof(mp__a32 *))));
    return pool;
}

START_TEST(idle_worker_replaces_a_dead_one_while_the_owner_is_busy)
{
    mp__a32 *starts;
    mp_pool *pool;
    pid_t pids[2];

    use_method(_i);
    pool = pool_that_counts(2, &starts);
    await_workers(pool, 2, pids);
    ck_assert_uint_eq(mp__load(starts), 2);
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
    /* Nobody is in a call on the pool. */
    wait_until(mp__load(starts) == 3, 30);
    end_pool(pool);
    must(mp_free((void *)starts));
}
END_TEST

/* arg: a queue for its pid. */
static int
tell_and_nap(mp_task *task)
{
    mp_queue **queue = mp_task_arg(task, NULL);
    pid_t pid = getpid();

    usleep(2000);
    return mp_queue_put(*queue, &pid, sizeof(pid), MP_FOREVER);
}

START_TEST(busy_worker_replaces_a_dead_one_while_the_owner_is_busy)
{
    enum { TASKS = 5000 };
    struct gate gate = gate_open();
    mp_result *held;
    mp_queue *queue;
    pid_t victim, pid, other = 0;
    mp_pool *pool;

    use_method(_i);
    must(mp_queue_create(&queue, NULL));
    pool = pool_of(2);
    held = submit_to_gate(pool, gate);
    victim = gate_await(gate);
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(pool, tell_and_nap, &queue, sizeof(queue),
                                 NULL, NULL));
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    /* Two workers tell of themselves, and the victim never did. */
    for (int i = 0; i < TASKS; i++) {
        must(mp_queue_get(queue, &pid, sizeof(pid), MP_FOREVER));
        ck_assert_int_ne(pid, victim);
        if (other && pid != other)
            break;
        other = pid;
    }
    ck_assert_int_ne(pid, other);
    ck_assert_int_eq(end_of(held), -ESRCH);
    must(mp_result_free(held));
    must(mp_pool_destroy(pool));
    must(mp_queue_destroy(queue));
    gate_close(gate);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("workers");
    TCase *input = pool_case(suite, "input", 10);
    TCase *state = pool_case(suite, "state", 30);
    TCase *cpus = pool_case(suite, "cpus", 30);
    TCase *memory = pool_case(suite, "memory", 30);
    TCase *others = pool_case(suite, "others", 60);

    tcase_add_test(input, bad_attributes_einval);
    tcase_add_test(input, all_at_their_limits_are_taken);
    tcase_add_loop_test(state, finalizer_sees_what_tasks_left_in_the_state,
                        FROM, TO);
    tcase_add_test(state, terminated_workers_run_no_finalizer);
    tcase_add_test(state, finalizer_that_crashes_harms_nobody);
    tcase_add_test(state, without_an_argument_there_is_no_state);
    tcase_add_test(state, scope_destroys_the_pool);
    tcase_add_loop_test(cpus, B41_each_worker_is_bound_to_a_processor, FROM,
                        TO);
    tcase_add_test(cpus,
                   B41_processors_stay_shared_out_when_workers_are_replaced);
    tcase_add_loop_test(cpus, processor_that_is_not_there_fails_the_start,
                        FROM, TO);
    tcase_add_loop_test(cpus, B41_numerical_libraries_get_their_share, FROM,
                        TO);
    tcase_add_loop_test(memory, B28_hard_memory_limit_makes_malloc_fail, FROM,
                        TO);
    tcase_add_loop_test(
        others, idle_worker_replaces_a_dead_one_while_the_owner_is_busy, FROM,
        TO);
    tcase_add_loop_test(
        others, busy_worker_replaces_a_dead_one_while_the_owner_is_busy, FROM,
        TO);
    return pool_main(suite);
}
