/* SPDX-License-Identifier: MIT */
/* Keyed digests, by OpenSSL. What was made of a key on the way is wiped. */
#include "tls/hmac.h"

#include "base/error.h"
#include "tls/openssl.h"

#include <errno.h>
#include <string.h>

#define INFO_MOST 128u

static const char *const openssl_names[MP__DIGESTS] = {
    [MP__DIGEST_MD5] = "MD5",           [MP__DIGEST_SHA256] = "SHA256",
    [MP__DIGEST_SHA384] = "SHA384",     [MP__DIGEST_SHA3_256] = "SHA3-256",
    [MP__DIGEST_SHA3_384] = "SHA3-384",
};

int
mp__hmac_ready(const char *function)
{
    return mp__openssl(function) ? 0 : -ENOTSUP;
}

int
mp__hmac(enum mp__digest digest, const void *key, size_t key_size,
         const void *data, size_t size, unsigned char mac[MP__HMAC_MOST],
         const char *function)
{
    const struct mp__openssl *openssl = mp__openssl(function);
    size_t n;

    if (openssl == NULL)
        return -ENOTSUP;
    /* It takes a key of no bytes, but not none. */
    if (openssl->EVP_Q_mac(NULL, "HMAC", NULL, openssl_names[digest], NULL,
                           key_size ? key : "", key_size, data, size, mac,
                           MP__HMAC_MOST, &n))
        return (int)n;
    openssl->ERR_clear_error();
    return mp__fail(-ENOTSUP, "%s: OpenSSL does not make HMAC-%s here",
                    function, openssl_names[digest]);
}

int
mp__hmac_equal(const void *a, const void *b, size_t size)
{
    const struct mp__openssl *openssl = mp__openssl("mproc");

    return openssl != NULL && openssl->CRYPTO_memcmp(a, b, size) == 0;
}

int
mp__hmac_derive(const void *key, size_t key_size, const void *salt,
                size_t salt_size, const void *info, size_t info_size,
                unsigned char derived[MP__DERIVED_SIZE], const char *function)
{
    unsigned char drawn[MP__HMAC_MOST], mac[MP__HMAC_MOST];
    unsigned char block[INFO_MOST + 1];
    int r;

    if (info_size > INFO_MOST)
        return mp__fail(-EINVAL, "%s: too much to derive by", function);
    memcpy(block, info, info_size);
    block[info_size] = 1;
    r = mp__hmac(MP__DIGEST_SHA256, salt, salt_size, key, key_size, drawn,
                 function);
    if (r > 0)
        r = mp__hmac(MP__DIGEST_SHA256, drawn, MP__DERIVED_SIZE, block,
                     info_size + 1, mac, function);
    if (r > 0)
        memcpy(derived, mac, MP__DERIVED_SIZE);
    explicit_bzero(drawn, sizeof(drawn));
    explicit_bzero(mac, sizeof(mac));
    return r < 0 ? r : 0;
}
