/* SPDX-License-Identifier: MIT */
/* Which processes hold an end of a pipe: see holders.c. */
#pragma once

#include "bell/bell.h"
#include "pipe/kin.h"
#include "region/mutex.h"

/* What the pipes of the family count in common. */
struct mp__pipe_family {
    mp__a64 ends;       /* how many have ever been made */
    mp__a64 collect_at; /* at how many to look for those that nobody holds */
};
struct mp__pipe_family *mp__pipe_family(void); /* NULL: no memory */

struct mp__holder {
    mp__a64 who;    /* {process, state}; 0: free, as all behind it. Writer: who
                       has the mutex */
    mp__a64 thread; /* a cache: the id of a participant of the process */
};

struct mp__holders {
    struct mp__mutex mutex; /* of kind PLAIN: every store is one step */
    mp__a32 changes;        /* goes up after each change of a `who` */
    mp__a32 shared; /* how many others than the maker have come to hold it */
    uint32_t since; /* how many processes had been started when it was made, */
    uint64_t maker; /* and by whom */
    uint64_t number; /* of the end, no other one's */
    struct mp__holder holder[MP__HOLDERS];
};

/* Before memory is in hand for a pipe. 0, -ENOMEM. */
int mp__holders_prepare(void);
/* Of an end that the calling process makes. */
void mp__holders_init(struct mp__holders *holders);

/* ---- In use ---- */

/* For the slow way into every operation, with no mutex held: the calling
 * process uses the end. Cheap if it is known to. Until mp__pipe_leave() the
 * end's memory stays, even if other threads close it.
 *
 * 1: it is known only by this call, which mp__pipe_news() has to tell; 0;
 * -EBADF: it has left; -EMFILE: too many processes hold it. */
int mp__holders_use(struct mp__holders *holders);

/* Whether the calling process has left. Whoever comes from mp__holders_use()
 * asks again, once he is inside of a side and has stored (seq_cst) that he is,
 * or is its owner: either he sees it, or mp_conn_close() sees him. Mutexes may
 * be held. */
int mp__holders_left(struct mp__holders *holders);

/* ---- What the other end asks: mutexes may be held ---- */

/* Whether nobody holds the end. */
int mp__holders_gone(struct mp__holders *holders);

/* ... and its maker, if alive, has closed it, so that it may be no more. */
int mp__holders_done(struct mp__holders *holders);

/* Adds what tells that a holder has died: lives. It may be partial. */
void mp__holders_watch(struct mp__holders *holders, struct mp__watch *watch);

/* A living participant of a process that holds the end; 0: none is known. As
 * long as it lives, and nobody tells that something has changed, the end is not
 * gone. */
uint64_t mp__holders_witness(struct mp__holders *holders);

/* Visits the living processes that hold the end. 1: there may be others, which
 * cannot be told: look again after a moment; 0. */
int mp__holders_each(struct mp__holders *holders,
                     void (*visit)(uint64_t process, void *arg), void *arg);

/* ---- Leaving ---- */

/* The calling process holds the end no more: 0, -EBADF (it has left before),
 * -EMFILE. */
int mp__holders_leave(struct mp__holders *holders);

/* ---- Children: no mutex may be held ---- */

/* Before the child `process` exists: it is to hold the end. 1; 0: it does
 * already; -EMFILE. */
int mp__holders_add(struct mp__holders *holders, uint64_t process);
/* There will be no such child. */
void mp__holders_remove(struct mp__holders *holders, uint64_t process);
/* In the child: 1: it was added. */
int mp__holders_arrived(struct mp__holders *holders, uint64_t process);
