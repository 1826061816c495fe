/* SPDX-License-Identifier: MIT */
/* Each limit does the least that the hardware needs for the same job, awake
 * all the time, for exactly two processes, and survives nothing. */
#include "limit.h"
#include "batch.h"
#include "filled.h"
#include "ring.h"

#define ROOM ((uint64_t)1 << 20)

/* A ring of records, 1 MiB or as large as two messages need. With several
 * producers or consumers it still runs one to one, which no queue for many
 * can beat. */

STREAM_CREW(ring, ring_put, ring_get)

double
ring_stream(const struct load *load)
{
    struct load one = *load;
    struct stream s = {.load = &one};
    uint64_t room = ROOM;

    while (room < 2 * ring_need(load->size))
        room *= 2;
    s.channel = ring_new(room);
    one.producers = one.consumers = 1;
    return stream_run(&s, ring_stream_crew);
}

/* A batch as one record: all that many messages cost beyond one is their
 * bytes. */

static ALWAYS_INLINE void
ring_put_batch(void *channel, const void *items, size_t size, long n)
{
    ring_put(channel, items, (size_t)n * size);
}

static ALWAYS_INLINE long
ring_get_batch(void *channel, void *buf, size_t size, long n)
{
    ring_get(channel, buf, (size_t)n * size);
    return n;
}

BATCH_CREW(ring, ring_put_batch, ring_get_batch)

double
ring_batch(const struct load *load)
{
    struct stream s = {.load = load, .channel = ring_new(ROOM)};

    return stream_run(&s, ring_batch_crew);
}

/* The producer's copy and the consumer's copy, one after the other, in one
 * process, by way of one warm buffer. */
double
two_copies(const struct load *load)
{
    char *from = private_memory(load->size), *to = private_memory(load->size);
    char *buffer = shared_memory(load->size);
    int64_t start = now_ns();

    for (long i = 1; i <= load->ops; i++) {
        stream_stamp(from, load->size, (uint64_t)i);
        memcpy(buffer, from, load->size);
        __asm__ volatile("" ::: "memory");
        memcpy(to, buffer, load->size);
        if (stream_value(to, load->size) != (uint64_t)i)
            fail("a copy went wrong");
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

/* The message is made and read in one warm shared buffer, by one process. */
double
no_copy(const struct load *load)
{
    char *buffer = shared_memory(load->size);
    int64_t start = now_ns();

    for (long i = 1; i <= load->ops; i++) {
        filled_write(buffer, load->size, (uint64_t)i);
        __asm__ volatile("" ::: "memory");
        if (filled_read(buffer, load->size) != (uint64_t)i)
            fail("a message came out damaged");
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

double
one_copy(const struct load *load)
{
    char *from = private_memory(load->size);
    char *buffer = shared_memory(load->size);
    int64_t start = now_ns();

    for (long i = 1; i <= load->ops; i++) {
        stream_stamp(from, load->size, (uint64_t)i);
        memcpy(buffer, from, load->size);
        if (stream_value(buffer, load->size) != (uint64_t)i)
            fail("a copy went wrong");
    }
    return (double)(now_ns() - start) / (double)load->ops;
}

/* A buffer each way whose first word, the number that every message carries,
 * is the signal. With 64 bytes, all that moves is one cache line. */

struct slot {
    uint64_t seen; /* writer and reader: who gets */
    char data[] __attribute__((aligned(LINE)));
};

static ALWAYS_INLINE void
slot_put(void *channel, const void *data, size_t size)
{
    struct slot *slot = channel;
    uint64_t *word = (uint64_t *)(void *)slot->data;

    memcpy(word + 1, (const uint64_t *)data + 1, size - sizeof(*word));
    /* release: pairs with the acquire in slot_get */
    __atomic_store_n(word, *(const uint64_t *)data, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE void
slot_get(void *channel, void *buf, size_t size)
{
    struct slot *slot = channel;
    uint64_t *word = (uint64_t *)(void *)slot->data, value;

    while ((value = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == slot->seen)
        cpu_relax();
    slot->seen = value;
    memcpy(buf, word, size);
}

BOUNCE_CREW(slot, slot_put, slot_get)

double
slot_bounce(const struct load *load)
{
    struct stream s = {.load = load};

    s.channel = shared_memory(sizeof(struct slot) + load->size);
    s.back = shared_memory(sizeof(struct slot) + load->size);
    return stream_run_bounce(&s, slot_bounce_crew);
}

/* Tasks: seat 0 puts a batch of numbers into one ring and then gets a batch
 * of squares from the other; seat 1 squares. */

static void
submit_batches(struct stream *s, long batches)
{
    long batch = (long)s->load->size;

    for (long b = 0; b < batches; b++) {
        for (uint64_t i = 0; i < (uint64_t)batch; i++)
            ring_put(s->channel, &i, sizeof(i));
        for (uint64_t i = 0, square; i < (uint64_t)batch; i++) {
            ring_get(s->back, &square, sizeof(square));
            if (square != i * i)
                fail("a task went wrong");
        }
    }
}

static void
square_batches(struct stream *s, long batches)
{
    long n = batches * (long)s->load->size;

    for (uint64_t i; n > 0; n--) {
        ring_get(s->channel, &i, sizeof(i));
        i *= i;
        ring_put(s->back, &i, sizeof(i));
    }
}

static void
tasks_crew(struct crew *crew, int seat, void *arg)
{
    struct stream *s = arg;
    long batches = s->load->ops / (long)s->load->size;

    (seat == 0 ? submit_batches : square_batches)(s, 1);
    crew_begin(crew, seat);
    (seat == 0 ? submit_batches : square_batches)(s, batches);
    crew_end(crew, seat, 0);
}

double
ring_tasks(const struct load *load)
{
    struct stream s = {load, ring_new(ROOM), ring_new(ROOM)};

    return crew_run(2, load->pinned, tasks_crew, &s, NULL) / (double)load->ops;
}
