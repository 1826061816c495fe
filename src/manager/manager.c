/* SPDX-License-Identifier: MIT */
/* A manager at home: its server is started, started anew, and ended.
 *
 * All that is a manager lies in the family's memory: names and objects are
 * collections, which survive whoever dies. The server is a process without
 * which others cannot come in; a new one takes over what there is.
 *
 * Who starts a server, or ends it, holds `starting`, a robust lock. The server
 * itself writes its handle into the manager, once as it begins and once when
 * it listens, and then says so through a pipe. If its starter has died by
 * then, the first server of a manager ends, as nobody knows of that manager; a
 * later one goes on. One that somebody finds half way, with `starting` in his
 * hand, has lost its starter, and is replaced. One that has not come so far as
 * to be found sees that it is not of the latest `start`, and ends. */
#include "link/ask.h"
#include "manager/host.h"
#include "os/life.h"
#include "os/mapping.h"
#include "process/record.h"
#include "region/heap.h"
#include "registry/record.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE 5.0 /* seconds, for the server to end */

static int
enter_at_home(mp_manager *manager, const char *function)
{
    int r = mp__manager_enter(manager, function);

    if (r == 0 && manager->remote)
        return mp__fail(-EREMOTE,
                        "%s: the manager is of another family: this can be "
                        "done there only",
                        function);
    return r;
}

/* ---- The server's process ---- */

static int
launch(mp_manager *manager, const struct mp__manager_start *start,
       mp_process **ret_process)
{
    int of_root = mp__life_is_root();
    mp_process_attr attr = {
        .size = sizeof(attr),
        .name = manager->terms->name,
        .daemon = of_root,
        .on_parent_death = MP_DEATH_STAY,
    };

    /* The root's exit ends it in order. Another process does not take it
     * along, nor wait for it. */
    return mp__process_start(ret_process, mp__manager_serve, start,
                             sizeof(*start), &attr, !of_root);
}

/* What the server says; or how it has ended without a word. */
static int
hear(mp_conn *report, mp_process *process, const char *function)
{
    char how[64], *text;
    int r, result;

    do
        r = mp_conn_recvf(report, "[i,s]", &result, &text);
    while (r == -EINTR);
    if (r == 0) {
        if (result < 0)
            mp__fail(result, "%s: %s", function, text);
        free(text);
        return result;
    }
    mp_process_join(process, mp_timeout(GRACE));
    return mp__fail(-ESRCH, "%s: the server died before it listened: %s",
                    function,
                    mp__process_describe_end(process, how, sizeof(how)));
}

/* It has failed, and mp_last_error() says why. */
static void
give_up(mp_manager *manager, mp_process *process)
{
    char why[512];

    snprintf(why, sizeof(why), "%s", mp_last_error());
    while (mp_process_stop(process, GRACE) == -EINTR)
        ;
    atomic_store(&manager->server, NULL);
    atomic_store(&manager->serving, NULL);
    mp_process_close(process);
    mp__fail(0, "%s", why);
}

static int
start_server(mp_manager *manager, const char *function)
{
    struct mp__manager_start start = {
        .manager = manager,
        .start = mp__load(&manager->start),
    };
    mp_process *process;
    mp_conn *heard;
    int r = mp_pipe(&heard, &start.report, 0);

    if (r < 0)
        return r;
    r = launch(manager, &start, &process);
    mp_conn_close(start.report);
    if (r == 0) {
        r = hear(heard, process, function);
        if (r < 0)
            give_up(manager, process);
    }
    mp_conn_close(heard);
    return r;
}

/* Ends the server, if there is one, and those that have been started and have
 * not come to say so. `starting` is held, or nobody else has the manager. */
static void
end_server(mp_manager *manager)
{
    mp_process *server;

    mp__add(&manager->start, 1);
    server = atomic_exchange(&manager->server, NULL);
    if (server) {
        while (mp_process_stop(server, GRACE) == -EINTR)
            ;
        mp_process_close(server);
    }
    atomic_store(&manager->serving, NULL);
}

/* ---- Starting ---- */

static void
release(mp_manager *manager)
{
    mp_dict_destroy(manager->names);
    mp_dict_destroy(manager->objects);
    mp_queue_destroy(manager->callers);
    mp_value_destroy(manager->lives);
    mp_lock_destroy(manager->starting);
    if (manager->terms)
        mp__block_free(manager->terms);
    mp__object_free(manager, MP__SLAB_MANAGER);
}

