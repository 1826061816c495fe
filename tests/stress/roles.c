/* SPDX-License-Identifier: MIT */
/* What the players do. Everything that is wrong is counted, and nothing is
 * waited for with a time limit: whoever is left asleep shows as one who makes
 * no progress. */
#include "stress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct message {
    uint32_t id;
    uint32_t producer;
    uint32_t size;
    unsigned char rest[32768];
};
#define MESSAGE_LEAST offsetof(struct message, rest)

uint64_t
stress_random(struct stress_player *player)
{
    uint64_t x = player->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    player->random = x;
    return x;
}

void
stress_unexpected(const char *what, int r)
{
    if (mp__add(&stress->unexpected, 1) == 0)
        snprintf(stress->text, sizeof(stress->text), "%s: %s (%s)", what,
                 mp_strerror(r), mp_last_error());
}

int
stress_goes_on(void)
{
    return !mp__load(&stress->stop);
}

/* ---- Messages. */

static unsigned char
byte_of(uint32_t id, uint32_t at)
{
    return (unsigned char)(id * 31 + at * 7);
}

/* Most are small, some go by reference. */
static uint32_t
choose_size(struct stress_player *player)
{
    uint64_t x = stress_random(player);

    if (x % 64 == 0)
        return 9000 + (uint32_t)(x >> 8) % 20000;
    return (uint32_t)MESSAGE_LEAST + (uint32_t)(x >> 8) % 240;
}

static void
produce(struct stress_player *player)
{
    static __thread struct message m;
    mp_queue *queue = stress->queue[stress_random(player) % STRESS_QUEUES];
    uint32_t i, id = mp__add(&stress->next_id, 1);
    int r;

    if (id >= STRESS_IDS) {
        mp__store(&stress->stop, 1);
        return;
    }
    m.id = id;
    m.producer = player->number;
    m.size = choose_size(player);
    for (i = 0; i < m.size - MESSAGE_LEAST; i++)
        m.rest[i] = byte_of(id, i);
    atomic_fetch_or(&stress->message[id], STRESS_BEGUN);
    r = mp_queue_put(queue, &m, m.size, MP_FOREVER);
    if (r == 0)
        atomic_fetch_or(&stress->message[id], STRESS_RETURNED);
    else if (r != -EINTR && (r != -ESHUTDOWN || stress_goes_on()))
        stress_unexpected("put", r);
}

static int
is_whole(const struct message *m, ssize_t size)
{
    uint32_t i;

    if (size < (ssize_t)MESSAGE_LEAST || (ssize_t)m->size != size ||
        m->id >= STRESS_IDS || m->producer >= STRESS_PLAYERS)
        return 0;
    for (i = 0; i < m->size - MESSAGE_LEAST; i++) {
        if (m->rest[i] != byte_of(m->id, i))
            return 0;
    }
    return 1;
}

/* A consumer sees the messages of each producer in the order of their ids. */
static void
consume(struct stress_player *player)
{
    static __thread struct message m;
    static __thread uint32_t last[STRESS_PLAYERS];
    mp_queue *queue = stress->queue[player->which % STRESS_QUEUES];
    ssize_t r = mp_queue_get(queue, &m, sizeof(m), MP_FOREVER);

    if (r < 0) {
        if (r != -EINTR && (r != -ESHUTDOWN || stress_goes_on()))
            stress_unexpected("get", (int)r);
        return;
    }
    if (!is_whole(&m, r)) {
        mp__add(&stress->corrupt, 1);
        return;
    }
    if (atomic_fetch_or(&stress->message[m.id], STRESS_GOT) & STRESS_GOT)
        mp__add(&stress->duplicates, 1);
    if (last[m.producer] > m.id)
        mp__add(&stress->disorder, 1);
    last[m.producer] = m.id;
    mp__add(&stress->got, 1);
}

/* ---- Blocks. */

static uint32_t
choose_bytes(struct stress_player *player)
{
    uint64_t x = stress_random(player);

    switch (x % 8) {
    case 0:
        return 70000 + (uint32_t)(x >> 8) % 400000;
    case 1:
    case 2:
        return (uint32_t)(x >> 8) % 60000 + 1;
    default:
        return (uint32_t)(x >> 8) % 700 + 1;
    }
}

/* Both ends of the block are marked by its owner. */
static void
mark(unsigned char *p, uint32_t size, unsigned char byte)
{
    memset(p, byte, size < 64 ? size : 64);
    p[size - 1] = byte;
}

static int
is_marked(const unsigned char *p, uint32_t size, unsigned char byte)
{
    uint32_t i;

    for (i = 0; i < size && i < 64; i++) {
        if (p[i] != byte)
            return 0;
    }
    return p[size - 1] == byte;
}

static void
fill_slot(struct stress_player *player, struct stress_ledger *l, uint32_t i)
{
    uint32_t size = choose_bytes(player);
    unsigned char *p = mp_alloc(size);

    if (!p) {
        stress_unexpected("alloc", -ENOMEM);
        return;
    }
    if (!is_marked(p, size, 0))
        mp__add(&stress->broken_blocks, 1);
    mark(p, size, (unsigned char)(player->number * STRESS_SLOTS + i));
    l->size[i] = size;
    mp__compiler_barrier();
    l->slot[i] = (uintptr_t)p;
}

/* Who dies while the slot is marked leaves a block that nobody knows to be
 * live or not; it may be lost, but is not freed twice. */
