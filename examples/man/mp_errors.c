/* SPDX-License-Identifier: MIT */
/* One deadline for several calls, and what is known of a failure. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

int
main(void)
{
    mp_time deadline = mp_timeout(0.2);
    mp_queue *queue;
    char buffer[4];
    ssize_t r;
    int got = 0;

    if (mp_queue_create(&queue, NULL) < 0)
        return 1;
    mp_queue_put(queue, "one", 4, MP_NOW);
    mp_queue_put(queue, "two", 4, MP_NOW);

    /* All that comes within 0.2 seconds, however much it is. */
    while ((r = mp_queue_get(queue, buffer, sizeof(buffer), deadline)) >= 0)
        got++;
    printf("%d messages, then: %s\n", got,
           r == -ETIMEDOUT ? "time is up" : mp_strerror((int)r));

    mp_queue_put(queue, "too long", 9, MP_NOW);
    r = mp_queue_get(queue, buffer, sizeof(buffer), MP_NOW);
    if (r == -EMSGSIZE)
        printf("the next message has %d bytes\n",
               (int)mp_queue_next_size(queue, MP_NOW));

    mp_queue_destroy(queue);
    r = mp_queue_put(queue, "late", 5, MP_NOW);
    if (r == -EBADF && mp_last_error()[0] != '\0')
        printf("a destroyed queue is told from a live one\n");
    return 0;
}
