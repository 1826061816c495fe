/* SPDX-License-Identifier: MIT */
/* Callbacks: each once, in the process that submitted, with its result. */
#include "pool/crew.h"

#include "task/inbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 4096

/* How often each was told of, by the number that is its argument. */
static struct {
    _Atomic unsigned done[MOST], failed[MOST];
    _Atomic unsigned in_all;
    _Atomic int last_code;
} told;

/* Echoes its argument, an int, if that is not a multiple of 10; kills the
 * worker if it is one of 100. */
static int
tens(mp_task *task)
{
    int *number = mp_task_arg(task, NULL);

    if (*number % 100 == 0)
        raise(SIGKILL);
    if (*number % 10 == 0)
        return mp_task_fail(task, "%d is a multiple of ten", *number);
    return mp_task_return(task, number, sizeof(*number));
}

static void
note_done(mp_result *result, void *arg)
{
    int number = (int)(intptr_t)arg, value = -1;

    ck_assert_int_eq(mp_result_ready(result), 1);
    ck_assert_int_eq(mp_result_successful(result), 1);
    if (mp_result_get(result, &value, sizeof(value), MP_NOW) == sizeof(value))
        ck_assert_int_eq(value, number);
    told.done[number]++;
    told.in_all++;
}

static void
note_failed(mp_result *result, void *arg)
{
    char byte;

    ck_assert_int_eq(mp_result_successful(result), 0);
    ck_assert_ptr_nonnull(mp_result_error(result));
    told.last_code = (int)mp_result_get(result, &byte, 1, MP_NOW);
    told.failed[(intptr_t)arg]++;
    told.in_all++;
}

static const mp_task_attr *
attr_for(int number)
{
    static __thread mp_task_attr attr;

    attr = *MP_TASK_ATTR(.callback = note_done, .error_callback = note_failed,
                         .callback_arg = (void *)(intptr_t)number);
    return &attr;
}

static void
submit(mp_pool *pool, int number, mp_result **ret_result)
{
    must(mp_pool_apply_async(pool, tens, &number, sizeof(number),
                             attr_for(number), ret_result));
}

/* All of them, and each once, as it has to be. */
static void
expect_told(int from, int to)
{
    for (int i = from; i < to; i++) {
        ck_assert_msg(told.done[i] == (i % 10 != 0) &&
                          told.failed[i] == (i % 10 == 0),
                      "task %d: %u times done, %u times failed", i,
                      told.done[i], told.failed[i]);
    }
}

/* Until none is to come; how many were run. */
static int
run_all(mp_pool *pool)
{
    int sum = 0, n;

    while ((n = (int)must(mp_pool_callbacks(pool, MP_FOREVER))) > 0)
        sum += n;
    return sum;
}

/* ---- One process, one thread ---- */

START_TEST(each_is_run_once_and_results_go_with_it)
{
    mp_pool *pool;
    uint64_t use;

    use_method(_i);
    pool = pool_of(2);
    submit(pool, 1, NULL);
    ck_assert_int_eq(run_all(pool), 1);
    use = heap_use();
    for (int round = 0; round < 2; round++) {
        memset(&told, 0, sizeof(told));
        for (int i = 1; i < 1000; i++)
            submit(pool, i, NULL);
        ck_assert_int_eq(run_all(pool), 999);
        expect_told(1, 1000);
        if (round == 0)
            use = heap_use();
    }
    wait_until(heap_use() <= use, 20); /* nobody had a handle */
    end_pool(pool);
}
END_TEST

START_TEST(a_lost_task_has_its_error_callback)
{
    mp_pool *pool = pool_of(1);

    submit(pool, 100, NULL);
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_uint_eq(told.failed[100], 1);
    ck_assert_int_eq(told.last_code, -ESRCH);
    end_pool(pool);
}
END_TEST

START_TEST(nothing_to_come_is_0_at_once)
{
    mp_pool *pool = pool_of(1);

    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 0);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 0);
    ck_assert_int_eq(mp_pool_callbacks(NULL, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_pool_fd(NULL), -EBADF);
    end_pool(pool);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), -EBADF);
}
END_TEST

