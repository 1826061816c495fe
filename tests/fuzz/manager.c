/* SPDX-License-Identifier: MIT */
/* Anything that a client may send to a manager's server, in the process that
 * has the server: it goes on, what comes back is made of answers, one for each
 * call, and nothing of the client is left when it is gone.
 *
 * The first byte says what the others are: bytes of the stream as they are;
 * the same behind a hello; or calls, that are well-formed but for what they
 * ask for. A call is: which operation, on which object, and a value for its
 * arguments. */
#include "fuzz.h"
#include "region/heap.h"
#include "server/dispatch.h"
#include "server/park.h"
#include "server/server.h"
#include "service/service.h"
#include "socket/frame.h"

#include <errno.h>
#include <mproc/connection.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST      4096 /* bytes of an input */
#define MOST_SENT 65536
#define TURNS     100

static const char *const ops[] = {
    "lock_acquire",
    "lock_release",
    "lock_locked",
    "rlock_acquire",
    "rlock_release",
    "semaphore_acquire",
    "semaphore_release",
    "semaphore_value",
    "event_set",
    "event_clear",
    "event_wait",
    "condition_acquire",
    "condition_release",
    "condition_wait",
    "condition_notify",
    "barrier_wait",
    "barrier_abort",
    "barrier_reset",
    "value_get",
    "value_set",
    "value_add",
    "value_add_get",
    "value_compare_exchange",
    "array_get",
    "array_set",
    "array_add",
    "array_len",
    "queue_put",
    "queue_get",
    "queue_size",
    "queue_task_done",
    "queue_join",
    "list_append",
    "list_insert",
    "list_pop",
    "list_get",
    "list_set",
    "list_slice",
    "list_replace",
    "list_sort",
    "list_remove",
    "list_index",
    "list_extend",
    "dict_set",
    "dict_get",
    "dict_pop",
    "dict_update",
    "dict_items",
    "dict_setdefault",
    "set_add",
    "set_remove",
    "set_update",
    "namespace_set",
    "namespace_get",
    "manager_list",
    "manager_dict",
    "manager_lock",
    "manager_publish",
    "manager_lookup",
    "manager_unpublish",
    "manager_names",
    "manager_statistics",
    "manager_ping",
    "thread_end",
    "abandon",
    "received",
    "arrived",
    "list_destroy",
    "lock_destroy",
    "value_destroy",
    "nonsense",
};

static mp_manager *manager;
static void *objects[16];

static void
make_objects(void)
{
    static const int slabs[] = {
        MP__SLAB_LOCK,      MP__SLAB_RLOCK,     MP__SLAB_SEMAPHORE,
        MP__SLAB_EVENT,     MP__SLAB_CONDITION, MP__SLAB_BARRIER,
        MP__SLAB_VALUE,     MP__SLAB_ARRAY,     MP__SLAB_QUEUE,
        MP__SLAB_LIST,      MP__SLAB_DICT,      MP__SLAB_SET,
        MP__SLAB_NAMESPACE,
    };
    void **o = objects;

    for (size_t i = 0; i < sizeof(slabs) / sizeof(slabs[0]); i++, o++) {
        if (mp__object_slab(*o) == slabs[i])
            continue;
        switch (slabs[i]) {
        case MP__SLAB_LOCK:
            holds(mp_lock_create((mp_lock **)o, NULL) == 0);
            break;
        case MP__SLAB_RLOCK:
            holds(mp_rlock_create((mp_rlock **)o, NULL) == 0);
            break;
        case MP__SLAB_SEMAPHORE:
            holds(mp_semaphore_create((mp_semaphore **)o, 2,
                                      MP_SEMAPHORE_ATTR(.tracked = 1)) == 0);
            break;
        case MP__SLAB_EVENT:
            holds(mp_event_create((mp_event **)o, NULL) == 0);
            break;
        case MP__SLAB_CONDITION:
            holds(mp_condition_create((mp_condition **)o, NULL) == 0);
            break;
        case MP__SLAB_BARRIER:
            holds(mp_barrier_create((mp_barrier **)o, 2, NULL) == 0);
            break;
        case MP__SLAB_VALUE:
            holds(mp_value_create((mp_value **)o, 'q', 0) == 0);
            break;
        case MP__SLAB_ARRAY:
            holds(mp_array_create((mp_array **)o, 'd', 8, NULL) == 0);
            break;
        case MP__SLAB_QUEUE:
            holds(mp_queue_create((mp_queue **)o, NULL) == 0);
            break;
        case MP__SLAB_LIST:
            holds(mp_list_create((mp_list **)o) == 0);
            break;
        case MP__SLAB_DICT:
            holds(mp_dict_create((mp_dict **)o) == 0);
            break;
        case MP__SLAB_SET:
            holds(mp_set_create((mp_set **)o) == 0);
            break;
        case MP__SLAB_NAMESPACE:
            holds(mp_namespace_create((mp_namespace **)o) == 0);
            break;
        }
    }
}

static void
open_server(void)
{
    holds(mp__enter() == 0);
    manager = mp__object_alloc(MP__SLAB_MANAGER, sizeof(*manager));
    holds(manager);
    holds(mp__manager_terms_new(
              &manager->terms, NULL,
              MP_MANAGER_ATTR(.max_message = 65536, .max_backlog = 1 << 20,
                              .max_objects = 100, .max_calls = 16),
              "fuzz") == 0);
    mp__block_keep(manager->terms);
    holds(mp_dict_create(&manager->names) == 0);
    holds(mp_dict_create(&manager->objects) == 0);
    holds(mp_queue_create(&manager->callers, NULL) == 0);
    holds(mp_value_create(&manager->lives, 'q', 0) == 0);
    holds(mp_lock_create(&manager->starting, NULL) == 0);
    mp__object_publish(manager, MP__SLAB_MANAGER);
    mp__ops_begin();
    holds(mp__server_open(manager) == 0);
}

