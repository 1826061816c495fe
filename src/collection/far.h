/* SPDX-License-Identifier: MIT */
/* Steps of collections of other families: what is sent there, and what the
 * server makes of it (service/collection.c). The op is the public function
 * that makes the step.
 *
 *   lists   [index, stop, stride, value, expected, flags, fits]
 *   dicts   [key, value, expected, after, flags, fits]
 *
 * What a step does not have is None; `fits` is that of the step. What goes out,
 * if MP__FAR_WANTED, is one value; of an entry: [key, value, serial]. */
#pragma once

#include "collection/dict.h"
#include "collection/list.h"

/* What a step has. */
enum {
    MP__FAR_KEY = 1,
    MP__FAR_VALUE = 2,
    MP__FAR_EXPECTED = 4,
    MP__FAR_WANTED = 8, /* what goes out */
};

#define MP__LIST_STEP_FORMAT "qqqvvi?s"
#define MP__DICT_STEP_FORMAT "vvvQi?s"

/* Of a remote handle. As the public function. */
ssize_t mp__list_far(const void *list, const struct mp__list_step *step);
ssize_t mp__dict_far(const void *dict, const struct mp__dict_step *step);

/* The lock of a remote object; `r`: what mp__object_enter() has said. NULL:
 * mp_last_error() tells. */
mp_rlock *mp__collection_far_lock(int r, const void *object,
                                  const char *function);

/* Whether the step looks at a struct mp__dict_entry. */
static inline int
mp__dict_step_has_entry(enum mp__dict_op op)
{
    return op == MP__DICT_NEXT || op == MP__DICT_POP_FIRST ||
           op == MP__DICT_POP_LAST;
}
