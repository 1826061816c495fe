/* SPDX-License-Identifier: MIT */
/* TLS 1.3 over a stream socket that does not block. */
#pragma once

#include <mproc/connection.h>

/* Keys and certificates: of a listener, or of one connect. */
struct mp__tls_context;
/* Of a connection. */
struct mp__tls;

/* By the key in `attr` (PSK, derived), or by its certificates; both: by
 * certificates. -ENOTSUP, -EINVAL, -EKEYREJECTED; `function` is the public
 * function in the error's text. */
int mp__tls_context_new(struct mp__tls_context **ret_context,
                        const mp_conn_attr *attr, int server,
                        const char *function);
void mp__tls_context_free(struct mp__tls_context *context);

/* `host`: what a client holds the server's certificate against. The context may
 * be freed before. */
int mp__tls_new(struct mp__tls **ret_tls, struct mp__tls_context *context,
                int socket, const char *host);
void mp__tls_free(struct mp__tls *tls);

/* The rest return as system calls do, or one of these: call again with the same
 * arguments when the socket can be read, or written. */
#define MP__TLS_READ  (-2000001)
#define MP__TLS_WRITE (-2000002)

/* 0: both have proved themselves; -EKEYREJECTED, -EPROTO, -EPIPE. */
int mp__tls_handshake(struct mp__tls *tls);
/* Bytes; 0 at the end that the other has told; -EPIPE: it is gone without
 * telling; -EPROTO. */
ssize_t mp__tls_read(struct mp__tls *tls, void *buf, size_t size);
ssize_t mp__tls_write(struct mp__tls *tls, const void *data, size_t size);
/* Whether bytes wait inside that poll() on the socket does not see. */
int mp__tls_pending(struct mp__tls *tls);
/* What the socket said last: 0: that it was closed, or nothing; -ECONNRESET. */
int mp__tls_why(struct mp__tls *tls);
/* Tells the other end that this was all; does not wait. */
void mp__tls_shutdown(struct mp__tls *tls);
