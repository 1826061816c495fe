/* SPDX-License-Identifier: MIT */
/* Processes: start, join, ask, stop.
 *
 * A process that uses mproc and all that it starts are one family; the first
 * one is its root. Handles are pointers into the family's memory: any process
 * of the family may use any handle, not only the parent. A handle that was
 * closed, or never was one, gives -EBADF.
 *
 * The family ends with its root: however the root ends, also by SIGKILL, all
 * others are killed by the kernel at once. When a process that started others
 * leaves by exit(), by returning from main or from its target, its daemonic
 * children are terminated and the others are joined first, as in Python
 * (detached ones are not; daemons that do not end within a second of that are
 * killed); this is the one atexit handler of the library, put in place by the
 * first start.
 *
 * Functions are thread-safe unless said otherwise, and none may be called in
 * a signal handler. Waiting functions return -EINTR when a handler ran. */
#ifndef MPROC_PROCESS_H
#define MPROC_PROCESS_H

#include <mproc/base.h>

MP__BEGIN

typedef struct mp_process mp_process;

/* What a child runs. Its result, modulo 256, is the exit code. `arg` is the
 * child's own copy, aligned to 16 bytes, valid for the whole run; it is NULL
 * when the process was started with size 0. */
typedef int (*mp_target)(void *arg);

/* Start methods.
 * FORK: the child is a copy of the caller; quick while the caller is small.
 * SPAWN: this program is executed afresh; clean, and of the same cost
 * however large the caller is or however many threads it has.
 * FORKSERVER: a clean process, spawned at the first use, forks on request.
 * In the last two the child has static initialisers run as in any program,
 * but `main` never runs: `target` is called in its place. */
#define MP_DEFAULT 0 /* what mp_set_start_method() said; at first MP_FORK */
#define MP_FORK 1
#define MP_SPAWN 2
#define MP_FORKSERVER 3

/* What happens to a child when the process that started it ends. In every
 * case it is killed when the root ends, but for MP_DEATH_DETACH. */
#define MP_DEATH_DEFAULT 0 /* MP_DEATH_KILL if daemon, else MP_DEATH_STAY */
#define MP_DEATH_KILL 1    /* it is killed too */
#define MP_DEATH_STAY 2    /* it goes on until the root ends */
#define MP_DEATH_DETACH 3  /* it goes on, even without the root */

#define MP_PROCESS_STDIN 1u /* flag: keep stdin (else it is /dev/null) */

typedef struct mp_process_attr {
    uint32_t size;        /* set by MP_PROCESS_ATTR */
    uint32_t flags;       /* MP_PROCESS_* */
    const char *name;     /* at most 63 bytes; NULL: "Process-N" */
    int32_t method;       /* MP_FORK, ...; 0: the default method */
    int32_t daemon;       /* 1: ends with its parent; see above */
    int32_t on_parent_death; /* MP_DEATH_* */
    int32_t nice;         /* added to the caller's nice value */
    const char *const *env; /* "NAME=value" sets, "NAME" unsets; then NULL */
    const char *cwd;      /* working directory; NULL: the caller's */
    const char *cpus;     /* affinity, such as "0,2-5"; NULL: the caller's */
    const int32_t *pass_fds; /* open descriptors of the caller, at most 242,
                                to keep in the child under their numbers */
    uint64_t pass_fds_count;
    uint64_t rlimit_as;   /* soft limits; 0: as the caller's. Bytes of */
    uint64_t rlimit_core; /*   address space beside the family's region,
                               bytes of a core file, */
    uint64_t rlimit_cpu;  /*   seconds of processor time, */
    uint64_t rlimit_nofile; /* descriptors */
    int32_t tree;     /* 1: mp_process_stop() stops its descendants as well */
    int32_t reserved; /* 0 */
} mp_process_attr;

/* MP_PROCESS_ATTR(.name = "reader", .daemon = 1): for this call. */
#define MP_PROCESS_ATTR(...) MP__ATTR(mp_process_attr, __VA_ARGS__)

