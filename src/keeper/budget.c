/* SPDX-License-Identifier: MIT */
/* Pools inside of pools, and the processors they share.
 *
 * A worker knows how many pools it is inside of, and how many processors are
 * its share: those of its pool, divided by the pool's workers. Both are handed
 * down by whoever starts it, so they hold for every start method. A pool that
 * is made in the worker has no more processors than that share, and so on down:
 * all pools together do not run more at once than there are processors, unless
 * somebody asks for more.
 *
 * Numerical libraries take as many threads as there are processors, in each
 * worker; they read how many they may have from variables of the environment
 * when they are loaded. These are set for a worker, unless the user has set
 * them. What mproc has set is not the user's: a pool inside sets it again, to
 * its own smaller number.
 *
 * Nothing here is shared; what a worker has been told is its process's own, and
 * that of the processes it forks. */
#include "keeper/budget.h"

#include <mproc/process.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const variables[MP__THREAD_VARIABLES] = {
    "OMP_NUM_THREADS",  "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS",  "VECLIB_MAXIMUM_THREADS",
    "GOTO_NUM_THREADS",
};

static struct mp__budget mine; /* share 0: this process is no worker */

uint32_t
mp__budget_depth(void)
{
    return mine.depth;
}

uint32_t
mp__budget_share(void)
{
    return mine.share ? mine.share : (uint32_t)mp_cpu_count();
}

/* Whether it has the value that mproc has given it. */
static int
is_ours(uint32_t i, const char *value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", (unsigned)mine.threads);
    return mine.variables >> i & 1 && strcmp(value, text) == 0;
}

static uint32_t
variables_to_set(void)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < MP__THREAD_VARIABLES; i++) {
        const char *value = getenv(variables[i]);

        if (!value || is_ours(i, value))
            bits |= 1u << i;
    }
    return bits;
}

static uint32_t
share_of_worker(mp_pool *pool)
{
    uint32_t share = pool->budget / mp__load(&pool->wanted);

    return pool->cpus || share == 0 ? 1 : share;
}

struct mp__budget
mp__budget_of_worker(mp_pool *pool)
{
    struct mp__budget budget = {
        .depth = pool->depth + 1,
        .share = share_of_worker(pool),
    };

    if (pool->threads >= 0) {
        budget.threads =
            pool->threads ? (uint32_t)pool->threads : budget.share;
        budget.variables = variables_to_set();
    }
    return budget;
}

void
mp__budget_describe(const struct mp__budget *budget,
                    struct mp__budget_environment *e)
{
    size_t n = 0;

    for (uint32_t i = 0; i < MP__THREAD_VARIABLES; i++) {
        if (!(budget->variables >> i & 1))
            continue;
        snprintf(e->text[n], sizeof(e->text[n]), "%s=%u", variables[i],
                 (unsigned)budget->threads);
        e->list[n] = e->text[n];
        n++;
    }
    e->list[n] = NULL;
}

void
mp__budget_take(const struct mp__budget *budget, int set)
{
    char text[16];

    mine = *budget;
    snprintf(text, sizeof(text), "%u", (unsigned)mine.threads);
    for (uint32_t i = 0; set && i < MP__THREAD_VARIABLES; i++)
        if (mine.variables >> i & 1)
            setenv(variables[i], text, 1);
}
