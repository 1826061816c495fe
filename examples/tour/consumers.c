/* SPDX-License-Identifier: MIT */
/* Consumers take tasks from one queue and put answers into another. An empty
 * message is the pill that ends the consumer who takes it.
 *
 * The queue of tasks is joinable: consumers say of each task when it is done,
 * and mp_queue_join() waits until all are. A consumer answers first, and says
 * so afterwards: when the join is over, all answers are there. */
#include "tour.h"

#include <stdio.h>

enum { JOBS = 10 };

struct task {
    int a, b;
};

struct answer {
    char text[64];
};

/* Handles of queues are pointers that every process of the family may use:
 * they travel in arguments and in messages like any other value. */
struct queues {
    mp_queue *tasks;
    mp_queue *results;
};

static void
do_task(const struct task *task, mp_queue *results)
{
    struct answer answer;

    say("%d * %d", task->a, task->b);
    work_for(0.05);
    snprintf(answer.text, sizeof(answer.text), "%d * %d = %d", task->a,
             task->b, task->a * task->b);
    MUST(mp_queue_put(results, &answer, sizeof(answer), MP_FOREVER));
}

static int
consume(void *arg)
{
    struct queues *queues = arg;
    struct task task;

    while (MUST(mp_queue_get(queues->tasks, &task, sizeof(task),
                             MP_FOREVER)) != 0) {
        do_task(&task, queues->results);
        MUST(mp_queue_task_done(queues->tasks));
    }
    say("a pill: I end");
    MUST(mp_queue_task_done(queues->tasks)); /* a pill is a task as well */
    return 0;
}

static void
put_tasks(mp_queue *tasks, int consumers)
{
    for (int i = 0; i < JOBS; i++) {
        struct task task = {i, i};

        MUST(mp_queue_put(tasks, &task, sizeof(task), MP_FOREVER));
    }
    for (int i = 0; i < consumers; i++)
        MUST(mp_queue_put(tasks, NULL, 0, MP_FOREVER));
}

static void
print_results(mp_queue *results)
{
    struct answer answer;

    CLAIM(mp_queue_size(results) == JOBS);
    while (!mp_queue_empty(results)) {
        MUST(mp_queue_get(results, &answer, sizeof(answer), MP_NOW));
        say("result: %s", answer.text);
    }
}

void
scene_consumers(void)
{
    mp_process *consumers[64];
    int n = mp_cpu_count() < 64 ? mp_cpu_count() : 64;
    struct queues queues;

    MUST(mp_queue_create(&queues.tasks, MP_QUEUE_ATTR(.joinable = 1)));
    MUST(mp_queue_create(&queues.results, NULL));
    say("starting %d consumers, one for each processor", n);
    start_crowd(consumers, n, "consumer", consume, &queues, sizeof(queues));
    put_tasks(queues.tasks, n);

    MUST(mp_queue_join(queues.tasks, MP_FOREVER));
    say("all tasks are done: %zu are not", mp_queue_unfinished(queues.tasks));
    print_results(queues.results);
    CLAIM(join_crowd(consumers, n) == n);
    say("tasks left: %zu, results left: %zu", mp_queue_size(queues.tasks),
        mp_queue_size(queues.results));
    MUST(mp_queue_destroy(queues.tasks));
    MUST(mp_queue_destroy(queues.results));
}
