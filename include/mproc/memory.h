/* SPDX-License-Identifier: MIT */
/* Memory that all processes of the family share.
 *
 * The family is the process that first used mproc and all that it started,
 * directly or through others. Memory from here lies at the same address in
 * each of them, so it may hold pointers to itself, and such a pointer may be
 * put into any message. It lives until it is freed, by whichever process, or
 * until the last process of the family ends: the death of the process that
 * allocated it does not free it.
 *
 * All functions are thread-safe and may be called by any process of the
 * family. None may be called in a signal handler or between vfork and exec.
 * A process killed inside one of them leaves the heap whole; at the most the
 * block it had in hand is lost. */
#ifndef MPROC_MEMORY_H
#define MPROC_MEMORY_H

#include <mproc/base.h>

MP__BEGIN

/* Gives `size` bytes of zeroed memory of the family, aligned to 64 bytes if
 * `size` is a multiple of 64 or above 256, else to 16. The caller frees it by
 * mp_free(). Size 0 gives a block that may only be freed. Memory is committed
 * before it is handed out: where the machine has no more, or the family's
 * address space is used up, the result is NULL (mp_last_error() tells which)
 * and never a bus error later on. */
MP_API void *mp_alloc(size_t size);

/* Changes the size of a block, moving it if need be; bytes beyond the old
 * size are zero. `p` NULL is mp_alloc(size). On failure NULL is returned
 * and the old block is as it was. `size` 0 is as in mp_alloc(). Other
 * processes that hold the old address must not use it any more. */
MP_API void *mp_realloc(void *p, size_t size);

/* Gives a block back. NULL is allowed. Returns 0, or -EBADF if `p` is not
 * the start of a live block of this family's heap (freed already, foreign,
 * misaligned): then nothing has happened. */
MP_API int mp_free(void *p);

/* 1 if all of [p, p + size) lies in this family's region, else 0. */
MP_API int mp_memory_contains(const void *p, size_t size);

/* What the family's memory is used for: bytes and numbers of the moment, or,
 * while others are at work, of moments close to each other. */
typedef struct mp_memory_statistics {
    uint32_t size;          /* of this struct; set by the caller */
    uint32_t flags;         /* none yet: 0 */
    uint64_t address_space; /* bytes that the family's memory may grow to */
    uint64_t resident;      /* bytes of the machine's memory that it takes */
    uint64_t used;          /* bytes of chunks, large blocks and segments */
    uint64_t peak;          /* the most that `used` has ever been */
    uint64_t spare;         /* bytes freed, and kept for those who come next */

    /* Blocks of up to 64 KiB lie in chunks, as objects do. */
    uint64_t small_blocks, small_bytes; /* how many; their bytes */
    uint64_t large_blocks, large_bytes;
    uint64_t chunks, chunk_bytes;
    uint64_t segments, segment_bytes; /* what queues keep messages in */

    /* How many there are of each sort. */
    uint64_t queues, processes, pools, tasks;
    uint64_t locks, rlocks, semaphores, events, conditions, barriers;
    uint64_t values, arrays;
} mp_memory_statistics;

/* Fills in *ret_statistics, whose `size` must be set:
 *
 *     mp_memory_statistics now = {.size = sizeof(now)};
 *
 * It costs some microseconds, whatever there is. -EINVAL: the size is too
 * small to be one. */
MP_API int mp_memory_stats(mp_memory_statistics *ret_statistics);

/* Gives all memory that is not in use back to the system, and returns how many
 * bytes. Freed memory is kept for the next who needs some up to a bound, see
 * mp_alloc(3), and goes back by itself beyond: there is no need to call this
 * but before a long time of quiet. */
MP_API ssize_t mp_memory_trim(void);

/* mp_new(T) is a zeroed T, mp_new_array(T, n) an array of n of them; NULL
 * when there is no memory, or when n * sizeof(T) is too large to exist. */
MP_API void *mp_alloc_array(size_t n, size_t size);
#define mp_new(type) ((type *)mp_alloc(sizeof(type)))
#define mp_new_array(type, n) ((type *)mp_alloc_array((n), sizeof(type)))

MP__END

#endif
