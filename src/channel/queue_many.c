/* SPDX-License-Identifier: MIT */
/* Many messages with one mutex and one commit.
 *
 * As many as fit into the segment and the limits are placed, or taken, and
 * become visible, or vanish, with one store. What does not go that way (a
 * message by reference, the end of a segment, a full queue) is put or taken one
 * by one, by the ordinary functions. */
#include "channel/consume.h"
#include "channel/produce.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>

/* The sums of bytes take turns at each commit: ring.h. */
static uint32_t
allowed(const struct mp_queue *queue, uint32_t n)
{
    return queue->max_bytes && n > 0 && n % 2 == 0 ? n - 1 : n;
}

/* ---- Putting ---- */

/* How many messages the limits allow, as far as is known of the consumers. */
static uint32_t
within_limits(struct mp_queue *queue, size_t size, size_t n)
{
    struct mp__side *side = &queue->producers;
    uint64_t tail = mp__load_relaxed(&queue->tail), bytes;
    uint32_t count = mp__count(tail) - mp__count(side->other);

    if (n > INT32_MAX)
        n = INT32_MAX;
    if (queue->maxsize) {
        if (count >= queue->maxsize)
            return 0;
        if (n > queue->maxsize - count)
            n = queue->maxsize - count;
    }
    if (queue->max_bytes && size) {
        bytes = mp__load_relaxed(&side->bytes[mp__count(tail) & 1]) -
                side->other_bytes;
        if (bytes >= queue->max_bytes)
            return 0;
        if (n > (queue->max_bytes - bytes) / size)
            n = (queue->max_bytes - bytes) / size;
    }
    return allowed(queue, (uint32_t)n);
}

/* Writes up to `n` messages behind the tail. How many of them may be committed;
 * *ret_place: where they end. */
static uint32_t
write_batch(struct mp_queue *queue, struct mp__message *m, uint32_t n,
            uint32_t *ret_place)
{
    struct mp__side *side = &queue->producers;
    uint64_t tail = mp__load_relaxed(&queue->tail);
    uint32_t place = mp__place(tail), before = place, i;

    for (i = 0; i < n; i++) {
        struct mp__room room;

        if (!mp__find_room(side->segment, mp__position(0, place), side->other,
                           m->granules, &room))
            break;
        if (room.pad)
            mp__write_pad(side->segment, place);
        mp__write_message(queue, mp__ring_record(side->segment, room.index),
                          m->data, m->size, 0);
        before = place;
        place += room.pad + m->granules;
        m->data = (const char *)m->data + m->size;
    }
    *ret_place = allowed(queue, i) == i ? place : before;
    return allowed(queue, i);
}

/* Puts as many as can be put at once. How many, maybe none; or an error. */
static ssize_t
put_batch(struct mp_queue *queue, const void *items, size_t size, size_t n,
          mp_time deadline)
{
    struct mp__message m = {.data = items, .size = size};
    struct mp__side *side = &queue->producers;
    int r = mp__side_lock(queue, side, mp__queue_is_full, deadline);
    uint32_t most, put = 0, place;

    if (r < 0)
        return r;
    m.granules = mp__record_granules(queue->prefix + size);
    side->other =
        mp__side_read(&queue->consumers, &queue->head, &side->other_bytes);
    most = within_limits(queue, size, n);
    if (most && !mp__load_relaxed(&queue->closing))
        put = write_batch(queue, &m, most, &place);
#ifdef MP__MUTATION_BATCH_WAKES_LATE
    if (put)
        mp__tail_commit(queue, put, place, put * size);
    mp__side_wake(&queue->consumer_sleeps);
#else
    if (put) {
        mp__side_wake(&queue->consumer_sleeps);
        mp__tail_commit(queue, put, place, put * size);
    }
#endif
    mp__mutex_unlock(&side->mutex);
    return put;
}

static int
check_many(const char *function, const char *name, const void *p, size_t size,
           size_t n)
{
    if (p == NULL && size > 0 && n > 0)
        return mp__fail(-EINVAL, "%s: %s is NULL, size is %zu", function, name,
                        size);
    if (n > SSIZE_MAX || (size && n > SIZE_MAX / size))
        return mp__fail(-EINVAL, "%s: n is %zu, size is %zu", function, n,
                        size);
    return 0;
}

