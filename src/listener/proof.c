/* SPDX-License-Identifier: MIT */
/* First TLS, if there is any; then the proof of the key by frames, through TLS
 * or in clear text, if one is due.
 *
 * Frames are read by their length and no further: what follows the last of them
 * is the connection's first message. */
#include "listener/proof.h"

#include "base/error.h"
#include "os/stream.h"
#include "tls/tls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum stage {
    TLS,
    FRAMES,
    DONE,
};

static const char *
function_of(const struct mp__proof *proof)
{
    return proof->server ? "mp_listener_accept" : "mp_connect";
}

static int
hung_up(const struct mp__proof *proof)
{
    return mp__fail(-ECONNRESET,
                    "%s: the other end hung up before it had proved itself",
                    function_of(proof));
}

/* ---- Bytes ---- */

/* A result of reading or writing, as that of a step. */
static ssize_t
outcome(struct mp__proof *proof, ssize_t r, short wants)
{
    if (r == MP__TLS_READ || r == MP__TLS_WRITE)
        wants = r == MP__TLS_READ ? POLLIN : POLLOUT;
    else if (r != -EAGAIN)
        return r > 0 || r == -EPROTO || r == -ENOMEM ? r : hung_up(proof);
    proof->wants = wants;
    return 0;
}

static ssize_t
read_bytes(struct mp__proof *proof, void *buf, size_t size)
{
    struct iovec part = {buf, size};
    ssize_t r = proof->tls ? mp__tls_read(proof->tls, buf, size)
                           : mp__stream_read(proof->fd, &part, 1);

    return outcome(proof, r, POLLIN);
}

/* As much of what is to be sent as goes at once. */
static ssize_t
write_bytes(struct mp__proof *proof)
{
    struct mp__handshake *handshake = &proof->handshake;
    struct iovec part = {handshake->out + proof->out_sent,
                         handshake->out_size - proof->out_sent};

    return proof->tls ? mp__tls_write(proof->tls, part.iov_base, part.iov_len)
                      : mp__stream_write(proof->fd, &part, 1);
}

/* ---- Frames ---- */

/* 1: all is sent. */
static int
flush(struct mp__proof *proof)
{
    struct mp__handshake *handshake = &proof->handshake;

    while (proof->out_sent < handshake->out_size) {
        ssize_t r = outcome(proof, write_bytes(proof), POLLOUT);

        if (r <= 0)
            return (int)r;
        proof->out_sent += (size_t)r;
    }
    proof->out_sent = handshake->out_size = 0;
    return 1;
}

/* 1: a whole frame has come, and its message is the last bytes of `in`. */
static int
read_frame(struct mp__proof *proof, size_t *ret_size)
{
    uint64_t size = 0;
    size_t want;
    ssize_t r;

    for (;;) {
        int header = mp__frame_read(proof->in, proof->in_size, &size);

        if (header < 0 || size > MP__HANDSHAKE_MOST)
            return mp__fail(-EPROTO,
                            "%s: what the other end says is no proof of a "
                            "key",
                            function_of(proof));
        want = header ? (size_t)header + size
                      : (proof->in_size < 4 ? 4 : MP__FRAME_HEADER);
        if (header && proof->in_size == want) {
            *ret_size = size;
            return 1;
        }
        r = read_bytes(proof, proof->in + proof->in_size,
                       want - proof->in_size);
        if (r <= 0)
            return (int)r;
        proof->in_size += (size_t)r;
    }
}

static int
step_frames(struct mp__proof *proof)
{
    size_t size = 0;
    int r;

    for (;;) {
        r = flush(proof);
        if (r <= 0 || proof->proved)
            return r;
        r = read_frame(proof, &size);
        if (r <= 0)
            return r;
        r = mp__handshake_take(&proof->handshake,
                               proof->in + proof->in_size - size, size);
        proof->in_size = 0;
        if (r < 0)
            return r;
        proof->proved = r;
    }
}

/* ---- Steps ---- */

static int
step_tls(struct mp__proof *proof)
{
    int r = mp__tls_handshake(proof->tls);

    if (r == MP__TLS_READ || r == MP__TLS_WRITE) {
        proof->wants = r == MP__TLS_READ ? POLLIN : POLLOUT;
        return 0;
    }
    if (r < 0)
        return r == -EPIPE ? hung_up(proof) : r;
    return 1;
}

static int
begin_frames(struct mp__proof *proof)
{
    const struct mp__terms *terms = proof->terms;

    proof->stage = terms->hmac ? FRAMES : DONE;
    if (!terms->hmac)
        return 0;
    return mp__handshake_begin(&proof->handshake, terms->key, terms->key_size,
                               proof->server,
                               (terms->flags & MP_CONN_LEGACY_MD5) != 0);
}

int
mp__proof_begin(struct mp__proof *proof, const struct mp__terms *terms, int fd,
                int server)
{
    memset(proof, 0, sizeof(*proof));
    proof->terms = terms;
    proof->fd = fd;
    proof->server = server;
    proof->stage = TLS;
    proof->wants = POLLIN;
    if (!terms->tls)
        return begin_frames(proof);
    return mp__tls_new(&proof->tls, terms->tls, fd, terms->address.host);
}

int
mp__proof_step(struct mp__proof *proof)
{
    int r;

    if (proof->stage == TLS) {
        r = step_tls(proof);
        if (r <= 0)
            return r;
        r = begin_frames(proof);
        if (r < 0)
            return r;
    }
    if (proof->stage == FRAMES) {
        r = step_frames(proof);
        if (r < 0 && r != -ECONNRESET && proof->handshake.out_size)
            write_bytes(proof); /* a refusal, if it goes at once */
        if (r <= 0)
            return r;
        proof->stage = DONE;
    }
    return 1;
}

void
mp__proof_end(struct mp__proof *proof)
{
    if (proof->terms->hmac)
        mp__handshake_end(&proof->handshake);
    if (proof->tls)
        mp__tls_free(proof->tls);
    proof->tls = NULL;
}
