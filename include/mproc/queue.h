/* SPDX-License-Identifier: MIT */
/* A queue of messages (bytes) between any number of producers and consumers,
 * threads and processes of one family.
 *
 * One total order: messages come out in the order in which their puts
 * completed. A message is in the queue when mp_queue_put() returns, is seen
 * by every later get, and outlives its producer. The handle is valid in
 * every process of the family and may itself be sent in a message.
 *
 * Process death. A process may be killed at any instruction of any function
 * here. The others go on: the message of a dead producer is in the queue
 * whole or not at all; a dead consumer has taken a message whole or not at
 * all; nothing is seen twice; nobody is left asleep. A message that a
 * consumer has taken is gone with it.
 *
 * All functions are thread-safe and none may be called in a signal handler.
 * Without contention none makes a system call. A handle that is not a live
 * queue gives -EBADF. */
#ifndef MPROC_QUEUE_H
#define MPROC_QUEUE_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_queue mp_queue;

typedef struct mp_queue_attr {
    uint32_t size;    /* set by MP_QUEUE_ATTR */
    uint32_t flags;   /* none yet: 0 */
    uint64_t maxsize; /* items; 0: no limit (at most 2^31 - 1) */
    uint64_t max_bytes; /* bytes of messages held; 0: no limit but memory */
} mp_queue_attr;

/* MP_QUEUE_ATTR(.maxsize = 100): attributes for this call. */
#define MP_QUEUE_ATTR(...) MP__ATTR(mp_queue_attr, __VA_ARGS__)

/* Makes an empty queue. Errors: -EINVAL, -E2BIG (a field this library does
 * not know), -ENOMEM. */
MP_API int mp_queue_create(mp_queue **ret_queue, const mp_queue_attr *attr);

/* Gives the queue's memory back with all messages in it. NULL is allowed;
 * a queue that is destroyed already gives -EBADF. -EBUSY: somebody is inside
 * another call on this queue, waiting in it for one; nobody may be. */
MP_API int mp_queue_destroy(mp_queue *queue);

/* Copies `size` bytes into the queue, waiting until `deadline` while it is
 * full. `data` may be NULL when `size` is 0; such a message takes no bytes of
 * max_bytes. On any error nothing was put.
 *
 * -EAGAIN, -ETIMEDOUT: full. -EINTR: a signal handler ran. -ESHUTDOWN: the
 * queue is closed. -EMSGSIZE: larger than max_bytes. -ENOMEM: no memory for
 * the copy. */
MP_API int mp_queue_put(mp_queue *queue, const void *data, size_t size,
                        mp_time deadline);

/* Takes the oldest message into `buf`, waiting until `deadline` while there
 * is none, and returns its size in bytes.
 *
 * -EMSGSIZE: the message is larger than `cap` (mp_last_error() tells by how
 * much; mp_queue_next_size() too); it stays the first. -EAGAIN, -ETIMEDOUT:
 * empty. -EINTR: a signal handler ran. -ESHUTDOWN: closed and empty. */
MP_API ssize_t mp_queue_get(mp_queue *queue, void *buf, size_t cap,
                            mp_time deadline);

/* The size in bytes of the oldest message, waiting for one as
 * mp_queue_get() does; with other consumers about it may be gone by the
 * time of the next call. Errors as mp_queue_get(). */
MP_API ssize_t mp_queue_next_size(mp_queue *queue, mp_time deadline);

/* The number of messages, exact at one moment during the call. A handle
 * that is not a queue counts as 0. Never waits. */
MP_API size_t mp_queue_size(mp_queue *queue);

/* 1 or 0: whether the queue holds no message; whether a put would have to
 * wait for the limits. Exact at one moment during the call; never wait. */
MP_API int mp_queue_empty(mp_queue *queue);
MP_API int mp_queue_full(mp_queue *queue);

/* No message may be put any more, by anybody: waiting and later puts return
 * -ESHUTDOWN, gets return what is left and then -ESHUTDOWN. Closing again is
 * allowed. Should the closing process be killed in here, sleepers may take up
 * to a second to notice. */
MP_API int mp_queue_close(mp_queue *queue);

MP__END

#endif
