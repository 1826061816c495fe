/* SPDX-License-Identifier: MIT */
/* millions [MESSAGES [SEED]]
 *
 * So many messages (ten millions) go through a queue that redelivers, while its
 * producers and consumers are SIGKILLed at random and succeeded by others. At
 * the end every single message is accounted for.
 *
 * Each message is a number, which a producer claims before it puts it. What has
 * become of it is noted in memory that is no part of the library:
 *
 *   PUT      its put has returned
 *   ENDING   a consumer has begun to say that it is done
 *   DONE     that call has returned
 *
 * A producer that dies between put and note leaves a number of which nobody
 * knows whether it was put. When all others are done the queue is empty: if the
 * number has not come by then it was not put, and is put now. A consumer that
 * dies in the call that says done leaves a message that is done, or comes
 * again; if it does not come again, the killer knows that this one had it. */
#define _GNU_SOURCE
#include "base/atomic.h"
#include "os/clock.h"
#include "region/participant.h"

#include <mproc.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRODUCERS   3u
#define PLAYERS     7u
#define KILL_PAUSE  1000       /* us between kills, at most */
#define QUIET_EVERY 1000000000 /* ns */
#define BOUND       20.0       /* seconds for anyone to make progress */

#define PUT    1
#define ENDING 2
#define DONE   4
#define KILLED 8 /* a consumer died in the call that says done */

#define LARGE_EVERY 64 /* one of so many messages goes by reference */
#define LARGE       10000
#define SMALL       32
#define NONE        UINT64_MAX

struct player {
    mp__a64 number; /* what it has claimed, or is about to have done */
    mp__a64 progress;
};

static struct shared {
    struct player player[PLAYERS];
    mp__a64 next, done, twice, again, broken, unexpected;
    char text[160]; /* of the first unexpected error */
} * shared;

static _Atomic unsigned char *fate; /* of each message */
static uint64_t messages = 10000000;
static mp_queue *queue;
static pid_t pids[PLAYERS];
static uint64_t kills[2];
static unsigned violations, quiet_times;
static mp_time longest;

/* ---- Players ---- */

static size_t
size_of(uint64_t number)
{
    return number % LARGE_EVERY ? SMALL : LARGE;
}

static void
unexpected(const char *what, int r)
{
    if (mp__add(&shared->unexpected, 1) == 0)
        snprintf(shared->text, sizeof(shared->text), "%s: %s (%s)", what,
                 mp_strerror(r), mp_last_error());
}

static int
put_number(uint64_t number)
{
    static uint64_t message[LARGE / sizeof(uint64_t)];
    size_t size = size_of(number);
    int r;

    message[0] = number;
    message[size / sizeof(*message) - 1] = ~number;
    do
        r = mp_queue_put(queue, message, size, MP_FOREVER);
    while (r == -EINTR);
    return r;
}

static void
produce(struct player *me)
{
    uint64_t number;
    int r;

    while ((number = mp__add(&shared->next, 1)) < messages) {
        mp__store(&me->number, number);
        r = put_number(number);
        if (r < 0)
            unexpected("put", r);
        else
            atomic_fetch_or(&fate[number], PUT);
        mp__add(&me->progress, 1);
    }
}

/* The number in a message; NONE if it is broken. */
static uint64_t
read_number(const void *data, size_t size)
{
    const uint64_t *message = data;

    if (size >= SMALL && message[0] < messages &&
        size_of(message[0]) == size &&
        message[size / sizeof(*message) - 1] == ~message[0])
        return message[0];
    mp__add(&shared->broken, 1);
    return NONE;
}

static void
begin_end(struct player *me, uint64_t number, uint32_t attempt)
{
    if (number == NONE)
        return;
    mp__store(&me->number, number);
    if (atomic_fetch_or(&fate[number], ENDING) & DONE)
        mp__add(&shared->twice, 1);
    if (attempt > 1)
        mp__add(&shared->again, 1);
}

static void
end(struct player *me, uint64_t number, int r)
{
    if (r < 0)
        unexpected("done", r);
    else if (number != NONE)
        atomic_fetch_or(&fate[number], DONE);
    mp__store(&me->number, NONE);
    mp__add(&shared->done, 1);
    mp__add(&me->progress, 1);
}

