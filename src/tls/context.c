/* SPDX-License-Identifier: MIT */
/* The keys and certificates of a listener, or of one mp_connect().
 *
 * By key: TLS 1.3 with an external pre-shared key and ephemeral Diffie-Hellman,
 * so that who learns the key later cannot read what was said. The key of TLS is
 * derived from the user's; both ends prove that they have it, in the handshake.
 * There are no certificates then, and none is accepted.
 *
 * By certificates: each end has one, signed by the other's `ca`. A client holds
 * the server's name against it (tls.c).
 *
 * No sessions are kept or resumed, and nothing is sent before the handshake is
 * over: each connection proves both ends anew, and nothing can be replayed.
 *
 * A context is of one process, and used by one thread at a time. */
#include "tls/context.h"

#include "base/error.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY "mproc"
#define SALT     "mproc: TLS by the authkey"
#define INFO     "external PSK, SHA-256"

#define KEY_LEAST ((size_t)16)

/* Those whose digest is the key's, SHA-256. */
#define SUITES_BY_KEY "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"

/* ---- By key ---- */

static SSL_SESSION *
make_session(SSL *ssl)
{
    static const unsigned char suite[] = {0x13, 0x01}; /* AES 128, SHA-256 */
    const struct mp__openssl *o = mp__openssl("mp_connect");
    SSL_SESSION *session = o->SSL_SESSION_new();

    if (session != NULL &&
        o->SSL_SESSION_set1_master_key(session, o->SSL_get_ex_data(ssl, 0),
                                       MP__DERIVED_SIZE) &&
        o->SSL_SESSION_set_cipher(session, o->SSL_CIPHER_find(ssl, suite)) &&
        o->SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
        return session;
    o->SSL_SESSION_free(session);
    return NULL;
}

/* The client offers the key. */
static int
offer_key(SSL *ssl, const EVP_MD *digest, const unsigned char **ret_identity,
          size_t *ret_size, SSL_SESSION **ret_session)
{
    (void)digest; /* no suite has another */
    *ret_session = make_session(ssl);
    *ret_identity = (const unsigned char *)IDENTITY;
    *ret_size = strlen(IDENTITY);
    return *ret_session != NULL;
}

/* The server looks for the key that is offered. */
static int
find_key(SSL *ssl, const unsigned char *identity, size_t size,
         SSL_SESSION **ret_session)
{
    *ret_session = NULL;
    if (size != strlen(IDENTITY) || memcmp(identity, IDENTITY, size) != 0)
        return 1;
    *ret_session = make_session(ssl);
    return *ret_session != NULL;
}

static int
set_key(struct mp__tls_context *context, const mp_conn_attr *attr)
{
    const struct mp__openssl *o = context->openssl;
    size_t size = attr->authkey_size;
    int r;

    if (size == SIZE_MAX)
        size = attr->authkey ? strlen(attr->authkey) : 0;
    if (attr->authkey == NULL || size < KEY_LEAST)
        return mp__fail(-EINVAL,
                        "%s: TLS takes an .authkey of at least %zu bytes, or "
                        "certificates",
                        context->function, KEY_LEAST);
    context->by_key = 1;
    r = mp__hmac_derive(attr->authkey, size, SALT, strlen(SALT), INFO,
                        strlen(INFO), context->key, context->function);
    if (r < 0)
        return r;
    if (!o->SSL_CTX_set_ciphersuites(context->ssl_ctx, SUITES_BY_KEY))
        return mp__fail(-ENOTSUP, "%s: OpenSSL has no AES or ChaCha20 here",
                        context->function);
    o->SSL_CTX_set_psk_use_session_callback(context->ssl_ctx, offer_key);
    o->SSL_CTX_set_psk_find_session_callback(context->ssl_ctx, find_key);
    if (!context->server) /* which asks for no certificate then */
        o->SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER, NULL);
    return 0;
}

/* ---- By certificates ---- */

