/* SPDX-License-Identifier: MIT */
/* A pool of worker processes that run functions.
 *
 * Functions and arguments follow the rules of mp_process_start(): any
 * function of the program or of a library it has loaded; argument bytes are
 * copied, and may hold pointers into the family's memory.
 *
 * Process death. A worker that dies, at whichever instruction, fails only the
 * task it was running, unless that is to be tried again (.retries): its result
 * is -ESRCH, and the error's text says which worker died of what, and where.
 * The worker is replaced by whoever is in a call on the pool, or by another
 * worker between two tasks. All other tasks run once. A pool whose workers
 * keep dying without doing anything is broken: its tasks, and later calls,
 * fail with -ESRCH and a text that says why. Results outlive who submitted
 * them, until they are freed.
 *
 * A task may submit to its own pool, but while it waits for the result its
 * worker runs nothing else: as many such tasks as there are workers wait for
 * ever. It may make pools of its own, MP_POOL_DEPTH of them inside each other.
 *
 * Any process of the family may submit to a pool and wait for results, tasks
 * included. Functions are thread-safe; none may be called in a signal
 * handler.
 *
 * The handle may come from mp_manager_lookup(), for a pool of another program or
 * machine (manager.h). Functions go there by name: both programs register theirs
 * by mp_manager_register_task() or mp_manager_register_map(), else -EINVAL.
 * Arguments and results are copied. What needs memory in common is -EREMOTE:
 * callbacks, iterators (mp_pool_imap()), .codes, .ctx without .ctx_size, `out` of
 * mp_pool_map_async() (mp_result_get() gives all results), descriptors, handles
 * of workers; bars are not drawn. A result is freed when its client ends; the
 * task goes on.
 *
 * With MPROC_TRACE=FILE in the environment every task of every worker is
 * written to FILE, for Perfetto or chrome://tracing. */
#ifndef MPROC_POOL_H
#define MPROC_POOL_H

#include <mproc/base.h>
#include <mproc/process.h>

MP__BEGIN

typedef struct mp_pool mp_pool;
typedef struct mp_task mp_task;     /* a task, seen by the worker running it */
typedef struct mp_result mp_result; /* a task or a map, seen by who asked */

/* How many pools may be inside each other: a pool made by a task is inside the
 * pool that the task belongs to. */
#define MP_POOL_DEPTH 8

/* Flag: while the caller waits for a result, a map, or the end of the pool, how
 * far its tasks are is drawn on standard error: one bar on a terminal, a plain
 * line now and then elsewhere; nothing for what takes less than half a second. */
#define MP_POOL_PROGRESS 1u

typedef struct mp_pool_attr {
    uint32_t size;     /* set by MP_POOL_ATTR */
    uint32_t flags;    /* MP_POOL_* */
    int32_t method;    /* start method of the workers; 0: the default */
    int32_t reserved;  /* 0 */
    const char *name;  /* at most 40 bytes; NULL: "Pool-N" */
    int (*initializer)(void *arg); /* run by each worker first; a result other
                                      than 0 ends the worker, and the pool is
                                      broken if no worker gets past it */
    const void *initializer_arg;   /* copied: each worker has a copy of its
                                      own, which is its state */
    uint64_t initializer_size;     /* bytes */
    void (*finalizer)(void *arg);  /* run by each worker that ends in order, on
                                      the same copy */
    uint64_t tasks_per_worker; /* a worker is replaced after so many tasks (of
                                  maps: items); 0: never. While it ends its
                                  successor may be there: one more at a time */
    uint64_t memory_soft; /* bytes of its own memory, beyond what it began with,
                             after which a worker is replaced, once its task
                             has ended; 0: none */
    uint64_t memory_hard; /* bytes of address space that a worker may have
                             beside the family's memory: beyond, malloc() gives
                             NULL; 0: none */
    double task_timeout;  /* seconds: for tasks that say nothing; 0: none */
    uint32_t task_retries; /* for tasks that say nothing */
    int32_t least;        /* workers that stay when there is nothing to do (at
                             most as many as there are); 0: all. Else: */
    double idle_timeout;  /* seconds after which the others leave; at least
                             0.01. 0: 10 */
    const char *cpus;     /* one for each worker in turn, such as "0,2-5";
                             "all": of those that the caller may use; NULL: not
                             bound */
    int32_t threads;      /* what OMP_NUM_THREADS and its like are in a worker,
                             unless set already: that number; 0: the processors
                             there are, shared among the workers; -1: left
                             alone */
    int32_t reserved2;    /* 0 */
} mp_pool_attr;

