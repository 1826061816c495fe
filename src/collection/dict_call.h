/* SPDX-License-Identifier: MIT */
/* From the arguments of the public functions to steps: for dicts, sets and
 * namespaces. */
#pragma once

#include "codec/message.h"
#include "collection/dict.h"

/* A step on its way. Set up by MP__DICT_CALL(). */
struct mp__dict_call {
    struct mp__dict_step step;
    enum mp__slab slab;
    int far;                   /* the dict is elsewhere */
    struct mp__arguments args; /* of the key, then of the value */
    const char *name;   /* the key of a namespace, and the value's format; */
    const char *format; /* others have both in `args` */
    struct mp__draft key, value;
};

/* `key_format` (of a set's item, too): NULL is refused. For a namespace: see
 * `name`. */
ssize_t mp__dict_call_key(mp_dict *dict, struct mp__dict_call *call,
                          const char *key_format);
/* ... and a value. */
ssize_t mp__dict_call_in(mp_dict *dict, struct mp__dict_call *call,
                         const char *key_format);
/* ... and a format (NULL: not wanted), by which the value is taken apart. */
ssize_t mp__dict_call_out(mp_dict *dict, struct mp__dict_call *call,
                          const char *key_format);

/* Without a key by a format. */
ssize_t mp__dict_call_plain(mp_dict *dict, enum mp__slab slab,
                            const struct mp__dict_step *step);
/* What goes out is one value, a copy. */
int mp__dict_call_any(mp_dict *dict, enum mp__slab slab, enum mp__dict_op op,
                      mp_any key, mp_any *ret_any, const char *function);
/* What goes out is an entry: copies; `ret_value` and `ret_serial` may be
 * NULL. */
int mp__dict_call_entry(mp_dict *dict, enum mp__slab slab,
                        struct mp__dict_step step, mp_any *ret_key,
                        mp_any *ret_value, uint64_t *ret_serial);

/* Life, and the lock. */
int mp__dict_make(mp_dict **ret_dict, enum mp__slab slab,
                  const char *function);
int mp__dict_unmake(mp_dict *dict, enum mp__slab slab, const char *function);
mp_rlock *mp__dict_lock(mp_dict *dict, enum mp__slab slab,
                        const char *function);
