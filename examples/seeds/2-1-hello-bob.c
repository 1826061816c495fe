/* SPDX-License-Identifier: MIT */
/* Ten processes are started, greet Bob, and are joined.
 *
 * Python: Process(target=run, args=('Bob',)) with start() for each of the ten,
 * then join() for each: the caller goes on when that process has ended. All
 * work at the same time, so ten take no longer than one. os.getpid() and
 * os.getppid() are the ids of a process and of its parent.
 *
 * Here: mp_process_start(), mp_process_join(), mp_process_pid(). The argument
 * is a copy of any bytes. No guard is needed around main(), whatever the start
 * method: it never runs in a child. A process that a fork server has made is
 * no child to the system: whose it is says mp_parent_process(), not getppid().
 * */
#include "must.h"

enum { CHILDREN = 10 };

static int
greet(void *name)
{
    usleep(300 * 1000);
    say("Hello %s, I am process %d, my parent is %d\n", (char *)name,
        (int)mp_process_pid(mp_current_process()),
        (int)mp_process_pid(mp_parent_process()));
    return 0;
}

int
main(void)
{
    mp_process *children[CHILDREN];
    double begin = seconds();

    for (int i = 0; i < CHILDREN; i++)
        MUST(
            mp_process_start(&children[i], greet, "Bob", sizeof("Bob"), NULL));
    say("I am process %d, and have %d children at work\n", (int)getpid(),
        mp_active_children(NULL, 0));
    for (int i = 0; i < CHILDREN; i++) {
        MUST(mp_process_join(children[i], MP_FOREVER));
        MUST(mp_process_close(children[i]));
    }
    say("all have ended; ten times 0.3 s took %.1f s\n", seconds() - begin);
    return 0;
}
