/* SPDX-License-Identifier: MIT */
/* What the scenarios of the pipe share. */
#include "pipe_stage.h"

#include <errno.h>
#include <string.h>

struct pipe_stage pipe_stage;

static unsigned to_do; /* for the actor started next */
static unsigned salt;  /* of this pipe: what lay there before is no message */

/* ---- Messages ---- */

static void
write_message(unsigned char *message, unsigned id)
{
    unsigned salted = id ^ salt << 16;

    for (size_t i = 0; i < pipe_stage.size; i++)
        message[i] = (unsigned char)(id + i * 7 + salt);
    memcpy(message, &salted, sizeof(salted));
}

static int
read_message(const unsigned char *message, size_t size)
{
    unsigned id;

    if (size != pipe_stage.size)
        return 0;
    memcpy(&id, message, sizeof(id));
    id ^= salt << 16;
    for (size_t i = sizeof(id); i < size; i++)
        if (message[i] != (unsigned char)(id + i * 7 + salt))
            return 0;
    return (int)id;
}

int
pipe_send(unsigned id, mp_time deadline)
{
    unsigned char message[SIZE_MOST];

    write_message(message, id);
    return mp_conn_send(pipe_stage.b, message, pipe_stage.size, deadline);
}

int
pipe_receive(mp_time deadline)
{
    unsigned char message[SIZE_MOST];
    ssize_t r = mp_conn_recv(pipe_stage.a, message, sizeof(message), deadline);

    return r < 0 ? (int)r : read_message(message, (size_t)r);
}

static struct mp__pipe_ring *
ring(void)
{
    return &((struct mp__pipe_end *)(void *)pipe_stage.a)->in;
}

/* The rest of a lap that has no room for a message counts with the next. */
static unsigned
messages_to(uint64_t position)
{
    size_t body = pipe_stage.size > MP__PIPE_INLINE
                      ? sizeof(struct mp__pipe_reference)
                      : pipe_stage.size;
    uint32_t each = mp__pipe_granules(body);

    return (unsigned)(position / MP__PIPE_GRANULES *
                          (MP__PIPE_GRANULES / each) +
                      position % MP__PIPE_GRANULES / each);
}

unsigned
pipe_sent(void)
{
    return messages_to(mp__load(&ring()->tail));
}

unsigned
pipe_received(void)
{
    return messages_to(mp__load(&ring()->head));
}

int
pipe_send_bound(unsigned id)
{
    int r = pipe_send(id, mp_timeout(SWEEP_BOUND));

    return sweep_check(r == 0, "the harness cannot send %u: %s", id,
                       mp_strerror(r));
}

void
pipe_send_first(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pipe_send_bound(FIRST + i);
}

void
pipe_receive_first(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sweep_check(pipe_receive(mp_timeout(SWEEP_BOUND)) == (int)(FIRST + i),
                    "message %u of the first is gone", i);
}

/* ---- Pipes ---- */

/* The harness holds the end, whoever else does; neither side is its own by
 * bias. */
static void
hold(mp_conn *conn)
{
    struct mp__pipe_end *end = (struct mp__pipe_end *)(void *)conn;

    if (mp__holders_use(&end->holders) == 1)
        mp__pipe_news(end);
    mp__pipe_leave();
}

void
pipe_make(size_t size)
{
    int r = mp_pipe(&pipe_stage.a, &pipe_stage.b, 0);

    /* Sleeps are not cut into slices: that would hide who was not woken. */
    mp__view.slice = (mp_time)(1000 * SWEEP_BOUND * 1e9);
    sweep_fast_seconds = 0.25;
    pipe_stage.size = size;
    salt++;
    pipe_stage.one = pipe_stage.two = NULL;
    write_message(pipe_stage.prepared[0], VICTIM);
    write_message(pipe_stage.prepared[1], VICTIM + 1);
    sweep_check(r == 0, "cannot make a pipe: %s", mp_strerror(r));
    hold(pipe_stage.a);
    hold(pipe_stage.b);
}

void
pipe_make_small(void)
{
    pipe_make(40);
}

void
pipe_make_middle(void)
{
    pipe_make(8000);
}

void
pipe_make_large(void)
{
    pipe_make(SIZE_MOST);
}

