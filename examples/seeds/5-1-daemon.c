/* SPDX-License-Identifier: MIT */
/* A daemon ends with its program; another child is waited for.
 *
 * Python: a process with daemon = True set before start() is terminated when
 * the program that started it ends. The other child counts five seconds: the
 * main process joins it, and the daemon is alive until then, and no longer.
 *
 * Here: .daemon of mp_process_start(). A child that is no daemon would also be
 * waited for without the join, as in Python. However the program ends, also by
 * SIGKILL, nothing of it is left running. The seconds are short ones. */
#include "must.h"

static int
beat_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        say("daemon: I am alive\n");
        usleep(100 * 1000);
    }
    return 0;
}

static int
count_to_five(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5; i++) {
        say("counter: second %d\n", i);
        usleep(200 * 1000);
    }
    return 0;
}

int
main(void)
{
    mp_process *daemon, *counter;

    MUST(mp_process_start(&counter, count_to_five, NULL, 0, NULL));
    MUST(mp_process_start(&daemon, beat_for_ever, NULL, 0,
                          MP_PROCESS_ATTR(.daemon = 1)));
    usleep(600 * 1000);
    say("main: I have nothing more to do, but for the counter\n");
    MUST(mp_process_join(counter, MP_FOREVER));
    MUST(mp_process_close(counter));
    say("main: I end, and with me the daemon\n");
    return 0;
}
