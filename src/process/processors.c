/* SPDX-License-Identifier: MIT */
/* How many processors this process may use. */
#include <mproc/process.h>

#include "os/cpu.h"

int
mp_cpu_count(void)
{
    int affinity = mp__cpu_affinity_count();
    int quota = mp__cpu_quota("");

    return quota > 0 && quota < affinity ? quota : affinity;
}
