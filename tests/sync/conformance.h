/* SPDX-License-Identifier: MIT */
/* The clauses: what Python's documentation, and its own tests, say of each of
 * its synchronisation objects, as they read in C. Each is written once and
 * run for every way to start a party: see conformance.c. */
#pragma once

#include "sync/crew.h"

struct clause {
    const char *name;
    void (*fn)(enum way way);
};

/* Each list ends with {0}. */
extern const struct clause lock_clauses[];
extern const struct clause rlock_clauses[];
extern const struct clause semaphore_clauses[];
extern const struct clause event_clauses[];
extern const struct clause condition_clauses[];
extern const struct clause condition_wait_clauses[];
extern const struct clause barrier_clauses[];
