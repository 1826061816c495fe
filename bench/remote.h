/* SPDX-License-Identifier: MIT */
/* Blocks that one process allocates and another one frees: their addresses go
 * through a short ring, and so do those of every contender. */
#pragma once

#include "ring.h"
#include "stream.h"

enum { REMOTE_ROOM = 1 << 14 }; /* 512 blocks on their way */

/* Marks a fresh block as the message at `data` is, and sends it. */
static ALWAYS_INLINE void
remote_send(void *ring, char *block, const void *data, size_t size)
{
    stream_stamp(block, size, stream_number(data));
    ring_put(ring, &block, sizeof(block));
}

/* Gives a block to be freed. */
static ALWAYS_INLINE char *
remote_receive(void *ring, void *buf, size_t size)
{
    char *block;

    ring_get(ring, &block, sizeof(block));
    stream_stamp((char *)buf, size, stream_value(block, size));
    return block;
}
