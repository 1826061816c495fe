/* SPDX-License-Identifier: MIT */
/* What client and server say to each other: messages of a connection, each one
 * value (MessagePack). No system calls here, and nothing is believed before it
 * was checked.
 *
 *   hello     ["mproc", version, session]
 *                 16 bytes; nil: a new session
 *   welcome   ["mproc", version, family, server, session, resumed, calls]
 *                 family: 16 bytes; server: an integer, another for each life
 *   request   [serial, done, thread, op, class, object, wait, args]
 *   answer    [serial, result, confirm, error, outs]
 *
 * In place of a welcome there may be an answer of serial 0: a refusal.
 *
 * `op` is the name of the public function without "mp_": "list_append".
 * `wait`: ns; 0: MP_NOW; nil: for ever. Serials go up by one with each request
 * of a session, and each has one answer. `done`: all answers to serials below
 * it have arrived. A request that is sent once more, after the connection was
 * broken, is the same as before. Three ops have the serial of an earlier
 * request: "abandon": its caller waits no more, takes nothing any more, and
 * may be told so by its answer; "received": what it took has arrived. It is
 * expected when the answer says `confirm`, and has no answer itself.
 * "arrived", which has none either: while one call waits for long, `done`
 * stands still; args are a serial, and those below it, in order, whose answers
 * have not arrived: all others have. */
#pragma once

#include <mproc/any.h>
#include <mproc/base.h>

#define MP__WIRE_VERSION 1u
#define MP__WIRE_MARK    "mproc"
#define MP__WIRE_CALLS   256u /* of a client, that wait for an answer */
#define MP__WIRE_HELLO   64u  /* bytes of a hello, at most */

struct mp__hello {
    uint64_t version;
    int resumes; /* a session, that of `session` */
    unsigned char session[16];
};

struct mp__welcome {
    uint64_t version;
    unsigned char family[16];
    uint64_t server;
    unsigned char session[16];
    int resumed;
    uint64_t calls;
};

struct mp__request {
    uint64_t serial, done;
    uint32_t thread;
    const char *op; /* not NUL-terminated */
    size_t op_size;
    uint32_t slab;   /* class of the object */
    uint64_t object; /* its address at home; 0: none */
    mp_time wait;    /* ns from when it is read; MP_NOW; MP_FOREVER */
    mp_any args;     /* a list */
};

struct mp__answer {
    uint64_t serial;
    int64_t result;
    int confirm;
    const char *error; /* not NUL-terminated; NULL: none */
    size_t error_size;
    mp_any outs; /* a list */
};

/* Writing: into a writer. 0, or the writer's error. */
int mp__hello_write(mp_any_writer *w, const struct mp__hello *hello);
int mp__welcome_write(mp_any_writer *w, const struct mp__welcome *welcome);
/* All but the last field, the list of args, or of outs: that is to follow. */
int mp__request_begin(mp_any_writer *w, const struct mp__request *request);
int mp__answer_begin(mp_any_writer *w, const struct mp__answer *answer);

/* Reading: 0; -EPROTO. */
int mp__hello_read(mp_any any, struct mp__hello *ret_hello);
int mp__welcome_read(mp_any any, struct mp__welcome *ret_welcome);
int mp__request_read(mp_any any, struct mp__request *ret_request);
int mp__answer_read(mp_any any, struct mp__answer *ret_answer);
