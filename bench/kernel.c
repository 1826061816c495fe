/* SPDX-License-Identifier: MIT */
/* Pipes and socket pairs, given as much room as the system grants to anybody,
 * up to what the queue has. */
#include "kernel.h"
#include "batch.h"
#include "filled.h"
#include "idle.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define ROOM (1 << 20)

struct ends {
    int in, out;
};

/* Pipes, and sockets that carry a stream: any number of bytes per call. */

static void
bytes_put(void *channel, const void *data, size_t size)
{
    for (size_t n = 0; n < size;) {
        ssize_t r = write(((struct ends *)channel)->in, (const char *)data + n,
                          size - n);

        must(r, "write");
        n += (size_t)r;
    }
}

static void
bytes_get(void *channel, void *buf, size_t size)
{
    for (size_t n = 0; n < size;) {
        ssize_t r =
            read(((struct ends *)channel)->out, (char *)buf + n, size - n);

        must(r, "read");
        n += (size_t)r;
    }
}

static void
bytes_put_batch(void *channel, const void *items, size_t size, long n)
{
    bytes_put(channel, items, (size_t)n * size);
}

/* A batch that was cut is read to the end of a message. */
static long
bytes_get_batch(void *channel, void *buf, size_t size, long n)
{
    struct ends rest = *(struct ends *)channel;
    ssize_t r = read(rest.out, buf, (size_t)n * size);
    size_t cut;

    must(r, "read");
    cut = (size_t)r % size;
    if (cut)
        bytes_get(&rest, (char *)buf + r, size - cut);
    return (r + (long)size - 1) / (long)size;
}

STREAM_CREW(bytes, bytes_put, bytes_get)
BOUNCE_CREW(bytes, bytes_put, bytes_get)
BATCH_CREW(bytes, bytes_put_batch, bytes_get_batch)
FILLED_CREW(bytes, bytes_put, bytes_get)
IDLE_CREW(bytes, bytes_put, bytes_get)

static struct ends
pipe_new(void)
{
    int fds[2];

    must(pipe2(fds, O_CLOEXEC), "pipe2");
    fcntl(fds[1], F_SETPIPE_SZ, ROOM);
    return (struct ends){.in = fds[1], .out = fds[0]};
}

static double
pipe_one_way(const struct load *load, crew_fn *crew)
{
    struct ends there = pipe_new();
    struct stream s = {.load = load, .channel = &there};

    return stream_run(&s, crew);
}

double
pipe_stream(const struct load *load)
{
    return pipe_one_way(load, bytes_stream_crew);
}

double
pipe_batch(const struct load *load)
{
    return pipe_one_way(load, bytes_batch_crew);
}

double
pipe_filled(const struct load *load)
{
    return pipe_one_way(load, bytes_filled_stream_crew);
}

double
pipe_idle(const struct load *load)
{
    struct ends there = pipe_new();
    struct stream s = {.load = load, .channel = &there};

    return idle_run(&s, bytes_idle_crew);
}

double
pipe_bounce(const struct load *load)
{
    struct ends there = pipe_new(), back = pipe_new();
    struct stream s = {load, &there, &back};

    return stream_run_bounce(&s, bytes_bounce_crew);
}

/* Sockets: messages (SOCK_SEQPACKET) where they fit, for they are quicker. */

static void
packet_put(void *channel, const void *data, size_t size)
{
    ssize_t r = write(((struct ends *)channel)->in, data, size);

    must(r, "write");
}

static void
packet_get(void *channel, void *buf, size_t size)
{
    ssize_t r = read(((struct ends *)channel)->out, buf, size);

    must(r, "read");
    if ((size_t)r != size)
        fail("a packet was cut");
}

/* One call for a batch of packets: its vectors, and where each points. */
struct packets {
    struct mmsghdr headers[BATCH];
    struct iovec where[BATCH];
};

static void
packets_point(struct packets *p, char *at, size_t size, long n)
{
    memset(p->headers, 0, sizeof(p->headers));
    for (long i = 0; i < n; i++) {
        p->where[i] = (struct iovec){at + (size_t)i * size, size};
        p->headers[i].msg_hdr.msg_iov = &p->where[i];
        p->headers[i].msg_hdr.msg_iovlen = 1;
    }
}

static void
packet_put_batch(void *channel, const void *items, size_t size, long n)
{
    struct packets p;

    packets_point(&p, (char *)(uintptr_t)items, size, n);
    for (long i = 0; i < n;) {
        int r = sendmmsg(((struct ends *)channel)->in, p.headers + i,
                         (unsigned)(n - i), 0);

        must(r, "sendmmsg");
        i += r;
    }
}

