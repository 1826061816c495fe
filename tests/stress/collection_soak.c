/* SPDX-License-Identifier: MIT */
/* Workers that are killed, for `soak dict` and `soak list`. */
#define _GNU_SOURCE
#include "collection_soak.h"

#include "os/clock.h"
#include "region/audit.h"
#include "region/object.h"
#include "region/region.h"

#include <mproc.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_PAUSE 800  /* us between kills, at most */
#define BOUND      30.0 /* seconds for all to come to their ends */

static pid_t pids[SOAK_WORKERS]; /* 0: it has come to its end */

static int
start(unsigned number, void (*work)(unsigned))
{
    fflush(stdout);
    pids[number] = fork();
    if (pids[number] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* A lost wake-up must not be healed by the end of a slice. */
        if (mp__view.tier == MP__TIER_FULL)
            mp__view.slice = MP_FOREVER / 4;
        work(number);
        fflush(stdout);
        _exit(0);
    }
    return pids[number] > 0;
}

/* Notes who has come to his end. How many have not; -1: one has failed. */
static int
look_at_workers(void)
{
    int left = 0, status;

    for (unsigned i = 0; i < SOAK_WORKERS; i++) {
        if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
            pids[i] = 0;
            if (status != 0) {
                printf("VIOLATION: a worker ended with status 0x%x\n",
                       (unsigned)status);
                return -1;
            }
        }
        left += pids[i] != 0;
    }
    return left;
}

/* 1; 0: it had come to its end already. */
static int
kill_worker(unsigned i)
{
    int status = 0;

    if (pids[i] == 0)
        return 0;
    kill(pids[i], SIGKILL);
    waitpid(pids[i], &status, 0);
    pids[i] = 0;
    return WIFSIGNALED(status);
}

int
soak_workers(void (*work)(unsigned), void (*killed)(unsigned))
{
    mp_time deadline = mp_timeout(BOUND);
    int kills = 0, left;

    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        if (!start(i, work))
            return -1;
    while ((left = look_at_workers()) > 0 && mp__now() < deadline) {
        unsigned i = (unsigned)random() % SOAK_WORKERS;

        usleep((unsigned)random() % KILL_PAUSE);
        if (!kill_worker(i))
            continue;
        kills++;
        if (killed)
            killed(i);
        start(i, work);
    }
    if (left > 0)
        puts("VIOLATION: a worker does not come to its end");
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        kill_worker(i);
    return left ? -1 : kills;
}

int64_t
soak_live(void)
{
    struct mp__heap_report report = {0};
    uint64_t live;

    mp__reap();
    if (mp__heap_audit(&report) < 0) {
        printf("VIOLATION: the heap is broken: %s\n", report.problem);
        return -1;
    }
    live = report.blocks + report.large;
    for (int i = 0; i < MP__SLABS; i++)
        live += report.objects[i];
    return (int64_t)live;
}

void *
soak_shared(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}
