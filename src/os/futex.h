/* SPDX-License-Identifier: MIT */
/* Futexes of memory that processes share. */
#pragma once

#include "base/atomic.h"

#include <linux/futex.h>
#include <mproc/base.h>

/* Most words that one wait can watch. */
#define MP__FUTEX_WAITV_MAX 128

struct mp__futex_word {
    mp__a32 *word;
    uint32_t seen;
};

/* Sleeps while `*word == seen`, until woken or until `deadline`. 0 (woken, or
 * the value differs: look again), -ETIMEDOUT, -EINTR. */
int mp__futex_wait(mp__a32 *word, uint32_t seen, mp_time deadline);

/* Wakes up to `n` sleepers and returns how many. */
int mp__futex_wake(mp__a32 *word, int n);

/* Sleeps until one of the words is woken or differs. The words are looked at
 * in order, each being enqueued before the next is compared: what bell/bell.c
 * relies on. As mp__futex_wait(); -ENOSYS before Linux 5.16. */
int mp__futex_waitv(const struct mp__futex_word *words, unsigned n,
                    mp_time deadline);
