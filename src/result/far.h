/* SPDX-License-Identifier: MIT */
/* Results of other families: service/pool.c is the other end. */
#pragma once

#include <mproc/pool.h>

/* As the functions of that name, for a handle that is -EREMOTE. */
ssize_t mp__result_far_get(mp_result *result, void *buf, size_t cap,
                           mp_time deadline);
const char *mp__result_far_error(mp_result *result);
int mp__result_far_free(mp_result *result);
