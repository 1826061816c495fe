/* SPDX-License-Identifier: MIT */
/* A queue of messages (bytes) between any number of producers and consumers,
 * threads and processes of one family.
 *
 * One total order: messages come out in the order in which their puts
 * completed, unless another `order` was asked for. A message is in the queue
 * when mp_queue_put() returns, is seen by every later get, and outlives its
 * producer. The handle is valid in every process of the family and may itself
 * be sent in a message.
 *
 * Process death. A process may be killed at any instruction of any function
 * here. The others go on: the message of a dead producer is in the queue
 * whole or not at all; a dead consumer has taken a message whole or not at
 * all; nothing is seen twice; nobody is left asleep. A message that a
 * consumer has taken is gone with it, unless the queue redelivers.
 *
 * The handle may come from mp_manager_lookup(), for a queue of another program
 * or machine (manager.h). A message that is on its way to such a client is the
 * first of the queue again if the client ends before it has arrived, or does not
 * want it (-EMSGSIZE, another format). mp_queue_task_done() is for tasks that
 * the calling thread has got itself. What is about memory (mp_queue_reserve(),
 * mp_queue_take(), mp_queue_fd(), ...) is -EREMOTE there.
 *
 * All functions are thread-safe and none may be called in a signal handler.
 * Without contention none makes a system call. A handle that is not a live
 * queue gives -EBADF. */
#ifndef MPROC_QUEUE_H
#define MPROC_QUEUE_H

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/item.h>

MP__BEGIN

typedef struct mp_queue mp_queue;

/* In which order messages come out. */
enum {
    MP_QUEUE_FIFO = 0,     /* the oldest first */
    MP_QUEUE_LIFO = 1,     /* the latest first */
    MP_QUEUE_PRIORITY = 2, /* the lowest priority number first, the oldest
                              first among equals */
};

typedef struct mp_queue_attr {
    uint32_t size;    /* set by MP_QUEUE_ATTR */
    uint32_t flags;   /* none yet: 0 */
    uint64_t maxsize; /* items; 0: no limit (at most 2^31 - 1) */
    uint64_t max_bytes; /* bytes of messages held; 0: no limit but memory */
    uint32_t order;     /* MP_QUEUE_FIFO, _LIFO, _PRIORITY */
    uint32_t joinable;  /* 1: mp_queue_task_done() and mp_queue_join() */
    uint32_t redeliver; /* 1: joinable, and a message that a consumer (a
                           thread) had taken and not done when it died goes
                           back into the queue, before all that came later,
                           even if the queue is full */
    uint32_t max_attempts; /* how often a message is taken at the most, if
                              `redeliver`; 0: no limit */
    mp_queue *dead_letters; /* gets what was taken max_attempts times, beyond
                               its limits; it must outlive this queue. NULL, or
                               it is closed: such a message is lost, and
                               mp_queue_join() tells */
} mp_queue_attr;

/* MP_QUEUE_ATTR(.maxsize = 100): attributes for this call. */
#define MP_QUEUE_ATTR(...) MP__ATTR(mp_queue_attr, __VA_ARGS__)

/* Makes an empty queue. Errors: -EINVAL, -E2BIG (a field this library does
 * not know), -EBADF (dead_letters is no queue), -ENOMEM. */
MP_API int mp_queue_create(mp_queue **ret_queue, const mp_queue_attr *attr);

/* Gives the queue's memory back with all messages in it, taken ones too. NULL
 * is allowed; a queue that is destroyed already gives -EBADF. -EBUSY: somebody
 * is inside another call on this queue, waiting in it for one; nobody may
 * be. */
MP_API int mp_queue_destroy(mp_queue *queue);

/* ---- Putting and getting ---- */

/* Copies `size` bytes into the queue, waiting until `deadline` while it is
 * full. `data` may be NULL when `size` is 0; such a message takes no bytes of
 * max_bytes. In a queue by priority the message has priority 0. On any error
 * nothing was put.
 *
 * -EAGAIN, -ETIMEDOUT: full. -EINTR: a signal handler ran. -ESHUTDOWN: the
 * queue is closed. -EMSGSIZE: larger than max_bytes. -ENOMEM: no memory for
 * the copy. */
MP_API int mp_queue_put(mp_queue *queue, const void *data, size_t size,
                        mp_time deadline);

