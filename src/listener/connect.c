/* SPDX-License-Identifier: MIT */
/* Connecting: look up, call, see who answers, prove and be proved.
 *
 * A name may have several addresses. They are tried in turn, each with an equal
 * share of the time that is left, so that one that never answers leaves some for
 * the next.
 *
 * Nobody else knows of the socket before all is done: this is one thread's own
 * business. */
#include "base/error.h"
#include "listener/proof.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/stream.h"
#include "os/stream_name.h"
#include "socket/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES 8

static int
fail_to(const struct mp__terms *terms, int r, const char *why)
{
    const struct mp__address *to = &terms->address;

    if (to->local)
        return mp__fail(r, "mp_connect: unix:%s: %s", to->path, why);
    return mp__fail(r, "mp_connect: tcp:%s:%u: %s", to->host, to->port, why);
}

/* ---- Calling ---- */

/* A connected socket. */
static int
call(const struct mp__stream_name *name, mp_time deadline)
{
    int fd = mp__stream_open(name), r;

    if (fd < 0)
        return fd;
    r = mp__stream_connect(fd, name, deadline);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

static int
check_user(const struct mp__terms *terms, int fd)
{
    uint32_t user;
    int r = mp__stream_peer_user(fd, &user);

    if (r < 0)
        return r;
    if (user == geteuid() || user == 0 || (terms->flags & MP_CONN_ANY_USER))
        return 0;
    return mp__fail(-EACCES,
                    "mp_connect: unix:%s belongs to user %u, and this is "
                    "user %u",
                    terms->address.path, user, geteuid());
}

static int
call_local(const struct mp__terms *terms, mp_time deadline)
{
    struct mp__stream_name name;
    int fd, r;

    mp__stream_local_name(&name, terms->address.path);
    fd = call(&name, deadline);
    if (fd < 0)
        return fail_to(terms, fd, mp_strerror(fd));
    r = check_user(terms, fd);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

/* The end of the next of `n` equal shares. */
static mp_time
share_of(mp_time deadline, int n)
{
    mp_time now;

    if (deadline == MP_NOW || deadline == MP_FOREVER)
        return deadline;
    now = mp__now();
    return deadline <= now ? deadline : now + (deadline - now) / n;
}

static int
call_one(const struct mp__terms *terms, const struct mp__stream_name *name,
         mp_time deadline)
{
    int fd;

    if ((terms->flags & MP_CONN_CLEAR_TEXT) && !mp__stream_is_loopback(name))
        return fail_to(terms, -EINVAL, "clear text is for the loopback only");
    fd = call(name, deadline);
    if (fd < 0)
        return fail_to(terms, fd, mp_strerror(fd));
    mp__stream_tune(fd);
    return fd;
}

static int
call_tcp(const struct mp__terms *terms, mp_time deadline)
{
    struct mp__stream_name names[ADDRESSES];
    const char *why;
    int n, fd = 0;

    n = mp__stream_look_up(names, ADDRESSES, terms->address.host,
                           terms->address.port, &why);
    if (n < 0)
        return fail_to(terms, n, why);
    for (int i = 0; i < n; i++) {
        fd = call_one(terms, &names[i], share_of(deadline, n - i));
        if (fd >= 0 || fd == -EINTR)
            break;
    }
    return fd;
}

/* ---- Proving ---- */

static int
prove(struct mp__proof *proof, mp_time deadline)
{
    mp_time limit = mp__now() + proof->terms->patience;
    mp_time until = limit < deadline ? limit : deadline;
    int r;

    for (;;) {
        struct pollfd p = {.fd = proof->fd};

        r = mp__proof_step(proof);
        if (r != 0)
            return r < 0 ? r : 0;
        p.events = proof->wants;
        r = mp__poll(&p, 1, until);
        if (r == -ETIMEDOUT)
            return fail_to(proof->terms, r,
                           "the other end has not proved itself in time");
        if (r < 0)
            return r;
    }
}

/* Takes the socket if it succeeds. */
static int
settle(mp_conn **ret_conn, const struct mp__terms *terms, int fd,
       mp_time deadline)
{
    struct mp__proof proof;
    int r;

    if (!mp__terms_ask_proof(terms)) {
        mp__stream_set_blocking(fd, 1);
        return mp__socket_open(ret_conn, fd, NULL, terms->max_message,
                               "mp_connect");
    }
    r = mp__proof_begin(&proof, terms, fd, 0);
    if (r == 0)
        r = prove(&proof, deadline);
    if (r == 0) {
        mp__stream_set_blocking(fd, !proof.tls);
        r = mp__socket_open(ret_conn, fd, proof.tls, terms->max_message,
                            "mp_connect");
        if (r == 0)
            proof.tls = NULL;
    }
    mp__proof_end(&proof);
    return r;
}

int
mp_connect(mp_conn **ret_conn, const char *address, const mp_conn_attr *attr,
           mp_time deadline)
{
    struct mp__terms terms;
    int r = mp__enter(), fd;

    if (r < 0)
        return r;
    r = mp__terms_open(&terms, address, attr, 0, "mp_connect");
    if (r < 0)
        return r;
    fd = r = terms.address.local ? call_local(&terms, deadline)
                                 : call_tcp(&terms, deadline);
    if (fd >= 0) {
        r = settle(ret_conn, &terms, fd, deadline);
        if (r < 0)
            close(fd);
    }
    mp__terms_close(&terms);
    return r;
}