/* MP_POOL_ATTR(.initializer = f): for this call. */
#define MP_POOL_ATTR(...) MP__ATTR(mp_pool_attr, __VA_ARGS__)

/* Starts `workers` processes (0: mp_cpu_count(); in a worker its share of
 * them), daemonic ones that ignore SIGINT. Errors: -EINVAL (fewer than 0 or
 * more than 1,000 workers, or an attribute; mp_last_error() names it), -ENOMEM,
 * -ELOOP (more than MP_POOL_DEPTH pools inside each other), and those of
 * mp_process_start(). */
MP_API int mp_pool_create(mp_pool **ret_pool, int workers,
                          const mp_pool_attr *attr);

/* MP_POOL_SCOPE mp_pool *pool = NULL; destroys the pool at the end of the
 * block, however that is left (by exit() or longjmp() it is not). */
#define MP_POOL_SCOPE __attribute__((cleanup(mp_pool_leave)))
MP_API void mp_pool_leave(mp_pool **pool);

/* ---- Maps ---- */

/* What is run for each item. A negative result fails the item. */
typedef int (*mp_map_fn)(const void *item, void *result, void *ctx);

/* What is called when a task or a map has ended, see mp_pool_callbacks(). The
 * result belongs to the callback's caller: if nobody has its handle it is freed
 * after the call. */
typedef void (*mp_result_fn)(mp_result *result, void *arg);

typedef struct mp_map_attr {
    uint32_t size;     /* set by MP_MAP_ATTR */
    uint32_t flags;    /* none yet: 0 */
    const void *ctx;   /* what f gets as ctx: copied if ctx_size is not 0, */
    uint64_t ctx_size; /*   else handed on as it is */
    uint64_t chunk;    /* items a worker takes at once; 0: chosen by mproc */
    int32_t *codes;    /* n codes: what f returned for each item, or -ESRCH and
                          so on; NULL: not wanted */
    const char *progress; /* draws a bar with this label while the caller waits
                             for the map, or for the next of an iterator; NULL:
                             none */
    double timeout;    /* seconds for an item: beyond, its worker is killed, and
                          the item has failed with -ETIMEDOUT; 0: the pool's;
                          negative: none */
    uint32_t retries;  /* how often an item is tried again whose worker has
                          died or was killed; 0: the pool's.
                          MP_TASK_NO_RETRIES */
    int32_t priority;  /* maps of a higher one go first */
    uint64_t window;   /* of imap: items that are read ahead, at most 1,000,000;
                          0: 32 for each worker */
    mp_result_fn callback;       /* of map_async only: when no item has failed */
    mp_result_fn error_callback; /*   when one has */
    void *callback_arg;
} mp_map_attr;

#define MP_MAP_ATTR(...) MP__ATTR(mp_map_attr, __VA_ARGS__)

/* Maps: runs f(item, result, ctx) for each of `n` items of `in_size` bytes at
 * `in`, with results of `out_size` bytes at `out` (both may lie in the
 * family's memory, and are then used in place; else they are copied there
 * and back). `out` may be NULL when out_size is 0. Results are zeroed
 * before, unless `out` lies in the family's memory. Waits for all. A function
 * of several arguments takes a struct of them as its item.
 *
 * f fails its item by a negative result. Returns 0, or the code of the failed
 * item with the lowest index: mp_last_error() tells which one, and why. The
 * other items have been done all the same; an item whose worker died counts as
 * failed with -ESRCH. -ESRCH also when the pool is broken. -ESHUTDOWN: the
 * pool is closed. -ECANCELED: terminated meanwhile. -EINTR: a signal handler
 * ran; the map is abandoned, its items that have not begun do not begin. */
