/* SPDX-License-Identifier: MIT */
#include "os/mapping.h"

#include "base/macros.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMMIT_STEP ((size_t)8 << 20)

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_STEP ((size_t)16 << 20)
#define HUGE_TIME 20000000 /* ns that a step may take */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int
mp__memfd_create(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    /* The first three are the standard streams': in a program that was
     * started without them a later open for one would hit the region. */
    if (fd < 3) {
        int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        int error = errno;

        close(fd);
        if (high < 0)
            return -error;
        fd = high;
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

int
mp__memfd_map(int fd, size_t size, void *at, void **ret_base)
{
    int flags = MAP_SHARED | MAP_NORESERVE;
    void *p;

    if (at)
        flags |= MAP_FIXED_NOREPLACE;
    p = mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (p == MAP_FAILED)
        return errno == EEXIST ? -EADDRNOTAVAIL : -errno;
    /* Kernels before 4.17, and valgrind, take the address for a hint. */
    if (at && p != at) {
        munmap(p, size);
        return -EADDRNOTAVAIL;
    }
    madvise(p, size, MADV_DONTDUMP);
    *ret_base = p;
    return 0;
}

/* In steps: a signal makes some kernels undo all of the step they are at, and
 * a timer that ticks faster than they get done would go on for ever. */
size_t
mp__file_commit(int fd, size_t offset, size_t size)
{
    size_t done = 0;

    while (done < size) {
        size_t step = size - done < COMMIT_STEP ? size - done : COMMIT_STEP;

        if (fallocate(fd, 0, (off_t)(offset + done), (off_t)step) == 0)
            done += step;
        else if (errno != EINTR)
            break;
    }
    return done;
}

int
mp__memfd_commit(int fd, size_t offset, size_t size)
{
    size_t done = mp__file_commit(fd, offset, size);

    if (done == size)
        return 0;
    mp__memfd_discard(fd, offset, done);
    return -ENOMEM;
}

/* Fills [from, to) with huge pages: returns where that ended. The kernel makes
 * one of a range that has a page at least (since 6.1). It may have to move
 * others' pages for it: if that takes longer than ours would, so be it. */
static size_t
commit_huge_pages(int fd, char *base, size_t from, size_t to)
{
    while (from < to) {
        size_t step = to - from < HUGE_STEP ? to - from : HUGE_STEP;
        mp_time begun = mp__now();

        for (size_t at = from; at < from + step; at += HUGE_PAGE)
            if (fallocate(fd, 0, (off_t)at, 1) < 0)
                return from;
        if (madvise(base + from, step, MADV_COLLAPSE) < 0)
            return from;
        from += step;
        if (mp__now() - begun > HUGE_TIME)
            return from;
    }
    return from;
}

int
mp__memfd_commit_huge(int fd, char *base, size_t offset, size_t size)
{
    size_t end = offset + size, from = mp__round_up(offset, HUGE_PAGE), done;

    if ((uintptr_t)base % HUGE_PAGE || from + HUGE_PAGE > end)
        return mp__memfd_commit(fd, offset, size);
    done = commit_huge_pages(fd, base, from, end / HUGE_PAGE * HUGE_PAGE);
    if (mp__file_commit(fd, offset, from - offset) == from - offset &&
        mp__file_commit(fd, done, end - done) == end - done)
        return 0;
    mp__memfd_discard(fd, offset, size);
    return -ENOMEM;
}

void
mp__memfd_discard(int fd, size_t offset, size_t size)
{
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
              (off_t)size);
}

uint64_t
mp__memfd_resident(int fd)
{
    struct stat status;

    return fstat(fd, &status) < 0 ? 0 : (uint64_t)status.st_blocks * 512;
}

size_t
mp__mapping_limit(size_t wanted)
{
    struct rlimit limit;

    /* Half of what is left to the address space is the program's own. A
     * memfd longer than RLIMIT_FSIZE would cost a SIGXFSZ. */
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur / 2 < wanted)
        wanted = limit.rlim_cur / 2;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted)
        wanted = limit.rlim_cur;
    return wanted;
}

void *
mp__page_wiped_on_fork(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    /* Without it (before Linux 4.14) the atfork handler alone remains. */
    madvise(p, size, MADV_WIPEONFORK);
    return p;
}

void
mp__random(void *out, size_t n)
{
    if (getrandom(out, n, GRND_NONBLOCK) == (ssize_t)n)
        return;
    /* Early boot: only uniqueness is wanted here, not secrecy. */
    for (size_t i = 0; i < n; i++) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        ((unsigned char *)out)[i] =
            (unsigned char)((unsigned long)t.tv_nsec * 2654435761u >> 13);
    }
}
