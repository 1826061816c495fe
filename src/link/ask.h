/* SPDX-License-Identifier: MIT */
/* Asking a manager's server, from another process: see link.c. A manager of
 * this family is asked by a pipe to its server. */
#pragma once

#include "registry/manager.h"

/* A call of the object at home at that address (0: of the manager itself), by
 * this process's link. See mp__far_call(). */
ssize_t mp__manager_call(mp_manager *manager, enum mp__slab slab,
                         uint64_t object, const char *function,
                         mp_time deadline, const char *format, va_list args);
ssize_t mp__manager_ask(mp_manager *manager, const char *function,
                        mp_time deadline, const char *format, ...);
/* Ends this process's link, if there is one. */
void mp__link_close(mp_manager *manager);
