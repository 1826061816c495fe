/* SPDX-License-Identifier: MIT */
/* Crews: see crew.h.
 *
 * A spawned process may have the program at another address. The library
 * translates the target that it is started with, which is the same for every
 * party; what the party then calls is told by its distance from that. */
#include "sync/crew.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[WAYS] = {
    [WAY_FORK] = "fork",
    [WAY_SPAWN] = "spawn",
    [WAY_FORKSERVER] = "forkserver",
    [WAY_THREADS] = "threads",
    [WAY_MIXED] = "mixed",
};

static const int methods[] = {
    [WAY_FORK] = MP_FORK,
    [WAY_SPAWN] = MP_SPAWN,
    [WAY_FORKSERVER] = MP_FORKSERVER,
};

const char *
way_name(enum way way)
{
    return names[way];
}

/* ---- Below: a party ---- */

static void
on_signal(int sig)
{
    (void)sig;
}

static int
run_party(void *arg)
{
    struct party *me = *(struct party **)arg;
    party_fn *fn = (party_fn *)((uintptr_t)run_party + me->crew->fn);
    struct sigaction action = {.sa_handler = on_signal};
    int r;

    sigaction(SIGUSR1, &action, NULL);
    mp__store(&me->crew->begun[me->i], (uint32_t)syscall(SYS_gettid));
    r = fn(me);
    mp__store(&me->crew->ended[me->i], 1);
    return r;
}

static void *
run_thread(void *arg)
{
    run_party(&arg);
    return NULL;
}

int
party_found(struct party *me, const char *file, int line, const char *call,
            long result)
{
    struct crew *crew = me->crew;
    const char *base = strrchr(file, '/');

    if (mp__swap(&crew->found, 1) == 0)
        snprintf(crew->finding, sizeof(crew->finding),
                 "party %d, %s:%d: %s gave %ld (%s)", me->i,
                 base ? base + 1 : file, line, call, result,
                 result < 0 ? mp_last_error() : "");
    mp__store(&crew->found, 2);
    return 1;
}

/* ---- Above: the test ---- */

static int
nothing(void *unused)
{
    (void)unused;
    return 0;
}

void
crew_warm_up(enum way way)
{
    for (int used = 0; used < WAY_THREADS; used++) {
        mp_process *p;

        if (way != WAY_MIXED && (int)way != used)
            continue;
        must(mp_process_start(&p, nothing, NULL, 0,
                              MP_PROCESS_ATTR(.method = methods[used])));
        must(mp_process_join(p, MP_FOREVER));
        must(mp_process_close(p));
    }
    mp_test_leaks_mark();
}

static void
start_one(struct crew *crew, int i, void *arg)
{
    struct party *party = &crew->parties[i];
    enum way way = crew->way;

    *party = (struct party){crew, arg, i};
    if (way == WAY_MIXED)
        way = (enum way)(i % WAY_MIXED);
    crew->pids[i] = getpid();
    if (way == WAY_THREADS) {
        ck_assert_int_eq(
            pthread_create(&crew->threads[i], NULL, run_thread, party), 0);
        return;
    }
    must(mp_process_start(&crew->processes[i], run_party, &party,
                          sizeof(party),
                          MP_PROCESS_ATTR(.method = methods[way])));
    crew->pids[i] = mp_process_pid(crew->processes[i]);
}

struct crew *
crew_start(enum way way, int n, party_fn *fn, void *arg)
{
    struct crew *crew = mp_new(struct crew);

    ck_assert_ptr_nonnull(crew);
    ck_assert_int_le(n, CREW_MOST);
    crew->way = way;
    crew->fn = (uintptr_t)fn - (uintptr_t)run_party;
    for (crew->n = 0; crew->n < n; crew->n++)
        start_one(crew, crew->n, arg);
    return crew;
}

static void
fail_if_found(struct crew *crew)
{
    if (mp__load(&crew->found) == 2)
        ck_abort_msg("[%s] %s", names[crew->way], crew->finding);
}

static void
end_one(struct crew *crew, int i)
{
    int code = 0;

    await(crew, mp__load(&crew->ended[i]));
    if (crew->processes[i] == NULL) {
        ck_assert_int_eq(pthread_join(crew->threads[i], NULL), 0);
        return;
    }
    must(mp_process_join(crew->processes[i], MP_FOREVER));
    must(mp_process_exitcode(crew->processes[i], &code));
    must(mp_process_close(crew->processes[i]));
    fail_if_found(crew);
    ck_assert_int_eq(code, 0);
}

void
crew_end(struct crew *crew)
{
    for (int i = 0; i < crew->n; i++)
        end_one(crew, i);
    fail_if_found(crew);
    must(mp_free(crew));
}

void
crew_run(enum way way, int n, party_fn *fn, void *arg)
{
    crew_end(crew_start(way, n, fn, arg));
}

void
crew_poll(struct crew *crew, int64_t until, const char *file, int line,
          const char *condition)
{
    fail_if_found(crew);
    if (!mp_test_poll(until))
        ck_abort_msg("[%s] %s:%d: did not come true: %s", names[crew->way],
                     file, line, condition);
}

void
crew_interrupt(struct crew *crew, int i)
{
    await(crew, mp__load(&crew->begun[i]));
    await(crew, (syscall(SYS_tgkill, crew->pids[i], crew->begun[i], SIGUSR1),
                 mp__load(&crew->ended[i])));
}
