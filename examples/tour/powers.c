/* SPDX-License-Identifier: MIT */
/* Ten producers, one consumer. Nobody is joined before the queue has been
 * read, and nobody has to be read before it is joined: what was put is in the
 * queue, whatever becomes of the process that put it. */
#include "tour.h"

enum { PRODUCERS = 10 };

struct request {
    mp_queue *queue;
    long number;
};

struct pair {
    long number;
    long power; /* number to the power of itself */
};

static int
put_power(void *arg)
{
    const struct request *request = arg;
    struct pair pair = {.number = request->number, .power = 1};

    for (long i = 0; i < pair.number; i++)
        pair.power *= pair.number;
    MUST(mp_queue_put(request->queue, &pair, sizeof(pair), MP_FOREVER));
    return 0;
}

void
scene_powers(void)
{
    mp_process *producers[PRODUCERS];
    struct request request;
    struct pair pair;

    MUST(mp_queue_create(&request.queue, NULL));
    for (request.number = 0; request.number < PRODUCERS; request.number++)
        MUST(mp_process_start(&producers[request.number], put_power, &request,
                              sizeof(request), NULL));
    for (int i = 0; i < PRODUCERS; i++) {
        MUST(mp_process_join(producers[i], MP_FOREVER));
        MUST(mp_process_close(producers[i]));
    }
    say("all producers are gone; messages in the queue: %zu",
        mp_queue_size(request.queue));

    while (!mp_queue_empty(request.queue)) {
        MUST(mp_queue_get(request.queue, &pair, sizeof(pair), MP_NOW));
        say("{%ld: %ld}", pair.number, pair.power);
    }
    MUST(mp_queue_destroy(request.queue));
}
