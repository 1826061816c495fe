/* SPDX-License-Identifier: MIT */
/* Queues, served. A message that a client gets is on its way to it until it says
 * that it has arrived: before, it goes back to the front if the client ends, gives
 * up, or if this server does (queue/queue_serve.c). */
#include "service/service.h"

#include "base/error.h"
#include "base/macros.h"
#include "codec/format.h"
#include "codec/token.h"
#include "queue/consume.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Putting ---- */

static ssize_t
serve_put(struct mp__call *call)
{
    const void *data;
    size_t size;
    ssize_t r = mp__call_args(call, "y", &data, &size);

    return r < 0 ? r
                 : mp__call_wait(
                       call, mp_queue_put(call->object, data, size, MP_NOW));
}

static ssize_t
serve_put_any(struct mp__call *call)
{
    mp_any any;
    ssize_t r = mp__call_args(call, "v", &any);

    return r < 0 ? r
                 : mp__call_wait(call, mp_queue_put(call->object, any.data,
                                                    any.size, MP_NOW));
}

static ssize_t
serve_put_priority(struct mp__call *call)
{
    int64_t priority;
    const void *data;
    size_t size;
    ssize_t r = mp__call_args(call, "yq", &data, &size, &priority);

    return r < 0 ? r
                 : mp__call_wait(
                       call, mp_queue_put_priority(call->object, data, size,
                                                   priority, MP_NOW));
}

/* As many as there is room for; at least one. */
static ssize_t
serve_put_many(struct mp__call *call)
{
    const char *data;
    size_t bytes, size, n;
    ssize_t r = mp__call_args(call, "yzz", &data, &bytes, &size, &n);

    if (r == 0 && (size ? n != bytes / size || bytes % size : bytes != 0))
        r = mp__fail(-EINVAL,
                     "mp_queue_put_many: %zu items of %zu bytes are "
                     "not %zu bytes",
                     n, size, bytes);
    return r < 0 ? r
                 : mp__call_wait(call, mp_queue_put_many(call->object, data,
                                                         size, n, MP_NOW));
}

/* ---- Getting ---- */

/* Messages on their way: handles of mp_message. */
struct parcel {
    size_t n;
    uint64_t handles[][2];
};

#define PARCEL_MOST  1024u
#define PARCEL_BYTES (1u << 20)

/* What the caller can take. */
struct wanted {
    struct mp__call *call;
    const char *function;
    size_t cap;
    int value;
    char *fits; /* NULL: any value */
};

static int
look(const void *data, size_t size, void *arg)
{
    const struct wanted *wanted = arg;
    size_t most = mp__call_manager(wanted->call)->terms->max_message;

    if (size > wanted->cap)
        return mp__fail(-EMSGSIZE,
                        "%s: the message has %zu bytes, there is room for %zu",
                        wanted->function, size, wanted->cap);
    if (size > most - most / 8)
        return mp__fail(-EMSGSIZE,
                        "%s: the message has %zu bytes, the manager sends "
                        "%zu at the most",
                        wanted->function, size, most);
    if (!wanted->value)
        return 0;
    if (wanted->fits)
        return mp__format_fits(wanted->function, (mp_any){data, size},
                               wanted->fits);
    return mp__any_check(wanted->function, data, size, NULL);
}

/* Takes one more message into the parcel. */
static int
take(struct mp__call *call, struct wanted *wanted, mp_message *ret_message)
{
    struct parcel *parcel = call->state;
    int r = mp__queue_serve(call->object, look, wanted, ret_message);

    if (r < 0)
        return r;
    memcpy(parcel->handles[parcel->n++], ret_message->handle,
           sizeof(ret_message->handle));
    return 0;
}

static int
make_parcel(struct mp__call *call, size_t n)
{
    if (call->state == NULL)
        call->state =
            calloc(1, sizeof(struct parcel) + n * sizeof(uint64_t[2]));
    return call->state ? 0 : mp__fail(-ENOMEM, "out of memory");
}

/* Nothing is on its way any more. */
static void
end_parcel(struct mp__call *call,
           void (*end)(mp_queue *queue, mp_message *message))
{
    struct parcel *parcel = call->state;
    mp_message message = {.data = NULL};

    for (size_t i = parcel ? parcel->n : 0; i-- > 0;) {
        memcpy(message.handle, parcel->handles[i], sizeof(message.handle));
        if (mp__object_ok(call->object, MP__SLAB_QUEUE))
            end(call->object, &message);
    }
    free(parcel);
    call->state = NULL;
}

static void
arrived(struct mp__call *call)
{
    end_parcel(call, mp__queue_arrived);
}

static void
cancel(struct mp__call *call)
{
    end_parcel(call, mp__queue_return);
}

/* The call fails, or is to be tried again: it has nothing then. */
static ssize_t
refuse(struct mp__call *call, ssize_t r)
{
    cancel(call);
    return mp__call_wait(call, r);
}

static ssize_t
get(struct mp__call *call, struct wanted *wanted)
{
    mp_message message;
    int r = make_parcel(call, 1);

    if (r == 0)
        r = take(call, wanted, &message);
    if (r == 0 && wanted->value)
        r = mp__call_give(call, "v", (mp_any){message.data, message.size});
    else if (r == 0)
        r = mp__call_give(call, "y", message.data, message.size);
    return r < 0 ? refuse(call, r) : (ssize_t)message.size;
}

