/* SPDX-License-Identifier: MIT */
/* What values go through is the same for queues and connections: one set of
 * tests for all of them. */
#pragma once

#include "region/kin.h"

/* A kind of channel. `in` is where values go in, `out` where they come out. */
struct values_channel {
    void (*open)(int variant, void **ret_in, void **ret_out);
    void (*close)(void *in, void *out);
    int (*vsendf)(void *in, mp_time deadline, const char *format,
                  va_list args);
    int (*vrecvf)(void *out, mp_time deadline, const char *format,
                  va_list args);
    int (*send_any)(void *in, mp_any any, mp_time deadline);
    int (*send_item)(void *in, mp_item item, mp_time deadline);
    int (*recv_any)(void *out, mp_any *ret_any, mp_time deadline);
    int (*send)(void *in, const void *data, size_t size, mp_time deadline);
    ssize_t (*recv)(void *out, void *buf, size_t cap, mp_time deadline);
    int narrow; /* from this variant on: it holds some KiB, and is of the
                   process that made it */
};

/* Adds the tests, for variants 0 to `variants` - 1. */
void values_add_tests(Suite *suite, const struct values_channel *channel,
                      int variants);
