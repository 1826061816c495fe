/* SPDX-License-Identifier: MIT */
/* What a caller asks for has to be safe by default: TCP without a key or a
 * certificate is refused, and clear text is something to be said. Whether the
 * address is on the loopback is seen later, where it is looked up.
 *
 * Who has a secret proves it: by TLS, if the key makes it (PSK); else by the
 * frames of handshake.h, inside TLS if there is one. */
#include "listener/terms.h"

#include "base/attr.h"
#include "base/error.h"
#include "tls/hmac.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN    (MP_CONN_CLEAR_TEXT | MP_CONN_LEGACY_MD5 | MP_CONN_ANY_USER)
#define SECOND   1e9
#define PATIENCE 5.0

static int
check_key(mp_conn_attr *a, const char *function)
{
    if (!a->authkey && a->authkey_size)
        return mp__fail(-EINVAL,
                        "%s: .authkey is NULL, and .authkey_size is not 0",
                        function);
    if (a->authkey && a->authkey_size == SIZE_MAX)
        a->authkey_size = strlen(a->authkey);
    return 0;
}

static int
check_local(const mp_conn_attr *a, const char *function)
{
    if (a->certificate || a->private_key || a->ca)
        return mp__fail(-EINVAL, "%s: certificates are for tcp: only",
                        function);
    if ((a->flags & MP_CONN_ANY_USER) && !a->authkey)
        return mp__fail(-EINVAL, "%s: MP_CONN_ANY_USER takes an .authkey",
                        function);
    return 0;
}

static int
check_tcp(const mp_conn_attr *a, const char *function)
{
    int certificates = a->certificate || a->private_key || a->ca;

    if ((a->flags & MP_CONN_CLEAR_TEXT) && certificates)
        return mp__fail(
            -EINVAL, "%s: certificates are of no use in clear text", function);
    if (!(a->flags & MP_CONN_CLEAR_TEXT) && !certificates && !a->authkey)
        return mp__fail(-EINVAL,
                        "%s: tcp: takes an .authkey or certificates (or, on "
                        "the loopback, MP_CONN_CLEAR_TEXT)",
                        function);
    return 0;
}

static int
check(const struct mp__address *address, mp_conn_attr *a, const char *function)
{
    int r = check_key(a, function);

    if (r < 0)
        return r;
    if (!(a->handshake_timeout >= 0)) /* NaN too */
        return mp__fail(-EINVAL, "%s: .handshake_timeout is negative",
                        function);
    if (a->mode & ~0777u)
        return mp__fail(-EINVAL, "%s: .mode is 0%o, and 0777 at most",
                        function, a->mode);
    return address->local ? check_local(a, function) : check_tcp(a, function);
}

static int
copy_key(struct mp__terms *terms, const mp_conn_attr *a, const char *function)
{
    if (!a->authkey)
        return 0;
    terms->key = malloc(a->authkey_size + 1); /* an empty key is one */
    if (!terms->key)
        return mp__fail(-ENOMEM, "%s: no memory for the key", function);
    memcpy(terms->key, a->authkey, a->authkey_size);
    terms->key_size = a->authkey_size;
    return 0;
}

static mp_time
patience_of(double seconds)
{
    if (seconds == 0)
        seconds = PATIENCE;
    return seconds < 1e9 ? (mp_time)(seconds * SECOND) : (mp_time)(1e18);
}

int
mp__terms_open(struct mp__terms *terms, const char *address,
               const mp_conn_attr *attr, int server, const char *function)
{
    mp_conn_attr a;
    int r, clear, certificates;

    memset(terms, 0, sizeof(*terms));
    r = mp__attr_read(&a, sizeof(a), attr, KNOWN, function);
    if (r == 0)
        r = mp__address_read(&terms->address, address, function);
    if (r == 0)
        r = check(&terms->address, &a, function);
    if (r < 0)
        return r;
    clear = terms->address.local || (a.flags & MP_CONN_CLEAR_TEXT);
    certificates = a.certificate || a.private_key || a.ca;
    terms->flags = a.flags;
    terms->patience = patience_of(a.handshake_timeout);
    terms->max_message = a.max_message;
    terms->backlog = a.backlog ? a.backlog : 128;
    terms->max_waiting = a.max_waiting ? a.max_waiting : 1024;
    terms->mode = a.mode ? a.mode : 0600;
    terms->hmac = a.authkey && (clear || certificates);
    r = copy_key(terms, &a, function);
    if (r == 0 && terms->hmac)
        r = mp__hmac_ready(function);
    if (r == 0 && !clear)
        r = mp__tls_context_new(&terms->tls, &a, server, function);
    if (r < 0)
        mp__terms_close(terms);
    return r;
}

void
mp__terms_close(struct mp__terms *terms)
{
    if (terms->tls)
        mp__tls_context_free(terms->tls);
    if (terms->key)
        explicit_bzero(terms->key, terms->key_size);
    free(terms->key);
    terms->tls = NULL;
    terms->key = NULL;
}
