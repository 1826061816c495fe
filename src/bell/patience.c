/* SPDX-License-Identifier: MIT */
/* Spinning pays while the other side runs on another processor, and costs it
 * time when it does not; lingering saves two that run side by side from passing
 * the same lines to and fro for each message. Neither can be told beforehand. */
#include "bell/patience.h"

#include "region/region.h"

#define SPINS_AT_FIRST 200u
#define SPINS_LEAST    16u
#define SPINS_MOST     2000u
#define SHORT          40000 /* ns: looking longer would have paid */

#define LOOKS_AT_FIRST 64u
#define LOOKS_LEAST    8u
#define LOOKS_MOST     128u /* 30 to 100 us */
#define EVERY          64u  /* sleeps: then it is tried again */

#define LINGER_LEAST 8u /* in pauses, as spins are */
#define LINGER_MOST  32u
#define MANY         16u /* at once are worth their price */

static uint32_t
at_most(uint32_t x, uint32_t most)
{
    return x < most ? x : most;
}

void
mp__patience_init(struct mp__patience *patience)
{
    *patience = (struct mp__patience){.spins = SPINS_AT_FIRST};
}

int
mp__patience_spin(struct mp__patience *patience, mp__a64 *word, uint64_t seen)
{
    uint32_t n = mp__view.cpus > 1 ? patience->spins : 0;

    for (uint32_t i = 0; i < n; i++) {
        if (mp__load_acquire(word) != seen) {
            /* Leave room for twice of what it took. */
            if (i * 2 > n && n < SPINS_MOST)
                patience->spins = at_most(n * 2, SPINS_MOST);
            return 1;
        }
        mp__cpu_relax();
    }
    patience->spins = n / 2 > SPINS_LEAST ? n / 2 : SPINS_LEAST;
    return 0;
}

void
mp__patience_slept(struct mp__patience *patience, mp_time slept)
{
    if (slept < SHORT && patience->spins < SPINS_MOST)
        patience->spins = at_most(patience->spins * 4, SPINS_MOST);
}

uint32_t
mp__looks_wanted(const struct mp__looks *looks)
{
    if (mp__view.cpus <= 1)
        return 0;
    return looks->budget == 0 && looks->without % EVERY == 0 ? LOOKS_AT_FIRST
                                                             : looks->budget;
}

void
mp__looks_made(struct mp__looks *looks, uint32_t n, int found)
{
    uint32_t enough = at_most(n * 2 + LOOKS_LEAST, LOOKS_MOST);

    looks->without += looks->budget == 0;
    if (found)
        looks->budget = enough > looks->budget
                            ? enough
                            : looks->budget - (looks->budget - enough) / 8;
    else
        looks->budget = n / 2 > LOOKS_LEAST ? n / 2 : 0;
}

static uint32_t
steps(uint64_t from, uint64_t to, unsigned shift)
{
    return (uint32_t)(to >> shift) - (uint32_t)(from >> shift);
}

uint64_t
mp__patience_linger(struct mp__patience *patience, mp__a64 *word,
                    uint64_t before, uint64_t now, unsigned shift)
{
    uint32_t linger = patience->linger ? patience->linger : LINGER_LEAST;
    uint64_t later;

    if (steps(before, now, shift) >= MANY)
        return now;
    for (uint32_t i = 0; i < linger; i++)
        mp__cpu_relax();
    later = mp__load_acquire(word);
    /* One more may be chance, and is all there is of a question and its
     * answer. */
    if (steps(now, later, shift) < 2)
        patience->linger = linger > LINGER_LEAST ? linger / 2 : 0;
    else
        patience->linger = linger < LINGER_MOST ? linger * 2 : linger;
    return later;
}
