/* SPDX-License-Identifier: MIT */
/* Redis by hiredis: a server of our own, which keeps nothing on disk, over a
 * local socket in a folder of its own, and over the loopback.
 *
 * A call waits for its answer; in a batch all are sent before the first answer
 * is read. A lock is what Redis's manual makes of a key: SET NX with a time
 * limit, tried again until it succeeds, and DEL. */
#include "manager.h"
#include "peer_main.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[80], path[96];
static int port;
static pid_t server;

/* ---- The server ---- */

static void
stop_server(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    unlink(path);
    rmdir(folder);
}

/* One that is free. */
static int
find_port(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(where);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(bind(fd, (struct sockaddr *)&where, size), "bind");
    must(getsockname(fd, (struct sockaddr *)&where, &size), "getsockname");
    close(fd);
    return ntohs(where.sin_port);
}

/* Debian's redis-tools has the server too: the program goes by its name. */
__attribute__((noreturn)) static void
run_server(void)
{
    char number[12];
    char *argv[] = {(char *)"redis-server",
                    (char *)"--unixsocket",
                    path,
                    (char *)"--port",
                    number,
                    (char *)"--bind",
                    (char *)"127.0.0.1",
                    (char *)"--save",
                    (char *)"",
                    (char *)"--appendonly",
                    (char *)"no",
                    (char *)"--loglevel",
                    (char *)"warning",
                    (char *)"--dir",
                    folder,
                    NULL};
    int nowhere = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    snprintf(number, sizeof(number), "%d", port);
    execvp("redis-server", argv);
    execvp("redis-check-rdb", argv);
    _exit(127);
}

static int
answers(void)
{
    redisContext *context = redisConnectUnix(path);
    int yes = context && !context->err;

    redisFree(context);
    return yes;
}

/* 0 if there is no Redis. */
static int
start_server(void)
{
    int status;

    if (server > 0)
        return 1;
    snprintf(folder, sizeof(folder), "/tmp/mproc-bench-redis-XXXXXX");
    if (!mkdtemp(folder))
        fail("cannot make a folder like %s", folder);
    snprintf(path, sizeof(path), "%s/socket", folder);
    port = find_port();
    server = fork();
    must(server, "fork");
    if (server == 0)
        run_server();
    atexit(stop_server);
    while (!answers()) {
        if (waitpid(server, &status, WNOHANG) == server)
            return 0;
        usleep(1000);
    }
    return 1;
}

/* ---- A client ---- */

struct client {
    redisContext *context;
    int batched, owed; /* answers */
};

static void *
open_client(redisContext *context)
{
    struct client *client = private_memory(sizeof(*client));

    if (!context || context->err)
        fail("redisConnect: %s", context ? context->errstr : "no memory");
    client->context = context;
    return client;
}

static void *
socket_open(struct manager_run *run)
{
    (void)run;
    return open_client(redisConnectUnix(path));
}

static void *
tcp_open(struct manager_run *run)
{
    (void)run;
    return open_client(redisConnect("127.0.0.1", port));
}

