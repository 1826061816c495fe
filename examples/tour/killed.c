/* SPDX-License-Identifier: MIT */
/* Death is an event. The third of five tasks is killed by SIGKILL, as the
 * kernel does when memory runs out: that task fails with an error that says
 * who died of what, the others do not notice, and the pool is whole again.
 * Then one aborts: the error says where in the program it was. And a consumer
 * is killed while it waits at a queue, and the queue goes on. */
#include "tour.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 5 };

static int
work_or_die(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);

    if (*number == 3)
        raise(SIGKILL);
    work_for(0.05);
    return mp_task_return(task, number, sizeof(*number));
}

static void
report(int number, mp_result *result)
{
    int returned;
    ssize_t r = mp_result_get(result, &returned, sizeof(returned), MP_FOREVER);

    if (r < 0) {
        say("task %d failed: %s", number, mp_strerror((int)r));
        say("  because: %s", mp_result_error(result));
    } else {
        say("task %d returned %d", number, returned);
    }
    MUST(mp_result_free(result));
}

static void
kill_a_worker(void)
{
    mp_result *results[TASKS];
    mp_pool *pool;

    MUST(mp_pool_create(&pool, 2, NULL));
    for (int i = 0; i < TASKS; i++) {
        int number = i + 1;

        MUST(mp_pool_apply_async(pool, work_or_die, &number, sizeof(number),
                                 NULL, &results[i]));
    }
    for (int i = 0; i < TASKS; i++)
        report(i + 1, results[i]);
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    MUST(mp_pool_destroy(pool));
}

/* Not inlined, so that the way there can be seen. */
static __attribute__((noinline)) int
divide_by(int number)
{
    if (number == 0)
        abort();
    return 42 / number;
}

static int
abort_at_zero(mp_task *task)
{
    const int *number = mp_task_arg(task, NULL);
    int quotient = divide_by(*number);

    return mp_task_return(task, &quotient, sizeof(quotient));
}

static void
abort_a_worker(void)
{
    mp_result *result;
    mp_pool *pool;
    int number = 0;

    MUST(mp_pool_create(&pool, 1, NULL));
    MUST(mp_pool_apply(pool, abort_at_zero, &number, sizeof(number), &result));
    for (const char *line = mp_result_error(result); line && *line;) {
        int length = (int)strcspn(line, "\n");

        say("%.*s", length, line);
        line += length + (line[length] == '\n');
    }
    MUST(mp_result_free(result));
    MUST(mp_pool_destroy(pool));
}

static int
take_one(void *arg)
{
    mp_queue *queue = *(mp_queue **)arg;
    int message;

    MUST(mp_queue_get(queue, &message, sizeof(message), MP_FOREVER));
    say("I got message %d", message);
    return 0;
}

static void
kill_a_consumer(void)
{
    mp_process *first, *second;
    mp_queue *queue;
    int message = 7;

    MUST(mp_queue_create(&queue, NULL));
    MUST(mp_process_start(&first, take_one, &queue, sizeof(queue),
                          MP_PROCESS_ATTR(.name = "first")));
    MUST(mp_process_start(&second, take_one, &queue, sizeof(queue),
                          MP_PROCESS_ATTR(.name = "second")));
    work_for(0.05);
    say("first and second wait at a queue; first is killed");
    MUST(mp_process_kill(first));
    MUST(mp_process_join(first, MP_FOREVER));
    MUST(mp_queue_put(queue, &message, sizeof(message), MP_FOREVER));
    MUST(mp_process_join(second, MP_FOREVER));
    MUST(mp_process_close(first));
    MUST(mp_process_close(second));
    MUST(mp_queue_destroy(queue));
}

void
scene_killed(void)
{
    kill_a_worker();
    abort_a_worker();
    kill_a_consumer();
}
