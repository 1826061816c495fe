/* SPDX-License-Identifier: MIT */
/* A process that would sleep for an hour is asked whether it lives, and ended.
 *
 * Python: is_alive() says whether a process runs; terminate() ends it by a
 * signal, which Python advises against: a queue or lock that it was using may
 * be unusable for all others afterwards. exitcode is minus the signal's
 * number.
 *
 * Here: mp_process_is_alive(), mp_process_terminate(), mp_process_exitcode().
 * A process may be ended wherever it is: what it shared with others goes on.
 * */
#include "must.h"

static int
sleep_for_an_hour(void *arg)
{
    (void)arg;
    sleep(3600);
    return 0;
}

int
main(void)
{
    mp_process *sleeper;
    int code;

    MUST(mp_process_start(&sleeper, sleep_for_an_hour, NULL, 0, NULL));
    printf("started: is it alive? %d\n", mp_process_is_alive(sleeper));
    MUST(mp_process_terminate(sleeper));
    MUST(mp_process_join(sleeper, MP_FOREVER));
    MUST(mp_process_exitcode(sleeper, &code));
    printf("terminated: is it alive? %d; its exit code: %d\n",
           mp_process_is_alive(sleeper), code);
    MUST(mp_process_close(sleeper));
    return 0;
}
