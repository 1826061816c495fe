/* SPDX-License-Identifier: MIT */
/* Pipes with several senders and receivers each, all of whom are killed. Some
 * messages go by reference; now and then the last one at an end dies, and those
 * at the other end are told until its successor comes.
 *
 * A message whose send returned may only be missing if a receiver was killed:
 * it took the message with it. At the end the senders leave, and each receiver
 * sees the end, when it has received all there was. */
#include "stress.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define PIPES     STRESS_PIPES
#define SIZE_MOST 20000u

struct message {
    uint32_t id;
    uint32_t sender;
    uint32_t pipe;
    uint32_t size;
    unsigned char rest[SIZE_MOST];
};
#define LEAST offsetof(struct message, rest)

int
stress_pipes_warm_up(void)
{
    mp_conn *a, *b;

    return mp_pipe(&a, &b, 0) < 0 || mp_conn_close(a) < 0 ||
                   mp_conn_close(b) < 0
               ? -1
               : 0;
}

int
stress_pipes_create(void)
{
    for (uint32_t i = 0; i < PIPES; i++)
        if (mp_pipe(&stress->receiving[i], &stress->sending[i], 0) < 0)
            return -1;
    return 0;
}

static int
close_end(mp_conn *conn, const char *which)
{
    int r = mp_conn_close(conn);

    if (r < 0)
        printf("VIOLATION: the %s end cannot be closed: %s\n", which,
               mp_last_error());
    return r < 0;
}

/* Who made them has not used them: the players alone have held them. */
int
stress_pipes_end(void)
{
    int v = 0;

    for (uint32_t i = 0; i < PIPES; i++) {
        v += close_end(stress->receiving[i], "receiving");
        v += close_end(stress->sending[i], "sending");
    }
    return v;
}

static unsigned char
byte_of(uint32_t id, uint32_t at)
{
    return (unsigned char)(id * 31 + at * 7);
}

static uint32_t
choose_size(struct stress_player *player)
{
    uint64_t x = stress_random(player);

    if (x % 64 == 0)
        return 9000 + (uint32_t)(x >> 8) % 10000;
    return LEAST + (uint32_t)(x >> 8) % 240;
}

/* Nobody is at the other end for the moment. */
static void
wait_for_successor(void)
{
    mp__add(&stress->told, 1);
    usleep(200);
}

void
stress_pipe_send(struct stress_player *player)
{
    static __thread struct message m;
    uint32_t id = mp__add(&stress->next_id, 1);
    int r;

    if (id >= STRESS_IDS) {
        mp__store(&stress->stop, 1);
        return;
    }
    m.id = id;
    m.sender = player->number;
    m.pipe = player->which % PIPES;
    m.size = choose_size(player);
    for (uint32_t i = 0; i < m.size - LEAST; i++)
        m.rest[i] = byte_of(id, i);
    atomic_fetch_or(&stress->message[id], STRESS_BEGUN);
    r = mp_conn_send(stress->sending[m.pipe], &m, m.size, MP_FOREVER);
    if (r == 0)
        atomic_fetch_or(&stress->message[id], STRESS_RETURNED);
    else if (r == -EPIPE)
        wait_for_successor();
    else if (r != -EINTR)
        stress_unexpected("send", r);
}

static int
is_whole(const struct message *m, size_t size, uint32_t pipe)
{
    if (size < LEAST || m->size != size || m->pipe != pipe ||
        m->id >= STRESS_IDS || m->sender >= STRESS_PLAYERS)
        return 0;
    for (uint32_t i = 0; i < size - LEAST; i++)
        if (m->rest[i] != byte_of(m->id, i))
            return 0;
    return 1;
}

/* Each receiver sees the messages of a sender in the order of their ids. */
void
stress_pipe_receive(struct stress_player *player)
{
    static __thread struct message m;
    static __thread uint32_t last[STRESS_PLAYERS];
    uint32_t pipe = player->which % PIPES;
    ssize_t r =
        mp_conn_recv(stress->receiving[pipe], &m, sizeof(m), MP_FOREVER);

    player->at_end = r == -EPIPE;
    if (r == -EPIPE) {
        wait_for_successor();
        return;
    }
    if (r < 0) {
        if (r != -EINTR)
            stress_unexpected("recv", (int)r);
        return;
    }
    if (!is_whole(&m, (size_t)r, pipe)) {
        mp__add(&stress->corrupt, 1);
        return;
    }
    if (atomic_fetch_or(&stress->message[m.id], STRESS_GOT) & STRESS_GOT)
        mp__add(&stress->duplicates, 1);
    if (last[m.sender] > m.id)
        mp__add(&stress->disorder, 1);
    last[m.sender] = m.id;
    mp__add(&stress->got, 1);
}
