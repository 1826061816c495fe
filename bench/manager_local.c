/* SPDX-License-Identifier: MIT */
/* manager.local.*: objects of a manager in the family that has started it: they
 * lie in the family's memory, and the server has no part in the calls. */
#include "manager.h"
#include "manager_jobs.h"

#include <mproc.h>
#include <string.h>

struct objects {
    mp_value *value;
    mp_list *list;
    mp_dict *dict;
    mp_lock *lock;
};

static void *
local_objects(void)
{
    struct objects *objects = private_memory(sizeof(*objects));
    mp_manager *manager;

    must(mp_manager_start(&manager, NULL), "mp_manager_start");
    must(mp_manager_value(manager, &objects->value, 'q', MP_SCALAR(0)),
         "mp_manager_value");
    must(mp_manager_list(manager, &objects->list), "mp_manager_list");
    must(mp_manager_dict(manager, &objects->dict), "mp_manager_dict");
    must(mp_manager_lock(manager, &objects->lock), "mp_manager_lock");
    return objects;
}

static void *
local_open(struct manager_run *run)
{
    return run->place;
}

static ALWAYS_INLINE void
local_set(void *client, long x)
{
    must(mp_value_set(((struct objects *)client)->value, x), "mp_value_set");
}

static ALWAYS_INLINE long
local_get(void *client)
{
    long x;

    must(mp_value_get(((struct objects *)client)->value, &x), "mp_value_get");
    return x;
}

static ALWAYS_INLINE void
local_append(void *client, long x)
{
    must(mp_list_append(((struct objects *)client)->list, "q", (int64_t)x),
         "mp_list_append");
}

static long
local_len(void *client)
{
    return mp_list_len(((struct objects *)client)->list);
}

static ALWAYS_INLINE void
local_put(void *client, const char *key, long x)
{
    must(mp_dict_set(((struct objects *)client)->dict, "s", key, "q",
                     (int64_t)x),
         "mp_dict_set");
}

static ALWAYS_INLINE long
local_find(void *client, const char *key)
{
    int64_t x;

    must(mp_dict_get(((struct objects *)client)->dict, "s", key, "q", &x),
         "mp_dict_get");
    return x;
}

static ALWAYS_INLINE void
local_acquire(void *client)
{
    must(mp_lock_acquire(((struct objects *)client)->lock, MP_FOREVER),
         "mp_lock_acquire");
}

static ALWAYS_INLINE void
local_release(void *client)
{
    must(mp_lock_release(((struct objects *)client)->lock), "mp_lock_release");
}

static const struct manager_steps local_steps = {
    .open = local_open,
    .set = local_set,
    .get = local_get,
    .append = local_append,
    .len = local_len,
    .put = local_put,
    .find = local_find,
    .acquire = local_acquire,
    .release = local_release,
};

MANAGER_JOBS(local, local_objects(), 0)
