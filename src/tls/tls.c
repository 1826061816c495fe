/* SPDX-License-Identifier: MIT */
/* A TLS connection over a socket, by OpenSSL, which is never let wait.
 *
 * OpenSSL's own way to a socket is write(), which raises SIGPIPE; so it is
 * given one that is send(), and whose error is kept for the text.
 *
 * After a handshake by certificates the server says one byte: in TLS 1.3 the
 * client is done before the server has looked at its certificate, and would
 * learn from its first message only that it was not let in.
 *
 * It is of one process. One thread may read while another writes, but OpenSSL
 * lets in one at a time: hence a mutex, held while it computes, never while
 * anybody waits. */
#include "tls/tls.h"

#include "base/atomic.h"
#include "base/error.h"
#include "base/macros.h"
#include "tls/context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADMITTED    'A' /* what the server says after certificates */
#define ALERT(name) (SSL_AD_REASON_OFFSET + SSL_AD_##name)

/* Why one direction is of no more use. */
struct end {
    int code; /* 0: it is */
    const char *why;
};

struct mp__tls {
    pthread_mutex_t mutex; /* guards all below */
    const struct mp__openssl *openssl;
    SSL *ssl;
    const char *function; /* of the handshake */
    int socket;
    int error; /* the socket's last, an errno; 0: it was the end of it */
    int server, by_key;
    int proved;
    struct end reading, writing;
    unsigned char key[MP__DERIVED_SIZE]; /* wiped after the handshake */
};

/* ---- The socket, as OpenSSL sees it ---- */

