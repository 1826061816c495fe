/* SPDX-License-Identifier: MIT */
/* mp_manager_list() and its like: a recipe says what is to be made; it is
 * followed here, or by the server of a remote manager (service/manager.c). */
#include "registry/make.h"

#include "link/ask.h"
#include "registry/record.h"

#include <errno.h>

#undef mp_manager_value

static int
make_here(mp_manager *manager, const struct mp__recipe *recipe,
          void **ret_object)
{
    void *object;
    int r = mp__make(recipe, &object);

    if (r < 0)
        return r;
    r = mp__manager_record(manager, object, 0);
    if (r < 0)
        mp__object_destroy(object);
    else
        *ret_object = object;
    return r;
}

/* A pointer is no use elsewhere: what goes there of it is a number. */
static int
ask(mp_manager *manager, const char *function, const struct mp__recipe *recipe,
    void **ret_object)
{
    const mp_scalar *x = &recipe->x;
    const char *format = x->type == 'd'   ? "iQd > h"
                         : x->type == 'q' ? "iQq > h"
                                          : "iQQ > h";

    if (x->type == 'd')
        return (int)mp__manager_ask(manager, function, MP__FAR_PLAIN, format,
                                    recipe->type, recipe->n, x->d, ret_object);
    return (int)mp__manager_ask(manager, function, MP__FAR_PLAIN, format,
                                recipe->type, recipe->n, x->u, ret_object);
}

static int
make(mp_manager *manager, const char *function, struct mp__recipe recipe,
     void *ret_object)
{
    int r = mp__manager_enter(manager, function);

    if (r < 0)
        return r;
    if (ret_object == NULL)
        return mp__fail(-EINVAL, "%s: where the handle goes is NULL",
                        function);
    return (manager->remote ? ask(manager, function, &recipe, ret_object)
                            : make_here(manager, &recipe, ret_object));
}

#define MAKE(kind_, ret_object, ...)                                 \
    make(manager, __func__, (struct mp__recipe){kind_, __VA_ARGS__}, \
         ret_object)

int
mp_manager_list(mp_manager *manager, mp_list **ret_list)
{
    return MAKE(MP__MAKE_LIST, ret_list, .n = 0);
}

int
mp_manager_dict(mp_manager *manager, mp_dict **ret_dict)
{
    return MAKE(MP__MAKE_DICT, ret_dict, .n = 0);
}

int
mp_manager_set(mp_manager *manager, mp_set **ret_set)
{
    return MAKE(MP__MAKE_SET, ret_set, .n = 0);
}

int
mp_manager_namespace(mp_manager *manager, mp_namespace **ret_namespace)
{
    return MAKE(MP__MAKE_NAMESPACE, ret_namespace, .n = 0);
}

int
mp_manager_value(mp_manager *manager, mp_value **ret_value, int type,
                 mp_scalar x)
{
    return MAKE(MP__MAKE_VALUE, ret_value, .type = type, .x = x);
}

int
mp_manager_array(mp_manager *manager, mp_array **ret_array, int type, size_t n)
{
    return MAKE(MP__MAKE_ARRAY, ret_array, .type = type, .n = n);
}

int
mp_manager_lock(mp_manager *manager, mp_lock **ret_lock)
{
    return MAKE(MP__MAKE_LOCK, ret_lock, .n = 0);
}

int
mp_manager_rlock(mp_manager *manager, mp_rlock **ret_lock)
{
    return MAKE(MP__MAKE_RLOCK, ret_lock, .n = 0);
}

int
mp_manager_semaphore(mp_manager *manager, mp_semaphore **ret_semaphore,
                     uint32_t value)
{
    return MAKE(MP__MAKE_SEMAPHORE, ret_semaphore, .n = value);
}

int
mp_manager_bounded_semaphore(mp_manager *manager, mp_semaphore **ret_semaphore,
                             uint32_t value)
{
    return MAKE(MP__MAKE_BOUNDED, ret_semaphore, .n = value);
}

int
mp_manager_event(mp_manager *manager, mp_event **ret_event)
{
    return MAKE(MP__MAKE_EVENT, ret_event, .n = 0);
}

int
mp_manager_condition(mp_manager *manager, mp_condition **ret_condition)
{
    return MAKE(MP__MAKE_CONDITION, ret_condition, .n = 0);
}

int
mp_manager_barrier(mp_manager *manager, mp_barrier **ret_barrier,
                   uint32_t parties)
{
    return MAKE(MP__MAKE_BARRIER, ret_barrier, .n = parties);
}

int
mp_manager_queue(mp_manager *manager, mp_queue **ret_queue, size_t maxsize)
{
    return MAKE(MP__MAKE_QUEUE, ret_queue, .n = maxsize);
}

int
mp_manager_joinable_queue(mp_manager *manager, mp_queue **ret_queue,
                          size_t maxsize)
{
    return MAKE(MP__MAKE_JOINABLE, ret_queue, .n = maxsize);
}

int
mp_manager_pool(mp_manager *manager, mp_pool **ret_pool, int workers)
{
    return MAKE(MP__MAKE_POOL, ret_pool, .n = (uint64_t)(int64_t)workers);
}
