/* SPDX-License-Identifier: MIT */
/* The public face of namespaces: dicts whose keys are names. */
#include "collection/dict_call.h"

#include "base/error.h"
#include "codec/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static mp_dict *
dict_of(mp_namespace *ns)
{
    return (mp_dict *)ns; /* its first field, and all of it */
}

/* ---- Life ---- */

int
mp_namespace_create(mp_namespace **ret_namespace)
{
    return mp__dict_make((mp_dict **)ret_namespace, MP__SLAB_NAMESPACE,
                         __func__);
}

int
mp_namespace_destroy(mp_namespace *ns)
{
    return mp__dict_unmake(dict_of(ns), MP__SLAB_NAMESPACE, __func__);
}

mp_rlock *
mp_namespace_lock(mp_namespace *ns)
{
    return mp__dict_lock(dict_of(ns), MP__SLAB_NAMESPACE, __func__);
}

/* ---- Values ---- */

static void
begin(struct mp__dict_call *call, enum mp__dict_op op, const char *name,
      const char *function)
{
    call->slab = MP__SLAB_NAMESPACE;
    call->name = name;
    call->step = (struct mp__dict_step){.op = op, .function = function};
}

int
mp_namespace_set(mp_namespace *ns, const char *name, const char *format, ...)
{
    struct mp__dict_call call;
    int r;

    begin(&call, MP__DICT_SET, name, __func__);
    call.format = format;
    va_start(call.args.list, format);
    r = (int)mp__dict_call_in(dict_of(ns), &call, NULL);
    va_end(call.args.list);
    return r;
}

int
mp_namespace_get(mp_namespace *ns, const char *name, const char *format, ...)
{
    struct mp__dict_call call;
    int r;

    begin(&call, MP__DICT_GET, name, __func__);
    call.format = format;
    va_start(call.args.list, format);
    r = (int)mp__dict_call_out(dict_of(ns), &call, NULL);
    va_end(call.args.list);
    return r;
}

int
mp_namespace_has(mp_namespace *ns, const char *name)
{
    struct mp__dict_call call;

    begin(&call, MP__DICT_HAS, name, __func__);
    return (int)mp__dict_call_key(dict_of(ns), &call, NULL);
}

int
mp_namespace_delete(mp_namespace *ns, const char *name)
{
    struct mp__dict_call call;

    begin(&call, MP__DICT_POP, name, __func__);
    return (int)mp__dict_call_key(dict_of(ns), &call, NULL);
}

static int
add(mp_namespace *ns, const char *name, mp_any x, mp__value_look_fn *look,
    void *ret_sum, const char *function)
{
    struct mp__dict_call call;

    begin(&call, MP__DICT_ADD, name, function);
    call.step.value = x;
    call.step.look = look;
    call.step.arg = ret_sum;
    return (int)mp__dict_call_key(dict_of(ns), &call, NULL);
}

int
mp_namespace_add_int(mp_namespace *ns, const char *name, int64_t x,
                     int64_t *ret_sum)
{
    struct mp__number number;

    return add(ns, name, mp__number_of_int(&number, x), mp__number_take_int,
               ret_sum, __func__);
}

int
mp_namespace_add_double(mp_namespace *ns, const char *name, double x,
                        double *ret_sum)
{
    struct mp__number number;

    return add(ns, name, mp__number_of_double(&number, x),
               mp__number_take_double, ret_sum, __func__);
}

static int
read_items(mp_namespace *ns, mp_any *ret_dict, const char *function)
{
    return mp__dict_call_any(dict_of(ns), MP__SLAB_NAMESPACE, MP__DICT_ITEMS,
                             (mp_any){0}, ret_dict, function);
}

int
mp_namespace_items(mp_namespace *ns, mp_any *ret_dict)
{
    return read_items(ns, ret_dict, __func__);
}

/* ---- Printing ---- */

struct item {
    const char *name;
    size_t size;
    mp_any value;
};

/* Python sorts the texts "name=value": '=' counts. */
static int
compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    size_t shorter = x->size < y->size ? x->size : y->size;
    int r = memcmp(x->name, y->name, shorter);

    if (r == 0 && x->size != y->size)
        r = x->size < y->size ? '=' - (unsigned char)y->name[shorter]
                              : (unsigned char)x->name[shorter] - '=';
    return r;
}

/* Names that begin with '_' are not for people. */
static size_t
read_names(mp_any all, struct item *items)
{
    mp_any_walker walker;
    mp_any key, value;
    size_t n = 0;

    mp_any_walk(all, &walker);
    while (mp_any_next(&walker, &key, &value) > 0) {
        struct item *item = &items[n];

        if (mp_any_get_string(key, &item->name, &item->size) < 0 ||
            (item->size > 0 && item->name[0] == '_'))
            continue;
        item->value = value;
        n++;
    }
    return n;
}

static int
print_items(mp_any all, FILE *out)
{
    struct item *items =
        malloc(((size_t)mp_any_size(all) + 1) * sizeof(*items));
    size_t n;
    int r = 0;

    if (items == NULL)
        return mp__fail(-ENOMEM, "mp_namespace_print: out of memory");
    n = read_names(all, items);
    qsort(items, n, sizeof(*items), compare);
    fputs("Namespace(", out);
    for (size_t i = 0; r == 0 && i < n; i++) {
        fprintf(out, "%s%.*s=", i ? ", " : "", (int)items[i].size,
                items[i].name);
        r = mp_any_print(items[i].value, out);
    }
    fputs(")", out);
    free(items);
    return r < 0 ? r : ferror(out) ? -EIO : 0;
}

int
mp_namespace_print(mp_namespace *ns, FILE *out)
{
    mp_any all;
    int r = read_items(ns, &all, __func__);

    if (r < 0)
        return r;
    r = out ? print_items(all, out)
            : mp__fail(-EINVAL, "%s: the file is NULL", __func__);
    mp_any_free(all);
    return r;
}