MP_API int mp_pool_map(mp_pool *pool, mp_map_fn f, const void *in,
                       size_t in_size, void *out, size_t out_size, size_t n,
                       const mp_map_attr *attr);

/* The same without waiting. What `in` and .ctx hold was read when this returns,
 * unless it lies in the family's memory. The results come into `out` and
 * .codes at the latest when mp_result_wait() or mp_result_get() of the process
 * that called this has returned without an error: they must stay valid until
 * then, or until
 * mp_result_free(). `out` may be NULL: mp_result_get() gives all results, one
 * behind the other, to any process. mp_result_get() and mp_result_error() tell
 * of the failed item with the lowest index. The items go on when the caller
 * dies. ret_result NULL: nobody asks for it. */
MP_API int mp_pool_map_async(mp_pool *pool, mp_map_fn f, const void *in,
                             size_t in_size, void *out, size_t out_size,
                             size_t n, const mp_map_attr *attr,
                             mp_result **ret_result);

/* ---- Maps over what is read as it goes ---- */

/* Writes the next item: 1; 0: there are no more; negative: reading failed. It
 * runs in the process that calls mp_imap_next(). */
typedef int (*mp_item_fn)(void *item, void *arg);

typedef struct mp_imap mp_imap;

/* Makes an iterator over the results of f for the items that `next` gives.
 * Items are read as results are asked for, never more than .window ahead of
 * them. imap gives results in the order of the items, imap_unordered as they
 * are done. .codes, .chunk and .callback are not for these: -EINVAL. The
 * iterator is the calling process's own, for one thread at a time. Errors as
 * mp_pool_map(). */
MP_API int mp_pool_imap(mp_pool *pool, mp_map_fn f, mp_item_fn next, void *arg,
                        size_t in_size, size_t out_size,
                        const mp_map_attr *attr, mp_imap **ret_imap);
MP_API int mp_pool_imap_unordered(mp_pool *pool, mp_map_fn f, mp_item_fn next,
                                  void *arg, size_t in_size, size_t out_size,
                                  const mp_map_attr *attr,
                                  mp_imap **ret_imap);

/* The next result, of out_size bytes, and the index of its item (NULL: not
 * wanted). 1; 0: there are no more. Negative: the code of an item that failed
 * (*ret_index tells which; the iterator goes on), or *ret_index is SIZE_MAX and
 * the iterator did: the code of `next`, -EAGAIN (MP_NOW), -ETIMEDOUT, -EINTR,
 * -ECANCELED, -ESRCH as for a map. */
MP_API int mp_imap_next(mp_imap *imap, void *result, size_t *ret_index,
                        mp_time deadline);

/* Ends the iterator, at any time: items that were read and have not begun do
 * not begin. Blocks for nothing. NULL is allowed. */
MP_API int mp_imap_free(mp_imap *imap);

/* ---- Tasks ---- */

/* A task's function: reads its argument, gives its result by
 * mp_task_return(). A negative result of the function fails the task with
 * that code. */
typedef int (*mp_task_fn)(mp_task *task);

typedef struct mp_task_attr {
    uint32_t size;    /* set by MP_TASK_ATTR */
    uint32_t flags;   /* none yet: 0 */
    int32_t priority; /* -3 to 3: tasks of a higher one begin first, those of
                         the same one in the order they came */
    uint32_t retries; /* how often it is tried again when its worker has died
                         or was killed; 0: the pool's. MP_TASK_NO_RETRIES */
    double timeout;   /* seconds from its beginning: its worker is killed, and
                         the task has failed with -ETIMEDOUT. 0: the pool's;
                         negative: none */
    double soft_timeout; /* seconds: mp_task_cancelled() is 1 from then on, and
                            what blocks in the function is interrupted once
                            (-EINTR), by SIGURG. 0: none */
    mp_result_fn callback;       /* when it has ended well, */
    mp_result_fn error_callback; /*   or has failed: see mp_pool_callbacks() */
    void *callback_arg;
} mp_task_attr;

#define MP_TASK_ATTR(...) MP__ATTR(mp_task_attr, __VA_ARGS__)
#define MP_TASK_NO_RETRIES UINT32_MAX

