/* SPDX-License-Identifier: MIT */
/* Requests that have no answer yet: in line by their serials, and to be found by
 * them. All with the link's lock held.
 *
 * The serials below the first in line have been answered: so each request says
 * `done`, and the server need not keep those answers. While the first one waits
 * for long, it is told now and then which those behind it are that wait as
 * well.
 *
 * A caller that waits no more leaves its place to an "abandon" of the same
 * serial, which the link owns: the server is told as often as it takes, and
 * answers that. */
#include "link/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL   64u /* calls, while one waits: far fewer than the server keeps */
#define NUMBER 9u  /* bytes of one in MessagePack, at most */

/* What the link tells the server by itself. */
struct note {
    struct mp__pending pending;
    struct mp__message message;
};

static struct mp__pending **
bucket_of(struct mp__manager_link *link, uint64_t serial)
{
    return &link->bucket[serial % MP__LINK_BUCKETS];
}

/* In the place of `other`, or at the end. */
static void
enter_at(struct mp__manager_link *link, struct mp__pending *pending,
         struct mp__pending *before, struct mp__pending *after)
{
    struct mp__pending **bucket = bucket_of(link, pending->serial);

    pending->entered = 1;
    pending->before = before;
    pending->after = after;
    *(before ? &before->after : &link->first) = pending;
    *(after ? &after->before : &link->last) = pending;
    pending->chain = *bucket;
    *bucket = pending;
}

void
mp__pending_leave(struct mp__manager_link *link, struct mp__pending *pending)
{
    struct mp__pending *before = pending->before, *after = pending->after;
    struct mp__pending **at = bucket_of(link, pending->serial);

    *(before ? &before->after : &link->first) = after;
    *(after ? &after->before : &link->last) = before;
    while (*at != pending)
        at = &(*at)->chain;
    *at = pending->chain;
    pending->entered = 0;
}

struct mp__pending *
mp__pending_find(struct mp__manager_link *link, uint64_t serial)
{
    struct mp__pending *pending = *bucket_of(link, serial);

    while (pending && pending->serial != serial)
        pending = pending->chain;
    return pending;
}

/* ---- Writing ---- */

void
mp__message_seal(struct mp__manager_link *link, struct mp__message *message,
                 struct mp__request *request, struct mp__pending *ret_pending)
{
    unsigned char head[MP__LINK_HEAD], frame[MP__FRAME_HEADER];
    unsigned char *at = message->args;
    mp_any_writer w;
    size_t header;

    request->done = link->first ? link->first->serial : request->serial;
    mp_any_writer_init(&w, head, sizeof(head));
    mp__request_begin(&w, request);
    header = mp__frame_write(frame, w.size + message->args_size);
    at -= w.size;
    memcpy(at, head, w.size);
    at -= header;
    memcpy(at, frame, header);
    ret_pending->data = at;
    ret_pending->size = header + w.size + message->args_size;
    ret_pending->serial = request->serial;
}

/* ---- What has arrived ---- */

/* Who stands in line has no answer yet, or has not got it. It goes out with the
 * next request. */
static int
append_arrived(struct mp__manager_link *link, struct mp__message *message,
               uint64_t below, unsigned n, size_t room)
{
    struct mp__request request = {
        .serial = link->first->serial,
        .thread = mp__link_thread(),
        .op = "arrived",
        .op_size = strlen("arrived"),
        .wait = MP_NOW,
    };
    struct mp__pending pending;
    mp_any_writer w;

    mp_any_writer_init(&w, message->args, room);
    mp_any_write_list(&w, n + 1);
    mp_any_write_unsigned(&w, below);
    for (struct mp__pending *p = link->first; p; p = p->after)
        mp_any_write_unsigned(&w, p->serial);
    message->args_size = w.size;
    mp__message_seal(link, message, &request, &pending);
    return mp__link_append(link, pending.data, pending.size);
}

static void
tell_arrived(struct mp__manager_link *link, uint64_t below)
{
    struct mp__message message;
    unsigned n = 0;
    size_t room;

    for (struct mp__pending *p = link->first; p; p = p->after)
        n++;
    room = NUMBER * (n + 2);
    message.own = malloc(MP__LINK_HEAD + room);
    if (!message.own)
        return;
    message.args = message.own + MP__LINK_HEAD;
    if (append_arrived(link, &message, below, n, room) == 0)
        link->told = below;
    free(message.own);
}

static int
is_behind(const struct mp__manager_link *link, uint64_t serial)
{
    return link->first && serial - link->first->serial > TELL &&
           serial - link->told > TELL && link->conn && !link->broken;
}

void
mp__pending_enter(struct mp__manager_link *link, struct mp__pending *pending)
{
    if (MP__UNLIKELY(is_behind(link, pending->serial)))
        tell_arrived(link, pending->serial);
    enter_at(link, pending, link->last, NULL);
}

/* ---- Notes ---- */

