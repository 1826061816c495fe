/* SPDX-License-Identifier: MIT */
/* A manager, in the region. */
#pragma once

#include "base/error.h"
#include "module/function.h"
#include "region/object.h"

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
    /* Which start is the latest: drawn at first, since cells are used again, and
     * one more whenever the server is ended. Writer: who has `starting`. */
    mp__a64 start;
    /* The server's process, and the same once it listens. Writer: itself; who
     * has `starting` clears them. */
    _Atomic(mp_process *) server, serving;
    char bound[MP__MANAGER_ADDRESS]; /* where it listens; "": nowhere. Writer:
                                        the first server, as it begins */

    /* Remote: */
    mp_dict *proxies; /* {address at home: address of the handle here} */
} MP__ALIGNED(MP__LINE);

/* Of which manager this process is the server, and in which of its lives. */
struct mp__served_here {
    mp_manager *manager; /* NULL: of none */
    uint64_t life;
};
extern struct mp__served_here mp__served_here;

static inline int
mp__manager_is_served_here(const mp_manager *manager)
{
    return manager && mp__served_here.manager == manager;
}

/* describe.c: how mp_describe() tells of managers. */
void mp__registry_describe(void);

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
