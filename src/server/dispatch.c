/* SPDX-License-Identifier: MIT */
/* Requests: executed in the order in which they come, each once.
 *
 * A request whose serial was seen before comes again after the connection was
 * broken: it gets the answer that is kept, or goes on waiting. One that would
 * have to wait is parked (park.c), and later ones of the same thread wait
 * behind it. What was given and can be taken back is remembered until the
 * client says, by `done`, "received" or "arrived", that it has arrived.
 *
 * An object is executed on only if its address is that of a live cell of the
 * class that the operation is for: the address comes from outside. */
#include "server/dispatch.h"

#include "codec/handle.h"
#include "server/park.h"
#include "registry/record.h"
#include "os/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANY 65536 /* calls of a client that wait */

static unsigned char outs_room[4096];
static mp_any_writer outs;

static struct mp__held *
held_of(struct mp__chain *link)
{
    return MP__CONTAINER(link, struct mp__held, link);
}

/* ---- Executing ---- */

/* Where it is looked first whether that is a cell at all: what lies anywhere
 * in the family's memory may look like an object. */
static int
is_live(const void *object, int slab)
{
    return object && mp__object_around(object) == object &&
           !mp__object_is_hidden(object) &&
           (slab < 0 ? mp__object_slab(object) >= 0
                     : mp__object_ok(object, (enum mp__slab)slab));
}

static int
check_object(const struct mp__call *call)
{
    const char *class;

    if (call->op->slab < 0 || is_live(call->object, call->op->slab))
        return 0;
    class = mp__handle_class_name(call->op->slab);
    return mp__fail(-EBADF, "mp_%s: the %s has been destroyed", call->op->name,
                    class ? class : "object");
}

/* Executes something of the call's op as the thread that calls. 0; below:
 * there is no guest for it. */
static int
act(struct mp__call *call, ssize_t (*what)(struct mp__call *), ssize_t *ret_r)
{
    const struct mp__guest *guest;
    struct mp__self host;
    int r;

    if (!call->op->guest) {
        *ret_r = what(call);
        return 0;
    }
    guest = mp__session_guest(call->session, call->thread, &r);
    if (!guest)
        return r;
    host = mp__guest_act(guest);
    *ret_r = what(call);
    mp__guest_rest(&host);
    return 0;
}

static ssize_t
serve(struct mp__call *call)
{
    return call->op->serve(call);
}

static ssize_t
cancel(struct mp__call *call)
{
    call->op->cancel(call);
    return 0;
}

static ssize_t
confirm(struct mp__call *call)
{
    call->op->confirmed(call);
    return 0;
}

static void
take_back(struct mp__call *call)
{
    ssize_t r;

    if (call->op->cancel)
        act(call, cancel, &r);
}

static void
let_go(struct mp__call *call)
{
    ssize_t r;

    if (call->op->confirmed)
        act(call, confirm, &r);
}

static void
forget_outs(void)
{
    if (outs.own)
        mp_any_discard(&outs);
    mp__writer_begin(&outs, outs_room, sizeof(outs_room));
}

/* A try. What it gives is in `outs`. */
static ssize_t
execute(struct mp__call *call)
{
    ssize_t result = 0;
    int r;

    forget_outs();
    call->outs = &outs;
    /* The text is to be this call's. */
    if (*mp_last_error())
        mp__fail(0, "%s", "");
    r = check_object(call);
    if (r == 0)
        r = act(call, serve, &result);
    return r < 0 ? r : result;
}

/* ---- Remembering ---- */

static struct mp__held *
hold(const struct mp__call *call, enum mp__call_stage stage)
{
    size_t size = stage == MP__GIVEN ? 0 : call->args.size;
    struct mp__held *held = calloc(1, sizeof(*held) + size);

    if (!held) {
        mp__fail(-ENOMEM, "mp_manager: no memory to remember a call");
        return NULL;
    }
    held->call = *call;
    held->stage = stage;
    if (size > 0)
        memcpy(held->args, call->args.data, size);
    held->call.args = (mp_any){held->args, size};
    mp__chain_init(&held->at);
    mp__chain_append(stage == MP__GIVEN ? &call->session->given
                                        : &call->session->waiting,
                     &held->link);
    call->session->n_given += stage == MP__GIVEN;
    call->session->n_waiting += stage != MP__GIVEN;
    call->session->waiting_size += size;
    return held;
}

