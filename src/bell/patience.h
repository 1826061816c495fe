/* SPDX-License-Identifier: MIT */
/* How long it pays to look at a word that another process is about to change,
 * learned from how it went before. Who has one writes it: one thread at a
 * time. */
#pragma once

#include "base/atomic.h"
#include "base/macros.h"

#include <mproc/base.h>

struct mp__patience {
    uint32_t spins;  /* looks before sleeping, */
    uint32_t linger; /* and pauses after the other side has gone on */
    uint32_t looks;  /* how often it was seen to, without lingering */
};

void mp__patience_init(struct mp__patience *patience);

/* The same of what takes a system call to look at: a socket. Zeroed at first.
 *
 *     for (n = 0; n < mp__looks_wanted(looks) && !found; n++)
 *         found = ...;
 *     mp__looks_made(looks, n, found);
 */
struct mp__looks {
    uint32_t budget;
    uint32_t without; /* how often it was seen to, with a budget of 0 */
};

uint32_t mp__looks_wanted(const struct mp__looks *looks);
void mp__looks_made(struct mp__looks *looks, uint32_t n, int found);

/* Looks at the word for as long as it has paid lately. Whether it differs from
 * `seen`. */
int mp__patience_spin(struct mp__patience *patience, mp__a64 *word,
                      uint64_t seen);

/* Somebody else has ended a sleep that took so many ns. */
void mp__patience_slept(struct mp__patience *patience, mp_time slept);

/* The other side was at `before`, and is at `now`, a little further: where it
 * is after some pauses. Positions count in units of 1 << shift. */
MP__COLD uint64_t mp__patience_linger(struct mp__patience *patience,
                                      mp__a64 *word, uint64_t before,
                                      uint64_t now, unsigned shift);

/* The same only if it has paid lately, or was not tried for long. */
static inline uint64_t
mp__patience_gather(struct mp__patience *patience, mp__a64 *word,
                    uint64_t before, uint64_t now, unsigned shift)
{
    if (MP__LIKELY(patience->linger == 0 && ++patience->looks % 256))
        return now;
    return mp__patience_linger(patience, word, before, now, shift);
}