START_TEST(a_deadline_ends_the_wait)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(1), NULL));
    gate_await(gate);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
    ck_assert_int_eq(mp_pool_callbacks(pool, mp_timeout(0.05)), 0);
    ck_assert_uint_eq(told.in_all, 0);
    gate_let_go(gate);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 1);
    ck_assert_uint_eq(told.done[1], 1);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(a_signal_interrupts_the_wait)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    struct interruption *interruption;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(1), NULL));
    gate_await(gate);
    interruption = interrupt_me();
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), -EINTR);
    interrupt_end(interruption);
    gate_let_go(gate);
    ck_assert_int_eq(run_all(pool), 1);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(other_calls_run_what_is_due)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    submit(pool, 1, NULL);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(told.done[1], 1);
    submit(pool, 2, NULL);
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &result));
    must(mp_result_wait(result, MP_FOREVER));
    ck_assert_uint_eq(told.done[2], 1);
    must(mp_result_free(result));
    submit(pool, 3, NULL);
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    ck_assert_uint_eq(told.done[3], 1);
    must(mp_pool_destroy(pool));
}
END_TEST

static void
call_into_the_pool(mp_result *result, void *arg)
{
    mp_pool *pool = arg;
    unsigned before = told.in_all;

    (void)result;
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 0);
    ck_assert_uint_eq(told.in_all, before);
    told.in_all++;
}

START_TEST(the_calls_of_a_callback_run_none)
{
    mp_pool *pool = pool_of(1);

    for (int i = 1; i < 4; i++)
        must(mp_pool_apply_async(
            pool, echo, NULL, 0,
            MP_TASK_ATTR(.callback = call_into_the_pool, .callback_arg = pool),
            NULL));
    ck_assert_int_eq(run_all(pool), 3);
    ck_assert_uint_eq(told.in_all, 3);
    end_pool(pool);
}
END_TEST

static mp_pool *chain_pool;

static void
submit_the_next(mp_result *result, void *arg)
{
    intptr_t left = (intptr_t)arg;

    (void)result;
    told.in_all++;
    if (left > 0)
        must(mp_pool_apply_async(
            chain_pool, echo, NULL, 0,
            MP_TASK_ATTR(.callback = submit_the_next,
                         .callback_arg = (void *)(left - 1)),
            NULL));
}

START_TEST(a_callback_may_submit)
{
    chain_pool = pool_of(2);
    must(mp_pool_apply_async(
        chain_pool, echo, NULL, 0,
        MP_TASK_ATTR(.callback = submit_the_next, .callback_arg = (void *)199),
        NULL));
    ck_assert_int_eq(run_all(chain_pool), 200);
    ck_assert_uint_eq(told.in_all, 200);
    end_pool(chain_pool);
}
END_TEST

START_TEST(one_kind_alone_may_be_asked_for)
{
    mp_pool *pool = pool_of(1);
    int ten = 10, one = 1;

    must(mp_pool_apply_async(pool, tens, &ten, sizeof(ten),
                             MP_TASK_ATTR(.callback = note_done), NULL));
    must(mp_pool_apply_async(pool, tens, &one, sizeof(one),
                             MP_TASK_ATTR(.error_callback = note_failed),
                             NULL));
    ck_assert_int_eq(run_all(pool), 0);
    ck_assert_uint_eq(told.in_all, 0);
    end_pool(pool);
}
END_TEST

/* ---- Handles ---- */

START_TEST(a_result_that_was_freed_before_is_there_still)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *result;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(1), &result));
    gate_await(gate);
    must(mp_result_free(result));
    gate_let_go(gate);
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_uint_eq(told.done[1], 1);
    ck_assert_int_eq(mp_result_ready(result), -EBADF);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

static void
free_it(mp_result *result, void *arg)
{
    (void)arg;
    must(mp_result_free(result));
    told.in_all++;
}

START_TEST(a_callback_may_free_its_result)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    for (int wanted = 0; wanted < 2; wanted++) {
        must(mp_pool_apply_async(pool, echo, NULL, 0,
                                 MP_TASK_ATTR(.callback = free_it),
                                 wanted ? &result : NULL));
        ck_assert_int_eq(run_all(pool), 1);
    }
    ck_assert_int_eq(mp_result_free(result), -EBADF);
    ck_assert_uint_eq(told.in_all, 2);
    end_pool(pool);
}
END_TEST

START_TEST(a_handle_stays_its_owners)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;
    int value;

    submit(pool, 7, &result);
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_int_eq(mp_result_get(result, &value, sizeof(value), MP_NOW),
                     sizeof(value));
    ck_assert_int_eq(value, 7);
    must(mp_result_free(result));
    end_pool(pool);
}
END_TEST

