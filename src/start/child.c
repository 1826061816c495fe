/* SPDX-License-Identifier: MIT */
/* The child's side of a start: from its first instruction to its last.
 *
 * The plain path of a forked child is kept short: it changes stdin, looks at
 * the record once to see that its life is tied to the root's, runs the target,
 * leaves a hint of its exit code in the record, flushes and ends. A child that
 * its parent waits for moves the record's state as well.
 *
 * Nothing but the target may be left: an exception or pthread_exit() must not
 * go on into the frames of the parent's code below, which in a forked child
 * are still on the stack. */
#include "start/child.h"

#include "base/error.h"
#include "os/descriptors.h"
#include "pipe/kin.h"
#include "process/record.h"
#include "start/leave.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The unwinder takes this for the outermost frame: an exception that nobody
 * has caught by here ends the process, as from main. */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__x86_64__)
#define OUTERMOST_FRAME() __asm__ volatile(".cfi_undefined rip")
#elif defined(__GCC_HAVE_DWARF2_CFI_ASM) && defined(__aarch64__)
#define OUTERMOST_FRAME() __asm__ volatile(".cfi_undefined x30")
#else
#define OUTERMOST_FRAME() ((void)0)
#endif

/* The parent does it, and has nearly always done it by now. */
static void
tie_to_life(const struct mp__child *c)
{
    int r;

    mp__life_adopt(&c->watch);
    if (c->pdeathsig)
        r = mp__life_pdeathsig(c->process->parent_pid);
    else if (mp__load_acquire(&c->process->armed))
        r = 0;
    else
        r = mp__life_arm(&c->watch, getpid());
    if (r == -ESRCH)
        raise(SIGKILL); /* what it was to depend on has ended */
}

_Noreturn void
mp__child_fail(const struct mp__child *c, int r)
{
    snprintf(c->process->error, sizeof(c->process->error), "%s",
             mp_last_error());
    mp__process_decide(c->process, c->serial, MP__FAILED, -r);
    mp__signal_raise(c->signal);
    _exit(1);
}

/* Tells the parent that all is well. */
static void
begin(const struct mp__child *c)
{
    mp__process_self(); /* completes the record, should its parent be slow */
    if (!mp__process_decide(c->process, c->serial, MP__BEGUN, 0))
        _exit(1); /* it has given us up */
    mp__signal_raise(c->signal);
    close(c->signal);
}

/* Whoever waits at the other ends of pipes watches this thread's life. */
static void
take_up_ends(const struct mp__child *c)
{
    if (c->process->arg_ends && mp__enter() == 0) {
        mp__process_self(); /* completes the record */
        mp__ends_arrive(c->arg, c->process->arg_ends);
    }
}

static void
leave(const struct mp__child *c, int code)
{
    /* release: pairs with the acquire of who asks how we ended */
    mp__store_release(&c->process->hint, (uint32_t)(code & 0xff) + 1);
    mp__leave();
    if (c->parcel) /* a program of its own: libraries' handlers run, too */
        exit(code & 0xff);
    fflush(NULL);
    _exit(code & 0xff);
}

static void
leave_by_pthread_exit(void *child)
{
    leave(child, 0);
}

static _Noreturn void
run_target(const struct mp__child *c, mp_target target)
{
    int code;

    OUTERMOST_FRAME();
    pthread_cleanup_push(leave_by_pthread_exit, (void *)(uintptr_t)c);
    code = target(c->arg);
    leave(c, code);
    pthread_cleanup_pop(0);
    __builtin_unreachable();
}

_Noreturn void
mp__child_run(const struct mp__child *c)
{
    mp_target target = c->target;
    mp__code *code = NULL;
    int r = 0;

    mp__process_become(c->process, c->serial);
    tie_to_life(c);
    if (!c->keep_input)
        dup2(c->null, 0);
    if (c->parcel) {
        r = mp__function_import(&c->parcel->target, &code, "mp_process_start");
        target = (mp_target)code;
    }
    if (r == 0 && c->setup)
        r = mp__setup_apply(c->setup);
    if (r < 0)
        mp__child_fail(c, r);
    take_up_ends(c);
    if (c->signal >= 0)
        begin(c);
    run_target(c, target);
}
