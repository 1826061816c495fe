/* SPDX-License-Identifier: MIT */
/* soak [sync | queue | pipe | pool | dict | list] [SECONDS [SEED]]
 *
 * Players in processes of their own, one of which is SIGKILLed at random every
 * millisecond or so and succeeded by another. Every half second nobody is
 * killed until every single one of them has made progress: that is how those
 * are found who were left asleep while the others go on. At the end all must
 * leave by themselves. Exits with 1 if anything was violated.
 *
 * There are four casts: those who use memory, queues and pools; by `sync`,
 * those who use the synchronisation objects; by `queue`, those who use
 * queues of all modes side by side; and by `pipe`, those who use pipes.
 * Plays of their own are `pool`, in which the workers of a pool are killed,
 * and nobody else (pool_soak.c), `dict` and `list` (dict_soak.c,
 * list_soak.c). */
#define _GNU_SOURCE
#include "collection_soak.h"
#include "pool_soak.h"
#include "stress.h"

#include "base/macros.h"
#include "os/clock.h"
#include "region/participant.h"
#include "sync/gate.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_PAUSE  1500      /* us between kills, at most */
#define QUIET_EVERY 500000000 /* ns */
#define BOUND       10.0      /* seconds for anyone to make progress */

static const uint32_t usual_cast[STRESS_ROLES] = {
    [STRESS_PRODUCER] = 3,  [STRESS_CONSUMER] = 4, [STRESS_ALLOCATOR] = 3,
    [STRESS_LOCKER] = 3,    [STRESS_RINGER] = 1,   [STRESS_WAITER] = 2,
    [STRESS_SUBMITTER] = 2,
};
static const uint32_t sync_cast[STRESS_ROLES] = {
    [STRESS_LOCK_USER] = 4, [STRESS_RLOCK_USER] = 3,    [STRESS_GIVER] = 2,
    [STRESS_TAKER] = 3,     [STRESS_PERMIT_HOLDER] = 4, [STRESS_SETTER] = 1,
    [STRESS_AWAITER] = 3,   [STRESS_STORER] = 3,        [STRESS_FETCHER] = 3,
    [STRESS_PARTY] = 3,
};
/* Two consumers for each queue. */
static const uint32_t queue_cast[STRESS_ROLES] = {
    [STRESS_QUEUE_PRODUCER] = 6,
    [STRESS_QUEUE_CONSUMER] = 14,
    [STRESS_QUEUE_JOINER] = 2,
};
static const uint32_t pipe_cast[STRESS_ROLES] = {
    [STRESS_PIPE_SENDER] = 5,
    [STRESS_PIPE_RECEIVER] = 5,
};
static const uint32_t *cast = usual_cast;
static const char *told = "";

static pid_t pids[STRESS_PLAYERS];
static uint64_t killed[STRESS_ROLES], workers_killed;
static unsigned quiet_times, violations;
static mp_time longest; /* until everyone had made progress */

static void
start_player(uint32_t i)
{
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
    if (mp__view.tier == MP__TIER_FULL)
        mp__view.slice = MP_FOREVER / 4;
    mp__gate_slice = 1000;
    stress_play(&stress->player[i]);
    _exit(0);
}

static void
kill_player(uint32_t i)
{
    kill(pids[i], SIGKILL);
    waitpid(pids[i], NULL, 0);
    killed[stress->player[i].role]++;
    stress_sync_killed(&stress->player[i]);
    start_player(i);
}

static int
say_stranded(uint32_t i)
{
    printf("VIOLATION: no progress: one of the %s (pid %d)\n",
           stress_role_name(stress->player[i].role), (int)pids[i]);
    fflush(stdout);
    violations++;
    return 0;
}

/* Waits until every player has done something more. */
static int
be_quiet(void)
{
    uint64_t before[STRESS_PLAYERS];
    mp_time start = mp__now();
    uint32_t i;

    for (i = 0; i < stress->players; i++)
        before[i] = mp__load(&stress->player[i].progress);
    for (i = 0; i < stress->players; i++) {
        while (mp__load(&stress->player[i].progress) == before[i]) {
            if (mp__load(&stress->stop)) /* as many messages as can be told */
                return 1;
            if (mp__now() - start > BOUND * 1e9)
                return say_stranded(i);
            usleep(500);
        }
    }
    quiet_times++;
    if (mp__now() - start > longest)
        longest = mp__now() - start;
    return 1;
}

