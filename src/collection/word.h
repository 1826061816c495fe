/* SPDX-License-Identifier: MIT */
/* How a collection keeps a value: in one word. A value of up to 7 bytes of
 * MessagePack (None, True, integers to 32 bits, 'Hello') lies in the word
 * itself. Others lie in a bundle: a block with the values of one step, which
 * is freed when the last of them is gone. */
#pragma once

#include "region/object.h"

#include <mproc/any.h>
#include <string.h>

struct mp__mutex;

#define MP__WORD_INLINE 7u /* bytes */

struct mp__bundle {
    uint64_t refs; /* values of it that are still kept */
    uint64_t n;
    uint64_t words[]; /* of its n values; then the values */
};

struct mp__bundled {
    uint64_t size;
    uint64_t back; /* bytes from the beginning of the bundle */
    unsigned char data[];
};

/* What a step brings: one value, or all items of a list, or keys and values of
 * a dict in turn; or a number that is not known yet. */
struct mp__incoming {
    mp_any any;
    int many;                  /* its items */
    int blank;                 /* `any` is for mp__incoming_fill() */
    uint64_t word;             /* the one value's; 0: there are many */
    struct mp__bundle *bundle; /* NULL: none is needed */
};

/* The word of a value of up to MP__WORD_INLINE bytes; little endian: the first
 * byte says how many follow. */
static inline uint64_t
mp__word_inline(mp_any any)
{
    uint64_t word = 0;

    memcpy((unsigned char *)&word + 1, any.data, any.size);
    return word | any.size << 1 | 1;
}

/* Makes the word, or words, from `any`; the bundle is in the caller's hand, to
 * be passed on under `mutex`. -ENOMEM, -EPROTO, -EINVAL. */
int mp__incoming_make(struct mp__incoming *in, struct mp__mutex *mutex);

/* The number of a blank one, of up to MP__WORD_BLANK bytes. With the mutex
 * held. */
#define MP__WORD_BLANK 9u
void mp__incoming_fill(struct mp__incoming *in, mp_any number);

/* The bundle that the word's value lies in; NULL: in none. */
static inline struct mp__bundle *
mp__word_bundle(uint64_t word)
{
    struct mp__bundled *kept = (struct mp__bundled *)(uintptr_t)word;

    return word & 1 || word == 0
               ? NULL
               : (struct mp__bundle *)((char *)kept - kept->back);
}

/* Where the word's value lies: as long as the word stays where it is. */
static inline mp_any
mp__word_any(const uint64_t *word)
{
    struct mp__bundled *kept = (struct mp__bundled *)(uintptr_t)*word;
    mp_any any;

    if (*word & 1) {
        any.data = (const unsigned char *)word + 1;
        any.size = (*word & 0xff) >> 1;
    } else {
        any.data = kept->data;
        any.size = kept->size;
    }
    return any;
}

/* The step is not made: gives the bundle back, which is in hand yet. */
void mp__incoming_drop(struct mp__incoming *in);

/* The words of `n` values, into the caller's own memory; there is at most one
 * bundle, in hand, to be passed on under `mutex`; NULL: none is needed.
 * -ENOMEM. */
int mp__words_make(const mp_any *values, size_t n, struct mp__mutex *mutex,
                   uint64_t *ret_words, struct mp__bundle **ret_bundle);
/* They are not used: gives it back. */
void mp__bundle_drop(struct mp__bundle *bundle);
