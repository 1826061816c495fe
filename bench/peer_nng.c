/* SPDX-License-Identifier: MIT */
/* nng: PUSH to PULL over ipc, PAIR to PAIR for the round trip; one consumer,
 * as for ZeroMQ. Sockets are opened in the members, because nng's threads do
 * not survive a fork. */
#include "peer_main.h"
#include "stream.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <unistd.h>

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

static nng_socket
open_end(int (*open)(nng_socket *), const char *address, int listens)
{
    nng_socket socket;

    ok(open(&socket), "nng open");
    nng_socket_set_int(socket, NNG_OPT_SENDBUF, 8192);
    nng_socket_set_int(socket, NNG_OPT_RECVBUF, 8192);
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

static void
stream_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;
    int gets = seat == s.load->producers;
    nng_socket socket =
        open_end(gets ? nng_pull0_open : nng_push0_open, s.channel, gets);

    s.channel = &socket;
    if (gets)
        stream_consume(&s, crew, seat, nng_get);
    else
        stream_produce(&s, crew, seat, nng_put);
    leave(crew, seat, s.load->producers, socket);
}

static void
bounce_member(struct crew *crew, int seat, void *arg)
{
    struct stream s = *(struct stream *)arg;
    nng_socket socket = open_end(nng_pair0_open, s.channel, seat);

    s.channel = s.back = &socket;
    stream_bounce(&s, crew, seat, nng_put, nng_get);
    leave(crew, seat, 0, socket);
}

static double
measure(const struct load *load, int bounces)
{
    static int count;
    char address[80];
    struct stream s = {.load = load, .channel = address};

    snprintf(address, sizeof(address), "abstract://mproc-bench-%d-%d",
             (int)getpid(), count++);
    return bounces ? stream_run_bounce(&s, bounce_member)
                   : stream_run(&s, stream_member);
}

static double
measure_stream(const struct load *load)
{
    return load->consumers > 1 ? LEFT_OUT : measure(load, 0);
}

static double
measure_bounce(const struct load *load)
{
    return measure(load, 1);
}

const struct peer_kind peer_kinds[] = {
    {"stream", measure_stream},
    {"bounce", measure_bounce},
    {0},
};
