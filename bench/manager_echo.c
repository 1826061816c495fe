/* SPDX-License-Identifier: MIT */
/* The limit of manager.unix.* and manager.remote.*: a call is 64 bytes, there and
 * back, by a process that waits in epoll and returns what it reads. Nothing is
 * encrypted, looked at or kept; what is read back is what the client itself
 * has written last. A batch is one write. */
#include "manager.h"
#include "manager_jobs.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CALL = 64, ROOM = 1 << 16 };

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* ---- The server ---- */

static void
write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        must(n, "write");
        data += n;
        size -= (size_t)n;
    }
}

static void
add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void
no_delay(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static void
admit(int epoll, int listener)
{
    int fd = accept(listener, NULL, NULL);

    must(fd, "accept");
    no_delay(fd);
    add(epoll, fd);
}

static void
echo(int fd)
{
    static char data[ROOM];
    ssize_t n = read(fd, data, sizeof(data));

    if (n > 0)
        write_all(fd, data, (size_t)n);
    else
        close(fd);
}

__attribute__((noreturn)) static void
serve(int listener)
{
    int epoll = epoll_create1(0);
    struct epoll_event events[CREW_MAX];

    add(epoll, listener);
    for (;;) {
        int n = epoll_wait(epoll, events, CREW_MAX, -1);

        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                admit(epoll, listener);
            else
                echo(events[i].data.fd);
    }
}

/* It is killed with the group, at the end of the sample. */
static void *
start(const void *where, socklen_t size, int family)
{
    struct address *address = private_memory(sizeof(*address));
    int listener = socket(family, SOCK_STREAM, 0);
    pid_t pid;

    must(bind(listener, where, size), "bind");
    must(listen(listener, CREW_MAX), "listen");
    address->size = sizeof(address->storage);
    must(getsockname(listener, (struct sockaddr *)&address->storage,
                     &address->size),
         "getsockname");
    pid = fork();
    must(pid, "fork");
    if (pid == 0)
        serve(listener);
    close(listener);
    return address;
}

static void *
start_unix(void)
{
    /* Of a family alone: the system finds a name. */
    struct sockaddr_un where = {.sun_family = AF_UNIX};

    return start(&where, sizeof(where.sun_family), AF_UNIX);
}

static void *
start_tcp(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};

    return start(&where, sizeof(where), AF_INET);
}

/* ---- A client ---- */

struct caller {
    int fd;
    int batched;
    size_t size; /* of what is written, or to be written */
    char data[ROOM];
};

static void *
echo_open(struct manager_run *run)
{
    const struct address *address = run->place;
    struct caller *caller = private_memory(sizeof(*caller));

    caller->fd = socket(address->storage.ss_family, SOCK_STREAM, 0);
    must(connect(caller->fd, (const struct sockaddr *)&address->storage,
                 address->size),
         "connect");
    no_delay(caller->fd);
    return caller;
}

static void
exchange(struct caller *caller)
{
    size_t got = 0;

    write_all(caller->fd, caller->data, caller->size);
    while (got < caller->size) {
        ssize_t n = read(caller->fd, caller->data + got, caller->size - got);

        if (n <= 0)
            fail("the echo has ended");
        got += (size_t)n;
    }
    caller->size = 0;
}

static void
echo_set(void *client, long x)
{
    struct caller *caller = client;

    memcpy(caller->data + caller->size, &x, sizeof(x));
    caller->size += CALL;
    if (!caller->batched)
        exchange(caller);
}

static long
echo_get(void *client)
{
    struct caller *caller = client;
    long x;

    caller->size = CALL;
    exchange(caller);
    memcpy(&x, caller->data, sizeof(x));
    return x;
}

static long
echo_len(void *client)
{
    (void)client;
    return LONG_MAX;
}

static void
echo_put(void *client, const char *key, long x)
{
    (void)key;
    echo_set(client, x);
}

static long
echo_find(void *client, const char *key)
{
    (void)key;
    return echo_get(client);
}

static void
echo_call(void *client)
{
    echo_set(client, 0);
}

static void
echo_begin(void *client)
{
    ((struct caller *)client)->batched = 1;
}

static void
echo_end(void *client)
{
    exchange(client);
}

static const struct manager_steps echo_unix_steps = {
    .open = echo_open,
    .set = echo_set,
    .get = echo_get,
    .append = echo_set,
    .len = echo_len,
    .put = echo_put,
    .find = echo_find,
    .acquire = echo_call,
    .release = echo_call,
    .locks_nothing = 1,
    .begin = echo_begin,
    .end = echo_end,
};
#define echo_tcp_steps echo_unix_steps

MANAGER_JOBS(echo_unix, start_unix(), 0)
MANAGER_JOBS(echo_tcp, start_tcp(), 0)
