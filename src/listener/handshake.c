/* SPDX-License-Identifier: MIT */
/* The proof of Python's multiprocessing.connection, in both roles:
 *
 *     server                                    client
 *     #CHALLENGE#{sha256}<40 bytes>   ------->
 *                                     <-------  {sha256}<MAC of what followed
 *                                               #CHALLENGE#>
 *     #WELCOME# or #FAILURE#          ------->
 *
 * and then the same with the roles changed. The answer names its digest, which
 * its sender chooses as the challenge asks. Python up to 3.11 knows HMAC-MD5
 * only: its challenges are of 20 bytes and name no digest, its answers are the
 * 16 bytes of the MAC. That is done only if the user asked for it.
 *
 * The client proves itself first, and to anybody. So a false server that two of
 * our clients call could have the one answer what the other asks, and then
 * know no key and pass. Therefore a challenge says who made it, to those who
 * know the family's secret: 24 of its bytes are drawn, the others are a mark,
 * a MAC of these and the role. To all others they are as random as the rest.
 * A challenge that the same role has made in this family is sent back to us by
 * somebody who cannot answer it, and is not answered.
 *
 * Nothing is shared: the proof is a struct of the process that makes it. */
#include "listener/handshake.h"

#include "base/error.h"
#include "base/macros.h"
#include "region/region.h"
#include "tls/hmac.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define CHALLENGE "#CHALLENGE#"
#define WELCOME   "#WELCOME#"
#define FAILURE   "#FAILURE#"
#define OURS      "{sha256}" /* the digest that our challenges ask for */

#define LENGTH(text)  (sizeof(text) - 1)
#define LEGACY_ASKS   20u /* bytes of a challenge of Python up to 3.11, */
#define LEGACY_GIVES  16u /* and of its answers */
#define DRAWN         24u
#define MARK          16u
#define FAMILY_SECRET 16u

enum step {
    AWAIT_RESPONSE,
    AWAIT_CHALLENGE,
    AWAIT_WELCOME,
    OVER,
};

/* Python's names. */
static const char *const digest_names[MP__DIGESTS] = {
    [MP__DIGEST_MD5] = "md5",           [MP__DIGEST_SHA256] = "sha256",
    [MP__DIGEST_SHA384] = "sha384",     [MP__DIGEST_SHA3_256] = "sha3_256",
    [MP__DIGEST_SHA3_384] = "sha3_384",
};

static const char *
function_of(const struct mp__handshake *handshake)
{
    return handshake->server ? "mp_listener_accept" : "mp_connect";
}

static int
fail(const struct mp__handshake *handshake, int code, const char *why)
{
    return mp__fail(code, "%s: %s", function_of(handshake), why);
}

/* Adds a message to what is to be sent. */
static void
put(struct mp__handshake *handshake, const void *a, size_t a_size,
    const void *b, size_t b_size)
{
    unsigned char *out = handshake->out + handshake->out_size;

    out += mp__frame_write(out, a_size + b_size);
    memcpy(out, a, a_size);
    memcpy(out + a_size, b, b_size);
    handshake->out_size = (size_t)(out + a_size + b_size - handshake->out);
}

static int
starts_with(const unsigned char *message, size_t size, const char *text)
{
    size_t n = strlen(text);

    return size >= n && memcmp(message, text, n) == 0;
}

/* ---- Challenges ---- */

static int
make_mark(const struct mp__handshake *handshake, const unsigned char *drawn,
          unsigned char mark[MP__HMAC_MOST])
{
    unsigned char text[1 + DRAWN];

    text[0] = handshake->server ? 'S' : 'C';
    memcpy(text + 1, drawn, DRAWN);
    return mp__hmac(MP__DIGEST_SHA256, mp__region_uuid(), FAMILY_SECRET, text,
                    sizeof(text), mark, function_of(handshake));
}

static int
ask(struct mp__handshake *handshake)
{
    unsigned char mark[MP__HMAC_MOST];
    unsigned char *drawn = handshake->challenge + LENGTH(OURS);
    int r;

    memcpy(handshake->challenge, OURS, LENGTH(OURS));
    if (getrandom(drawn, DRAWN, 0) != DRAWN)
        return fail(handshake, -EIO, "the system gives no random bytes");
    r = make_mark(handshake, drawn, mark);
    if (r < 0)
        return r;
    memcpy(drawn + DRAWN, mark, MARK);
    handshake->challenge_size = LENGTH(OURS) + DRAWN + MARK;
    put(handshake, CHALLENGE, LENGTH(CHALLENGE), handshake->challenge,
        handshake->challenge_size);
    handshake->step = AWAIT_RESPONSE;
    return 0;
}

/* 1: this role has made it, in this family. */
static int
comes_back(const struct mp__handshake *handshake, const unsigned char *asked,
           size_t size)
{
    unsigned char mark[MP__HMAC_MOST];
    const unsigned char *drawn = asked + LENGTH(OURS);
    int r;

    if (size != LENGTH(OURS) + DRAWN + MARK)
        return 0;
    r = make_mark(handshake, drawn, mark);
    return r < 0 ? r : mp__hmac_equal(mark, drawn + DRAWN, MARK);
}

/* The digest named at the beginning, "{sha256}...", and by how many bytes; -1:
 * none. */
static int
find_digest(const unsigned char *message, size_t size, size_t *ret_length)
{
    char prefix[16];

    for (int i = 0; i < MP__DIGESTS; i++) {
        snprintf(prefix, sizeof(prefix), "{%s}", digest_names[i]);
        if (starts_with(message, size, prefix)) {
            *ret_length = strlen(prefix);
            return i;
        }
    }
    return -1;
}

