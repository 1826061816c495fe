/* SPDX-License-Identifier: MIT */
/* Workers of a pool tell what they meet, by the family's log. */
#include <mproc.h>

static int
check_disk(const void *item, void *result, void *unused)
{
    int percent = *(const int *)item;

    (void)result;
    (void)unused;
    mp_log(MP_LOG_DEBUG, "looking at a disk"); /* below the level */
    if (percent > 90)
        mp_log(MP_LOG_WARNING, "a disk is full to %d %%", percent);
    return 0;
}

int
main(void)
{
    int disks[] = {40, 95, 70};
    mp_pool *pool;

    mp_log(MP_LOG_ERROR, "nobody has asked for a log: this is not written");
    mp_log_to_stderr(MP_LOG_WARNING);
    if (mp_pool_create(&pool, 1, NULL) < 0 ||
        mp_pool_map(pool, check_disk, disks, sizeof(int), NULL, 0, 3, NULL) <
            0)
        return 1;
    mp_log(MP_LOG_CRITICAL, "%d disks\nare enough", 3);
    mp_log_to_stderr(MP_LOG_OFF);
    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    return mp_pool_destroy(pool) < 0;
}
