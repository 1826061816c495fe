/* SPDX-License-Identifier: MIT */
/* The server's side of a call: how a function of some type is served.
 *
 *     static ssize_t
 *     serve_acquire(struct mp__call *call)
 *     {
 *         return mp__call_wait(mp_lock_acquire(call->object, MP_NOW));
 *     }
 *
 *     {"lock_acquire", MP__SLAB_LOCK, serve_acquire, .guest = 1}
 *
 * The server is one thread and never waits: what would, returns MP__CALL_PARK,
 * and is called again when something may have changed, until the caller's
 * deadline. */
#pragma once

#include "link/wire.h"
#include "region/object.h"

#include <mproc/manager.h>

struct mp__session;
struct mp__call;

/* What the function returned; MP__CALL_PARK. The error's text is
 * mp_last_error()'s. Of .guest ops, serve(), cancel() and confirmed() are
 * executed as the same guest. */
typedef ssize_t mp__serve_fn(struct mp__call *call);
#define MP__CALL_PARK ((ssize_t)-2000003)

/* -EAGAIN becomes MP__CALL_PARK unless the caller does not want to wait. */
ssize_t mp__call_wait(const struct mp__call *call, ssize_t r);

struct mp__op {
    const char *name; /* of the public function, without "mp_" */
    int slab;         /* of the object; -1: there is none */
    mp__serve_fn *serve;
    /* A parked call's caller waits no more: its deadline has passed, or it is
     * gone. Or what was given has not arrived: takes it back; without
     * `.confirmed` that is asked only of a caller who lives, as what his guest
     * holds ends with it; `args` are gone by then. */
    void (*cancel)(struct mp__call *call);
    /* What was taken has arrived: an op that has this is to be confirmed, and
     * its call kept until then. */
    void (*confirmed)(struct mp__call *call);
    int guest; /* to be executed as the caller's thread: region/guest.h */
    /* A descriptor of the object that becomes readable when it is worth to try
     * again (mp_queue_fd(), ...); NULL: it is tried now and then. */
    int (*fd)(void *object);
    int detail; /* serve()'s own, where one serves many ops */
};

/* Before the server begins: service/ops.c. The array stays. */
void mp__ops_register(const struct mp__op *ops, size_t n);

struct mp__call {
    struct mp__session *session;
    const struct mp__op *op;
    void *object;        /* live, of the op's class, when serve() is called */
    mp_any args;         /* a list: checked */
    mp_any_writer *outs; /* of serve(): see mp__call_give() */
    mp_time deadline;    /* MP_NOW: it does not want to wait */
    void *state;         /* serve()'s own, from one try to the next */
    uint64_t state_words[4]; /* the same, for small ones */
    uint64_t serial;
    uint32_t thread; /* of the client */
    int expired;     /* the deadline has passed: the last try */
};

/* Takes the arguments apart, in the letters of mp_any_parse(), without the
 * outer list's brackets. 0; -EINVAL, ... */
int mp__call_args(struct mp__call *call, const char *format, ...);

/* What goes back, in the letters of mp_any_build(); once at most. 0; below. */
int mp__call_give(struct mp__call *call, const char *format, ...);

/* An object that the call has made is its client's until others know it: 0;
 * -EDQUOT: the client has too many, and it is the caller's to destroy. */
int mp__call_made(struct mp__call *call, void *object);

/* The manager that is served. */
mp_manager *mp__call_manager(const struct mp__call *call);