/* Else OpenSSL asks at the terminal. */
static int
no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static int
fail_file(const struct mp__tls_context *context, const char *what,
          const char *path)
{
    const struct mp__openssl *o = context->openssl;
    unsigned long error = o->ERR_peek_error();
    const char *why = o->ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(error))
        why = mp_strerror(-ERR_GET_REASON(error));
    o->ERR_clear_error();
    return mp__fail(-EKEYREJECTED, "%s: %s '%s': %s", context->function, what,
                    path, why ? why : "it is of no use");
}

static int
set_certificates(struct mp__tls_context *context, const mp_conn_attr *attr)
{
    const struct mp__openssl *o = context->openssl;
    SSL_CTX *ssl_ctx = context->ssl_ctx;

    if (!attr->certificate || !attr->private_key || !attr->ca)
        return mp__fail(-EINVAL,
                        "%s: .certificate, .private_key and .ca go together",
                        context->function);
    o->ERR_clear_error();
    o->SSL_CTX_set_default_passwd_cb(ssl_ctx, no_password);
    if (!o->SSL_CTX_use_certificate_chain_file(ssl_ctx, attr->certificate))
        return fail_file(context, "certificate", attr->certificate);
    if (!o->SSL_CTX_use_PrivateKey_file(ssl_ctx, attr->private_key,
                                        SSL_FILETYPE_PEM) ||
        !o->SSL_CTX_check_private_key(ssl_ctx))
        return fail_file(context, "private key", attr->private_key);
    if (!o->SSL_CTX_load_verify_file(ssl_ctx, attr->ca))
        return fail_file(context, "ca", attr->ca);
    o->SSL_CTX_set_verify(
        ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

/* ---- Both ---- */

static int
set_up(struct mp__tls_context *context, const mp_conn_attr *attr)
{
    const struct mp__openssl *o = context->openssl;
    SSL_CTX *ssl_ctx = context->ssl_ctx;

    if (!o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_MIN_PROTO_VERSION,
                         TLS1_3_VERSION, NULL) ||
        !o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_MAX_PROTO_VERSION,
                         TLS1_3_VERSION, NULL) ||
        !o->SSL_CTX_set_num_tickets(ssl_ctx, 0))
        return mp__fail(-ENOTSUP, "%s: OpenSSL has no TLS 1.3 here",
                        context->function);
    o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF,
                    NULL);
    o->SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET |
                                        SSL_OP_NO_RENEGOTIATION |
                                        SSL_OP_NO_COMPRESSION);
    o->SSL_CTX_ctrl(ssl_ctx, SSL_CTRL_MODE,
                    SSL_MODE_ENABLE_PARTIAL_WRITE |
                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                        SSL_MODE_RELEASE_BUFFERS,
                    NULL);
    if (attr->certificate || attr->private_key || attr->ca)
        return set_certificates(context, attr);
    return set_key(context, attr);
}

int
mp__tls_context_new(struct mp__tls_context **ret_context,
                    const mp_conn_attr *attr, int server, const char *function)
{
    static const mp_conn_attr none;
    const struct mp__openssl *o = mp__openssl(function);
    struct mp__tls_context *context;
    int r;

    if (o == NULL)
        return -ENOTSUP;
    context = calloc(1, sizeof(*context));
    if (context == NULL)
        return -ENOMEM;
    context->openssl = o;
    context->function = function;
    context->server = server;
    context->ssl_ctx = o->SSL_CTX_new(server ? o->TLS_server_method()
                                             : o->TLS_client_method());
    r = context->ssl_ctx ? set_up(context, attr ? attr : &none) : -ENOMEM;
    o->ERR_clear_error();
    if (r < 0) {
        mp__tls_context_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

void
mp__tls_context_free(struct mp__tls_context *context)
{
    if (context == NULL)
        return;
    context->openssl->SSL_CTX_free(context->ssl_ctx);
    explicit_bzero(context, sizeof(*context));
    free(context);
}