static void
forget(struct mp__held *held)
{
    if (held->stage == MP__PARKED)
        mp__unpark(held);
    mp__chain_remove(&held->link);
    held->call.session->n_given -= held->stage == MP__GIVEN;
    held->call.session->n_waiting -= held->stage != MP__GIVEN;
    held->call.session->waiting_size -= held->call.args.size;
    free(held);
}

static struct mp__held *
find(struct mp__chain *list, uint64_t serial)
{
    struct mp__chain *at;

    for (at = list->next; at != list; at = at->next)
        if (held_of(at)->call.serial == serial)
            return held_of(at);
    return NULL;
}

/* Whether no more than there are can wait, of which one has those
 * arguments. */
static int
is_full(const struct mp__call *call)
{
    const struct mp__manager_terms *terms = mp__served_here.manager->terms;
    const struct mp__session *session = call->session;

    return session->n_waiting >= terms->max_calls ||
           session->waiting_size + call->args.size >
               terms->max_backlog + terms->max_message;
}

static ssize_t
fail_full(struct mp__session *session)
{
    return mp__fail(-EDQUOT,
                    "mp_manager: %u calls of this client wait: no more can",
                    session->n_waiting);
}

/* ---- Ending a call ---- */

static void
finish(struct mp__call *call, ssize_t r)
{
    const struct mp__op *op = call->op;
    int took = r >= 0 || r == -EOWNERDEAD, arrives;
    mp_any given = {0};

    if (took && outs.size > 0 && mp_any_end(&outs, &given) < 0)
        given.size = 0;
    arrives = mp__session_answer(call->session, call->serial, r,
                                 took && op->confirmed, given) == r;
    /* What cannot be remembered, nor answered, is taken back at once. */
    if (took && (op->cancel || op->confirmed) &&
        (!arrives || !hold(call, MP__GIVEN)))
        take_back(call);
    if (call->session->n_given > mp__session_most_kept())
        mp__session_doom(call->session,
                         "it does not say which answers it has");
    if (call->object)
        mp__park_stir(call->object);
}

/* MP__CALL_PARK: it waits. */
static ssize_t
park(struct mp__call *call)
{
    struct mp__held *held;
    ssize_t r;

    if (call->deadline == MP_NOW)
        r = -EAGAIN;
    else if (is_full(call))
        r = fail_full(call->session);
    else if ((held = hold(call, MP__PARKED)) == NULL)
        r = -ENOMEM;
    else if (mp__park(held) == 0)
        return MP__CALL_PARK;
    else {
        held->stage = MP__QUEUED;
        forget(held);
        r = -ENOMEM;
    }
    take_back(call);
    return r;
}

/* 1: it waits; 0. */
static int
start(struct mp__call *call)
{
    ssize_t r = execute(call);

    if (r == MP__CALL_PARK)
        r = park(call);
    if (r == MP__CALL_PARK)
        return 1;
    finish(call, r);
    return 0;
}

static int
thread_waits(const struct mp__session *session, uint32_t thread)
{
    struct mp__chain *at;

    for (at = session->waiting.next; at != &session->waiting; at = at->next)
        if (held_of(at)->call.thread == thread)
            return 1;
    return 0;
}

static struct mp__held *
next_queued(struct mp__session *session, uint32_t thread)
{
    struct mp__chain *at;

    for (at = session->waiting.next; at != &session->waiting; at = at->next)
        if (held_of(at)->stage == MP__QUEUED &&
            held_of(at)->call.thread == thread)
            return held_of(at);
    return NULL;
}