static ssize_t
serve_get(struct mp__call *call)
{
    struct wanted wanted = {.call = call, .function = "mp_queue_get"};
    ssize_t r = mp__call_args(call, "z", &wanted.cap);

    return r < 0 ? r : get(call, &wanted);
}

static ssize_t
serve_get_any(struct mp__call *call)
{
    struct wanted wanted = {.call = call,
                            .function = "mp_queue_getf",
                            .cap = SIZE_MAX,
                            .value = 1};
    ssize_t r = mp__call_args(call, "?s", &wanted.fits);

    if (r == 0)
        r = get(call, &wanted);
    free(wanted.fits);
    return r > 0 ? 0 : r;
}

/* As many as there are, in one answer: a list of bytes. */
static ssize_t
get_many(struct mp__call *call, struct wanted *wanted, size_t n)
{
    mp_any_writer writer = MP_ANY_WRITER;
    struct parcel *parcel = call->state;
    mp_message messages[PARCEL_MOST];
    size_t bytes = 0;
    mp_any any;
    int r = 0;

    while (parcel->n < n && bytes < PARCEL_BYTES && r == 0) {
        r = take(call, wanted, &messages[parcel->n]);
        if (r == 0)
            bytes += messages[parcel->n - 1].size;
    }
    if (parcel->n == 0)
        return refuse(call, r);
    mp_any_write_list(&writer, parcel->n);
    for (size_t i = 0; i < parcel->n; i++)
        mp_any_write_bytes(&writer, messages[i].data, messages[i].size);
    r = mp_any_end(&writer, &any);
    if (r == 0)
        r = mp__call_give(call, "v", any);
    mp_any_discard(&writer);
    return r < 0 ? refuse(call, r) : (ssize_t)parcel->n;
}

static ssize_t
serve_get_many(struct mp__call *call)
{
    struct wanted wanted = {.call = call, .function = "mp_queue_get_many"};
    size_t n;
    ssize_t r = mp__call_args(call, "zz", &wanted.cap, &n);

    if (r < 0)
        return r;
    if (n > PARCEL_MOST)
        n = PARCEL_MOST;
    r = make_parcel(call, n);
    return r < 0 ? r : get_many(call, &wanted, n);
}

static ssize_t
serve_next_size(struct mp__call *call)
{
    return mp__call_wait(call, mp_queue_next_size(call->object, MP_NOW));
}

/* ---- Tasks ---- */

/* Those of the caller's thread: another guest is another process, though both
 * are threads of this one. */
static ssize_t
serve_task_done(struct mp__call *call)
{
    int r = mp__tasks_check(call->object, "mp_queue_task_done");

    if (r == 0 && !mp__queue_holds(call->object))
        r = mp__fail(-EOVERFLOW, "mp_queue_task_done: this thread has no task "
                                 "that is not done");
    if (r < 0)
        return r;
    return mp_queue_task_done(call->object);
}

static ssize_t
serve_join(struct mp__call *call)
{
    return mp__call_wait(call, mp_queue_join(call->object, MP_NOW));
}

/* ---- State ---- */

static ssize_t
serve_size(struct mp__call *call)
{
    return (ssize_t)mp_queue_size(call->object);
}

static ssize_t
serve_unfinished(struct mp__call *call)
{
    return (ssize_t)mp_queue_unfinished(call->object);
}

static ssize_t
serve_empty(struct mp__call *call)
{
    return mp_queue_empty(call->object);
}

static ssize_t
serve_full(struct mp__call *call)
{
    return mp_queue_full(call->object);
}

static ssize_t
serve_close(struct mp__call *call)
{
    return mp_queue_close(call->object);
}

static int
fd_of(void *queue)
{
    return mp_queue_fd(queue);
}

#define OP(function)                                        \
    {                                                       \
        .name = "queue_" #function, .slab = MP__SLAB_QUEUE, \
        .serve = serve_##function                           \
    }
#define GET(function)                                                      \
    {                                                                      \
        .name = "queue_" #function, .slab = MP__SLAB_QUEUE,                \
        .serve = serve_##function, .cancel = cancel, .confirmed = arrived, \
        .guest = 1, .fd = fd_of                                            \
    }

static const struct mp__op ops[] = {
    OP(put),
    OP(put_any),
    OP(put_priority),
    OP(put_many),
    GET(get),
    GET(get_any),
    GET(get_many),
    {.name = "queue_next_size",
     .slab = MP__SLAB_QUEUE,
     .serve = serve_next_size,
     .fd = fd_of},
    {.name = "queue_task_done",
     .slab = MP__SLAB_QUEUE,
     .serve = serve_task_done,
     .guest = 1},
    OP(join),
    OP(size),
    OP(unfinished),
    OP(empty),
    OP(full),
    OP(close),
    {.name = "queue_destroy",
     .slab = MP__SLAB_QUEUE,
     .serve = mp__serve_destroy},
};

void
mp__serve_queue(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
