/* SPDX-License-Identifier: MIT */
/* Values through queues: written on the stack if they are small, and taken
 * apart where the message lies, before it is taken. So what does not fit the
 * format is the first for whoever comes next. */
#include "base/error.h"
#include "codec/message.h"
#include "codec/token.h"
#include "queue/consume.h"

#include <errno.h>

/* ---- Putting ---- */

/* `far`: -EREMOTE: it goes there as a value, for the handles in it. */
static int
put(mp_queue *queue, int far, mp_any any, mp_time deadline)
{
    return far < 0 ? (int)mp__far_call(queue, "mp_queue_put_any", deadline,
                                       "v", any)
                   : mp_queue_put(queue, any.data, any.size, deadline);
}

static int
put_format(mp_queue *queue, const char *function, mp_time deadline,
           const char *format, va_list args)
{
    struct mp__draft draft;
    mp_any any;
    int far = mp__queue_enter(queue, function), r;

    if (far < 0 && far != -EREMOTE)
        return far;
    r = mp__draft_format(&draft, function, format, args, &any);
    if (r == 0)
        r = put(queue, far, any, deadline);
    mp__draft_end(&draft);
    return r;
}

int
mp_queue_putf(mp_queue *queue, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = put_format(queue, "mp_queue_putf", MP_FOREVER, format, args);
    va_end(args);
    return r;
}

int
mp_queue_vputf(mp_queue *queue, mp_time deadline, const char *format,
               va_list args)
{
    return put_format(queue, "mp_queue_vputf", deadline, format, args);
}

int
mp_queue_put_any(mp_queue *queue, mp_any any, mp_time deadline)
{
    int far = mp__queue_enter(queue, "mp_queue_put_any"), r;

    if (far < 0 && far != -EREMOTE)
        return far;
    r = mp__any_check("mp_queue_put_any", any.data, any.size, NULL);
    return r < 0 ? r : put(queue, far, any, deadline);
}

int
mp_queue_put_item(mp_queue *queue, mp_item item, mp_time deadline)
{
    struct mp__draft draft;
    mp_any any;
    int far = mp__queue_enter(queue, "mp_queue_put_item"), r;

    if (far < 0 && far != -EREMOTE)
        return far;
    r = mp__draft_item(&draft, item, &any);
    if (r == 0)
        r = put(queue, far, any, deadline);
    mp__draft_end(&draft);
    return r;
}

/* ---- Getting ---- */

static int
get_format(mp_queue *queue, const char *function, mp_time deadline,
           const char *format, va_list args)
{
    struct mp__taking taking = {.function = function, .format = format};
    int r;

    va_copy(taking.args, args);
    r = mp__queue_get_look(queue, mp__take_parts, &taking, deadline, function);
    va_end(taking.args);
    return r;
}

int
mp_queue_getf(mp_queue *queue, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = get_format(queue, "mp_queue_getf", MP_FOREVER, format, args);
    va_end(args);
    return r;
}

int
mp_queue_vgetf(mp_queue *queue, mp_time deadline, const char *format,
               va_list args)
{
    return get_format(queue, "mp_queue_vgetf", deadline, format, args);
}

int
mp_queue_get_any(mp_queue *queue, mp_any *ret_any, mp_time deadline)
{
    static const char function[] = "mp_queue_get_any";
    struct mp__taking taking = {.function = function, .ret_any = ret_any};

    if (!ret_any)
        return mp__fail(-EINVAL, "%s: ret_any is NULL", function);
    return mp__queue_get_look(queue, mp__take_any, &taking, deadline,
                              function);
}
