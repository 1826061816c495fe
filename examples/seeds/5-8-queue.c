/* SPDX-License-Identifier: MIT */
/* Ten processes each put a dict into one queue; their parent gets all.
 *
 * Python: Queue() carries objects between any number of processes. Process i
 * puts {i: i to the power of i}; the parent calls get() ten times, which waits
 * while the queue is empty.
 *
 * Here: mp_queue_putf() puts a value by a format string, mp_queue_get_any()
 * gets any value. What was put is in the queue when the call returns: in
 * Python a thread of the process may still be at it, so that one must not join
 * before all was read. */
#include "must.h"

enum { PRODUCERS = 10 };

struct order {
    mp_queue *queue;
    int number;
};

static int
put_power(void *arg)
{
    struct order *order = arg;
    long power = 1;

    for (int i = 0; i < order->number; i++)
        power *= order->number;
    MUST(mp_queue_putf(order->queue, "{i:l}", order->number, power));
    return 0;
}

int
main(void)
{
    mp_process *producers[PRODUCERS];
    struct order order;
    mp_any pair;

    MUST(mp_queue_create(&order.queue, NULL));
    for (order.number = 0; order.number < PRODUCERS; order.number++)
        MUST(mp_process_start(&producers[order.number], put_power, &order,
                              sizeof(order), NULL));
    for (int i = 0; i < PRODUCERS; i++) {
        MUST(mp_queue_get_any(order.queue, &pair, MP_FOREVER));
        MUST(mp_any_print(pair, stdout));
        printf("\n");
        mp_any_free(pair);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        MUST(mp_process_join(producers[i], MP_FOREVER));
        MUST(mp_process_close(producers[i]));
    }
    MUST(mp_queue_destroy(order.queue));
    return 0;
}
