/* SPDX-License-Identifier: MIT */
/* The family region: made by the first process, mapped at one address by all.
 *
 * The region is a sparse memfd of 1 TiB (less where limits say so), without a
 * name: the kernel frees it with the last process. Its address is a random slot
 * in the middle of the address space, far from programs, libraries and stacks,
 * so that a program executed afresh finds the same place free. fork inherits
 * the mapping, and an executed program gets the descriptor.
 *
 * Opening happens once per process, by whichever thread comes first. */
#include "region/region.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/mapping.h"
#include "region/bin.h"
#include "region/heap.h"
#include "region/layout.h"
#include "region/probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB      ((size_t)1 << 20)
#define GIB      ((size_t)1 << 30)
#define LEAST    (4 * MIB)
#define TRIES    16
#define VALGRIND (512 * MIB)

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

/* Where the slots are. ThreadSanitizer knows only some ranges. */
#ifdef TSAN
#define SLOTS_FROM ((uint64_t)0x7e8000000000)
#define SLOTS_TO   ((uint64_t)0x7ec000000000)
#define WANTED     (16 * GIB)
#else
#define SLOTS_FROM ((uint64_t)0x200000000000)
#define SLOTS_TO   ((uint64_t)0x500000000000)
#define WANTED     (1024 * GIB)
#endif

struct mp__view mp__view = {.fd = -1};

enum opening {
    CLOSED,
    OPENING,
    OPEN,
};

static mp__a32 opening;
static mp__a32 opener; /* process that is at it */

/* ---- Finding a place ---- */

/* It keeps books on every page of the region, used or not: a terabyte of them
 * takes minutes, and more memory than there is. */
static int
on_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload");
}

static size_t
wanted_size(void)
{
    const char *text = getenv("MPROC_REGION_SIZE");
    size_t size = on_valgrind() ? VALGRIND : WANTED;
    char *end;

    if (text) {
        size = strtoull(text, &end, 10);
        if (*end == 'T')
            size *= 1024 * GIB;
        else if (*end == 'G')
            size *= GIB;
        else if (*end == 'M')
            size *= MIB;
        if (size < LEAST)
            size = LEAST;
        if (size > WANTED * 8)
            size = WANTED * 8;
    }
    return mp__mapping_limit(size) / MP__GRANULE * MP__GRANULE;
}

static int
map_somewhere(int fd, size_t size, void **ret_base)
{
    uint64_t slots = (SLOTS_TO - SLOTS_FROM) / size, pick;

    if (slots == 0)
        slots = 1;
    for (int i = 0; i < TRIES; i++) {
        mp__random(&pick, sizeof(pick));
        pick = SLOTS_FROM + pick % slots * size;
        if (mp__memfd_map(fd, size, (void *)(uintptr_t)pick, ret_base) == 0)
            return 0;
    }
    return mp__memfd_map(fd, size, NULL, ret_base);
}

/* Makes and maps a memfd as large as can be had, at most `size`. */
static int
make_mapping(size_t size, int *ret_fd, size_t *ret_size, void **ret_base)
{
    int r = -ENOMEM;

    for (; size >= LEAST; size /= 4) {
        int fd;

        size = size / MP__GRANULE * MP__GRANULE;
        fd = mp__memfd_create("mproc", size);
        if (fd < 0) {
            r = fd;
            continue;
        }
        r = map_somewhere(fd, size, ret_base);
        if (r == 0) {
            *ret_fd = fd;
            *ret_size = size;
            return 0;
        }
        close(fd);
    }
    return mp__fail(r,
                    "the family's memory cannot be mapped: %s (limits of "
                    "address space or file size: ulimit -v, -f)",
                    mp_strerror(r));
}

/* ---- The header ---- */

/* What must be equal in two programs that share a region. */
static uint32_t
layout_word(void)
{
    size_t sizes[] = {
        sizeof(struct mp__region),
        sizeof(struct mp__participant),
        sizeof(struct mp__bin),
        sizeof(struct mp__chunk),
        sizeof(struct mp__extents),
        sizeof(struct mp__link),
        sizeof(struct mp__mutex),
        sizeof(pthread_mutex_t),
        MP__CLASSES * MP__SHARDS,
        MP__PARTICIPANTS,
        MP__GRANULE,
        (size_t)mp_version(),
    };
    uint32_t word = 2166136261u;

    for (size_t i = 0; i < MP__LENGTH(sizes); i++)
        word = (word ^ (uint32_t)sizes[i]) * 16777619u;
    return word;
}

