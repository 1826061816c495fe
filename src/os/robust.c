/* SPDX-License-Identifier: MIT */
#include "os/robust.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mp__robust_head *
mp__robust_head(void)
{
    struct mp__robust_head *head = NULL;
    size_t size = 0;

    if (syscall(SYS_get_robust_list, 0, &head, &size) < 0)
        return NULL;
    return head;
}