/* Of a challenge or an answer: the digest and how many bytes name it. One of
 * `legacy` bytes is that of an old Python. */
static int
read_digest(const struct mp__handshake *handshake,
            const unsigned char *message, size_t size, size_t legacy,
            size_t *ret_length)
{
    int digest = MP__DIGEST_MD5;

    *ret_length = 0;
    if (size != legacy)
        digest = find_digest(message, size, ret_length);
    if (digest < 0)
        return fail(handshake, -EPROTO,
                    "the other end names no digest that is known");
    if (digest == MP__DIGEST_MD5 && !handshake->md5)
        return fail(handshake, -EKEYREJECTED,
                    "the other end goes by HMAC-MD5, as Python up to 3.11 "
                    "does, which takes MP_CONN_LEGACY_MD5");
    return digest;
}

static int
answer(struct mp__handshake *handshake, const unsigned char *asked,
       size_t size)
{
    unsigned char mac[MP__HMAC_MOST];
    char prefix[16] = "";
    size_t named;
    int digest, n;

    digest = read_digest(handshake, asked, size, LEGACY_ASKS, &named);
    if (digest < 0)
        return digest;
    n = comes_back(handshake, asked, size);
    if (n != 0)
        return n < 0 ? n
                     : fail(handshake, -EPROTO,
                            "the other end sends our own challenge back");
    n = mp__hmac(digest, handshake->key, handshake->key_size, asked, size, mac,
                 function_of(handshake));
    if (n < 0)
        return n;
    if (named > 0)
        snprintf(prefix, sizeof(prefix), "{%s}", digest_names[digest]);
    put(handshake, prefix, named, mac, (size_t)n);
    explicit_bzero(mac, sizeof(mac));
    handshake->step = AWAIT_WELCOME;
    return 0;
}

/* ---- Messages of the other end, by the step ---- */

static int
take_challenge(struct mp__handshake *handshake, const unsigned char *message,
               size_t size)
{
    if (!starts_with(message, size, CHALLENGE) ||
        size - LENGTH(CHALLENGE) < LEGACY_ASKS)
        return fail(handshake, -EPROTO,
                    "the other end asks for no proof of a key");
    return answer(handshake, message + LENGTH(CHALLENGE),
                  size - LENGTH(CHALLENGE));
}

static int
check_response(const struct mp__handshake *handshake,
               const unsigned char *message, size_t size)
{
    unsigned char mac[MP__HMAC_MOST];
    size_t named;
    int digest, n, equal;

    digest = read_digest(handshake, message, size, LEGACY_GIVES, &named);
    if (digest < 0)
        return digest;
    n = mp__hmac(digest, handshake->key, handshake->key_size,
                 handshake->challenge, handshake->challenge_size, mac,
                 function_of(handshake));
    if (n < 0)
        return n;
    equal = size - named == (size_t)n &&
            mp__hmac_equal(mac, message + named, (size_t)n);
    explicit_bzero(mac, sizeof(mac));
    return equal ? 0
                 : fail(handshake, -EKEYREJECTED,
                        "the other end has another key");
}

static int
take_response(struct mp__handshake *handshake, const unsigned char *message,
              size_t size)
{
    int r = check_response(handshake, message, size);

    if (r < 0) {
        put(handshake, FAILURE, LENGTH(FAILURE), "", 0);
        return r;
    }
    put(handshake, WELCOME, LENGTH(WELCOME), "", 0);
    if (!handshake->server)
        return 1;
    handshake->step = AWAIT_CHALLENGE;
    return 0;
}

static int
take_welcome(struct mp__handshake *handshake, const unsigned char *message,
             size_t size)
{
    if (size == LENGTH(FAILURE) && starts_with(message, size, FAILURE))
        return fail(handshake, -EKEYREJECTED,
                    "the other end rejects the key: it has another");
    if (size != LENGTH(WELCOME) || !starts_with(message, size, WELCOME))
        return fail(handshake, -EPROTO,
                    "the other end takes no proof of a key");
    return handshake->server ? 1 : ask(handshake);
}

static int
take(struct mp__handshake *handshake, const unsigned char *message,
     size_t size)
{
    if (size > MP__HANDSHAKE_MOST)
        return fail(handshake, -EPROTO,
                    "the other end's proof is larger than any is");
    switch (handshake->step) {
    case AWAIT_RESPONSE:
        return take_response(handshake, message, size);
    case AWAIT_CHALLENGE:
        return take_challenge(handshake, message, size);
    case AWAIT_WELCOME:
        return take_welcome(handshake, message, size);
    default:
        return fail(handshake, -EPROTO, "the proof is over");
    }
}

int
mp__handshake_take(struct mp__handshake *handshake,
                   const unsigned char *message, size_t size)
{
    int r = take(handshake, message, size);

    if (r != 0)
        handshake->step = OVER;
    return r;
}

/* ---- Beginning and end ---- */

int
mp__handshake_begin(struct mp__handshake *handshake, const void *key,
                    size_t key_size, int server, int md5)
{
    *handshake = (struct mp__handshake){
        .key = key,
        .key_size = key_size,
        .server = server,
        .md5 = md5,
        .step = AWAIT_CHALLENGE,
    };
    return server ? ask(handshake) : mp__hmac_ready(function_of(handshake));
}

void
mp__handshake_end(struct mp__handshake *handshake)
{
    explicit_bzero(handshake, sizeof(*handshake));
}
