/* SPDX-License-Identifier: MIT */
/* Waiting for answers: one of the threads that wait is the leader, and the
 * others sleep.
 *
 * The leader reads, and hands to each what is his. When it has its own it looks
 * for what has come along with that, and passes the lead on. It also writes what
 * found no room, and sees to the connection. So a thread alone does all by
 * itself, and no thread of the library's own is needed.
 *
 * It sleeps in poll(), with the link's signal beside the socket: that is raised
 * when there is something to be written, or the link is closed. */
#include "link/link.h"

#include "os/clock.h"
#include "os/descriptors.h"
#include "os/futex.h"
#include "os/poll.h"
#include "tls/tls.h"

#include <errno.h>

#define MS    ((mp_time)1000000)
#define HOUR  ((mp_time)3600 * 1000 * MS)
#define SLICE (100 * MS) /* a pipe's leader cannot be called */
#define NAP   MS         /* ... which is full */

/* ---- Reading ---- */

static int
take_answer(const void *data, size_t size, void *arg)
{
    struct mp__manager_link *link = arg;
    struct mp__pending *pending;
    struct mp__answer answer;
    mp__a32 *word = NULL;
    int r = mp__answer_read((mp_any){data, size}, &answer);

    pthread_mutex_lock(&link->lock);
    if (r < 0) {
        link->nonsense = 1;
        pthread_mutex_unlock(&link->lock);
        return r;
    }
    pending = mp__pending_find(link, answer.serial);
    if (pending && pending->sent)
        word = mp__pending_answer(link, pending, &answer, data, size);
    pthread_mutex_unlock(&link->lock);
    mp__waiter_wake(word); /* it may take the lock at once */
    return 0;
}

/* Whether poll() alone can tell that something has come. */
static int
is_dry(struct mp__socket *socket)
{
    struct mp__arrivals *in = &socket->in;

    return in->from == in->to && !in->headed && !in->error &&
           !(socket->tls && mp__tls_pending(socket->tls));
}

/* 0: something may be read or written; -EAGAIN: look around. */
static int
sleep_at_socket(struct mp__manager_link *link, short events, mp_time deadline)
{
    struct pollfd p[2] = {
        {.fd = link->socket->fd, .events = events},
        {.fd = link->kick, .events = POLLIN},
    };
    int r = mp__poll(p, 2, deadline);

    if (r > 0 && p[1].revents)
        mp__signal_lower(link->kick);
    return r > 0 ? 0 : r;
}

static int
receive(struct mp__manager_link *link, mp_time deadline)
{
    return mp__conn_recv_look(link->conn, take_answer, link, deadline,
                              "mp_manager");
}

/* All that has come: how many messages. */
static int
receive_all(struct mp__manager_link *link)
{
    int n = 0, r;

    do
        r = receive(link, MP_NOW);
    while (r == 0 && ++n > 0 && !is_dry(link->socket));
    return r == 0 || r == -EAGAIN ? n : r;
}

/* As long as it has paid lately: to be woken up takes longer than many a
 * call. */
static int
look_for_a_while(struct mp__manager_link *link)
{
    uint32_t most = mp__looks_wanted(&link->looks), i;
    int r = 0;

    for (i = 0; i < most && r == 0; i++)
        r = receive_all(link);
    mp__looks_made(&link->looks, i, r > 0);
    return r;
}

/* Without the lock. 0; -ETIMEDOUT, -EINTR; others: it is broken. */
static int
read_socket(struct mp__manager_link *link, short events, mp_time deadline)
{
    int r = is_dry(link->socket) ? 0 : receive_all(link);

    if (r == 0 && events == POLLIN)
        r = look_for_a_while(link);
    if (r != 0)
        return r < 0 ? r : 0;
    r = sleep_at_socket(link, events, deadline);
    r = r == 0 ? receive_all(link) : r;
    return r < 0 ? r : 0;
}

static int
read_pipe(struct mp__manager_link *link, int full, mp_time deadline)
{
    mp_time soon = mp__now() + (full ? NAP : SLICE);
    int r = receive(link, soon < deadline ? soon : deadline);

    return r == -ETIMEDOUT && soon < deadline ? 0 : r;
}

/* With the lock held, which is given up meanwhile. */
static int
read_some(struct mp__manager_link *link, mp_time deadline)
{
    short events = (short)(POLLIN | (link->full ? link->wants : 0));
    int full = link->full, r;

    link->asleep = 1;
    pthread_mutex_unlock(&link->lock);
    r = link->socket ? read_socket(link, events, deadline)
                     : read_pipe(link, full, deadline);
    pthread_mutex_lock(&link->lock);
    link->asleep = 0;
    if (full) {
        link->full = 0;
        mp__link_flush(link);
    }
    if (r == 0 || r == -ETIMEDOUT || r == -EINTR)
        return r;
    link->broken = 1;
    return 0;
}

/* ---- Leading and following ---- */

static int
lead(struct mp__manager_link *link, struct mp__waiter *waiter, unsigned enough,
     mp_time deadline)
{
    int r = 0;

    while (r == 0 && waiter->left > enough) {
        if (link->closed)
            return -EBADF;
        if (link->broken)
            mp__link_drop(link);
        r = link->conn ? read_some(link, deadline)
                       : mp__link_restore(link, waiter, deadline);
        if (r == -EINTR && waiter->patient)
            r = 0;
        /* There may be no end of what comes for others. */
        if (r == 0 && mp__now() >= deadline)
            r = -ETIMEDOUT;
    }
    return r;
}

mp__a32 *
mp__waiter_call(struct mp__waiter *waiter)
{
    if (!waiter->at)
        return NULL;
    mp__add(&waiter->word, 1);
    return &waiter->word;
}

void
mp__waiter_wake(mp__a32 *word)
{
    if (word)
        mp__futex_wake(word, 1);
}

static int
follow(struct mp__manager_link *link, struct mp__waiter *waiter,
       mp_time deadline)
{
    uint32_t seen = mp__load(&waiter->word);
    mp_time until = deadline == MP_FOREVER ? mp__now() + HOUR : deadline;
    int r;

    waiter->next = link->sleepers;
    waiter->at = &link->sleepers;
    if (waiter->next)
        waiter->next->at = &waiter->next;
    link->sleepers = waiter;
    pthread_mutex_unlock(&link->lock);
    r = mp__futex_wait(&waiter->word, seen, until);
    pthread_mutex_lock(&link->lock);
    *waiter->at = waiter->next;
    if (waiter->next)
        waiter->next->at = waiter->at;
    waiter->at = NULL;
    if (r == -ETIMEDOUT && deadline == MP_FOREVER)
        return 0;
    return r == -EINTR && waiter->patient ? 0 : r;
}

int
mp__link_wait(struct mp__manager_link *link, struct mp__waiter *waiter,
              unsigned enough, mp_time deadline)
{
    int r = 0;

    while (r == 0 && waiter->left > enough) {
        if (link->leader) {
            r = follow(link, waiter, deadline);
            continue;
        }
        link->leader = waiter;
        r = lead(link, waiter, enough, deadline);
        link->leader = NULL;
    }
    if (!link->leader && link->sleepers)
        mp__waiter_wake(mp__waiter_call(link->sleepers));
    return waiter->left > enough ? r : 0;
}
