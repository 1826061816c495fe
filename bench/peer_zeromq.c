/* SPDX-License-Identifier: MIT */
/* ZeroMQ: PUSH to PULL over ipc, PAIR to PAIR for the round trip. The high
 * water mark gives it the room of the queue, on either side.
 *
 * PUSH deals messages out in turn, so consumers cannot be told how many each
 * will get: only loads with one consumer are measured. */
#include "filled.h"
#include "peer_main.h"

#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

/* Where to meet; each member opens its own end in its own process. */
struct meeting {
    char address[80];
    int type[2]; /* of the socket, of seat 0.. and of the last seat */
};

static void
zeromq_put(void *socket, const void *data, size_t size)
{
    if (zmq_send(socket, data, size, 0) != (int)size)
        fail("zmq_send: %s", zmq_strerror(zmq_errno()));
}

static void
zeromq_get(void *socket, void *buf, size_t size)
{
    if (zmq_recv(socket, buf, size, 0) != (int)size)
        fail("zmq_recv: %s", zmq_strerror(zmq_errno()));
}

/* A message that is made and read where ZeroMQ has it. */

static void
filled_put(void *socket, const void *data, size_t size)
{
    zmq_msg_t message;

    zmq_msg_init_size(&message, size);
    filled_write(zmq_msg_data(&message), size, stream_number(data));
    if (zmq_msg_send(&message, socket, 0) != (int)size)
        fail("zmq_msg_send: %s", zmq_strerror(zmq_errno()));
}

static void
filled_get(void *socket, void *buf, size_t size)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, socket, 0) != (int)size)
        fail("zmq_msg_recv: %s", zmq_strerror(zmq_errno()));
    stream_stamp(buf, size, filled_read(zmq_msg_data(&message), size));
    zmq_msg_close(&message);
}

/* The consumer binds: it is the one there is only one of. */
static void *
open_end(void *context, const struct meeting *m, int binds, size_t size)
{
    void *socket = zmq_socket(context, m->type[binds]);
    int mark = (int)(stream_room(size) / size);

    zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof(mark));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof(mark));
    if ((binds ? zmq_bind : zmq_connect)(socket, m->address) < 0)
        fail("%s: %s", m->address, zmq_strerror(zmq_errno()));
    return socket;
}

static ALWAYS_INLINE void
member(struct crew *crew, int seat, struct stream s, put_fn *put, get_fn *get)
{
    void *context = zmq_ctx_new();
    int gets = seat == s.load->producers;

    s.channel = open_end(context, s.channel, gets, s.load->size);
    if (gets)
        stream_consume(&s, crew, seat, get);
    else
        stream_produce(&s, crew, seat, put);
    zmq_close(s.channel); /* lets what is on its way arrive */
    zmq_ctx_term(context);
}

static void
stream_member(struct crew *crew, int seat, void *arg)
{
    member(crew, seat, *(struct stream *)arg, zeromq_put, zeromq_get);
}

static void
filled_member(struct crew *crew, int seat, void *arg)
{
    member(crew, seat, *(struct stream *)arg, filled_put, filled_get);
}

static void
bounce_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;
    void *context = zmq_ctx_new();

    s.channel = s.back = open_end(context, s.channel, seat, s.load->size);
    stream_bounce(&s, crew, seat, zeromq_put, zeromq_get);
    zmq_close(s.channel);
    zmq_ctx_term(context);
}

static struct meeting
arrange(int from, int to)
{
    static int count;
    struct meeting m = {.type = {from, to}};

    snprintf(m.address, sizeof(m.address), "ipc://@mproc-bench-%d-%d",
             (int)getpid(), count++);
    return m;
}

static double
run_stream(const struct load *load, crew_fn *crew)
{
    struct meeting m = arrange(ZMQ_PUSH, ZMQ_PULL);
    struct stream s = {.load = load, .channel = &m};

    return load->consumers > 1 ? LEFT_OUT : stream_run(&s, crew);
}

static double
measure_stream(const struct load *load)
{
    return run_stream(load, stream_member);
}

static double
measure_filled(const struct load *load)
{
    return run_stream(load, filled_member);
}

static double
measure_bounce(const struct load *load)
{
    struct meeting m = arrange(ZMQ_PAIR, ZMQ_PAIR);
    struct stream s = {.load = load, .channel = &m};

    return stream_run_bounce(&s, bounce_member);
}

const struct peer_kind peer_kinds[] = {
    {"stream", measure_stream},
    {"stream_filled", measure_filled},
    {"bounce", measure_bounce},
    {0},
};
