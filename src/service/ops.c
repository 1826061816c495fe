/* SPDX-License-Identifier: MIT */
/* All operations that can be asked for from outside. They are named here, and do
 * not register themselves: of a static library only those files are linked that
 * somebody names. */
#include "service/service.h"

static void (*const serve[])(void) = {
    mp__serve_lock,      mp__serve_semaphore,  mp__serve_event,
    mp__serve_condition, mp__serve_barrier,    mp__serve_cell,
    mp__serve_manager,   mp__serve_collection, mp__serve_queue,
    mp__serve_pool,      mp__serve_object,
};

void
mp__ops_begin(void)
{
    for (size_t i = 0; i < MP__LENGTH(serve); i++)
        serve[i]();
}
