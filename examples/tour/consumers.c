/* SPDX-License-Identifier: MIT */
/* Consumers take tasks from one queue and put answers into another. An empty
 * message is the pill that ends the consumer who takes it. */
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

static int
consume(void *arg)
{
    struct queues *queues = arg;
    struct answer answer;
    struct task task;

    while (MUST(mp_queue_get(queues->tasks, &task, sizeof(task),
                             MP_FOREVER)) != 0) {
        say("%d * %d", task.a, task.b);
        work_for(0.05);
        snprintf(answer.text, sizeof(answer.text), "%d * %d = %d", task.a,
                 task.b, task.a * task.b);
        MUST(mp_queue_put(queues->results, &answer, sizeof(answer),
                          MP_FOREVER));
    }
    say("a pill: I end");
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

void
scene_consumers(void)
{
    mp_process *consumer[64];
    int n = mp_cpu_count() < 64 ? mp_cpu_count() : 64;
    struct queues queues;
    struct answer answer;

    MUST(mp_queue_create(&queues.tasks, NULL));
    MUST(mp_queue_create(&queues.results, NULL));
    say("starting %d consumers, one for each processor", n);
    for (int i = 0; i < n; i++)
        MUST(mp_process_start(&consumer[i], consume, &queues, sizeof(queues),
                              NULL));
    put_tasks(queues.tasks, n);

    for (int i = 0; i < JOBS; i++) {
        MUST(
            mp_queue_get(queues.results, &answer, sizeof(answer), MP_FOREVER));
        say("result: %s", answer.text);
    }
    for (int i = 0; i < n; i++) {
        MUST(mp_process_join(consumer[i], MP_FOREVER));
        MUST(mp_process_close(consumer[i]));
    }
    say("tasks left: %zu, results left: %zu", mp_queue_size(queues.tasks),
        mp_queue_size(queues.results));
    MUST(mp_queue_destroy(queues.tasks));
    MUST(mp_queue_destroy(queues.results));
}
