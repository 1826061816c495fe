/* SPDX-License-Identifier: MIT */
/* Objects of users' types, served. */
#include "service/service.h"

#include "base/error.h"
#include "base/macros.h"
#include "registry/instance.h"

#include <stdlib.h>

static ssize_t
serve_new(struct mp__call *call)
{
    mp_object *object;
    mp_any args;
    char *type;
    ssize_t r = mp__call_args(call, "sv", &type, &args);

    if (r < 0)
        return r;
    r = mp__instance_new(mp__call_manager(call), type, args, &object);
    free(type);
    return r < 0 ? r : mp__serve_made(call, object);
}

static ssize_t
serve_call(struct mp__call *call)
{
    mp_any_writer writer = MP_ANY_WRITER;
    mp_any args, result;
    char *method;
    ssize_t r = mp__call_args(call, "sv", &method, &args);
    int given;

    if (r < 0)
        return r;
    r = mp__instance_call(call->object, method, args, &writer);
    if (r >= 0) {
        given = mp_any_end(&writer, &result);
        if (given == 0)
            given = mp__call_give(call, "v", result);
        r = given < 0 ? given : r;
    }
    mp_any_discard(&writer);
    free(method);
    return r;
}

static const struct mp__op ops[] = {
    {.name = "manager_object", .slab = -1, .serve = serve_new},
    {.name = "object_call", .slab = MP__SLAB_OBJECT, .serve = serve_call},
    {.name = "object_destroy",
     .slab = MP__SLAB_OBJECT,
     .serve = mp__serve_destroy},
};

void
mp__serve_object(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