static int
fill(mp_manager *manager, const mp_manager_attr *attr)
{
    int r =
        mp__manager_terms_new(&manager->terms, NULL, attr, "mp_manager_start");

    if (r < 0)
        return r;
    mp__block_keep(manager->terms);
    mp__random(&manager->number, sizeof(manager->number));
    mp__random(&manager->start, sizeof(manager->start));
    memcpy(manager->family, mp__region_uuid(), sizeof(manager->family));
    r = mp_dict_create(&manager->names);
    if (r == 0)
        r = mp_dict_create(&manager->objects);
    if (r == 0)
        r = mp_queue_create(&manager->callers, NULL);
    if (r == 0)
        r = mp_value_create(&manager->lives, 'q', 0);
    if (r == 0)
        r = mp_lock_create(&manager->starting, NULL);
    if (r < 0)
        return r;
    mp__object_hide(manager->names);
    mp__object_hide(manager->objects);
    mp__object_hide(manager->callers);
    mp__object_hide(manager->lives);
    mp__object_hide(manager->starting);
    return 0;
}

int
mp_manager_start(mp_manager **ret_manager, const mp_manager_attr *attr)
{
    mp_manager *manager;
    int r = mp__enter();

    if (r < 0)
        return r;
    if (!ret_manager)
        return mp__fail(-EINVAL, "mp_manager_start: ret_manager is NULL");
    manager = mp__object_alloc(MP__SLAB_MANAGER, sizeof(*manager));
    if (!manager)
        return -ENOMEM;
    r = fill(manager, attr);
    if (r < 0) {
        release(manager);
        return r;
    }
    mp__object_publish(manager, MP__SLAB_MANAGER);
    r = start_server(manager, "mp_manager_start");
    if (r < 0) {
        mp__object_retire(manager, MP__SLAB_MANAGER);
        release(manager);
        return r;
    }
    *ret_manager = manager;
    return 0;
}

/* Nobody else starts or ends the server until it is released. */
static int
acquire_start(mp_manager *manager)
{
    int r;

    do
        r = mp_lock_acquire(manager->starting, MP_FOREVER);
    while (r == -EINTR);
    return r == -EOWNERDEAD ? 0 : r;
}

static int
is_serving(mp_manager *manager)
{
    mp_process *server = atomic_load(&manager->serving);

    return server && mp_process_is_alive(server) == 1;
}

int
mp_manager_restart(mp_manager *manager)
{
    int r = enter_at_home(manager, "mp_manager_restart");

    if (r == 0)
        r = acquire_start(manager);
    if (r < 0)
        return r;
    if (!mp__object_ok(manager, MP__SLAB_MANAGER)) {
        r = mp__fail(-EBADF, "mp_manager_restart: the manager is being shut "
                             "down");
    } else if (!is_serving(manager)) {
        end_server(manager);
        r = start_server(manager, "mp_manager_restart");
        r = r < 0 ? r : 1;
    }
    mp_lock_release(manager->starting);
    return r;
}

/* ---- The end ---- */

static int
shut_down_at_home(mp_manager *manager)
{
    int r;

    /* As by a client. */
    if (mp__manager_is_served_here(manager)) {
        mp__server.ending = mp__server.clears = 1;
        return 0;
    }
    r = mp__object_retire(manager, MP__SLAB_MANAGER);
    if (r < 0)
        return mp__fail_handle("mp_manager_shutdown", manager, "a manager");
    mp__link_close(manager);
    /* Whoever is about to start it anew is waited for, and sees then that
     * there is no manager any more. */
    if (acquire_start(manager) == 0) {
        end_server(manager);
        mp_lock_release(manager->starting);
    }
    mp__manager_destroy_all(manager);
    release(manager);
    return 0;
}

int
mp_manager_shutdown(mp_manager *manager)
{
    int r = manager ? mp__manager_enter(manager, "mp_manager_shutdown") : 0;

    if (r < 0 || !manager)
        return r;
    if (manager->remote)
        return (int)mp__manager_ask(manager, "mp_manager_shutdown",
                                    MP__FAR_PLAIN, "");
    return shut_down_at_home(manager);
}

/* ---- Looking ---- */

mp_process *
mp_manager_process(mp_manager *manager)
{
    return enter_at_home(manager, "mp_manager_process") < 0
               ? NULL
               : atomic_load(&manager->server);
}

const char *
mp_manager_address(mp_manager *manager)
{
    const char *address;

    if (mp__manager_enter(manager, "mp_manager_address") < 0)
        return NULL;
    address = manager->remote ? manager->terms->address : manager->bound;
    return address[0] ? address : NULL;
}
