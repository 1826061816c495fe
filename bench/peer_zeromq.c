/* SPDX-License-Identifier: MIT */
/* ZeroMQ: PUSH to PULL over ipc, PAIR to PAIR for the round trip. The high
 * water mark gives it the room of the queue, on either side.
 *
 * PUSH deals messages out in turn, so consumers cannot be told how many each
 * will get: only loads with one consumer are measured. */
#include "peer_main.h"
#include "stream.h"

#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#define ROOM (1 << 20)

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

/* The consumer binds: it is the one there is only one of. */
static void *
open_end(void *context, const struct meeting *m, int binds, size_t size)
{
    void *socket = zmq_socket(context, m->type[binds]);
    int mark = (int)(size < ROOM / 4 ? ROOM / size : 4);

    zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof(mark));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof(mark));
    if ((binds ? zmq_bind : zmq_connect)(socket, m->address) < 0)
        fail("%s: %s", m->address, zmq_strerror(zmq_errno()));
    return socket;
}

static void
stream_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;
    void *context = zmq_ctx_new();
    int gets = seat == s.load->producers;

    s.channel = open_end(context, s.channel, gets, s.load->size);
    if (gets)
        stream_consume(&s, crew, seat, zeromq_get);
    else
        stream_produce(&s, crew, seat, zeromq_put);
    zmq_close(s.channel); /* lets what is on its way arrive */
    zmq_ctx_term(context);
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
measure_stream(const struct load *load)
{
    struct meeting m = arrange(ZMQ_PUSH, ZMQ_PULL);
    struct stream s = {.load = load, .channel = &m};

    return load->consumers > 1 ? LEFT_OUT : stream_run(&s, stream_member);
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
    {"bounce", measure_bounce},
    {0},
};
