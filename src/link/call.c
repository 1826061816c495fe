/* SPDX-License-Identifier: MIT */
/* A call: its arguments become a request, and the answer its results.
 *
 * An ordinary one takes no memory but the caller's stack, one write and one
 * read. Arguments are written before the link is locked, results taken apart
 * after it was given up; what is in front of the arguments (the serial, what is
 * done) is written in between.
 *
 * Calls without a deadline of their own, and those that do not want to wait,
 * give the network `call_timeout`. Who waits no more abandons the request: the
 * server takes it back, whether it was waiting or has been granted meanwhile. */
#include "link/link.h"

#include "codec/format.h"
#include "codec/token.h"
#include "link/batch.h"
#include "os/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT  128u              /* characters of a format: no malloc() */
#define BACKLOG ((size_t)1 << 22) /* bytes without room in the socket */
#define MS      ((mp_time)1000000)

/* ---- Formats: "in > out" ---- */

/* One half of it as the format of a list. */
struct half {
    char small[FORMAT];
    char *own, *text;
};

/* The '>' that is no part of a quoted key; else the end. */
static const char *
middle_of(const char *format)
{
    int quoted = 0;

    while (*format && (quoted || *format != '>'))
        quoted ^= *format++ == '\'';
    return format;
}

static int
open_half(struct half *half, const char *from, const char *to)
{
    size_t n = (size_t)(to - from);

    half->own = n + 3 > FORMAT ? malloc(n + 3) : NULL;
    half->text = half->own ? half->own : half->small;
    if (n + 3 > FORMAT && !half->own)
        return -ENOMEM;
    half->text[0] = '[';
    memcpy(half->text + 1, from, n);
    memcpy(half->text + 1 + n, "]", 2);
    return 0;
}

/* A '?' at the end says that the result is wanted, and is no letter. */
static const char *
end_of_in(const char *format, const char *middle)
{
    while (middle > format && middle[-1] == ' ')
        middle--;
    return middle > format && middle[-1] == '?' ? middle - 1 : middle;
}

int
mp__call_is_wanted(const char *format)
{
    const char *middle = middle_of(format);

    return *middle || *end_of_in(format, middle) == '?';
}

/* ---- Requests ---- */

static int
make_room(struct mp__message *message, mp_any args)
{
    message->args_size = args.size;
    if (args.data == message->small + MP__LINK_HEAD) {
        message->args = message->small + MP__LINK_HEAD;
        return 0;
    }
    message->own = malloc(MP__LINK_HEAD + args.size);
    if (!message->own)
        return -ENOMEM;
    message->args = message->own + MP__LINK_HEAD;
    memcpy(message->args, args.data, args.size);
    return 0;
}

int
mp__message_write(struct mp__message *message, const char *function,
                  const char *format, struct mp__arguments *args)
{
    mp_any_writer w;
    struct half in;
    mp_any any;
    int r = open_half(&in, format, end_of_in(format, middle_of(format)));

    message->own = NULL;
    mp__writer_begin(&w, message->small + MP__LINK_HEAD, MP__LINK_SMALL);
    if (r == 0)
        r = mp__format_build_on(&w, function, in.text, args);
    if (r == 0)
        r = mp_any_end(&w, &any);
    if (r == 0)
        r = make_room(message, any);
    free(in.own);
    if (w.own)
        free(w.data);
    return r == -ENOMEM ? mp__fail(r, "%s: no memory for the call", function)
                        : r;
}

void
mp__message_end(struct mp__message *message)
{
    free(message->own);
}

/* The server shall wait, if only for a moment. */
static mp_time
time_to(mp_time deadline)
{
    mp_time now = mp__now();

    return deadline > now ? deadline - now : 1;
}

void
mp__request_fill(struct mp__request *request, const struct mp__target *target,
                 const char *function, mp_time deadline)
{
    const char *op =
        strncmp(function, "mp_", 3) == 0 ? function + 3 : function;

    *request = (struct mp__request){
        .thread = mp__link_thread(),
        .op = op,
        .op_size = strlen(op),
        .slab = target->slab,
        .object = target->object,
        .wait = deadline,
    };
    if (deadline == MP__FAR_PLAIN)
        request->wait = MP_FOREVER;
    else if (deadline != MP_NOW && deadline != MP_FOREVER)
        request->wait = time_to(deadline);
}

/* ---- Results ---- */

