/* SPDX-License-Identifier: MIT */
/* The process of a server: see host.c. */
#pragma once

#include "registry/manager.h"

/* What a process that is to be a server is started with. */
struct mp__manager_start {
    mp_manager *manager;
    uint64_t start;  /* which of the manager's this is */
    mp_conn *report; /* [result, text]: sent once it listens, or cannot */
};
int mp__manager_serve(void *start);
