/* SPDX-License-Identifier: MIT */
/* How a pipe lies in memory: see pipe.c.
 *
 * Each end has a ring that it receives from, and finds the ring that it sends
 * into at its peer. A position is a number of granules of 16 bytes since the
 * beginning; storing it is the commit of a send or a receive. */
#pragma once

#include "bell/patience.h"
#include "bell/pollers.h"
#include "connection/conn.h"
#include "pipe/bias.h"
#include "pipe/holders.h"
#include "region/hand.h"

#include <string.h>

#define MP__PIPE_GRANULE  16u
#define MP__PIPE_GRANULES (65536u / MP__PIPE_GRANULE)
#define MP__PIPE_INLINE   ((size_t)8192) /* larger ones go by reference, */
#define MP__PIPE_BYTES    ((uint64_t)1 << 20) /* so many bytes at a time */

enum mp__pipe_kind {
    MP__PIPE_MESSAGE = 1,
    MP__PIPE_REFERENCE = 2,  /* struct mp__pipe_reference */
    MP__PIPE_DESCRIPTOR = 3, /* see descriptor.c */
    MP__PIPE_PAD = 4,        /* the rest of this lap is empty */
};

struct mp__pipe_record {
    uint64_t head;        /* size << 8 | kind */
    unsigned char body[]; /* at least 8 bytes */
};

struct mp__pipe_reference {
    void *block;
    uint64_t total; /* bytes sent by reference so far, with this one */
};

enum mp__pipe_flag {
    MP__PIPE_SLEEPER = 1,
    MP__PIPE_POLLER = 2,
};

/* One user, sender or receiver, of a ring at a time. */
struct mp__pipe_side {
    struct mp__bias bias;
    /* Writer of all below: who is inside. */
    uint64_t other; /* cache: the other side's position, maybe an old one */
    /* What was known when it was last seen who holds the other end: how often
     * something had changed, and somebody who was alive. */
    mp__a32 *life;
    uint32_t life_seen;
    uint32_t changes;
    mp__a32 never; /* for `life`, if nobody is known: always 0 */
    struct mp__patience patience;
    uint64_t bytes; /* sender: sent by reference, up to the tail */
    /* What is about to be passed on by the next commit, for repair; only under
     * the mutex. */
    uint64_t intent_position MP__ALIGNED(MP__LINE); /* before that commit */
    uint64_t intent_bytes;                          /* after it */
    void *intent_block;
    uint32_t intent_part; /* in whose hand it is */
} MP__ALIGNED(MP__LINE);

/* One direction. What is on one line is written by one of the two, or hardly
 * ever. */
struct mp__pipe_ring {
    unsigned char *data; /* a block; NULL: this direction is not used */
    mp__a32 changes;     /* of the holders of either end, goes up; futex */
    /* Futex flags, enum mp__pipe_flag: a side sleeps, which it does holding its
     * mutex; a descriptor is armed (receivers only). */
    mp__a32 receiver_sleeps, sender_sleeps;
    struct mp__pipe_side sender;
    mp__a64 tail MP__ALIGNED(MP__LINE); /* the sender's position: COMMIT */
    struct mp__pipe_side receiver;
    mp__a64 head MP__ALIGNED(MP__LINE); /* the receiver's position: COMMIT */
    mp__a64 bytes_received; /* by reference; before the head's commit */
};

/* One end. */
struct mp__pipe_end {
    struct mp_conn conn;
    struct mp__pipe_end *peer;
    struct mp__pipe_ring in MP__ALIGNED(MP__LINE); /* towards this end */
    struct mp__holding storage; /* keeps in.data; owner: 0, or who makes or
                                   collects the pipe */
    struct mp__holders holders;
    struct mp__pollers pollers; /* of `in` */
} MP__ALIGNED(MP__LINE);

_Static_assert(sizeof(struct mp__pipe_end) <= MP__CONN_CELL,
               "an end fits its cell");

