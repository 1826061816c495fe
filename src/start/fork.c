/* SPDX-License-Identifier: MIT */
/* Start by fork: the child is a copy of the caller, and has all it needs on
 * the stack that it inherits. */
#include "start/start.h"

#include "base/error.h"
#include "start/child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED __libc_single_threaded
#endif
#endif
#ifndef SINGLE_THREADED
#define SINGLE_THREADED 0
#endif

/* What is in the buffers would be written twice. A stream that another thread
 * is in the middle of cannot be waited for: that may take for ever. */
static void
flush_output(void)
{
    FILE *streams[2] = {stdout, stderr};

    if (SINGLE_THREADED) {
        fflush(NULL);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (ftrylockfile(streams[i]) == 0) {
            fflush(streams[i]);
            funlockfile(streams[i]);
        }
}

/* In the child: the frame of mp__start_fork(), in which `arg` may lie, stays
 * for as long as it lives. */
static _Noreturn void
be_child(const struct mp__start *s, void *arg, int null)
{
    struct mp__setup setup;
    struct mp__child child = {
        .process = s->process,
        .serial = s->serial,
        .watch = s->watch,
        .pdeathsig = s->pdeathsig,
        .target = s->target,
        .arg = arg,
        .signal = s->signal,
        .keep_input = (s->attr.flags & MP_PROCESS_STDIN) != 0,
        .null = null,
    };

    if (s->signal >= 0) {
        mp__setup_of(&s->attr, &setup);
        child.setup = &setup;
    }
    mp__child_run(&child);
}

int
mp__start_fork(struct mp__start *s)
{
    char small[1024] __attribute__((aligned(16)));
    void *arg = s->size <= sizeof(small) ? small : malloc(s->size);
    int null = mp__start_null();
    int error;

    if (!arg || null < 0)
        return mp__fail(-ENOMEM, "mp_process_start: no memory for %zu bytes",
                        s->size);
    if (s->size)
        memcpy(arg, s->arg, s->size);
    flush_output();
    mp__life_fork_begin();
    s->pid = fork();
    error = errno;
    if (s->pid == 0)
        be_child(s, s->size ? arg : NULL, null);
    mp__life_fork_end();
    if (arg != small)
        free(arg);
    if (s->pid > 0)
        return 0;
    s->pid = 0;
    return mp__fail(-error, "mp_process_start: fork: %s", mp_strerror(error));
}
