/* SPDX-License-Identifier: MIT */
/* Three producers, one consumer, and room for two messages in between. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

enum { PRODUCERS = 3, EACH = 4 };

static int
produce(void *arg)
{
    mp_queue *queue = *(mp_queue **)arg;

    for (int i = 1; i <= EACH; i++) {
        if (mp_queue_put(queue, &i, sizeof(i), MP_FOREVER) < 0)
            return 1;
    }
    return 0;
}

int
main(void)
{
    mp_process *producers[PRODUCERS];
    mp_queue *queue;
    int number, sum = 0;
    ssize_t n;

    if (mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 2)) < 0)
        return 1;
    for (int i = 0; i < PRODUCERS; i++) {
        if (mp_process_start(&producers[i], produce, &queue, sizeof(queue),
                             NULL) < 0)
            return 1;
    }

    for (int i = 0; i < PRODUCERS * EACH; i++) {
        n = mp_queue_get(queue, &number, sizeof(number), mp_timeout(10));
        if (n < 0) {
            fprintf(stderr, "get: %s\n", mp_strerror((int)n));
            return 1;
        }
        sum += number;
    }
    printf("the sum of all messages: %d\n", sum);

    n = mp_queue_get(queue, &number, sizeof(number), MP_NOW);
    printf("one more: %s\n", n == -EAGAIN ? "none" : "?");

    mp_queue_close(queue);
    n = mp_queue_put(queue, &number, sizeof(number), MP_NOW);
    printf("put into a closed queue: %s\n", n == -ESHUTDOWN ? "no" : "?");

    for (int i = 0; i < PRODUCERS; i++) {
        mp_process_join(producers[i], MP_FOREVER);
        mp_process_close(producers[i]);
    }
    mp_queue_destroy(queue);
    return 0;
}
