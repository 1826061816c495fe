/* SPDX-License-Identifier: MIT */
/* A kind of process of one's own, with a name and a number inside.
 *
 * Python: a class that inherits from Process. Its __init__() calls that of
 * Process, then stores what the process is to know; run() is what start() runs
 * in the child, and finds all that in self.
 *
 * Here: a struct is what the process knows, a function is its run(), and
 * another one makes it and starts it. The child has a copy of the struct. */
#include "must.h"

struct greeter {
    char whom[16];
    int times;
};

static int
run(void *arg)
{
    struct greeter *self = arg;

    for (int i = 1; i <= self->times; i++)
        say("%s runs: hello %s, %d of %d\n",
            mp_process_name(mp_current_process()), self->whom, i, self->times);
    return 0;
}

static mp_process *
start_greeter(const char *whom, int times)
{
    struct greeter self = {.times = times};
    mp_process *process;

    snprintf(self.whom, sizeof(self.whom), "%s", whom);
    MUST(mp_process_start(&process, run, &self, sizeof(self),
                          MP_PROCESS_ATTR(.name = "greeter")));
    return process;
}

int
main(void)
{
    mp_process *greeter = start_greeter("Bob", 2);

    MUST(mp_process_join(greeter, MP_FOREVER));
    MUST(mp_process_close(greeter));
    return 0;
}
