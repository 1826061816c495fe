/* SPDX-License-Identifier: MIT */
/* The queue: its life, its limits, its state.
 *
 * Putting is in queue_put.c, getting in queue_get.c, waiting in queue_wait.c;
 * ring.h tells how it lies in memory. What a death leaves behind is repaired by
 * the next who takes the mutex of that side. */
#include "queue/queue.h"

#include "base/attr.h"
#include "base/error.h"
#include "bell/waiters.h"
#include "queue/ring.h"
#include "region/extents.h"

#include <errno.h>

__attribute__((constructor)) static void
register_description(void)
{
    mp__queue_describe();
}

/* ---- State, without a lock ---- */

/* Both positions at one moment. */
static void
snapshot(struct mp_queue *queue, uint64_t *ret_head, uint64_t *ret_tail)
{
    do {
        *ret_head = mp__load(&queue->head);
        *ret_tail = mp__load(&queue->tail);
    } while (*ret_head != mp__load(&queue->head));
}

static uint32_t
count_of(struct mp_queue *queue)
{
    uint64_t head, tail;

    snapshot(queue, &head, &tail);
    return mp__count(tail) - mp__count(head);
}

uint64_t
mp__side_read(struct mp__side *side, mp__a64 *position, uint64_t *ret_bytes)
{
    uint64_t at;

    do {
        at = mp__load_acquire(position);
        *ret_bytes = mp__load_relaxed(&side->bytes[mp__count(at) & 1]);
        /* The sum is written over when the side goes on twice. */
        atomic_thread_fence(memory_order_acquire);
    } while (at != mp__load_relaxed(position));
    return at;
}

/* Bytes of the messages held, at one moment. */
static uint64_t
bytes_of(struct mp_queue *queue)
{
    uint64_t head, put, got;

    do {
        head = mp__side_read(&queue->consumers, &queue->head, &got);
        mp__side_read(&queue->producers, &queue->tail, &put);
    } while (head != mp__load(&queue->head));
    return put - got;
}

int
mp__queue_is_empty(struct mp_queue *queue)
{
    return count_of(queue) == 0;
}

int
mp__queue_is_full(struct mp_queue *queue)
{
    return (queue->maxsize && count_of(queue) >= queue->maxsize) ||
           (queue->max_bytes && bytes_of(queue) >= queue->max_bytes);
}

size_t
mp_queue_size(mp_queue *queue)
{
    ssize_t r = mp__queue_enter(queue, "mp_queue_size");

    if (r == 0)
        return count_of(queue);
    r = MP__FAR(r, queue, MP__FAR_PLAIN, "");
    return r < 0 ? 0 : (size_t)r;
}

int
mp_queue_empty(mp_queue *queue)
{
    int r = mp__queue_enter(queue, "mp_queue_empty");

    return r < 0 ? (int)MP__FAR(r, queue, MP__FAR_PLAIN, "")
                 : mp__queue_is_empty(queue);
}

int
mp_queue_full(mp_queue *queue)
{
    int r = mp__queue_enter(queue, "mp_queue_full");

    return r < 0 ? (int)MP__FAR(r, queue, MP__FAR_PLAIN, "")
                 : mp__queue_is_full(queue);
}

/* ---- Life ---- */

static int
check_attr(const mp_queue_attr *attr)
{
    if (attr->maxsize > INT32_MAX)
        return mp__fail(-EINVAL,
                        "mp_queue_create: attr->maxsize is %llu, the most is "
                        "%d",
                        (unsigned long long)attr->maxsize, INT32_MAX);
    if (attr->order > MP_QUEUE_PRIORITY)
        return mp__fail(-EINVAL, "mp_queue_create: attr->order is %u",
                        attr->order);
    if (!attr->redeliver && (attr->max_attempts || attr->dead_letters))
        return mp__fail(-EINVAL,
                        "mp_queue_create: attr->%s without attr->redeliver",
                        attr->max_attempts ? "max_attempts" : "dead_letters");
    if (attr->dead_letters && !attr->max_attempts)
        return mp__fail(-EINVAL, "mp_queue_create: attr->dead_letters without "
                                 "attr->max_attempts");
    return 0;
}

static void
set_mode(struct mp_queue *queue, const mp_queue_attr *attr)
{
    queue->maxsize = attr->maxsize;
    queue->max_bytes = attr->max_bytes;
    queue->order = attr->order;
    queue->prefix = attr->order == MP_QUEUE_PRIORITY ? sizeof(int64_t) : 0;
    queue->max_attempts = attr->max_attempts;
    queue->dead_letters = attr->dead_letters;
    if (attr->joinable || attr->redeliver)
        queue->mode |= MP__QUEUE_JOINABLE;
    if (attr->redeliver)
        queue->mode |= MP__QUEUE_REDELIVER;
    if (attr->order != MP_QUEUE_FIFO)
        queue->mode |= MP__QUEUE_ORDERED;
    queue->consumers.shelf.order = attr->order;
}

