/* SPDX-License-Identifier: MIT */
/* Peer programs, as the driver sees them.
 *
 * What needs another language or library is measured by a program of its own:
 * it reads requests on standard input, one per line,
 *     KIND SIZE PRODUCERS CONSUMERS PINNED OPS
 * and answers each with the nanoseconds of one operation, or with "-" if it
 * cannot do that. Foreign libraries and their threads so stay out of the
 * process that measures mproc. */
#pragma once

#include "harness.h"

/* Asks the peer program, starting it if it does not run yet. LEFT_OUT if it
 * is not installed or declines, NAN if it failed. */
double peer_ask(const char *program, const char *kind,
                const struct load *load);

/* Ends all peer programs that run. */
void peer_close_all(void);
