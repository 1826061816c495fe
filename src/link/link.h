/* SPDX-License-Identifier: MIT */
/* A process's connection to a manager: see link.c. */
#pragma once

#include "base/atomic.h"
#include "bell/patience.h"
#include "codec/format.h"
#include "link/ask.h"
#include "link/wire.h"
#include "socket/socket.h"

#include <pthread.h>

#define MP__LINK_HEAD     192u /* bytes of a request before its args, at most */
#define MP__LINK_SMALL    512u /* bytes of args, or of an answer: no malloc() */
#define MP__LINK_BUCKETS  64u
#define MP__LINK_RECEIVED 256u
#define MP__LINK_TEXT     256u /* bytes of an error's text */

/* A request as it goes out. What is to be sent is written in front of its args,
 * when its serial is known. */
struct mp__message {
    unsigned char *args; /* behind MP__LINK_HEAD bytes of room */
    size_t args_size;
    unsigned char *own; /* to be freed; NULL: it is in `small` */
    unsigned char small[MP__LINK_HEAD + MP__LINK_SMALL];
};

/* An answer; what it points to is in `own`, or in `small`. */
struct mp__reply {
    struct mp__answer answer;
    unsigned char *own;
    unsigned char small[MP__LINK_SMALL];
};

/* A thread that waits for answers. */
struct mp__waiter {
    struct mp__waiter *next, **at; /* among those who sleep; at NULL: not */
    mp__a32 word;                  /* goes up when there are news for it */
    unsigned left;                 /* answers to come */
    int patient;                   /* signals do not end its wait */
    int error;                     /* the first of a batch; 0: none */
    char text[MP__LINK_TEXT];      /* ... its text */
};

/* A request that has no answer yet. All in the memory of who waits, or, if
 * nobody does any more, in that of the link. */
struct mp__pending {
    struct mp__pending *before, *after; /* by serial */
    struct mp__pending *chain;          /* in a bucket */
    uint64_t serial;
    const unsigned char *data; /* a frame */
    size_t size;
    const unsigned char *family; /* of the object; NULL: of any */
    struct mp__waiter *waiter;   /* NULL: it is freed with its answer */
    struct mp__reply *reply;     /* NULL: only errors are of interest */
    int sent;                    /* in this session: it may be executed */
    int answered;                /* but not confirmed */
    int entered;                 /* it is in line */
};

/* Bytes on their way into the socket: [from, to). */
struct mp__bytes {
    unsigned char *data;
    size_t from, to, room;
};

struct mp__manager_link {
    struct mp__manager_link *next; /* in the table: link.c */
    mp_manager *manager;
    uint64_t number; /* of the manager */
    mp__a32 uses;    /* by whom it is not freed meanwhile */
    int kick;        /* a signal: the leader is to look again */

    pthread_mutex_t lock; /* guards all below; nobody waits with it */
    int closed;
    int broken;    /* the connection is of no more use; the leader drops it */
    int nonsense;  /* ... since the server does not keep to the protocol */
    mp_conn *conn; /* NULL: none */
    struct mp__socket *socket; /* of the connection; NULL: it is a pipe */

    struct mp__bytes drain, fill; /* being written; to be written after it */
    int writing;                  /* somebody is, without the lock */
    int full;                     /* the socket: the leader waits for room */
    short wants;                  /* ... in this direction */

    uint64_t serial; /* the last one given */
    uint64_t told;   /* when the server was told last what has arrived */
    struct mp__pending *first, *last;
    struct mp__pending *bucket[MP__LINK_BUCKETS];
    uint64_t received[MP__LINK_RECEIVED]; /* confirmed last: a ring */
    unsigned n_received;

    struct mp__waiter *leader;   /* who reads, and connects; NULL: nobody */
    int asleep;                  /* it is to be called by `kick` */
    struct mp__looks looks;      /* before it sleeps */
    struct mp__waiter *sleepers; /* the others */

    int met; /* `welcome` is that of the last connection */
    struct mp__welcome welcome;
    mp_time down_since; /* 0: it is not */
    unsigned tries;
};

/* What a call is made on. */
struct mp__target {
    enum mp__slab slab;
    uint64_t object;             /* its address at home; 0: none */
    const unsigned char *family; /* whose object it is; NULL: any */
};

/* ---- The table: link.c ---- */

/* This process's link, made if need be, to be given back by mp__link_put().
 * NULL: -ENOMEM. */
struct mp__manager_link *mp__link_get(mp_manager *manager,
                                      const char *function, int *ret_error);
void mp__link_put(struct mp__manager_link *link);
/* The number of the calling thread, no other one's of this process. */
uint32_t mp__link_thread(void);

/* ---- With the lock held, from here on ---- */

/* Requests without an answer: line.c */
void mp__pending_enter(struct mp__manager_link *link,
                       struct mp__pending *pending);
void mp__pending_leave(struct mp__manager_link *link,
                       struct mp__pending *pending);
