/* SPDX-License-Identifier: MIT */
/* Managers: objects by name, for the family, and for other programs and machines.
 *
 *     mp_manager *manager;                         here
 *     mp_queue *jobs;
 *
 *     mp_manager_start(&manager, MP_MANAGER_ATTR(.address = "tcp:0.0.0.0:7000",
 *                                                .authkey = key,
 *                                                .authkey_size = SIZE_MAX));
 *     mp_manager_queue(manager, &jobs, 0);
 *     mp_manager_publish(manager, "jobs", jobs);
 *
 *     mp_manager_connect(&manager, "tcp:there:7000", ...);      elsewhere
 *     mp_manager_lookup(manager, "jobs", "queue", &jobs);
 *     mp_queue_getf(jobs, "[i,s]", &n, &text);
 *
 * In the family that started the manager its objects are the ordinary ones, in
 * the family's memory, and a call on them costs what it always costs: the server
 * has no part in it. A program of another family, or of another machine, gets
 * handles of the same types from mp_manager_lookup(), for the same calls: each
 * asks the server, and waits for its answer. Such a remote handle is valid in
 * all processes and threads of the family that looked it up; it may be put into
 * values ("h", see mp_any_build()), sent, stored in other objects, and comes out
 * as the object itself where that is at home. What needs memory in common
 * (mp_queue_reserve(), mp_array_data(), callbacks of pools, ...) is -EREMOTE.
 *
 * Remote calls. Calls with a deadline keep it, whatever the network does; one that
 * has passed is good for a try. Others, and MP_NOW, wait for the answer for
 * .call_timeout. Each is executed once at the most: when a tcp: connection breaks,
 * it is made anew, and what had been under way goes on where it was. -ETIMEDOUT: no answer came; unless it is a call that waits for
 * something (acquire, get, wait: nothing was taken), it may have been executed.
 * -EPIPE: the server has ended, or forgotten us meanwhile (mp_last_error() says
 * which): it may have been executed, and locks and permits that this process had
 * there are lost. The next call connects anew. -ECONNREFUSED, -EHOSTUNREACH,
 * -EKEYREJECTED, ...: it could not connect.
 *
 * Process death. A client that ends or is killed gives back what it held: to
 * those who wait, the locks of its threads are those of dead threads
 * (-EOWNERDEAD), permits of tracked semaphores are free, what it was receiving
 * goes back to the front of the queue; objects that it made and nobody else
 * knows are destroyed. The server may be killed: in its own family all go on, and
 * mp_manager_restart() makes another one that takes over all objects; what
 * remote clients held is given back; values of user types are lost.
 *
 * All functions are thread-safe, and none may be called in a signal handler. */
#ifndef MPROC_MANAGER_H
#define MPROC_MANAGER_H

#include <mproc/any.h>
#include <mproc/array.h>
#include <mproc/barrier.h>
#include <mproc/base.h>
#include <mproc/condition.h>
#include <mproc/connection.h>
#include <mproc/dict.h>
#include <mproc/event.h>
#include <mproc/list.h>
#include <mproc/lock.h>
#include <mproc/namespace.h>
#include <mproc/pool.h>
#include <mproc/process.h>
#include <mproc/queue.h>
#include <mproc/semaphore.h>
#include <mproc/set.h>
#include <mproc/value.h>

MP__BEGIN

typedef struct mp_manager mp_manager;
typedef struct mp_object mp_object; /* of a user's type */

/* ---- The manager ---- */

typedef struct mp_manager_attr {
    uint32_t size;       /* set by MP_MANAGER_ATTR */
    uint32_t flags;      /* MP_CONN_*, as for mp_listener_open() */
    const char *address; /* where others reach it: "unix:...", "tcp:..."; NULL:
                            nowhere, it is the family's alone */
    const void *authkey;
    size_t authkey_size;                        /* SIZE_MAX: a string */
    const char *certificate, *private_key, *ca; /* as in mp_conn_attr */
    double handshake_timeout;                   /* seconds; 0: 5 */
    const char *name; /* of the server's process; NULL: "manager" */
    /* For the server: */
    int (*initializer)(void *arg); /* runs in its process first; below 0: the
                                      start fails with that */
    void *initializer_arg;
    uint32_t max_clients; /* connected at a time; 0: 4096 */
    uint32_t max_calls;   /* of a client, that wait at a time; 0: 256 */
    uint32_t max_objects; /* made by a client; 0: 100,000 */
    uint32_t reserved;
    size_t max_message; /* bytes of one call or answer; 0: 64 MiB */
    size_t max_backlog; /* bytes that a client has not fetched; 0: 64 MiB */
    double
        patience; /* seconds for which a client that is silent, its cable cut,
                        is waited for, and one that does not fetch its answers;
                        0: 30. A sixth of it if its connection was reset: by the
                        network, or as it was killed with answers unread. */
    /* For clients: */
    double call_timeout; /* seconds, of calls that have no deadline; 0: 30 */
} mp_manager_attr;

