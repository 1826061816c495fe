/* SPDX-License-Identifier: MIT */
/* Queues of other families: what crosses the network, where that is not just the
 * arguments (service/queue.c is the other end). */
#include "queue/consume.h"

#include "base/error.h"
#include "codec/message.h"

#include <stdlib.h>

ssize_t
mp__queue_far_put(mp_queue *queue, const void *data, size_t size,
                  mp_time deadline)
{
    if (data == NULL && size > 0)
        return mp__fail(-EINVAL, "mp_queue_put: data is NULL, size is %zu",
                        size);
    return mp__far_call(queue, "mp_queue_put", deadline, "y", data ? data : "",
                        size);
}

ssize_t
mp__queue_far_get(mp_queue *queue, void *buf, size_t cap, mp_time deadline)
{
    const void *data;
    size_t size;
    ssize_t r;

    if (buf == NULL && cap > 0)
        return mp__fail(-EINVAL, "mp_queue_get: buf is NULL, cap is %zu", cap);
    r = mp__far_call(queue, "mp_queue_get", deadline, "z > y", cap, &data,
                     &size);
    if (r < 0)
        return r;
    if (size > 0 && size <= cap)
        memcpy(buf, data, size);
    free((void *)data);
    return (ssize_t)size;
}

#define PORTION ((size_t)1 << 20) /* bytes of one call, or one message */

/* The server puts what there is room for: so that, when the time is over, it is
 * known how many that were. */
ssize_t
mp__queue_far_put_many(mp_queue *queue, const void *items, size_t size,
                       size_t n, mp_time deadline)
{
    size_t most = size && size < PORTION ? PORTION / size : 1, done = 0;
    const char *data = items ? items : "";
    ssize_t r = 0;

    if (size == 0)
        most = n;
    while (done < n && r >= 0) {
        size_t portion = n - done < most ? n - done : most;

        r = mp__far_call(queue, "mp_queue_put_many", deadline, "yzz",
                         data + done * size, portion * size, size, portion);
        if (r > 0)
            done += (size_t)r;
    }
    return done ? (ssize_t)done : r;
}

/* Messages as they came, to their places. */
static ssize_t
unpack(mp_any list, char *buf, size_t size, size_t n, size_t *ret_sizes)
{
    mp_any_walker walker;
    mp_any item;
    size_t done = 0;

    mp_any_walk(list, &walker);
    while (done < n && mp_any_next(&walker, NULL, &item) > 0) {
        const void *data;
        size_t bytes;

        if (mp_any_get_bytes(item, &data, &bytes) < 0 || bytes > size)
            return mp__fail(-EPROTO, "mp_queue_get_many: the answer is none");
        if (bytes)
            memcpy(buf + done * size, data, bytes);
        if (ret_sizes)
            ret_sizes[done] = bytes;
        done++;
    }
    return (ssize_t)done;
}

ssize_t
mp__queue_far_get_many(mp_queue *queue, void *buf, size_t size, size_t n,
                       size_t *ret_sizes, mp_time deadline)
{
    mp_any list;
    ssize_t r = mp__far_call(queue, "mp_queue_get_many", deadline, "zz > v",
                             size, n, &list);

    if (r < 0)
        return r;
    r = unpack(list, buf, size, n, ret_sizes);
    mp_any_free(list);
    return r;
}

/* The server has seen that a value fits the format; what of that depends on the
 * caller's arguments is seen here, before it is said to have arrived. */
int
mp__queue_far_get_look(mp_queue *queue, mp__look_fn *look, void *arg,
                       mp_time deadline)
{
    const struct mp__taking *taking = arg;

    return (int)mp__far_call(queue, "mp_queue_get_any", deadline, "?s > @",
                             taking->format, look, arg);
}
