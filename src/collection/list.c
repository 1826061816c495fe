/* SPDX-License-Identifier: MIT */
/* The public face of lists: formats become values, and these become steps. */
#include "collection/list.h"

#include "base/error.h"
#include "collection/far.h"
#include "codec/handle.h"
#include "codec/message.h"
#include "codec/number.h"

#include <errno.h>
#include <stdarg.h>

/* ---- Life ---- */

static int
enter(const mp_list *list, const char *function)
{
    return mp__object_enter(list, MP__SLAB_LIST, function, "a list");
}

int
mp_list_create(mp_list **ret_list)
{
    mp_list *list;
    int r = mp__enter();

    if (ret_list == NULL)
        return mp__fail(-EINVAL, "mp_list_create: ret_list is NULL");
    if (r < 0)
        return r;
    list = mp__collection_new(MP__SLAB_LIST, sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    mp__object_publish(list, MP__SLAB_LIST);
    *ret_list = list;
    return 0;
}

static void
clear(struct mp__collection *c)
{
    mp__list_clear(MP__CONTAINER(c, mp_list, c));
}

int
mp_list_destroy(mp_list *list)
{
    int r = list ? enter(list, "mp_list_destroy") : 1;

    if (r < 0)
        return (int)MP__FAR(r, list, MP__FAR_PLAIN, "");
    if (r > 0)
        return 0;
    return mp__collection_destroy(&list->c, clear, "mp_list_destroy",
                                  "a list");
}

mp_rlock *
mp_list_lock(mp_list *list)
{
    int r = enter(list, "mp_list_lock");

    return r < 0 ? mp__collection_far_lock(r, list, "mp_list_lock")
                 : mp__own_lock_get(&list->c.own, "list", list);
}

/* Makes the step here, or, if `entered` says so, where the list is. */
static inline ssize_t
make(int entered, mp_list *list, const struct mp__list_step *step)
{
    if (MP__LIKELY(entered == 0))
        return mp__list_step(list, step);
    return entered == -EREMOTE ? mp__list_far(list, step) : entered;
}

/* ---- Values in ---- */

/* The step with a value by a format. */
static ssize_t
step_in(mp_list *list, struct mp__list_step *step, const char *format,
        va_list args)
{
    struct mp__draft draft;
    int entered = enter(list, step->function);
    ssize_t r;

    if (entered < 0 && entered != -EREMOTE)
        return entered;
    r = mp__draft_format(&draft, step->function, format, args, &step->value);
    if (r == 0)
        r = make(entered, list, step);
    mp__draft_end(&draft);
    return r;
}

#define STEP_IN(list, format, ...)                                       \
    do {                                                                 \
        struct mp__list_step step = {__VA_ARGS__, .function = __func__}; \
        va_list args;                                                    \
        ssize_t r;                                                       \
                                                                         \
        va_start(args, format);                                          \
        r = step_in(list, &step, format, args);                          \
        va_end(args);                                                    \
        return r;                                                        \
    } while (0)

int
mp_list_append(mp_list *list, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_INSERT, .index = INT64_MAX);
}

int
mp_list_insert(mp_list *list, int64_t index, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_INSERT, .index = index);
}

int
mp_list_extend(mp_list *list, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_REPLACE, .index = MP_LIST_END,
            .stop = MP_LIST_END);
}

int
mp_list_set(mp_list *list, int64_t index, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_SET, .index = index);
}

int
mp_list_remove(mp_list *list, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_REMOVE);
}

ssize_t
mp_list_index(mp_list *list, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_INDEX);
}

ssize_t
mp_list_count(mp_list *list, const char *format, ...)
{
    STEP_IN(list, format, .op = MP__LIST_COUNT);
}

/* ---- Values out ---- */

/* What has the handle of an object of another family that is not known here
 * yet cannot be taken apart with the mutex held: so a copy is looked through
 * before. */
static int
find_handles(mp_list *list, const struct mp__list_step *step)
{
    mp_any any;
    struct mp__taking taking = {
        .function = step->function, .ret_any = &any, .checked = 1};
    struct mp__list_step look = {.op = MP__LIST_GET,
                                 .index = step->index,
                                 .look = mp__take_any,
                                 .arg = &taking,
                                 .function = step->function};
    int r = (int)mp__list_step(list, &look);

    if (r == 0) {
        mp__handles_find(any);
        mp_any_free(any);
    }
    return r;
}

#define TRIES 3 /* the item may be another one meanwhile */

