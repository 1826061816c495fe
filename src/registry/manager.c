/* SPDX-License-Identifier: MIT */
/* A manager: who may use it, and whether this process is its server. */
#include "registry/manager.h"

struct mp__served_here mp__served_here;

__attribute__((constructor)) static void
prepare(void)
{
    mp__registry_describe();
}

int
mp__manager_enter(const mp_manager *manager, const char *function)
{
    return mp__object_enter(manager, MP__SLAB_MANAGER, function, "a manager");
}
