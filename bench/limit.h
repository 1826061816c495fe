/* SPDX-License-Identifier: MIT */
/* What no queue and no pool can beat. */
#pragma once

#include "harness.h"

measure_fn ring_stream; /* one way, small messages */
measure_fn ring_batch;  /* the same, many at once */
measure_fn two_copies;  /* one way, large messages */
measure_fn no_copy;     /* one way, made and read in place */
measure_fn slot_bounce; /* there and back */
measure_fn one_copy;    /* a large argument on its way in */
measure_fn ring_tasks;  /* load->size small tasks out, then as many back */
