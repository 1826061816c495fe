/* SPDX-License-Identifier: MIT */
/* One measurement in a process of its own. */
#pragma once

#include "harness.h"

/* Gives what measure(load) gives, or NAN if it failed, was killed, or took
 * longer than the time limit. */
double sample_take(measure_fn *measure, const struct load *load);

/* For a sample: the address of a local socket, whose file is removed after
 * it. */
const char *sample_socket(void);