static inline uint32_t
mp__pipe_granules(size_t size)
{
    return (uint32_t)((size + 8 + MP__PIPE_GRANULE - 1) / MP__PIPE_GRANULE);
}

static inline struct mp__pipe_record *
mp__pipe_record(const struct mp__pipe_ring *ring, uint64_t position)
{
    return (struct mp__pipe_record *)(void *)(ring->data +
                                              position % MP__PIPE_GRANULES *
                                                  MP__PIPE_GRANULE);
}

/* Granules from the position to the end of its lap. */
static inline uint32_t
mp__pipe_rest(uint64_t position)
{
    return MP__PIPE_GRANULES - (uint32_t)(position % MP__PIPE_GRANULES);
}

/* Short messages are so frequent that a call to memcpy() would be much of what
 * they cost. */
static inline void
mp__pipe_copy(void *to, const void *from, size_t size)
{
    char *t = to;
    const char *f = from;

    if (size > 64) {
        memcpy(t, f, size);
    } else if (size > 32) {
        memcpy(t, f, 32);
        memcpy(t + size - 32, f + size - 32, 32);
    } else if (size > 16) {
        memcpy(t, f, 16);
        memcpy(t + size - 16, f + size - 16, 16);
    } else if (size >= 8) {
        memcpy(t, f, 8);
        memcpy(t + size - 8, f + size - 8, 8);
    } else {
        for (size_t i = 0; i < size; i++)
            t[i] = f[i];
    }
}

/* Something has changed since the side looked who holds the other end. */
static inline int
mp__pipe_has_news(struct mp__pipe_ring *ring, struct mp__pipe_side *side)
{
    return mp__load_relaxed(&ring->changes) != side->changes ||
           mp__load_relaxed(side->life) != side->life_seen;
}

/* ---- visit.c: being inside of an end that may be closed meanwhile ---- */

/* From now on the memory of an end, and of its peer, stays until the thread's
 * visit ends, in whatever way others leave it. 0: it is no live end, and not
 * visited. */
int mp__pipe_visit(struct mp__pipe_end *end);
/* Ends the visit: the end that was visited; NULL: none was. */
struct mp__pipe_end *mp__pipe_end_visit(void);
/* As the first, whatever it is: to look whether it is an end. NULL: no more. */
void mp__pipe_say_visiting(struct mp__pipe_end *end);
int mp__pipe_is_end(const struct mp__pipe_end *end);
/* Whether another thread visits the pipe, and does not leave it soon. */
int mp__pipe_stays_visited(const struct mp__pipe_end *end);

/* ---- news.c: telling those who wait. Mutexes may be held ---- */

/* Who holds the end has changed: all who wait at either end look again. */
void mp__pipe_news(struct mp__pipe_end *end);

/* Pages those whose bit is up, and takes it down; before a commit. The flag's
 * POLLER was lowered before. */
MP__COLD void mp__pipe_page(struct mp__pipe_end *end);
MP__COLD void mp__pipe_page_all(struct mp__pipe_end *end);
/* If some (`left`) could not be told, the next sender is to try again. */
void mp__pipe_raise_again(struct mp__pipe_end *end, int left);

/* ---- poll.c: mp_conn_fd(), and mp_wait() ---- */

int mp__pipe_fd(struct mp__pipe_end *end);
/* This process has found nothing: makes its descriptor unreadable until there
 * is something. No mutex may be held. */
MP__COLD void mp__pipe_arm(struct mp__pipe_end *end);
/* Closes this process's descriptor. */
void mp__pipe_fd_forget(struct mp__pipe_end *end);
int mp__pipe_look(mp_conn *conn);
struct mp__pollers *mp__pipe_pollers(mp_conn *conn);

/* ---- describe.c ---- */

void mp__pipe_describe(struct mp__report *report, mp_conn *conn);

/* ---- close.c ---- */

