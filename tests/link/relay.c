/* SPDX-License-Identifier: MIT */
#include "link/relay.h"

#include "os/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS ((mp_time)1000000)

struct way {
    unsigned char bytes[65536];
    size_t from, to;
    mp_time not_before; /* they are delayed */
};

struct pair {
    int fds[2];         /* the client's, and the server's */
    struct way ways[2]; /* from fds[i] to the other */
    long left;          /* bytes, before it is cut; */
    int swallows;       /* ... after a while in which nothing arrives */
    mp_time cut_at;
};

static double
chance(struct relay *relay)
{
    return (double)rand_r(&relay->seed) / RAND_MAX;
}

static struct sockaddr_in
loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

/* ---- Pairs ---- */

static void
reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static void
cut(struct relay *relay, struct pair **pair)
{
    reset((*pair)->fds[0]);
    reset((*pair)->fds[1]);
    free(*pair);
    *pair = NULL;
    mp__add(&relay->cuts, 1);
}

static struct pair *
new_pair(struct relay *relay)
{
    struct sockaddr_in there = loopback(relay->port_there);
    struct pair *pair = calloc(1, sizeof(*pair));
    int one = 1;

    ck_assert_ptr_nonnull(pair);
    pair->fds[0] = accept(relay->listener, NULL, NULL);
    pair->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (mp__load(&relay->down) || pair->fds[0] < 0 ||
        connect(pair->fds[1], (struct sockaddr *)&there, sizeof(there)) < 0) {
        if (pair->fds[0] >= 0)
            reset(pair->fds[0]);
        close(pair->fds[1]);
        free(pair);
        return NULL;
    }
    for (int i = 0; i < 2; i++)
        setsockopt(pair->fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    /* As a rule it comes as far as to a few calls. */
    pair->left = (long)(2 * chance(relay) * (double)relay->cut_after) +
                 (chance(relay) < 0.1 ? 0 : 4000);
    pair->swallows = chance(relay) < 0.3;
    pair->cut_at = MP_FOREVER;
    return pair;
}

/* ---- Passing on ---- */

#define ENDED  (-1) /* in order */
#define FAILED (-2)

static int
take_bytes(struct relay *relay, struct pair *pair, int i)
{
    struct way *way = &pair->ways[i];
    ssize_t n =
        recv(pair->fds[i], way->bytes, sizeof(way->bytes), MSG_DONTWAIT);

    if (n <= 0)
        return n == 0 ? ENDED : errno == EAGAIN ? 0 : FAILED;
    way->from = 0;
    way->to = (size_t)n;
    if (relay->cut_after && chance(relay) < 0.1)
        way->not_before = mp__now() + (mp_time)(chance(relay) * 5) * MS;
    return 0;
}

/* Not all that has come, if it is to be cut. */
static int
give_bytes(struct relay *relay, struct pair *pair, int i)
{
    struct way *way = &pair->ways[i];
    size_t n = way->to - way->from;
    ssize_t r;

    if (mp__now() < way->not_before)
        return 0;
    if (relay->cut_after && pair->left <= 0) {
        if (pair->cut_at == MP_FOREVER)
            pair->cut_at = mp__now() + (pair->swallows ? 5 * MS : 0);
        return 0;
    }
    /* A cut may be in the midst of a message. */
    if (relay->cut_after && n > (size_t)pair->left)
        n = (size_t)pair->left;
    r = send(pair->fds[!i], way->bytes + way->from, n,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (r < 0)
        return errno == EAGAIN ? 0 : FAILED;
    way->from += (size_t)r;
    pair->left -= r;
    return 0;
}

static int
pass_on(struct relay *relay, struct pair *pair)
{
    int r = 0;

    for (int i = 0; i < 2 && r == 0; i++) {
        struct way *way = &pair->ways[i];

        if (way->from == way->to)
            r = take_bytes(relay, pair, i);
        if (r == 0 && way->from < way->to)
            r = give_bytes(relay, pair, i);
    }
    return r;
}

/* One end has ended by itself: so does the other. */
static void
end_pair(struct pair **pair)
{
    close((*pair)->fds[0]);
    close((*pair)->fds[1]);
    free(*pair);
    *pair = NULL;
}

static void
serve(struct relay *relay, struct pair **pair, int cut_now)
{
    int r = 0;

    if (mp__now() < (*pair)->cut_at && !cut_now)
        r = pass_on(relay, *pair);
    else
        r = FAILED;
    if (r == FAILED)
        cut(relay, pair);
    else if (r == ENDED)
        end_pair(pair);
}

static void
sleep_at(struct relay *relay, struct pair **pairs)
{
    struct pollfd p[2 * RELAY_MOST + 1] = {
        {.fd = relay->listener, .events = POLLIN}};
    unsigned n = 1;
    int waits = 0;

    for (int i = 0; i < RELAY_MOST; i++)
        for (int j = 0; pairs[i] && j < 2; j++) {
            struct way *way = &pairs[i]->ways[j];

            if (way->from == way->to)
                p[n++] =
                    (struct pollfd){.fd = pairs[i]->fds[j], .events = POLLIN};
            else
                waits = 1;
        }
    poll(p, n, waits ? 1 : 5);
    for (int i = 0; i < RELAY_MOST && (p[0].revents & POLLIN); i++)
        if (!pairs[i]) {
            pairs[i] = new_pair(relay);
            break;
        }
}

static void *
run(void *arg)
{
    struct relay *relay = arg;
    struct pair *pairs[RELAY_MOST] = {NULL};

    while (!mp__load(&relay->over)) {
        int cut_now;

        sleep_at(relay, pairs);
        cut_now = (int)mp__swap(&relay->cut_now, 0);
        for (int i = 0; i < RELAY_MOST; i++)
            if (pairs[i])
                serve(relay, &pairs[i], cut_now);
    }
    for (int i = 0; i < RELAY_MOST; i++)
        if (pairs[i])
            end_pair(&pairs[i]);
    return NULL;
}

/* ---- Begin and end ---- */

void
relay_start(struct relay *relay, const char *address, unsigned seed,
            long cut_after)
{
    struct sockaddr_in here = loopback(0);
    socklen_t size = sizeof(here);

    memset(relay, 0, sizeof(*relay));
    relay->seed = seed;
    relay->cut_after = cut_after;
    relay->port_there = atoi(strrchr(address, ':') + 1);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(relay->listener, 0);
    ck_assert_int_eq(
        bind(relay->listener, (struct sockaddr *)&here, sizeof(here)), 0);
    ck_assert_int_eq(listen(relay->listener, 128), 0);
    getsockname(relay->listener, (struct sockaddr *)&here, &size);
    snprintf(relay->address, sizeof(relay->address), "tcp:127.0.0.1:%d",
             ntohs(here.sin_port));
    pthread_create(&relay->thread, NULL, run, relay);
}

void
relay_end(struct relay *relay)
{
    mp__store(&relay->over, 1);
    pthread_join(relay->thread, NULL);
    close(relay->listener);
}
