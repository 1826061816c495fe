/* SPDX-License-Identifier: MIT */
/* The heap: blocks of the region, behind mp_alloc() and for the rooms above.
 *
 * Blocks from mp__block_alloc() are in the thread's hand (MP__HAND_BLOCK for
 * small ones, MP__HAND_EXTENT for large ones: mp__block_hand()) until
 * mp__block_keep() lets go of them: a thread that dies in between leaks
 * nothing. A thread has at most one block of each hand at a time. */
#pragma once

#include "base/error.h"
#include "region/hand.h"

/* Not zeroed unless `zero`. NULL: no memory (mp_last_error() tells). */
void *mp__block_alloc(size_t size, int zero);
enum mp__hand mp__block_hand(const void *block);
void mp__block_keep(void *block);
/* 0 or -EBADF. The block may, but need not, be in the thread's hand. */
int mp__block_free(void *block);
/* The same on behalf of participant `index`, in whose hand it may be. */
int mp__block_free_for(void *block, uint32_t index);
/* The zeroed block of `size` bytes that a root slot (region.h) leads to, one for
 * the whole family: made by who asks first. NULL: no memory. */
void *mp__block_at_root(enum mp__root_slot slot, size_t size);
/* Copies `size` bytes into a block that may be fresh. */
void mp__block_fill(void *block, const void *data, size_t size);
/* Bytes of a live block that the caller may use; 0 if it is none. */
size_t mp__block_size(const void *block);

/* For the reaper. Brings in order the mutexes under which the owner of `p`
 * may have died (NULL is allowed); then frees `p` out of a dead participant's
 * hand. */
void mp__heap_settle(void *p);
void mp__heap_reclaim(void *p, uint32_t index, enum mp__hand hand);

/* For the creator of the region: its bins, and those of object.h. */
void mp__heap_init(void);
