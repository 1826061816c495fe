/* SPDX-License-Identifier: MIT */
/* Inboxes: how a process hears of the end of its tasks and maps.
 *
 * A message is put into the inbox before the end is committed, so that no end
 * goes untold when the worker is killed in between: whoever buries the worker
 * puts it again. So the reader may hear of an end twice, a little before it
 * happens, or of one that does not happen after all, because somebody else was
 * faster (who tells of it again): it looks the cell up in a list of its own,
 * and then whether it has ended.
 *
 * An inbox that is given back may still be told of ends: it goes to the next
 * reader, who does not know those cells, and its memory stays until the pool is
 * destroyed. */
#pragma once

#include "task/pool.h"

struct mp__inbox {
    struct mp__object object;
    struct mp__inbox *next; /* of the pool's; set before it is listed */
    /* Whose it is: the process, and which use of its record. NULL, or it has
     * ended: free to be taken. Writer: the owner, under the pool's mutex. */
    _Atomic(mp_process *) owner;
    mp__a32 owner_serial;
    mp__a32 lost; /* an end could not be told, for lack of memory, and perhaps
                     is still to come: the reader looks now and then at all
                     that it waits for. It may take the flag down */
    _Atomic(mp_queue *) queue; /* of struct mp__news */
    MP__ALIGNED(MP__LINE) struct mp__bell bell;
    mp__a32 arrivals; /* rung when something was put */
} MP__ALIGNED(MP__LINE);

struct mp__news {
    void *cell;      /* a task or a job, perhaps not there any more */
    uint64_t number; /* its number: tells another in the same cell */
};

/* Takes a free inbox of the pool, or makes one. What is in it concerns nobody:
 * it is emptied. NULL: no memory. */
struct mp__inbox *mp__inbox_take(mp_pool *pool);
void mp__inbox_give(mp_pool *pool, struct mp__inbox *inbox);

/* Tells of the end of a cell that is about to be committed. No mutex may be
 * held, and no bell armed. NULL, or an inbox whose pool is gone: nothing. */
void mp__inbox_put(struct mp__inbox *inbox, void *cell, uint64_t number);

/* Makes the reader look again. */
void mp__inbox_stir(struct mp__inbox *inbox);

/* With the pool. */
void mp__inboxes_free(mp_pool *pool);
