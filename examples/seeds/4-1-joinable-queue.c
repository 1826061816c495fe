/* SPDX-License-Identifier: MIT */
/* Consumers share the tasks of a queue; a pill ends each of them.
 *
 * Python: a consumer per processor gets tasks from a JoinableQueue, puts
 * answers into a Queue, and says task_done() of each task. join() of the first
 * waits until all are done. A None for each consumer comes last: who gets it
 * ends.
 *
 * Here: .joinable, mp_queue_task_done(), mp_queue_join(); a task is a struct,
 * an empty message is the pill. The Python original says task_done() first and
 * answers later, so answers may be missing after the join; here it is the
 * other way round, and what was put is there. */
#include "must.h"

enum { JOBS = 10, MOST = 64 };

struct task {
    int a, b;
};

struct queues {
    mp_queue *tasks, *results;
};

static int
consume(void *arg)
{
    struct queues *queues = arg;
    int me = (int)mp_process_pid(mp_current_process());
    struct task task;

    while (MUST(mp_queue_get(queues->tasks, &task, sizeof(task),
                             MP_FOREVER)) != 0) {
        say("consumer %d: %d * %d\n", me, task.a, task.b);
        usleep(50 * 1000);
        MUST(mp_queue_putf(queues->results, "[i,i,i]", task.a, task.b,
                           task.a * task.b));
        MUST(mp_queue_task_done(queues->tasks));
    }
    say("consumer %d: a pill; I end\n", me);
    MUST(mp_queue_task_done(queues->tasks)); /* a pill is a task as well */
    return 0;
}

int
main(void)
{
    int n = mp_cpu_count() < MOST ? mp_cpu_count() : MOST;
    mp_process *consumers[MOST];
    struct queues queues;

    MUST(mp_queue_create(&queues.tasks, MP_QUEUE_ATTR(.joinable = 1)));
    MUST(mp_queue_create(&queues.results, NULL));
    say("%d consumers, one for each processor\n", n);
    for (int i = 0; i < n; i++)
        MUST(mp_process_start(&consumers[i], consume, &queues, sizeof(queues),
                              NULL));
    for (int i = 0; i < JOBS; i++)
        MUST(mp_queue_put(queues.tasks, &(struct task){i, i},
                          sizeof(struct task), MP_FOREVER));
    for (int i = 0; i < n; i++)
        MUST(mp_queue_put(queues.tasks, NULL, 0, MP_FOREVER));

    MUST(mp_queue_join(queues.tasks, MP_FOREVER));
    say("all tasks are done; answers: %zu\n", mp_queue_size(queues.results));
    for (int i = 0, a, b, product; i < JOBS; i++) {
        MUST(mp_queue_getf(queues.results, "[i,i,i]", &a, &b, &product));
        say("result: %d * %d = %d\n", a, b, product);
    }
    for (int i = 0; i < n; i++) {
        MUST(mp_process_join(consumers[i], MP_FOREVER));
        MUST(mp_process_close(consumers[i]));
    }
    MUST(mp_queue_destroy(queues.tasks));
    MUST(mp_queue_destroy(queues.results));
    return 0;
}
