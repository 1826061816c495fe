/* SPDX-License-Identifier: MIT */
/* How a program ends: when the process that started them leaves, its daemons
 * are terminated, its other children are waited for.
 *
 * The program of this scene is itself a process of the tour, so that the tour
 * can look at what it left behind. Its children's handles lie in the family's
 * memory: they are valid in every process of the family. */
#include "tour.h"

#include <errno.h>

struct children {
    mp_process *daemon;
    mp_process *counter;
};

static int
beat_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        say("I am alive");
        work_for(0.1);
    }
    return 0;
}

static int
count_to_five(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5; i++) {
        work_for(0.1);
        say("second number %d is over (they are short ones)", i);
    }
    return 0;
}

static int
program(void *arg)
{
    struct children *children = *(struct children **)arg;

    MUST(mp_process_start(&children->daemon, beat_for_ever, NULL, 0,
                          MP_PROCESS_ATTR(.name = "daemon", .daemon = 1)));
    MUST(mp_process_start(&children->counter, count_to_five, NULL, 0,
                          MP_PROCESS_ATTR(.name = "counter")));
    work_for(0.25);
    say("I have nothing more to do, and return");
    return 0;
}

static int
code_of(mp_process *process)
{
    int code;

    MUST(mp_process_exitcode(process, &code));
    return code;
}

void
scene_daemon(void)
{
    struct children *children = mp_new(struct children);
    mp_process *child;

    must(children ? 0 : -ENOMEM, "mp_new(struct children)");
    MUST(mp_process_start(&child, program, &children, sizeof(children),
                          MP_PROCESS_ATTR(.name = "program")));
    MUST(mp_process_join(child, MP_FOREVER));

    say("program has ended with code %d", code_of(child));
    say("counter was waited for: exit code %d", code_of(children->counter));
    say("daemon was terminated: exit code %d", code_of(children->daemon));

    MUST(mp_process_close(children->daemon));
    MUST(mp_process_close(children->counter));
    MUST(mp_process_close(child));
    MUST(mp_free(children));
}
