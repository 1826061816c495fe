/* SPDX-License-Identifier: MIT */
/* The record of a manager: a dict {address: [serial, session]}.
 *
 * Any process of the family writes it, the server most. It is noted after an
 * object was made: who dies in between leaks the object. Who destroys an object
 * does not come by here: an entry counts as long as the object in that cell is
 * the one of that serial. Entries that do not count any more are written over
 * when the cell is used again, so there are at most as many as there were ever
 * objects at a time. */
#include "registry/record.h"

#include "registry/instance.h"

#include <errno.h>

static uint64_t
key_of(const void *object)
{
    return (uintptr_t)object;
}

int
mp__manager_record(mp_manager *manager, void *object, uint64_t session)
{
    return mp_dict_set(manager->objects, "Q", key_of(object), "[Q,Q]",
                       mp__object_serial(object), session);
}

/* Whether the object is still the one of the entry. */
static int
counts(const void *object, uint64_t serial)
{
    return mp__object_slab(object) >= 0 &&
           mp__load(&((struct mp__object *)object)->serial) == serial;
}

int
mp__manager_recorded(mp_manager *manager, const void *object,
                     uint64_t *ret_session)
{
    uint64_t serial;

    return mp_dict_get(manager->objects, "Q", key_of(object), "[Q,Q]", &serial,
                       ret_session) == 0 &&
           counts(object, serial);
}

void
mp__manager_forget_object(mp_manager *manager, const void *object)
{
    mp_dict_delete(manager->objects, "Q", key_of(object));
}

/* ---- Destroying ---- */

int
mp__object_destroy(void *object)
{
    switch (mp__object_slab(object)) {
    case MP__SLAB_LIST:
        return mp_list_destroy(object);
    case MP__SLAB_DICT:
        return mp_dict_destroy(object);
    case MP__SLAB_SET:
        return mp_set_destroy(object);
    case MP__SLAB_NAMESPACE:
        return mp_namespace_destroy(object);
    case MP__SLAB_VALUE:
        return mp_value_destroy(object);
    case MP__SLAB_ARRAY:
        return mp_array_destroy(object);
    case MP__SLAB_LOCK:
        return mp_lock_destroy(object);
    case MP__SLAB_RLOCK:
        return mp_rlock_destroy(object);
    case MP__SLAB_SEMAPHORE:
        return mp_semaphore_destroy(object);
    case MP__SLAB_EVENT:
        return mp_event_destroy(object);
    case MP__SLAB_CONDITION:
        return mp_condition_destroy(object);
    case MP__SLAB_BARRIER:
        return mp_barrier_destroy(object);
    case MP__SLAB_QUEUE:
        return mp_queue_destroy(object);
    case MP__SLAB_POOL:
        return mp_pool_destroy(object);
    case MP__SLAB_TASK:
    case MP__SLAB_JOB:
        return mp_result_free(object);
    case MP__SLAB_OBJECT:
        return mp__instance_end(object);
    default:
        return mp__fail(-EBADF, "%p is no object of a manager", object);
    }
}

/* What one entry says. */
struct entry {
    void *object;
    uint64_t serial, session;
};

static int
next_entry(mp_manager *manager, mp_dict_walker *walker, struct entry *entry)
{
    uint64_t address;
    mp_any key, value;
    int r = mp_dict_next(manager->objects, walker, &key, &value);

    if (r <= 0)
        return 0;
    r = mp_any_get_unsigned(key, &address) == 0 &&
        mp_any_parse(value, "[Q,Q]", &entry->serial, &entry->session) == 0;
    mp_any_free(key);
    mp_any_free(value);
    entry->object = r ? (void *)(uintptr_t)address : NULL;
    return 1;
}

static void
destroy_entry(mp_manager *manager, const struct entry *entry)
{
    if (counts(entry->object, entry->serial) &&
        mp__object_destroy(entry->object) == -EBUSY)
        mp__manager_record(manager, entry->object, 0);
    else
        mp__manager_forget_object(manager, entry->object);
}

/* Destroys those for whose session `wanted` says so. */
static void
destroy_those(mp_manager *manager,
              int (*wanted)(uint64_t session, uint64_t arg), uint64_t arg)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    struct entry entry;

    while (next_entry(manager, &walker, &entry))
        if (entry.object && wanted(entry.session, arg))
            destroy_entry(manager, &entry);
}

static int
is_session(uint64_t session, uint64_t arg)
{
    return session == arg;
}

static int
is_any(uint64_t session, uint64_t arg)
{
    (void)session;
    (void)arg;
    return 1;
}

static int
is_other(uint64_t session, uint64_t arg)
{
    return session != arg;
}

void
mp__manager_destroy_of(mp_manager *manager, uint64_t session)
{
    destroy_those(manager, is_session, session);
}

void
mp__manager_destroy_all(mp_manager *manager)
{
    destroy_those(manager, is_any, 0);
}

void
mp__manager_destroy_strays(mp_manager *manager)
{
    destroy_those(manager, is_other, 0);
}

size_t
mp__manager_count_of(mp_manager *manager, uint64_t session)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    struct entry entry;
    size_t n = 0;

    while (next_entry(manager, &walker, &entry))
        n += entry.object && entry.session == session &&
             counts(entry.object, entry.serial);
    return n;
}