/* Submits one task; `size` bytes at `arg` are copied. The result belongs to
 * the caller until mp_result_free(); ret_result NULL: nobody asks for it.
 * mp_pool_apply() waits for the task to end, and fails only when the task
 * could not be run; how the task itself ended, its result tells. Errors:
 * -EINVAL, -ENOMEM, -ESHUTDOWN (closed), -ECANCELED (terminated), -ESRCH
 * (broken), for apply -EINTR (the result is written then, and may be waited
 * for again). */
MP_API int mp_pool_apply(mp_pool *pool, mp_task_fn f, const void *arg,
                         size_t size, mp_result **ret_result);
MP_API int mp_pool_apply_async(mp_pool *pool, mp_task_fn f, const void *arg,
                               size_t size, const mp_task_attr *attr,
                               mp_result **ret_result);

/* Runs the callbacks of this process's tasks and maps that have ended, and if
 * there is none waits for the first. How many were run; 0: none is to come (or
 * MP_NOW, or `deadline`, and none has ended); -EINTR. So a thread that calls
 * this again and again is the one they run on. mp_pool_apply(), mp_pool_map(),
 * mp_pool_join(), mp_result_wait() and mp_result_get() run those that are due,
 * too, before they return; a callback's own calls do not. Each callback is run
 * once, by the process that submitted; with that process it is lost. In a
 * callback this gives 0. */
MP_API int mp_pool_callbacks(mp_pool *pool, mp_time deadline);

/* A descriptor that is readable when a callback is due, or a worker has died,
 * for poll() and its like; it belongs to the pool. Call
 * mp_pool_callbacks(pool, MP_NOW) then, until it gives 0. -EMFILE, -ENFILE,
 * -ENOMEM. */
MP_API int mp_pool_fd(mp_pool *pool);

/* For the function of a task, in the worker. The argument: the worker's to
 * read and change until the function returns; NULL with size 0. */
MP_API void *mp_task_arg(mp_task *task, size_t *ret_size);

/* Sets the task's result to a copy of `size` bytes. May be called again: the
 * last one counts. -ENOMEM. */
MP_API int mp_task_return(mp_task *task, const void *data, size_t size);

/* Fails the task with a text (at most 199 bytes); to be used as
 * `return mp_task_fail(task, "no such file: %s", name);`. Returns
 * -EREMOTEIO, which is then the task's code; a function that wants another
 * code returns that instead. */
MP_API int mp_task_fail(mp_task *task, const char *format, ...)
    MP__PRINTF(2, 3);

/* 1 when the task's soft timeout has passed: it should give up. Else 0. */
MP_API int mp_task_cancelled(mp_task *task);
/* Which attempt this is: 1, 2, ... */
MP_API int mp_task_attempt(mp_task *task);
/* The worker's state: its copy of the pool's .initializer_arg, as the
 * initializer and earlier tasks have left it. NULL: there is none. The second
 * is for functions of maps; NULL also outside of workers. */
MP_API void *mp_task_state(mp_task *task);
MP_API void *mp_worker_state(void);

/* ---- Results ---- */

/* Waits for the task, or the map, to end. 0; -EAGAIN (MP_NOW) or -ETIMEDOUT;
 * -EINTR. */
MP_API int mp_result_wait(mp_result *result, mp_time deadline);

/* 1 or 0: has it ended; and without an error? The second is -EAGAIN while it
 * has not ended. */
MP_API int mp_result_ready(mp_result *result);
MP_API int mp_result_successful(mp_result *result);

/* Waits for the task, copies its result into `buf` and returns the result's
 * size; may be called again. A task that failed: its code, -ESRCH if its
 * worker died, -ETIMEDOUT if it was killed for its timeout (that is -ETIMEDOUT
 * before `deadline`, and mp_result_ready() is 1), -ECANCELED if it was
 * cancelled, with the text in mp_last_error(). -EMSGSIZE: `cap` is too small.
 * -EINVAL: `buf` is NULL. Else as mp_result_wait(). */
MP_API ssize_t mp_result_get(mp_result *result, void *buf, size_t cap,
                             mp_time deadline);

/* The bytes of the result, of a map: of all results. -EAGAIN: it has not ended.
 * A task that failed: its code, as mp_result_get(). */