/* "> @": the one value is looked at where it lies, by a function. */
static int
look_at_out(const struct mp__answer *answer, struct mp__arguments *args)
{
    mp__conn_look_fn *look = va_arg(args->list, mp__conn_look_fn *);
    void *arg = va_arg(args->list, void *);
    mp_any out;
    int r = mp_any_item(answer->outs, 0, &out);

    return r < 0 ? r : look(out.data, out.size, arg);
}

static int
is_look(const char *out)
{
    while (*out == ' ')
        out++;
    return strcmp(out, "@") == 0;
}

/* What comes back is taken apart; 0 if nothing does. */
static int
read_outs(const struct mp__answer *answer, const char *function,
          const char *format, struct mp__arguments *args)
{
    const char *middle = middle_of(format);
    struct half out;
    int r;

    if (!*middle || mp_any_size(answer->outs) == 0)
        return 0;
    if (is_look(middle + 1))
        return look_at_out(answer, args);
    r = open_half(&out, middle + 1, middle + strlen(middle));
    if (r == 0)
        r = mp__format_parse(function, answer->outs, 1, out.text, args->list);
    free(out.own);
    return r;
}

static ssize_t
read_reply(const struct mp__reply *reply, const char *function,
           const char *format, struct mp__arguments *args)
{
    const struct mp__answer *answer = &reply->answer;
    int r;

    if (answer->result < 0 && answer->error)
        return mp__fail((int)answer->result, "%.*s", (int)answer->error_size,
                        answer->error);
    if (answer->result < 0)
        return (ssize_t)answer->result;
    r = read_outs(answer, function, format, args);
    return r < 0 ? r : (ssize_t)answer->result;
}

/* ---- Calls ---- */

/* Signals do not end these: the caller would have lost what it held. */
static int
must_be_patient(const char *function, mp_time deadline)
{
    return deadline == MP__FAR_PLAIN || deadline == MP_NOW ||
           strcmp(function, "mp_condition_wait") == 0 ||
           strcmp(function, "mp_barrier_acted") == 0;
}

struct call {
    struct mp__pending pending;
    struct mp__waiter waiter;
    struct mp__reply reply;
    struct mp__message message;
};

int
mp__message_check(const struct mp__manager_link *link,
                  const struct mp__message *message, const char *function)
{
    size_t most = link->manager->terms->max_message;

    if (message->args_size + MP__LINK_HEAD <= most)
        return 0;
    return mp__fail(-EMSGSIZE,
                    "%s: the arguments have %zu bytes, and a call may have "
                    "%zu (.max_message)",
                    function, message->args_size, most);
}

int
mp__link_check(const struct mp__manager_link *link,
               const struct mp__target *target, const char *function)
{
    if (link->closed)
        return mp__fail(-EBADF, "%s: the manager was closed", function);
    if (link->conn && target->family &&
        memcmp(target->family, link->welcome.family, 16) != 0)
        return mp__fail(-EBADF,
                        "%s: the object's family has ended, and another "
                        "listens in its place",
                        function);
    return 0;
}

/* With the lock held, until a crowd's bytes are out. */
static int
await_room(struct mp__manager_link *link, struct mp__waiter *waiter,
           mp_time deadline)
{
    int r = 0;

    waiter->left = 1;
    while (r == 0 && link->conn && mp__link_backlog(link) > BACKLOG) {
        mp_time soon = mp__now() + 10 * MS;

        r = mp__link_wait(link, waiter, 0, soon < deadline ? soon : deadline);
        if (r == -ETIMEDOUT && !mp__expired(deadline))
            r = 0;
    }
    return r;
}

static void
send_request(struct mp__manager_link *link, struct call *call,
             struct mp__request *request)
{
    request->serial = ++link->serial;
    mp__message_seal(link, &call->message, request, &call->pending);
    mp__pending_enter(link, &call->pending);
    if (!link->conn || link->broken)
        return;
    call->pending.sent = 1;
    if (!mp__link_send(link, call->pending.data, call->pending.size) &&
        !link->manager->remote)
        call->pending.sent = 0;
}

/* With the lock held. 0: the reply is there. */
static int
exchange(struct mp__manager_link *link, struct call *call,
         const struct mp__target *target, const char *function,
         mp_time deadline, mp_time limit)
{
    struct mp__request request;
    int r = mp__link_check(link, target, function);

    if (r == 0 && mp__link_backlog(link) > BACKLOG)
        r = await_room(link, &call->waiter, limit);
    if (r < 0)
        return r;
    mp__request_fill(&request, target, function, deadline);
    call->pending.family = target->family;
    call->waiter.left = 1;
    send_request(link, call, &request);
    r = mp__link_wait(link, &call->waiter, 0, limit);
    if (r < 0)
        mp__pending_abandon(link, &call->pending);
    return r;
}

