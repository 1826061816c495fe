/* SPDX-License-Identifier: MIT */
/* Hashing of keys: SipHash-1-3 (Aumasson and Bernstein), with which Python
 * hashes its strings too. Numbers are hashed by their worth: an integer, or a
 * double that is one, by 64 bits of it; other doubles by their own bits. */
#include "codec/key.h"

#include "base/error.h"
#include "codec/token.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

struct state {
    uint64_t a, b, c, d;
};

static inline uint64_t
turn(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void
stir(struct state *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = turn(s->b, 13) ^ s->a;
    s->d = turn(s->d, 16) ^ s->c;
    s->a = turn(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = turn(s->b, 17) ^ s->c;
    s->d = turn(s->d, 21) ^ s->a;
    s->c = turn(s->c, 32);
}

static inline void
absorb(struct state *s, uint64_t word)
{
    s->d ^= word;
    stir(s);
    s->a ^= word;
}

/* `kind` keeps apart what has the same bytes and is not the same. */
static uint32_t
hash_bytes(const struct mp__key_seed *seed, const unsigned char *data,
           size_t size, unsigned kind)
{
    struct state s = {seed->k[0] ^ 0x736f6d6570736575u,
                      seed->k[1] ^ 0x646f72616e646f6du ^ kind,
                      seed->k[0] ^ 0x6c7967656e657261u,
                      seed->k[1] ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)size << 56, word;

    for (; size >= 8; data += 8, size -= 8) {
        memcpy(&word, data, 8);
        absorb(&s, le64toh(word));
    }
    while (size-- > 0)
        last |= (uint64_t)data[size] << 8 * size;
    absorb(&s, last);
    s.c ^= 0xff;
    stir(&s);
    stir(&s);
    stir(&s);
    return (uint32_t)(s.a ^ s.b ^ s.c ^ s.d);
}

static uint32_t
hash_word(const struct mp__key_seed *seed, uint64_t word, unsigned kind)
{
    return hash_bytes(seed, (const unsigned char *)&word, sizeof(word), kind);
}

static uint32_t
hash_double(const struct mp__key_seed *seed, double x)
{
    uint64_t bits;

    if (x >= -0x1p63 && x < 0x1p63 && (double)(int64_t)x == x)
        return hash_word(seed, (uint64_t)(int64_t)x, MP_ANY_INT);
    if (x >= 0x1p63 && x < 0x1p64)
        return hash_word(seed, (uint64_t)x, MP_ANY_INT);
    memcpy(&bits, &x, sizeof(bits));
    return hash_word(seed, bits, MP_ANY_FLOAT);
}

int
mp__key_hash(mp_any key, const struct mp__key_seed *seed, uint32_t *ret_hash,
             const char *function)
{
    struct mp__token t;

    if (key.data == NULL || mp__token_read(key, &t) < 0)
        return mp__fail(-EPROTO, "%s: the key is not a value", function);
    if (mp__token_is_walked(&t))
        return mp__fail(-EINVAL, "%s: a %s is no key", function,
                        mp_any_type_name(t.type));
    if (t.length != key.size)
        return mp__fail(-EPROTO, "%s: %zu bytes follow the key", function,
                        key.size - t.length);
    switch (t.type) {
    case MP_ANY_NIL:
        *ret_hash = hash_word(seed, 0, MP_ANY_NIL);
        return 0;
    case MP_ANY_BOOL:
        *ret_hash = hash_word(seed, (uint64_t)t.extra, MP_ANY_INT);
        return 0;
    case MP_ANY_INT:
        *ret_hash = hash_word(seed, t.u, MP_ANY_INT);
        return 0;
    case MP_ANY_FLOAT:
        if (isnan(t.d))
            return mp__fail(-EINVAL, "%s: NaN is no key", function);
        *ret_hash = hash_double(seed, t.d);
        return 0;
    }
    *ret_hash = hash_bytes(seed, t.body, t.size, (unsigned)t.type);
    return 0;
}

int
mp__key_equal(mp_any a, mp_any b)
{
    if (a.size == b.size && memcmp(a.data, b.data, a.size) == 0)
        return 1; /* as a rule they are written in the same way */
    return mp__any_equal(a, b);
}