/* The thread's call that was parked is over: those behind it go on. */
static void
go_on(struct mp__session *session, uint32_t thread)
{
    struct mp__held *held;
    int waits = 0;

    while (!waits && (held = next_queued(session, thread)) != NULL) {
        mp__chain_remove(&held->link);
        session->n_waiting--;
        session->waiting_size -= held->call.args.size;
        waits = start(&held->call);
        free(held);
    }
}

/* A call that waits ends with `r`. */
static void
leave(struct mp__held *held, ssize_t r)
{
    struct mp__session *session = held->call.session;
    uint32_t thread = held->call.thread;
    int parked = held->stage == MP__PARKED;

    if (parked)
        mp__unpark(held);
    held->stage = MP__QUEUED;
    finish(&held->call, r);
    forget(held);
    if (parked)
        go_on(session, thread);
}

int
mp__held_try(struct mp__held *held)
{
    struct mp__call *call = &held->call;
    int gone = check_object(call) < 0;
    ssize_t r = execute(call);

    if (r == MP__CALL_PARK && !call->expired)
        return 0;
    if (r == MP__CALL_PARK || gone)
        take_back(call);
    if (r == MP__CALL_PARK) {
        forget_outs();
        r = -ETIMEDOUT;
    }
    leave(held, r);
    return 1;
}

/* ---- Requests about others ---- */

static void
abandon(struct mp__session *session, uint64_t serial)
{
    struct mp__held *held = find(&session->waiting, serial);

    if (held) {
        if (held->stage == MP__PARKED)
            take_back(&held->call);
        forget_outs();
        leave(held, -ETIMEDOUT);
    } else if ((held = find(&session->given, serial)) != NULL) {
        take_back(&held->call);
        if (held->call.object)
            mp__park_stir(held->call.object);
        forget(held);
    } else if (serial > session->highest) {
        session->highest = serial;
        mp__session_answer(session, serial, -ETIMEDOUT, 0, (mp_any){0});
    }
}

static void
receive(struct mp__session *session, uint64_t serial)
{
    struct mp__held *held = find(&session->given, serial);

    if (!held)
        return;
    let_go(&held->call);
    forget(held);
}

/* Nothing of that is taken back any more. */
static void
note_arrived(struct mp__session *session, const struct mp__arrived *arrived)
{
    struct mp__chain *at = session->given.next;

    mp__answers_arrived(session, arrived);
    while (at != &session->given) {
        struct mp__held *held = held_of(at);

        at = at->next;
        if (mp__has_arrived(arrived, held->call.serial)) {
            let_go(&held->call);
            forget(held);
        }
    }
}

static void
note_done(struct mp__session *session, uint64_t done)
{
    session->done = done;
    note_arrived(session, &(struct mp__arrived){.below = done});
}

/* The numbers of a list, which go up. */
static int
read_numbers(mp_any list, uint64_t *numbers, size_t n)
{
    mp_any_walker walker;
    mp_any number;

    mp_any_walk(list, &walker);
    for (size_t i = 0; i < n; i++)
        if (mp_any_next(&walker, NULL, &number) <= 0 ||
            mp_any_get_unsigned(number, &numbers[i]) < 0 ||
            (i > 1 && numbers[i] <= numbers[i - 1]))
            return -EPROTO;
    return 0;
}

/* The client has looked what has arrived, as its oldest call still waits. */
static void
hear_arrived(struct mp__session *session, mp_any args)
{
    ssize_t n = mp_any_size(args);
    uint64_t *numbers = n > 0 && n < MANY ? malloc((size_t)n * 8) : NULL;

    if (numbers && read_numbers(args, numbers, (size_t)n) == 0)
        note_arrived(session, &(struct mp__arrived){.below = numbers[0],
                                                    .but = numbers + 1,
                                                    .n_but = (size_t)n - 1});
    else
        mp__session_doom(session, "what has arrived cannot be told");
    free(numbers);
}

/* It has come before. */
static void
repeat(struct mp__session *session, uint64_t serial)
{
    if (find(&session->waiting, serial) ||
        mp__session_answer_again(session, serial))
        return;
    mp__fail(-EPROTO, "mp_manager: call %llu has come before",
             (unsigned long long)serial);
    mp__session_doom(session, NULL);
}

