/* SPDX-License-Identifier: MIT */
/* How consumers take messages, from the ring and from the shelf: what the files
 * of this room share about it. All but the public functions is called with the
 * consumers' mutex held. */
#pragma once

#include "queue/ring.h"

#include <errno.h>
#include <string.h>

/* The first message of the ring, and where the head will be after it. */
struct mp__found {
    struct mp__record *record;
    uint32_t next_place;
    size_t size;
    enum mp__record_kind kind;
};

/* What there is at `place` of the ring. */
static inline void
mp__ring_look_in(struct mp__segment *segment, uint32_t granules, uint32_t base,
                 uint32_t prefix, uint32_t place, struct mp__found *found)
{
    uint32_t index = (place - base) & (granules - 1);
    struct mp__record *record = mp__ring_record(segment, index);

    if (index >= granules - MP__RING_HEADER ||
        (record->head & 0xff) == MP__RECORD_PAD) {
        place += granules - index;
        record = mp__ring_record(segment, 0);
    }
    found->record = record;
    found->kind = (enum mp__record_kind)(record->head & 0xff);
    found->size = record->head >> 8;
    found->next_place =
        place +
        mp__record_granules(prefix + (found->kind == MP__RECORD_REFERENCE
                                          ? sizeof(void *)
                                          : found->size));
}

static inline void
mp__ring_look(struct mp_queue *queue, struct mp__found *found)
{
    struct mp__segment *segment = queue->consumers.segment;

    mp__ring_look_in(segment, segment->granules, segment->base, queue->prefix,
                     mp__place(mp__load_relaxed(&queue->head)), found);
}

static inline void *
mp__found_body(const struct mp_queue *queue, const struct mp__found *found)
{
    return found->record->body + queue->prefix;
}

/* The block of a message by reference. */
static inline void *
mp__found_block(const struct mp_queue *queue, const struct mp__found *found)
{
    void *block;

    memcpy(&block, mp__found_body(queue, found), sizeof(block));
    return block;
}

/* The commit of a get: `n` messages of `size` bytes in all are less, and the
 * head is at `place`. `n` must be odd if the bytes are counted. */
static inline void
mp__head_commit(struct mp_queue *queue, uint32_t n, uint32_t place,
                size_t size)
{
    uint32_t count = mp__count(mp__load_relaxed(&queue->head)) + n;

    if (queue->max_bytes)
        mp__side_add_bytes(&queue->consumers, count, size);
    /* release: the producers may write over the message from here on. */
    mp__store_release(&queue->head, mp__position(count, place));
}

/* Notes for repair where the head is before the next commit. */
static inline void
mp__head_intend(struct mp_queue *queue)
{
    queue->consumers.intent_position = mp__load_relaxed(&queue->head);
    queue->consumers.intent_part = mp__me.index;
    mp__compiler_barrier();
}

/* Whether the ring has a message, as far as is known. */
static inline int
mp__ring_has_some(struct mp_queue *queue)
{
    return mp__place(queue->consumers.other) !=
           mp__place(mp__load_relaxed(&queue->head));
}

/* Takes the mutex and waits for the first message of the ring. 0, or an error
 * and the mutex is not held. MP__QUEUE_AGAIN: the queue has got a shelf
 * meanwhile: begin anew. */
#define MP__QUEUE_AGAIN (-ERESTART)
int mp__queue_find(struct mp_queue *queue, mp_time deadline,
                   struct mp__found *found);

/* Takes the first message, which is by reference, and leaves the mutex. Its
 * size. */
ssize_t mp__queue_take_reference(struct mp_queue *queue,
                                 const struct mp__found *found, void *buf);

/* Nothing is known to be there: looks at the tail. 1: there is a message; 0: it
 * has waited, look again; or an error (-ESHUTDOWN: closed, and nothing will
 * come any more). The mutex is held whatever it returns. */
int mp__queue_await(struct mp_queue *queue, mp_time deadline);

/* Looks at a message where it lies: a result below 0 leaves it there as the
 * first, and is the result of the call. See codec/message.h. */
typedef int mp__look_fn(const void *data, size_t size, void *arg);

/* Takes the first message if `look` likes it, which is asked once at most. 0, or
 * errors as mp_queue_get(); takes the mutex itself. `arg` is a struct
 * mp__taking. */
int mp__queue_get_look(struct mp_queue *queue, mp__look_fn *look, void *arg,
                       mp_time deadline, const char *function);

/* The same of queues of other families: queue_far.c. */
ssize_t mp__queue_far_get(mp_queue *queue, void *buf, size_t cap,
                          mp_time deadline);
ssize_t mp__queue_far_put_many(mp_queue *queue, const void *items, size_t size,
                               size_t n, mp_time deadline);
ssize_t mp__queue_far_get_many(mp_queue *queue, void *buf, size_t size,
                               size_t n, size_t *ret_sizes, mp_time deadline);
