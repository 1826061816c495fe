/* SPDX-License-Identifier: MIT */
/* The family region: one sparse memfd, mapped at one address in every
 * process of the family. See docs/architecture.md. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"

#include <mproc/base.h>

/* What the kernel does for us; found once by the first process.
 * FULL: dead notifiers' wakes are forwarded.
 * SLICED: they are not (before 6.2): sleeps are cut into slices.
 * NO_WAITV: no futex_waitv (before 5.16) either: shorter slices.
 * NO_ROBUST: no robust list (emulators): for testing only. */
enum mp__tier {
    MP__TIER_FULL = 1,
    MP__TIER_SLICED = 2,
    MP__TIER_NO_WAITV = 3,
    MP__TIER_NO_ROBUST = 4,
};

/* Pointers that higher rooms keep in the region for the whole family. */
enum mp__root_slot {
    MP__ROOT_PROCESS, /* process/: its own shared state */
    MP__ROOT_MODULES, /* module/: the table of modules */
    MP__ROOT_DRAWER,  /* pool/: no address, but who draws a progress bar */
    MP__ROOT_PIPES,   /* pipe/: what pipes count in common */
    MP__ROOT_SLOTS = 8,
};

/* This process's view of the region. */
struct mp__view {
    char *base; /* NULL before the first use */
    size_t size;
    int fd;
    uint32_t tier;
    mp_time slice;        /* longest single sleep, in ns */
    uint32_t *fork_guard; /* 0 in a child that fork made: see participant.h */
    uint32_t cpus;        /* 1: never spin */
};
extern struct mp__view mp__view;

/* Makes the region if this process has none yet. 0, -ENOMEM, -ENOSYS, ... */
int mp__region_open(void);

/* In a program that was executed by a process of the family: maps the region
 * of descriptor `fd` at its address and takes the descriptor. -EPROTO if it
 * is no region, or of another build; -EADDRNOTAVAIL. */
int mp__region_attach(int fd);

/* Unique for the family: 16 bytes. */
const unsigned char *mp__region_uuid(void);

/* The slot's pointer, one for the whole family; starts as NULL. */
_Atomic(void *) *mp__region_root(enum mp__root_slot slot);

/* Whether all of [p, p + size) lies in the region. */
static inline int
mp__region_contains(const void *p, size_t size)
{
    size_t at = (size_t)((const char *)p - mp__view.base);

    return mp__view.base && at < mp__view.size && size <= mp__view.size - at;
}

/* The end of the next slice of a sleep that lasts until `deadline`. */
mp_time mp__slice_end(mp_time deadline);
