/* SPDX-License-Identifier: MIT */
/* threads [SECONDS [SEED]]
 *
 * The players as threads of one process, for ThreadSanitizer, which sees one
 * process only. Nobody is killed. */
#define _GNU_SOURCE
#include "stress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const uint32_t cast[STRESS_ROLES] = {
    [STRESS_PRODUCER] = 2,  [STRESS_CONSUMER] = 2,      [STRESS_ALLOCATOR] = 2,
    [STRESS_LOCKER] = 2,    [STRESS_RINGER] = 1,        [STRESS_WAITER] = 2,
    [STRESS_LOCK_USER] = 2, [STRESS_RLOCK_USER] = 2,    [STRESS_GIVER] = 1,
    [STRESS_TAKER] = 2,     [STRESS_PERMIT_HOLDER] = 3, [STRESS_SETTER] = 1,
    [STRESS_AWAITER] = 2,   [STRESS_STORER] = 2,        [STRESS_FETCHER] = 2,
    [STRESS_PARTY] = 3,
};

static void *
play(void *player)
{
    stress_play(player);
    return NULL;
}

int
main(int argc, char **argv)
{
    static const uint64_t killed[STRESS_ROLES];
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    unsigned seed =
        argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : (unsigned)time(NULL);
    pthread_t thread[STRESS_PLAYERS];
    uint32_t i;
    int violations = 0;

    printf("threads for %.0f seconds, seed %u\n", seconds, seed);
    if (stress_init(cast, seed) < 0) {
        printf("cannot begin: %s\n", mp_last_error());
        return 1;
    }
    for (i = 0; i < stress->players; i++) {
        if (pthread_create(&thread[i], NULL, play, &stress->player[i]) != 0)
            return 1;
    }
    usleep((useconds_t)(seconds * 1e6));
    stress_stop();
    for (i = 0; i < stress->players; i++) {
        pthread_join(thread[i], NULL);
        if (mp__load(&stress->player[i].progress) == 0) {
            printf("VIOLATION: one of the %s did nothing\n",
                   stress_role_name(stress->player[i].role));
            violations++;
        }
    }
    violations += stress_report(killed, 0);
    puts(violations ? "threads: VIOLATIONS" : "threads: all well");
    return violations != 0;
}
