/* SPDX-License-Identifier: MIT */
/* Ten processes at once. They wait for a word each, work for 0.3 s, and so do
 * all together. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

enum { CHILDREN = 10 };

/* What a child gets: a copy of any bytes, so any struct without pointers to
 * private memory will do. The queue is no such pointer: it is good in all
 * processes of the family. */
struct greeting {
    char to[16];
    double seconds;
    mp_queue *go;
};

static int
greet(void *arg)
{
    const struct greeting *greeting = arg;

    MUST(mp_queue_get(greeting->go, NULL, 0, MP_FOREVER));
    work_for(greeting->seconds);
    say("Hello %s, I run in process %d, started by process %d", greeting->to,
        (int)mp_process_pid(mp_current_process()),
        (int)mp_process_pid(mp_parent_process()));
    return 0;
}

static void
list_active_children(void)
{
    mp_process *active[CHILDREN];
    int n = mp_active_children(active, CHILDREN);
    char names[256] = "";

    for (int i = 0; i < n && i < CHILDREN; i++) {
        size_t used = strlen(names);

        snprintf(names + used, sizeof(names) - used, " %s",
                 mp_process_name(active[i]));
    }
    say("active children: %d%s%s", n, n ? ":" : "", names);
}

void
scene_processes(void)
{
    struct greeting greeting = {.to = "Bob", .seconds = 0.3};
    mp_process *children[CHILDREN];

    MUST(mp_queue_create(&greeting.go, NULL));
    for (int i = 0; i < CHILDREN; i++)
        MUST(mp_process_start(&children[i], greet, &greeting, sizeof(greeting),
                              NULL));
    list_active_children();
    for (int i = 0; i < CHILDREN; i++)
        MUST(mp_queue_put(greeting.go, NULL, 0, MP_FOREVER));

    for (int i = 0; i < CHILDREN; i++) {
        MUST(mp_process_join(children[i], MP_FOREVER));
        MUST(mp_process_close(children[i]));
    }
    say("all have been joined");
    list_active_children();
    MUST(mp_queue_destroy(greeting.go));
}
