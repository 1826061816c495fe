/* SPDX-License-Identifier: MIT */
/* MessagePack, one token at a time. */
#pragma once

#include <mproc/any.h>
#include <stddef.h>
#include <stdint.h>

/* The beginning of a value: what it is, and where the rest of it lies. */
struct mp__token {
    int type;   /* MP_ANY_* */
    int extra;  /* of ext: its type; of an integer: it is negative; of a bool:
                   its truth */
    union {
        uint64_t u; /* a non-negative integer */
        int64_t i;  /* a negative one */
        double d;
    };
    const unsigned char *body; /* of string, bytes, ext */
    size_t size;               /* bytes of that; or items of a list, entries of
                                  a dict */
    size_t length;             /* of the token, with a body */
};

/* Reads the token at the beginning of `any`. 0; -EPROTO: there is none, or it
 * says that it is longer than what is there. */
int mp__token_read(mp_any any, struct mp__token *ret_token);

/* How many values lie directly inside. */
static inline uint64_t
mp__token_inside(const struct mp__token *token)
{
    if (token->type == MP_ANY_LIST)
        return token->size;
    return token->type == MP_ANY_DICT ? 2 * (uint64_t)token->size : 0;
}

/* The bytes of the first value in `any`, whole, which must not be deeper than
 * MP_ANY_DEPTH; 0: -EPROTO. `ret_offset` (or NULL): where it goes wrong. */
size_t mp__value_length(mp_any any, size_t *ret_offset);

/* Puts the type that was wanted and the one there is into the error's text:
 * -EINVAL. */
int mp__any_mismatch(const char *function, const char *wanted, mp_any any);