/* The same with a priority; the lowest comes out first. -EINVAL: the queue's
 * order is not MP_QUEUE_PRIORITY. */
MP_API int mp_queue_put_priority(mp_queue *queue, const void *data,
                                 size_t size, int64_t priority,
                                 mp_time deadline);

/* Takes the first message into `buf`, waiting until `deadline` while there
 * is none, and returns its size in bytes.
 *
 * -EMSGSIZE: the message is larger than `cap` (mp_last_error() tells by how
 * much; mp_queue_next_size() too); it stays the first. -EAGAIN, -ETIMEDOUT:
 * empty. -EINTR: a signal handler ran. -ESHUTDOWN: closed and empty; in a
 * queue that redelivers not before what other threads have taken is done,
 * unless they wait here themselves. */
MP_API ssize_t mp_queue_get(mp_queue *queue, void *buf, size_t cap,
                            mp_time deadline);

/* The size in bytes of the first message, waiting for one as
 * mp_queue_get() does; with other consumers about it may be gone by the
 * time of the next call. Errors as mp_queue_get(). */
MP_API ssize_t mp_queue_next_size(mp_queue *queue, mp_time deadline);

/* Puts `n` messages of `size` bytes each that lie one behind the other at
 * `items`, many at a time: in portions, each of which becomes visible at once,
 * with no other message in it (messages above 8 KiB one by one). Waits until
 * `deadline` for room for the rest. Returns how many were put, from the
 * front: all `n`, or fewer if the time was over, a signal handler ran, or the
 * queue was closed; an error (as mp_queue_put()) only if it was none. 0 if `n`
 * is 0. */
MP_API ssize_t mp_queue_put_many(mp_queue *queue, const void *items,
                                 size_t size, size_t n, mp_time deadline);

/* Takes up to `n` messages, as many as there are; waits until `deadline` while
 * there is none. Message i goes to buf + i * size; `ret_sizes`, unless NULL,
 * gets its size in bytes. Returns how many were taken; a message larger than
 * `size` ends the batch before it, and is -EMSGSIZE if it is the first. Other
 * errors as mp_queue_get(). 0 if `n` is 0. */
MP_API ssize_t mp_queue_get_many(mp_queue *queue, void *buf, size_t size,
                                 size_t n, size_t *ret_sizes,
                                 mp_time deadline);

/* ---- Values ---- */

/* One value, in the letters of mp_any_build(); waits as long as it takes. Errors
 * are those of mp_any_build() and mp_queue_put(). */
MP_API int mp_queue_putf(mp_queue *queue, const char *format, ...);

/* The first message, taken apart in the letters of mp_any_parse(); waits as long
 * as it takes. What s, S, y and v give are copies, to be freed by free() (v:
 * mp_any_free()). A message that is no value (-EPROTO), or not one of that
 * format (-EINVAL, -ERANGE, -EMSGSIZE; mp_last_error() tells where), stays the
 * first, and nothing is to be freed. Others as mp_queue_get(). */
MP_API int mp_queue_getf(mp_queue *queue, const char *format, ...);

/* The same with a deadline, and with the arguments of another function. */
MP_API int mp_queue_vputf(mp_queue *queue, mp_time deadline,
                          const char *format, va_list args);
MP_API int mp_queue_vgetf(mp_queue *queue, mp_time deadline,
                          const char *format, va_list args);

/* A value as it is; MP_LIST(42, MP_NIL, "Hello"). -EPROTO: it is none. */
MP_API int mp_queue_put_any(mp_queue *queue, mp_any any, mp_time deadline);
MP_API int mp_queue_put_item(mp_queue *queue, mp_item item, mp_time deadline);

/* The first message as a value, checked: a copy, for mp_any_free(). -EPROTO: it
 * is none, and stays the first. Others as mp_queue_get(). */
MP_API int mp_queue_get_any(mp_queue *queue, mp_any *ret_any,
                            mp_time deadline);

/* ---- Without copying ---- */

/* Gives memory for a message of `size` bytes, to be filled in place and then
 * put by mp_queue_commit(). It is not zeroed, and aligned like that of
 * mp_alloc(). Waits until `deadline` while the queue is full. Errors as
 * mp_queue_put(). If the thread ends or is killed before the commit, nothing
 * was put and the memory is given back. A thread may have many
 * reservations. */
MP_API int mp_queue_reserve(mp_queue *queue, size_t size, void **ret_data,
                            mp_time deadline);

