/* SPDX-License-Identifier: MIT */
/* Queues of all modes side by side, each with consumers of its own; producers
 * put into all of them, in all the ways there are.
 *
 * Accounts. A message is noted when its put has begun and has returned, when a
 * consumer has begun to say that it is done, and when that has returned. In a
 * queue that redelivers none may be missing whose end was not begun, and none
 * may come after its end; in others each killed consumer may take two with it,
 * or a batch. Of memory nobody costs anything. */
#include "stress.h"

#include "os/clock.h"
#include "region/participant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODES     ((uint32_t)STRESS_MODES)
#define BATCH     4u
#define SIZE_MOST 12000u
#define LETTERS   7u /* the queue that gets the dead letters of mode 6 */

/* What is noted of a message; the rest of the byte is its mode. */
enum { BEGUN = 1, RETURNED = 2, GOT = 4, ENDING = 8, DONE = 16, MODE = 32 };

static const mp_queue_attr modes[MODES] = {
    {.maxsize = 64, .redeliver = 1},
    {.maxsize = 200, .redeliver = 1, .order = MP_QUEUE_LIFO},
    {.max_bytes = 100000, .redeliver = 1, .order = MP_QUEUE_PRIORITY},
    {.maxsize = 50, .joinable = 1},
    {.maxsize = 100},
    {.max_bytes = 200000},
    {.maxsize = 30, .redeliver = 1, .max_attempts = 1},
    {.redeliver = 1},
};

struct message {
    uint32_t id;
    uint32_t mode;
    uint32_t size;
    unsigned char rest[SIZE_MOST];
};
#define LEAST offsetof(struct message, rest)

/* ---- Queues ---- */

int
stress_queues_create(void)
{
    for (uint32_t i = MODES; i-- > 0;) {
        mp_queue_attr attr = modes[i];

        attr.size = sizeof(attr);
        if (attr.max_attempts)
            attr.dead_letters = stress->mode_queue[LETTERS];
        if (mp_queue_create(&stress->mode_queue[i], &attr) < 0)
            return -1;
    }
    return 0;
}

/* The dead letters come in until the last consumer of mode 6 is gone. */
void
stress_queues_stop(void)
{
    for (uint32_t i = 0; i < LETTERS; i++)
        mp_queue_close(stress->mode_queue[i]);
}

static mp_queue *
queue_of(const struct stress_player *player)
{
    return stress->mode_queue[player->which % LETTERS];
}

int
stress_queue_goes_on(const struct stress_player *player)
{
    return stress_goes_on() || mp_queue_unfinished(queue_of(player)) > 0;
}

static void
note(uint32_t id, int what)
{
    atomic_fetch_or(&stress->message[id], (unsigned char)what);
}

/* ---- Putting ---- */

static unsigned char
byte_of(uint32_t id, uint32_t at)
{
    return (unsigned char)(id * 31 + at * 7);
}

/* Sizes that lie in a slot, in a record, in a block. */
static uint32_t
choose_size(struct stress_player *player, int large)
{
    uint64_t x = stress_random(player);

    if (large && x % 32 == 0)
        return 8000 + (uint32_t)(x >> 8) % 4000;
    if (x % 4 == 0)
        return LEAST + (uint32_t)(x >> 8) % 400;
    return LEAST + (uint32_t)(x >> 8) % 40;
}

/* -1: there have been as many as can be counted. */
static int
compose(struct message *m, uint32_t mode, uint32_t size)
{
    uint32_t id = mp__add(&stress->next_id, 1);

    if (id >= STRESS_IDS) {
        mp__store(&stress->stop, 1);
        return -1;
    }
    m->id = id;
    m->mode = mode;
    m->size = size;
    for (uint32_t i = 0; i < size - LEAST; i++)
        m->rest[i] = byte_of(id, i);
    note(id, BEGUN | (int)mode * MODE);
    return 0;
}

/* After a put: 0, or an error. */
static void
note_put(uint32_t id, int r)
{
    if (r == 0)
        note(id, RETURNED);
    else if (r != -EINTR && (r != -ESHUTDOWN || stress_goes_on()))
        stress_unexpected("put", r);
}

static void
put_one(struct stress_player *player, uint32_t mode)
{
    static __thread struct message m;
    mp_queue *queue = stress->mode_queue[mode];

    if (compose(&m, mode, choose_size(player, 1)) < 0)
        return;
    if (modes[mode].order == MP_QUEUE_PRIORITY)
        note_put(m.id, mp_queue_put_priority(queue, &m, m.size, m.id % 8,
                                             MP_FOREVER));
    else
        note_put(m.id, mp_queue_put(queue, &m, m.size, MP_FOREVER));
}