static int
kill_at_random(double seconds)
{
    mp_time end = mp_timeout(seconds), quiet = mp__now() + QUIET_EVERY;

    while (mp__now() < end && !mp__load(&stress->stop)) {
        usleep((unsigned)(random() % KILL_PAUSE));
        if (mp__now() > quiet) {
            if (!be_quiet())
                return 0;
            quiet = mp__now() + QUIET_EVERY;
        }
        if (random() % 16 == 0)
            workers_killed +=
                (unsigned)stress_pool_kill_worker((uint64_t)random());
        else
            kill_player((uint32_t)random() % stress->players);
    }
    return be_quiet();
}

/* They all leave by themselves; whoever does not hangs. */
static void
await_exits(void)
{
    mp_time deadline = mp_timeout(BOUND);
    uint32_t i;
    int status;

    for (i = 0; i < stress->players; i++) {
        pid_t r;
        while ((r = waitpid(pids[i], &status, WNOHANG)) == 0 &&
               mp__now() < deadline)
            usleep(500);
        if (r == 0) {
            say_stranded(i);
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        } else if (status != 0) {
            printf("VIOLATION: one of the %s ended with status 0x%x\n",
                   stress_role_name(stress->player[i].role), (unsigned)status);
            violations++;
        }
    }
}

static void
print_kills(void)
{
    uint64_t all = 0;
    uint32_t i;

    for (i = 0; i < STRESS_ROLES; i++)
        all += killed[i];
    printf("kills:");
    for (i = 0; i < STRESS_ROLES; i++)
        if (cast[i])
            printf(" %" PRIu64 " %s,", killed[i],
                   stress_role_name((enum stress_role)i));
    printf(" in all %" PRIu64
           "; %u pauses in which every one of %u players went on, after "
           "%.1f ms at most\n",
           all, quiet_times, stress->players, (double)longest / 1e6);
}

static int
choose_cast(const char *name)
{
    if (strcmp(name, "sync") == 0) {
        cast = sync_cast;
        told = " of synchronisation";
    } else if (strcmp(name, "queue") == 0) {
        cast = queue_cast;
        told = " of queues";
    } else if (strcmp(name, "pipe") == 0) {
        cast = pipe_cast;
        told = " of pipes";
    }
    return cast != usual_cast;
}

/* Plays of their own. */
static const struct play {
    const char *name;
    int (*soak)(double seconds, unsigned seed);
} plays[] = {
    {"pool", stress_pool_soak},
    {"dict", stress_dict_soak},
    {"list", stress_list_soak},
};

static const struct play *
find_play(const char *name)
{
    for (size_t i = 0; i < MP__LENGTH(plays); i++)
        if (strcmp(plays[i].name, name) == 0)
            return &plays[i];
    return NULL;
}

static int
soak_play(const struct play *play, double seconds, unsigned seed)
{
    int failed;

    printf("soak of a %s of %.0f seconds, seed %u\n", play->name, seconds,
           seed);
    fflush(stdout);
    srandom(seed);
    failed = play->soak(seconds, seed);
    puts(failed ? "soak: VIOLATIONS" : "soak: all well");
    return failed;
}

int
main(int argc, char **argv)
{
    unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid();
    double seconds = 60;
    uint32_t i;
    const struct play *play = argc > 1 ? find_play(argv[1]) : NULL;

    if (play || (argc > 1 && choose_cast(argv[1]))) {
        argv++;
        argc--;
    }
    if (argc > 1)
        seconds = atof(argv[1]);
    if (argc > 2)
        seed = (unsigned)strtoul(argv[2], NULL, 10);
    if (play)
        return soak_play(play, seconds, seed);
    printf("soak%s of %.0f seconds, seed %u\n", told, seconds, seed);
    fflush(stdout);
    srandom(seed);
    if (stress_init(cast, seed) < 0) {
        printf("cannot begin: %s\n", mp_last_error());
        return 1;
    }
    for (i = 0; i < stress->players; i++)
        start_player(i);
    if (kill_at_random(seconds)) {
        stress_stop();
        await_exits();
    } else {
        for (i = 0; i < stress->players; i++) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
        print_kills();
        return 1;
    }
    print_kills();
    violations += (unsigned)stress_report(killed, workers_killed);
    puts(violations ? "soak: VIOLATIONS" : "soak: all well");
    return violations != 0;
}
