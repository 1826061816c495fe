/* SPDX-License-Identifier: MIT */
/* A barrier: a number of parties wait until all of them have come. Python's
 * Barrier. It can be used again as soon as all are released.
 *
 * Process death. When a party that waits is killed, at any instruction, the
 * barrier breaks at once: the others get -ECANCELED. A thread that has not
 * come yet is not known to the barrier, unless it has registered: then its
 * death breaks the barrier as well. Who sleeps is told within 10 ms, who comes
 * later at once.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * A handle that is not a live barrier gives -EBADF.
 *
 * At a barrier of another family (manager.h) the action runs here, if the caller
 * comes last, and its deadline holds whatever happens: who gives up waiting
 * breaks the barrier. */
#ifndef MPROC_BARRIER_H
#define MPROC_BARRIER_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_barrier mp_barrier;

/* The most parties a barrier can have. */
#define MP_BARRIER_MAX 4096

typedef struct mp_barrier_attr {
    uint32_t size;    /* set by MP_BARRIER_ATTR */
    uint32_t flags;   /* none yet: 0 */
    const char *name; /* for mp_describe(); copied, up to 31 bytes of it */
} mp_barrier_attr;

/* MP_BARRIER_ATTR(.name = "round"): attributes for this call. */
#define MP_BARRIER_ATTR(...) MP__ATTR(mp_barrier_attr, __VA_ARGS__)

/* Makes a barrier for `parties` threads, 1 to MP_BARRIER_MAX. Errors: -EINVAL,
 * -E2BIG (a field this library does not know), -ENOMEM. */
MP_API int mp_barrier_create(mp_barrier **ret_barrier, uint32_t parties,
                             const mp_barrier_attr *attr);

/* Gives the barrier's memory back. NULL is allowed. Waits for those who have
 * been released and are just leaving. -EBUSY: a living thread waits in it. */
MP_API int mp_barrier_destroy(mp_barrier *barrier);

/* Waits until as many threads as there are parties have come. Returns a
 * number from 0 to parties - 1, another one for each of them (in no special
 * order: a thread tends to get the same again). Who comes on top of them
 * waits for the next round.
 *
 * -ECANCELED: the barrier is broken, or was reset meanwhile. -ETIMEDOUT: the
 * deadline passed, and that has broken the barrier. -EAGAIN: the deadline is
 * MP_NOW, and others have to come yet; nothing has changed. -EINTR: a signal
 * handler ran; the calling thread counts as not come. */
MP_API int mp_barrier_wait(mp_barrier *barrier, mp_time deadline);

/* As mp_barrier_wait(); the party that comes last calls action(arg) before
 * any is released. If that returns a negative value, or its process dies in
 * it, the barrier breaks; the caller gets that value. While the action runs,
 * deadlines and signals do not matter to those who have come. */
MP_API int mp_barrier_wait_with(mp_barrier *barrier,
                                int (*action)(void *arg), void *arg,
                                mp_time deadline);

/* Breaks the barrier: who waits, and who comes, gets -ECANCELED, until it is
 * reset. */
MP_API int mp_barrier_abort(mp_barrier *barrier);

/* Makes the barrier empty and whole. Those who wait get -ECANCELED. Dead
 * threads are registered no more. */
MP_API int mp_barrier_reset(mp_barrier *barrier);

/* The calling thread is one of the parties, whether it waits at the moment or
 * not: its death breaks the barrier, and so does its end, unless it has
 * unregistered. -EOVERFLOW: as many as there are parties have registered.
 * Registering twice, and unregistering without, are allowed. */
MP_API int mp_barrier_register(mp_barrier *barrier);
MP_API int mp_barrier_unregister(mp_barrier *barrier);

/* How many there must be; how many have come and wait; whether (1 or 0) the
 * barrier is broken. They never wait. */
MP_API int mp_barrier_parties(mp_barrier *barrier);
MP_API int mp_barrier_n_waiting(mp_barrier *barrier);
MP_API int mp_barrier_broken(mp_barrier *barrier);

MP__END

#endif
