/* SPDX-License-Identifier: MIT */
/* Two hosts, each a network namespace of its own, and a cable between them that
 * delays, loses, and can be cut: either the kernel's (a pair of veth devices and
 * netem), or one of our own (two TUN devices, and a process that carries packets
 * from one to the other), which needs no module of the kernel.
 *
 * The hosts' addresses are 10.77.0.1 and 10.77.0.2. */
#pragma once

#include <sys/types.h>

enum cable_kind { CABLE_TUN, CABLE_NETEM };

#define CABLE_HERE  "10.77.0.1"
#define CABLE_THERE "10.77.0.2"

struct cable;

/* Why there can be none here; NULL: there can. */
const char *cable_missing(enum cable_kind kind);

/* By the test's own process, which lives in the second host from then on. */
struct cable *cable_lay(enum cable_kind kind);
void cable_remove(struct cable *cable);

/* How long a packet takes one way, and how many of 1000 are lost. */
void cable_set(struct cable *cable, int delay_ms, int loss);
/* Nothing comes through, and nobody is told. */
void cable_cut(struct cable *cable);
void cable_mend(struct cable *cable);
/* Connections are reset, as by a machine on the way that has forgotten them: the
 * next packet with data in each direction becomes a reset. Of CABLE_TUN. */
void cable_reset(struct cable *cable);

/* child() of support/support.h, at a host: 0 or 1. */
pid_t cable_child(struct cable *cable, int host, int (*fn)(void *), void *arg);
