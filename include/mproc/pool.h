/* SPDX-License-Identifier: MIT */
/* A pool of worker processes that run functions.
 *
 * Functions and arguments follow the rules of mp_process_start(): any
 * function of the program or of a library it has loaded; argument bytes are
 * copied, and may hold pointers into the family's memory.
 *
 * Process death. A worker that dies, at whichever instruction, fails only the
 * task it was running: that task's result is -ESRCH, and its error text says
 * which worker died of what. The worker is replaced by whoever is in a call on
 * the pool. All other tasks run once. A pool whose workers keep dying without
 * doing anything is broken: its tasks, and later calls, fail with -ESRCH and a
 * text that says why. Results outlive who submitted them, until they are
 * freed.
 *
 * A task may submit to its own pool, but while it waits for the result its
 * worker runs nothing else: as many such tasks as there are workers wait for
 * ever.
 *
 * Any process of the family may submit to a pool and wait for results, tasks
 * included. Functions are thread-safe; none may be called in a signal
 * handler. */
#ifndef MPROC_POOL_H
#define MPROC_POOL_H

#include <mproc/base.h>
#include <mproc/process.h>

MP__BEGIN

typedef struct mp_pool mp_pool;
typedef struct mp_task mp_task;     /* a task, seen by the worker running it */
typedef struct mp_result mp_result; /* a task, seen by who submitted it */

typedef struct mp_pool_attr {
    uint32_t size;     /* set by MP_POOL_ATTR */
    uint32_t flags;    /* none yet: 0 */
    int32_t method;    /* start method of the workers; 0: the default */
    int32_t reserved;  /* 0 */
    const char *name;  /* at most 40 bytes; NULL: "Pool-N" */
    int (*initializer)(void *arg); /* run by each worker first; a result other
                                      than 0 ends the worker, and the pool is
                                      broken if no worker gets past it */
    const void *initializer_arg;   /* copied */
    uint64_t initializer_size;     /* bytes */
} mp_pool_attr;

/* MP_POOL_ATTR(.initializer = f): for this call. */
#define MP_POOL_ATTR(...) MP__ATTR(mp_pool_attr, __VA_ARGS__)

/* Starts `workers` processes (0: mp_cpu_count()), daemonic ones that ignore
 * SIGINT. Errors: -EINVAL (fewer than 0 or more than 1,000 workers), -ENOMEM,
 * and those of mp_process_start(). */
MP_API int mp_pool_create(mp_pool **ret_pool, int workers,
                          const mp_pool_attr *attr);

/* Maps: runs f(item, result, ctx) for each of `n` items of `in_size` bytes at
 * `in`, with results of `out_size` bytes at `out` (both may lie in the
 * family's memory, and are then used in place; else they are copied there
 * and back). `out` may be NULL when out_size is 0. Results are zeroed
 * before, unless `out` lies in the family's memory. Waits for all.
 *
 * f fails its item by a negative result. Returns 0, or the code of the failed
 * item with the lowest index: mp_last_error() tells which one, and why. The
 * other items have been done all the same; an item whose worker died counts as
 * failed with -ESRCH. -ESRCH also when the pool is broken. -ESHUTDOWN: the
 * pool is closed. -ECANCELED: terminated meanwhile. -EINTR: a signal handler
 * ran; the map is abandoned, its items that have not begun do not begin. */
typedef int (*mp_map_fn)(const void *item, void *result, void *ctx);

typedef struct mp_map_attr {
    uint32_t size;     /* set by MP_MAP_ATTR */
    uint32_t flags;    /* none yet: 0 */
    const void *ctx;   /* what f gets as ctx: copied if ctx_size is not 0, */
    uint64_t ctx_size; /*   else handed on as it is */
    uint64_t chunk;    /* items a worker takes at once; 0: chosen by mproc */
} mp_map_attr;

#define MP_MAP_ATTR(...) MP__ATTR(mp_map_attr, __VA_ARGS__)

MP_API int mp_pool_map(mp_pool *pool, mp_map_fn f, const void *in,
                       size_t in_size, void *out, size_t out_size, size_t n,
                       const mp_map_attr *attr);

/* A task's function: reads its argument, gives its result by
 * mp_task_return(). A negative result of the function fails the task with
 * that code. */
typedef int (*mp_task_fn)(mp_task *task);

typedef struct mp_task_attr {
    uint32_t size;  /* set by MP_TASK_ATTR */
    uint32_t flags; /* none yet: 0 */
} mp_task_attr;

#define MP_TASK_ATTR(...) MP__ATTR(mp_task_attr, __VA_ARGS__)

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

/* Waits for the task to end. 0; -EAGAIN (MP_NOW) or -ETIMEDOUT; -EINTR. */
MP_API int mp_result_wait(mp_result *result, mp_time deadline);

/* 1 or 0: has the task ended; and without an error? The second is -EAGAIN
 * while it has not ended. */
MP_API int mp_result_ready(mp_result *result);
MP_API int mp_result_successful(mp_result *result);

/* Waits for the task, copies its result into `buf` and returns the result's
 * size; may be called again. A task that failed: its code, -ESRCH if its
 * worker died, -ECANCELED if it was cancelled, with the text in
 * mp_last_error(). -EMSGSIZE: `cap` is too small. -EINVAL: `buf` is NULL. Else
 * as mp_result_wait(). */
MP_API ssize_t mp_result_get(mp_result *result, void *buf, size_t cap,
                             mp_time deadline);

/* The text of a failed task's error; NULL while it runs or if it succeeded.
 * Valid until mp_result_free(). */
MP_API const char *mp_result_error(mp_result *result);

/* Cancels the task if it has not begun: 0, and it never begins. -EALREADY if
 * it has begun or ended. */
MP_API int mp_result_cancel(mp_result *result);

/* Gives the result back; a task that has not ended goes on. NULL is
 * allowed. */
MP_API int mp_result_free(mp_result *result);

/* No more tasks are taken; those submitted are done, then the workers end. */
MP_API int mp_pool_close(mp_pool *pool);

/* Kills the workers at once. Tasks that have not ended are -ECANCELED. */
MP_API int mp_pool_terminate(mp_pool *pool);

/* Waits until a closed or terminated pool's workers have ended. -EINVAL if it
 * is neither; -EAGAIN, -ETIMEDOUT, -EINTR. */
MP_API int mp_pool_join(mp_pool *pool, mp_time deadline);

/* Terminates the pool if it runs, and gives its memory back. Results that
 * were not freed stay readable. NULL is allowed. */
MP_API int mp_pool_destroy(mp_pool *pool);

/* The workers that are alive, as handles that belong to the pool: writes up
 * to `n`, returns how many there are. */
MP_API int mp_pool_workers(mp_pool *pool, mp_process **list, size_t n);

MP__END

#endif
