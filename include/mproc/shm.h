/* SPDX-License-Identifier: MIT */
/* Named shared memory, for programs that are not of one family. Python's
 * SharedMemory: either side opens what the other has made.
 *
 *     mp_shm *shm;
 *
 *     mp_shm_create(&shm, "frames", 1 << 20, NULL);
 *     frame = mp_shm_data(shm);         Python: SharedMemory("frames").buf
 *
 * A segment is a file in /dev/shm. It has a name and a size, and lives until
 * its name is removed by mp_shm_unlink() and the last process that has it open
 * closes it or ends. Nothing is removed behind your back: a segment that
 * nobody unlinks stays until the machine is restarted.
 *
 * Within a family mp_alloc() is what you want: memory at the same address in
 * every process, which goes with the family. A segment lies at an address of
 * its own in each process that opens it, so pointers into it mean nothing to
 * the others. The handle is memory of this process alone: it is good in the
 * process that made it, in all its threads, and in those that fork makes of it
 * later. Send others the name.
 *
 * Process death. A process may be killed at any instruction. A segment is there
 * whole, with its size and its memory, or not at all, and nothing is left of
 * one that was being made. A segment that the dead had open stays, with all
 * that was written into it.
 *
 * All functions are thread-safe, and none may be called in a signal handler.
 * A handle that is not open in this process gives -EBADF. */
#ifndef MPROC_SHM_H
#define MPROC_SHM_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_shm mp_shm;

typedef struct mp_shm_attr {
    uint32_t size;     /* set by MP_SHM_ATTR */
    uint32_t flags;    /* none yet: 0 */
    uint32_t mode;     /* create: who may open it, as in chmod, less the
                          umask; 0: 0600, only this user */
    uint32_t readonly; /* open: 1: to be read only; a write is a SIGSEGV */
} mp_shm_attr;

/* MP_SHM_ATTR(.mode = 0660): attributes for this call. */
#define MP_SHM_ATTR(...) MP__ATTR(mp_shm_attr, __VA_ARGS__)

/* Makes a segment of `size` bytes, all zero, and opens it. The name has up to
 * 253 bytes and no slash, but one in front is ignored; NULL: one is made up,
 * which mp_shm_name() tells. The memory is committed: no later access ends in
 * a bus error.
 *
 * -EEXIST: there is one of that name. -EINVAL: no such name can be, size 0,
 * unknown attributes. -ENOMEM: the machine, /dev/shm, or a limit of this
 * process has no room for `size` bytes. -EACCES. */
MP_API int mp_shm_create(mp_shm **ret_shm, const char *name, size_t size,
                         const mp_shm_attr *attr);

/* Opens a segment, whoever has made it, to read and write unless `readonly`.
 * Python makes segments without memory: what is missing is committed here,
 * unless `readonly`.
 *
 * -ENOENT: there is none of that name, or it has no size yet (Python gives it
 * one a moment after the name). -EACCES: its mode says no. -EINVAL: as above,
 * or it is no segment. -ENOMEM: as above. */
MP_API int mp_shm_open(mp_shm **ret_shm, const char *name,
                       const mp_shm_attr *attr);

/* Where the segment lies in this process, until mp_shm_close(); aligned to a
 * page. NULL: the handle is not open. */
MP_API void *mp_shm_data(mp_shm *shm);

/* Its size in bytes: exactly what its maker asked for. 0: the handle is not
 * open. */
MP_API size_t mp_shm_size(mp_shm *shm);

/* Its name, without a slash: for Python, mp_shm_open() and mp_shm_unlink().
 * Valid until mp_shm_close(). NULL: the handle is not open. */
MP_API const char *mp_shm_name(mp_shm *shm);

/* Closes the segment in this process: the memory at mp_shm_data() is gone from
 * here, and the segment is as it was for all others. NULL is allowed. */
MP_API int mp_shm_close(mp_shm *shm);

/* Removes the name, which may be used again at once. Who has the segment open
 * keeps it. -ENOENT: there is none. -EACCES: it is another user's. -EINVAL:
 * no such name can be. */
MP_API int mp_shm_unlink(const char *name);

MP__END

#endif