static long
packet_get_batch(void *channel, void *buf, size_t size, long n)
{
    struct packets p;
    int r;

    packets_point(&p, buf, size, n);
    r = recvmmsg(((struct ends *)channel)->out, p.headers, (unsigned)n,
                 MSG_WAITFORONE, NULL);
    must(r, "recvmmsg");
    return r;
}

STREAM_CREW(packet, packet_put, packet_get)
BOUNCE_CREW(packet, packet_put, packet_get)
BATCH_CREW(packet, packet_put_batch, packet_get_batch)
FILLED_CREW(packet, packet_put, packet_get)

/* Asks for room for a few messages; 1 if one of `size` bytes fits. */
static int
give_room(int fd, size_t size)
{
    int want = (int)(size < ROOM / 4 ? ROOM / 2 : 2 * size), got = 0;
    socklen_t length = sizeof(got);

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, length) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, length);
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &length);
    return size + 4096 < (size_t)got;
}

static int
socket_new(int type, size_t size, struct ends *ends)
{
    int fds[2];

    must(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), "socketpair");
    *ends = (struct ends){.in = fds[0], .out = fds[1]};
    if (give_room(fds[0], size))
        return 1;
    if (type == SOCK_STREAM)
        return 0;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static double
socket_one_way(const struct load *load, crew_fn *packets, crew_fn *bytes)
{
    struct ends there;
    struct stream s = {.load = load, .channel = &there};

    if (load->size <= ROOM && socket_new(SOCK_SEQPACKET, load->size, &there))
        return stream_run(&s, packets);
    socket_new(SOCK_STREAM, ROOM, &there);
    return stream_run(&s, bytes);
}

double
socket_stream(const struct load *load)
{
    return socket_one_way(load, packet_stream_crew, bytes_stream_crew);
}

double
socket_batch(const struct load *load)
{
    return socket_one_way(load, packet_batch_crew, bytes_batch_crew);
}

double
socket_filled(const struct load *load)
{
    return socket_one_way(load, packet_filled_stream_crew,
                          bytes_filled_stream_crew);
}

double
socket_bounce(const struct load *load)
{
    struct ends there, back;
    struct stream s = {load, &there, &back};

    if (!socket_new(SOCK_SEQPACKET, load->size, &there) ||
        !socket_new(SOCK_SEQPACKET, load->size, &back)) {
        socket_new(SOCK_STREAM, ROOM, &there);
        socket_new(SOCK_STREAM, ROOM, &back);
        return stream_run_bounce(&s, bytes_bounce_crew);
    }
    return stream_run_bounce(&s, packet_bounce_crew);
}

/* Streams as they are between programs: both ends of each carry both ways. */

static void
tcp_new(struct ends *there, struct ends *back)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int calls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, called;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listens, (struct sockaddr *)&address, size), "bind");
    must(listen(listens, 1), "listen");
    getsockname(listens, (struct sockaddr *)&address, &size);
    must(connect(calls, (struct sockaddr *)&address, size), "connect");
    called = accept4(listens, NULL, NULL, SOCK_CLOEXEC);
    must(called, "accept4");
    close(listens);
    setsockopt(calls, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(called, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *there = (struct ends){.in = calls, .out = called};
    *back = (struct ends){.in = called, .out = calls};
}

static void
local_new(struct ends *there, struct ends *back)
{
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
         "socketpair");
    *there = (struct ends){.in = fds[0], .out = fds[1]};
    *back = (struct ends){.in = fds[1], .out = fds[0]};
}

static double
stream_one_way(const struct load *load,
               void (*open)(struct ends *there, struct ends *back))
{
    struct ends there, back;
    struct stream s = {.load = load, .channel = &there};

    open(&there, &back);
    return stream_run(&s, bytes_stream_crew);
}

static double
stream_both_ways(const struct load *load,
                 void (*open)(struct ends *there, struct ends *back))
{
    struct ends there, back;
    struct stream s = {load, &there, &back};

    open(&there, &back);
    return stream_run_bounce(&s, bytes_bounce_crew);
}

double
tcp_stream(const struct load *load)
{
    return stream_one_way(load, tcp_new);
}

double
tcp_bounce(const struct load *load)
{
    return stream_both_ways(load, tcp_new);
}

double
local_stream(const struct load *load)
{
    return stream_one_way(load, local_new);
}

double
local_bounce(const struct load *load)
{
    return stream_both_ways(load, local_new);
}
