/* SPDX-License-Identifier: MIT */
/* The system call interrupts those processors that run a thread of a process
 * that takes part, and none else: threads that do not run have been fenced when
 * they were put aside. It is forgotten by exec. */
#include "os/membarrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSE 2000000 /* ns */

int
mp__membarrier_join(void)
{
    int command = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;

    return syscall(SYS_membarrier, command, 0, 0) == 0 ? 0 : -errno;
}

void
mp__membarrier(void)
{
    struct timespec pause = {.tv_nsec = PAUSE};

    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
        while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
            ;
}
