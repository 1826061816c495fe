/* SPDX-License-Identifier: MIT */
/* The guests of a session: participants of this family that stand for threads
 * of the client's (region/guest.h). One is made when its thread first calls
 * what asks for it, and ends with the thread or the session. */
#include "server/session.h"

#include <errno.h>
#include <stdlib.h>

static struct mp__guest_of *
find(struct mp__session *session, uint32_t thread)
{
    for (uint32_t i = 0; i < session->n_guests; i++)
        if (session->guests[i].thread == thread)
            return &session->guests[i];
    return NULL;
}

static int
make_room(struct mp__session *session)
{
    uint32_t room = session->guests_room ? 2 * session->guests_room : 2;
    struct mp__guest_of *guests;

    if (session->n_guests == MP__GUESTS)
        return mp__fail(-EAGAIN,
                        "mp_manager: %u threads of this client have used "
                        "locks and the like: no more can",
                        MP__GUESTS);
    if (session->n_guests < session->guests_room)
        return 0;
    guests = realloc(session->guests, room * sizeof(*guests));
    if (!guests)
        return mp__fail(-ENOMEM, "mp_manager: no memory for a client");
    session->guests = guests;
    session->guests_room = room;
    return 0;
}

const struct mp__guest *
mp__session_guest(struct mp__session *session, uint32_t thread, int *ret_error)
{
    struct mp__guest_of *of = find(session, thread);
    int r;

    if (of)
        return &of->guest;
    r = make_room(session);
    if (r == 0) {
        of = &session->guests[session->n_guests];
        r = mp__guest_begin(&of->guest);
    }
    if (r < 0) {
        *ret_error = r;
        return NULL;
    }
    of->thread = thread;
    session->n_guests++;
    return &of->guest;
}

void
mp__session_end_guest(struct mp__session *session, uint32_t thread)
{
    struct mp__guest_of *of = find(session, thread);

    if (!of)
        return;
    mp__guest_end(&of->guest);
    *of = session->guests[--session->n_guests];
}

void
mp__session_end_guests(struct mp__session *session)
{
    while (session->n_guests > 0)
        mp__guest_end(&session->guests[--session->n_guests].guest);
    free(session->guests);
    session->guests = NULL;
    session->guests_room = 0;
}
