/* SPDX-License-Identifier: MIT */
/* On what terms two ends come together: an address and attributes, checked and
 * copied. */
#pragma once

#include "listener/address.h"

#include <mproc/connection.h>

struct mp__tls_context;

struct mp__terms {
    struct mp__address address;
    uint32_t flags;
    unsigned char *key; /* NULL: none */
    size_t key_size;
    mp_time patience; /* ns that a proof may take */
    uint64_t max_message;
    uint32_t backlog, max_waiting, mode;
    struct mp__tls_context *tls; /* NULL: clear text */
    int hmac;                    /* the proof by frames; see handshake.h */
};

/* 0; -EINVAL, -ENOTSUP, -EKEYREJECTED, -ENOMEM. */
int mp__terms_open(struct mp__terms *terms, const char *address,
                   const mp_conn_attr *attr, int server, const char *function);
void mp__terms_close(struct mp__terms *terms);

/* Whether the two have to prove themselves at all. */
static inline int
mp__terms_ask_proof(const struct mp__terms *terms)
{
    return terms->tls || terms->hmac;
}
