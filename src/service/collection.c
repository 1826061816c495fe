/* SPDX-License-Identifier: MIT */
/* Lists, dicts, sets and namespaces, served: the step of a remote caller, see
 * collection/far.h, is made here as any other. Which step it is its op tells,
 * not what is in it. */
#include "service/service.h"

#include "base/error.h"
#include "base/macros.h"
#include "codec/format.h"
#include "collection/far.h"

#include <errno.h>
#include <stdlib.h>

/* ---- What goes out ---- */

struct giving {
    struct mp__call *call;
    char function[MP__CALL_FUNCTION];
    char *fits;
    int wanted, gave;
};

/* Before the commit: whether the caller can take it. */
static int
check(const struct giving *giving, mp_any any)
{
    return giving->fits ? mp__format_fits(giving->function, any, giving->fits)
                        : 0;
}

static int
look_at_value(const void *data, size_t size, void *arg)
{
    struct giving *giving = arg;
    mp_any any = {data, size};
    int r = check(giving, any);

    if (r < 0 || !giving->wanted)
        return r;
    giving->gave = 1;
    return mp__call_give(giving->call, "v", any);
}

static int
look_at_entry(const void *data, size_t size, void *arg)
{
    const struct mp__dict_entry *entry = data;
    struct giving *giving = arg;
    int r = check(giving, entry->key);

    (void)size;
    if (r < 0 || !giving->wanted)
        return r;
    giving->gave = 1;
    return mp__call_give(giving->call, "[v,v,Q]", entry->key, entry->value,
                         entry->serial);
}

/* A step that has looked at nothing gives None. */
static ssize_t
end(struct giving *giving, ssize_t r)
{
    if (r >= 0 && giving->wanted && !giving->gave)
        mp__call_give(giving->call, "n");
    free(giving->fits);
    return r;
}

static mp_any
if_there(int there, mp_any any)
{
    return there ? any : (mp_any){0};
}

/* ---- Steps ---- */

/* Gives its part as a copy. */
static ssize_t
slice(struct mp__call *call, struct mp__list_step *step)
{
    mp_any part;
    ssize_t r;

    step->ret_any = &part;
    r = mp__list_step(call->object, step);
    if (r < 0)
        return r;
    r = mp__call_give(call, "v", part);
    mp_any_free(part);
    return r;
}

static ssize_t
serve_list(struct mp__call *call)
{
    struct giving giving = {.call = call};
    struct mp__list_step step = {.op = (enum mp__list_op)call->op->detail,
                                 .look = look_at_value,
                                 .arg = &giving,
                                 .function =
                                     mp__call_function(call, giving.function)};
    mp_any value, expected;
    int flags;
    ssize_t r =
        mp__call_args(call, MP__LIST_STEP_FORMAT, &step.index, &step.stop,
                      &step.stride, &value, &expected, &flags, &giving.fits);

    if (r < 0)
        return r;
    step.value = if_there(flags & MP__FAR_VALUE, value);
    step.expected = if_there(flags & MP__FAR_EXPECTED, expected);
    giving.wanted = flags & MP__FAR_WANTED;
    if (step.op == MP__LIST_SLICE)
        return slice(call, &step);
    return end(&giving, mp__list_step(call->object, &step));
}

/* Sets and namespaces are dicts inside. */
static ssize_t
serve_dict(struct mp__call *call)
{
    enum mp__dict_op op = (enum mp__dict_op)call->op->detail;
    struct giving giving = {.call = call};
    struct mp__dict_step step = {
        .op = op,
        .look = mp__dict_step_has_entry(op) ? look_at_entry : look_at_value,
        .arg = &giving,
        .function = mp__call_function(call, giving.function)};
    mp_any key, value, expected;
    int flags;
    ssize_t r = mp__call_args(call, MP__DICT_STEP_FORMAT, &key, &value,
                              &expected, &step.after, &flags, &giving.fits);

    if (r < 0)
        return r;
    step.key = if_there(flags & MP__FAR_KEY, key);
    step.value = if_there(flags & MP__FAR_VALUE, value);
    step.expected = if_there(flags & MP__FAR_EXPECTED, expected);
    giving.wanted = flags & MP__FAR_WANTED;
    return end(&giving, mp__dict_step(call->object, &step));
}

