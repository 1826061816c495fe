/* SPDX-License-Identifier: MIT */
/* nng: PUSH to PULL over ipc, PAIR to PAIR for the round trip; one consumer,
 * as for ZeroMQ. Its buffers have the room of the queue, on either side, as
 * far as messages can be counted. Sockets are opened in the members, because
 * nng's threads do not survive a fork. */
#include "filled.h"
#include "peer_main.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <unistd.h>

enum { SLOTS_MOST = 8192 }; /* more nng does not take */

static void
ok(int r, const char *what)
{
    if (r != 0)
        fail("%s: %s", what, nng_strerror(r));
}

static void
nng_put(void *socket, const void *data, size_t size)
{
    ok(nng_send(*(nng_socket *)socket, (void *)(uintptr_t)data, size, 0),
       "nng_send");
}

static void
nng_get(void *socket, void *buf, size_t size)
{
    ok(nng_recv(*(nng_socket *)socket, buf, &size, 0), "nng_recv");
}

/* A message that is made and read where nng has it. */

static void
filled_put(void *socket, const void *data, size_t size)
{
    nng_msg *message;

    ok(nng_msg_alloc(&message, size), "nng_msg_alloc");
    filled_write(nng_msg_body(message), size, stream_number(data));
    ok(nng_sendmsg(*(nng_socket *)socket, message, 0), "nng_sendmsg");
}

static void
filled_get(void *socket, void *buf, size_t size)
{
    nng_msg *message;

    ok(nng_recvmsg(*(nng_socket *)socket, &message, 0), "nng_recvmsg");
    if (nng_msg_len(message) != size)
        fail("a message was cut");
    stream_stamp(buf, size, filled_read(nng_msg_body(message), size));
    nng_msg_free(message);
}

static nng_socket
open_end(int (*open)(nng_socket *), const struct stream *s, int listens)
{
    size_t room = stream_room(s->load->size) / s->load->size;
    int slots = room < SLOTS_MOST ? (int)room : SLOTS_MOST;
    const char *address = s->channel;
    nng_socket socket;

    ok(open(&socket), "nng open");
    nng_socket_set_int(socket, NNG_OPT_SENDBUF, slots);
    nng_socket_set_int(socket, NNG_OPT_RECVBUF, slots);
    nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);
    if (listens) {
        ok(nng_listen(socket, address, NULL, 0), "nng_listen");
        return socket;
    }
    while (nng_dial(socket, address, NULL, 0) != 0)
        usleep(1000);
    return socket;
}

/* Ends a member: a producer must not leave before all has arrived. */
static void
leave(struct crew *crew, int seat, int consumer, nng_socket socket)
{
    while (seat != consumer &&
           __atomic_load_n(&crew->seats[consumer].end, __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    nng_close(socket);
}

static ALWAYS_INLINE void
member(struct crew *crew, int seat, struct stream s, put_fn *put, get_fn *get)
{
    int gets = seat == s.load->producers;
    nng_socket socket =
        open_end(gets ? nng_pull0_open : nng_push0_open, &s, gets);

    s.channel = &socket;
    if (gets)
        stream_consume(&s, crew, seat, get);
    else
        stream_produce(&s, crew, seat, put);
    leave(crew, seat, s.load->producers, socket);
}

static void
stream_member(struct crew *crew, int seat, void *arg)
{
    member(crew, seat, *(struct stream *)arg, nng_put, nng_get);
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
    nng_socket socket = open_end(nng_pair0_open, &s, seat);

    s.channel = s.back = &socket;
    stream_bounce(&s, crew, seat, nng_put, nng_get);
    leave(crew, seat, 0, socket);
}

static double
measure(const struct load *load, crew_fn *crew)
{
    static int count;
    char address[80];
    struct stream s = {.load = load, .channel = address};

    snprintf(address, sizeof(address), "abstract://mproc-bench-%d-%d",
             (int)getpid(), count++);
    return crew == bounce_member ? stream_run_bounce(&s, crew)
                                 : stream_run(&s, crew);
}

static double
measure_stream(const struct load *load)
{
    return load->consumers > 1 ? LEFT_OUT : measure(load, stream_member);
}

static double
measure_filled(const struct load *load)
{
    return measure(load, filled_member);
}

static double
measure_bounce(const struct load *load)
{
    return measure(load, bounce_member);
}

const struct peer_kind peer_kinds[] = {
    {"stream", measure_stream},
    {"stream_filled", measure_filled},
    {"bounce", measure_bounce},
    {0},
};
