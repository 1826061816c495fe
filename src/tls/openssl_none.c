/* SPDX-License-Identifier: MIT */
/* What stands in for all other files of this room in a build without OpenSSL:
 * nothing that they do can be done. */
#include "base/error.h"
#include "tls/hmac.h"
#include "tls/tls.h"

#include <errno.h>

static int
refuse(const char *function)
{
    return mp__fail(-ENOTSUP,
                    "%s: this takes OpenSSL, which mproc was built without",
                    function);
}

int
mp__hmac_ready(const char *function)
{
    return refuse(function);
}

int
mp__hmac(enum mp__digest digest, const void *key, size_t key_size,
         const void *data, size_t size, unsigned char mac[MP__HMAC_MOST],
         const char *function)
{
    (void)digest, (void)key, (void)key_size, (void)data, (void)size, (void)mac;
    return refuse(function);
}

int
mp__hmac_equal(const void *a, const void *b, size_t size)
{
    (void)a, (void)b, (void)size;
    return 0;
}

int
mp__tls_context_new(struct mp__tls_context **ret_context,
                    const mp_conn_attr *attr, int server, const char *function)
{
    (void)ret_context, (void)attr, (void)server;
    return refuse(function);
}

/* There being no context, there is no connection, and none of these is ever
 * called. */
void
mp__tls_context_free(struct mp__tls_context *context)
{
    (void)context;
}

int
mp__tls_new(struct mp__tls **ret_tls, struct mp__tls_context *context,
            int socket, const char *host)
{
    (void)ret_tls, (void)context, (void)socket, (void)host;
    return refuse("mp_connect");
}

void
mp__tls_free(struct mp__tls *tls)
{
    (void)tls;
}

int
mp__tls_handshake(struct mp__tls *tls)
{
    (void)tls;
    return -ENOTSUP;
}

ssize_t
mp__tls_read(struct mp__tls *tls, void *buf, size_t size)
{
    (void)tls, (void)buf, (void)size;
    return -ENOTSUP;
}

ssize_t
mp__tls_write(struct mp__tls *tls, const void *data, size_t size)
{
    (void)tls, (void)data, (void)size;
    return -ENOTSUP;
}

int
mp__tls_pending(struct mp__tls *tls)
{
    (void)tls;
    return 0;
}

int
mp__tls_why(struct mp__tls *tls)
{
    (void)tls;
    return 0;
}

void
mp__tls_shutdown(struct mp__tls *tls)
{
    (void)tls;
}