static void
write_note(struct mp__manager_link *link, struct note *note, const char *op,
           uint64_t serial, uint32_t of_thread)
{
    static const unsigned char empty_list = 0x90;
    struct mp__request request = {
        .serial = serial,
        .thread = of_thread,
        .op = op,
        .op_size = strlen(op),
        .wait = MP_NOW,
    };

    note->message.args = note->message.small + MP__LINK_HEAD;
    note->message.args[0] = empty_list;
    note->message.args_size = 1;
    mp__message_seal(link, &note->message, &request, &note->pending);
}

/* If it can be sent at all, it is; else when there is a connection. A copy: its
 * answer, which ends it, may come while it is still being written. */
static void
send_note(struct mp__manager_link *link, struct note *note)
{
    if (!link->conn || link->broken)
        return;
    note->pending.sent = 1;
    mp__link_post(link, note->pending.data, note->pending.size);
}

void
mp__pending_abandon(struct mp__manager_link *link, struct mp__pending *pending)
{
    struct mp__pending *before = pending->before, *after = pending->after;
    struct note *note = pending->sent ? calloc(1, sizeof(*note)) : NULL;

    mp__pending_leave(link, pending);
    if (!note)
        return;
    write_note(link, note, "abandon", pending->serial, mp__link_thread());
    note->pending.sent = 1;
    enter_at(link, &note->pending, before, after);
    send_note(link, note);
}

void
mp__pending_tell(struct mp__manager_link *link, const char *op, uint64_t of,
                 uint32_t of_thread)
{
    struct note *note = calloc(1, sizeof(*note));

    if (!note)
        return;
    write_note(link, note, op, of ? of : link->serial + 1, of_thread);
    if (of == 0)
        link->serial++;
    mp__pending_enter(link, &note->pending);
    send_note(link, note);
}

void
mp__link_confirm(struct mp__manager_link *link, uint64_t serial)
{
    struct note note = {0};

    link->received[link->n_received++ % MP__LINK_RECEIVED] = serial;
    write_note(link, &note, "received", serial, mp__link_thread());
    send_note(link, &note);
}

/* ---- Answers ---- */

/* Who has taken something says first that it has arrived, or does not fit:
 * until then it is not done. Who waits is to be woken at this word; NULL. */
static mp__a32 *
settle(struct mp__manager_link *link, struct mp__pending *pending)
{
    struct mp__waiter *waiter = pending->waiter;

    if (pending->reply && pending->reply->answer.confirm)
        pending->answered = 1;
    else
        mp__pending_leave(link, pending);
    if (!waiter) {
        free(MP__CONTAINER(pending, struct note, pending));
        return NULL;
    }
    waiter->left--;
    return mp__waiter_call(waiter);
}

static void
note_error(struct mp__waiter *waiter, int code, const char *text, size_t size)
{
    if (!waiter || waiter->error < 0)
        return;
    waiter->error = code;
    snprintf(waiter->text, sizeof(waiter->text), "%.*s", (int)size,
             text ? text : "");
}

void
mp__waiter_fail(struct mp__waiter *waiter, int code, const char *text,
                size_t size)
{
    note_error(waiter, code, text, size);
    waiter->left--;
}

void
mp__pending_fail(struct mp__manager_link *link, struct mp__pending *pending,
                 int code, const char *text)
{
    struct mp__reply *reply = pending->reply;
    size_t size = strlen(text);

    if (reply) {
        size = size < sizeof(reply->small) ? size : sizeof(reply->small);
        memcpy(reply->small, text, size);
        reply->answer = (struct mp__answer){
            .result = code,
            .error = (const char *)reply->small,
            .error_size = size,
        };
    } else {
        note_error(pending->waiter, code, text, size);
    }
    mp__waiter_wake(settle(link, pending));
}

void
mp__pending_fail_all(struct mp__manager_link *link, int sent, int code,
                     const char *text)
{
    struct mp__pending *next;

    for (struct mp__pending *p = link->first; p; p = next) {
        next = p->after;
        if (p->sent == sent && !p->answered)
            mp__pending_fail(link, p, code, text);
    }
}

/* What points into the message points into the copy. */
static const void *
moved(const void *p, const void *from, unsigned char *to)
{
    return p ? to + ((const unsigned char *)p - (const unsigned char *)from)
             : NULL;
}

static int
copy_answer(struct mp__reply *reply, const struct mp__answer *answer,
            const void *data, size_t size)
{
    unsigned char *to = reply->small;

    if (size > sizeof(reply->small)) {
        reply->own = to = malloc(size);
        if (!to)
            return -ENOMEM;
    }
    memcpy(to, data, size);
    reply->answer = *answer;
    reply->answer.error = moved(answer->error, data, to);
    reply->answer.outs.data = moved(answer->outs.data, data, to);
    return 0;
}

mp__a32 *
mp__pending_answer(struct mp__manager_link *link, struct mp__pending *pending,
                   const struct mp__answer *answer, const void *data,
                   size_t size)
{
    if (pending->reply &&
        copy_answer(pending->reply, answer, data, size) < 0) {
        mp__pending_fail(link, pending, -ENOMEM,
                         "mp_manager: no memory for the answer");
        return NULL;
    }
    if (!pending->reply && answer->result < 0)
        note_error(pending->waiter, (int)answer->result, answer->error,
                   answer->error_size);
    return settle(link, pending);
}