/* The step with a value taken apart by a format; NULL: not wanted. */
static int
step_out(mp_list *list, struct mp__list_step *step, const char *format,
         va_list args)
{
    struct mp__taking taking = {
        .function = step->function, .format = format, .checked = 1};
    int r = enter(list, step->function);

    va_copy(taking.args, args);
    step->look = format ? mp__take_parts : NULL;
    step->arg = &taking;
    step->fits = format;
    r = (int)make(r, list, step);
    for (int tries = 0; r == -EAGAIN && tries < TRIES; tries++) {
        r = find_handles(list, step);
        if (r == 0)
            r = (int)make(0, list, step);
    }
    va_end(taking.args);
    return r == -EAGAIN ? -ENOTCONN : r;
}

int
mp_list_get(mp_list *list, int64_t index, const char *format, ...)
{
    struct mp__list_step step = {
        .op = MP__LIST_GET, .index = index, .function = __func__};
    va_list args;
    int r;

    va_start(args, format);
    r = step_out(list, &step, format, args);
    va_end(args);
    return r;
}

int
mp_list_pop(mp_list *list, int64_t index, const char *format, ...)
{
    struct mp__list_step step = {
        .op = MP__LIST_POP, .index = index, .function = __func__};
    va_list args;
    int r;

    va_start(args, format);
    r = step_out(list, &step, format, args);
    va_end(args);
    return r;
}

/* ---- The rest ---- */

static ssize_t
step_plain(mp_list *list, const struct mp__list_step *step)
{
    return make(enter(list, step->function), list, step);
}

#define STEP(list, ...)                                         \
    step_plain(list, &(const struct mp__list_step){__VA_ARGS__, \
                                                   .function = __func__})

ssize_t
mp_list_len(mp_list *list)
{
    return STEP(list, .op = MP__LIST_LEN);
}

int
mp_list_sort(mp_list *list, int flags)
{
    if (flags & ~MP_LIST_DESCENDING)
        return mp__fail(-EINVAL, "mp_list_sort: unknown flags %#x", flags);
    return (int)STEP(list, .op = MP__LIST_SORT, .stop = flags);
}

int
mp_list_reverse(mp_list *list)
{
    return (int)STEP(list, .op = MP__LIST_REVERSE);
}

int
mp_list_clear(mp_list *list)
{
    return (int)STEP(list, .op = MP__LIST_CLEAR);
}

int
mp_list_replace(mp_list *list, int64_t start, int64_t stop, mp_any items)
{
    return (int)STEP(list, .op = MP__LIST_REPLACE, .index = start,
                     .stop = stop, .value = items);
}

int
mp_list_equal(mp_list *list, mp_any any)
{
    return (int)STEP(list, .op = MP__LIST_EQUAL, .value = any);
}

int
mp_list_compare_exchange(mp_list *list, int64_t index, mp_any expected,
                         mp_any desired)
{
    return (int)STEP(list, .op = MP__LIST_EXCHANGE, .index = index,
                     .expected = expected, .value = desired);
}

/* ---- Numbers ---- */

int
mp_list_add_int(mp_list *list, int64_t index, int64_t x, int64_t *ret_sum)
{
    struct mp__number number;

    return (int)STEP(list, .op = MP__LIST_ADD, .index = index,
                     .value = mp__number_of_int(&number, x),
                     .look = mp__number_take_int, .arg = ret_sum);
}

int
mp_list_add_double(mp_list *list, int64_t index, double x, double *ret_sum)
{
    struct mp__number number;

    return (int)STEP(list, .op = MP__LIST_ADD, .index = index,
                     .value = mp__number_of_double(&number, x),
                     .look = mp__number_take_double, .arg = ret_sum);
}

/* ---- The whole ---- */

int
mp_list_slice(mp_list *list, int64_t start, int64_t stop, int64_t step,
              mp_any *ret_any)
{
    if (ret_any == NULL)
        return mp__fail(-EINVAL, "mp_list_slice: ret_any is NULL");
    return (int)STEP(list, .op = MP__LIST_SLICE, .index = start, .stop = stop,
                     .stride = step, .ret_any = ret_any);
}

int
mp_list_print(mp_list *list, FILE *out)
{
    mp_any any;
    int r = out ? (int)STEP(list, .op = MP__LIST_SLICE, .stop = MP_LIST_END,
                            .stride = 1, .ret_any = &any)
                : mp__fail(-EINVAL, "mp_list_print: out is NULL");

    if (r < 0)
        return r;
    r = mp_any_print(any, out);
    mp_any_free(any);
    return r;
}
