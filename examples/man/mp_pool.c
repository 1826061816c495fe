/* SPDX-License-Identifier: MIT */
/* One worker, which counts its tasks and is replaced after three of them; then
 * the pool grows. */
#include <mproc.h>
#include <stdio.h>

/* What each worker has a copy of: its state. */
struct desk {
    int stamp;
    int served;
};

static int
open_desk(void *arg)
{
    struct desk *desk = arg;

    return desk->stamp == 7 ? 0 : 1; /* else this worker is of no use */
}

static int
serve(mp_task *task)
{
    struct desk *desk = mp_task_state(task);

    desk->served++;
    return mp_task_return(task, &desk->served, sizeof(desk->served));
}

int
main(void)
{
    MP_POOL_SCOPE mp_pool *pool = NULL;
    struct desk desk = {.stamp = 7};
    mp_result *result;
    int served;

    if (mp_pool_create(&pool, 1,
                       MP_POOL_ATTR(.name = "office", .initializer = open_desk,
                                    .initializer_arg = &desk,
                                    .initializer_size = sizeof(desk),
                                    .tasks_per_worker = 3)) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    for (int i = 0; i < 7; i++) {
        if (mp_pool_apply(pool, serve, NULL, 0, &result) < 0 ||
            mp_result_get(result, &served, sizeof(served), MP_FOREVER) < 0)
            return 1;
        printf("%d%c", served, i < 6 ? ' ' : '\n');
        mp_result_free(result);
    }

    if (mp_pool_resize(pool, 3) < 0)
        return 1;
    printf("workers: %d\n", mp_pool_workers(pool, NULL, 0));
    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    printf("workers: %d\n", mp_pool_workers(pool, NULL, 0));
    return 0; /* the pool is destroyed here */
}
