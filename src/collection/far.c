/* SPDX-License-Identifier: MIT */
/* Steps of collections of other families. What comes back is a copy, which is
 * looked at here as the value is at home. What a pop takes out must fit the
 * caller's format before: so the format goes there, too. */
#include "collection/far.h"

#include "base/error.h"

#include <errno.h>

static const unsigned char nil = 0xc0;

static mp_any
or_nil(mp_any any)
{
    return any.size ? any : (mp_any){&nil, 1};
}

static int
flags_of(mp_any key, mp_any value, mp_any expected, int wanted)
{
    return (key.size ? MP__FAR_KEY : 0) | (value.size ? MP__FAR_VALUE : 0) |
           (expected.size ? MP__FAR_EXPECTED : 0) |
           (wanted ? MP__FAR_WANTED : 0);
}

ssize_t
mp__list_far(const void *list, const struct mp__list_step *step)
{
    int wanted = step->look || step->ret_any;
    int flags = flags_of((mp_any){0}, step->value, step->expected, wanted);

    if (!wanted)
        return mp__far_call(list, step->function, MP__FAR_PLAIN,
                            MP__LIST_STEP_FORMAT, step->index, step->stop,
                            step->stride, or_nil(step->value),
                            or_nil(step->expected), flags, step->fits);
    if (step->ret_any)
        return mp__far_call(
            list, step->function, MP__FAR_PLAIN, MP__LIST_STEP_FORMAT " > v",
            step->index, step->stop, step->stride, or_nil(step->value),
            or_nil(step->expected), flags, step->fits, step->ret_any);
    return mp__far_call(
        list, step->function, MP__FAR_PLAIN, MP__LIST_STEP_FORMAT " > @",
        step->index, step->stop, step->stride, or_nil(step->value),
        or_nil(step->expected), flags, step->fits, step->look, step->arg);
}

/* Has what came back looked at. */
static int
look(const void *data, size_t size, void *arg)
{
    const struct mp__dict_step *step = arg;
    struct mp__dict_entry entry;
    mp_any any = {data, size};
    int r;

    if (!mp__dict_step_has_entry(step->op))
        return step->look(data, size, step->arg);
    if (mp_any_type(any) == MP_ANY_NIL) /* there is none */
        return 0;
    r = mp_any_parse(any, "[v,v,Q]", &entry.key, &entry.value, &entry.serial);
    return r < 0 ? r : step->look(&entry, sizeof(entry), step->arg);
}

ssize_t
mp__dict_far(const void *dict, const struct mp__dict_step *step)
{
    int flags =
        flags_of(step->key, step->value, step->expected, step->look != NULL);

    if (step->look == NULL)
        return mp__far_call(dict, step->function, MP__FAR_PLAIN,
                            MP__DICT_STEP_FORMAT, or_nil(step->key),
                            or_nil(step->value), or_nil(step->expected),
                            step->after, flags, step->fits);
    return mp__far_call(dict, step->function, MP__FAR_PLAIN,
                        MP__DICT_STEP_FORMAT " > @", or_nil(step->key),
                        or_nil(step->value), or_nil(step->expected),
                        step->after, flags, step->fits, look, (void *)step);
}

mp_rlock *
mp__collection_far_lock(int r, const void *object, const char *function)
{
    mp_rlock *lock;

    return r == -EREMOTE && mp__far_call(object, function, MP__FAR_PLAIN,
                                         " > h", &lock) == 0
               ? lock
               : NULL;
}