/* Written where it will lie; now and then the reservation is given up. */
static void
reserve_one(struct stress_player *player, uint32_t mode)
{
    uint32_t size = choose_size(player, 1);
    mp_queue *queue = stress->mode_queue[mode];
    void *data;
    int r = mp_queue_reserve(queue, size, &data, MP_FOREVER);

    if (r < 0) {
        if (r != -EINTR && (r != -ESHUTDOWN || stress_goes_on()))
            stress_unexpected("reserve", r);
        return;
    }
    if (stress_random(player) % 8 == 0 || compose(data, mode, size) < 0) {
        r = mp_queue_cancel(queue, data);
        if (r < 0)
            stress_unexpected("cancel", r);
        return;
    }
    size = ((struct message *)data)->id;
    note_put(size, mp_queue_commit(queue, data));
}

static void
put_batch(struct stress_player *player, uint32_t mode)
{
    static __thread struct message m;
    static __thread unsigned char items[BATCH * SIZE_MOST];
    uint32_t size = choose_size(player, 0), i, ids[BATCH];
    ssize_t n;

    for (i = 0; i < BATCH; i++) {
        if (compose(&m, mode, size) < 0)
            return;
        ids[i] = m.id;
        memcpy(items + i * size, &m, size);
    }
    n = mp_queue_put_many(stress->mode_queue[mode], items, size, BATCH,
                          MP_FOREVER);
    for (i = 0; (ssize_t)i < n; i++)
        note_put(ids[i], 0);
    if (n < 0)
        note_put(ids[0], (int)n);
}

void
stress_queue_produce(struct stress_player *player)
{
    uint64_t x = stress_random(player);
    uint32_t mode = (uint32_t)(x >> 8) % LETTERS;

    switch (x % 4) {
    case 0:
        reserve_one(player, mode);
        break;
    case 1:
        put_batch(player, mode);
        break;
    default:
        put_one(player, mode);
    }
}

/* ---- Getting ---- */

/* Whether the message is what was put, and belongs here. */
static int
is_whole(const struct message *m, size_t size, uint32_t mode)
{
    uint32_t i;

    if (size < LEAST || m->size != size || m->mode != mode ||
        m->id >= STRESS_IDS) {
        mp__add(&stress->corrupt, 1);
        return 0;
    }
    for (i = 0; i < size - LEAST; i++) {
        if (m->rest[i] != byte_of(m->id, i)) {
            mp__add(&stress->corrupt, 1);
            return 0;
        }
    }
    return 1;
}

/* A message that is got in a queue that redelivers may have been got before,
 * but not done. */
static void
note_got(uint32_t id, uint32_t mode)
{
    unsigned char was = atomic_fetch_or(&stress->message[id], GOT);

    if (was & DONE || (was & GOT && !modes[mode].redeliver))
        mp__add(&stress->duplicates, 1);
}

/* Some take their time, so that they are killed with a message. */
static void
work(struct stress_player *player)
{
    uint64_t x = stress_random(player);

    if (x % 16 == 0)
        usleep((unsigned)(x >> 8) % 1000);
}

static void
note_done(uint32_t id, int r)
{
    if (r < 0)
        stress_unexpected("done", r);
    note(id, DONE);
    mp__add(&stress->got, 1);
}

/* An error of a get. */
static void
note_failure(int r)
{
    if (r != -EINTR && (r != -ESHUTDOWN || stress_goes_on()))
        stress_unexpected("get", r);
}

static void
take_one(struct stress_player *player, uint32_t mode)
{
    mp_queue *queue = stress->mode_queue[mode];
    const struct message *m;
    mp_message message;
    uint32_t id;
    int r = mp_queue_take(queue, &message, MP_FOREVER);

    if (r < 0) {
        note_failure(r);
        return;
    }
    m = message.data;
    if (!is_whole(m, message.size, mode))
        return;
    id = m->id;
    note_got(id, mode);
    work(player);
    note(id, ENDING);
    note_done(id, mp_message_done(queue, &message));
}

/* Up to two tasks at a time: the first that was got is done first. */
static void
get_some(struct stress_player *player, uint32_t mode)
{
    static __thread struct message m;
    mp_queue *queue = stress->mode_queue[mode];
    uint32_t ids[2], n = 0, i;
    int tasks = modes[mode].joinable || modes[mode].redeliver;
    uint32_t most = tasks && stress_random(player) % 4 == 0 ? 2 : 1;

    while (n < most) {
        ssize_t r =
            mp_queue_get(queue, &m, sizeof(m), n ? MP_NOW : MP_FOREVER);
        if (r < 0) {
            if (n == 0)
                note_failure((int)r);
            break;
        }
        if (!is_whole(&m, (size_t)r, mode))
            return;
        note_got(m.id, mode);
        ids[n++] = m.id;
    }
    work(player);
    for (i = 0; i < n; i++) {
        note(ids[i], ENDING);
        note_done(ids[i], tasks ? mp_queue_task_done(queue) : 0);
    }
}

static void
get_batch(struct stress_player *player, uint32_t mode)
{
    static __thread unsigned char items[BATCH * sizeof(struct message)];
    mp_queue *queue = stress->mode_queue[mode];
    int tasks = modes[mode].joinable || modes[mode].redeliver;
    size_t sizes[BATCH];
    ssize_t n = mp_queue_get_many(queue, items, sizeof(struct message), BATCH,
                                  sizes, MP_FOREVER),
            i;

    if (n < 0)
        note_failure((int)n);
    work(player);
    for (i = 0; i < n; i++) {
        const struct message *m =
            (void *)(items + (size_t)i * sizeof(struct message));

        if (!is_whole(m, sizes[i], mode))
            return;
        note_got(m->id, mode);
        note(m->id, ENDING);
        note_done(m->id, tasks ? mp_queue_task_done(queue) : 0);
    }
}

