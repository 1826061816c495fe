/* SPDX-License-Identifier: MIT */
/* How a queue lies in memory.
 *
 * A queue has two sides, the producers' and the consumers', each with a mutex
 * and a position. A position is one word, {count:32, place:32}: how many
 * messages, and how many granules of 16 bytes, this side has gone past since
 * the beginning, modulo 2^32. Storing it is the commit of a put or a get.
 *
 * Messages lie in segments, rings of a power of two of granules. Normally there
 * is one. When it is full, and there is no limit that says so, the producers go
 * on to a new one of twice the size, leaving a JUMP behind, and the consumers
 * follow. When laps end with much room to spare, they go on to one of half the
 * size in the same way. The header of a segment takes the room of the last
 * granules of the ring: nothing is ever placed there. */
#pragma once

#include "base/macros.h"
#include "bell/patience.h"
#include "queue/poll.h"
#include "queue/queue.h"
#include "queue/shelf.h"
#include "region/mutex.h"
#include "region/object.h"

#define MP__RING_GRANULE  16u
#define MP__RING_HEADER   4u /* granules of a segment's header */
#define MP__SEGMENT_LEAST (65536u / MP__RING_GRANULE)
#define MP__INLINE_MOST   ((size_t)8192) /* larger messages go by reference */

enum mp__record_kind {
    MP__RECORD_MESSAGE = 1,
    MP__RECORD_REFERENCE = 2, /* the message is the block at `body` */
    MP__RECORD_PAD = 3,       /* the rest of this lap is empty */
    MP__RECORD_JUMP = 4,      /* the next record begins the next segment */
};

struct mp__record {
    uint64_t head;        /* size << 8 | kind */
    unsigned char body[]; /* at least 8 bytes */
};

struct mp__segment {
    struct mp__segment *next; /* writer: producers; valid behind a JUMP */
    uint32_t base;            /* place of its first granule */
    uint32_t granules;        /* of a lap: a power of two */
    uint32_t calm_laps;       /* how many in a row had room to spare; writer:
                                 producers */
    unsigned char reserved[MP__RING_HEADER * MP__RING_GRANULE - 20];
    unsigned char data[];
};

struct mp__side {
    struct mp__mutex mutex;
    /* All below: writer: who holds the mutex. */
    uint64_t other; /* cache: the other side's position, maybe an old one, */
    uint64_t other_bytes;        /* and its bytes then */
    struct mp__segment *segment; /* where this side is */
    mp__a64 bytes[2]; /* of the messages gone past; which one counts, the
                          lowest bit of the position's count tells */
    /* What is about to be passed on by the next commit, for repair. */
    uint64_t intent_position;           /* the position before that commit */
    void *intent_block;                 /* a message by reference */
    struct mp__segment *intent_segment; /* to go on to, or to leave */
    _Atomic(struct mp__claim *) intent_claim;
    struct mp__slot *intent_slot; /* of the caller's, maybe in another queue's
                                     shelf, that is about to go into the ring */
    uint64_t intent_owner;        /* the caller */
    uint32_t intent_part;         /* in whose hands these are */
    struct mp__patience patience;
    /* For reports: who slept last holding the mutex, with the other side at
     * which position, and since when. */
    uint64_t sleeper, sleeper_seen;
    mp_time sleeper_since;
    struct mp__shelf shelf;
} MP__ALIGNED(MP__LINE);

/* What a queue does beside the ring. */
enum mp__queue_mode {
    MP__QUEUE_JOINABLE = 1, /* a message that was taken is held until done */
    MP__QUEUE_REDELIVER = 2,
    MP__QUEUE_ORDERED = 4, /* otherwise than the ring */
    MP__QUEUE_SERVED = 8,  /* remote clients get from it, too: a message on its
                              way to one may come back. Set once, by the first */
};

/* Messages that were taken may come back. */
#define MP__QUEUE_RETURNS (MP__QUEUE_REDELIVER | MP__QUEUE_SERVED)

