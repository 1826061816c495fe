/* SPDX-License-Identifier: MIT */
/* Channels that need nothing but the system: peers of the queue. */
#pragma once

#include "harness.h"

measure_fn pipe_stream, pipe_bounce, pipe_batch, pipe_filled, pipe_idle;
measure_fn socket_stream, socket_bounce, socket_batch, socket_filled;
/* A TCP connection over the loopback, a local stream socket. */
measure_fn tcp_stream, tcp_bounce, local_stream, local_bounce;
measure_fn mq_stream, mq_bounce, mq_priority;
measure_fn futex_bounce, futex_idle;
