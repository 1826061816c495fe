/* SPDX-License-Identifier: MIT */
/* Requests as they come: see dispatch.c. */
#pragma once

#include "server/session.h"

/* The operation of that name, for objects of a class if there is such a one;
 * NULL: none has that name. */
const struct mp__op *mp__op_find(const char *name, size_t size, int slab);

/* A request has come. */
void mp__dispatch(struct mp__session *session,
                  const struct mp__request *request);

/* The session ends: its calls are canceled. Before its guests end. */
void mp__dispatch_cancel_all(struct mp__session *session);
