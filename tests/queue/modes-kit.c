/* SPDX-License-Identifier: MIT */
#include "queue/modes-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOLD_MOST 8

mp_queue *
queue_with(const mp_queue_attr *attr)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, attr));
    return queue;
}

/* ---- Messages ---- */

const size_t message_sizes[MESSAGE_SIZES] = {
    4, 64, 65, 72, 73, 8192, 8193, MESSAGE_MOST,
};

static unsigned char
pattern(uint32_t number, size_t i)
{
    return (unsigned char)(number * 7 + i * 31 + i / 256);
}

void
message_fill(void *data, size_t size, uint32_t number)
{
    unsigned char *bytes = data;

    memcpy(bytes, &number, sizeof(number));
    for (size_t i = sizeof(number); i < size; i++)
        bytes[i] = pattern(number, i);
}

int64_t
message_number(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t number;

    if (size < sizeof(number))
        return -1;
    memcpy(&number, bytes, sizeof(number));
    for (size_t i = sizeof(number); i < size; i++)
        if (bytes[i] != pattern(number, i))
            return -1;
    return number;
}

/* Only the test's main thread puts and gets numbers. */
static unsigned char buffer[MESSAGE_MOST + 1];

void
put_number(mp_queue *queue, size_t size, uint32_t number)
{
    message_fill(buffer, size, number);
    must(mp_queue_put(queue, buffer, size, MP_NOW));
}

void
put_numbers(mp_queue *queue, size_t size, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number <= to; number++)
        put_number(queue, size, number);
}

void
put_with_priority(mp_queue *queue, size_t size, uint32_t number,
                  int64_t priority)
{
    message_fill(buffer, size, number);
    must(mp_queue_put_priority(queue, buffer, size, priority, MP_NOW));
}

void
messages_come(mp_queue *queue, size_t size, const uint32_t *numbers, size_t n,
              int done, int line)
{
    for (size_t i = 0; i < n; i++) {
        ssize_t r = mp_queue_get(queue, buffer, sizeof(buffer), MP_NOW);

        if (r < 0)
            ck_abort_msg("line %d: instead of message %u: %s", line,
                         numbers[i], mp_strerror((int)r));
        if (r != (ssize_t)size || message_number(buffer, size) != numbers[i])
            ck_abort_msg("line %d: %zd bytes, message %lld, not %zu, %u", line,
                         r, (long long)message_number(buffer, (size_t)r), size,
                         numbers[i]);
        if (done)
            must(mp_queue_task_done(queue));
    }
}

int64_t
take_number(mp_queue *queue, mp_message *ret_message)
{
    int r = mp_queue_take(queue, ret_message, MP_NOW);

    if (r == -EAGAIN)
        return -1;
    must(r);
    r = (int)message_number(ret_message->data, ret_message->size);
    ck_assert_msg(r >= 0, "a message of %zu bytes is torn", ret_message->size);
    return r;
}

ssize_t
put_batch(mp_queue *queue, size_t size, size_t n, uint32_t from,
          mp_time deadline)
{
    unsigned char *batch = malloc(n * size + 1);
    ssize_t r;

    ck_assert_ptr_nonnull(batch);
    for (size_t i = 0; i < n; i++)
        message_fill(batch + i * size, size, from + (uint32_t)i);
    r = mp_queue_put_many(queue, batch, size, n, deadline);
    free(batch);
    return r;
}

/* ---- Consumers that are to die ---- */

/* Lies in the region. */
struct holder {
    mp_queue *queue;
    enum hold how;
    uint32_t n;
    mp__a32 has; /* 1: all of them */
};

static ssize_t
hold_some(const struct holder *holder, uint32_t n, void *data)
{
    static mp_message message;

    switch (holder->how) {
    case HOLD_GOT:
        if (mp_queue_get(holder->queue, data, MESSAGE_MOST, MP_FOREVER) < 0)
            return -1;
        return 1;
    case HOLD_TAKEN:
        return mp_queue_take(holder->queue, &message, MP_FOREVER) < 0 ? -1 : 1;
    default:
        return mp_queue_get_many(holder->queue, data, MESSAGE_MOST, n, NULL,
                                 MP_FOREVER);
    }
}

/* May be a spawned process: no checks in here. */
static int
hold(void *arg)
{
    struct holder *holder = *(struct holder **)arg;
    void *data = malloc((size_t)HOLD_MOST * MESSAGE_MOST);

    for (uint32_t has = 0; has < holder->n;) {
        ssize_t r = hold_some(holder, holder->n - has, data);

        if (r <= 0)
            return 1;
        has += (uint32_t)r;
    }
    mp__store(&holder->has, 1); /* the last that it does with the record */
    for (;;)
        pause();
}

static struct holder *
holder_new(mp_queue *queue, enum hold how, uint32_t n)
{
    struct holder *holder = mp_new(struct holder);

    ck_assert_ptr_nonnull(holder);
    ck_assert_uint_le(n, HOLD_MOST);
    *holder = (struct holder){.queue = queue, .how = how, .n = n};
    return holder;
}

static void
await_holder(struct holder *holder)
{
    wait_until(mp__load(&holder->has), 20);
    must(mp_free(holder));
}

pid_t
holder_of(mp_queue *queue, enum hold how, uint32_t n)
{
    struct holder *holder = holder_new(queue, how, n);
    pid_t pid = child(hold, &holder);

    await_holder(holder);
    return pid;
}

void
kill_holder(pid_t pid)
{
    kill_and_reap(pid);
    mp__reap();
}

void
die_holding(mp_queue *queue, enum hold how, uint32_t n)
{
    kill_holder(holder_of(queue, how, n));
}

void
die_holding_by(int method, mp_queue *queue, enum hold how, uint32_t n)
{
    struct holder *holder = holder_new(queue, how, n);
    mp_process *process;

    must(mp_process_start(&process, hold, &holder, sizeof(holder),
                          MP_PROCESS_ATTR(.method = method)));
    await_holder(holder);
    must(mp_process_kill(process));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    mp__reap();
}

/* ---- Times ---- */

int
rounds(int n)
{
    return mp_test_scale() > 1 ? n / 10 + 1 : n;
}

void
pause_at_random(unsigned most)
{
    struct timespec t = {.tv_nsec = rand() % ((long)most * 1000 + 1)};

    nanosleep(&t, NULL);
}