static int
moved(BIO *bio, struct mp__tls *tls, ssize_t n, int flag)
{
    int retry = n < 0 && (errno == EAGAIN || errno == EINTR);

    tls->error = n < 0 ? errno : 0;
    tls->openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (retry)
        tls->openssl->BIO_set_flags(bio, flag | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static struct mp__tls *
tls_of(BIO *bio)
{
    return mp__openssl("mp_connect")->BIO_get_data(bio);
}

static int
socket_write(BIO *bio, const char *data, int size)
{
    struct mp__tls *tls = tls_of(bio);

    return moved(
        bio, tls,
        send(tls->socket, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT),
        BIO_FLAGS_WRITE);
}

static int
socket_read(BIO *bio, char *buf, int size)
{
    struct mp__tls *tls = tls_of(bio);

    return moved(bio, tls, recv(tls->socket, buf, (size_t)size, MSG_DONTWAIT),
                 BIO_FLAGS_READ);
}

static long
socket_control(BIO *bio, int command, long number, void *arg)
{
    (void)bio, (void)number, (void)arg;
    return command == BIO_CTRL_FLUSH;
}

/* Made once and kept, as OpenSSL itself is. */
static BIO_METHOD *
socket_method(const struct mp__openssl *o)
{
    static _Atomic(BIO_METHOD *) made;
    BIO_METHOD *method = mp__load_acquire(&made), *first = NULL;

    if (method != NULL)
        return method;
    method = o->BIO_meth_new(o->BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                             "mproc socket");
    if (method == NULL)
        return NULL;
    o->BIO_meth_set_write(method, socket_write);
    o->BIO_meth_set_read(method, socket_read);
    o->BIO_meth_set_ctrl(method, socket_control);
    if (mp__cas(&made, &first, method))
        return method;
    o->BIO_meth_free(method);
    return first;
}

static int
attach_socket(struct mp__tls *tls)
{
    const struct mp__openssl *o = tls->openssl;
    BIO_METHOD *method = socket_method(o);
    BIO *bio = method ? o->BIO_new(method) : NULL;

    if (bio == NULL)
        return -ENOMEM;
    o->BIO_set_data(bio, tls);
    o->BIO_set_init(bio, 1);
    o->SSL_set_bio(tls->ssl, bio, bio); /* takes it */
    return 0;
}

/* ---- Making one ---- */

/* Whose certificate the client wants to see. */
static int
expect_host(struct mp__tls *tls, const char *host)
{
    const struct mp__openssl *o = tls->openssl;
    unsigned char address[sizeof(struct in6_addr)];
    char name[256];
    size_t n = host ? strcspn(host, "%") : 0; /* fe80::1%eth0 */

    if (n == 0 || n >= sizeof(name))
        return mp__fail(-EINVAL, "%s: there is no host to prove itself",
                        tls->function);
    memcpy(name, host, n);
    name[n] = '\0';
    if (inet_pton(AF_INET, name, address) == 1 ||
        inet_pton(AF_INET6, name, address) == 1)
        return o->X509_VERIFY_PARAM_set1_ip_asc(o->SSL_get0_param(tls->ssl),
                                                name)
                   ? 0
                   : -ENOMEM;
    o->SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!o->SSL_set1_host(tls->ssl, name) ||
        !o->SSL_ctrl(tls->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                     TLSEXT_NAMETYPE_host_name, name))
        return mp__fail(-EINVAL, "%s: '%s' is no name of a host",
                        tls->function, name);
    return 0;
}

static int
set_up(struct mp__tls *tls, const char *host)
{
    const struct mp__openssl *o = tls->openssl;
    int r;

    if (tls->ssl == NULL || !o->SSL_set_ex_data(tls->ssl, 0, tls->key))
        return -ENOMEM;
    r = attach_socket(tls);
    if (r < 0)
        return r;
    if (tls->server) {
        o->SSL_set_accept_state(tls->ssl);
        return 0;
    }
    o->SSL_set_connect_state(tls->ssl);
    return tls->by_key ? 0 : expect_host(tls, host);
}

int
mp__tls_new(struct mp__tls **ret_tls, struct mp__tls_context *context,
            int socket, const char *host)
{
    struct mp__tls *tls = calloc(1, sizeof(*tls));
    int r;

    if (tls == NULL)
        return -ENOMEM;
    pthread_mutex_init(&tls->mutex, NULL);
    tls->openssl = context->openssl;
    tls->function = context->function;
    tls->socket = socket;
    tls->server = context->server;
    tls->by_key = context->by_key;
    memcpy(tls->key, context->key, sizeof(tls->key));
    tls->ssl = tls->openssl->SSL_new(context->ssl_ctx);
    r = set_up(tls, host);
    tls->openssl->ERR_clear_error();
    if (r < 0) {
        mp__tls_free(tls);
        return r;
    }
    *ret_tls = tls;
    return 0;
}

void
mp__tls_free(struct mp__tls *tls)
{
    if (tls == NULL)
        return;
    tls->openssl->SSL_free(tls->ssl);
    pthread_mutex_destroy(&tls->mutex);
    explicit_bzero(tls, sizeof(*tls));
    free(tls);
}

/* ---- What went wrong ---- */

/* What OpenSSL and the other end's alerts give as reasons of a handshake that
 * failed; all else is -EPROTO. */
static const struct {
    int reason;
    int code;
    const char *why; /* NULL: see why_of() */
} reasons[] = {
    {SSL_R_BINDER_DOES_NOT_VERIFY, -EKEYREJECTED,
     "the other end has another key"},
    {ALERT(ILLEGAL_PARAMETER), -EKEYREJECTED, "the other end has another key"},
    {ALERT(DECRYPT_ERROR), -EKEYREJECTED, "the other end has another key"},
    {ALERT(UNKNOWN_PSK_IDENTITY), -EKEYREJECTED,
     "the other end goes by another key"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, -EKEYREJECTED,
     "the other end does not go by the key"},
    {SSL_R_NO_SHARED_CIPHER, -EKEYREJECTED,
     "the other end does not go by the key"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, -EKEYREJECTED,
     "the other end has no certificate"},
    {SSL_R_CERTIFICATE_VERIFY_FAILED, -EKEYREJECTED, NULL},
    {ALERT(HANDSHAKE_FAILURE), -EKEYREJECTED,
     "the other end goes by the key or by certificates, and this one not"},
    {ALERT(BAD_CERTIFICATE), -EKEYREJECTED,
     "the other end rejects the certificate"},
    {ALERT(UNSUPPORTED_CERTIFICATE), -EKEYREJECTED,
     "the other end cannot use the certificate"},
    {ALERT(CERTIFICATE_REVOKED), -EKEYREJECTED,
     "the other end says that the certificate was revoked"},
    {ALERT(CERTIFICATE_EXPIRED), -EKEYREJECTED,
     "the other end says that the certificate has expired"},
    {ALERT(CERTIFICATE_UNKNOWN), -EKEYREJECTED,
     "the other end rejects the certificate"},
    {ALERT(UNKNOWN_CA), -EKEYREJECTED,
     "the other end does not know who signed the certificate"},
    {ALERT(ACCESS_DENIED), -EKEYREJECTED,
     "the other end rejects the certificate"},
    {ALERT(CERTIFICATE_REQUIRED), -EKEYREJECTED,
     "the other end wants a certificate"},
    {SSL_R_UNSUPPORTED_PROTOCOL, -EPROTO,
     "the other end does not speak TLS 1.3"},
    {ALERT(PROTOCOL_VERSION), -EPROTO, "the other end does not speak TLS 1.3"},
    {SSL_R_WRONG_VERSION_NUMBER, -EPROTO, "the other end does not speak TLS"},
    {SSL_R_HTTP_REQUEST, -EPROTO, "the other end speaks HTTP, not TLS"},
};

/* Other parts of OpenSSL have other reasons of the same numbers. */
static int
reason_of(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
}

static const char *
why_of(const struct mp__tls *tls, unsigned long error)
{
    const struct mp__openssl *o = tls->openssl;
    const char *why;

    if (reason_of(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return o->X509_verify_cert_error_string(
            o->SSL_get_verify_result(tls->ssl));
    why = o->ERR_reason_error_string(error);
    return why ? why : "TLS failed";
}

static struct end
end_by_tls(const struct mp__tls *tls)
{
    unsigned long error = tls->openssl->ERR_peek_error();
    struct end end = {-EPROTO, NULL};

    if (reason_of(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return (struct end){-EPIPE, "the other end is gone"};
    for (size_t i = 0; !tls->proved && i < MP__LENGTH(reasons); i++)
        if (reasons[i].reason == reason_of(error)) {
            end.code = reasons[i].code;
            end.why = reasons[i].why;
        }
    if (end.why == NULL)
        end.why = why_of(tls, error);
    return end;
}

static struct end
end_by_socket(const struct mp__tls *tls)
{
    if (tls->error == 0 || tls->error == EPIPE || tls->error == ECONNRESET)
        return (struct end){-EPIPE, "the other end is gone"};
    return (struct end){-EPIPE, mp_strerror(-tls->error)};
}

/* What a function of OpenSSL's that gave `n` means. */
static int
outcome(struct mp__tls *tls, int n, int reads, const char *function)
{
    struct end end;

    switch (tls->openssl->SSL_get_error(tls->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return MP__TLS_READ;
    case SSL_ERROR_WANT_WRITE:
        return MP__TLS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        if (tls->proved && reads)
            return 0;
        end = (struct end){-EPIPE, "the other end is gone"};
        break;
    case SSL_ERROR_SYSCALL:
        end = end_by_socket(tls);
        break;
    default:
        end = end_by_tls(tls);
        tls->reading = tls->writing = end;
    }
    /* What has come can still be read when no more can be sent. */
    *(reads ? &tls->reading : &tls->writing) = end;
    tls->openssl->ERR_clear_error();
    return mp__fail(end.code, "%s: %s", function, end.why);
}

/* ---- The handshake ---- */

static int
be_admitted(struct mp__tls *tls)
{
    const struct mp__openssl *o = tls->openssl;
    char byte = ADMITTED;
    size_t n;
    int r;

    if (tls->server)
        r = o->SSL_write_ex(tls->ssl, &byte, 1, &n);
    else
        r = o->SSL_read_ex(tls->ssl, &byte, 1, &n);
    if (r != 1)
        return outcome(tls, r, 1, tls->function);
    if (byte != ADMITTED)
        return mp__fail(-EPROTO, "%s: the other end is no mproc",
                        tls->function);
    return 0;
}

static int
shake_hands(struct mp__tls *tls)
{
    const struct mp__openssl *o = tls->openssl;
    int r;

    o->ERR_clear_error();
    r = o->SSL_do_handshake(tls->ssl);
    if (r != 1)
        return outcome(tls, r, 1, tls->function);
    /* A certificate in place of the key proves nothing: none is trusted. */
    if (tls->by_key && !o->SSL_session_reused(tls->ssl))
        return mp__fail(-EKEYREJECTED,
                        "%s: the other end does not go by the key",
                        tls->function);
    r = tls->by_key ? 0 : be_admitted(tls);
    if (r < 0)
        return r;
    explicit_bzero(tls->key, sizeof(tls->key));
    tls->proved = 1;
    return 0;
}

int
mp__tls_handshake(struct mp__tls *tls)
{
    int r = 0;

    pthread_mutex_lock(&tls->mutex);
    if (tls->reading.code != 0)
        r = mp__fail(tls->reading.code, "%s: %s", tls->function,
                     tls->reading.why);
    else if (!tls->proved)
        r = shake_hands(tls);
    pthread_mutex_unlock(&tls->mutex);
    return r;
}

/* ---- Bytes ---- */

static ssize_t
transfer(struct mp__tls *tls, void *buf, const void *data, size_t size)
{
    const struct mp__openssl *o = tls->openssl;
    const char *function = buf ? "mp_conn_recv" : "mp_conn_send";
    const struct end *end = buf ? &tls->reading : &tls->writing;
    size_t n = 0;
    int r;

    if (!tls->proved)
        return mp__fail(-EPROTO, "%s: nobody has proved himself", function);
    if (end->code != 0)
        return mp__fail(end->code, "%s: %s", function, end->why);
    o->ERR_clear_error();
    if (buf)
        r = o->SSL_read_ex(tls->ssl, buf, size, &n);
    else
        r = o->SSL_write_ex(tls->ssl, data, size, &n);
    return r == 1 ? (ssize_t)n : outcome(tls, r, buf != NULL, function);
}

ssize_t
mp__tls_read(struct mp__tls *tls, void *buf, size_t size)
{
    ssize_t n;

    pthread_mutex_lock(&tls->mutex);
    n = size > 0 ? transfer(tls, buf, NULL, size) : 0;
    pthread_mutex_unlock(&tls->mutex);
    return n;
}

ssize_t
mp__tls_write(struct mp__tls *tls, const void *data, size_t size)
{
    ssize_t n;

    pthread_mutex_lock(&tls->mutex);
    n = size > 0 ? transfer(tls, NULL, data, size) : 0;
    pthread_mutex_unlock(&tls->mutex);
    return n;
}

int
mp__tls_pending(struct mp__tls *tls)
{
    int n;

    pthread_mutex_lock(&tls->mutex);
    n = tls->openssl->SSL_pending(tls->ssl);
    pthread_mutex_unlock(&tls->mutex);
    return n > 0;
}

int
mp__tls_why(struct mp__tls *tls)
{
    int error;

    pthread_mutex_lock(&tls->mutex);
    error = tls->error;
    pthread_mutex_unlock(&tls->mutex);
    return -error;
}

void
mp__tls_shutdown(struct mp__tls *tls)
{
    pthread_mutex_lock(&tls->mutex);
    if (tls->proved && tls->writing.code == 0) {
        tls->openssl->SSL_shutdown(tls->ssl);
        tls->openssl->ERR_clear_error();
    }
    pthread_mutex_unlock(&tls->mutex);
}
