/* SPDX-License-Identifier: MIT */
/* What the scenarios of the queue share. */
#include "queue_stage.h"

#include <string.h>

struct queue_stage stage;

static unsigned to_do; /* for the actor started next */

/* ---- Messages. */

void
stage_write(unsigned char *message, unsigned id)
{
    size_t i;

    for (i = 0; i < stage.size; i++)
        message[i] = (unsigned char)(id + i * 7);
    memcpy(message, &id, sizeof(id));
}

int
stage_put(unsigned id, mp_time deadline)
{
    unsigned char message[SIZE_MOST];

    stage_write(message, id);
    return mp_queue_put(stage.queue, message, stage.size, deadline);
}

int
stage_read(const unsigned char *message, size_t size)
{
    unsigned id;
    size_t i;

    if (size != stage.size)
        return 0;
    memcpy(&id, message, sizeof(id));
    for (i = sizeof(id); i < size; i++) {
        if (message[i] != (unsigned char)(id + i * 7))
            return 0;
    }
    return (int)id;
}

int
stage_get(mp_time deadline)
{
    unsigned char message[SIZE_MOST];
    ssize_t r = mp_queue_get(stage.queue, message, sizeof(message), deadline);

    return r < 0 ? (int)r : stage_read(message, (size_t)r);
}

unsigned
stage_puts(void)
{
    return mp__count(mp__load(&stage.queue->tail));
}

unsigned
stage_gets(void)
{
    return mp__count(mp__load(&stage.queue->head));
}

int
stage_put_bound(unsigned id)
{
    int r = stage_put(id, mp_timeout(SWEEP_BOUND));

    return sweep_check(r == 0, "the harness cannot put %u: %s", id,
                       mp_strerror(r));
}

/* ---- Survivors. */

static void
actor_gets(struct sweep_actor *actor)
{
    unsigned i;

    for (i = 0; i < to_do; i++) {
        int id = stage_get(MP_FOREVER);

        if (id <= 0)
            sweep_complain(actor, "get: %d", id);
        mp__store(&actor->value[i], (uint64_t)id);
        sweep_done(actor);
    }
}

static void
actor_puts(struct sweep_actor *actor)
{
    unsigned i;

    for (i = 0; i < to_do; i++) {
        int r = stage_put(BESIDE + i, MP_FOREVER);

        if (r < 0)
            sweep_complain(actor, "put: %s", mp_strerror(r));
        sweep_done(actor);
    }
}

struct sweep_actor *
stage_consumer(unsigned n)
{
    to_do = n;
    return sweep_actor(actor_gets);
}

struct sweep_actor *
stage_producer(unsigned n)
{
    to_do = n;
    return sweep_actor(actor_puts);
}

void
stage_check_got(struct sweep_actor *actor, unsigned i, unsigned id)
{
    sweep_check(mp__load(&actor->value[i]) == id,
                "message %u of a consumer is %u, not %u", i,
                (unsigned)mp__load(&actor->value[i]), id);
}

void
stage_check_rest(unsigned id, unsigned n)
{
    unsigned i;
    struct sweep_actor *last;

    sweep_check(mp_queue_size(stage.queue) == n, "the size is %zu, not %u",
                mp_queue_size(stage.queue), n);
    last = stage_consumer(n + 2);
    if (!sweep_await_done(last, n) || !stage_put_bound(LATER) ||
        !stage_put_bound(LATER + 1) || !sweep_await_end(last))
        return;
    for (i = 0; i < n; i++)
        stage_check_got(last, i, id + i);
    stage_check_got(last, n, LATER);
    stage_check_got(last, n + 1, LATER + 1);
    sweep_check(mp_queue_empty(stage.queue) == 1,
                "it is not empty at the end");
}

/* ---- Queues. */

void
stage_make(uint64_t maxsize, size_t message_size)
{
    int r = mp_queue_create(&stage.queue, MP_QUEUE_ATTR(.maxsize = maxsize));

    stage.size = message_size;
    stage.one = stage.two = NULL;
    sweep_check(r == 0, "cannot create a queue: %s", mp_strerror(r));
}

void
stage_destroy(void)
{
    int r = mp_queue_destroy(stage.queue);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

void
stage_make_small(void)
{
    stage_make(0, 40);
}

void
stage_make_large(void)
{
    stage_make(0, 20000);
}

void
stage_make_full(void)
{
    stage_make(1, 40);
    stage_put_bound(FIRST);
}

void
stage_enter(void)
{
    mp__enter();
}

/* ---- A queue that is about to grow. */

unsigned
stage_count_grow(void)
{
    static unsigned n;
    struct mp__segment *first = stage.queue->producers.segment;

    if (n)
        return n;
    while (stage.queue->producers.segment == first)
        stage_put_bound(FIRST + n++);
    stage_destroy();
    stage_make(0, stage.size);
    return --n;
}

void
stage_make_grow(void)
{
    unsigned n, i;

    stage_make(0, 8000);
    n = stage_count_grow();
    for (i = 0; i < n; i++)
        stage_put_bound(FIRST + i);
}

void
stage_get_first(void)
{
    sweep_check(stage_get(mp_timeout(SWEEP_BOUND)) == (int)FIRST,
                "the first message is gone");
}

void
stage_put_first(unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++)
        stage_put_bound(FIRST + i);
}
