/* SPDX-License-Identifier: MIT */
/* Ending a process from outside: politely (SIGTERM), then by force. The exit
 * code is the number of the signal, negated, as in Python. */
#include "tour.h"

#include <signal.h>

static int
sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        work_for(3600);
    return 0;
}

/* Puts a byte into the queue it is given once SIGTERM cannot harm it. */
static int
ignore_requests(void *arg)
{
    mp_queue *ready = *(mp_queue **)arg;

    signal(SIGTERM, SIG_IGN);
    MUST(mp_queue_put(ready, "", 1, MP_FOREVER));
    return sleep_for_ever(NULL);
}

static void
report_end(mp_process *child)
{
    int code;

    MUST(mp_process_exitcode(child, &code));
    say("%s is alive: %d, its exit code: %d", mp_process_name(child),
        mp_process_is_alive(child), code);
    MUST(mp_process_close(child));
}

void
scene_terminate(void)
{
    mp_process *child;
    mp_queue *ready;
    char byte;

    MUST(mp_process_start(&child, sleep_for_ever, NULL, 0,
                          MP_PROCESS_ATTR(.name = "sleeper")));
    say("%s is alive: %d", mp_process_name(child), mp_process_is_alive(child));
    MUST(mp_process_terminate(child));
    MUST(mp_process_join(child, MP_FOREVER));
    report_end(child);

    MUST(mp_queue_create(&ready, NULL));
    MUST(mp_process_start(&child, ignore_requests, &ready, sizeof(ready),
                          MP_PROCESS_ATTR(.name = "stubborn")));
    MUST(mp_queue_get(ready, &byte, 1, MP_FOREVER));
    say("%s does not listen to SIGTERM: it gets 0.1 s of grace",
        mp_process_name(child));
    MUST(mp_process_stop(child, 0.1));
    report_end(child);
    MUST(mp_queue_destroy(ready));
}
