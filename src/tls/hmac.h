/* SPDX-License-Identifier: MIT */
/* Keyed digests (RFC 2104), and a key out of a key (RFC 5869). */
#pragma once

#include <stddef.h>

enum mp__digest {
    MP__DIGEST_MD5,
    MP__DIGEST_SHA256,
    MP__DIGEST_SHA384,
    MP__DIGEST_SHA3_256,
    MP__DIGEST_SHA3_384,
    MP__DIGESTS
};

#define MP__HMAC_MOST    48u /* bytes */
#define MP__DERIVED_SIZE 32u

/* 0; -ENOTSUP: no OpenSSL, so nothing of this can be had. */
int mp__hmac_ready(const char *function);

/* The size of the MAC; -ENOTSUP: no OpenSSL, or one that refuses this digest,
 * which the text says of `function`. */
int mp__hmac(enum mp__digest digest, const void *key, size_t key_size,
             const void *data, size_t size, unsigned char mac[MP__HMAC_MOST],
             const char *function);

/* 1: equal, in a time that does not tell where they differ. */
int mp__hmac_equal(const void *a, const void *b, size_t size);

/* HKDF-SHA256, its first 32 bytes. 0; -ENOTSUP. */
int mp__hmac_derive(const void *key, size_t key_size, const void *salt,
                    size_t salt_size, const void *info, size_t info_size,
                    unsigned char derived[MP__DERIVED_SIZE],
                    const char *function);
