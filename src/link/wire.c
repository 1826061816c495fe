/* SPDX-License-Identifier: MIT */
/* Client and server's messages, written and read.
 *
 * A message is checked as a whole first: it is one value, and nothing behind
 * it. So its last field is what is left when the others are taken, and the
 * fields of a list that has as many as it should can be read one after the
 * other. Numbers that do not fit their field are the protocol's breach like
 * any other: nothing is cut off.
 *
 * Pure functions: nothing is kept, nothing is shared. */
#include "link/wire.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define HELLO   3u /* fields */
#define WELCOME 7u
#define REQUEST 8u
#define ANSWER  5u

/* ---- Writing ---- */

int
mp__hello_write(mp_any_writer *w, const struct mp__hello *hello)
{
    mp_any_write_list(w, HELLO);
    mp_any_write_string(w, MP__WIRE_MARK, SIZE_MAX);
    mp_any_write_unsigned(w, hello->version);
    if (!hello->resumes)
        return mp_any_write_nil(w);
    return mp_any_write_bytes(w, hello->session, sizeof(hello->session));
}

int
mp__welcome_write(mp_any_writer *w, const struct mp__welcome *welcome)
{
    mp_any_write_list(w, WELCOME);
    mp_any_write_string(w, MP__WIRE_MARK, SIZE_MAX);
    mp_any_write_unsigned(w, welcome->version);
    mp_any_write_bytes(w, welcome->family, sizeof(welcome->family));
    mp_any_write_unsigned(w, welcome->server);
    mp_any_write_bytes(w, welcome->session, sizeof(welcome->session));
    mp_any_write_bool(w, welcome->resumed);
    return mp_any_write_unsigned(w, welcome->calls);
}

int
mp__request_begin(mp_any_writer *w, const struct mp__request *request)
{
    mp_any_write_list(w, REQUEST);
    mp_any_write_unsigned(w, request->serial);
    mp_any_write_unsigned(w, request->done);
    mp_any_write_unsigned(w, request->thread);
    mp_any_write_string(w, request->op, request->op_size);
    mp_any_write_unsigned(w, request->slab);
    mp_any_write_unsigned(w, request->object);
    if (request->wait == MP_FOREVER)
        return mp_any_write_nil(w);
    return mp_any_write_int(w, request->wait);
}

int
mp__answer_begin(mp_any_writer *w, const struct mp__answer *answer)
{
    mp_any_write_list(w, ANSWER);
    mp_any_write_unsigned(w, answer->serial);
    mp_any_write_int(w, answer->result);
    mp_any_write_bool(w, answer->confirm);
    return mp_any_write_string(w, answer->error, answer->error_size);
}

/* ---- Reading ---- */

struct fields {
    mp_any rest; /* of a message that is known to be one value */
    int error;
};

static int
bad(const char *what)
{
    return mp__fail(-EPROTO, "mp_manager: what came is no %s", what);
}

/* The fields of a list that has `n` of them. */
static struct fields
open_fields(mp_any any, size_t n)
{
    struct fields fields = {.error = -EPROTO};
    struct mp__token t;

    if (mp__value_length(any, MP_ANY_DEPTH, NULL) != any.size ||
        mp__token_read(any, &t) < 0 || t.type != MP_ANY_LIST || t.size != n)
        return fields;
    fields.rest.data = (const char *)any.data + t.length;
    fields.rest.size = any.size - t.length;
    fields.error = 0;
    return fields;
}

static struct mp__token
next_field(struct fields *fields, int type)
{
    struct mp__token t = {0};

    if (fields->error == 0 && mp__token_read(fields->rest, &t) == 0) {
        fields->rest.data = (const char *)fields->rest.data + t.length;
        fields->rest.size -= t.length;
    }
    if (t.type != type)
        fields->error = -EPROTO;
    return t;
}

static uint64_t
next_unsigned(struct fields *fields, uint64_t most)
{
    struct mp__token t = next_field(fields, MP_ANY_INT);

    if (t.extra || t.u > most)
        fields->error = -EPROTO;
    return fields->error ? 0 : t.u;
}

static int
next_is_nil(struct fields *fields)
{
    return fields->error == 0 && mp_any_type(fields->rest) == MP_ANY_NIL;
}

