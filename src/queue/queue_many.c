/* SPDX-License-Identifier: MIT */
/* Many messages with one mutex and one commit.
 *
 * As many as fit into the segment and the limits are placed, or taken, and
 * become visible, or vanish, with one store. What does not go that way (a
 * message by reference, the end of a segment, a full queue) is put or taken one
 * by one, by the ordinary functions. */
#include "queue/consume.h"
#include "queue/produce.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>

/* Messages that lie one behind the other, and go with one commit. */
struct run {
    uint32_t n;
    uint32_t place;  /* where they end, */
    uint32_t before; /* and where the last of them begins, or its pad */
    size_t bytes, last;
};

static inline void
add(struct run *run, uint32_t place, size_t size)
{
    run->n++;
    run->before = run->place;
    run->place = place;
    run->bytes += size;
    run->last = size;
}

/* The sums of bytes take turns at each commit (ring.h): an even number of
 * messages takes two. */
static inline void
commit(struct mp_queue *queue, const struct run *run,
       void (*commit_some)(struct mp_queue *, uint32_t, uint32_t, size_t))
{
    if (queue->max_bytes && run->n % 2 == 0) {
        commit_some(queue, run->n - 1, run->before, run->bytes - run->last);
        commit_some(queue, 1, run->place, run->last);
    } else {
        commit_some(queue, run->n, run->place, run->bytes);
    }
}

/* As memcpy, for a short message: in a tight loop a call costs as much as the
 * copy. */
static inline void
copy_short(void *to, const void *from, size_t size)
{
    enum { STEP = 16, SHORT = 256 };
    unsigned char *t = to;
    const unsigned char *f = from;

    if (size < STEP || size > SHORT) {
        if (size)
            memcpy(to, from, size);
        return;
    }
    for (size_t i = 0; i < size - STEP; i += STEP)
        memcpy(t + i, f + i, STEP);
    memcpy(t + size - STEP, f + size - STEP, STEP);
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
    return (uint32_t)n;
}

/* Writes up to `n` messages behind the tail. */
static void
write_batch(struct mp_queue *queue, const char *data, size_t size, uint32_t n,
            struct run *run)
{
    struct mp__side *side = &queue->producers;
    uint32_t granules = mp__record_granules(queue->prefix + size);
    struct mp__record *record;
    struct mp__room room;

    run->place = mp__place(mp__load_relaxed(&queue->tail));
    while (run->n < n &&
           mp__find_room(side->segment, mp__position(0, run->place),
                         side->other, granules, &room)) {
        if (room.pad)
            mp__write_pad(side->segment, run->place);
        record = mp__ring_record(side->segment, room.index);
        record->head = mp__record_head(MP__RECORD_MESSAGE, size);
        copy_short(mp__write_priority(queue, record, 0), data, size);
        add(run, run->place + room.pad + granules, size);
        data += size;
    }
}

/* Puts as many as can be put at once. How many, maybe none; or an error. */
static ssize_t
put_batch(struct mp_queue *queue, const void *items, size_t size, size_t n,
          mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    struct run run = {0};
    int r = mp__side_lock(queue, side, mp__queue_is_full, deadline);

    if (r < 0)
        return r;
    side->other =
        mp__side_read(&queue->consumers, &queue->head, &side->other_bytes);
    if (!mp__load_relaxed(&queue->closing))
        write_batch(queue, items, size, within_limits(queue, size, n), &run);
#ifdef MP__MUTATION_BATCH_WAKES_LATE
    if (run.n)
        commit(queue, &run, mp__tail_commit);
    mp__side_wake(&queue->consumer_sleeps);
#else
    if (run.n) {
        mp__side_wake(&queue->consumer_sleeps);
        commit(queue, &run, mp__tail_commit);
    }
#endif
    mp__mutex_unlock(&side->mutex);
    return run.n;
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
    int far = mp__queue_enter(queue, "mp_queue_put_many");
    ssize_t r = far == -EREMOTE ? 0 : far;

    if (r < 0 ||
        (r = check_many("mp_queue_put_many", "items", items, size, n)) < 0)
        return r;
    if (far < 0)
        return mp__queue_far_put_many(queue, items, size, n, deadline);
    r = mp__queue_check_size(queue, size, "mp_queue_put_many");
    if (r < 0)
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

#define AHEAD 512 /* bytes; some more would do as well */

/* Where the messages go. */
struct batch {
    char *buf;
    size_t size, n, done;
    size_t *sizes;
};

static void
advance(struct batch *batch, size_t n)
{
    batch->done += n;
    batch->buf += n * batch->size;
    if (batch->sizes)
        batch->sizes += n;
}

static void
note(struct batch *batch, size_t size)
{
    if (batch->sizes)
        *batch->sizes = size;
    advance(batch, 1);
}

/* Copies out the messages that lie in the ring one behind the other, from the
 * first on, which was found, as far as they are known to be there and fit. */
static void
copy_batch(struct mp_queue *queue, struct mp__found *found,
           struct batch *batch, struct run *run)
{
    struct mp__segment *segment = queue->consumers.segment;
    uint32_t granules = segment->granules, base = segment->base;
    uint32_t prefix = queue->prefix;
    uint32_t known = mp__count(queue->consumers.other) -
                     mp__count(mp__load_relaxed(&queue->head));
    size_t room = batch->size, most = batch->n - batch->done;

    if (most > known)
        most = known;
    for (;;) {
        /* Where the next begins, only this one tells: their lines would be
         * fetched one after the other. */
        __builtin_prefetch((const char *)found->record + AHEAD);
        if (batch->sizes)
            batch->sizes[run->n] = found->size;
        copy_short(batch->buf + run->n * room, found->record->body + prefix,
                   found->size);
        add(run, found->next_place, found->size);
        if (run->n == most)
            return;
        mp__ring_look_in(segment, granules, base, prefix, found->next_place,
                         found);
        if (found->kind != MP__RECORD_MESSAGE || found->size > room)
            return;
    }
}

static void
take_batch(struct mp_queue *queue, struct mp__found *found,
           struct batch *batch)
{
    struct run run = {0};

    copy_batch(queue, found, batch, &run);
    mp__side_wake(&queue->producer_sleeps);
    commit(queue, &run, mp__head_commit);
    mp__mutex_unlock(&queue->consumers.mutex);
    advance(batch, run.n);
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
    int far = mp__queue_enter(queue, "mp_queue_get_many");
    int r = far == -EREMOTE ? 0 : far;

    if (r < 0 ||
        (r = check_many("mp_queue_get_many", "buf", buf, size, n)) < 0)
        return r;
    if (far < 0 && n > 0)
        return mp__queue_far_get_many(queue, buf, size, n, ret_sizes,
                                      deadline);
    while ((r == 0 || r == MP__QUEUE_AGAIN) && batch.done < n)
        r = (queue->mode ? get_one : get_batch)(
            queue, &batch, batch.done ? MP_NOW : deadline);
    return batch.done ? (ssize_t)batch.done : mp__poll_after(queue, r);
}
