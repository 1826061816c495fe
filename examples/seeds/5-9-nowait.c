/* SPDX-License-Identifier: MIT */
/* A shelf with room for three loaves: a queue that is full, and then empty.
 *
 * Python: put() waits while a Queue(3) is full, get() while it is empty.
 * put_nowait() and get_nowait() do not: they raise Full and Empty. What full()
 * and empty() say is not to be relied on where there are several processes.
 *
 * Here: the last argument says how long to wait: MP_FOREVER, mp_timeout(s), or
 * MP_NOW, which is -EAGAIN where one would have to. mp_queue_full() and
 * mp_queue_empty() are exact, and nothing is lost: what was refused was not
 * put, and what another process has put is there to be got. */
#include "must.h"

enum { ROOM = 3, LOAVES = 5 };

struct bakery {
    mp_queue *shelf;
    int first; /* loaf to be baked */
};

static int
put_loaf(mp_queue *shelf, int loaf, mp_time deadline)
{
    return mp_queue_put(shelf, &loaf, sizeof(loaf), deadline);
}

static int
bake_the_rest(void *arg)
{
    struct bakery *bakery = arg;

    for (int loaf = bakery->first; loaf <= LOAVES; loaf++) {
        MUST(put_loaf(bakery->shelf, loaf, MP_FOREVER));
        say("baker: there is room for loaf %d after all\n", loaf);
    }
    return 0;
}

int
main(void)
{
    struct bakery bakery = {.first = 1};
    mp_process *baker;
    int loaf, r;

    MUST(mp_queue_create(&bakery.shelf, MP_QUEUE_ATTR(.maxsize = ROOM)));
    while ((r = put_loaf(bakery.shelf, bakery.first, MP_NOW)) == 0)
        say("loaf %d is on the shelf\n", bakery.first++);
    say("loaf %d is not: %s\n", bakery.first, mp_strerror(r));
    r = put_loaf(bakery.shelf, bakery.first, mp_timeout(0.1));
    say("nor is it 0.1 s later: %s\n", mp_strerror(r));
    say("loaves: %zu; is the shelf full? %d\n", mp_queue_size(bakery.shelf),
        mp_queue_full(bakery.shelf));

    MUST(mp_process_start(&baker, bake_the_rest, &bakery, sizeof(bakery),
                          NULL));
    for (int i = 0; i < LOAVES; i++) {
        MUST(mp_queue_get(bakery.shelf, &loaf, sizeof(loaf), MP_FOREVER));
        say("customer: I buy loaf %d\n", loaf);
    }
    r = (int)mp_queue_get(bakery.shelf, &loaf, sizeof(loaf), MP_NOW);
    say("customer: no more: %s; is the shelf empty? %d\n", mp_strerror(r),
        mp_queue_empty(bakery.shelf));
    MUST(mp_process_join(baker, MP_FOREVER));
    MUST(mp_process_close(baker));
    MUST(mp_queue_destroy(bakery.shelf));
    return 0;
}
