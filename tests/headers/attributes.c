/* SPDX-License-Identifier: MIT */
/* Every attribute macro, as C and as C++20: empty, with the first field, with
 * the last one. Compiled only. */
#include <mproc.h>

int use_attributes(mp_target target, mp_task_fn task, mp_map_fn f);

int
use_attributes(mp_target target, mp_task_fn task, mp_map_fn f)
{
    mp_process *process;
    mp_queue *queue;
    mp_pool *pool;
    mp_result *result;
    mp_shm *shm;
    char item = 0;
    int r = 0;

    r |= mp_process_start(&process, target, NULL, 0, MP_PROCESS_ATTR());
    r |= mp_process_start(
        &process, target, &item, 1,
        MP_PROCESS_ATTR(.name = "reader", .daemon = 1, .rlimit_nofile = 64));
    r |= mp_queue_create(&queue, MP_QUEUE_ATTR());
    r |= mp_queue_create(&queue,
                         MP_QUEUE_ATTR(.maxsize = 100, .max_bytes = 4096));
    r |= mp_pool_create(&pool, 4, MP_POOL_ATTR());
    r |= mp_pool_create(
        &pool, 4, MP_POOL_ATTR(.name = "squares", .initializer = target));
    r |= mp_pool_apply_async(pool, task, NULL, 0, MP_TASK_ATTR(), &result);
    r |= mp_pool_map(pool, f, &item, 1, NULL, 0, 1, MP_MAP_ATTR());
    r |= mp_pool_map(pool, f, &item, 1, NULL, 0, 1,
                     MP_MAP_ATTR(.ctx = &item, .ctx_size = 1, .chunk = 1));
    r |= mp_shm_create(&shm, "a", 1, MP_SHM_ATTR());
    r |= mp_shm_create(&shm, "a", 1, MP_SHM_ATTR(.mode = 0600));
    r |= mp_shm_open(&shm, "a", MP_SHM_ATTR(.readonly = 1));
    return r;
}