int mp__queue_far_get_look(mp_queue *queue, mp__look_fn *look, void *arg,
                           mp_time deadline);

/* Goes on to the next segment, leaving the mutex meanwhile. 0, or an error and
 * the mutex is not held. */
int mp__queue_next_segment(struct mp_queue *queue, mp_time deadline);

/* Takes the first message of the ring, which was found, and leaves the mutex.
 * Its size. */
ssize_t mp__queue_take_found(struct mp_queue *queue,
                             const struct mp__found *found, void *buf);

/* ---- Queues with a shelf: queue_shelf.c, queue_return.c ---- */

/* The message that comes next. */
struct mp__choice {
    struct mp__slot *slot;  /* it waits there; NULL: it is in the ring */
    struct mp__found found; /* there */
    size_t size;
};

/* Takes the mutex and waits for a message. 0, or an error and the mutex is not
 * held. */
int mp__shelf_choose(struct mp_queue *queue, mp_time deadline,
                     struct mp__choice *choice);

/* Deals with what dead consumers held. 0: nothing to do; 1: look again; or an
 * error and the mutex is not held. */
int mp__shelf_settle_dead(struct mp_queue *queue, mp_time deadline);

/* The queue seems empty. 0: look again; or an error and the mutex is not
 * held. */
int mp__shelf_wait(struct mp_queue *queue, mp_time deadline);

/* Puts back what dead consumers held. 0, or -EAGAIN: somebody else is at work
 * there. No mutex may be held. */
int mp__shelf_settle(struct mp_queue *queue);

/* A message that was taken. */
struct mp__taken {
    struct mp__slot *slot; /* the caller's, and BUSY: nobody else may touch it;
                              NULL: the message is not held */
    void *block;           /* in hand, if the slot does not keep it */
};

/* What to do with the message that was chosen. */
struct mp__wish {
    void *buf; /* where to copy it to, if it lies in the ring or slot */
    mp__look_fn *look; /* who must like it first, unless NULL; with an */
    void *look_arg;    /* argument */
    int hold;          /* in a slot, until it is done */
    int whole;         /* with all its bytes */
    int on_way;        /* it goes to a remote client */
    void *fresh;       /* a block in hand, for bytes that do not fit a slot, */
    size_t room;       /* and its size; */
    int fresh_used;    /* set if it was taken */
    mp_time deadline;
};

/* Takes the message that was chosen and leaves the mutex. 0; -EAGAIN: choose
 * again; -ENOSPC: `room` must be choice->size; -ENOMEM; or what wish->look
 * says. */
int mp__shelf_take(struct mp_queue *queue, const struct mp__choice *choice,
                   struct mp__wish *wish, struct mp__taken *held);

ssize_t mp__shelf_get(struct mp_queue *queue, void *buf, size_t cap,
                      mp_time deadline, const char *function);
int mp__shelf_get_look(struct mp_queue *queue, mp__look_fn *look, void *arg,
                       mp_time deadline);
ssize_t mp__shelf_next_size(struct mp_queue *queue, mp_time deadline);
int mp__shelf_discard(struct mp_queue *queue);

/* Takes a message as wished, to be held. */
int mp__shelf_hold(struct mp_queue *queue, struct mp__wish *wish,
                   mp_message *ret_message);

/* The slot that the message says it is in; NULL: it is not. */
struct mp__slot *mp__message_slot(struct mp_queue *queue,
                                  const mp_message *message);

/* The consumers' leader sleeps on its flag, and watches those who hold
 * messages. As mp__futex_wait(). */
int mp__shelf_sleep(struct mp_queue *queue, mp__a32 *flag, uint32_t up,
                    mp_time until);

/* ---- Tasks: queue_tasks.c, queue_join.c ---- */

/* Gives up a slot that is ours: the message is done. `seen`: its owner's word.
 * -1: somebody was faster. */
int mp__task_finish(struct mp_queue *queue, struct mp__slot *slot,
                    uint64_t seen);
/* The same for a message that nobody will get any more; the slot is the
 * caller's, and BUSY. */
void mp__task_lose(struct mp_queue *queue, struct mp__slot *slot);
/* Whether nothing is unfinished, at one moment. */
int mp__tasks_are_done(struct mp_queue *queue);
/* Makes all joiners look. */
void mp__tasks_ring(struct mp_queue *queue);
/* For the beginning of a public function: 0, -EBADF, -EINVAL. */
int mp__tasks_check(struct mp_queue *queue, const char *function);
/* Wakes who waits for the last task, if that was it. */
void mp__task_finished(struct mp_queue *queue);
/* The caller is about to take a message of this queue; it has taken this
 * one. */
void mp__task_note_taker(struct mp_queue *queue);
void mp__task_note_held(struct mp_queue *queue, const struct mp__slot *slot);
