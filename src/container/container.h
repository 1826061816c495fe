/* SPDX-License-Identifier: MIT */
/* The objects of this room. Only `word`, the items and the lock are ever
 * changed after they are made. */
#pragma once

#include "container/own_lock.h"

#include <mproc/array.h>
#include <mproc/value.h>

struct mp_value {
    struct mp__object object;
    uint64_t word; /* the datum: its first bytes, by the type */
    struct mp__own_lock own;
    int code; /* of the type */
} MP__ALIGNED(64);

struct mp_array {
    struct mp__object object;
    char *items; /* a block */
    size_t n, itemsize;
    struct mp__own_lock own;
    int code; /* of the type; 0: structs */
} MP__ALIGNED(64);

/* Registers how they are described. */
void mp__container_describe(void);
