/* SPDX-License-Identifier: MIT */
/* Answers. Where the connection may break and be made anew, each is kept until
 * the client says that it has arrived: a request that comes again gets the
 * same one, and nothing is executed twice. */
#include "server/park.h"
#include "server/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LITTLE 256u /* bytes of an answer that is kept in any case */

static struct mp__kept *
kept_of(struct mp__chain *link)
{
    return MP__CONTAINER(link, struct mp__kept, link);
}

static void
forget(struct mp__session *session, struct mp__kept *kept)
{
    mp__chain_remove(&kept->link);
    session->n_kept--;
    session->kept_size -= sizeof(*kept) + kept->size;
    free(kept);
}

uint32_t
mp__session_most_kept(void)
{
    uint32_t calls = mp__served_here.manager->terms->max_calls;

    return 4 * (calls > MP__WIRE_CALLS ? calls : MP__WIRE_CALLS);
}

/* In place of an answer that there is no room to keep. */
static mp_any
lost(uint64_t serial, unsigned char room[LITTLE])
{
    struct mp__answer answer = {
        .serial = serial,
        .result = -EPIPE,
        .error = "mp_manager: the answer was lost with the connection: the "
                 "call was executed",
        .error_size = SIZE_MAX,
    };
    mp_any_writer writer;
    mp_any message = {room, 0};

    mp_any_writer_init(&writer, room, LITTLE);
    mp__answer_begin(&writer, &answer);
    mp_any_write_list(&writer, 0);
    mp_any_end(&writer, &message);
    return message;
}

static int
keep(struct mp__session *session, uint64_t serial, mp_any message)
{
    const struct mp__manager_terms *terms = mp__served_here.manager->terms;
    unsigned char room[LITTLE];
    struct mp__kept *kept;

    if (session->transport != MP__BY_TCP)
        return 0;
    if (session->n_kept >= mp__session_most_kept())
        return mp__fail(-EPROTO,
                        "mp_manager: it does not say which answers it has");
    if (message.size > LITTLE &&
        session->kept_size + message.size > terms->max_backlog)
        message = lost(serial, room);
    kept = malloc(sizeof(*kept) + message.size);
    if (!kept)
        return mp__fail(-ENOMEM, "mp_manager: no memory for its answers");
    kept->serial = serial;
    kept->size = message.size;
    memcpy(kept->message, message.data, message.size);
    mp__chain_append(&session->kept, &kept->link);
    session->n_kept++;
    session->kept_size += sizeof(*kept) + kept->size;
    return 0;
}

static int
write_answer(struct mp__session *session, const struct mp__answer *answer,
             mp_any outs, mp_any *ret_message)
{
    static const unsigned char nothing[] = {0x90};
    mp_any_writer writer;

    if (outs.size == 0)
        outs = (mp_any){nothing, sizeof(nothing)};
    mp__outbox_begin(&session->out, &writer,
                     mp__served_here.manager->terms->max_message);
    mp__answer_begin(&writer, answer);
    mp_any_write_value(&writer, outs);
    return mp__outbox_end(&session->out, &writer, ret_message);
}

/* Of an error that needs one. */
static const char *
text_of(int64_t result)
{
    const char *text = mp_last_error();

    if (result >= 0 || result == -EAGAIN || result == -ETIMEDOUT)
        return NULL;
    return *text ? text : NULL;
}

ssize_t
mp__session_answer(struct mp__session *session, uint64_t serial,
                   ssize_t result, int confirm, mp_any outs)
{
    struct mp__answer answer = {
        .serial = serial,
        .result = result,
        .confirm = confirm,
        .error = text_of(result),
        .error_size = SIZE_MAX,
    };
    mp_any message;
    int r = write_answer(session, &answer, outs, &message);

    if (r < 0) {
        answer.result = r;
        answer.confirm = 0;
        answer.error = "mp_manager: the answer is too large, or the server is "
                       "out of memory";
        r = write_answer(session, &answer, (mp_any){0}, &message);
    }
    if (r == 0)
        r = keep(session, serial, message);
    if (r < 0)
        mp__session_doom(session, NULL);
    mp__session_soil(session);
    return answer.result;
}

int
mp__session_answer_again(struct mp__session *session, uint64_t serial)
{
    struct mp__chain *at;

    for (at = session->kept.next; at != &session->kept; at = at->next) {
        struct mp__kept *kept = kept_of(at);

        if (kept->serial != serial)
            continue;
        if (mp__outbox_add(&session->out,
                           (mp_any){kept->message, kept->size}) < 0)
            mp__session_doom(session, NULL);
        mp__session_soil(session);
        return 1;
    }
    return 0;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int
mp__has_arrived(const struct mp__arrived *arrived, uint64_t serial)
{
    if (serial >= arrived->below)
        return 0;
    return arrived->n_but == 0 ||
           !bsearch(&serial, arrived->but, arrived->n_but, sizeof(serial),
                    compare);
}

/* They were answered in nearly the order in which they came: what stands
 * behind one that has not arrived waits for it, unless the client has looked
 * which those are. */
void
mp__answers_arrived(struct mp__session *session,
                    const struct mp__arrived *arrived)
{
    struct mp__chain *at = session->kept.next;

    while (at != &session->kept) {
        struct mp__kept *kept = kept_of(at);

        at = at->next;
        if (mp__has_arrived(arrived, kept->serial))
            forget(session, kept);
        else if (arrived->n_but == 0)
            break;
    }
}

void
mp__answers_free(struct mp__session *session)
{
    while (!mp__chain_is_empty(&session->kept))
        forget(session, kept_of(session->kept.next));
}
