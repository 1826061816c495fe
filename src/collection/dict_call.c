/* SPDX-License-Identifier: MIT */
/* Formats become keys and values, and these become steps: the one way of all
 * functions of dicts, sets and namespaces. */
#include "collection/dict_call.h"

#include "base/error.h"
#include "codec/token.h"
#include "collection/far.h"
#include "os/mapping.h"

#include <errno.h>

static const char *const what[MP__SLABS] = {
    [MP__SLAB_DICT] = "a dict",
    [MP__SLAB_SET] = "a set",
    [MP__SLAB_NAMESPACE] = "a namespace",
};

static int
enter(const mp_dict *dict, enum mp__slab slab, const char *function)
{
    return mp__object_enter(dict, slab, function, what[slab]);
}

/* ---- Life ---- */

int
mp__dict_make(mp_dict **ret_dict, enum mp__slab slab, const char *function)
{
    mp_dict *dict;
    int r = mp__enter();

    if (ret_dict == NULL)
        return mp__fail(-EINVAL, "%s: the place for the result is NULL",
                        function);
    if (r < 0)
        return r;
    dict = mp__collection_new(slab, sizeof(*dict));
    if (dict == NULL)
        return -ENOMEM;
    mp__random(&dict->seed, sizeof(dict->seed));
    dict->serial = 1;
    mp__object_publish(dict, slab);
    *ret_dict = dict;
    return 0;
}

static void
clear(struct mp__collection *c)
{
    mp__dict_clear(MP__CONTAINER(c, mp_dict, c));
}

int
mp__dict_unmake(mp_dict *dict, enum mp__slab slab, const char *function)
{
    int r = dict ? enter(dict, slab, function) : 1;

    if (r == -EREMOTE)
        return (int)mp__far_call(dict, function, MP__FAR_PLAIN, "");
    if (r != 0)
        return r < 0 ? r : 0;
    return mp__collection_destroy(&dict->c, clear, function, what[slab]);
}

mp_rlock *
mp__dict_lock(mp_dict *dict, enum mp__slab slab, const char *function)
{
    int r = enter(dict, slab, function);

    if (r < 0)
        return mp__collection_far_lock(r, dict, function);
    return mp__own_lock_get(&dict->c.own, what[slab] + 2, dict);
}

/* ---- With a key ---- */

static int
write_name(struct mp__dict_call *call)
{
    mp_any_writer *w = &call->key.writer;

    if (call->name == NULL)
        return mp__fail(-EINVAL, "%s: the name is NULL", call->step.function);
    mp__writer_begin(w, call->key.small, sizeof(call->key.small));
    mp_any_write_string(w, call->name, SIZE_MAX);
    return mp_any_end(w, &call->step.key);
}

/* Reads the key; mp__draft_end() of it must follow. */
static int
read_key(mp_dict *dict, struct mp__dict_call *call, const char *key_format)
{
    int r = enter(dict, call->slab, call->step.function);

    call->key.writer.own = 0;
    call->far = r == -EREMOTE;
    if (r < 0 && !call->far)
        return r;
    if (call->slab == MP__SLAB_NAMESPACE)
        return write_name(call);
    return mp__draft_format_on(&call->key, call->step.function, key_format,
                               &call->args, &call->step.key);
}

/* Makes the step: here, or where the dict is. */
static ssize_t
step_of(mp_dict *dict, const struct mp__dict_call *call)
{
    return MP__UNLIKELY(call->far) ? mp__dict_far(dict, &call->step)
                                   : mp__dict_step(dict, &call->step);
}

/* The format behind the key. */
static const char *
value_format(struct mp__dict_call *call)
{
    return call->slab == MP__SLAB_NAMESPACE
               ? call->format
               : va_arg(call->args.list, const char *);
}

ssize_t
mp__dict_call_key(mp_dict *dict, struct mp__dict_call *call,
                  const char *key_format)
{
    ssize_t r = read_key(dict, call, key_format);

    if (r == 0)
        r = step_of(dict, call);
    mp__draft_end(&call->key);
    return r;
}

ssize_t
mp__dict_call_in(mp_dict *dict, struct mp__dict_call *call,
                 const char *key_format)
{
    ssize_t r = read_key(dict, call, key_format);

    if (r == 0) {
        r = mp__draft_format_on(&call->value, call->step.function,
                                value_format(call), &call->args,
                                &call->step.value);
        if (r == 0)
            r = step_of(dict, call);
        mp__draft_end(&call->value);
    }
    mp__draft_end(&call->key);
    return r;
}

ssize_t
mp__dict_call_out(mp_dict *dict, struct mp__dict_call *call,
                  const char *key_format)
{
    struct mp__taking taking = {.function = call->step.function, .checked = 1};
    ssize_t r = read_key(dict, call, key_format);

    if (r == 0) {
        taking.format = value_format(call);
        va_copy(taking.args, call->args.list);
        call->step.look = taking.format ? mp__take_parts : NULL;
        call->step.arg = &taking;
        call->step.fits = taking.format;
        r = step_of(dict, call);
        va_end(taking.args);
    }
    mp__draft_end(&call->key);
    return r;
}

/* ---- Others ---- */

ssize_t
mp__dict_call_plain(mp_dict *dict, enum mp__slab slab,
                    const struct mp__dict_step *step)
{
    int r = enter(dict, slab, step->function);

    if (r == -EREMOTE)
        return mp__dict_far(dict, step);
    return r < 0 ? r : mp__dict_step(dict, step);
}

int
mp__dict_call_any(mp_dict *dict, enum mp__slab slab, enum mp__dict_op op,
                  mp_any key, mp_any *ret_any, const char *function)
{
    struct mp__taking taking = {
        .function = function, .ret_any = ret_any, .checked = 1};
    struct mp__dict_step step = {.op = op,
                                 .key = key,
                                 .look = mp__take_any,
                                 .arg = &taking,
                                 .function = function};

    if (ret_any == NULL)
        return mp__fail(-EINVAL, "%s: the place for the result is NULL",
                        function);
    return (int)mp__dict_call_plain(dict, slab, &step);
}

/* Copies of an entry. */
struct taking_entry {
    const char *function;
    mp_any *ret_key, *ret_value;
    uint64_t *ret_serial;
};

static int
copy(const struct taking_entry *taking, mp_any any, mp_any *ret_any)
{
    struct mp__taking one = {
        .function = taking->function, .ret_any = ret_any, .checked = 1};

    return mp__take_any(any.data, any.size, &one);
}

static int
take_entry(const void *data, size_t size, void *arg)
{
    const struct mp__dict_entry *entry = data;
    const struct taking_entry *taking = arg;
    mp_any key, value = {0};
    int r = copy(taking, entry->key, &key);

    (void)size;
    if (r < 0)
        return r;
    if (taking->ret_value)
        r = copy(taking, entry->value, &value);
    if (r < 0) {
        mp_any_free(key);
        return r;
    }
    *taking->ret_key = key;
    if (taking->ret_value)
        *taking->ret_value = value;
    if (taking->ret_serial)
        *taking->ret_serial = entry->serial;
    return 0;
}

int
mp__dict_call_entry(mp_dict *dict, enum mp__slab slab,
                    struct mp__dict_step step, mp_any *ret_key,
                    mp_any *ret_value, uint64_t *ret_serial)
{
    struct taking_entry taking = {step.function, ret_key, ret_value,
                                  ret_serial};

    if (ret_key == NULL)
        return mp__fail(-EINVAL, "%s: the place for the result is NULL",
                        step.function);
    step.look = take_entry;
    step.arg = &taking;
    return (int)mp__dict_call_plain(dict, slab, &step);
}
