/* SPDX-License-Identifier: MIT */
/* The family's record of a process: what an mp_process is. See record.c. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"
#include "region/object.h"
#include "report/log.h"

#include <mproc/process.h>

enum mp__phase {
    MP__STARTING, /* made by its parent; the child may or may not exist */
    MP__BEGUN,    /* the child is through its set-up */
    MP__FAILED,   /* the child could not be set up: {code}, and the text */
    MP__RUNNING,  /* mp_process_start() has returned */
    MP__ENDED,    /* {code}; MP__CODE_UNKNOWN if nobody knows */
    MP__CLOSED,   /* the handle is being given back, by one process */
};

#define MP__NAME_SIZE  64
#define MP__ERROR_SIZE 192

struct mp__parcel;

struct mp_process {
    struct mp__object object;
    /* {serial:32 | code:16 | phase:16}. The serial names this use of the
     * cell, so that nobody can change the state of a later one. */
    mp__a64 state;
    mp__a64 identity; /* the kernel's name of this life of `pid`; 0: not told
                         yet. writers: the parent, the process itself */
    mp__a32 pid;      /* writers: as of identity */
    mp__a32 armed;    /* 1: it ends with those it watches; writer: parent */
    mp__a32 hint;     /* 1 + exit code; writer: the process as it leaves */
    int32_t method;
    int32_t daemon;
    int32_t on_death;
    int32_t tree; /* descendants are stopped with it */
    int32_t default_method; /* what the child starts with */
    uint32_t serves;   /* a fork server: nothing of the program runs in it */
    uint32_t arg_ends; /* bytes of the argument in which there are ends of
                          pipes; writer: the parent */
    uint32_t parent_serial;
    pid_t parent_pid; /* the kernel's parent of a spawned child */
    mp_process *parent;
    _Atomic(struct mp__parcel *) parcel; /* what it was sent; a block */
    char name[MP__NAME_SIZE];
    char error[MP__ERROR_SIZE]; /* writer: the child, before FAILED */
} MP__ALIGNED(MP__LINE);

static inline uint64_t
mp__state(uint32_t serial, enum mp__phase phase, int code)
{
    return (uint64_t)serial << 32 | (uint64_t)(uint16_t)code << 16 |
           (uint64_t)phase;
}

static inline uint32_t
mp__state_serial(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

static inline enum mp__phase
mp__state_phase(uint64_t state)
{
    return (enum mp__phase)(state & 0xffff);
}

/* The code as it was put in; MP__CODE_NONE is cut to MP__CODE_UNKNOWN. */
#define MP__CODE_UNKNOWN 0x7fff
static inline int
mp__state_code(uint64_t state)
{
    return (int16_t)(state >> 16);
}

static inline int
mp__process_ok(const mp_process *process)
{
    return mp__object_ok(process, MP__SLAB_PROCESS);
}

/* A record in MP__STARTING whose parent is the calling process. The name NULL
 * makes one up. NULL: no memory. */
mp_process *mp__process_new(const char *name, uint32_t *ret_serial);

/* Gives the cell back: 0, or -EBADF if somebody else has. */
int mp__process_delete(mp_process *process);

/* From STARTING to BEGUN or FAILED: whether it was done by this call. */
int mp__process_decide(mp_process *process, uint32_t serial,
                       enum mp__phase phase, int code);

/* At which level its start and its end are logged. */
static inline int
mp__process_log_level(const mp_process *process)
{
    return process->serves ? MP_LOG_DEBUG : MP_LOG_INFO;
}

/* From any phase but FAILED that is before `phase` to that: whether it was
 * done by this call. */
int mp__process_advance(mp_process *process, uint32_t serial,
                        enum mp__phase phase, int code);

/* The serial of the last record of the family; 0: there is none. */
uint32_t mp__process_last_serial(void);

/* The record of the calling process, made at the first call in a process that
 * the library has not started. NULL: no memory. */
mp_process *mp__process_self(void);

/* In a child: it is the process of that record. */
void mp__process_become(mp_process *process, uint32_t serial);

/* Whether the record is that of the calling process. */
int mp__process_is_self(const mp_process *process);

/* mp_process_start(); a `hidden` child is not the program's own: it is not
 * listed and not waited for. */
int mp__process_start(mp_process **ret_process, mp_target target,
                      const void *arg, size_t size,
                      const mp_process_attr *attr, int hidden);

struct mp__local;

/* Waits for the end of an entry's process, and says how it came: a code or
 * MP__CODE_UNKNOWN. 0; -EAGAIN, -ETIMEDOUT, -EINTR. */
int mp__process_wait(struct mp__local *local, mp_time deadline, int *ret_code);

/* Registers how a process is described: describe.c. */
void mp__process_describe(void);

/* The text "exit code 3", "killed by signal 9 (SIGKILL)", ... */
const char *mp__process_describe_code(int code, char *buffer, size_t size);

/* The same of a process that has ended; "running" of others. */
const char *mp__process_describe_end(mp_process *process, char *buffer,
                                     size_t size);
