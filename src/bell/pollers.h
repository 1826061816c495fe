/* SPDX-License-Identifier: MIT */
/* Processes that wait in poll() for something to happen to an object: see
 * pollers.c. */
#pragma once

#include "os/pidfd_set.h"
#include "region/participant.h"

#define MP__POLLERS 64u /* processes, for each object */

/* In the object, zeroed at first. */
struct mp__pollers {
    mp__a64 armed; /* bit i: pager[i] is to be paged before the next commit */
    mp__a64 pager[MP__POLLERS]; /* numbers, see os/pager.h; 0: free. Writers:
                                   the process that has it, and who finds
                                   that it is gone */
};

/* ---- By who is about to commit something ---- */

/* Pages those who are armed, and takes their bits away. 1: some could not be
 * told; they are armed still. */
MP__COLD int mp__pollers_page(struct mp__pollers *pollers);

/* Pages all, armed or not. 1 as above. */
MP__COLD int mp__pollers_page_all(struct mp__pollers *pollers);

/* ---- By who polls ---- */

/* A descriptor of this process. */
struct mp__poller {
    struct mp__poller *next;
    struct mp__pollers *of; /* its object is perhaps destroyed since */
    uint64_t pager;
    uint32_t place;             /* in the object's table */
    int socket;                 /* of the pager */
    int fd;                     /* what is polled: the socket, or lives.fd */
    struct mp__pidfd_set lives; /* unless fd is the socket */
    void *lookout;                 /* what else it has joined; NULL: nothing */
    void (*leave)(void *lookout);
};

/* For texts, and of what kind the descriptor is. */
struct mp__poller_kind {
    const char *function, *what; /* "mp_queue_fd", "queue" */
    int lives;                   /* it tells of the end of processes, too */
};

/* The descriptor, made if there is none, and readable then: the caller's next
 * look arms it. -EMFILE, -ENFILE, -ENOMEM. */
int mp__poller_fd(struct mp__pollers *pollers,
                  const struct mp__poller_kind *kind);

/* The same, only if there is one: -ENOENT. *ret_armed: it is; else it is
 * readable, as a rule. */
int mp__poller_fd_now(struct mp__pollers *pollers, int *ret_armed);

/* Arming, by who has found nothing; with no mutex held. The first makes the
 * descriptor unreadable and sets its bit; then the caller looks again, and the
 * second makes it readable if there is something after all, or may be. NULL:
 * this process has none, or it stays readable. In between nothing may be
 * called that asks for descriptors. */
struct mp__poller *mp__poller_begin(struct mp__pollers *pollers);
/* 1: it could not be made readable; it is armed. */
int mp__poller_end(struct mp__poller *poller, int readable);

/* In the place of the first: the descriptor stays as it is. NULL: there is
 * none. */
struct mp__poller *mp__poller_get(struct mp__pollers *pollers);

/* Closes this process's descriptor, before the object goes. */
void mp__poller_forget(struct mp__pollers *pollers);

/* How many descriptors this process has. */
extern mp__a32 mp__pollers_here;

static inline int
mp__pollers_exist(void)
{
    return mp__load_relaxed(&mp__pollers_here) != 0;
}
