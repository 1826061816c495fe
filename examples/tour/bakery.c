/* SPDX-License-Identifier: MIT */
/* A bakery: the queue is a shelf with room for three loaves. Who puts or gets
 * with MP_NOW does not wait, and is told by -EAGAIN that the shelf is full, or
 * empty.
 *
 * Both are exact. What was refused was not put, and nothing is lost without a
 * word; what another process has put can be got at once. */
#include "tour.h"

#include <errno.h>

enum { ROOM = 3, LOAVES = 5 };

static int
put_loaf(mp_queue *shelf, int loaf, mp_time deadline)
{
    return mp_queue_put(shelf, &loaf, sizeof(loaf), deadline);
}

/* Gives the number of the loaf, or an error. */
static int
get_loaf(mp_queue *shelf, mp_time deadline)
{
    int loaf;
    ssize_t r = mp_queue_get(shelf, &loaf, sizeof(loaf), deadline);

    return r < 0 ? (int)r : loaf;
}

/* Puts what there is room for, and then waits for it for the next. */
static int
bake(void *arg)
{
    mp_queue *shelf = *(mp_queue **)arg;
    int loaf = 1, r;

    while ((r = put_loaf(shelf, loaf, MP_NOW)) == 0)
        say("loaf %d is on the shelf", loaf++);
    say("loaf %d is not: %s", loaf, mp_strerror(r));
    CLAIM(r == -EAGAIN && loaf == ROOM + 1);

    r = put_loaf(shelf, loaf, mp_timeout(0.05));
    say("nor is it a moment later: %s", mp_strerror(r));
    CLAIM(r == -ETIMEDOUT && mp_queue_full(shelf));
    return 0;
}

/* Waits for room, as long as it takes. */
static int
bake_the_rest(void *arg)
{
    mp_queue *shelf = *(mp_queue **)arg;

    for (int loaf = ROOM + 1; loaf <= LOAVES; loaf++) {
        MUST(put_loaf(shelf, loaf, MP_FOREVER));
        say("there is room for loaf %d after all", loaf);
    }
    return 0;
}

/* Buys the loaves of these numbers; all of them are there. */
static void
buy(mp_queue *shelf, int first, int last)
{
    for (int loaf = first; loaf <= last; loaf++) {
        CLAIM(get_loaf(shelf, MP_NOW) == loaf);
        say("I buy loaf %d", loaf);
    }
}

void
scene_bakery(void)
{
    mp_process *baker;
    mp_queue *shelf;
    int r;

    MUST(mp_queue_create(&shelf, MP_QUEUE_ATTR(.maxsize = ROOM)));
    start_crowd(&baker, 1, "baker", bake, &shelf, sizeof(shelf));
    CLAIM(join_crowd(&baker, 1) == 1);
    say("loaves on the shelf: %zu; it is full: %d", mp_queue_size(shelf),
        mp_queue_full(shelf));

    start_crowd(&baker, 1, "apprentice", bake_the_rest, &shelf, sizeof(shelf));
    buy(shelf, 1, LOAVES - ROOM);
    CLAIM(join_crowd(&baker, 1) == 1);
    buy(shelf, LOAVES - ROOM + 1, LOAVES);

    r = get_loaf(shelf, MP_NOW);
    say("I can not buy another: %s", mp_strerror(r));
    CLAIM(r == -EAGAIN && mp_queue_empty(shelf));
    MUST(mp_queue_destroy(shelf));
}
