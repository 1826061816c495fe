/* SPDX-License-Identifier: MIT */
/* Channels that need nothing but the system: peers of the queue. */
#pragma once

#include "harness.h"

measure_fn pipe_stream, pipe_bounce;
measure_fn socket_stream, socket_bounce;
measure_fn mq_stream, mq_bounce;
measure_fn futex_bounce;