/* Who waits for the last task to be done. */
struct mp__joiners {
    struct mp__bell bell;
    mp__a32 joining;  /* how many may wait: may only over-report */
    mp__a32 finishes; /* how often the last one was seen done */
    mp__a32 lost;     /* tasks that nobody was told of yet; at least */
    mp__a32 lost_pid; /* the process that died last over one */
    /* A bit for each participant, by index, that has ever taken a message, and
     * was not buried since: who waits watches these lives. */
    mp__a64 takers[MP__PARTICIPANTS_ALL / 64 + 1];
};

/* Stages of closing. */
enum mp__closing {
    MP__QUEUE_OPEN,
    MP__QUEUE_CLOSING, /* no put begins any more */
    MP__QUEUE_CLOSED,  /* none is under way: what is not there never comes */
};

/* What the other side has to wake. */
enum mp__queue_flag {
    MP__FLAG_SLEEPER = 1,
    MP__FLAG_POLLER = 2,
};

struct mp_queue {
    struct mp__object object;
    uint64_t maxsize;   /* items; 0: none */
    uint64_t max_bytes; /* 0: none */
    mp__a32 mode;       /* enum mp__queue_mode; 0: the ring alone */
    uint32_t order;     /* MP_QUEUE_FIFO, ... */
    uint32_t prefix;    /* bytes before a message in its record */
    uint32_t max_attempts;
    mp_queue *dead_letters;
    mp__a32 closing; /* enum mp__closing */
    struct mp__side producers;
    mp__a64 tail MP__ALIGNED(MP__LINE); /* the producers' position: COMMIT */
    struct mp__side consumers;
    mp__a64 head MP__ALIGNED(MP__LINE); /* the consumers' position: COMMIT */
    /* Futex flags: SLEEPER while the first of the waiting consumers (producers)
     * sleeps, which it does holding its side's mutex; POLLER if a descriptor is
     * armed (consumers only). */
    mp__a32 consumer_sleeps MP__ALIGNED(MP__LINE);
    mp__a32 producer_sleeps MP__ALIGNED(MP__LINE);
    struct mp__pollers pollers MP__ALIGNED(MP__LINE);
    struct mp__mutex closers; /* who is about to close the queue */
    mp__a32 committing; /* how many want the mutex of a producer who sleeps for
                           room, as the limits do not hold them up: may only
                           over-report */
    struct mp__joiners joiners MP__ALIGNED(MP__LINE);
    /* For the consumers, under their mutex: when to look for dead owners. */
    uint64_t burials_seen;
    uint32_t gets, returns_seen;
    mp__a32 returns; /* messages that did not arrive, so far */
} MP__ALIGNED(MP__LINE);

/* Whether the queue keeps what was taken, or lets it wait on the shelf; then a
 * message that does not fit into a slot goes by reference. */
static inline int
mp__queue_keeps(const struct mp_queue *queue)
{
    return (queue->mode & (MP__QUEUE_REDELIVER | MP__QUEUE_ORDERED)) != 0;
}

/* For the beginning of a public function: 0, -EBADF, or mp__enter()'s. */
static inline int
mp__queue_enter(const struct mp_queue *queue, const char *function)
{
    return mp__object_enter(queue, MP__SLAB_QUEUE, function, "a queue");
}

static inline uint32_t
mp__count(uint64_t position)
{
    return (uint32_t)(position >> 32);
}

static inline uint32_t
mp__place(uint64_t position)
{
    return (uint32_t)position;
}

static inline uint64_t
mp__position(uint32_t count, uint32_t place)
{
    return (uint64_t)count << 32 | place;
}

static inline uint32_t
mp__ring_index(const struct mp__segment *segment, uint32_t place)
{
    return (place - segment->base) & (segment->granules - 1);
}

/* Granules of a lap that records may lie in. */
static inline uint32_t
mp__ring_limit(const struct mp__segment *segment)
{
    return segment->granules - MP__RING_HEADER;
}

static inline struct mp__record *
mp__ring_record(struct mp__segment *segment, uint32_t index)
{
    return (struct mp__record *)(void *)(segment->data +
                                         (size_t)index * MP__RING_GRANULE);
}

