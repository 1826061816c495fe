/* SPDX-License-Identifier: MIT */
/* Many processes that do the same. */
#include "tour.h"

#include <stdio.h>

void
start_crowd(mp_process **crowd, int n, const char *name, mp_target target,
            const void *arg, size_t size)
{
    for (int i = 0; i < n; i++) {
        char full[32];

        snprintf(full, sizeof(full), "%s-%d", name, i + 1);
        MUST(mp_process_start(&crowd[i], target, arg, size,
                              MP_PROCESS_ATTR(.name = full)));
    }
}

int
join_crowd(mp_process **crowd, int n)
{
    int well = 0, code;

    for (int i = 0; i < n; i++) {
        MUST(mp_process_join(crowd[i], MP_FOREVER));
        MUST(mp_process_exitcode(crowd[i], &code));
        well += code == 0;
        MUST(mp_process_close(crowd[i]));
    }
    return well;
}
