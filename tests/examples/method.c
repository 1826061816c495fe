/* SPDX-License-Identifier: MIT */
/* Linked to a program, makes SEEDS_METHOD in the environment its default start
 * method, so that programs that name none can be tried by all of them. */
#include <mproc.h>

#include <stdlib.h>
#include <string.h>

static __attribute__((constructor)) void
set_method(void)
{
    static const char *const names[] = {
        [MP_FORK] = "fork",
        [MP_SPAWN] = "spawn",
        [MP_FORKSERVER] = "forkserver",
    };
    const char *wanted = getenv("SEEDS_METHOD");

    for (int m = MP_FORK; wanted && m <= MP_FORKSERVER; m++) {
        if (strcmp(names[m], wanted) == 0 && mp_set_start_method(m) == 0)
            return;
    }
    abort();
}