/* Puts the message at `data`, from mp_queue_reserve() of this process; `data`
 * must not be touched any more. The limits do not hold it up: several
 * reservations at once can take a queue beyond them by as many messages.
 * -EINVAL: no such reservation, or, with a priority, the queue is not by priority; the
 * reservation stays then. -ESHUTDOWN: the queue was closed meanwhile;
 * the reservation is gone. -ENOMEM: it stays; commit again, or cancel. */
MP_API int mp_queue_commit(mp_queue *queue, void *data);
MP_API int mp_queue_commit_priority(mp_queue *queue, void *data,
                                    int64_t priority);

/* Gives a reservation back instead. -EINVAL: no such reservation. */
MP_API int mp_queue_cancel(mp_queue *queue, void *data);

/* A message that was taken out and lies where the queue had it. */
typedef struct mp_message {
    void *data; /* aligned to 16 bytes at least */
    size_t size;
    int64_t priority; /* 0 unless the queue is by priority */
    uint32_t attempt; /* how often it was taken, this time included: more than
                         1 if consumers died over it */
    uint32_t reserved;
    uint64_t handle[2]; /* the library's */
} mp_message;

/* Takes the first message without copying it, if it is large: `data` is valid,
 * in every process of the family, until mp_message_done(). Waits and errors as
 * mp_queue_get(); -ENOMEM. If the thread that took it ends or is killed first,
 * the memory is given back; a queue that redelivers gives the message to
 * another consumer. */
MP_API int mp_queue_take(mp_queue *queue, mp_message *ret_message,
                         mp_time deadline);

/* The message is not needed any more: its memory is given back, and in a
 * joinable queue it is done. To be called once, by any thread of the process
 * that took it; `message` is emptied. -EINVAL: it is not, or no more, taken
 * from this queue by this process. */
MP_API int mp_message_done(mp_queue *queue, mp_message *message);

/* ---- Tasks ---- */

/* A task that this thread has got from the joinable queue is done: the one
 * that it got first, of those that are not done yet. If it has none, one of
 * another thread of this process. -EOVERFLOW: this process has none (it was
 * called too often). -EINVAL: the queue is not joinable. */
MP_API int mp_queue_task_done(mp_queue *queue);

/* Waits until every message that was put is done. 0; -EAGAIN, -ETIMEDOUT,
 * -EINTR; -EINVAL: the queue is not joinable. -ESRCH: all others are done, but
 * some are lost since the last time that somebody was told: their consumer
 * died, and the queue does not redeliver or they had max_attempts
 * (mp_last_error() tells how many, and who died last if it was that). */
MP_API int mp_queue_join(mp_queue *queue, mp_time deadline);

/* How many messages were put and are not done: those in the queue and those
 * taken. In a queue that is not joinable those in the queue. Never waits. */
MP_API size_t mp_queue_unfinished(mp_queue *queue);

/* ---- State ---- */

/* The number of messages, exact at one moment during the call. A handle
 * that is not a queue counts as 0. Never waits. */
MP_API size_t mp_queue_size(mp_queue *queue);

/* 1 or 0: whether the queue holds no message; whether a put would have to
 * wait for the limits. Exact at one moment during the call; never wait. */
MP_API int mp_queue_empty(mp_queue *queue);
MP_API int mp_queue_full(mp_queue *queue);

/* A file descriptor for poll(), select() or epoll, of this process, which is
 * readable when a get may succeed (or the queue is closed): then get with
 * MP_NOW until -EAGAIN, which makes it unreadable until the next message. It
 * may be readable for no reason. It belongs to the library: do not read, write
 * or close it; it is the same at each call, and closed by mp_queue_destroy()
 * in this process, or by the end of the process. Costs a producer nothing
 * while nobody sleeps in poll(). What comes back from a dead consumer makes it
 * readable once somebody in the family has noticed the death. -EMFILE,
 * -ENFILE; -ENOMEM, also if 64 processes have one of this queue. */
MP_API int mp_queue_fd(mp_queue *queue);

/* No message may be put any more, by anybody: waiting and later puts return
 * -ESHUTDOWN, gets return what is left and then -ESHUTDOWN. Closing again is
 * allowed. Should the closing process be killed in here, sleepers may take up
 * to a second to notice. */
MP_API int mp_queue_close(mp_queue *queue);

MP__END

#endif
