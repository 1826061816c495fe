/* SPDX-License-Identifier: MIT */
/* Value and Array, served. A number travels as the letter of its scalar ('q',
 * 'Q', 'd', 'P') and its 64 bits; into what type it is to be converted is the
 * caller's business, at his end. A pointer means something in this family only,
 * but may be carried about. */
#include "container/container.h"
#include "container/datum.h"
#include "service/service.h"

#include <errno.h>
#include <stdlib.h>

/* The functions behind the macros. */
#undef mp_value_get
#undef mp_value_set
#undef mp_value_add
#undef mp_value_add_get
#undef mp_value_compare_exchange
#undef mp_array_get
#undef mp_array_set
#undef mp_array_add
#undef mp_array_compare_exchange

#define PRINTED_MOST (1u << 20) /* items of an array */

static int
check(const struct mp__call *call, mp_scalar x)
{
    if (x.type == 'q' || x.type == 'Q' || x.type == 'd' || x.type == 'P')
        return 0;
    return mp__fail(-EINVAL, "mp_%s: %d is the letter of no scalar",
                    call->op->name, x.type);
}

static ssize_t
give(struct mp__call *call, int r, int code, uint64_t bits)
{
    mp_scalar x;

    if (r < 0)
        return r;
    x = mp__type_decode(mp__type_find(code), bits);
    return mp__call_give(call, "iQ", x.type, x.u);
}

/* ---- Value ---- */

static ssize_t
serve_value_get(struct mp__call *call)
{
    int code = mp_value_type(call->object);
    uint64_t bits = 0;
    int r = mp_value_get(call->object, code, &bits);

    return give(call, r, code, bits);
}

static ssize_t
serve_value_set(struct mp__call *call)
{
    mp_scalar x;
    int r = mp__call_args(call, "iQ", &x.type, &x.u);

    if (r < 0 || (r = check(call, x)) < 0)
        return r;
    return mp_value_set(call->object, x);
}

static ssize_t
serve_value_add(struct mp__call *call)
{
    mp_scalar x;
    int r = mp__call_args(call, "iQ", &x.type, &x.u);

    if (r < 0 || (r = check(call, x)) < 0)
        return r;
    return mp_value_add(call->object, x);
}

static ssize_t
serve_value_add_get(struct mp__call *call)
{
    int code = mp_value_type(call->object);
    uint64_t bits = 0;
    mp_scalar x;
    int r = mp__call_args(call, "iQ", &x.type, &x.u);

    if (r < 0 || (r = check(call, x)) < 0)
        return r;
    r = mp_value_add_get(call->object, x, code, &bits);
    return give(call, r, code, bits);
}

static ssize_t
serve_value_compare_exchange(struct mp__call *call)
{
    mp_scalar x, y;
    int r = mp__call_args(call, "iQiQ", &x.type, &x.u, &y.type, &y.u);

    if (r < 0 || (r = check(call, x)) < 0 || (r = check(call, y)) < 0)
        return r;
    return mp_value_compare_exchange(call->object, x, y);
}

static ssize_t
serve_value_lock(struct mp__call *call)
{
    mp_rlock *lock = mp_value_lock(call->object);

    return lock ? mp__call_give(call, "h", lock) : -ENOMEM;
}

/* ---- Array ---- */

static ssize_t
serve_array_get(struct mp__call *call)
{
    int code = mp_array_type(call->object);
    uint64_t bits = 0;
    int64_t index;
    int r = mp__call_args(call, "q", &index);

    if (r < 0)
        return r;
    /* Of structs: refused, whatever is asked for. */
    r = mp_array_get(call->object, index, code ? code : 'B', &bits);
    return give(call, r, code, bits);
}

static ssize_t
serve_array_set(struct mp__call *call)
{
    int64_t index;
    mp_scalar x;
    int r = mp__call_args(call, "qiQ", &index, &x.type, &x.u);

    if (r < 0 || (r = check(call, x)) < 0)
        return r;
    return mp_array_set(call->object, index, x);
}