static void
change_slot(struct stress_player *player, struct stress_ledger *l, uint32_t i)
{
    unsigned char byte = (unsigned char)(player->number * STRESS_SLOTS + i);
    unsigned char *p = (unsigned char *)l->slot[i];
    uint32_t size = choose_bytes(player);
    int r;

    if (!is_marked(p, l->size[i], byte))
        mp__add(&stress->broken_blocks, 1);
    l->slot[i] |= 1;
    mp__compiler_barrier();
    if (stress_random(player) % 4) {
        r = mp_free(p);
        if (r < 0)
            stress_unexpected("free", r);
        p = NULL;
    } else {
        p = mp_realloc(p, size);
        if (!p) {
            stress_unexpected("realloc", -ENOMEM);
            return;
        }
        mark(p, size, byte);
        l->size[i] = size;
    }
    mp__compiler_barrier();
    l->slot[i] = (uintptr_t)p;
}

static void
allocate(struct stress_player *player)
{
    struct stress_ledger *l = stress->ledger[player->number];
    uint32_t i = (uint32_t)(stress_random(player) % STRESS_SLOTS);

    if (l->slot[i] & 1)
        l->slot[i] = 0;
    else if (l->slot[i])
        change_slot(player, l, i);
    else
        fill_slot(player, l, i);
}

/* ---- Mutex and bell. */

static void
lock_pair(struct stress_player *player)
{
    struct stress_pair *pair = stress->pair;

    (void)player;
    mp__mutex_lock(&pair->mutex);
    if (pair->a != pair->b)
        mp__add(&stress->broken_pairs, 1);
    pair->a++;
    pair->b++;
    mp__mutex_unlock(&pair->mutex);
}

/* The library has mutexes of this kind too, which need none. */
static void
repair_pair(struct mp__mutex *mutex)
{
    if (mutex == &stress->pair->mutex)
        stress->pair->b = stress->pair->a;
}

static void
ring(struct stress_player *player)
{
    struct stress_bell *b = stress->bell;

    mp__bell_arm(&b->bell);
    mp__add(&b->data, 1);
    mp__bell_ring(&b->bell, INT32_MAX);
    usleep((unsigned)(stress_random(player) % 500));
}

static void
wait_for_ring(struct stress_player *player)
{
    struct stress_bell *b = stress->bell;
    uint32_t seen = mp__load(&b->data);

    (void)player;
    while (mp__load(&b->data) == seen && stress_goes_on())
        mp__bell_wait(&b->bell, &b->data, seen, NULL, 0, MP_FOREVER);
}

static void
submit(struct stress_player *player)
{
    stress_submit(stress_random(player));
}

/* ---- The cast. */

static const struct {
    const char *name;
    void (*act)(struct stress_player *);
} roles[STRESS_ROLES] = {
    [STRESS_PRODUCER] = {"producers", produce},
    [STRESS_CONSUMER] = {"consumers", consume},
    [STRESS_ALLOCATOR] = {"allocators", allocate},
    [STRESS_LOCKER] = {"lockers", lock_pair},
    [STRESS_RINGER] = {"ringers", ring},
    [STRESS_WAITER] = {"waiters", wait_for_ring},
    [STRESS_SUBMITTER] = {"submitters", submit},
    [STRESS_LOCK_USER] = {"lock users", stress_lock},
    [STRESS_RLOCK_USER] = {"rlock users", stress_rlock},
    [STRESS_GIVER] = {"givers", stress_give},
    [STRESS_TAKER] = {"takers", stress_take},
    [STRESS_PERMIT_HOLDER] = {"permit holders", stress_hold_permit},
    [STRESS_SETTER] = {"setters", stress_set},
    [STRESS_AWAITER] = {"awaiters", stress_await},
    [STRESS_STORER] = {"storers", stress_put_in_store},
    [STRESS_FETCHER] = {"fetchers", stress_get_from_store},
    [STRESS_PARTY] = {"parties", stress_meet},
    [STRESS_QUEUE_PRODUCER] = {"producers", stress_queue_produce},
    [STRESS_QUEUE_CONSUMER] = {"consumers", stress_queue_consume},
    [STRESS_QUEUE_JOINER] = {"joiners", stress_queue_join},
    [STRESS_PIPE_SENDER] = {"senders", stress_pipe_send},
    [STRESS_PIPE_RECEIVER] = {"receivers", stress_pipe_receive},
};

const char *
stress_role_name(enum stress_role role)
{
    return roles[role].name;
}

__attribute__((constructor)) static void
register_repair(void)
{
    mp__mutex_repair_with(MP__MUTEX_PLAIN, repair_pair);
}

static int
has_more_to_do(const struct stress_player *player)
{
    mp_queue *queue = stress->queue[player->which % STRESS_QUEUES];

    if (player->role == STRESS_QUEUE_CONSUMER)
        return stress_queue_goes_on(player);
    if (player->role == STRESS_PIPE_RECEIVER)
        return stress_goes_on() || !player->at_end;
    return stress_goes_on() ||
           (player->role == STRESS_CONSUMER && !mp_queue_empty(queue));
}

void
stress_play(struct stress_player *player)
{
    if (mp__enter() < 0) {
        stress_unexpected("enter", -ENOMEM);
        return;
    }
    while (has_more_to_do(player)) {
        roles[player->role].act(player);
        mp__add(&player->progress, 1);
    }
}