/* The harness may have closed an end before; actors are dead. */
void
pipe_destroy(void)
{
    mp_conn_close(pipe_stage.a);
    mp_conn_close(pipe_stage.b);
    mp__reap();
    mp__pipes_collect(1);
}

void
pipe_make_one_before(void)
{
    pipe_make_small();
    pipe_destroy();
}

/* ---- The victim ---- */

void
pipe_enter(void)
{
    mp__enter();
}

void
pipe_enter_sending(void)
{
    mp__enter();
    pipe_send(FIRST, MP_FOREVER);
}

void
pipe_enter_receiving(void)
{
    mp__enter();
    pipe_receive(MP_FOREVER);
}

static void
send_prepared(unsigned i)
{
    if (mp_conn_send(pipe_stage.b, pipe_stage.prepared[i], pipe_stage.size,
                     MP_FOREVER) == 0)
        mp__add(&sweep.note[SENT], 1);
}

void
pipe_victim_sends_one(void)
{
    send_prepared(0);
}

void
pipe_victim_sends(void)
{
    send_prepared(0);
    send_prepared(1);
}

void
pipe_victim_receives_one(void)
{
    static unsigned char message[SIZE_MOST];

    if (mp_conn_recv(pipe_stage.a, message, sizeof(message), MP_FOREVER) >= 0)
        mp__add(&sweep.note[RECEIVED], 1);
}

void
pipe_victim_receives(void)
{
    pipe_victim_receives_one();
    pipe_victim_receives_one();
}

static unsigned
check_returned(unsigned n, unsigned note, const char *what)
{
    unsigned returned = (unsigned)mp__load(&sweep.note[note]);

    sweep_check(n == returned || n == returned + 1,
                "%u %s returned, %u are committed", returned, what, n);
    return n;
}

unsigned
pipe_victims_sends(unsigned before)
{
    return check_returned(pipe_sent() - before, SENT, "sends");
}

unsigned
pipe_victims_receives(unsigned before)
{
    return check_returned(pipe_received() - before, RECEIVED, "receives");
}

/* ---- Survivors ---- */

static void
actor_receives(struct sweep_actor *actor)
{
    for (unsigned i = 0; i < to_do; i++) {
        int id = pipe_receive(MP_FOREVER);

        if (id == -EPIPE && to_do == UINT32_MAX)
            return;
        if (id <= 0)
            sweep_complain(actor, "recv: %d", id);
        mp__store(&actor->value[i], (uint64_t)id);
        sweep_done(actor);
    }
}

static void
actor_sends(struct sweep_actor *actor)
{
    for (unsigned i = 0; i < to_do; i++) {
        int r = pipe_send(BESIDE + i, MP_FOREVER);

        if (r == -EPIPE && to_do == UINT32_MAX)
            return;
        if (r < 0)
            sweep_complain(actor, "send: %s", mp_strerror(r));
        sweep_done(actor);
    }
}

struct sweep_actor *
pipe_receiver(unsigned n)
{
    to_do = n;
    return sweep_actor(actor_receives);
}

struct sweep_actor *
pipe_sender(unsigned n)
{
    to_do = n;
    return sweep_actor(actor_sends);
}

struct sweep_actor *
pipe_receiver_to_end(void)
{
    return pipe_receiver(UINT32_MAX);
}

struct sweep_actor *
pipe_sender_to_end(void)
{
    return pipe_sender(UINT32_MAX);
}

void
pipe_check_got(struct sweep_actor *actor, unsigned i, unsigned id)
{
    sweep_check(mp__load(&actor->value[i]) == id,
                "message %u of a receiver is %u, not %u", i,
                (unsigned)mp__load(&actor->value[i]), id);
}

void
pipe_check_rest(unsigned id, unsigned n)
{
    struct sweep_actor *last = pipe_receiver(n + 2);

    if (!sweep_await_done(last, n) || !pipe_send_bound(LATER) ||
        !pipe_send_bound(LATER + 1) || !sweep_await_end(last))
        return;
    for (unsigned i = 0; i < n; i++)
        pipe_check_got(last, i, id + i);
    pipe_check_got(last, n, LATER);
    pipe_check_got(last, n + 1, LATER + 1);
    sweep_check(mp_conn_poll(pipe_stage.a, MP_NOW) == 0,
                "it is not empty at the end");
}
