/* SPDX-License-Identifier: MIT */
/* Pipe, socket pair and POSIX message queue, each given as much room as the
 * system grants up to what the queue has; and a mailbox whose two sides sleep
 * in futexes, which shows what a wake-up costs on this machine. */
#include "kernel.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

STREAM_CREW(bytes, bytes_put, bytes_get)
BOUNCE_CREW(bytes, bytes_put, bytes_get)

static struct ends
pipe_new(void)
{
    int fds[2];

    must(pipe2(fds, O_CLOEXEC), "pipe2");
    fcntl(fds[1], F_SETPIPE_SZ, ROOM);
    return (struct ends){.in = fds[1], .out = fds[0]};
}

double
pipe_stream(const struct load *load)
{
    struct ends there = pipe_new();
    struct stream s = {.load = load, .channel = &there};

    return stream_run(&s, bytes_stream_crew);
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

STREAM_CREW(packet, packet_put, packet_get)
BOUNCE_CREW(packet, packet_put, packet_get)

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

double
socket_stream(const struct load *load)
{
    struct ends there;
    struct stream s = {.load = load, .channel = &there};

    if (load->size <= ROOM && socket_new(SOCK_SEQPACKET, load->size, &there))
        return stream_run(&s, packet_stream_crew);
    socket_new(SOCK_STREAM, ROOM, &there);
    return stream_run(&s, bytes_stream_crew);
}

double
socket_bounce(const struct load *load)
{
    struct ends there, back;
    struct stream s = {load, &there, &back};

    if (!socket_new(SOCK_SEQPACKET, load->size, &there) ||
        !socket_new(SOCK_SEQPACKET, load->size, &back))
        return LEFT_OUT;
    return stream_run_bounce(&s, packet_bounce_crew);
}

/* POSIX message queues: ordinary users get 10 messages of 8 KiB. */

static void
mq_put(void *channel, const void *data, size_t size)
{
    must(mq_send(*(mqd_t *)channel, data, size, 0), "mq_send");
}

static void
mq_get(void *channel, void *buf, size_t size)
{
    ssize_t r = mq_receive(*(mqd_t *)channel, buf, size, NULL);

    must(r, "mq_receive");
}

STREAM_CREW(mq, mq_put, mq_get)
BOUNCE_CREW(mq, mq_put, mq_get)

static mqd_t
mq_new(size_t size)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    long slots[] = {100, 10};
    char name[64];
    mqd_t q = (mqd_t)-1;

    setrlimit(RLIMIT_MSGQUEUE, &all);
    snprintf(name, sizeof(name), "/mproc-bench-%d", (int)getpid());
    for (int i = 0; i < 2 && q == (mqd_t)-1; i++) {
        struct mq_attr attr = {.mq_maxmsg = slots[i],
                               .mq_msgsize = (long)size};

        q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    }
    mq_unlink(name);
    return q;
}

double
mq_stream(const struct load *load)
{
    mqd_t there = load->size <= ROOM / 16 ? mq_new(load->size) : (mqd_t)-1;
    struct stream s = {.load = load, .channel = &there};

    return there == (mqd_t)-1 ? LEFT_OUT : stream_run(&s, mq_stream_crew);
}

double
mq_bounce(const struct load *load)
{
    mqd_t there = mq_new(load->size), back = mq_new(load->size);
    struct stream s = {load, &there, &back};

    if (there == (mqd_t)-1 || back == (mqd_t)-1)
        return LEFT_OUT;
    return stream_run_bounce(&s, mq_bounce_crew);
}

/* Two processes that sleep until the other one has written. */

struct mailbox {
    uint32_t full __attribute__((aligned(LINE)));
    char data[] __attribute__((aligned(LINE)));
};

static void
mailbox_put(void *channel, const void *data, size_t size)
{
    struct mailbox *box = channel;

    memcpy(box->data, data, size);
    __atomic_store_n(&box->full, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &box->full, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
mailbox_get(void *channel, void *buf, size_t size)
{
    struct mailbox *box = channel;

    while (!__atomic_load_n(&box->full, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &box->full, FUTEX_WAIT, 0, NULL, NULL, 0);
    memcpy(buf, box->data, size);
    box->full = 0;
}

BOUNCE_CREW(mailbox, mailbox_put, mailbox_get)

double
futex_bounce(const struct load *load)
{
    struct stream s = {.load = load};

    s.channel = shared_memory(sizeof(struct mailbox) + load->size);
    s.back = shared_memory(sizeof(struct mailbox) + load->size);
    return stream_run_bounce(&s, mailbox_bounce_crew);
}
