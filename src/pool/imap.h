/* SPDX-License-Identifier: MIT */
/* Iterators: maps over what is read as it goes. imap.c makes and ends them,
 * imap_next.c is their window, imap_item.c what an item is for the pool. */
#pragma once

#include "pool/submit.h"
#include "progress/bar.h"

#include <sys/types.h>

/* ---- imap_item.c ---- */

/* Sets up what each item is submitted by. 0, -EINVAL, -ENOMEM. */
int mp__item_prepare(struct mp__order *order, mp_map_fn f, size_t in_size,
                     size_t out_size, const mp_map_attr *attr);
/* Where the next item is to be written, before the order is submitted. */
void *mp__item_place(struct mp__order *order);
void mp__item_forget(struct mp__order *order);

/* ---- The iterator ---- */

struct mp__imap_slot {
    mp_task *task; /* whose handle is the iterator's; NULL: a hole */
    uint64_t number;
    size_t index;
    int told; /* it has ended, or is about to */
};

struct mp_imap {
    mp_imap *next; /* in the list of this process's iterators */
    pid_t owner;   /* a child that fork makes has only a copy */
    mp_pool *pool;
    uint64_t pool_id;
    int ordered;
    mp_item_fn read;
    void *arg;
    struct mp__order order;
    size_t out_size;
    size_t items;         /* read so far */
    size_t given, failed; /* results */
    int over;             /* reading is */
    int error;            /* why, to be told behind the last result */
    char text[256];       /* of the error */
    int draws;            /* there is a bar */
    struct mp__bar bar;
    size_t window;      /* most that may be live */
    size_t live, told;  /* slots */
    size_t first, last; /* slots in use are in between */
    struct mp__imap_slot slots[];
};

static inline int
mp__imap_has_pool(const mp_imap *imap)
{
    return mp__pool_is(imap->pool, imap->pool_id);
}

/* imap_next.c: as mp_imap_next(), which has checked its arguments. */
int mp__imap_next(mp_imap *imap, void *result, size_t *ret_index,
                  mp_time deadline);
