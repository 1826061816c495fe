/* SPDX-License-Identifier: MIT */
/* What a manager makes. */
#pragma once

#include "registry/manager.h"

enum mp__kind {
    MP__MAKE_LIST,
    MP__MAKE_DICT,
    MP__MAKE_SET,
    MP__MAKE_NAMESPACE,
    MP__MAKE_VALUE,
    MP__MAKE_ARRAY,
    MP__MAKE_LOCK,
    MP__MAKE_RLOCK,
    MP__MAKE_SEMAPHORE,
    MP__MAKE_BOUNDED,
    MP__MAKE_EVENT,
    MP__MAKE_CONDITION,
    MP__MAKE_BARRIER,
    MP__MAKE_QUEUE,
    MP__MAKE_JOINABLE,
    MP__MAKE_POOL,
};

struct mp__recipe {
    enum mp__kind kind;
    int type;   /* of values, arrays */
    uint64_t n; /* permits, parties, workers, ... */
    mp_scalar x;
};

/* Makes an object here, of nobody yet. As the type's own function. */
int mp__make(const struct mp__recipe *recipe, void **ret_object);
