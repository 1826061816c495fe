/* SPDX-License-Identifier: MIT */
#include "service/guest-kit.h"

#include "server/dispatch.h"
#include "service/service.h"

#include <stdarg.h>
#include <string.h>

struct mp__guest
guest_new(void)
{
    static int registered;
    struct mp__guest guest;

    if (!registered)
        mp__ops_begin();
    registered = 1;
    must(mp__enter());
    must(mp__guest_begin(&guest));
    return guest;
}

void
guest_end(struct mp__guest *guest)
{
    mp__guest_end(guest);
}

ssize_t
ask_again(struct ask *ask)
{
    struct mp__self host;
    ssize_t r;

    mp_any_writer_init(&ask->writer, ask->outs, sizeof(ask->outs));
    ask->call.outs = &ask->writer;
    ask->given = (mp_any){0};
    if (ask->guest)
        host = mp__guest_act(ask->guest);
    r = ask->call.op->serve(&ask->call);
    if (ask->guest)
        mp__guest_rest(&host);
    if (ask->writer.size > 0)
        must(mp_any_end(&ask->writer, &ask->given));
    return r;
}

ssize_t
ask_last(struct ask *ask)
{
    ask->call.deadline = 1;
    ask->call.expired = 1;
    return ask_again(ask);
}

void
ask_cancel(struct ask *ask)
{
    struct mp__self host = mp__guest_act(ask->guest);

    ask->call.op->cancel(&ask->call);
    mp__guest_rest(&host);
}

static ssize_t
begin(struct ask *ask, const struct mp__guest *guest, const char *op,
      void *object, mp_time deadline, const char *format, va_list args)
{
    char list[64];
    mp_any_writer w;
    mp_any any;

    memset(ask, 0, sizeof(*ask));
    ck_assert_uint_lt(strlen(format), sizeof(list) - 2);
    list[0] = '[';
    memcpy(list + 1, format, strlen(format));
    memcpy(list + 1 + strlen(format), "]", 2);
    mp_any_writer_init(&w, ask->args, sizeof(ask->args));
    must(mp_any_vbuild(&w, list, args));
    must(mp_any_end(&w, &any));
    ask->call.op = mp__op_find(op, strlen(op), mp__object_slab(object));
    ck_assert_ptr_nonnull(ask->call.op);
    ck_assert_int_eq(ask->call.op->slab, mp__object_slab(object));
    ask->call.object = object;
    ask->call.args = any;
    ask->call.deadline = deadline;
    ask->guest = guest;
    return ask_again(ask);
}

ssize_t
ask(struct ask *ask, const struct mp__guest *guest, const char *op,
    void *object, mp_time deadline, const char *format, ...)
{
    va_list args;
    ssize_t r;

    va_start(args, format);
    r = begin(ask, guest, op, object, deadline, format, args);
    va_end(args);
    return r;
}

ssize_t
ask_now(const struct mp__guest *guest, const char *op, void *object)
{
    struct ask call;

    return ask(&call, guest, op, object, MP_NOW, "");
}

void
given(const struct ask *ask, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    must(mp_any_vparse(ask->given, format, args));
    va_end(args);
}