static ssize_t
serve_array_add(struct mp__call *call)
{
    int64_t index;
    mp_scalar x;
    int r = mp__call_args(call, "qiQ", &index, &x.type, &x.u);

    if (r < 0 || (r = check(call, x)) < 0)
        return r;
    return mp_array_add(call->object, index, x);
}

static ssize_t
serve_array_compare_exchange(struct mp__call *call)
{
    int64_t index;
    mp_scalar x, y;
    int r = mp__call_args(call, "qiQiQ", &index, &x.type, &x.u, &y.type, &y.u);

    if (r < 0 || (r = check(call, x)) < 0 || (r = check(call, y)) < 0)
        return r;
    return mp_array_compare_exchange(call->object, index, x, y);
}

static ssize_t
serve_array_lock(struct mp__call *call)
{
    mp_rlock *lock = mp_array_lock(call->object);

    return lock ? mp__call_give(call, "h", lock) : -ENOMEM;
}

/* ---- Both ---- */

static int
print(const struct mp__call *call, FILE *out)
{
    if (call->op->slab == MP__SLAB_VALUE)
        return mp_value_print(call->object, out);
    if (mp_array_len(call->object) > PRINTED_MOST)
        return mp__fail(-EMSGSIZE,
                        "mp_array_print: %zu items: more than %u are not sent",
                        mp_array_len(call->object), PRINTED_MOST);
    return mp_array_print(call->object, out);
}

static ssize_t
serve_print(struct mp__call *call)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int r;

    if (out == NULL)
        return mp__fail(-ENOMEM, "mp_%s: out of memory", call->op->name);
    r = print(call, out);
    if (fclose(out) != 0 && r == 0)
        r = mp__fail(-ENOMEM, "mp_%s: out of memory", call->op->name);
    if (r == 0)
        r = mp__call_give(call, "S", text, size);
    free(text);
    return r;
}

static ssize_t
serve_value_type(struct mp__call *call)
{
    return mp_value_type(call->object);
}

static ssize_t
serve_array_type(struct mp__call *call)
{
    return mp_array_type(call->object);
}

static ssize_t
serve_array_len(struct mp__call *call)
{
    return (ssize_t)mp_array_len(call->object);
}

static ssize_t
serve_array_itemsize(struct mp__call *call)
{
    return (ssize_t)mp_array_itemsize(call->object);
}

static const struct mp__op ops[] = {
    {"value_destroy", MP__SLAB_VALUE, .serve = mp__serve_destroy},
    {"value_get", MP__SLAB_VALUE, .serve = serve_value_get},
    {"value_set", MP__SLAB_VALUE, .serve = serve_value_set},
    {"value_add", MP__SLAB_VALUE, .serve = serve_value_add},
    {"value_add_get", MP__SLAB_VALUE, .serve = serve_value_add_get},
    {"value_compare_exchange", MP__SLAB_VALUE,
     .serve = serve_value_compare_exchange},
    {"value_lock", MP__SLAB_VALUE, .serve = serve_value_lock},
    {"value_type", MP__SLAB_VALUE, .serve = serve_value_type},
    {"value_print", MP__SLAB_VALUE, .serve = serve_print},
    {"array_destroy", MP__SLAB_ARRAY, .serve = mp__serve_destroy},
    {"array_len", MP__SLAB_ARRAY, .serve = serve_array_len},
    {"array_itemsize", MP__SLAB_ARRAY, .serve = serve_array_itemsize},
    {"array_type", MP__SLAB_ARRAY, .serve = serve_array_type},
    {"array_get", MP__SLAB_ARRAY, .serve = serve_array_get},
    {"array_set", MP__SLAB_ARRAY, .serve = serve_array_set},
    {"array_add", MP__SLAB_ARRAY, .serve = serve_array_add},
    {"array_compare_exchange", MP__SLAB_ARRAY,
     .serve = serve_array_compare_exchange},
    {"array_lock", MP__SLAB_ARRAY, .serve = serve_array_lock},
    {"array_print", MP__SLAB_ARRAY, .serve = serve_print},
};

void
mp__serve_cell(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