static inline uint32_t
mp__record_granules(size_t size)
{
    return (uint32_t)((size + 8 + MP__RING_GRANULE - 1) / MP__RING_GRANULE);
}

static inline uint64_t
mp__record_head(enum mp__record_kind kind, size_t size)
{
    return (uint64_t)size << 8 | kind;
}

/* ---- queue_wait.c ---- */

/* Locks a side. `blocked` tells, without a lock, whether the operation would
 * have to wait anyway: only then a short lock held by another is reported as
 * -EAGAIN or -ETIMEDOUT. */
MP__COLD int mp__side_lock_slow(struct mp_queue *queue, struct mp__side *side,
                                int (*blocked)(struct mp_queue *),
                                mp_time deadline);
static inline int
mp__side_lock(struct mp_queue *queue, struct mp__side *side,
              int (*blocked)(struct mp_queue *), mp_time deadline)
{
    if (MP__LIKELY(mp__mutex_try(&side->mutex)))
        return 0;
    return mp__side_lock_slow(queue, side, blocked, deadline);
}

/* Holding `side`, waits until `*word` (the other side's position) differs from
 * `seen`, or a moment longer for no reason. 0, or -EAGAIN, -ETIMEDOUT,
 * -EINTR. */
int mp__side_wait(struct mp_queue *queue, struct mp__side *side,
                  mp_time deadline, uint64_t seen);

/* Holding `side`, whose mutex is held, has seen the other side at `now`,
 * further than side->other. Where it is, if need be after some pauses. */
static inline uint64_t
mp__side_gather(struct mp__side *side, mp__a64 *word, uint64_t now)
{
    return mp__patience_gather(&side->patience, word, side->other, now, 32);
}

/* Adds to the sum of bytes that goes with the position of `count` messages,
 * which is about to be committed. */
static inline void
mp__side_add_bytes(struct mp__side *side, uint32_t count, size_t size)
{
    uint64_t before = mp__load_relaxed(&side->bytes[(count - 1) & 1]);

    /* release: who sees this sum in mp__side_read(), instead of the one that
     * it is written over, sees the last commit as well. */
    mp__store_release(&side->bytes[count & 1], before + size);
}

/* Wakes the sleeper of a flag, and pollers. To be called before the commit that
 * they wait for: see queue_wait.c. */
MP__COLD void mp__side_wake_slow(mp__a32 *flag);
static inline void
mp__side_wake(mp__a32 *flag)
{
    /* seq_cst, after the mutex was taken: either this sees the sleeper's flag,
     * or the sleeper sees the mutex held and does not trust its flag. */
    if (MP__UNLIKELY(mp__load(flag)))
        mp__side_wake_slow(flag);
}

/* Registers how a queue is described: describe.c. */
void mp__queue_describe(void);

/* ---- queue_put.c, queue_get.c, queue.c ---- */

struct mp__segment *mp__segment_create(uint32_t granules,
                                       struct mp__mutex *mutex);

/* Refuses a message for a buffer that is too small, and leaves the mutex. */
ssize_t mp__queue_refuse(struct mp_queue *queue, size_t size, size_t cap,
                         const char *function);

/* A put to a queue of another family: queue_far.c. */
ssize_t mp__queue_far_put(mp_queue *queue, const void *data, size_t size,
                          mp_time deadline);

/* Throws the first message away. 0, -EAGAIN if there is none, -ESHUTDOWN. */
int mp__queue_discard(struct mp_queue *queue);
int mp__queue_is_full(struct mp_queue *queue);
int mp__queue_is_empty(struct mp_queue *queue);

/* Reads a side's position and its sum of bytes at one moment. */
uint64_t mp__side_read(struct mp__side *side, mp__a64 *position,
                       uint64_t *ret_bytes);

int mp__queue_check_size(const struct mp_queue *queue, size_t size,
                         const char *function);
int mp__queue_check_priority(const struct mp_queue *queue,
                             const char *function);
/* Makes sure that no put is under way in a queue that is being closed. No
 * mutex may be held. */
void mp__queue_finish_close(struct mp_queue *queue);