int mp__pipe_close(mp_conn *conn);
/* The end of an operation, with no mutex held: see mp__holders_use(). */
void mp__pipe_leave(void);
/* Frees all pipes that nobody holds: now and then, or now. No mutex may be
 * held. */
void mp__pipes_collect(int now);

/* ---- wait.c: the slow way in, and waiting ---- */

/* Who does what: one side of a ring, and what it has to do with the other. */
struct mp__pipe_use {
    struct mp__pipe_end *end; /* of the caller */
    struct mp__pipe_ring *ring;
    struct mp__pipe_side *side, *other;
    mp__a64 *word;         /* the other's position */
    mp__a32 *flag, *wakes; /* raised when this side, or the other, sleeps */
    uint32_t need;         /* granules, to send */
    int sending;
    int spun; /* it has looked for a while already */
};

/* Begins a call: this process holds the end from now on. 0; -EBADF, -EMFILE.
 * Before, the end's peer may not be there any more. */
int mp__pipe_begin(struct mp__pipe_use *ret_use, struct mp__pipe_end *end,
                   int sending);

/* Takes the side's mutex, having seen to it, if this is to send, that somebody
 * holds the other end. 0, or an error and the mutex is not held: -EBADF,
 * -EPIPE, -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__pipe_lock(const struct mp__pipe_use *use, mp_time deadline);

/* Ends a call that was begun, with no mutex held; the end may be no more after
 * it. Returns `r`; if that says that nothing was there to be received, this
 * process's descriptor is armed before. */
ssize_t mp__pipe_exit(const struct mp__pipe_use *use, ssize_t r);

/* The mutex is held: waits until the other side's position differs from `seen`,
 * or something else is worth a look. 0, or an error and the mutex is not held:
 * also -EPIPE. */
int mp__pipe_wait(const struct mp__pipe_use *use, uint64_t seen,
                  mp_time deadline);

/* Inside: has seen the other side at `now`, further than side->other. Where it
 * is, if need be after some pauses. */
static inline uint64_t
mp__pipe_gather(struct mp__pipe_side *side, mp__a64 *word, uint64_t now)
{
    return mp__patience_gather(&side->patience, word, side->other, now, 0);
}

/* Wakes the other side, and pollers. To be called before the commit that they
 * wait for, with the mutex held. */
MP__COLD void mp__pipe_wake_slow(const struct mp__pipe_use *use);
static inline void
mp__pipe_wake(const struct mp__pipe_use *use)
{
    /* seq_cst, after the mutex was taken: either this sees the sleeper's flag,
     * or the sleeper sees the mutex held and does not trust its flag. */
    if (MP__UNLIKELY(mp__load(use->wakes)))
        mp__pipe_wake_slow(use);
}

/* ---- send.c, receive.c ---- */

ssize_t mp__pipe_next_size(mp_conn *conn, mp_time deadline);
int mp__pipe_poll(mp_conn *conn, mp_time deadline);
int mp__pipe_recv_look(mp_conn *conn, mp__conn_look_fn *look, void *arg,
                       mp_time deadline);

/* A record of another kind; size <= MP__PIPE_INLINE. As send. */
int mp__pipe_send_kind(struct mp__pipe_end *end, enum mp__pipe_kind kind,
                       const void *data, size_t size, mp_time deadline);
/* As recv_look, for records of one kind (MESSAGE: also by reference). -ENOMSG:
 * the next one is of another, and stays. */
int mp__pipe_take(struct mp__pipe_end *end, enum mp__pipe_kind kind,
                  mp__conn_look_fn *look, void *arg, mp_time deadline);

/* ---- descriptor.c ---- */

int mp__pipe_send_fd(mp_conn *conn, int fd, mp_time deadline);
int mp__pipe_recv_fd(mp_conn *conn, mp_time deadline);
/* Closes the duplicates of descriptors that receivers have taken. */
void mp__pipe_release_kept(void);
