/* SPDX-License-Identifier: MIT */
/* Making what a recipe says. */
#include "registry/make.h"

#undef mp_value_create

/* Python's semaphores may begin without a permit: nobody's permits can be
 * tracked then. */
static int
make_semaphore(const struct mp__recipe *recipe, mp_semaphore **ret)
{
    uint32_t n = (uint32_t)recipe->n;

    if (n == 0 && recipe->kind == MP__MAKE_SEMAPHORE)
        return mp_semaphore_create(ret, n, NULL);
    return mp_semaphore_create(ret, n, MP_SEMAPHORE_ATTR(.tracked = 1));
}

static int
make_collection(enum mp__kind kind, void *ret)
{
    switch (kind) {
    case MP__MAKE_LIST:
        return mp_list_create(ret);
    case MP__MAKE_DICT:
        return mp_dict_create(ret);
    case MP__MAKE_SET:
        return mp_set_create(ret);
    default:
        return mp_namespace_create(ret);
    }
}

int
mp__make(const struct mp__recipe *recipe, void **ret_object)
{
    void *ret = ret_object;

    switch (recipe->kind) {
    case MP__MAKE_VALUE:
        return mp_value_create(ret, recipe->type, recipe->x);
    case MP__MAKE_ARRAY:
        return mp_array_create(ret, recipe->type, recipe->n, NULL);
    case MP__MAKE_LOCK:
        return mp_lock_create(ret, NULL);
    case MP__MAKE_RLOCK:
        return mp_rlock_create(ret, NULL);
    case MP__MAKE_SEMAPHORE:
    case MP__MAKE_BOUNDED:
        return make_semaphore(recipe, ret);
    case MP__MAKE_EVENT:
        return mp_event_create(ret, NULL);
    case MP__MAKE_CONDITION:
        return mp_condition_create(ret, NULL);
    case MP__MAKE_BARRIER:
        return mp_barrier_create(ret, (uint32_t)recipe->n, NULL);
    case MP__MAKE_QUEUE:
    case MP__MAKE_JOINABLE:
        return mp_queue_create(
            ret, MP_QUEUE_ATTR(.maxsize = recipe->n,
                               .joinable = recipe->kind == MP__MAKE_JOINABLE));
    case MP__MAKE_POOL:
        return mp_pool_create(ret, (int)recipe->n, NULL);
    default:
        return make_collection(recipe->kind, ret);
    }
}
