/* SPDX-License-Identifier: MIT */
/* Workers take tasks that are values, and put results of any kind. */
#include <mproc.h>
#include <stdlib.h>

struct desk {
    mp_queue *tasks, *results;
};

static int
work(void *arg)
{
    struct desk *desk = arg;
    char *name;
    int n;

    /* A task is a name and a number; None ends the work. */
    while (mp_queue_getf(desk->tasks, "[s,i]", &name, &n) == 0) {
        if (n < 0)
            mp_queue_putf(desk->results, "{'name':s,'error':s}", name,
                          "no square has that root");
        else
            mp_queue_putf(desk->results, "{'name':s,'square':q}", name,
                          (int64_t)n * n);
        free(name);
    }
    return mp_queue_getf(desk->tasks, "n");
}

int
main(void)
{
    mp_process *worker;
    struct desk desk;
    mp_any any;

    if (mp_queue_create(&desk.tasks, NULL) < 0 ||
        mp_queue_create(&desk.results, NULL) < 0 ||
        mp_process_start(&worker, work, &desk, sizeof(desk), NULL) < 0)
        return 1;
    mp_queue_putf(desk.tasks, "[s,i]", "Ann", 12);
    mp_queue_putf(desk.tasks, "[s,i]", "Bob", -1);
    mp_queue_put_item(desk.tasks, MP_LIST("Eve", 100000), MP_FOREVER);
    mp_queue_putf(desk.tasks, "n");

    for (int i = 0; i < 3; i++)
        if (mp_queue_get_any(desk.results, &any, mp_timeout(5)) == 0) {
            mp_any_print(any, stdout);
            printf("\n");
            mp_any_free(any);
        }
    mp_process_join(worker, MP_FOREVER);
    mp_process_close(worker);
    mp_queue_destroy(desk.tasks);
    mp_queue_destroy(desk.results);
    return 0;
}
