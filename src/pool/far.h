/* SPDX-License-Identifier: MIT */
/* Pools and results of other families: service/pool.c is the other end.
 * Functions go there by the names that the programs have registered them by. */
#pragma once

#include "pool/submit.h"

/* How the room above names a function, one of the two; NULL: it has no name. */
typedef const char *mp__function_name_fn(mp_task_fn task, mp_map_fn map);
void mp__pool_names_with(mp__function_name_fn *name_of);

/* What mp_pool_map() and mp_pool_map_async() are asked for. */
struct mp__map_request {
    const char *function;
    mp_map_fn f;
    const void *in;
    void *out;
    size_t in_size, out_size, n;
    mp_map_attr attr;
    int detached;
    int unwanted; /* neither by a handle, nor by a callback */
    struct mp__inbox *inbox;
};

/* For a handle that mp__object_enter() says is -EREMOTE. */
int mp__pool_far_submit(mp_pool *pool, const struct mp__order *order,
                        mp_result **ret_result);
int mp__pool_far_map(mp_pool *pool, const struct mp__map_request *request,
                     mp_result **ret_result);
int mp__pool_far_stats(mp_pool *pool, mp_pool_statistics *ret_statistics);