int
mp_queue_create(mp_queue **ret_queue, const mp_queue_attr *attr)
{
    struct mp__segment *segment;
    struct mp_queue *queue;
    mp_queue_attr a;
    int r;

    if (ret_queue == NULL)
        return mp__fail(-EINVAL, "mp_queue_create: ret_queue is NULL");
    r = mp__attr_read(&a, sizeof(a), attr, 0, "mp_queue_create");
    if (r < 0 || (r = check_attr(&a)) < 0 || (r = mp__enter()) < 0)
        return r;
    if (a.dead_letters && !mp__object_ok(a.dead_letters, MP__SLAB_QUEUE))
        return mp__fail(-EBADF, "mp_queue_create: attr->dead_letters is not a "
                                "live queue");
    segment = mp__segment_create(MP__SEGMENT_LEAST, NULL);
    if (segment == NULL)
        return -ENOMEM;
    queue = mp__object_alloc(MP__SLAB_QUEUE, sizeof(*queue));
    if (queue == NULL) {
        mp__extent_free(segment, mp__me.index, MP__HAND_SEGMENT);
        return -ENOMEM;
    }
    set_mode(queue, &a);
    mp__mutex_init(&queue->producers.mutex, MP__MUTEX_QUEUE_TAIL);
    mp__mutex_init(&queue->consumers.mutex, MP__MUTEX_QUEUE_HEAD);
    mp__mutex_init(&queue->closers, MP__MUTEX_PLAIN);
    queue->producers.segment = queue->consumers.segment = segment;
    mp__patience_init(&queue->producers.patience);
    mp__patience_init(&queue->consumers.patience);
    mp__object_publish(queue, MP__SLAB_QUEUE);
    mp__hand_clear(MP__HAND_SEGMENT);
    *ret_queue = queue;
    return 0;
}

/* Whether nobody holds, or sleeps holding, a side; brings it in order. */
static int
is_idle(struct mp__side *side)
{
    if (mp__mutex_lock_until(&side->mutex, MP_NOW) < 0)
        return 0;
    mp__mutex_unlock(&side->mutex);
    return 1;
}

int
mp_queue_destroy(mp_queue *queue)
{
    int r;

    if (queue == NULL)
        return 0;
    r = mp__queue_enter(queue, "mp_queue_destroy");
    if (r < 0)
        return (int)MP__FAR(r, queue, MP__FAR_PLAIN, "");
    if (!is_idle(&queue->producers) || !is_idle(&queue->consumers) ||
        (mp__load(&queue->joiners.joining) &&
         mp__waiters_of(&queue->joiners, sizeof(queue->joiners), NULL, 0)))
        return mp__fail(-EBUSY, "mp_queue_destroy: somebody is waiting in "
                                "the queue, or putting or getting");
    /* One by one, so that who is killed meanwhile leaves a queue behind. */
    while (mp__queue_discard(queue) == 0)
        ;
    mp__shelf_empty(&queue->consumers.shelf);
    mp__shelf_empty(&queue->producers.shelf);
    if (mp__object_retire(queue, MP__SLAB_QUEUE) < 0)
        return mp__fail_handle("mp_queue_destroy", queue, "a queue");
    mp__poll_forget(queue);
    mp__hand_set(MP__HAND_SEGMENT, queue->consumers.segment, NULL);
    mp__extent_free(queue->consumers.segment, mp__me.index, MP__HAND_SEGMENT);
    mp__object_free(queue, MP__SLAB_QUEUE);
    return 0;
}

/* ---- Closing ---- */

void
mp__queue_finish_close(struct mp_queue *queue)
{
    struct mp__mutex *mutex = &queue->producers.mutex;

    /* A producer that sleeps holding the mutex leaves when it looks. Its flag
     * may have been lowered by a consumer that died before it woke it. */
    mp__store(&queue->producer_sleeps, 0);
    mp__futex_wake(&queue->producer_sleeps, 1);
    mp__mutex_lock(mutex);
    mp__side_wake(&queue->consumer_sleeps);
    mp__store(&queue->closing, MP__QUEUE_CLOSED);
    mp__mutex_unlock(mutex);
}

int
mp_queue_close(mp_queue *queue)
{
    int r = mp__queue_enter(queue, "mp_queue_close");

    if (r < 0)
        return (int)MP__FAR(r, queue, MP__FAR_PLAIN, "");
    mp__poll_begin_close(queue);
    if (mp__load(&queue->closing) != MP__QUEUE_CLOSED)
        mp__queue_finish_close(queue);
    return 0;
}