/* The dead letters of its queue, if there are some. */
static void
read_letters(void)
{
    static __thread struct message m;
    ssize_t r;

    while ((r = mp_queue_get(stress->mode_queue[LETTERS], &m, sizeof(m),
                             MP_NOW)) >= 0) {
        if (!is_whole(&m, (size_t)r, LETTERS - 1))
            return;
        note_got(m.id, LETTERS - 1);
        note(m.id, ENDING);
        note_done(m.id, mp_queue_task_done(stress->mode_queue[LETTERS]));
        mp__add(&stress->letters, 1);
    }
    if (r != -EAGAIN)
        stress_unexpected("get of a letter", (int)r);
}

void
stress_queue_consume(struct stress_player *player)
{
    uint32_t mode = player->which % LETTERS;

    switch (stress_random(player) % 4) {
    case 0:
        take_one(player, mode);
        break;
    case 1:
        get_batch(player, mode);
        break;
    default:
        get_some(player, mode);
    }
    if (modes[mode].max_attempts)
        read_letters();
}

/* Joins one of those queues that can be joined. */
void
stress_queue_join(struct stress_player *player)
{
    static const uint32_t joinable[] = {0, 1, 2, 3, 6};
    uint64_t x = stress_random(player);
    mp_queue *queue = stress->mode_queue[joinable[x % 5]];
    int r = mp_queue_join(queue, mp_timeout(0.02));

    if (r == -ESRCH)
        mp__add(&stress->told, 1);
    else if (r == 0)
        mp__add(&stress->joined, 1);
    else if (r != -ETIMEDOUT && r != -EINTR)
        stress_unexpected("join", r);
    usleep((unsigned)(x >> 8) % 1000);
}

/* ---- The end ---- */

static int
violated(int is, const char *what, uint64_t n)
{
    if (is)
        printf("VIOLATION: %llu %s\n", (unsigned long long)n, what);
    return is;
}

/* All players are gone. */
static int
finish(void)
{
    int v = 0;

    read_letters();
    for (uint32_t i = 0; i < MODES; i++) {
        mp_queue *queue = stress->mode_queue[i];
        int r = i == LETTERS ? 0 : mp_queue_get(queue, NULL, 0, MP_NOW);

        if (i != LETTERS)
            v += violated(r != -ESHUTDOWN, "is a queue that is not at its end",
                          i);
        v += violated(mp_queue_unfinished(queue) > 0, "tasks are unfinished",
                      mp_queue_unfinished(queue));
        v += violated(mp_queue_destroy(queue) < 0,
                      "is a queue that is not live", i);
    }
    return v;
}

/* Messages that were put and that nobody has begun to end. */
static int
report_gone(uint64_t consumers_killed)
{
    uint64_t gone[MODES] = {0}, all = 0;
    uint32_t n = mp__load(&stress->next_id), i;
    int v = 0;

    for (i = 0; i < n && i < STRESS_IDS; i++) {
        unsigned char m = stress->message[i];

        gone[m / MODE] += m & RETURNED && !(m & (ENDING | DONE));
    }
    for (i = 0; i < LETTERS; i++) {
        all += gone[i];
        v += violated(gone[i] > 0 && modes[i].redeliver,
                      "messages are lost by a queue that redelivers", gone[i]);
    }
    printf("%llu messages gone with their consumers, in queues that do not "
           "redeliver\n",
           (unsigned long long)all);
    return v +
           violated(all > BATCH * consumers_killed, "messages are lost", all);
}

int
stress_queues_report(uint64_t consumers_killed)
{
    uint32_t n = mp__load(&stress->next_id), i;
    uint64_t in_end = 0, ghosts = 0, orphans = 0;
    int v;

    mp__reap();
    v = finish() + report_gone(consumers_killed);
    for (i = 0; i < n && i < STRESS_IDS; i++) {
        unsigned char m = stress->message[i];

        in_end += m & ENDING && !(m & DONE);
        ghosts += m & GOT && !(m & BEGUN);
        orphans += m & GOT && !(m & RETURNED);
    }
    printf(
        "messages: %u begun, %llu done; %llu of producers that died in put, "
        "%llu about to be done by their consumers; %llu dead letters; "
        "joined %llu times, %llu times told of a loss\n",
        n, (unsigned long long)mp__load(&stress->got),
        (unsigned long long)orphans, (unsigned long long)in_end,
        (unsigned long long)mp__load(&stress->letters),
        (unsigned long long)mp__load(&stress->joined),
        (unsigned long long)mp__load(&stress->told));
    return v + violated(ghosts > 0, "messages from nowhere", ghosts) +
           violated(in_end > consumers_killed, "messages done by nobody",
                    in_end);
}
