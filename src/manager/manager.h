/* SPDX-License-Identifier: MIT */
/* A manager, in the region. */
#pragma once

#include "base/error.h"
#include "process/function.h"
#include "region/heap.h"

#include <mproc/manager.h>

#define MP__MANAGER_ADDRESS 512u
#define MP__MANAGER_KEY     512u
#define MP__MANAGER_PATH    512u

#define MP__MANAGER_NAME 64u

/* The attributes, with room of their own. */
struct mp__manager_terms {
    uint32_t flags, max_clients, max_calls, max_objects;
    int has_key; /* an empty one is a key */
    size_t key_size, max_message, max_backlog;
    double handshake_timeout, patience, call_timeout;
    char address[MP__MANAGER_ADDRESS]; /* "": none */
    unsigned char key[MP__MANAGER_KEY];
    char certificate[MP__MANAGER_PATH], private_key[MP__MANAGER_PATH],
        ca[MP__MANAGER_PATH];
    char name[MP__MANAGER_NAME];
    struct mp__function initializer; /* .module 0: none */
    void *initializer_arg;
};

struct mp_manager {
    struct mp__object object;
    int remote; /* of another family */
    uint32_t reserved;
    uint64_t number; /* drawn: no other manager's, as cells are used again */
    unsigned char family[16];        /* whose objects these are */
    struct mp__manager_terms *terms; /* a block; constant */

    /* Here: */
    mp_dict *names;    /* {name: handle} */
    mp_dict *objects;  /* {handle: session that has made it, or 0} */
    mp_queue *callers; /* ends of pipes, from processes of the family that call
                          objects of users' types */
    mp_value *lives;   /* of the server, so far */
    mp_lock *starting; /* held by who starts the server, or ends it */
    /* The server's process, and the same once it listens. Writer: itself; who
     * has `starting` clears them. */
    _Atomic(mp_process *) server, serving;
    char bound[MP__MANAGER_ADDRESS]; /* where it listens; "": nowhere. Writer:
                                        the first server, as it begins */

    /* Remote: */
    mp_dict *proxies; /* {address at home: address of the handle here} */
} MP__ALIGNED(MP__LINE);

/* 0; -EBADF, or mp__enter()'s. */
int mp__manager_enter(const mp_manager *manager, const char *function);

/* The attributes of a connection or listener, for as long as the terms stay. */
void mp__manager_conn_attr(const struct mp__manager_terms *terms,
                           mp_conn_attr *ret_attr);

/* Checked, and copied into a block: 0; -EINVAL, -E2BIG, -ENOMEM. `address` NULL:
 * that of `attr`. */
int mp__manager_terms_new(struct mp__manager_terms **ret_terms,
                          const char *address, const mp_manager_attr *attr,
                          const char *function);

/* ---- The server's process: host.c, server.c ---- */

/* What a process that is to be a server is started with. */
struct mp__manager_start {
    mp_manager *manager;
    mp_conn *report; /* [result, text]: sent once it listens, or cannot */
};
int mp__manager_serve(void *start);

/* ---- The client's side: link.h ---- */

/* A call of the manager itself, or of the object `far`, by this process's link.
 * See mp__far_call(). A local manager's go through a pipe to its server. */
ssize_t mp__manager_call(mp_manager *manager, enum mp__slab slab,
                         uint64_t object, const char *function,
                         mp_time deadline, const char *format, va_list args);
ssize_t mp__manager_ask(mp_manager *manager, const char *function,
                        mp_time deadline, const char *format, ...);
/* Ends this process's link, if there is one. */
void mp__link_close(mp_manager *manager);