/* MP_MANAGER_ATTR(.address = "unix:/run/jobs", .authkey = "secret",
 *                 .authkey_size = SIZE_MAX) */
#define MP_MANAGER_ATTR(...) MP__ATTR(mp_manager_attr, __VA_ARGS__)

/* Starts a server process, and returns when it listens. Errors are those of
 * mp_process_start(), of mp_listener_open(), and of the initializer; -ESRCH: the
 * server died before. It ends with the family's root; SIGTERM ends it, ctrl-C
 * does not. */
MP_API int mp_manager_start(mp_manager **ret_manager,
                            const mp_manager_attr *attr);

/* A manager of another family. Connects at once, to see that it is there; in
 * other processes of this family the first call does. Errors as mp_connect();
 * -EPROTO: somebody else listens there; -ETIMEDOUT: not within
 * .handshake_timeout, from the call to the server's welcome. */
MP_API int mp_manager_connect(mp_manager **ret_manager, const char *address,
                              const mp_manager_attr *attr);

/* A manager that was connected: closes the connection of this process, gives back
 * what it held, and ends all handles that came from there. Objects live on. NULL
 * is allowed. */
MP_API int mp_manager_close(mp_manager *manager);

/* Ends the server, and destroys all objects that were made by the manager's
 * functions; -EBUSY ones (somebody waits in them) live on. By a client: asks the
 * server to do so; the family that started it still has its handle then, without
 * a server, until it shuts it down itself. NULL is allowed. */
MP_API int mp_manager_shutdown(mp_manager *manager);

/* In the server's family: if the server has ended, starts another, a child of
 * the calling process, at the same address; its initializer gets the same pointer
 * again. 1: it was started; 0: the former one lives. Errors as
 * mp_manager_start(). */
MP_API int mp_manager_restart(mp_manager *manager);

/* The server's process, e.g. for mp_wait(): it is the manager's, not to be
 * closed, and valid until another one is started or the manager shut down. NULL:
 * not here. Where it listens: with the port that was found; NULL: nowhere. Of a
 * remote one: as it was given. */
MP_API mp_process *mp_manager_process(mp_manager *manager);
MP_API const char *mp_manager_address(mp_manager *manager);

/* ---- Objects ----
 *
 * Makes an object that lives until it is destroyed (mp_list_destroy(), ...) or
 * the manager shut down. One that a client of another family makes is the
 * client's until it is published, or put into another object: before, it ends
 * with the client. Errors as the types' own functions. */

MP_API int mp_manager_list(mp_manager *manager, mp_list **ret_list);
MP_API int mp_manager_dict(mp_manager *manager, mp_dict **ret_dict);
MP_API int mp_manager_set(mp_manager *manager, mp_set **ret_set);
MP_API int mp_manager_namespace(mp_manager *manager,
                                mp_namespace **ret_namespace);
MP_API int mp_manager_value(mp_manager *manager, mp_value **ret_value,
                            int type, mp_scalar x);
MP_API int mp_manager_array(mp_manager *manager, mp_array **ret_array,
                            int type, size_t n);
MP_API int mp_manager_lock(mp_manager *manager, mp_lock **ret_lock);
MP_API int mp_manager_rlock(mp_manager *manager, mp_rlock **ret_lock);
/* The permits of both are tracked: those of a dead holder are free. But a
 * semaphore that begins without a permit is a signal from one to the other, and
 * not tracked (bounded ones begin with one at least). */
MP_API int mp_manager_semaphore(mp_manager *manager,
                                mp_semaphore **ret_semaphore, uint32_t value);
MP_API int mp_manager_bounded_semaphore(mp_manager *manager,
                                        mp_semaphore **ret_semaphore,
                                        uint32_t value);
MP_API int mp_manager_event(mp_manager *manager, mp_event **ret_event);
MP_API int mp_manager_condition(mp_manager *manager,
                                mp_condition **ret_condition);
MP_API int mp_manager_barrier(mp_manager *manager, mp_barrier **ret_barrier,
                              uint32_t parties);
/* `maxsize` in items; 0: any number. */
MP_API int mp_manager_queue(mp_manager *manager, mp_queue **ret_queue,
                            size_t maxsize);