struct mp__pending *mp__pending_find(struct mp__manager_link *link,
                                     uint64_t serial);
/* Its caller waits no more: the server is told, and the link waits for the
 * answer instead. */
void mp__pending_abandon(struct mp__manager_link *link,
                         struct mp__pending *pending);
/* Something that the server is to be told, and nobody waits for: a request of
 * the serial `of` (0: of its own). */
void mp__pending_tell(struct mp__manager_link *link, const char *op,
                      uint64_t of, uint32_t thread);
/* What was taken has arrived: the server may let go of it. */
void mp__link_confirm(struct mp__manager_link *link, uint64_t serial);
/* It fails, by itself; or all that were sent, or were not. */
void mp__pending_fail(struct mp__manager_link *link,
                      struct mp__pending *pending, int code, const char *text);
void mp__pending_fail_all(struct mp__manager_link *link, int sent, int code,
                          const char *text);
/* The answer has come, which is part of a message at `data`. Who is to be
 * woken. */
mp__a32 *mp__pending_answer(struct mp__manager_link *link,
                            struct mp__pending *pending,
                            const struct mp__answer *answer, const void *data,
                            size_t size);

/* Writes what comes before the args: it is a frame then. */
void mp__message_seal(struct mp__manager_link *link,
                      struct mp__message *message, struct mp__request *request,
                      struct mp__pending *ret_pending);

/* Sending: send.c. Never waits: what does not fit goes later. Whole
 * frames; the lock may be given up meanwhile. 0: the connection is broken, and
 * nothing of it can have arrived. */
int mp__link_send(struct mp__manager_link *link, const void *data,
                  size_t size);
/* A copy of it: who owns the bytes may give them up meanwhile. */
void mp__link_post(struct mp__manager_link *link, const void *data,
                   size_t size);
/* To be flushed. 0; -ENOMEM. */
int mp__link_append(struct mp__manager_link *link, const void *data,
                    size_t size);
/* As far as there is room. */
void mp__link_flush(struct mp__manager_link *link);
/* To be closed without a word: a server that is told of the end takes it for
 * that of the process. */
void mp__link_abort(struct mp__socket *socket);
/* Drops the connection, and what was on its way into it. */
void mp__link_drop(struct mp__manager_link *link);
/* How many bytes wait for room in the socket. */
size_t mp__link_backlog(const struct mp__manager_link *link);

/* Waiting: wait.c. Until `enough` answers or fewer are to come. 0;
 * -ETIMEDOUT, -EINTR; -EBADF: the link was closed. */
int mp__link_wait(struct mp__manager_link *link, struct mp__waiter *waiter,
                  unsigned enough, mp_time deadline);
/* There are news for it: the word at which it is to be woken; NULL: it does not
 * sleep. To wake it needs no lock, and it may have gone. */
mp__a32 *mp__waiter_call(struct mp__waiter *waiter);
void mp__waiter_wake(mp__a32 *word);
/* An error of a batch; one answer less is to come. */
void mp__waiter_fail(struct mp__waiter *waiter, int code, const char *text,
                     size_t size);

/* Connecting: connect.c, by the leader, with the lock given up meanwhile.
 * 0: it is connected, or all who wait have failed; below 0: the leader's own
 * -ETIMEDOUT, -EINTR. */
int mp__link_restore(struct mp__manager_link *link, struct mp__waiter *leader,
                     mp_time deadline);
/* The first connection: 0, or why not. */
int mp__link_meet(struct mp__manager_link *link, mp_time deadline);

/* ---- Calls: call.c ---- */

ssize_t mp__link_call(mp_manager *manager, const struct mp__target *target,
                      const char *function, mp_time deadline,
                      const char *format, va_list args);

/* Whether something comes back that the caller cannot do without: behind a '>',
 * or the result itself, which a '?' at the end says. */
int mp__call_is_wanted(const char *format);

/* Writes the args, by the part of the format before '>'. mp__message_end() must
 * follow. */
int mp__message_write(struct mp__message *message, const char *function,
                      const char *format, struct mp__arguments *args);
void mp__message_end(struct mp__message *message);
/* 0; -EMSGSIZE. */
int mp__message_check(const struct mp__manager_link *link,
                      const struct mp__message *message, const char *function);

/* All but the serial. */
void mp__request_fill(struct mp__request *request,
                      const struct mp__target *target, const char *function,
                      mp_time deadline);

/* With the lock held. 0; -EBADF: the link, or the object's family, is no
 * more. */
int mp__link_check(const struct mp__manager_link *link,
                   const struct mp__target *target, const char *function);

/* For calls that have no deadline of their own: ns. */
static inline mp_time
mp__call_timeout(const mp_manager *manager)
{
    double seconds = manager->terms->call_timeout;

    return (mp_time)((seconds > 0 && seconds < 1e9 ? seconds : 30) * 1e9);
}
