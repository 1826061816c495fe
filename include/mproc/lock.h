/* SPDX-License-Identifier: MIT */
/* Locks between the processes, and the threads, of one family: Python's Lock
 * and RLock.
 *
 * Who holds a lock is a thread of a process; that is whom "owner" means here.
 * The handle is valid in every process of the family, and may be sent in a
 * message, kept in a struct of the region, or passed as an argument.
 *
 * Process death. When the owner dies (the thread ends, in whatever way; the
 * process is killed, at any instruction; or executes another program), the
 * next acquire gets the lock and returns -EOWNERDEAD: the lock is held by the
 * caller, who should look at what it guards, and release it as usual. Who
 * sleeps already is told within 10 ms (within a second, if the one whom the
 * kernel told first is killed as well, and slept for another object), who
 * comes later at once. A thread that is killed while it waits leaves nothing
 * behind.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * Without contention none makes a system call. Locks are not fair: who comes
 * just in time overtakes those who sleep. A handle that is not a live lock of
 * that kind gives -EBADF.
 *
 * A lock of another family (manager.h): the owner is the calling thread, whose
 * death is told as above, here and there. What mp_lock_owner() and
 * mp_lock_waiters() name in its place is the manager's server. */
#ifndef MPROC_LOCK_H
#define MPROC_LOCK_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_lock mp_lock;
typedef struct mp_rlock mp_rlock;

/* The lock is a token that is passed on: one process acquires, another
 * releases. The death of whoever acquired it is not noticed. */
#define MP_LOCK_HANDOVER 1u

typedef struct mp_lock_attr {
    uint32_t size;    /* set by MP_LOCK_ATTR */
    uint32_t flags;   /* MP_LOCK_HANDOVER; an RLock knows none */
    const char *name; /* for mp_describe(); copied, up to 31 bytes of it */
} mp_lock_attr;

/* MP_LOCK_ATTR(.name = "tickets"): attributes for this call. */
#define MP_LOCK_ATTR(...) MP__ATTR(mp_lock_attr, __VA_ARGS__)

/* ---- Lock ---- */

/* Makes a lock that is free. Errors: -EINVAL, -E2BIG (a field this library
 * does not know), -ENOMEM. */
MP_API int mp_lock_create(mp_lock **ret_lock, const mp_lock_attr *attr);

/* Gives the lock's memory back. NULL is allowed. -EBUSY: a living thread
 * holds it or waits for it. */
MP_API int mp_lock_destroy(mp_lock *lock);

/* Acquires the lock, waiting until `deadline` while another thread, or the
 * calling one, holds it.
 *
 * 0: acquired. -EOWNERDEAD: acquired too, from an owner who died holding it;
 * what it guards may be half done. -EAGAIN (the deadline is MP_NOW: never
 * sleeps), -ETIMEDOUT, -EINTR (a signal handler ran): not acquired. */
MP_API int mp_lock_acquire(mp_lock *lock, mp_time deadline);

/* Releases the lock. Any thread of any process may, as in Python. But when
 * one does that is not the owner, nobody can tell any more a lock that was
 * abandoned from one that was handed over: from then on the lock counts as
 * made with MP_LOCK_HANDOVER (see mp_lock_is_robust()).
 *
 * -EOVERFLOW: it is not held; nothing is changed. */
MP_API int mp_lock_release(mp_lock *lock);

/* 1: somebody, dead or alive, holds it; 0: it is free. Never waits. */
MP_API int mp_lock_locked(mp_lock *lock);

/* 1: the death of its owner is reported; 0: it has been handed over. */
MP_API int mp_lock_is_robust(mp_lock *lock);

/* The pid of the process whose thread holds the lock; 0: it is free.
 * -EOWNERDEAD: its owner is dead and nobody has taken it since. */
MP_API pid_t mp_lock_owner(mp_lock *lock);

/* How many threads sleep until they can have it, at about this moment. The
 * pids of their processes go to `pids`, as many as there is room for, at most
 * 256; `pids` may be NULL if `n` is 0. */
MP_API int mp_lock_waiters(mp_lock *lock, pid_t *pids, size_t n);

/* ---- RLock: the owner may acquire it again ---- */

/* As their counterparts above, and: mp_rlock_acquire() by the owner counts
 * one more and returns 0 (-EOVERFLOW: 2^32 - 1 times already); the lock is
 * free when it has been released as often. After -EOWNERDEAD it is held
 * once. mp_rlock_release(): -EPERM if the caller is not the owner. After a
 * fork the child's thread is another than the parent's: it does not own the
 * parent's locks. */
MP_API int mp_rlock_create(mp_rlock **ret_lock, const mp_lock_attr *attr);
MP_API int mp_rlock_destroy(mp_rlock *lock);
MP_API int mp_rlock_acquire(mp_rlock *lock, mp_time deadline);
MP_API int mp_rlock_release(mp_rlock *lock);
MP_API int mp_rlock_locked(mp_rlock *lock);
MP_API pid_t mp_rlock_owner(mp_rlock *lock);
MP_API int mp_rlock_waiters(mp_rlock *lock, pid_t *pids, size_t n);

MP__END

#endif
