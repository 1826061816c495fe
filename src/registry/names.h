/* SPDX-License-Identifier: MIT */
/* Names of objects, at home. */
#pragma once

#include "registry/manager.h"

/* 0; -EINVAL: there is none. */
int mp__name_check(const char *name, const char *function);

/* As the public functions, of a manager that is here. `function` is for the
 * texts of errors. */
int mp__name_publish(mp_manager *manager, const char *name, void *handle);
int mp__name_unpublish(mp_manager *manager, const char *name);
int mp__name_lookup(mp_manager *manager, const char *name, const char *type,
                    void **ret_handle);
int mp__names(mp_manager *manager, mp_any_writer *writer);