/* ---- Locks ---- */

static ssize_t
serve_lock(struct mp__call *call)
{
    mp_rlock *lock =
        call->op->slab == MP__SLAB_LIST   ? mp_list_lock(call->object)
        : call->op->slab == MP__SLAB_DICT ? mp_dict_lock(call->object)
        : call->op->slab == MP__SLAB_SET  ? mp_set_lock(call->object)
                                          : mp_namespace_lock(call->object);

    return lock ? mp__call_give(call, "h", lock) : -ENOMEM;
}

/* ---- All of them ---- */

#define OP(type, class, function, how, what)                                 \
    {                                                                        \
        .name = #type "_" #function, .slab = MP__SLAB_##class, .serve = how, \
        .detail = what                                                       \
    }
#define LIST(function, step) \
    OP(list, LIST, function, serve_list, MP__LIST_##step)
#define DICT(function, step) \
    OP(dict, DICT, function, serve_dict, MP__DICT_##step)
#define SET(function, step) OP(set, SET, function, serve_dict, MP__DICT_##step)
#define NAMESPACE(function, step) \
    OP(namespace, NAMESPACE, function, serve_dict, MP__DICT_##step)
#define OBJECT(type, class)               \
    OP(type, class, lock, serve_lock, 0), \
        OP(type, class, destroy, mp__serve_destroy, 0)

static const struct mp__op ops[] = {
    OBJECT(list, LIST),
    LIST(len, LEN),
    LIST(append, INSERT),
    LIST(insert, INSERT),
    LIST(extend, REPLACE),
    LIST(set, SET),
    LIST(get, GET),
    LIST(pop, POP),
    LIST(remove, REMOVE),
    LIST(index, INDEX),
    LIST(count, COUNT),
    LIST(add_int, ADD),
    LIST(add_double, ADD),
    LIST(compare_exchange, EXCHANGE),
    LIST(slice, SLICE),
    LIST(print, SLICE),
    LIST(replace, REPLACE),
    LIST(clear, CLEAR),
    LIST(sort, SORT),
    LIST(reverse, REVERSE),
    LIST(equal, EQUAL),

    OBJECT(dict, DICT),
    DICT(len, LEN),
    DICT(set, SET),
    DICT(set_any, SET),
    DICT(setdefault, DEFAULT),
    DICT(setdefault_any, DEFAULT),
    DICT(get, GET),
    DICT(get_any, GET),
    DICT(has, HAS),
    DICT(pop, POP),
    DICT(delete, POP),
    DICT(popitem, POP_LAST),
    DICT(add_int, ADD),
    DICT(add_double, ADD),
    DICT(compare_exchange, EXCHANGE),
    DICT(update, UPDATE),
    DICT(clear, CLEAR),
    DICT(keys, KEYS),
    DICT(values, VALUES),
    DICT(items, ITEMS),
    DICT(print, ITEMS),
    DICT(next, NEXT),
    DICT(equal, EQUAL),

    OBJECT(set, SET),
    SET(len, LEN),
    SET(add, DEFAULT),
    SET(has, HAS),
    SET(remove, POP),
    SET(discard, POP),
    SET(pop, POP_FIRST),
    SET(update, UPDATE),
    SET(subtract, SUBTRACT),
    SET(intersect, INTERSECT),
    SET(toggle, TOGGLE),
    SET(clear, CLEAR),
    SET(is_subset, SUBSET),
    SET(is_superset, SUPERSET),
    SET(is_disjoint, DISJOINT),
    SET(equal, EQUAL),
    SET(items, KEYS),
    SET(print, KEYS),
    SET(next, NEXT),

    OBJECT(namespace, NAMESPACE),
    NAMESPACE(set, SET),
    NAMESPACE(get, GET),
    NAMESPACE(has, HAS),
    NAMESPACE(delete, POP),
    NAMESPACE(add_int, ADD),
    NAMESPACE(add_double, ADD),
    NAMESPACE(items, ITEMS),
    NAMESPACE(print, ITEMS),
};

void
mp__serve_collection(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
