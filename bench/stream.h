/* SPDX-License-Identifier: MIT */
/* Messages through a channel, one way and there and back.
 *
 * The loops are the same for every contender; put and get are compiled into
 * them, so that no contender pays for an indirect call. A quarter as many
 * messages as are measured, 16 at the least, go first, so that no page is
 * new.
 *
 * Every message carries a number at its start and, if there is room, at its
 * end. Consumers check that both agree and that numbers of one producer come
 * in order; in the end the sums of what was put and what came out must
 * match. */
#pragma once

#include "crew.h"
#include "tools.h"

#include <string.h>

struct stream {
    const struct load *load;
    void *channel;
    void *back;    /* of a round trip: the other direction */
    int any_order; /* messages may overtake each other */
    int threads;   /* members are threads of one process */
};

/* How many bytes of messages a channel is to hold: 1 MiB, but two messages at
 * the least, one being written while the other is read. More would only be
 * cold when it comes out. */
static inline size_t
stream_room(size_t size)
{
    const size_t room = (size_t)1 << 20;

    return 2 * size < room ? room : 2 * size;
}

/* How many messages of a producer go before the `n` that are measured. */
static inline long
stream_warm(long n)
{
    return n / 4 < 16 ? 16 : n / 4;
}

/* Copies a message of `size` bytes in or out; waits; cannot fail. */
typedef void put_fn(void *channel, const void *data, size_t size);
typedef void get_fn(void *channel, void *buf, size_t size);

static ALWAYS_INLINE void
stream_stamp(char *data, size_t size, uint64_t value)
{
    memcpy(data, &value, sizeof(value));
    if (size >= 2 * sizeof(value))
        memcpy(data + size - sizeof(value), &value, sizeof(value));
}

static ALWAYS_INLINE uint64_t
stream_number(const void *data)
{
    uint64_t value;

    memcpy(&value, data, sizeof(value));
    return value;
}

/* Gives the message's number, or 0 if its end is not of the same message. */
static ALWAYS_INLINE uint64_t
stream_value(const char *data, size_t size)
{
    uint64_t value = stream_number(data), end;

    if (size < 2 * sizeof(value))
        return value;
    memcpy(&end, data + size - sizeof(end), sizeof(end));
    return value == end ? value : 0;
}

static ALWAYS_INLINE uint64_t
stream_put_many(struct stream *s, char *data, uint64_t from, long n,
                put_fn *put)
{
    uint64_t sum = 0;

    for (long i = 0; i < n; i++) {
        stream_stamp(data, s->load->size, from + (uint64_t)i);
        put(s->channel, data, s->load->size);
        sum += from + (uint64_t)i;
    }
    return sum;
}

static ALWAYS_INLINE uint64_t
stream_get_many(struct stream *s, char *data, long n, get_fn *get)
{
    uint64_t sum = 0, last = 0, bad = 0;
    int one = s->load->producers == 1 && !s->any_order;

    for (long i = 0; i < n; i++) {
        uint64_t value;

        get(s->channel, data, s->load->size);
        value = stream_value(data, s->load->size);
        sum += value;
        bad |= (value == 0) | (one & (value <= last));
        last = value;
    }
    if (bad)
        fail("a message came out wrong or out of order");
    return sum;
}

static ALWAYS_INLINE void
stream_produce(struct stream *s, struct crew *crew, int seat, put_fn *put)
{
    char *data = (char *)private_memory(s->load->size);
    long n = s->load->ops / s->load->producers;
    uint64_t from = ((uint64_t)seat << 40) + 1;
    long warm = stream_warm(n);
    uint64_t sum = stream_put_many(s, data, from, warm, put);

    crew_begin(crew, seat);
    sum += stream_put_many(s, data, from + (uint64_t)warm, n, put);
    crew_end(crew, seat, sum);
}

static ALWAYS_INLINE void
stream_consume(struct stream *s, struct crew *crew, int seat, get_fn *get)
{
    char *data = (char *)private_memory(s->load->size);
    long warm =
        stream_warm(s->load->ops / s->load->producers) * s->load->producers;
    uint64_t sum = stream_get_many(s, data, warm / s->load->consumers, get);

    crew_begin(crew, seat);
    sum += stream_get_many(s, data, s->load->ops / s->load->consumers, get);
    crew_end(crew, seat, sum);
}

/* A member of a round trip asks (seat 0) or answers (seat 1). */
static ALWAYS_INLINE uint64_t
stream_ask(struct stream *s, char *data, long n, put_fn *put, get_fn *get)
{
    size_t size = s->load->size;

    for (long i = 1; i <= n; i++) {
        stream_stamp(data, size, (uint64_t)i);
        put(s->channel, data, size);
        get(s->back, data, size);
        if (stream_value(data, size) != (uint64_t)i)
            fail("the wrong answer came back");
    }
    return (uint64_t)n;
}

static ALWAYS_INLINE uint64_t
stream_answer(struct stream *s, char *data, long n, put_fn *put, get_fn *get)
{
    for (long i = 0; i < n; i++) {
        get(s->channel, data, s->load->size);
        put(s->back, data, s->load->size);
    }
    return (uint64_t)n;
}

static ALWAYS_INLINE void
stream_bounce(struct stream *s, struct crew *crew, int seat, put_fn *put,
              get_fn *get)
{
    char *data = (char *)private_memory(s->load->size);
    long n = s->load->ops;

    if (seat == 0) {
        stream_ask(s, data, stream_warm(n), put, get);
        crew_begin(crew, seat);
        crew_end(crew, seat, stream_ask(s, data, n, put, get));
    } else {
        stream_answer(s, data, stream_warm(n), put, get);
        crew_begin(crew, seat);
        crew_end(crew, seat, stream_answer(s, data, n, put, get));
    }
}

/* Defines NAME_stream_crew, the crew function of messages one way. */
#define STREAM_CREW(name, put, get)                                        \
    static void name##_stream_crew(struct crew *crew, int seat, void *arg) \
    {                                                                      \
        struct stream *s = (struct stream *)arg;                           \
        if (seat < s->load->producers)                                     \
            stream_produce(s, crew, seat, put);                            \
        else                                                               \
            stream_consume(s, crew, seat, get);                            \
    }

/* Defines NAME_bounce_crew, that of messages there and back. */
#define BOUNCE_CREW(name, put, get)                                        \
    static void name##_bounce_crew(struct crew *crew, int seat, void *arg) \
    {                                                                      \
        stream_bounce((struct stream *)arg, crew, seat, put, get);         \
    }

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the crew and checks the sums; nanoseconds per message. */
double stream_run(struct stream *s, crew_fn *crew);
/* The same for round trips. */
double stream_run_bounce(struct stream *s, crew_fn *crew);

#ifdef __cplusplus
}
#endif
