/* SPDX-License-Identifier: MIT */
/* Objects of users' types, seen by who calls them: in the family of the server
 * by this process's pipe to it, elsewhere as any remote object. In the server's
 * own process they are called straight: it would wait for itself. */
#include "codec/format.h"
#include "link/ask.h"
#include "registry/instance.h"
#include "registry/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Arguments ---- */

/* "in > out": the values of `in`, as a list; args->list is behind them, and
 * *ret_out at `out` ("": none). To be discarded in any case. */
static int
build(mp_any_writer *writer, const char *function, const char *format,
      struct mp__arguments *args, const char **ret_out, mp_any *ret_any)
{
    const char *middle = strchr(format, '>');
    size_t size = middle ? (size_t)(middle - format) : strlen(format);
    char *in = malloc(size + 3);
    int r;

    if (in == NULL)
        return mp__fail(-ENOMEM, "%s: out of memory", function);
    in[0] = '[';
    memcpy(in + 1, format, size);
    memcpy(in + 1 + size, "]", 2);
    *ret_out = middle ? middle + 1 : "";
    r = mp__format_build_on(writer, function, in, args);
    free(in);
    return r < 0 ? r : mp_any_end(writer, ret_any);
}

/* ---- Making ---- */

/* What was made by the pipe to the server is the family's, not this process's. */
static int
keep(mp_manager *manager, mp_object *object)
{
    int r = mp__manager_record(manager, object, 0);

    if (r < 0)
        mp_object_destroy(object);
    return r;
}

static int
make(mp_manager *manager, const char *type, mp_any args,
     mp_object **ret_object)
{
    mp_object *object;
    int r =
        mp__manager_is_served_here(manager)
            ? mp__instance_new(manager, type, args, &object)
            : (int)mp__manager_ask(manager, "mp_manager_object", MP__FAR_PLAIN,
                                   "sv > h", type, args, &object);

    if (r == 0 && !manager->remote)
        r = keep(manager, object);
    if (r == 0)
        *ret_object = object;
    return r;
}

int
mp_manager_object(mp_manager *manager, mp_object **ret_object,
                  const char *type, const char *format, ...)
{
    mp_any_writer writer = MP_ANY_WRITER;
    struct mp__arguments args;
    const char *out;
    mp_any any;
    int r = mp__manager_enter(manager, __func__);

    if (r == 0 && (ret_object == NULL || type == NULL || format == NULL))
        r = mp__fail(-EINVAL, "mp_manager_object: %s is NULL",
                     ret_object == NULL ? "ret_object"
                     : type == NULL     ? "type"
                                        : "format");
    if (r < 0)
        return r;
    va_start(args.list, format);
    r = build(&writer, __func__, format, &args, &out, &any);
    va_end(args.list);
    if (r == 0)
        r = make(manager, type, any, ret_object);
    mp_any_discard(&writer);
    return r;
}

/* ---- Calling ---- */

static ssize_t
ask(mp_object *object, const char *function, mp_time deadline,
    const char *format, ...)
{
    va_list args;
    ssize_t r;

    va_start(args, format);
    r = mp__manager_call(object->manager, MP__SLAB_OBJECT, (uintptr_t)object,
                         function, deadline, format, args);
    va_end(args);
    return r;
}

/* A copy of the result, for mp_any_free(). */
static int
call_straight(mp_object *object, const char *method, mp_any args,
              mp_any *ret_result)
{
    mp_any_writer writer = MP_ANY_WRITER;
    int r = mp__instance_call(object, method, args, &writer), ended;

    ended = r < 0 ? r : mp_any_end(&writer, ret_result);
    if (ended < 0)
        mp_any_discard(&writer);
    return ended < 0 ? ended : r;
}

/* `far`: what mp__object_enter() has said. */
static int
call(int far, mp_object *object, const char *method, mp_time deadline,
     mp_any args, mp_any *ret_result)
{
    static const char function[] = "mp_object_call";

    if (far < 0)
        return (int)mp__far_call(object, function, deadline, "sv > v", method,
                                 args, ret_result);
    if (mp__manager_is_served_here(object->manager))
        return call_straight(object, method, args, ret_result);
    return (int)ask(object, function, deadline, "sv > v", method, args,
                    ret_result);
}

int
mp_object_call(mp_object *object, const char *method, mp_time deadline,
               const char *format, ...)
{
    int far = mp__object_enter(object, MP__SLAB_OBJECT, __func__, "an object");
    mp_any_writer writer = MP_ANY_WRITER;
    struct mp__arguments args;
    mp_any any, result;
    const char *out;
    int r, parsed = 0;

    if (far < 0 && far != -EREMOTE)
        return far;
    if (method == NULL || format == NULL)
        return mp__fail(-EINVAL, "mp_object_call: %s is NULL",
                        method ? "format" : "method");
    va_start(args.list, format);
    r = build(&writer, __func__, format, &args, &out, &any);
    if (r == 0) {
        r = call(far, object, method, deadline, any, &result);
        if (r >= 0 && *out)
            parsed = mp__format_parse(__func__, result, 1, out, args.list);
        if (r >= 0)
            mp_any_free(result);
    }
    va_end(args.list);
    mp_any_discard(&writer);
    return parsed < 0 ? parsed : r;
}

/* ---- Ending ---- */

/* The server is to end the instance; if it has ended itself, that has as well. */
static int
destroy_here(mp_object *object)
{
    mp_manager *manager = object->manager;
    ssize_t r = 0;

    if (!mp__object_ok(manager, MP__SLAB_MANAGER) ||
        mp__manager_is_served_here(manager))
        return mp__instance_end(object);
    r = ask(object, "mp_object_destroy", MP__FAR_PLAIN, "");
    return r == -EPIPE || r == -ESRCH || r == -ECONNREFUSED
               ? mp__instance_end(object)
               : (int)r;
}

int
mp_object_destroy(mp_object *object)
{
    int r = object ? mp__object_enter(object, MP__SLAB_OBJECT, __func__,
                                      "an object")
                   : 1;

    if (r > 0)
        return 0;
    return r < 0 ? (int)MP__FAR(r, object, MP__FAR_PLAIN, "")
                 : destroy_here(object);
}
