/* SPDX-License-Identifier: MIT */
/* Members meet at a gate, awake: they yield until all are there, so that no
 * wake-up is part of what is measured. Each notes its own start and end by
 * the clock that all processes share. The parent sleeps meanwhile. */
#include "crew.h"
#include "tools.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void
start_member(struct crew *crew, int seat, int pinned, crew_fn *fn, void *arg)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    must(pid, "fork");
    if (pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (pinned)
        pin_to(seat);
    fn(crew, seat, arg);
    _exit(0);
}

/* Gives the time from the first start to the last end. */
static double
evaluate(struct crew *crew, struct crew **ret)
{
    int64_t start = INT64_MAX, end = 0;

    for (int i = 0; i < crew->members; i++) {
        if (crew->seats[i].start < start)
            start = crew->seats[i].start;
        if (crew->seats[i].end > end)
            end = crew->seats[i].end;
    }
    if (ret)
        *ret = crew;
    else
        munmap(crew, sizeof(*crew));
    return (double)(end - start);
}

double
crew_run(int members, int pinned, crew_fn *fn, void *arg, struct crew **ret)
{
    struct crew *crew = shared_memory(sizeof(*crew));
    int status;

    crew->members = members;
    for (int i = 0; i < members; i++)
        start_member(crew, i, pinned, fn, arg);
    for (int i = 0; i < members; i++) {
        must(wait(&status), "wait");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail("a process of the crew failed (status %#x)", status);
    }
    return evaluate(crew, ret);
}

struct hand {
    struct crew *crew;
    int seat, pinned;
    crew_fn *fn;
    void *arg;
};

static void *
run_hand(void *arg)
{
    struct hand *hand = (struct hand *)arg;

    if (hand->pinned)
        pin_to(hand->seat);
    hand->fn(hand->crew, hand->seat, hand->arg);
    return NULL;
}

double
crew_run_threads(int members, int pinned, crew_fn *fn, void *arg,
                 struct crew **ret)
{
    struct crew *crew = shared_memory(sizeof(*crew));
    struct hand hands[CREW_MAX];
    pthread_t threads[CREW_MAX];

    crew->members = members;
    for (int i = 0; i < members; i++) {
        hands[i] = (struct hand){crew, i, pinned, fn, arg};
        must(-pthread_create(&threads[i], NULL, run_hand, &hands[i]),
             "pthread_create");
    }
    for (int i = 0; i < members; i++)
        must(-pthread_join(threads[i], NULL), "pthread_join");
    return evaluate(crew, ret);
}

void
crew_begin(struct crew *crew, int seat)
{
    __atomic_fetch_add(&crew->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&crew->ready, __ATOMIC_SEQ_CST) < crew->members)
        sched_yield();
    crew->seats[seat].start = now_ns();
}

void
crew_end(struct crew *crew, int seat, uint64_t sum)
{
    crew->seats[seat].end = now_ns();
    crew->seats[seat].sum = sum;
}
