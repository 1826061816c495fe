/* SPDX-License-Identifier: MIT */
/* Pollers of an object that changes by one store and has no mutex for that: an
 * event, a result. Made when somebody asks for a descriptor: see notice.c. */
#pragma once

#include "bell/pollers.h"
#include "region/object.h"

#define MP__TELLERS 8u

struct mp__notice {
    struct mp__object object;
    struct mp__pollers pollers;
    mp__a64 teller[MP__TELLERS]; /* participants that are about to commit
                                    something; 0: free */
} MP__ALIGNED(MP__LINE);

typedef _Atomic(struct mp__notice *) mp__notice_at;

/* The object's, made if it has none; NULL: no memory. */
struct mp__notice *mp__notice_make(mp__notice_at *at);

/* After the object; NULL is allowed. */
void mp__notice_free(struct mp__notice *notice);

/* Around a commit: whoever polls and has not seen it is told. No mutex may be
 * held, no bell be armed before the first. */
unsigned mp__notice_begin(struct mp__notice *notice);
void mp__notice_end(struct mp__notice *notice, unsigned teller);

/* Between mp__poller_begin() and the look at the object: whether somebody is
 * about to commit something, and does not get on with it. */
int mp__notice_is_busy(struct mp__notice *notice);