/* ---- Ends that are no ends ---- */

START_TEST(a_cancelled_task_has_failed)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *blocker = submit_to_gate(pool, gate), *result;

    gate_await(gate);
    submit(pool, 1, &result);
    must(mp_result_cancel(result));
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_uint_eq(told.failed[1], 1);
    ck_assert_int_eq(told.last_code, -ECANCELED);
    must(mp_result_free(result));
    gate_let_go(gate);
    ck_assert_int_eq(end_of(blocker), 0);
    must(mp_result_free(blocker));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(a_terminated_pool_tells_of_all)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(0), NULL));
    gate_await(gate);
    for (int i = 1; i < 100; i++)
        submit(pool, i, NULL);
    must(mp_pool_terminate(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(told.failed[i], 1);
    ck_assert_int_eq(told.last_code, -ECANCELED);
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_FOREVER), 0);
    must(mp_pool_destroy(pool));
    gate_close(gate);
}
END_TEST

START_TEST(with_the_pool_they_are_forgotten)
{
    mp_pool *pool = pool_of(1);
    uint64_t use;
    mp_result *result;

    end_pool(pool);
    use = heap_use();
    pool = pool_of(1);
    for (int i = 1; i < 100; i++)
        submit(pool, i, i == 1 ? &result : NULL);
    must(mp_pool_destroy(pool));
    ck_assert_uint_eq(told.in_all, 0);
    must(mp_result_free(result));
    wait_until(heap_use() <= use, 20); /* a worker may be on its way out */
}
END_TEST

/* ---- Maps ---- */

static int
negate(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = -*(const int *)item;
    return *(const int *)item == 77 ? -EDOM : 0;
}

static void
note_map(mp_result *result, void *arg)
{
    (void)arg;
    ck_assert_int_eq(mp_result_ready(result), 1);
    told.done[0] += mp_result_successful(result) == 1;
    told.failed[0] += mp_result_successful(result) == 0;
    told.in_all++;
}

START_TEST(a_map_has_them_too)
{
    mp_pool *pool = pool_of(2);
    int in[100], out[100];
    mp_result *result;

    for (int i = 0; i < 100; i++)
        in[i] = i;
    for (int n = 50; n <= 100; n += 50) { /* without 77, and with it */
        must(mp_pool_map_async(
            pool, negate, in, sizeof(int), out, sizeof(int), (size_t)n,
            MP_MAP_ATTR(.callback = note_map, .error_callback = note_map),
            &result));
        ck_assert_int_eq(run_all(pool), 1);
        must(mp_result_free(result));
    }
    ck_assert_uint_eq(told.done[0], 1);
    ck_assert_uint_eq(told.failed[0], 1);
    end_pool(pool);
}
END_TEST

START_TEST(a_map_that_nobody_asks_for_is_freed_after_the_call)
{
    mp_pool *pool = pool_of(2);
    int in[100] = {0};
    uint64_t use = 0;

    for (int i = 0; i < 3; i++) {
        must(mp_pool_map_async(pool, negate, in, sizeof(int), NULL,
                               sizeof(int), 100,
                               MP_MAP_ATTR(.callback = note_map), NULL));
        ck_assert_int_eq(run_all(pool), 1);
        must(mp_pool_apply(pool, echo, NULL, 0, NULL));
        if (i == 1)
            use = heap_use();
    }
    ck_assert_uint_eq(told.done[0], 3);
    wait_until(heap_use() <= use, 20); /* a worker may be on its way out */
    end_pool(pool);
}
END_TEST

/* ---- poll() ---- */

static int
is_readable(int fd, int milliseconds)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    return poll(&pollfd, 1, milliseconds);
}

/* The library keeps a socket once it has told somebody who sleeps in poll(). */
static void
open_socket(void)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), -EAGAIN);
    must(mp_queue_put(queue, NULL, 0, MP_FOREVER));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

START_TEST(the_descriptor_tells_when_one_is_due)
{
    mp_pool *pool;
    struct gate gate;
    int fd;

    open_socket();
    pool = pool_of(2);
    gate = gate_open();
    fd = (int)must(mp_pool_fd(pool));
    ck_assert_int_eq(mp_pool_fd(pool), fd);
    for (int i = 1; i < 4; i++) {
        must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                                 attr_for(i), NULL));
        gate_await(gate);
        ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
        ck_assert_int_eq(is_readable(fd, 0), 0);
        gate_let_go(gate);
        while (told.done[i] == 0) { /* it may be readable a little early */
            ck_assert_int_eq(is_readable(fd, 60000), 1);
            must(mp_pool_callbacks(pool, MP_NOW));
        }
    }
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* ---- News that are too early, told twice, or lost ---- */

