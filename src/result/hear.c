/* SPDX-License-Identifier: MIT */
/* Reading an inbox: whoever waits for news attends to the pool meanwhile. */
#include "result/hear.h"

#include "keeper/attend.h"
#include "keeper/watch.h"
#include "os/clock.h"

#include <errno.h>

#define LOST_SLICE 10000000 /* ns, when there may be ends that nobody tells */

int
mp__inbox_wait(mp_pool *pool, struct mp__inbox *inbox, mp_time deadline)
{
    uint32_t seen = mp__load(&inbox->arrivals);
    mp_queue *queue = atomic_load(&inbox->queue);

    if (mp_queue_size(queue) > 0)
        return 0;
    if (deadline == MP_NOW)
        return -EAGAIN;
    mp__pool_attend(pool);
    if (mp_queue_size(queue) > 0)
        return 0;
    /* mp__pool_sleep() is 0 also when its time is over. */
    if (mp__load(&inbox->lost) && mp__now() + LOST_SLICE < deadline)
        deadline = mp__now() + LOST_SLICE;
    return mp__pool_sleep(pool, &inbox->bell, &inbox->arrivals, seen,
                          deadline);
}

int
mp__inbox_get(mp_pool *pool, struct mp__inbox *inbox,
              struct mp__news *ret_news, mp_time deadline)
{
    mp_queue *queue = atomic_load(&inbox->queue);
    struct mp__news news;
    ssize_t r;

    for (int waited = 0;; waited = 1) {
        do
            r = mp_queue_get(queue, &news, sizeof(news), MP_NOW);
        while (r == -EINTR);
        if (r == (ssize_t)sizeof(news)) {
            *ret_news = news;
            return 1;
        }
        if (waited)
            return 0;
        r = mp__inbox_wait(pool, inbox, deadline);
        if (r < 0)
            return (int)r;
    }
}
