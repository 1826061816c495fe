/* SPDX-License-Identifier: MIT */
/* Objects of users' types: a cell that all can hold, and an instance that the
 * server has in its own memory. See instance.c. */
#pragma once

#include "registry/types.h"

struct mp_object {
    struct mp__object object;
    mp_manager *manager;
    uint64_t life;   /* of the server that has the instance */
    uint64_t number; /* of the instance there */
    char type[MP__NAME_MOST + 1];
} MP__ALIGNED(64);

/* The name of its type. */
const char *mp__object_type(const mp_object *object);

/* ---- In the server ---- */

/* As mp_manager_object() and mp_object_call(), with values. */
int mp__instance_new(mp_manager *manager, const char *type, mp_any args,
                     mp_object **ret_object);
int mp__instance_call(mp_object *object, const char *method, mp_any args,
                      mp_any_writer *result);

/* Ends the object; here its instance, elsewhere that ends with its server. 0;
 * -EBADF. */
int mp__instance_end(mp_object *object);

/* The server ends in order: so do all instances. */
void mp__instances_end(void);
