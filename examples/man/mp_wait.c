/* SPDX-License-Identifier: MIT */
/* What a child sends, until it has ended. */
#include <mproc.h>
#include <stdio.h>

static int
send_squares(void *arg)
{
    mp_queue *queue = *(mp_queue **)arg;

    for (int i = 1; i <= 3; i++) {
        int square = i * i;

        if (mp_queue_put(queue, &square, sizeof(square), MP_FOREVER) < 0)
            return 1;
    }
    return 0;
}

int
main(void)
{
    mp_process *child;
    mp_queue *queue;
    int number, ended = 0;

    if (mp_queue_create(&queue, NULL) < 0 ||
        mp_process_start(&child, send_squares, &queue, sizeof(queue), NULL) <
            0)
        return 1;

    while (!ended) {
        void *objects[] = {queue, child};
        int ready[2];
        int n = mp_wait(objects, 2, ready, mp_timeout(10));

        if (n < 0) {
            fprintf(stderr, "wait: %s\n", mp_strerror(n));
            return 1;
        }
        /* First what it has sent: that outlives it. */
        while (mp_queue_get(queue, &number, sizeof(number), MP_NOW) >= 0)
            printf("%d\n", number);
        ended = ready[1];
    }
    printf("the child has ended\n");

    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);
    mp_queue_destroy(queue);
    return 0;
}