MP_API int mp_manager_joinable_queue(mp_manager *manager, mp_queue **ret_queue,
                                     size_t maxsize);
/* Its workers are children of the caller; of a remote one, of the server. */
MP_API int mp_manager_pool(mp_manager *manager, mp_pool **ret_pool,
                           int workers);

/* A remote handle is of no more use to this family; the object lives on. */
MP_API int mp_manager_forget(mp_manager *manager, void *handle);

/* ---- Names ---- */

/* Gives an object a name; one that had it before loses it. The object: any handle
 * whose type is in mp_manager_lookup()'s list, whoever has made it; -EREMOTE: it
 * is of another family than the manager: its own may publish it. The name does
 * not keep it: who destroys it leaves a name that finds nothing (-EBADF). */
MP_API int mp_manager_publish(mp_manager *manager, const char *name,
                              void *handle);
/* -ENOENT. The object lives on. */
MP_API int mp_manager_unpublish(mp_manager *manager, const char *name);

/* The handle of a published object, written to the pointer that `ret_handle`
 * points to. `type`: "list", "dict", "set", "namespace", "value", "array",
 * "lock", "rlock", "semaphore", "event", "condition", "barrier", "queue",
 * "pool", or a user's type. -ENOENT: nothing has that name; -EINVAL: it is of
 * another type; -EBADF: it has been destroyed. */
MP_API int mp_manager_lookup(mp_manager *manager, const char *name,
                             const char *type, void *ret_handle);

/* {'jobs': 'queue', ...}: a copy, for mp_any_free(). */
MP_API int mp_manager_names(mp_manager *manager, mp_any *ret_names);

/* How the server does: {'clients': 3, 'rejected': 0, 'calls': 1000, ...}: a copy,
 * for mp_any_free(). */
MP_API int mp_manager_statistics(mp_manager *manager, mp_any *ret_statistics);

/* ---- Many calls at once ----
 *
 * Between begin and end the calling thread's remote calls that give nothing back
 * but 0 (set, append, put, release, ...) return 0 at once; they are sent together,
 * and executed in order. end waits until all are done: the first error of them,
 * or 0. Other calls send what there is, and wait as ever. */
MP_API int mp_manager_batch_begin(mp_manager *manager);
MP_API int mp_manager_batch_end(mp_manager *manager);

/* ---- Types of one's own ----
 *
 * Objects with a state of their own in the server's process, and the operations
 * that the server executes on them, one after the other: they should be short.
 * Registered by the program before mp_manager_start(), or by its initializer.
 * Nothing but these can be called from outside. */

typedef struct mp_method {
    const char *name;
    /* `args` is a list. The result is what is written to `result`; nothing:
     * None. Below 0: the call fails with that, and a string in `result` is the
     * error's text. */
    int (*call)(void *self, mp_any args, mp_any_writer *result);
} mp_method;

typedef struct mp_type_ops {
    uint32_t size; /* sizeof(mp_type_ops) */
    uint32_t n_methods;
    const mp_method *methods;
    int (*create)(void **ret_self, mp_any args);
    void (*destroy)(void *self); /* NULL: nothing is to be done */
} mp_type_ops;

/* `ops` must stay. Names have 63 bytes at most. -EEXIST: the name is taken. */
MP_API int mp_manager_register(const char *type, const mp_type_ops *ops);

/* Makes one; `format` and what follows are the arguments ("i,s": a list of
 * two; "": none). -ENOENT: the server has no such type; what `create` has
 * returned. Made in the manager's family, it lives until it is destroyed or the
 * manager shut down, like other objects; its value ends with the server. */
MP_API int mp_manager_object(mp_manager *manager, mp_object **ret_object,
                             const char *type, const char *format, ...);
/* (object, "add", MP_FOREVER, "i > i", 5, &sum): the arguments, and behind '>'
 * how the result is taken apart, as copies; without '>' it is passed over. What
 * the method has returned; -ENOENT: no such method; -ESRCH: the server that had
 * it has ended. A result that does not fit is an error after the call. Handles
 * are values ("h") here as everywhere. */
MP_API int mp_object_call(mp_object *object, const char *method,
                          mp_time deadline, const char *format, ...);
MP_API int mp_object_destroy(mp_object *object);

/* Functions that a remote pool may be asked to run: the server's program and the
 * client's register theirs by the same name. */
MP_API int mp_manager_register_task(const char *name, mp_task_fn f);
MP_API int mp_manager_register_map(const char *name, mp_map_fn f);

MP__END

#endif
