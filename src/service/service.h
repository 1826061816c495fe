/* SPDX-License-Identifier: MIT */
/* What can be asked of a server: what the handlers share, one file for each kind
 * of object. */
#pragma once

#include "server/call.h"
#include "registry/record.h"

#include <string.h>

/* The public function that is served, for the texts of errors. */
#define MP__CALL_FUNCTION 48u
static inline const char *
mp__call_function(const struct mp__call *call, char buf[MP__CALL_FUNCTION])
{
    size_t size = strnlen(call->op->name, MP__CALL_FUNCTION - 4);

    memcpy(buf, "mp_", 3);
    memcpy(buf + 3, call->op->name, size);
    buf[3 + size] = 0;
    return buf;
}

/* Destroys the object that is called. */
static inline ssize_t
mp__serve_destroy(struct mp__call *call)
{
    int r = mp__object_destroy(call->object);

    if (r == 0)
        mp__manager_forget_object(mp__call_manager(call), call->object);
    return r;
}

/* Gives the handle of an object that the call has made. */
static inline ssize_t
mp__serve_made(struct mp__call *call, void *object)
{
    int r = mp__call_made(call, object);

    if (r == 0)
        r = mp__call_give(call, "h", object);
    if (r < 0)
        mp__object_destroy(object);
    return r;
}

/* Registers all operations: ops.c, which asks each file for its own. */
void mp__ops_begin(void);
void mp__serve_lock(void);
void mp__serve_semaphore(void);
void mp__serve_event(void);
void mp__serve_condition(void);
void mp__serve_barrier(void);
void mp__serve_cell(void);
void mp__serve_collection(void);
void mp__serve_manager(void);
void mp__serve_queue(void);
void mp__serve_pool(void);
void mp__serve_object(void);
