/* SPDX-License-Identifier: MIT */
/* Calls as a manager's server makes them, by hand: guests, and what each asks
 * for. There is no connection, and nothing happens but at a test's command. */
#pragma once

#include "server/call.h"
#include "region/guest.h"
#include "region/kin.h"

/* A call, from the first try to the last. */
struct ask {
    struct mp__call call;
    const struct mp__guest *guest;
    unsigned char args[512], outs[512];
    mp_any_writer writer;
    mp_any given; /* a list; size 0: nothing */
};

struct mp__guest guest_new(void);
void guest_end(struct mp__guest *guest);

/* First try of "lock_acquire", ... with these arguments, "" none. */
ssize_t ask(struct ask *ask, const struct mp__guest *guest, const char *op,
            void *object, mp_time deadline, const char *format, ...);
/* A further try; the last one, its deadline has passed; nobody waits for it any
 * more, or knows that it was answered. */
ssize_t ask_again(struct ask *ask);
ssize_t ask_last(struct ask *ask);
void ask_cancel(struct ask *ask);

/* A call that is answered at once; what came back, as mp_any_parse() takes it
 * apart. */
ssize_t ask_now(const struct mp__guest *guest, const char *op, void *object);
void given(const struct ask *ask, const char *format, ...);