static int
fill_header(int fd, size_t size)
{
    struct mp__region *region = mp__region();
    size_t granules = size / MP__GRANULE, at;

    if (mp__memfd_commit(fd, 0, sizeof(*region)) < 0)
        return mp__fail(-ENOMEM, "out of memory: no room for the family's "
                                 "memory");
    at = mp__round_up(sizeof(*region), 4096);
    region->participants_at = at;
    at += (MP__PARTICIPANTS + 1) * sizeof(struct mp__participant);
    region->table_at = at = mp__round_up(at, 4096);
    at += granules * sizeof(uint32_t);
    region->links_at = at = mp__round_up(at, 4096);
    at += granules * sizeof(struct mp__link);
    region->is.abi = MP__REGION_ABI;
    region->is.layout = layout_word();
    region->is.base = (uintptr_t)region;
    region->is.size = size;
    mp__random(region->is.uuid, sizeof(region->is.uuid));
    mp__heap_init();
    return mp__extents_init(size, mp__round_up(at, MP__GRANULE));
}

/* ---- Opening ---- */

static void
forget_in_child(void)
{
    if (mp__view.fork_guard)
        *mp__view.fork_guard = 0;
}

/* What this process needs beside the mapping. */
static int
open_view(uint32_t tier)
{
    static uint32_t no_guard = 1;
    cpu_set_t cpus;

    mp__view.tier = tier;
    mp__view.slice = tier == MP__TIER_FULL     ? 1000000000
                     : tier == MP__TIER_SLICED ? 100000000
                                               : 50000000;
    mp__view.cpus = sched_getaffinity(0, sizeof(cpus), &cpus) == 0
                        ? (uint32_t)CPU_COUNT(&cpus)
                        : 2;
    if (mp__view.fork_guard == NULL) {
        mp__view.fork_guard = mp__page_wiped_on_fork();
        if (mp__view.fork_guard == NULL)
            mp__view.fork_guard = &no_guard;
        pthread_atfork(NULL, NULL, forget_in_child);
    }
    *mp__view.fork_guard = 1;
    mp__participant_prepare();
    return 0;
}

static int
create_region(void)
{
    void *base = NULL;
    size_t size = 0;
    int fd = -1, r;

    r = make_mapping(wanted_size(), &fd, &size, &base);
    if (r < 0)
        return r;
    mp__view.base = base;
    mp__view.size = size;
    mp__view.fd = fd;
    r = fill_header(fd, size);
    if (r < 0) {
        munmap(base, size);
        close(fd);
        mp__view.base = NULL;
        mp__view.fd = -1;
        return r;
    }
    mp__region()->is.tier = mp__probe_tier();
    mp__region()->is.magic = MP__REGION_MAGIC;
    return open_view(mp__region()->is.tier);
}

/* Runs `open` unless this process has a region. */
static int
open_once(int (*open)(void))
{
    uint32_t state = CLOSED;
    int r;

    for (;;) {
        if (mp__load_acquire(&opening) == OPEN)
            return 0;
        state = CLOSED;
        if (mp__cas(&opening, &state, OPENING))
            break;
        /* The thread that was at it may have stayed in fork's parent. */
        if (state == OPENING && mp__load(&opener) != 0 &&
            mp__load(&opener) != (uint32_t)getpid())
            mp__cas(&opening, &state, CLOSED);
        sched_yield();
    }
    mp__store(&opener, (uint32_t)getpid());
    r = open();
    mp__store(&opener, 0);
    mp__store_release(&opening, r < 0 ? CLOSED : OPEN);
    return r;
}

int
mp__region_open(void)
{
    return open_once(create_region);
}

/* ---- Attaching ---- */

static int attach_fd;

static int
attach_region(void)
{
    struct mp__region_identity head;
    void *base;
    int r;

    if (pread(attach_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        head.magic != MP__REGION_MAGIC || head.abi != MP__REGION_ABI ||
        head.layout != layout_word())
        return mp__fail(-EPROTO,
                        "the family's memory is of another version or build "
                        "of mproc");
    r = mp__memfd_map(attach_fd, head.size, (void *)(uintptr_t)head.base,
                      &base);
    if (r < 0)
        return mp__fail(-EADDRNOTAVAIL,
                        "the family's memory cannot be mapped at 0x%llx: %s",
                        (unsigned long long)head.base, mp_strerror(r));
    mp__view.base = base;
    mp__view.size = head.size;
    mp__view.fd = attach_fd;
    return open_view(head.tier);
}

int
mp__region_attach(int fd)
{
    attach_fd = fd;
    return open_once(attach_region);
}

/* ---- Small things ---- */

const unsigned char *
mp__region_uuid(void)
{
    return mp__region()->is.uuid;
}

_Atomic(void *) *
mp__region_root(enum mp__root_slot slot)
{
    return &mp__region()->roots[slot];
}

mp_time
mp__slice_end(mp_time deadline)
{
    mp_time end = mp__now() + mp__view.slice;

    return deadline < end ? deadline : end;
}
