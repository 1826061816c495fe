/* SPDX-License-Identifier: MIT */
/* manager.unix.* and manager.remote.*: a manager that a program of another
 * family has started, over a local socket, and over the loopback in TLS by a
 * key. Each client is a program, too: with a family of its own. */
#include "manager.h"
#include "manager_jobs.h"
#include "sample.h"

#include <mproc.h>
#include <string.h>
#include <unistd.h>

/* Where they meet; `address` is written before `listens`. */
struct meeting {
    mp_manager_attr attr;
    int listens;
    char address[120];
};

struct objects {
    mp_manager *manager;
    mp_value *value;
    mp_list *list;
    mp_dict *dict;
    mp_lock *lock;
};

static void
ok(int r, const char *what)
{
    if (r < 0)
        fail("%s: %s: %s", what, mp_strerror(r), mp_last_error());
}

/* ---- The server ---- */

__attribute__((noreturn)) static void
serve(struct meeting *meeting)
{
    struct objects o;

    ok(mp_manager_start(&o.manager, &meeting->attr), "mp_manager_start");
    ok(mp_manager_value(o.manager, &o.value, 'q', MP_SCALAR(0)),
       "mp_manager_value");
    ok(mp_manager_list(o.manager, &o.list), "mp_manager_list");
    ok(mp_manager_dict(o.manager, &o.dict), "mp_manager_dict");
    ok(mp_manager_lock(o.manager, &o.lock), "mp_manager_lock");
    ok(mp_manager_publish(o.manager, "value", o.value), "mp_manager_publish");
    ok(mp_manager_publish(o.manager, "list", o.list), "mp_manager_publish");
    ok(mp_manager_publish(o.manager, "dict", o.dict), "mp_manager_publish");
    ok(mp_manager_publish(o.manager, "lock", o.lock), "mp_manager_publish");
    snprintf(meeting->address, sizeof(meeting->address), "%s",
             mp_manager_address(o.manager));
    __atomic_store_n(&meeting->listens, 1, __ATOMIC_RELEASE);
    for (;;)
        pause();
}

/* It is killed with the group, at the end of the sample. Nothing of mproc has
 * been called before: so whoever is forked is of a family of its own. */
static void *
start(const char *address, const char *key)
{
    struct meeting *meeting = shared_memory(sizeof(*meeting));
    pid_t pid;

    meeting->attr = *MP_MANAGER_ATTR(.address = address, .authkey = key,
                                     .authkey_size = key ? SIZE_MAX : 0);
    pid = fork();
    must(pid, "fork");
    if (pid == 0)
        serve(meeting);
    return meeting;
}

static void *
start_unix(void)
{
    return start(sample_socket(), NULL);
}

static void *
start_tls(void)
{
    return start("tcp:127.0.0.1:0", "a key for the bench");
}

/* ---- A client ---- */

static void *
remote_open(struct manager_run *run)
{
    struct meeting *meeting = run->place;
    struct objects *o = private_memory(sizeof(*o));

    while (!__atomic_load_n(&meeting->listens, __ATOMIC_ACQUIRE))
        usleep(1000);
    ok(mp_manager_connect(&o->manager, meeting->address, &meeting->attr),
       "mp_manager_connect");
    ok(mp_manager_lookup(o->manager, "value", "value", &o->value), "value");
    ok(mp_manager_lookup(o->manager, "list", "list", &o->list), "list");
    ok(mp_manager_lookup(o->manager, "dict", "dict", &o->dict), "dict");
    ok(mp_manager_lookup(o->manager, "lock", "lock", &o->lock), "lock");
    return o;
}

static void
remote_set(void *client, long x)
{
    ok(mp_value_set(((struct objects *)client)->value, x), "mp_value_set");
}

static long
remote_get(void *client)
{
    long x;

    ok(mp_value_get(((struct objects *)client)->value, &x), "mp_value_get");
    return x;
}

static void
remote_append(void *client, long x)
{
    ok(mp_list_append(((struct objects *)client)->list, "q", (int64_t)x),
       "mp_list_append");
}

static long
remote_len(void *client)
{
    return mp_list_len(((struct objects *)client)->list);
}

static void
remote_put(void *client, const char *key, long x)
{
    ok(mp_dict_set(((struct objects *)client)->dict, "s", key, "q",
                   (int64_t)x),
       "mp_dict_set");
}

static long
remote_find(void *client, const char *key)
{
    int64_t x;

    ok(mp_dict_get(((struct objects *)client)->dict, "s", key, "q", &x),
       "mp_dict_get");
    return x;
}

static void
remote_acquire(void *client)
{
    ok(mp_lock_acquire(((struct objects *)client)->lock, MP_FOREVER),
       "mp_lock_acquire");
}

static void
remote_release(void *client)
{
    ok(mp_lock_release(((struct objects *)client)->lock), "mp_lock_release");
}

static void
remote_begin(void *client)
{
    ok(mp_manager_batch_begin(((struct objects *)client)->manager),
       "mp_manager_batch_begin");
}

static void
remote_end(void *client)
{
    ok(mp_manager_batch_end(((struct objects *)client)->manager),
       "mp_manager_batch_end");
}

static const struct manager_steps remote_steps = {
    .open = remote_open,
    .set = remote_set,
    .get = remote_get,
    .append = remote_append,
    .len = remote_len,
    .put = remote_put,
    .find = remote_find,
    .acquire = remote_acquire,
    .release = remote_release,
    .begin = remote_begin,
    .end = remote_end,
};
#define over_unix_steps remote_steps
#define over_tls_steps  remote_steps

MANAGER_JOBS(over_unix, start_unix(), 0)
MANAGER_JOBS(over_tls, start_tls(), 0)
