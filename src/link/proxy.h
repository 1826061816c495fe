/* SPDX-License-Identifier: MIT */
/* Handles of objects of other families: see proxy.c. */
#pragma once

#include "registry/manager.h"
#include "region/far.h"

/* A cell; all but the stamp is constant. */
struct mp__far_handle {
    struct mp__far_cell cell;
    mp_manager *manager; /* by whom the object is reached, */
    uint64_t number;     /* and which one that is: cells are used again */
    uint64_t address;    /* of the object, at home */
    unsigned char family[16];
} MP__ALIGNED(64);

/* The handle of an object of that family: NULL, and *ret_error. */
struct mp__far_handle *mp__proxy_get(mp_manager *manager,
                                     const unsigned char family[16], int slab,
                                     uint64_t address, int *ret_error);

/* All of a manager end. */
void mp__proxies_end(mp_manager *manager);
