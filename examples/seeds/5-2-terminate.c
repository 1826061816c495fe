/* SPDX-License-Identifier: MIT */
/* To terminate a process is to ask it: it may take its time to end.
 *
 * Python: terminate() sends a signal and returns. The process is alive for a
 * moment still: is_alive() says so. join() waits until it has ended and its
 * parent has freed what the system kept of it.
 *
 * Here: mp_process_terminate() is the same. mp_process_stop() asks too, waits
 * as long as it is told to, and then ends the process by force. */
#include "must.h"

#include <signal.h>

static int
clean_up_when_asked(void *arg)
{
    mp_event *ready = *(mp_event **)arg;
    sigset_t request;
    int signo;

    sigemptyset(&request);
    sigaddset(&request, SIGTERM);
    sigprocmask(SIG_BLOCK, &request, NULL);
    MUST(mp_event_set(ready));
    sigwait(&request, &signo);
    say("child:  I am asked to end, and clean up for 0.3 s\n");
    usleep(300 * 1000);
    return 0;
}

static mp_process *
start_child(void)
{
    mp_process *child;
    mp_event *ready; /* for the signal */

    MUST(mp_event_create(&ready, NULL));
    MUST(mp_process_start(&child, clean_up_when_asked, &ready, sizeof(ready),
                          NULL));
    MUST(mp_event_wait(ready, MP_FOREVER));
    MUST(mp_event_destroy(ready));
    return child;
}

int
main(void)
{
    mp_process *child;
    int code;

    child = start_child();
    MUST(mp_process_terminate(child));
    say("parent: terminated; is it alive? %d\n", mp_process_is_alive(child));
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_exitcode(child, &code));
    say("parent: joined; is it alive? %d; its exit code: %d\n",
        mp_process_is_alive(child), code);
    MUST(mp_process_close(child));

    child = start_child();
    MUST(mp_process_stop(child, 0.1));
    MUST(mp_process_exitcode(child, &code));
    say("parent: stopped after 0.1 s; its exit code: %d\n", code);
    MUST(mp_process_close(child));
    return 0;
}
