/* SPDX-License-Identifier: MIT */
/* Value: a datum with a handle. What is shared is one word, which anybody
 * changes in single steps (datum.c), and the lock, which is the users' business
 * (own_lock.c). To destroy it is to take away its stamp; after that its lock
 * and its memory are given back, and who dies in between leaks these. */
#include "container/container.h"

#include "base/error.h"
#include "container/datum.h"
#include "container/text.h"

#include <errno.h>

/* The functions behind the macros. */
#undef mp_value_create
#undef mp_value_get
#undef mp_value_set
#undef mp_value_add
#undef mp_value_add_get
#undef mp_value_compare_exchange

static int
enter(mp_value *value, const char *function)
{
    return mp__object_enter(value, MP__SLAB_VALUE, function, "a value");
}

/* The datum of a live value; or as mp__object_enter(). */
static inline int
reach(struct mp__datum *datum, mp_value *value, const char *function)
{
    int r = enter(value, function);

    if (MP__UNLIKELY(r < 0))
        return r;
    *datum =
        (struct mp__datum){mp__type_find(value->code), &value->word, function};
    return 0;
}

/* ---- Life ---- */

int
mp_value_create(mp_value **ret_value, int code, mp_scalar x)
{
    const struct mp__type *type = mp__type_expect(code, "mp_value_create");
    mp_value *value;
    uint64_t bits;
    int r;

    if (type == NULL)
        return -EINVAL;
    if (ret_value == NULL)
        return mp__fail(-EINVAL, "mp_value_create: ret_value is NULL");
    r = mp__type_encode(type, x, &bits);
    if (r < 0)
        return mp__type_refuse(type, x, r, "mp_value_create");
    r = mp__enter();
    if (r < 0)
        return r;
    value = mp__object_alloc(MP__SLAB_VALUE, sizeof(*value));
    if (value == NULL)
        return -ENOMEM;
    value->word = bits;
    value->code = code;
    mp__object_publish(value, MP__SLAB_VALUE);
    *ret_value = value;
    return 0;
}

int
mp_value_destroy(mp_value *value)
{
    int r = value ? enter(value, "mp_value_destroy") : 1;

    if (r != 0)
        return r < 0 ? (int)MP__FAR(r, value, MP__FAR_PLAIN, "") : 0;
    r = mp__own_lock_idle(&value->own, "mp_value_destroy");
    if (r < 0)
        return r;
    if (mp__object_retire(value, MP__SLAB_VALUE) < 0)
        return mp__fail_handle("mp_value_destroy", value, "a value");
    mp__own_lock_end(&value->own);
    mp__object_free(value, MP__SLAB_VALUE);
    return 0;
}

/* ---- Steps ---- */

/* A number travels as its letter and its bits, and is converted here: as at
 * home. */
MP__COLD static int
get_far(int r, mp_value *value, int type, void *ret_x)
{
    mp_scalar x;

    if (r != -EREMOTE ||
        (r = mp__scalar_check(type, ret_x, "mp_value_get")) < 0 ||
        (r = (int)mp__far_call(value, "mp_value_get", MP__FAR_PLAIN, "> iQ",
                               &x.type, &x.u)) < 0)
        return r;
    return mp__scalar_give(x, type, ret_x, "mp_value_get");
}

MP__COLD static int
add_get_far(int r, mp_value *value, mp_scalar x, int type, void *ret_sum)
{
    if (r != -EREMOTE ||
        (r = mp__scalar_check(type, ret_sum, "mp_value_add_get")) < 0 ||
        (r = (int)mp__far_call(value, "mp_value_add_get", MP__FAR_PLAIN,
                               "iQ > iQ", x.type, x.u, &x.type, &x.u)) < 0)
        return r;
    return mp__scalar_give(x, type, ret_sum, "mp_value_add_get");
}

int
mp_value_get(mp_value *value, int type, void *ret_x)
{
    struct mp__datum datum;
    int r = reach(&datum, value, "mp_value_get");

    if (MP__UNLIKELY(r < 0))
        return get_far(r, value, type, ret_x);
    return mp__datum_get(&datum, type, ret_x);
}

int
mp_value_set(mp_value *value, mp_scalar x)
{
    struct mp__datum datum;
    int r = reach(&datum, value, "mp_value_set");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, value, MP__FAR_PLAIN, "iQ", x.type, x.u);
    return mp__datum_set(&datum, x);
}

int
mp_value_add(mp_value *value, mp_scalar x)
{
    struct mp__datum datum;
    mp_scalar sum;
    int r = reach(&datum, value, "mp_value_add");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, value, MP__FAR_PLAIN, "iQ", x.type, x.u);
    return mp__datum_add(&datum, x, &sum);
}

int
mp_value_add_get(mp_value *value, mp_scalar x, int type, void *ret_sum)
{
    struct mp__datum datum;
    mp_scalar sum;
    int r = reach(&datum, value, "mp_value_add_get");

    if (MP__UNLIKELY(r < 0))
        return add_get_far(r, value, x, type, ret_sum);
    if ((r = mp__scalar_check(type, ret_sum, datum.function)) < 0 ||
        (r = mp__datum_add(&datum, x, &sum)) < 0)
        return r;
    return mp__scalar_give(sum, type, ret_sum, datum.function);
}

int
mp_value_compare_exchange(mp_value *value, mp_scalar expected,
                          mp_scalar desired)
{
    struct mp__datum datum;
    int r = reach(&datum, value, "mp_value_compare_exchange");

    if (MP__UNLIKELY(r < 0))
        return (int)MP__FAR(r, value, MP__FAR_PLAIN, "iQiQ", expected.type,
                            expected.u, desired.type, desired.u);
    return mp__datum_compare_exchange(&datum, expected, desired);
}

/* ---- Whatever else ---- */

mp_rlock *
mp_value_lock(mp_value *value)
{
    int r = enter(value, "mp_value_lock");

    if (r < 0)
        return mp__own_lock_far(r, value, "mp_value_lock");
    return mp__own_lock_get(&value->own, "value", value);
}

int
mp_value_type(mp_value *value)
{
    int r = enter(value, "mp_value_type");

    return r < 0 ? (int)MP__FAR(r, value, MP__FAR_PLAIN, "") : value->code;
}

int
mp_value_print(mp_value *value, FILE *out)
{
    char text[MP__TEXT];
    struct mp__datum datum;
    int r = reach(&datum, value, "mp_value_print");

    if (r < 0)
        return mp__text_far(r, value, "mp_value_print", out);
    if (out == NULL)
        return mp__fail(-EINVAL, "mp_value_print: out is NULL");
    mp__datum_text(text, datum.type, mp__datum_load(&datum));
    if (fputs(text, out) < 0)
        return mp__fail(-EIO, "mp_value_print: `out` has an error");
    return 0;
}
