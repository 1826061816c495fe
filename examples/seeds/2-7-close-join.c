/* SPDX-License-Identifier: MIT */
/* A pool is closed, then joined: the other way round is refused.
 *
 * Python: close() shuts the pool's door: no task is taken any more, those
 * inside are done. join() waits until they are and the workers have gone.
 * Without close() before, it would have no end to wait for, and raises
 * ValueError; so does apply_async() after close().
 *
 * Here: mp_pool_close() and mp_pool_join(), in the same order. Both refusals
 * are errors that say why, and change nothing. */
#include "must.h"

enum { TASKS = 6, WORKERS = 2 };

static int
swim(mp_task *task)
{
    const int *swimmer = mp_task_arg(task, NULL);

    usleep(100 * 1000);
    say("swimmer %d leaves the water\n", *swimmer);
    return 0;
}

int
main(void)
{
    int late = TASKS + 1;
    mp_pool *pool;

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    for (int i = 1; i <= TASKS; i++)
        MUST(mp_pool_apply_async(pool, swim, &i, sizeof(i), NULL, NULL));

    if (mp_pool_join(pool, MP_FOREVER) < 0)
        say("join before close: %s\n", mp_last_error());
    MUST(mp_pool_close(pool));
    if (mp_pool_apply_async(pool, swim, &late, sizeof(late), NULL, NULL) < 0)
        say("swimmer %d comes after close: %s\n", late, mp_last_error());
    MUST(mp_pool_join(pool, MP_FOREVER));
    say("joined: all %d are out, nobody else was let in\n", TASKS);
    MUST(mp_pool_destroy(pool));
    return 0;
}