/* Starts a process that runs `target` on a copy of the `size` bytes at `arg`,
 * which may hold pointers into the family's memory. `target` is any function
 * of the program or of a library it has loaded, `static` ones too; such a
 * library stays loaded from then on.
 *
 * In the child: every descriptor but 0, 1, 2 and .pass_fds is closed for
 * SPAWN and FORKSERVER; FORK keeps the caller's own. Signal handlers and the
 * signal mask are the caller's for FORK, the defaults for the others.
 *
 * The handle belongs to the caller until mp_process_close(). Errors: -EINVAL
 * (which argument: mp_last_error()), -ENOENT (.cwd, or a library that cannot
 * be loaded in the child), -EAGAIN or -ENOMEM (limits of processes or memory),
 * -EADDRNOTAVAIL (the family's memory cannot be mapped in the child, or not at
 * its address), -ESRCH (the child died before its target), -EPERM (called by a
 * static initialiser of a spawned child). In SPAWN and FORKSERVER, what only
 * the child can find out (.cwd, .nice, .rlimit) is reported by this call as
 * well. Blocks for as long as the system takes to make the process. */
MP_API int mp_process_start(mp_process **ret_process, mp_target target,
                            const void *arg, size_t size,
                            const mp_process_attr *attr);

/* Waits until the process has ended. 0; -EAGAIN (MP_NOW) or -ETIMEDOUT while
 * it runs; -EINTR; -EDEADLK when a process joins itself. */
MP_API int mp_process_join(mp_process *process, mp_time deadline);

/* 1 while it runs, 0 after. Never waits. */
MP_API int mp_process_is_alive(mp_process *process);

/* The exit code, as in Python: 0 to 255, or -N when signal N killed it.
 * -EAGAIN while it runs. -ENODATA when the process has ended, but was killed
 * and reaped behind the library's back (SIGCHLD ignored, or the program's own
 * wait()) on a kernel that keeps no record of it (before 6.15). */
MP_API int mp_process_exitcode(mp_process *process, int *ret_code);

/* SIGINT, SIGTERM, SIGKILL to the process. 0 also when it has ended already.
 * The signal goes through a pidfd: it can never hit another process. -EPERM
 * when the system refuses. */
MP_API int mp_process_interrupt(mp_process *process);
MP_API int mp_process_terminate(mp_process *process);
MP_API int mp_process_kill(mp_process *process);

/* Sends SIGTERM, waits up to `grace` seconds, then sends SIGKILL and waits
 * for the end. Of a process started with .tree the descendants get the same
 * signals, and their end is waited for too; that is all that it started,
 * directly or through others, whose line of parents the family still knows (no
 * handle on it was closed), whatever their .on_parent_death. Returns 0, or
 * -EINTR (call again). */
MP_API int mp_process_stop(mp_process *process, double grace);

/* The process id (also after the end); -EBADF. */
MP_API pid_t mp_process_pid(mp_process *process);

/* The name; NULL if `process` is no live handle. Valid until it is closed. */
MP_API const char *mp_process_name(mp_process *process);

/* 1 if it was started as a daemon, else 0. */
MP_API int mp_process_is_daemon(mp_process *process);

/* A descriptor that polls readable (POLLIN) when the process has ended. It
 * belongs to the library and is closed by mp_process_close(). */
MP_API int mp_process_fd(mp_process *process);

/* Gives the handle back; in no process is it valid afterwards. NULL is
 * allowed. -EBUSY while the process runs. */
MP_API int mp_process_close(mp_process *process);

/* The calling process; its parent, NULL in the root. These handles cannot be
 * closed by their own process. */
MP_API mp_process *mp_current_process(void);
MP_API mp_process *mp_parent_process(void);

/* Writes up to `n` of the calling process's children that run still into
 * `list` and returns how many there are (which may be more than `n`). */
MP_API int mp_active_children(mp_process **list, size_t n);

/* The number of processors this process may use: its affinity, and the CPU
 * quota of its control group (v1 or v2), rounded up; at least 1. */
MP_API int mp_cpu_count(void);

/* The method of MP_DEFAULT, in this process and in those it starts from then
 * on. -EINVAL for anything but the three. */
MP_API int mp_set_start_method(int method);
MP_API int mp_get_start_method(void);

MP__END

#endif
