/* SPDX-License-Identifier: MIT */
/* What a program has registered by name: types, and functions for pools. */
#pragma once

#include "registry/manager.h"

#define MP__NAME_MOST 63u

struct mp__user_type {
    char name[MP__NAME_MOST + 1];
    const mp_type_ops *ops;
};

/* NULL: there is none of that name. They stay. */
const struct mp__user_type *mp__type_of_name(const char *name, size_t size);
const mp_method *mp__method_find(const struct mp__user_type *type,
                                 const char *name);

/* The function of a name; 0 and *ret_f; -EINVAL with a text that says what is to
 * be done. */
int mp__task_of_name(const char *name, mp_task_fn *ret_f,
                     const char *function);
int mp__map_of_name(const char *name, mp_map_fn *ret_f, const char *function);