ssize_t
mp_queue_put_many(mp_queue *queue, const void *items, size_t size, size_t n,
                  mp_time deadline)
{
    const char *item = items;
    size_t done = 0;
    ssize_t r = mp__queue_enter(queue, "mp_queue_put_many");

    if (r < 0 ||
        (r = check_many("mp_queue_put_many", "items", items, size, n)) < 0 ||
        (r = mp__queue_check_size(queue, size, "mp_queue_put_many")) < 0)
        return r;
    while (done < n) {
        r = size <= mp__inline_most(queue)
                ? put_batch(queue, item, size, n - done, deadline)
                : 0;
        if (r == 0) {
            r = mp_queue_put(queue, item, size, deadline);
            r = r < 0 ? r : 1;
        }
        if (r < 0)
            break;
        done += (size_t)r;
        item += (size_t)r * size;
    }
    return done ? (ssize_t)done : r;
}

/* ---- Getting ---- */

/* Where the messages go. */
struct batch {
    char *buf;
    size_t size, n, done;
    size_t *sizes;
};

static void
note(struct batch *batch, size_t size)
{
    if (batch->sizes)
        batch->sizes[batch->done] = size;
    batch->done++;
    batch->buf += batch->size;
}

/* How many messages from the first on, which was found, lie in the ring one
 * behind the other, are known to be there, and fit. */
static uint32_t
count_batch(struct mp_queue *queue, const struct mp__found *first,
            const struct batch *batch)
{
    uint32_t known = mp__count(queue->consumers.other) -
                     mp__count(mp__load_relaxed(&queue->head));
    size_t most = batch->n - batch->done;
    struct mp__found found = *first;
    uint32_t n = 0;

    while (found.kind == MP__RECORD_MESSAGE && found.size <= batch->size) {
        n++;
        if (n == most || n == known)
            break;
        mp__ring_look_at(queue, found.next_place, &found);
    }
    return allowed(queue, n);
}

static void
take_batch(struct mp_queue *queue, struct mp__found *found,
           struct batch *batch)
{
    uint32_t n = count_batch(queue, found, batch);
    size_t bytes = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            mp__ring_look_at(queue, found->next_place, found);
        if (found->size)
            memcpy(batch->buf, mp__found_body(queue, found), found->size);
        bytes += found->size;
        note(batch, found->size);
    }
    mp__side_wake(&queue->producer_sleeps);
    mp__head_commit(queue, n, found->next_place, bytes);
    mp__mutex_unlock(&queue->consumers.mutex);
}

/* Takes some, at least one, from the ring. */
static int
get_batch(struct mp_queue *queue, struct batch *batch, mp_time deadline)
{
    struct mp__found found;
    int r = mp__queue_find(queue, deadline, &found);

    if (r < 0)
        return r;
    if (found.size > batch->size)
        return (int)mp__queue_refuse(queue, found.size, batch->size,
                                     "mp_queue_get_many");
    if (found.kind == MP__RECORD_MESSAGE)
        take_batch(queue, &found, batch);
    else
        note(batch,
             (size_t)mp__queue_take_reference(queue, &found, batch->buf));
    return 0;
}

static int
get_one(struct mp_queue *queue, struct batch *batch, mp_time deadline)
{
    ssize_t size = mp__shelf_get(queue, batch->buf, batch->size, deadline,
                                 "mp_queue_get_many");

    if (size < 0)
        return (int)size;
    note(batch, (size_t)size);
    return 0;
}

ssize_t
mp_queue_get_many(mp_queue *queue, void *buf, size_t size, size_t n,
                  size_t *ret_sizes, mp_time deadline)
{
    struct batch batch = {buf, size, n, 0, ret_sizes};
    int r = mp__queue_enter(queue, "mp_queue_get_many");

    if (r < 0 ||
        (r = check_many("mp_queue_get_many", "buf", buf, size, n)) < 0)
        return r;
    while (r == 0 && batch.done < n)
        r = (queue->mode ? get_one : get_batch)(
            queue, &batch, batch.done ? MP_NOW : deadline);
    return batch.done ? (ssize_t)batch.done : mp__poll_after(queue, r);
}
