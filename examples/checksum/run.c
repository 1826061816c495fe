/* SPDX-License-Identifier: MIT */
/* Runs the plan in a pool. Every batch is a task; a task whose worker dies is
 * submitted again, and goes on behind the files that are done. */
#include "checksum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ATTEMPTS = 3 };

static int
submit(mp_pool *pool, struct batch *batch, mp_result **ret_result)
{
    batch->attempts++;
    return mp_pool_apply_async(pool, sum_batch, &batch, sizeof(batch), NULL,
                               ret_result);
}

/* Waits for a task, with a look at the bar and at ctrl-C now and then. */
static int
wait_for(mp_result *result)
{
    ssize_t r;

    do {
        r = mp_result_get(result, NULL, 0, mp_timeout(0.1));
        progress_show();
        if (interrupted)
            return -EINTR;
    } while (r == -ETIMEDOUT || r == -EINTR);
    return r < 0 ? (int)r : 0;
}

static void
give_up(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (atomic_load(&batch->files[i].state) == FILE_WAITING)
            atomic_store(&batch->files[i].state, FILE_LOST);
    }
}

/* Sees to it that a batch gets done, whoever dies. */
static int
finish(mp_pool *pool, struct batch *batch, mp_result **result)
{
    int r;

    while ((r = wait_for(*result)) == -ESRCH) {
        const char *why = mp_result_error(*result);

        progress_clear();
        fprintf(stderr,
                "checksum: attempt %u of %d at a batch of %u files "
                "failed: %s\n",
                batch->attempts, MOST_ATTEMPTS, batch->count,
                why ? why : "its worker died");
        mp_result_free(*result);
        *result = NULL;
        if (batch->attempts == MOST_ATTEMPTS) {
            give_up(batch);
            return 0;
        }
        r = submit(pool, batch, result);
        if (r < 0)
            return r;
    }
    return r;
}

static int
run_batches(mp_pool *pool, struct plan *plan, mp_result **results)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->batch_count; i++)
        r = submit(pool, &plan->batches[i], &results[i]);
    for (size_t i = 0; r == 0 && i < plan->batch_count; i++) {
        r = finish(pool, &plan->batches[i], &results[i]);
        mp_result_free(results[i]);
        results[i] = NULL;
    }
    return r;
}

int
run(struct plan *plan, int workers)
{
    mp_result **results = calloc(plan->batch_count, sizeof(*results));
    mp_pool *pool;
    int r;

    if (!results || prepare_worker(NULL) != 0)
        die_of_memory();
    if ((size_t)workers > plan->batch_count)
        workers = (int)plan->batch_count;
    r = mp_pool_create(
        &pool, workers,
        MP_POOL_ATTR(.name = "checksum", .initializer = prepare_worker));
    if (r < 0) {
        free(results);
        return r;
    }
    progress_begin(plan);
    r = run_batches(pool, plan, results);
    progress_end();
    for (size_t i = 0; i < plan->batch_count; i++)
        mp_result_free(results[i]);
    mp_pool_destroy(pool);
    free(results);
    return r;
}