static int
fail_wait(const struct mp__manager_link *link, int r, const char *function,
          mp_time deadline)
{
    if (r != -ETIMEDOUT || (deadline != MP_NOW && deadline != MP__FAR_PLAIN))
        return r;
    return mp__fail(-ETIMEDOUT, "%s: no answer from the server within %g s",
                    function, (double)mp__call_timeout(link->manager) * 1e-9);
}

/* What was taken: whether it fits its caller decides who has it. */
static void
confirm(struct mp__manager_link *link, struct call *call, int fits)
{
    pthread_mutex_lock(&link->lock);
    if (fits) {
        mp__pending_leave(link, &call->pending);
        mp__link_confirm(link, call->pending.serial);
    } else {
        mp__pending_abandon(link, &call->pending);
    }
    pthread_mutex_unlock(&link->lock);
}

static ssize_t
make_call(struct mp__manager_link *link, struct call *call,
          const struct mp__target *target, const char *function,
          mp_time deadline, const char *format, struct mp__arguments *args)
{
    mp_time limit = deadline;
    ssize_t r = mp__message_check(link, &call->message, function);

    if (r < 0)
        return r;
    if (deadline == MP__FAR_PLAIN || deadline == MP_NOW)
        limit = mp__now() + mp__call_timeout(link->manager);
    call->waiter.patient = must_be_patient(function, deadline);
    pthread_mutex_lock(&link->lock);
    r = exchange(link, call, target, function, deadline, limit);
    pthread_mutex_unlock(&link->lock);
    if (r < 0)
        return fail_wait(link, (int)r, function, deadline);
    r = read_reply(&call->reply, function, format, args);
    if (call->pending.answered)
        confirm(link, call, r >= 0);
    free(call->reply.own);
    return r;
}

static void
begin_call(struct call *call)
{
    memset(&call->pending, 0, sizeof(call->pending));
    call->pending.waiter = &call->waiter;
    call->pending.reply = &call->reply;
    call->reply.own = NULL;
    memset(&call->reply.answer, 0, sizeof(call->reply.answer));
    call->waiter.at = NULL;
    mp__store_relaxed(&call->waiter.word, 0);
}

static ssize_t
call_link(struct mp__manager_link *link, const struct mp__target *target,
          const char *function, mp_time deadline, const char *format,
          struct mp__arguments *args)
{
    struct call call;
    ssize_t r;

    r = mp__batch_take(link, target, function, deadline, format, args);
    if (r != MP__BATCH_NOT)
        return r;
    begin_call(&call);
    r = mp__message_write(&call.message, function, format, args);
    if (r == 0)
        r = make_call(link, &call, target, function, deadline, format, args);
    mp__message_end(&call.message);
    return r;
}

ssize_t
mp__link_call(mp_manager *manager, const struct mp__target *target,
              const char *function, mp_time deadline, const char *format,
              va_list args)
{
    /* One that has passed is good for a try. */
    int late = deadline > MP_NOW && mp__now() >= deadline;
    struct mp__arguments arguments;
    struct mp__manager_link *link;
    int error = mp__enter();
    ssize_t r;

    link = error < 0 ? NULL : mp__link_get(manager, function, &error);
    if (!link)
        return error;
    va_copy(arguments.list, args);
    r = call_link(link, target, function, late ? MP_NOW : deadline, format,
                  &arguments);
    va_end(arguments.list);
    mp__link_put(link);
    return late && r == -EAGAIN ? -ETIMEDOUT : r;
}

ssize_t
mp__manager_call(mp_manager *manager, enum mp__slab slab, uint64_t object,
                 const char *function, mp_time deadline, const char *format,
                 va_list args)
{
    struct mp__target target = {.slab = slab, .object = object};

    return mp__link_call(manager, &target, function, deadline, format, args);
}

ssize_t
mp__manager_ask(mp_manager *manager, const char *function, mp_time deadline,
                const char *format, ...)
{
    struct mp__target target = {.slab = MP__SLAB_MANAGER};
    va_list args;
    ssize_t r;

    va_start(args, format);
    r = mp__link_call(manager, &target, function, deadline, format, args);
    va_end(args);
    return r;
}