/* ---- The client ---- */

struct client {
    int fd;
    size_t sent, calls;
};

static void
turn(int turns)
{
    for (int i = 0; i < turns; i++)
        holds(mp__server_turn(MP_NOW) == 0);
}

/* When there is no room the server takes its turn; it may be waiting for us to
 * fetch answers, though. */
static void
give(struct client *client, const void *data, size_t size)
{
    size_t sent = 0;
    int tries = 0;

    while (sent < size && client->sent + size <= MOST_SENT) {
        ssize_t n = send(client->fd, (const char *)data + sent, size - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (size_t)n;
        else if (errno == EAGAIN && tries++ < 8)
            turn(1);
        else
            break; /* it has dropped the client */
    }
    client->sent += sent;
}

static void
give_message(struct client *client, mp_any_writer *w)
{
    unsigned char header[MP__FRAME_HEADER];
    mp_any message;

    if (mp_any_end(w, &message) < 0)
        return;
    give(client, header, mp__frame_write(header, message.size));
    give(client, message.data, message.size);
}

static void
say_hello(struct client *client)
{
    struct mp__hello hello = {.version = MP__WIRE_VERSION};
    mp_any_writer w = MP_ANY_WRITER;

    mp__hello_write(&w, &hello);
    give_message(client, &w);
    mp_any_discard(&w);
}

static void
write_arguments(mp_any_writer *w, const uint8_t *data, size_t size)
{
    mp_any any;

    if (mp_any_check(data, size, &any) == 0 &&
        mp_any_type(any) == MP_ANY_LIST) {
        mp_any_write_value(w, any);
    } else {
        mp_any_write_list(w, 1);
        mp_any_write_bytes(w, data, size);
    }
}

/* operation, object, thread and wait, size of the arguments; the arguments. */
static size_t
call(struct client *client, const uint8_t *data, size_t size, uint64_t *serial)
{
    size_t n = data[3] < size - 4 ? data[3] : size - 4;
    const char *op = ops[data[0] % (sizeof(ops) / sizeof(ops[0]))];
    void *object = objects[data[1] % 16];
    struct mp__request request = {
        .serial = ++*serial,
        .done = data[2] & 64 ? *serial : 0,
        .thread = data[2] & 3,
        .op = op,
        .op_size = strlen(op),
        .slab =
            data[1] & 128 ? data[1] & 31 : (uint32_t)mp__object_slab(object),
        .object = (uintptr_t)object,
        .wait = data[2] & 16   ? MP_FOREVER
                : data[2] & 32 ? 1000
                               : MP_NOW,
    };
    mp_any_writer w = MP_ANY_WRITER;

    /* About an earlier call, or one that comes again. */
    if (data[2] & 128)
        request.serial =
            *serial > 1u + (data[2] & 7) ? *serial - (data[2] & 7) : 1;
    mp__request_begin(&w, &request);
    write_arguments(&w, data + 4, n);
    give_message(client, &w);
    mp_any_discard(&w);
    client->calls++;
    return 4 + n;
}

/* What comes back is whole answers; the first message may be a welcome. */
static void
look_at_answers(struct client *client)
{
    static unsigned char buf[2 << 20];
    ssize_t n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT);
    size_t at = 0, answers = 0;

    while (n > 0 && at < (size_t)n) {
        struct mp__welcome welcome;
        struct mp__answer answer;
        uint64_t size = 0;
        int header = mp__frame_read(buf + at, (size_t)n - at, &size);
        mp_any any = {buf + at + header, size};

        holds(header > 0);
        if (size > (size_t)n - at - (size_t)header)
            break; /* the socket was full */
        if (at > 0 || mp__welcome_read(any, &welcome) < 0) {
            holds(mp__answer_read(any, &answer) == 0);
            answers++;
        }
        at += (size_t)header + size;
    }
    holds(client->calls == 0 || answers <= 2 * client->calls);
}

static void
connect_client(struct client *client, enum mp__transport transport)
{
    int ends[2];
    mp_conn *conn;

    holds(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    holds(mp_conn_open_fd(&conn, ends[0],
                          MP_CONN_ATTR(.max_message = 65536)) == 0);
    *client = (struct client){.fd = ends[1]};
    mp__session_new(conn, transport);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client client;
    uint64_t serial = 0;
    size_t at = 1;

    if (size < 1 || size > MOST)
        return 0;
    if (!manager)
        open_server();
    make_objects();
    connect_client(&client, data[0] & 4 ? MP__BY_TCP : MP__BY_UNIX);
    if ((data[0] & 3) > 0)
        say_hello(&client);
    if ((data[0] & 3) < 2) {
        give(&client, data + 1, size - 1);
        turn(2);
    }
    while ((data[0] & 3) >= 2 && size - at >= 4) {
        at += call(&client, data + at, size - at, &serial);
        if (data[0] & 8)
            turn(1);
    }
    turn(3);
    look_at_answers(&client);
    close(client.fd);
    for (int i = 0; i < TURNS && mp__server.n_sessions > 0; i++)
        turn(1);
    holds(mp__server.n_sessions == 0 && mp__server.n_clients == 0);
    holds(mp__parked() == 0);
    holds(mp_dict_len(manager->objects) <= 1000);
    return 0;
}
