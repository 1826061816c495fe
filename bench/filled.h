/* SPDX-License-Identifier: MIT */
/* Messages that are made and read in full. A producer writes every word of
 * the message, a consumer reads every one; in between the message need not be
 * copied. This shows what is left of a copy that can be spared.
 *
 * Who has to copy makes the message in memory of its own, puts it, gets it,
 * and reads it there. */
#pragma once

#include "stream.h"

/* Every word gets the message's number. */
static ALWAYS_INLINE void
filled_write(void *data, size_t size, uint64_t number)
{
    uint64_t *words = (uint64_t *)data;

    for (size_t i = 0; i < size / sizeof(*words); i++)
        words[i] = number;
}

/* Gives the number that all words have, or 0 if they differ. */
static ALWAYS_INLINE uint64_t
filled_read(const void *data, size_t size)
{
    const uint64_t *words = (const uint64_t *)data;
    uint64_t bad = 0;

    for (size_t i = 0; i < size / sizeof(*words); i++)
        bad |= words[i] ^ words[0];
    return bad ? 0 : words[0];
}

/* Defines NAME_filled_stream_crew of a put and a get that copy. */
#define FILLED_CREW(name, put, get)                                       \
    static void name##_filled_put(void *channel, const void *data,        \
                                  size_t size)                            \
    {                                                                     \
        filled_write((void *)(uintptr_t)data, size, stream_number(data)); \
        put(channel, data, size);                                         \
    }                                                                     \
    static void name##_filled_get(void *channel, void *buf, size_t size)  \
    {                                                                     \
        get(channel, buf, size);                                          \
        if (filled_read(buf, size) == 0)                                  \
            fail("a message came out damaged");                           \
    }                                                                     \
    STREAM_CREW(name##_filled, name##_filled_put, name##_filled_get)
