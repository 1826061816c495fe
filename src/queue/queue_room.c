/* SPDX-License-Identifier: MIT */
/* Room for a message: in the segment, in a larger one, or when the consumers
 * have gone on. A queue whose laps end nearly empty goes on to smaller ones. */
#include "queue/produce.h"
#include "region/extents.h"

#include <errno.h>
#include <sched.h>

/* Larger ones are no faster, and an idle queue keeps its last one. */
#define SEGMENT_MOST (((uint32_t)4 << 20) / MP__RING_GRANULE)
#define CALM_LAPS    2 /* before the next one goes on in a smaller segment */

/* ---- Segments ---- */

struct mp__segment *
mp__segment_create(uint32_t granules, struct mp__mutex *mutex)
{
    struct mp__segment *segment;
    int zero;

    segment = mp__extent_alloc((size_t)granules * MP__RING_GRANULE,
                               MP__HAND_SEGMENT, &zero);
    if (segment == NULL)
        return NULL;
    segment->next = NULL;
    segment->base = 0;
    segment->granules = granules;
    segment->calm_laps = 0;
    mp__hand_set(MP__HAND_SEGMENT, segment, mutex);
    return segment;
}

/* A segment of that size, or what can be had. */
static struct mp__segment *
new_spare(uint32_t granules, struct mp__mutex *mutex)
{
    struct mp__segment *spare;

    do
        spare = mp__segment_create(granules, mutex);
    while (spare == NULL && (granules /= 2) >= MP__SEGMENT_LEAST);
    return spare;
}

/* Leaves the mutex to get memory, and takes it again. 0, or an error and the
 * mutex is not held. */
static int
fetch_spare(struct mp_queue *queue, struct mp__placing *m, uint32_t granules,
            mp_time deadline)
{
    struct mp__side *side = &queue->producers;

    mp__mutex_unlock(&side->mutex);
    m->spare = new_spare(granules, &side->mutex);
    if (m->spare == NULL)
        return -ENOMEM;
    return mp__side_lock(queue, side, mp__queue_is_full, deadline);
}

static int
grow(struct mp_queue *queue, struct mp__placing *m, mp_time deadline)
{
    uint32_t last = queue->producers.segment->granules;

    return fetch_spare(queue, m, last < SEGMENT_MOST ? last * 2 : last,
                       deadline);
}

/* Notes how far the consumers are; whether they have gone on. The bytes first:
 * if we die in between, the position is an old one yet, and the next who finds
 * no room looks again. */
static int
look_at_consumers(struct mp_queue *queue)
{
    struct mp__side *side = &queue->producers;
    uint64_t before = side->other, head, bytes;

    head = mp__load_acquire(&queue->head);
    if (head != before)
        mp__side_gather(side, &queue->head, head);
    head = mp__side_read(&queue->consumers, &queue->head, &bytes);
    side->other_bytes = bytes;
    mp__compiler_barrier();
    side->other = head;
    return head != before;
}

/* At the end of a lap: whether it was too long, and those before it. What is
 * looked at is how much of it is filled in this moment; if that was not all
 * that is needed, it grows again. */
static int
is_too_large(struct mp_queue *queue, uint64_t tail)
{
    struct mp__side *side = &queue->producers;
    struct mp__segment *segment = side->segment;

    if (segment->granules == MP__SEGMENT_LEAST)
        return 0;
    look_at_consumers(queue);
    if (mp__place(tail) - mp__place(side->other) > segment->granules / 4)
        segment->calm_laps = 0;
    else
        segment->calm_laps++;
    return segment->calm_laps >= CALM_LAPS;
}

/* There is room in the next lap. 1: take it; 2: go on to the spare segment,
 * which is smaller; 0: the mutex was left meanwhile; or an error, and it is not
 * held. */
static int
end_lap(struct mp_queue *queue, struct mp__placing *m, uint64_t tail,
        mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    uint32_t granules = side->segment->granules;
    int r;

    if (m->spare)
        return m->spare->granules < granules ? 2 : 1;
    if (!is_too_large(queue, tail))
        return 1;
    r = fetch_spare(queue, m, granules / 2, deadline);
    if (r != -ENOMEM)
        return r;
    r = mp__side_lock(queue, side, mp__queue_is_full, deadline);
    if (r == 0)
        side->segment->calm_laps = 0;
    return r;
}

/* ---- Waiting ---- */

/* Holding the mutex, waits until the consumers have gone on; but lets those by
 * whom the limits do not hold up: mp__queue_put_slot(). 0, or an error and the
 * mutex is not held. */
static int
wait_for_limits(struct mp_queue *queue, mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    int r = mp__side_wait(queue, side, deadline, side->other);

    if (r == 0 && !mp__load(&queue->committing))
        return 0;
    mp__mutex_unlock(&side->mutex);
    if (r < 0)
        return r;
    sched_yield();
    return mp__side_lock(queue, side, mp__queue_is_full, deadline);
}

int
mp__queue_wait_for_room(struct mp_queue *queue, struct mp__placing *m,
                        mp_time deadline, struct mp__room *room)
{
    struct mp__side *side = &queue->producers;

    for (;;) {
        uint64_t tail = mp__load_relaxed(&queue->tail);
        int r, limited;

        if (MP__UNLIKELY(mp__load_relaxed(&queue->closing))) {
            mp__mutex_unlock(&side->mutex);
            return -ESHUTDOWN;
        }
        limited = !m->slot && mp__over_limit(queue, tail, m->size);
        if (!limited && mp__find_room(side->segment, tail, side->other,
                                      m->granules, room)) {
            r = room->pad ? end_lap(queue, m, tail, deadline) : 1;
            if (r != 0)
                return r;
            continue;
        }
        if (look_at_consumers(queue))
            continue;
        if (!limited && m->spare)
            return 2;
        if (!limited &&
            mp__patience_spin(&side->patience, &queue->head, side->other))
            continue;
        r = limited ? wait_for_limits(queue, deadline)
                    : grow(queue, m, deadline);
        if (r < 0)
            return r;
    }
}

int
mp__queue_await_room(struct mp_queue *queue, size_t size, mp_time deadline)
{
    struct mp__side *side = &queue->producers;
    int r = mp__side_lock(queue, side, mp__queue_is_full, deadline);

    while (r == 0) {
        if (mp__load_relaxed(&queue->closing)) {
            mp__mutex_unlock(&side->mutex);
            return -ESHUTDOWN;
        }
        look_at_consumers(queue);
        if (!mp__over_limit(queue, mp__load_relaxed(&queue->tail), size))
            return 0;
        r = wait_for_limits(queue, deadline);
    }
    return r;
}
