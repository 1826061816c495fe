/* SPDX-License-Identifier: MIT */
/* Values as keys. */
#pragma once

#include <mproc/any.h>

/* What makes the hashes of one dict its own: random. Who does not know it
 * cannot find keys that meet in one place. */
struct mp__key_seed {
    uint64_t k[2];
};

/* A hash that is the same for keys that are the same to Python: 1, 1.0, True.
 * -EINVAL: lists, dicts, NaN are no keys; -EPROTO: not one value, whole. */
int mp__key_hash(mp_any key, const struct mp__key_seed *seed,
                 uint32_t *ret_hash, const char *function);

/* Whether two keys are the same, both of which were hashed. */
int mp__key_equal(mp_any a, mp_any b);
