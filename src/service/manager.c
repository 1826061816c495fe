/* SPDX-License-Identifier: MIT */
/* The manager's own functions, served. What is made is the client's, until it is
 * published or put into another object. */
#include "service/service.h"

#include "base/error.h"
#include "base/macros.h"
#include "registry/make.h"
#include "registry/names.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>

/* A number as it came: mp_value_create() converts it. */
static int
read_scalar(mp_any any, mp_scalar *ret_x)
{
    if (mp_any_get_int(any, &ret_x->i) == 0)
        ret_x->type = 'q';
    else if (mp_any_get_unsigned(any, &ret_x->u) == 0)
        ret_x->type = 'Q';
    else if (mp_any_get_double(any, &ret_x->d) == 0)
        ret_x->type = 'd';
    else
        return mp__fail(-EINVAL, "mp_manager_value: it is no number");
    return 0;
}

static ssize_t
serve_make(struct mp__call *call)
{
    struct mp__recipe recipe = {.kind = (enum mp__kind)call->op->detail};
    void *object;
    mp_any x;
    ssize_t r = mp__call_args(call, "iQv", &recipe.type, &recipe.n, &x);

    if (r == 0 && recipe.kind == MP__MAKE_VALUE)
        r = read_scalar(x, &recipe.x);
    if (r == 0)
        r = mp__make(&recipe, &object);
    return r < 0 ? r : mp__serve_made(call, object);
}

/* ---- Names ---- */

static ssize_t
serve_publish(struct mp__call *call)
{
    void *handle = NULL;
    char *name;
    ssize_t r = mp__call_args(call, "sh", &name, &handle);

    if (r < 0)
        return r;
    r = mp__name_publish(mp__call_manager(call), name, handle);
    free(name);
    return r;
}

static ssize_t
serve_unpublish(struct mp__call *call)
{
    char *name;
    ssize_t r = mp__call_args(call, "s", &name);

    if (r < 0)
        return r;
    r = mp__name_unpublish(mp__call_manager(call), name);
    free(name);
    return r;
}

static ssize_t
serve_lookup(struct mp__call *call)
{
    char *name, *type;
    void *handle;
    ssize_t r = mp__call_args(call, "ss", &name, &type);

    if (r < 0)
        return r;
    r = mp__name_lookup(mp__call_manager(call), name, type, &handle);
    if (r == 0)
        r = mp__call_give(call, "h", handle);
    free(name);
    free(type);
    return r;
}

/* Gives what `write` writes. */
static ssize_t
give(struct mp__call *call, int r, mp_any_writer *writer)
{
    mp_any any;

    if (r == 0)
        r = mp_any_end(writer, &any);
    if (r == 0)
        r = mp__call_give(call, "v", any);
    mp_any_discard(writer);
    return r;
}

static ssize_t
serve_names(struct mp__call *call)
{
    mp_any_writer writer = MP_ANY_WRITER;

    return give(call, mp__names(mp__call_manager(call), &writer), &writer);
}

static ssize_t
serve_statistics(struct mp__call *call)
{
    mp_any_writer writer = MP_ANY_WRITER;

    return give(call, mp__server_statistics(call->session, &writer), &writer);
}

/* ---- All of them ---- */

#define OP(function, how, what)                                 \
    {                                                           \
        .name = "manager_" #function, .slab = -1, .serve = how, \
        .detail = what                                          \
    }
#define MAKE(function, kind) OP(function, serve_make, MP__MAKE_##kind)

static const struct mp__op ops[] = {
    MAKE(list, LIST),
    MAKE(dict, DICT),
    MAKE(set, SET),
    MAKE(namespace, NAMESPACE),
    MAKE(value, VALUE),
    MAKE(array, ARRAY),
    MAKE(lock, LOCK),
    MAKE(rlock, RLOCK),
    MAKE(semaphore, SEMAPHORE),
    MAKE(bounded_semaphore, BOUNDED),
    MAKE(event, EVENT),
    MAKE(condition, CONDITION),
    MAKE(barrier, BARRIER),
    MAKE(queue, QUEUE),
    MAKE(joinable_queue, JOINABLE),
    MAKE(pool, POOL),
    OP(publish, serve_publish, 0),
    OP(unpublish, serve_unpublish, 0),
    OP(lookup, serve_lookup, 0),
    OP(names, serve_names, 0),
    OP(statistics, serve_statistics, 0),
};

void
mp__serve_manager(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
