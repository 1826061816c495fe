/* SPDX-License-Identifier: MIT */
/* How a queue is described.
 *
 * Of those who wait on a side the first sleeps holding the mutex, the others
 * sleep for the mutex: queue_wait.c. Who holds it and does not sleep is at
 * work, for a moment; unless its process was stopped there, which is worth
 * seeing. */
#include "queue/ring.h"
#include "report/describe.h"

#include <stdio.h>

#define LOOKS 100 /* for both positions at one moment */

/* One side: those who wait; who is at work, if nobody leads them. */
struct line {
    const char *verb, *doing;
    uint32_t worker; /* thread id; 0: nobody */
    struct mp__waiting waiting;
};

static void
look_at_side(struct line *line, struct mp__side *side, mp__a32 *flag)
{
    uint32_t holder = mp__mutex_holder(&side->mutex);

    mp__waiting_in(&line->waiting, flag, sizeof(*flag));
    line->worker = line->waiting.n == 0 ? holder : 0;
    mp__waiting_also_in(&line->waiting, &side->mutex, sizeof(side->mutex));
}

/* "; 2 wait to get" */
static void
report_line_count(struct mp__report *report, const struct line *line)
{
    mp__report(report, "; ");
    mp__report_count(report, line->waiting.n);
    mp__report(report, " to %s", line->verb);
}

static void
report_line(struct mp__report *report, const struct line *line)
{
    char what[16];

    if (line->worker) {
        mp__report(report, "  ");
        if (!mp__report_holder(report, line->worker))
            mp__report(report, "thread %u", line->worker);
        mp__report(report, " is %s\n", line->doing);
    }
    snprintf(what, sizeof(what), ", to %s", line->verb);
    mp__report_waiting(report, &line->waiting, what);
}

/* How many messages there are, and their bytes. */
static uint32_t
look_at_content(struct mp_queue *queue, uint64_t *ret_bytes)
{
    uint64_t head, tail, put, got;
    int looks = LOOKS;

    do {
        head = mp__side_read(&queue->consumers, &queue->head, &got);
        tail = mp__side_read(&queue->producers, &queue->tail, &put);
    } while (head != mp__load(&queue->head) && --looks > 0);
    *ret_bytes = put - got;
    return mp__count(tail) - mp__count(head);
}

/* " (at most 10 messages, 100 bytes)" */
static void
report_limits(struct mp__report *report, uint64_t maxsize, uint64_t max_bytes)
{
    mp__report(report, " (at most ");
    if (maxsize)
        mp__report(report, "%llu message%s", (unsigned long long)maxsize,
                   maxsize == 1 ? "" : "s");
    if (max_bytes)
        mp__report(report, "%s%llu bytes", maxsize ? ", " : "",
                   (unsigned long long)max_bytes);
    mp__report(report, ")");
}

/* "3 messages, 24 bytes (at most 10 messages), closed" */
static void
report_content(struct mp__report *report, struct mp_queue *queue)
{
    uint64_t maxsize = queue->maxsize, max_bytes = queue->max_bytes;
    uint64_t bytes;
    uint32_t n = look_at_content(queue, &bytes);

    if (n == 0)
        mp__report(report, ": empty");
    else
        mp__report(report, ": %u %s", n, n == 1 ? "message" : "messages");
    if (n > 0 && max_bytes) /* else nobody adds them up */
        mp__report(report, ", %llu bytes", (unsigned long long)bytes);
    if (maxsize || max_bytes)
        report_limits(report, maxsize, max_bytes);
    if (queue->order != MP_QUEUE_FIFO)
        mp__report(report, ", %s",
                   queue->order == MP_QUEUE_LIFO ? "the latest first"
                                                 : "by priority");
    if (mp__load(&queue->closing) != MP__QUEUE_OPEN)
        mp__report(report, ", closed");
}

/* "; 2 taken and not done; 1 reserved" */
static void
report_held(struct mp__report *report, struct mp_queue *queue)
{
    uint32_t taken = mp__shelf_count_held(&queue->consumers.shelf);
    uint32_t reserved = mp__shelf_count_held(&queue->producers.shelf);

    if (taken)
        mp__report(report, "; %u taken and not done", taken);
    if (reserved)
        mp__report(report, "; %u reserved", reserved);
}

static int
describe_queue(struct mp__report *report, void *object)
{
    mp_queue *queue = object;
    struct line get = {.verb = "get", .doing = "getting"};
    struct line put = {.verb = "put", .doing = "putting"};

    look_at_side(&get, &queue->consumers, &queue->consumer_sleeps);
    look_at_side(&put, &queue->producers, &queue->producer_sleeps);
    mp__report_object(report, "queue", queue, NULL, 0);
    report_content(report, queue);
    report_held(report, queue);
    report_line_count(report, &get);
    report_line_count(report, &put);
    mp__report(report, "\n");
    report_line(report, &get);
    report_line(report, &put);
    return 0;
}

void
mp__queue_describe(void)
{
    mp__describe_with(MP__SLAB_QUEUE, "queue", describe_queue);
}
