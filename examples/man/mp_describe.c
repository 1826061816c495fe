/* SPDX-License-Identifier: MIT */
/* Who has the lock that this process has waited for in vain? */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct office {
    mp_lock *door;
    mp_event *closed, *open;
};

static int
clerk(void *arg)
{
    struct office *office = arg;

    if (mp_lock_acquire(office->door, MP_FOREVER) < 0)
        return 1;
    mp_event_set(office->closed);
    mp_event_wait(office->open, MP_FOREVER);
    return mp_lock_release(office->door) < 0;
}

static void
complain_about(const void *object)
{
    char *text;
    size_t size;
    FILE *report = open_memstream(&text, &size);

    if (report == NULL || mp_describe(object, report) < 0)
        return;
    fclose(report);
    if (strstr(text, "held by pid") && strstr(text, "(clerk)"))
        puts("the clerk has it");
    free(text);
}

int
main(void)
{
    struct office office;
    mp_process *process;

    if (mp_lock_create(&office.door, MP_LOCK_ATTR(.name = "door")) < 0 ||
        mp_event_create(&office.closed, NULL) < 0 ||
        mp_event_create(&office.open, NULL) < 0 ||
        mp_process_start(&process, clerk, &office, sizeof(office),
                         MP_PROCESS_ATTR(.name = "clerk")) < 0)
        return 1;
    mp_event_wait(office.closed, MP_FOREVER);

    if (mp_lock_acquire(office.door, mp_timeout(0.1)) == -ETIMEDOUT)
        complain_about(office.door);

    mp_event_set(office.open);
    mp_process_join(process, MP_FOREVER);
    mp_process_close(process);
    mp_lock_destroy(office.door);
    mp_event_destroy(office.closed);
    mp_event_destroy(office.open);
    return 0;
}
