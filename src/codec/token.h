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

/* The bytes of the integer at the beginning of `any`; 0: there is none, or not
 * one that fits: mp__token_read() and mp__token_int() tell. */
size_t mp__int_read(mp_any any, int64_t *ret_x);

/* The number of an integer, or of a float: 0; -EINVAL: it is another type;
 * -ERANGE: it does not fit. */
int mp__token_int(const struct mp__token *token, int64_t *ret_x);
int mp__token_unsigned(const struct mp__token *token, uint64_t *ret_x);
int mp__token_double(const struct mp__token *token, double *ret_x);

/* A list or a dict. */
static inline int
mp__token_is_walked(const struct mp__token *token)
{
    return token->type == MP_ANY_LIST || token->type == MP_ANY_DICT;
}

/* How many values lie directly inside. */
static inline uint64_t
mp__token_inside(const struct mp__token *token)
{
    if (token->type == MP_ANY_LIST)
        return token->size;
    return token->type == MP_ANY_DICT ? 2 * (uint64_t)token->size : 0;
}

/* The bytes of the first value in `any`, whole, which must not be deeper than
 * `most`, at most MP_ANY_DEPTH; 0: -EPROTO. `ret_offset` (or NULL): where it
 * goes wrong. */
size_t mp__value_length(mp_any any, unsigned most, size_t *ret_offset);

/* mp_any_check(), for a function that is named in the error's text. */
int mp__any_check(const char *function, const void *data, size_t size,
                  mp_any *ret_any);

/* mp_any_equal() and mp_any_write_value() of what was checked before, and is not
 * too deep. */
int mp__any_equal(mp_any a, mp_any b);
int mp__any_write_checked(mp_any_writer *writer, mp_any any);

/* A writer that begins in the caller's buffer, and goes on in memory of its own
 * when that is full. */
void mp__writer_begin(mp_any_writer *writer, void *buf, size_t size);

/* Puts the type that was wanted and the one there is into the error's text:
 * -EINVAL. */
int mp__any_mismatch(const char *function, const char *wanted, mp_any any);
