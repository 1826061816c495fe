/* SPDX-License-Identifier: MIT */
/* Start by the fork server: the client's side.
 *
 * The server is a spawned process that has done nothing but run the static
 * initialisers; its forks are as quick as the caller would be if it were
 * small. Whoever needs it first starts it; its socket is handed on to all
 * forked and spawned children, so that a family usually has one. It ends with
 * the root, like everybody. A request goes by the record and the parcel; only
 * descriptors travel by the socket, and nothing comes back by it: the child
 * answers for itself, by the record's state and by the signal. A server that
 * dies is noticed by its end of the socket, and replaced. */
#include "start/forkserver.h"

#include "base/error.h"
#include "os/descriptors.h"
#include "process/record.h"
#include "start/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock; /* held while the server is started */
    int socket;
    mp_process *process; /* of the server that we have started */
    uint32_t generation; /* in which we have started it */
} server = {PTHREAD_MUTEX_INITIALIZER, -1, NULL, 0};

/* Another thread may be starting a server: a fork need not wait for that. */
static void
after_fork_in_child(void)
{
    server.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void
register_fork_handlers(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

static int
copy_of(int fd)
{
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return fd >= 0 && copy < 0 ? -errno : copy;
}

int
mp__forkserver_socket(void)
{
    int fd;

    pthread_mutex_lock(&server.lock);
    fd = copy_of(server.socket);
    pthread_mutex_unlock(&server.lock);
    return fd < 0 ? -1 : fd;
}

void
mp__forkserver_inherit(int fd)
{
    server.socket = fd;
}

void
mp__forkserver_move_above(int top)
{
    mp__fd_above(&server.socket, top);
}

static int
start_server(void)
{
    mp_process_attr attr = {.size = sizeof(attr),
                            .name = "forkserver",
                            .method = MP_SPAWN,
                            .on_parent_death = MP_DEATH_STAY};
    int ends[2];
    int r = mp__socket_pair(ends);

    if (r < 0)
        return mp__fail(r, "mp_process_start: %s", mp_strerror(r));
    attr.pass_fds = ends;
    attr.pass_fds_count = 2;
    r = mp__process_start(&server.process, mp__forkserver_serve, ends,
                          sizeof(ends), &attr, 1);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return r;
    }
    server.generation = mp__generation();
    server.socket = ends[0];
    return 0;
}

static void
forget_server(void)
{
    if (server.socket >= 0)
        close(server.socket);
    server.socket = -1;
    if (server.process && server.generation == mp__generation()) {
        mp_process_stop(server.process, 0);
        mp_process_close(server.process);
    }
    server.process = NULL;
}

static int
has_died(int socket)
{
    struct pollfd p = {.fd = socket};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

/* A copy of the socket of a server that lives, or an error. */
static int
reach_server(void)
{
    int r = 0;

    pthread_mutex_lock(&server.lock);
    if (server.socket >= 0 && has_died(server.socket))
        forget_server();
    if (server.socket < 0)
        r = start_server();
    if (r == 0)
        r = copy_of(server.socket);
    pthread_mutex_unlock(&server.lock);
    return r;
}

void
mp__forkserver_stop(void)
{
    pthread_mutex_lock(&server.lock);
    if (server.process && server.generation == mp__generation() &&
        mp__life_is_root())
        forget_server();
    pthread_mutex_unlock(&server.lock);
}

static int
send_request(struct mp__start *s, int cwd)
{
    struct mp__fork_request request = {.process = s->process,
                                       .serial = s->serial};
    const int own[MP__REQUEST_FDS] = {
        [MP__REQUEST_SIGNAL] = s->signal,
        [MP__REQUEST_CWD] = cwd,
        [MP__REQUEST_ROOT] = s->watch.fd[MP__LIFE_ROOT],
        [MP__REQUEST_PARENT] = s->watch.fd[MP__LIFE_PARENT],
        [MP__REQUEST_STDIN] =
            s->attr.flags & MP_PROCESS_STDIN ? 0 : mp__start_null(),
        [MP__REQUEST_STDOUT] = 1,
        [MP__REQUEST_STDERR] = 2,
    };
    int fds[MP__PASS_MAX];
    size_t n = 0;

    for (int i = 0; i < MP__REQUEST_FDS; i++)
        if (own[i] >= 0 && mp__fd_is_open(own[i])) {
            request.has |= 1u << i;
            fds[n++] = own[i];
        }
    for (uint64_t i = 0; i < s->attr.pass_fds_count; i++)
        fds[n++] = s->attr.pass_fds[i];
    return mp__socket_send(s->server, &request, sizeof(request), fds, n);
}

int
mp__start_forkserver(struct mp__start *s)
{
    char **environment;
    int cwd, r;

    s->server = reach_server();
    if (s->server < 0)
        return s->server;
    environment = mp__environment_make(s->attr.env, NULL);
    r = environment ? mp__start_pack(s, environment) : -ENOMEM;
    free(environment);
    if (r < 0)
        return r;
    mp__heritage_read(&s->parcel->heritage);
    cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    r = send_request(s, cwd);
    if (cwd >= 0)
        close(cwd);
    if (r == -EPIPE || r == -ECONNRESET)
        return -ECONNRESET; /* it has just died: once more */
    if (r < 0)
        return mp__fail(r, "mp_process_start: fork server: %s",
                        mp_strerror(r));
    return 0;
}
