/* SPDX-License-Identifier: MIT */
/* What a TLS connection starts from: see context.c. */
#pragma once

#include "tls/hmac.h"
#include "tls/openssl.h"
#include "tls/tls.h"

struct mp__tls_context {
    const struct mp__openssl *openssl;
    SSL_CTX *ssl_ctx;
    const char *function; /* the public one, for errors' texts */
    int server;
    int by_key;                          /* else by certificates */
    unsigned char key[MP__DERIVED_SIZE]; /* each connection copies it to its
                                            SSL's ex_data 0 */
};