static struct mp__inbox *
inbox_of(mp_pool *pool)
{
    return atomic_load(&pool->inboxes);
}

START_TEST(news_of_what_has_not_ended_wait)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    mp_result *result;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(1), &result));
    gate_await(gate);
    for (int i = 0; i < 3; i++) {
        mp__inbox_put(inbox_of(pool), result, 1);
        ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
        ck_assert_int_eq(mp_pool_callbacks(pool, mp_timeout(0.15)), 0);
    }
    gate_let_go(gate);
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_uint_eq(told.done[1], 1);
    mp__inbox_put(inbox_of(pool), result, 1); /* once more */
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
    must(mp_result_free(result));
    end_pool(pool);
    gate_close(gate);
}
END_TEST

START_TEST(lost_news_are_made_good)
{
    mp_pool *pool = pool_of(1);
    struct mp__news news;
    mp_queue *queue;

    submit(pool, 1, NULL);
    queue = inbox_of(pool)->queue;
    /* As if there had been no memory for it. */
    must(mp_queue_get(queue, &news, sizeof(news), MP_FOREVER));
    mp__store(&inbox_of(pool)->lost, 1);
    mp__inbox_stir(inbox_of(pool));
    ck_assert_int_eq(run_all(pool), 1);
    ck_assert_uint_eq(told.done[1], 1);
    end_pool(pool);
}
END_TEST

/* ---- Several threads ---- */

static struct crowd {
    mp_pool *pool;
    _Atomic int submitted, submitting;
} crowd;

static void *
submit_many(void *arg)
{
    int from = (int)(intptr_t)arg;

    for (int i = from; i < from + 999; i++) {
        submit(crowd.pool, i, NULL);
        crowd.submitted++;
    }
    crowd.submitting--;
    return NULL;
}

static void *
run_many(void *unused)
{
    do
        must(mp_pool_callbacks(crowd.pool, mp_timeout(1)));
    while (crowd.submitting || told.in_all < (unsigned)crowd.submitted);
    return unused;
}

START_TEST(any_thread_runs_them_and_each_once)
{
    pthread_t threads[5];

    crowd.pool = pool_of(2);
    crowd.submitting = 2;
    for (intptr_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_many,
                                        (void *)(1 + i * 1000)),
                         0);
    for (int i = 2; i < 5; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    expect_told(1, 1000);
    expect_told(1001, 2000);
    ck_assert_uint_eq(told.in_all, 1998);
    end_pool(crowd.pool);
}
END_TEST

/* ---- Several processes ---- */

/* Checks by its exit code: no assertions in children. */
static int
run_own_callbacks(void *arg)
{
    mp_pool *pool = *(mp_pool **)arg;
    int n, sum = 0;

    memset(&told, 0, sizeof(told));
    for (int i = 1; i < 200; i++)
        if (mp_pool_apply_async(pool, tens, &i, sizeof(i), attr_for(i), NULL) <
            0)
            return 1;
    while ((n = mp_pool_callbacks(pool, MP_FOREVER)) > 0)
        sum += n;
    if (n < 0 || sum != 199 || told.in_all != 199)
        return 2;
    for (int i = 1; i < 200; i++)
        if (told.done[i] + told.failed[i] != 1)
            return 3;
    return 0;
}

START_TEST(each_process_has_its_own)
{
    mp_pool *pool;
    mp_process *processes[3];
    int code, inboxes = 0;

    use_method(_i);
    pool = pool_of(2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            must(mp_process_start(&processes[i], run_own_callbacks, &pool,
                                  sizeof(pool), NULL));
        ck_assert_int_eq(run_own_callbacks(&pool), 0);
        for (int i = 0; i < 3; i++) {
            must(mp_process_join(processes[i], MP_FOREVER));
            must(mp_process_exitcode(processes[i], &code));
            ck_assert_int_eq(code, 0);
            must(mp_process_close(processes[i]));
        }
    }
    for (struct mp__inbox *inbox = inbox_of(pool); inbox; inbox = inbox->next)
        inboxes++;
    ck_assert_int_le(inboxes, 4); /* those of the dead are taken again */
    end_pool(pool);
}
END_TEST