static redisReply *
checked(struct client *client, void *answer)
{
    redisReply *reply = answer;

    if (!reply)
        fail("redis: %s", client->context->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        fail("redis: %s", reply->str);
    return reply;
}

static redisReply *
next_answer(struct client *client)
{
    void *answer = NULL;

    if (redisGetReply(client->context, &answer) != REDIS_OK)
        answer = NULL;
    return checked(client, answer);
}

/* A command with nothing to be read from its answer. */
static void
owe(struct client *client)
{
    if (client->batched)
        client->owed++;
    else
        freeReplyObject(next_answer(client));
}

static long
number_of(redisReply *reply)
{
    long x = reply->type == REDIS_REPLY_INTEGER ? (long)reply->integer
             : reply->str                       ? atol(reply->str)
                                                : 0;

    freeReplyObject(reply);
    return x;
}

static void
redis_set(void *client, long x)
{
    redisAppendCommand(((struct client *)client)->context, "SET value %ld", x);
    owe(client);
}

static long
redis_get(void *client)
{
    struct client *c = client;

    return number_of(checked(c, redisCommand(c->context, "GET value")));
}

static void
redis_append(void *client, long x)
{
    redisAppendCommand(((struct client *)client)->context, "RPUSH list %ld",
                       x);
    owe(client);
}

static long
redis_len(void *client)
{
    struct client *c = client;

    return number_of(checked(c, redisCommand(c->context, "LLEN list")));
}

static void
redis_put(void *client, const char *key, long x)
{
    redisAppendCommand(((struct client *)client)->context, "HSET dict %s %ld",
                       key, x);
    owe(client);
}

static long
redis_find(void *client, const char *key)
{
    struct client *c = client;

    return number_of(
        checked(c, redisCommand(c->context, "HGET dict %s", key)));
}

static void
redis_acquire(void *client)
{
    struct client *c = client;
    int got = 0;

    while (!got) {
        redisReply *reply =
            checked(c, redisCommand(c->context, "SET lock 1 NX PX 30000"));

        got = reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
    }
}

static void
redis_release(void *client)
{
    struct client *c = client;

    if (number_of(checked(c, redisCommand(c->context, "DEL lock"))) != 1)
        fail("a lock was lost");
}

static void
redis_begin(void *client)
{
    ((struct client *)client)->batched = 1;
}

static void
redis_end(void *client)
{
    struct client *c = client;

    for (; c->owed > 0; c->owed--)
        freeReplyObject(next_answer(c));
}

static const struct manager_steps socket_steps = {
    .open = socket_open,
    .set = redis_set,
    .get = redis_get,
    .append = redis_append,
    .len = redis_len,
    .put = redis_put,
    .find = redis_find,
    .acquire = redis_acquire,
    .release = redis_release,
    .begin = redis_begin,
    .end = redis_end,
};

static const struct manager_steps tcp_steps = {
    .open = tcp_open,
    .set = redis_set,
    .get = redis_get,
    .append = redis_append,
    .len = redis_len,
    .put = redis_put,
    .find = redis_find,
    .acquire = redis_acquire,
    .release = redis_release,
    .begin = redis_begin,
    .end = redis_end,
};

/* ---- What is measured ---- */

static measure_fn socket_value, socket_list, socket_dict, socket_lock;
static measure_fn tcp_value, tcp_list, tcp_dict, tcp_lock;

MANAGER_JOBS(socket, NULL, 0)
MANAGER_JOBS(tcp, NULL, 0)

/* Each sample finds nothing. */
static void
forget_all(void)
{
    struct client *client = open_client(redisConnectUnix(path));

    freeReplyObject(
        checked(client, redisCommand(client->context, "FLUSHALL")));
    redisFree(client->context);
    release_memory(client, sizeof(*client));
}

/* Defines NAME_afresh. */
#define AFRESH(name)                                     \
    static double name##_afresh(const struct load *load) \
    {                                                    \
        if (!start_server())                             \
            return LEFT_OUT;                             \
        forget_all();                                    \
        return name(load);                               \
    }

AFRESH(socket_value)
AFRESH(socket_list)
AFRESH(socket_dict)
AFRESH(socket_lock)
AFRESH(tcp_value)
AFRESH(tcp_list)
AFRESH(tcp_dict)
AFRESH(tcp_lock)

const struct peer_kind peer_kinds[] = {
    {"manager_value", socket_value_afresh},
    {"manager_list", socket_list_afresh},
    {"manager_dict", socket_dict_afresh},
    {"manager_lock", socket_lock_afresh},
    {"manager_tcp_value", tcp_value_afresh},
    {"manager_tcp_list", tcp_list_afresh},
    {"manager_tcp_dict", tcp_dict_afresh},
    {"manager_tcp_lock", tcp_lock_afresh},
    {0},
};
