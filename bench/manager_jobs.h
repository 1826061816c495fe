/* SPDX-License-Identifier: MIT */
/* The jobs of manager.h, by who does them. */
#pragma once

#include "harness.h"

/* Ours: in the family, by a local socket, by TLS over the loopback. */
measure_fn local_value, local_list, local_dict, local_lock;
measure_fn over_unix_value, over_unix_list, over_unix_dict, over_unix_lock;
measure_fn over_tls_value, over_tls_list, over_tls_dict, over_tls_lock;

/* What no manager can beat: shared state of threads; bare round trips. */
measure_fn table_value, table_list, table_dict, table_lock;
measure_fn echo_unix_value, echo_unix_list, echo_unix_dict, echo_unix_lock;
measure_fn echo_tcp_value, echo_tcp_list, echo_tcp_dict, echo_tcp_lock;