MP_API ssize_t mp_result_size(mp_result *result);

/* The text of a failed task's error; NULL while it runs or if it succeeded.
 * For a task whose worker died: which task, which worker, the signal or exit
 * code, whether the system had run out of memory, and where in the program it
 * was (a line for each function). Valid until mp_result_free(). */
MP_API const char *mp_result_error(mp_result *result);

/* A descriptor for poll(), select() or epoll, of this process, which is readable
 * when the task, or the map, may have ended, or when a worker has: then ask
 * mp_result_ready(), which looks after the pool, and makes it unreadable until
 * there is more. It belongs to the library: do not read, write or close it;
 * closed by mp_result_free(). -EMFILE, -ENFILE; -ENOMEM, also if 64 processes
 * have one of this result. */
MP_API int mp_result_fd(mp_result *result);

/* Cancels: 0, and the task is -ECANCELED from then on. If it has not begun it
 * never begins; if it runs, its worker is killed, and that one alone. A map:
 * items that have not begun do not begin, workers that are at others are
 * killed. -EALREADY: it has ended. */
MP_API int mp_result_cancel(mp_result *result);

/* Gives the result back; a task that has not ended goes on, and a callback that
 * is still to come has the result until it returns. NULL is allowed. */
MP_API int mp_result_free(mp_result *result);

/* ---- The pool as a whole ---- */

/* No more tasks are taken; those submitted are done, then the workers end. */
MP_API int mp_pool_close(mp_pool *pool);

/* Kills the workers at once. Tasks that have not ended are -ECANCELED. */
MP_API int mp_pool_terminate(mp_pool *pool);

/* Waits until a closed or terminated pool's workers have ended, and runs the
 * callbacks that are left. -EINVAL if it is neither; -EAGAIN, -ETIMEDOUT,
 * -EINTR. */
MP_API int mp_pool_join(mp_pool *pool, mp_time deadline);

/* Terminates the pool if it runs, and gives its memory back. Results that
 * were not freed stay readable; callbacks that were not run never are. NULL is
 * allowed. */
MP_API int mp_pool_destroy(mp_pool *pool);

/* From now on the pool has `workers` (1 to 1,000; with .least: at most so
 * many). New ones are started before this returns; those that are too many
 * leave when they have ended what they are at. -EINVAL, -ESHUTDOWN,
 * -ECANCELED, -ESRCH, -ENOMEM, and those of mp_process_start(). */
MP_API int mp_pool_resize(mp_pool *pool, int workers);

/* The workers that are alive, as handles that belong to the pool: writes up
 * to `n`, returns how many there are. */
MP_API int mp_pool_workers(mp_pool *pool, mp_process **list, size_t n);

/* What the pool has done since it was made. Items of maps are not tasks. */
typedef struct mp_pool_statistics {
    uint64_t size;      /* sizeof(mp_pool_statistics), set by the caller */
    uint64_t workers;   /* alive */
    uint64_t submitted; /* tasks, */
    uint64_t done;      /*   that have ended well, */
    uint64_t failed;    /*   have failed (those that ran when the pool was
                             terminated, too), */
    uint64_t cancelled; /*   were cancelled, */
    uint64_t running;   /*   are running, */
    uint64_t queued;    /*   have not begun */
    uint64_t retried;   /* attempts beyond the first */
    uint64_t items;     /* of maps that have ended */
    uint64_t deaths;    /* of workers, not in order */
    uint64_t replaced;  /* workers that left for .tasks_per_worker or
                           .memory_soft */
    double uptime;      /* seconds since the pool was made */
    double busy;        /* part of the workers' time in which they ran
                           something: 0 to 1 */
    double wait_mean;   /* seconds from a task's submission to its beginning */
    double wait_most;
    struct {
        uint64_t task;  /* number, from 1; 0: there is none */
        double seconds;
    } slowest[5];       /* tasks, the slowest first */
} mp_pool_statistics;

/* Reads them. -EINVAL: ret_statistics->size is not set. Counts are each exact,
 * but not all of one instant. */
MP_API int mp_pool_stats(mp_pool *pool, mp_pool_statistics *ret_statistics);

MP__END

#endif
