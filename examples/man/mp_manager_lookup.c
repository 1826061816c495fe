/* SPDX-License-Identifier: MIT */
/* A worker that knows nothing but the manager finds a queue by its name. */
#include <mproc.h>
#include <stdio.h>

static int
work(void *arg)
{
    mp_manager *manager = *(mp_manager **)arg;
    mp_queue *jobs;
    int x = 0;

    if (mp_manager_lookup(manager, "jobs", "queue", &jobs) < 0)
        return 1;
    mp_queue_getf(jobs, "i", &x);
    return printf("the job is %d\n", x) < 0;
}

int
main(void)
{
    mp_manager *manager;
    mp_process *worker;
    mp_queue *jobs;
    mp_list *list;
    mp_any names;

    if (mp_manager_start(&manager, NULL) < 0 ||
        mp_manager_queue(manager, &jobs, 0) < 0 ||
        mp_manager_publish(manager, "jobs", jobs) < 0 ||
        mp_manager_names(manager, &names) < 0)
        return 1;
    mp_any_print(names, stdout);
    putchar('\n');
    fflush(stdout);
    mp_any_free(names);

    mp_queue_putf(jobs, "i", 42);
    mp_process_start(&worker, work, &manager, sizeof(manager), NULL);
    mp_process_join(worker, MP_FOREVER);
    mp_process_close(worker);

    if (mp_manager_lookup(manager, "jobs", "list", &list) < 0)
        printf("%s\n", mp_last_error());
    mp_manager_unpublish(manager, "jobs");
    if (mp_manager_lookup(manager, "jobs", "queue", &jobs) < 0)
        printf("%s\n", mp_last_error());
    mp_manager_shutdown(manager);
    return 0;
}
