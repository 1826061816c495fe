/* SPDX-License-Identifier: MIT */
/* Messages one way, many at a call: as stream.h, but a put carries BATCH
 * messages and a get takes up to as many. Each is a message of its own, with
 * its own number, which any consumer could have taken alone. */
#pragma once

#include "stream.h"

enum { BATCH = 64 };

/* Puts all n messages of `size` bytes; waits; cannot fail. */
typedef void put_batch_fn(void *channel, const void *items, size_t size,
                          long n);
/* Takes 1 to n messages; gives how many. */
typedef long get_batch_fn(void *channel, void *buf, size_t size, long n);

static ALWAYS_INLINE uint64_t
batch_put(struct stream *s, char *data, uint64_t from, long n,
          put_batch_fn *put)
{
    size_t size = s->load->size;
    uint64_t sum = 0;

    for (long done = 0; done < n; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++, from++) {
            stream_stamp(data + i * size, size, from);
            sum += from;
        }
        put(s->channel, data, size, BATCH);
    }
    return sum;
}

static ALWAYS_INLINE uint64_t
batch_get(struct stream *s, char *data, uint64_t from, long n,
          get_batch_fn *get)
{
    size_t size = s->load->size;
    uint64_t sum = 0, bad = 0;

    while (n > 0) {
        long got = get(s->channel, data, size, n < BATCH ? n : BATCH);

        for (long i = 0; i < got; i++, from++) {
            uint64_t value = stream_value(data + (size_t)i * size, size);

            bad |= value ^ from;
            sum += value;
        }
        n -= got;
    }
    if (bad)
        fail("a message came out wrong or out of order");
    return sum;
}

/* One producer, one consumer; the quarter that goes first is a multiple of
 * BATCH. */
static ALWAYS_INLINE void
batch_member(struct stream *s, struct crew *crew, int seat, put_batch_fn *put,
             get_batch_fn *get)
{
    char *data = (char *)private_memory(BATCH * s->load->size);
    long n = s->load->ops, warm = n / 4;
    uint64_t sum;

    if (seat == 0)
        sum = batch_put(s, data, 1, warm, put);
    else
        sum = batch_get(s, data, 1, warm, get);
    crew_begin(crew, seat);
    if (seat == 0)
        sum += batch_put(s, data, (uint64_t)warm + 1, n, put);
    else
        sum += batch_get(s, data, (uint64_t)warm + 1, n, get);
    crew_end(crew, seat, sum);
}

/* Defines NAME_batch_crew. */
#define BATCH_CREW(name, put, get)                                        \
    static void name##_batch_crew(struct crew *crew, int seat, void *arg) \
    {                                                                     \
        batch_member((struct stream *)arg, crew, seat, put, get);         \
    }
