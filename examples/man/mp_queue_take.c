/* SPDX-License-Identifier: MIT */
/* Pictures of a megabyte are painted where the queue has them, and looked at
 * there by another process: nobody copies them. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <string.h>

enum { PICTURES = 3, PIXELS = 1 << 20 };

static int
paint(void *arg)
{
    mp_queue *queue = *(mp_queue **)arg;
    void *pixels;

    for (int colour = 1; colour <= PICTURES; colour++) {
        if (mp_queue_reserve(queue, PIXELS, &pixels, MP_FOREVER) < 0)
            return 1;
        memset(pixels, colour, PIXELS);
        if (mp_queue_commit(queue, pixels) < 0)
            return 1;
    }
    return mp_queue_close(queue) < 0;
}

static long
sum_of(const unsigned char *pixels, size_t n)
{
    long sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += pixels[i];
    return sum;
}

int
main(void)
{
    mp_process *painter;
    mp_message picture;
    mp_queue *queue;
    int r;

    if (mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 2)) < 0)
        return 1;
    if (mp_process_start(&painter, paint, &queue, sizeof(queue), NULL) < 0)
        return 1;

    while ((r = mp_queue_take(queue, &picture, MP_FOREVER)) == 0) {
        printf("%zu pixels, sum %ld\n", picture.size,
               sum_of(picture.data, picture.size));
        mp_message_done(queue, &picture);
    }
    printf("the painter is done: %s\n", r == -ESHUTDOWN ? "yes" : "no");

    mp_process_join(painter, MP_FOREVER);
    mp_process_close(painter);
    mp_queue_destroy(queue);
    return 0;
}
