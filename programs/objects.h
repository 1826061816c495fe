/* SPDX-License-Identifier: MIT */
/* Objects by the names of their types. See objects.c. */
#pragma once

#include "options.h"

/* Kinds of objects that an option makes. */
struct wish {
    const char *option; /* its name, which is the type's */
    const char *more; /* what is to follow the object's name; NULL: nothing */
    const char *help;
    int (*make)(mp_manager *manager, const char *more, void **ret_handle);
};
extern const struct wish wishes[]; /* ends with an option NULL */

/* Makes and publishes what the options ask for. 0, or the exit status. */
int objects_make(mp_manager *manager, const struct options *options);
/* Shows one to `out`. 0, or the exit status. */
int object_show(mp_manager *manager, const char *name, const char *type,
                FILE *out);
