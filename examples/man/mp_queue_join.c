/* SPDX-License-Identifier: MIT */
/* Three workers walk a tree, each node of which is a task that puts two more:
 * when the queue is joined, the whole tree has been seen. One worker is killed
 * over node 5, which goes to another. */
#include <errno.h>
#include <mproc.h>
#include <signal.h>
#include <stdio.h>

enum { WORKERS = 3, NODES = 31 };

struct shared {
    mp_queue *tasks;
    mp_value *seen;
};

static int
visit(struct shared *shared, int node, unsigned attempt)
{
    if (node == 5 && attempt == 1)
        raise(SIGKILL);
    for (int child = 2 * node; child <= 2 * node + 1; child++) {
        if (child <= NODES &&
            mp_queue_put(shared->tasks, &child, sizeof(child), MP_FOREVER) < 0)
            return -1;
    }
    return mp_value_add(shared->seen, 1);
}

static int
work(void *arg)
{
    struct shared *shared = arg;
    mp_message task;
    int r;

    while ((r = mp_queue_take(shared->tasks, &task, MP_FOREVER)) == 0) {
        if (visit(shared, *(int *)task.data, task.attempt) < 0)
            return 1;
        mp_message_done(shared->tasks, &task);
    }
    return r != -ESHUTDOWN;
}

int
main(void)
{
    mp_process *workers[WORKERS];
    struct shared shared;
    int root = 1, code, killed = 0;

    if (mp_queue_create(&shared.tasks, MP_QUEUE_ATTR(.redeliver = 1)) < 0 ||
        mp_value_create(&shared.seen, 'i', 0) < 0)
        return 1;
    mp_queue_put(shared.tasks, &root, sizeof(root), MP_FOREVER);
    for (int i = 0; i < WORKERS; i++) {
        if (mp_process_start(&workers[i], work, &shared, sizeof(shared),
                             NULL) < 0)
            return 1;
    }

    if (mp_queue_join(shared.tasks, MP_FOREVER) < 0)
        printf("%s\n", mp_last_error());
    mp_queue_close(shared.tasks);
    for (int i = 0; i < WORKERS; i++) {
        mp_process_join(workers[i], MP_FOREVER);
        mp_process_exitcode(workers[i], &code);
        killed += code == -SIGKILL;
        mp_process_close(workers[i]);
    }
    printf("nodes seen: ");
    mp_value_print(shared.seen, stdout);
    printf(" of %d; workers killed: %d\n", NODES, killed);
    mp_queue_destroy(shared.tasks);
    mp_value_destroy(shared.seen);
    return 0;
}
