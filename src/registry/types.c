/* SPDX-License-Identifier: MIT */
/* Names that this process knows: of types, and of functions that remote pools
 * may be asked to run. They are the process's own (a forked child has those of
 * its parent), and are never taken back: so they are read without the lock. */
#include "registry/types.h"

#include "base/atomic.h"
#include "codec/handle.h"
#include "pool/far.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum what {
    TYPE,
    TASK,
    MAP,
};

struct named {
    struct named *next;
    enum what what;
    struct mp__user_type type; /* its name, and of types their ops */
    mp_task_fn task;
    mp_map_fn map;
};

static _Atomic(struct named *) all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who adds one */

static struct named *
find(enum what what, const char *name, size_t size)
{
    struct named *named = atomic_load_explicit(&all, memory_order_acquire);

    while (named && (named->what != what || strlen(named->type.name) != size ||
                     memcmp(named->type.name, name, size) != 0))
        named = named->next;
    return named;
}

/* ---- Registering ---- */

static int
check_name(const char *name, const char *function)
{
    if (name == NULL || *name == 0)
        return mp__fail(-EINVAL, "%s: the name is %s", function,
                        name ? "empty" : "NULL");
    if (strlen(name) > MP__NAME_MOST)
        return mp__fail(-EINVAL, "%s: the name has %zu bytes, the most is %u",
                        function, strlen(name), MP__NAME_MOST);
    return 0;
}

/* Adds a copy, unless the name is taken by another one. */
static int
add(const struct named *wanted, const char *function)
{
    const char *name = wanted->type.name;
    struct named *named = malloc(sizeof(*named)), *old;
    int same;

    if (named == NULL)
        return mp__fail(-ENOMEM, "%s: out of memory", function);
    *named = *wanted;
    pthread_mutex_lock(&lock);
    old = find(wanted->what, name, strlen(name));
    if (old == NULL) {
        named->next = atomic_load(&all);
        atomic_store_explicit(&all, named, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    if (old == NULL)
        return 0;
    free(named);
    same = old->type.ops == wanted->type.ops && old->task == wanted->task &&
           old->map == wanted->map;
    return same ? 0
                : mp__fail(-EEXIST, "%s: the name '%s' is taken", function,
                           name);
}

static int
check_ops(const mp_type_ops *ops, const char *function)
{
    if (ops == NULL || ops->size < sizeof(*ops))
        return mp__fail(-EINVAL,
                        ops ? "%s: ops->size is not set" : "%s: ops is NULL",
                        function);
    if (ops->create == NULL || (ops->n_methods && ops->methods == NULL))
        return mp__fail(-EINVAL, "%s: ops->%s is NULL", function,
                        ops->create ? "methods" : "create");
    for (uint32_t i = 0; i < ops->n_methods; i++)
        if (ops->methods[i].name == NULL || ops->methods[i].call == NULL)
            return mp__fail(-EINVAL, "%s: ops->methods[%u] has no %s",
                            function, i,
                            ops->methods[i].name ? "call" : "name");
    return 0;
}

static int
register_one(struct named *named, const char *name, const char *function)
{
    int r = check_name(name, function);

    if (r < 0)
        return r;
    memcpy(named->type.name, name, strlen(name));
    return add(named, function);
}

int
mp_manager_register(const char *type, const mp_type_ops *ops)
{
    struct named named = {.what = TYPE, .type.ops = ops};
    int r = check_ops(ops, __func__);

    if (r < 0)
        return r;
    if (type && mp__handle_class_of(type) >= 0)
        return mp__fail(-EEXIST, "%s: '%s' is a type of the library's own",
                        __func__, type);
    return register_one(&named, type, __func__);
}

int
mp_manager_register_task(const char *name, mp_task_fn f)
{
    struct named named = {.what = TASK, .task = f};

    if (f == NULL)
        return mp__fail(-EINVAL, "%s: f is NULL", __func__);
    return register_one(&named, name, __func__);
}

int
mp_manager_register_map(const char *name, mp_map_fn f)
{
    struct named named = {.what = MAP, .map = f};

    if (f == NULL)
        return mp__fail(-EINVAL, "%s: f is NULL", __func__);
    return register_one(&named, name, __func__);
}

/* ---- Looking them up ---- */

const struct mp__user_type *
mp__type_of_name(const char *name, size_t size)
{
    struct named *named = find(TYPE, name, size);

    return named ? &named->type : NULL;
}

const mp_method *
mp__method_find(const struct mp__user_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->ops->n_methods; i++)
        if (strcmp(type->ops->methods[i].name, name) == 0)
            return &type->ops->methods[i];
    return NULL;
}

static int
fail_unknown(const char *name, const char *function, const char *how)
{
    return mp__fail(-EINVAL,
                    "%s: the manager's program knows no function '%s': it is "
                    "to call %s() before mp_manager_start()",
                    function, name, how);
}

int
mp__task_of_name(const char *name, mp_task_fn *ret_f, const char *function)
{
    struct named *named = find(TASK, name, strlen(name));

    if (named == NULL)
        return fail_unknown(name, function, "mp_manager_register_task");
    *ret_f = named->task;
    return 0;
}

int
mp__map_of_name(const char *name, mp_map_fn *ret_f, const char *function)
{
    struct named *named = find(MAP, name, strlen(name));

    if (named == NULL)
        return fail_unknown(name, function, "mp_manager_register_map");
    *ret_f = named->map;
    return 0;
}

/* ---- For the room pool: pool/far.h ---- */

static const char *
name_of(mp_task_fn task, mp_map_fn map)
{
    struct named *named = atomic_load_explicit(&all, memory_order_acquire);

    while (named &&
           (named->what == TYPE || named->task != task || named->map != map))
        named = named->next;
    return named ? named->type.name : NULL;
}

__attribute__((constructor)) static void
begin(void)
{
    mp__pool_names_with(name_of);
}