/* ---- Requests ---- */

/* Objects that the client has made and hands on are known to others from here
 * on. */
static void
let_know(struct mp__session *session, mp_any args)
{
    while (args.size > 0) {
        struct mp__token t;
        struct mp__handle handle;
        uint64_t owner;
        void *object;

        if (mp__token_read(args, &t) < 0)
            return;
        args.data = (const char *)args.data + t.length;
        args.size -= t.length;
        if (t.type != MP_ANY_EXT || !mp__handle_look_token(&t, &handle) ||
            !mp__handle_is_here(&handle))
            continue;
        object = (void *)(uintptr_t)handle.id;
        if (is_live(object, -1) &&
            mp__manager_recorded(mp__served_here.manager, object, &owner) &&
            owner == session->number &&
            mp__manager_record(mp__served_here.manager, object, 0) == 0)
            session->n_objects -= session->n_objects > 0;
    }
}

static mp_time
deadline_of(mp_time wait)
{
    mp_time now;

    if (wait == MP_NOW || wait == MP_FOREVER)
        return wait;
    now = mp__now();
    return wait < MP_FOREVER - now ? now + wait : MP_FOREVER;
}

static int
make_call(struct mp__call *call, struct mp__session *session,
          const struct mp__request *request)
{
    const struct mp__op *op =
        mp__op_find(request->op, request->op_size, (int)request->slab);
    void *object = (void *)(uintptr_t)request->object;

    *call = (struct mp__call){.session = session,
                              .op = op,
                              .args = request->args,
                              .serial = request->serial,
                              .thread = request->thread};
    if (!op)
        return mp__fail(-ENOSYS, "mp_%.*s: the server knows no such call",
                        request->op_size < 64 ? (int)request->op_size : 64,
                        request->op);
    if (op->slab >= 0 && op->slab != (int)request->slab)
        return mp__fail(-EBADF, "mp_%s: the object is of another type",
                        op->name);
    if (op->slab >= 0 || is_live(object, (int)request->slab))
        call->object = object;
    call->deadline = deadline_of(request->wait);
    return 0;
}

static void
begin(struct mp__session *session, const struct mp__request *request)
{
    struct mp__call call;
    ssize_t r = make_call(&call, session, request);

    if (r == 0 && session->n_waiting > 0 &&
        thread_waits(session, request->thread)) {
        if (is_full(&call))
            r = fail_full(session);
        else if (hold(&call, MP__QUEUED))
            return;
        else
            r = -ENOMEM;
    }
    if (r < 0)
        mp__session_answer(session, call.serial, r, 0, (mp_any){0});
    else
        start(&call);
}

static int
is(const struct mp__request *request, const char *name)
{
    return request->op_size == strlen(name) &&
           memcmp(request->op, name, request->op_size) == 0;
}

void
mp__dispatch(struct mp__session *session, const struct mp__request *request)
{
    if (request->done > session->done)
        note_done(session, request->done);
    if (request->serial == 0) {
        mp__session_doom(session, "a call without a serial");
    } else if (is(request, "abandon")) {
        abandon(session, request->serial);
    } else if (is(request, "received")) {
        receive(session, request->serial);
    } else if (is(request, "arrived")) {
        hear_arrived(session, request->args);
    } else if (request->serial <= session->highest) {
        repeat(session, request->serial);
    } else {
        session->highest = request->serial;
        mp__server.counts.calls++;
        if (session->n_objects > 0)
            let_know(session, request->args);
        begin(session, request);
    }
}

void
mp__dispatch_cancel_all(struct mp__session *session)
{
    while (!mp__chain_is_empty(&session->waiting)) {
        struct mp__held *held = held_of(session->waiting.next);

        if (held->stage == MP__PARKED)
            take_back(&held->call);
        forget(held);
    }
    while (!mp__chain_is_empty(&session->given)) {
        struct mp__held *held = held_of(session->given.next);

        if (held->call.op->confirmed)
            take_back(&held->call);
        if (held->call.object)
            mp__park_stir(held->call.object);
        forget(held);
    }
}