static int
run_for_ever(void *arg)
{
    mp_pool *pool = *(mp_pool **)arg;

    for (int i = 1;; i = i % 99 + 1)
        if (mp_pool_apply_async(pool, tens, &i, sizeof(i), attr_for(i), NULL) <
                0 ||
            mp_pool_callbacks(pool, i % 10 ? MP_NOW : MP_FOREVER) < 0)
            return 1;
}

START_TEST(a_killed_reader_harms_nobody)
{
    mp_pool *pool = pool_of(2);
    mp_process *process;
    int inboxes = 0;

    for (int i = 0; i < 30; i++) {
        must(mp_process_start(&process, run_for_ever, &pool, sizeof(pool),
                              NULL));
        usleep((useconds_t)(i * 300)); /* wherever it is */
        must(mp_process_kill(process));
        must(mp_process_join(process, MP_FOREVER));
        must(mp_process_close(process));
    }
    ck_assert_int_eq(run_own_callbacks(&pool), 0);
    for (struct mp__inbox *inbox = inbox_of(pool); inbox; inbox = inbox->next)
        inboxes++;
    ck_assert_int_eq(inboxes, 1); /* each has taken that of the last */
    end_pool(pool);
}
END_TEST

START_TEST(a_copy_of_the_process_has_none)
{
    mp_pool *pool = pool_of(1);
    struct gate gate = gate_open();
    int status;
    pid_t pid;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate),
                             attr_for(1), NULL));
    gate_await(gate);
    pid = fork();
    if (pid == 0)
        _exit(mp_pool_callbacks(pool, MP_FOREVER) == 0 ? 7 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    gate_let_go(gate);
    ck_assert_int_eq(run_all(pool), 1);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* ---- Deaths ---- */

START_TEST(no_death_takes_one_along)
{
    mp_pool *pool = pool_of(2);

    for (int i = 0; i < 2000; i++) /* one in a hundred kills its worker */
        submit(pool, i, NULL);
    ck_assert_int_eq(run_all(pool), 2000);
    expect_told(0, 2000);
    end_pool(pool);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("callbacks");
    TCase *tcase = pool_case(suite, "one thread", 30);

    tcase_add_loop_test(tcase, each_is_run_once_and_results_go_with_it,
                        MP_FORK, MP_FORKSERVER + 1);
    tcase_add_test(tcase, a_lost_task_has_its_error_callback);
    tcase_add_test(tcase, nothing_to_come_is_0_at_once);
    tcase_add_test(tcase, a_deadline_ends_the_wait);
    tcase_add_test(tcase, a_signal_interrupts_the_wait);
    tcase_add_test(tcase, other_calls_run_what_is_due);
    tcase_add_test(tcase, the_calls_of_a_callback_run_none);
    tcase_add_test(tcase, a_callback_may_submit);
    tcase_add_test(tcase, one_kind_alone_may_be_asked_for);

    tcase = pool_case(suite, "results", 30);
    tcase_add_test(tcase, a_result_that_was_freed_before_is_there_still);
    tcase_add_test(tcase, a_callback_may_free_its_result);
    tcase_add_test(tcase, a_handle_stays_its_owners);
    tcase_add_test(tcase, a_cancelled_task_has_failed);
    tcase_add_test(tcase, a_terminated_pool_tells_of_all);
    tcase_add_test(tcase, with_the_pool_they_are_forgotten);
    tcase_add_test(tcase, a_map_has_them_too);
    tcase_add_test(tcase, a_map_that_nobody_asks_for_is_freed_after_the_call);

    tcase = pool_case(suite, "news", 30);
    tcase_add_test(tcase, the_descriptor_tells_when_one_is_due);
    tcase_add_test(tcase, news_of_what_has_not_ended_wait);
    tcase_add_test(tcase, lost_news_are_made_good);

    tcase = pool_case(suite, "others", 60);
    if (mp_test_may_fork_with_threads())
        tcase_add_test(tcase, any_thread_runs_them_and_each_once);
    tcase_add_loop_test(tcase, each_process_has_its_own, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, a_killed_reader_harms_nobody);
    tcase_add_test(tcase, a_copy_of_the_process_has_none);
    tcase_add_test(tcase, no_death_takes_one_along);
    return pool_main(suite);
}