/* Messages are taken in place, or copied, in turn. 0, or an error. */
static int
consume_one(struct player *me)
{
    static uint64_t copy[LARGE / sizeof(uint64_t)];
    mp_message m;
    uint64_t number;
    ssize_t r;

    if (mp__load(&me->progress) % 2) {
        r = mp_queue_take(queue, &m, MP_FOREVER);
        if (r < 0)
            return (int)r;
        number = read_number(m.data, m.size);
        begin_end(me, number, m.attempt);
        end(me, number, mp_message_done(queue, &m));
    } else {
        r = mp_queue_get(queue, copy, sizeof(copy), MP_FOREVER);
        if (r < 0)
            return (int)r;
        number = read_number(copy, (size_t)r);
        begin_end(me, number, 1);
        end(me, number, mp_queue_task_done(queue));
    }
    return 0;
}

static void
consume(struct player *me)
{
    int r;

    mp__store(&me->number, NONE);
    while ((r = consume_one(me)) != -ESHUTDOWN)
        if (r < 0 && r != -EINTR)
            unexpected("get", r);
}

/* ---- Killing ---- */

static void
start_player(uint32_t i)
{
    struct player *me = &shared->player[i];

    fflush(stdout);
    pids[i] = fork();
    if (pids[i] > 0)
        return;
    if (pids[i] < 0) {
        perror("fork");
        exit(1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nice(5) == -1) /* the killer comes first; no harm if not */
        errno = 0;
    /* A lost wake-up must not be healed by the end of a slice. */
    if (mp__enter() == 0 && mp__view.tier == MP__TIER_FULL)
        mp__view.slice = MP_FOREVER / 4;
    if (i < PRODUCERS)
        produce(me);
    else
        consume(me);
    _exit(0);
}

static void
kill_player(uint32_t i)
{
    uint64_t number;
    int status;

    kill(pids[i], SIGKILL);
    waitpid(pids[i], &status, 0);
    number = mp__load(&shared->player[i].number);
    if (i >= PRODUCERS && number != NONE)
        atomic_fetch_or(&fate[number], KILLED);
    kills[i >= PRODUCERS] += WIFSIGNALED(status) != 0;
    start_player(i);
}

static int
violated(uint64_t n, const char *what)
{
    if (n == 0)
        return 0;
    printf("VIOLATION: %" PRIu64 " %s\n", n, what);
    violations++;
    return 1;
}

/* ---- The course of it ---- */

static int
all_are_claimed(void)
{
    return mp__load(&shared->next) >= messages;
}

static void
show(void)
{
    static mp_time again;

    if (!isatty(2) || mp__now() < again)
        return;
    again = mp__now() + 200000000;
    fprintf(stderr,
            "\r%" PRIu64 " of %" PRIu64 " messages, %" PRIu64 " kills ",
            mp__load(&shared->done), messages, kills[0] + kills[1]);
}

/* Waits until player `i` has done something more than `before`, or has nothing
 * more to do. */
static int
has_gone_on(uint32_t i, uint64_t before)
{
    if (mp__load(&shared->player[i].progress) != before)
        return 1;
    return all_are_claimed();
}

/* Kills nobody until every player has done something more. */
static int
be_quiet(void)
{
    uint64_t before[PLAYERS];
    mp_time start = mp__now();
    uint32_t i;

    for (i = 0; i < PLAYERS; i++)
        before[i] = mp__load(&shared->player[i].progress);
    for (i = 0; i < PLAYERS; i++) {
        while (!has_gone_on(i, before[i])) {
            if (mp__now() - start > BOUND * 1e9)
                return !violated(i + 1, "is a player that makes no progress");
            usleep(500);
        }
    }
    quiet_times++;
    if (mp__now() - start > longest)
        longest = mp__now() - start;
    return 1;
}

/* Until all messages are claimed by producers. */
static int
kill_at_random(void)
{
    mp_time quiet = mp__now() + QUIET_EVERY;

    while (!all_are_claimed()) {
        usleep((unsigned)(random() % KILL_PAUSE));
        show();
        if (mp__now() > quiet) {
            if (!be_quiet())
                return 0;
            quiet = mp__now() + QUIET_EVERY;
        }
        kill_player((uint32_t)random() % PLAYERS);
    }
    return 1;
}

static int
await_exit(uint32_t i)
{
    mp_time deadline = mp_timeout(BOUND);
    int status;

    while (waitpid(pids[i], &status, WNOHANG) == 0) {
        if (mp__now() > deadline)
            return !violated(i + 1, "is a player that does not end");
        usleep(500);
    }
    return status == 0 || !violated(i + 1, "is a player that has crashed");
}

/* Consumers are killed on until nothing is left. */
static int
drain(void)
{
    mp_time deadline = mp_timeout(BOUND);
    uint64_t done = mp__load(&shared->done);

    while (mp_queue_unfinished(queue) > 0) {
        if (mp__load(&shared->done) != done) {
            done = mp__load(&shared->done);
            deadline = mp_timeout(BOUND);
        }
        if (mp__now() > deadline)
            return !violated(mp_queue_unfinished(queue),
                             "messages stay that nobody gets");
        usleep((unsigned)(random() % KILL_PAUSE));
        kill_player(PRODUCERS + (uint32_t)random() % (PLAYERS - PRODUCERS));
    }
    return 1;
}

/* The numbers of producers that died before they could tell, and that have not
 * come. *ret_told: those that have. */
static uint64_t
put_missing(uint64_t *ret_told)
{
    uint64_t i, n = 0;

    *ret_told = 0;
    for (i = 0; i < messages; i++) {
        if (fate[i] & PUT)
            continue;
        if (fate[i] & ENDING) {
            ++*ret_told;
        } else {
            put_number(i);
            atomic_fetch_or(&fate[i], PUT);
            n++;
        }
    }
    return n;
}

static int
play(uint64_t *ret_missing, uint64_t *ret_told)
{
    uint32_t i;

    for (i = 0; i < PLAYERS; i++)
        start_player(i);
    if (!kill_at_random())
        return 0;
    for (i = 0; i < PRODUCERS; i++)
        if (!await_exit(i))
            return 0;
    if (!drain())
        return 0;
    *ret_missing = put_missing(ret_told);
    mp_queue_close(queue);
    for (i = PRODUCERS; i < PLAYERS; i++)
        if (!await_exit(i))
            return 0;
    return 1;
}

/* ---- The end ---- */

static void
count_fates(uint64_t missing, uint64_t told, double seconds)
{
    uint64_t lost = 0, ended = 0, i;

    for (i = 0; i < messages; i++) {
        if (fate[i] & DONE)
            continue;
        if ((fate[i] & (ENDING | KILLED)) == (ENDING | KILLED))
            ended++;
        else
            lost++;
    }
    violated(lost, "messages are lost");
    violated(mp__load(&shared->twice), "messages came twice");
    violated(mp__load(&shared->broken), "messages are broken");
    violated(missing + told > kills[0],
             "more numbers in doubt than producers killed");
    violated(ended > kills[1], "more calls broken off than consumers killed");
    if (violated(mp__load(&shared->unexpected), "unexpected errors"))
        printf("  the first: %s\n", shared->text);
    printf("%" PRIu64 " messages in %.1f s: %" PRIu64 " lost, %" PRIu64
           " twice; %" PRIu64 " of %" PRIu64 " puts whose producer died were"
           " done; %" PRIu64 " ended with their consumer, at least %" PRIu64
           " came again; killed: %" PRIu64 " producers, %" PRIu64
           " consumers; %u pauses in which everyone went on, after %.1f ms at"
           " most\n",
           messages, seconds, lost, mp__load(&shared->twice), told,
           told + missing, ended, mp__load(&shared->again), kills[0], kills[1],
           quiet_times, (double)longest / 1e6);
}

static int
prepare(void)
{
    size_t size = sizeof(*shared) + messages;

    shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED)
        return -ENOMEM;
    fate = (_Atomic unsigned char *)(shared + 1);
    return mp_queue_create(&queue,
                           MP_QUEUE_ATTR(.maxsize = 4096, .redeliver = 1));
}

int
main(int argc, char **argv)
{
    unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid();
    uint64_t missing = 0, told = 0;
    mp_time start = mp__now();
    int r;

    if (argc > 1)
        messages = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed = (unsigned)strtoul(argv[2], NULL, 10);
    printf("%" PRIu64 " messages, seed %u\n", messages, seed);
    srandom(seed);
    r = prepare();
    if (r < 0) {
        printf("cannot begin: %s\n", mp_last_error());
        return 1;
    }
    if (play(&missing, &told)) {
        count_fates(missing, told, (double)(mp__now() - start) / 1e9);
        r = mp_queue_join(queue, mp_timeout(BOUND));
        violated(r < 0, "queue cannot be joined at the end");
        violated(mp_queue_destroy(queue) < 0, "queue cannot be destroyed");
    }
    for (uint32_t i = 0; i < PLAYERS && violations; i++)
        kill(pids[i], SIGKILL);
    puts(violations ? "millions: VIOLATIONS" : "millions: all well");
    return violations != 0;
}