/* Bytes of a size that is known. */
static void
next_bytes(struct fields *fields, unsigned char *bytes, size_t size)
{
    struct mp__token t = next_field(fields, MP_ANY_BYTES);

    if (fields->error == 0 && t.size == size)
        memcpy(bytes, t.body, size);
    else
        fields->error = -EPROTO;
}

static void
expect_mark(struct fields *fields)
{
    struct mp__token t = next_field(fields, MP_ANY_STRING);

    if (fields->error == 0 && (t.size != strlen(MP__WIRE_MARK) ||
                               memcmp(t.body, MP__WIRE_MARK, t.size) != 0))
        fields->error = -EPROTO;
}

/* The last field. */
static mp_any
last_list(struct fields *fields)
{
    if (fields->error == 0 && mp_any_type(fields->rest) != MP_ANY_LIST)
        fields->error = -EPROTO;
    return fields->rest;
}

int
mp__hello_read(mp_any any, struct mp__hello *ret_hello)
{
    struct fields fields = open_fields(any, HELLO);
    struct mp__hello hello = {0};

    expect_mark(&fields);
    hello.version = next_unsigned(&fields, UINT64_MAX);
    if (next_is_nil(&fields)) {
        next_field(&fields, MP_ANY_NIL);
    } else {
        next_bytes(&fields, hello.session, sizeof(hello.session));
        hello.resumes = 1;
    }
    if (fields.error)
        return bad("manager's client");
    *ret_hello = hello;
    return 0;
}

int
mp__welcome_read(mp_any any, struct mp__welcome *ret_welcome)
{
    struct fields fields = open_fields(any, WELCOME);
    struct mp__welcome welcome = {0};

    expect_mark(&fields);
    welcome.version = next_unsigned(&fields, UINT64_MAX);
    next_bytes(&fields, welcome.family, sizeof(welcome.family));
    welcome.server = next_unsigned(&fields, UINT64_MAX);
    next_bytes(&fields, welcome.session, sizeof(welcome.session));
    welcome.resumed = next_field(&fields, MP_ANY_BOOL).extra;
    welcome.calls = next_unsigned(&fields, UINT64_MAX);
    if (fields.error)
        return bad("manager");
    *ret_welcome = welcome;
    return 0;
}

int
mp__request_read(mp_any any, struct mp__request *ret_request)
{
    struct fields fields = open_fields(any, REQUEST);
    struct mp__request request = {.wait = MP_FOREVER};
    struct mp__token op;

    request.serial = next_unsigned(&fields, UINT64_MAX);
    request.done = next_unsigned(&fields, UINT64_MAX);
    request.thread = (uint32_t)next_unsigned(&fields, UINT32_MAX);
    op = next_field(&fields, MP_ANY_STRING);
    request.op = (const char *)op.body;
    request.op_size = op.size;
    request.slab = (uint32_t)next_unsigned(&fields, UINT32_MAX);
    request.object = next_unsigned(&fields, UINT64_MAX);
    if (next_is_nil(&fields))
        next_field(&fields, MP_ANY_NIL);
    else
        request.wait = (mp_time)next_unsigned(&fields, INT64_MAX);
    request.args = last_list(&fields);
    if (fields.error)
        return bad("call");
    *ret_request = request;
    return 0;
}

int
mp__answer_read(mp_any any, struct mp__answer *ret_answer)
{
    struct fields fields = open_fields(any, ANSWER);
    struct mp__answer answer = {0};
    struct mp__token t;

    answer.serial = next_unsigned(&fields, UINT64_MAX);
    t = next_field(&fields, MP_ANY_INT);
    if (mp__token_int(&t, &answer.result) < 0)
        fields.error = -EPROTO;
    answer.confirm = next_field(&fields, MP_ANY_BOOL).extra;
    if (next_is_nil(&fields)) {
        next_field(&fields, MP_ANY_NIL);
    } else {
        t = next_field(&fields, MP_ANY_STRING);
        answer.error = (const char *)t.body;
        answer.error_size = t.size;
    }
    answer.outs = last_list(&fields);
    if (fields.error)
        return bad("answer");
    *ret_answer = answer;
    return 0;
}
