/* SPDX-License-Identifier: MIT */
#include "region/kin.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

long
kin_must(long r, const char *call, const char *file, int line)
{
    if (r < 0)
        ck_abort_msg("%s:%d: %s: %s: %s", file, line, call,
                     mp_strerror((int)r), mp_last_error());
    return r;
}

void
kin_text(const char *text, const char *word, int line)
{
    if (strstr(text, word) == NULL)
        ck_abort_msg("line %d: \"%s\" does not contain \"%s\"", line, text,
                     word);
}

struct mp__heap_report
heap_now(void)
{
    struct mp__heap_report report;

    must(mp__enter());
    mp__reap();
    ck_assert_msg(mp__heap_audit(&report) == 0, "%s", report.problem);
    return report;
}

uint64_t
heap_use(void)
{
    struct mp__heap_report report = heap_now();
    uint64_t use = report.blocks + report.large;

    for (int slab = 0; slab < MP__SLABS; slab++)
        use += report.objects[slab];
    return use;
}

uint64_t
pages_of_region(void)
{
    struct stat st;

    ck_assert_int_eq(fstat(mp__view.fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* ---- Peers ---- */

struct peer {
    struct kin *kin;
    int i;
};

static int
run_peer(void *arg)
{
    struct peer peer = *(struct peer *)arg;
    struct kin *kin = peer.kin;

    must(mp__enter());
    mp__store(&kin->begun[peer.i], (uint32_t)syscall(SYS_gettid));
    kin->results[peer.i] = kin->fn(kin->arg, peer.i);
    mp__store(&kin->ended[peer.i], 1);
    return kin->results[peer.i] == 0 ? 0 : 1;
}

static void *
run_thread(void *arg)
{
    run_peer(arg);
    must(mp_free(arg));
    return NULL;
}

static void
start_one(struct kin *kin, int i)
{
    struct peer peer = {kin, i}, *own;

    if (kin->how == PROCESSES) {
        kin->pids[i] = child(run_peer, &peer);
        return;
    }
    own = mp_new(struct peer); /* the thread frees it */
    ck_assert_ptr_nonnull(own);
    *own = peer;
    kin->pids[i] = getpid();
    ck_assert_int_eq(pthread_create(&kin->threads[i], NULL, run_thread, own),
                     0);
}

struct kin *
kin_start(enum kin_how how, int n, kin_fn *fn, void *arg)
{
    struct kin *kin = mp_new(struct kin);

    ck_assert_ptr_nonnull(kin);
    ck_assert_int_le(n, KIN_MOST);
    kin->how = how;
    kin->fn = fn;
    kin->arg = arg;
    for (kin->n = 0; kin->n < n; kin->n++)
        start_one(kin, kin->n);
    return kin;
}

void
kin_await_sleep_of(struct kin *kin, int i)
{
    wait_until(mp__load(&kin->begun[i]) != 0, 20);
    wait_until(thread_state(kin->pids[i], (pid_t)kin->begun[i]) == 'S', 20);
}

void
kin_await_sleep(struct kin *kin)
{
    for (int i = 0; i < kin->n; i++)
        if (kin->pids[i] != 0)
            kin_await_sleep_of(kin, i);
}

void
kin_kill(struct kin *kin, int i)
{
    ck_assert_int_eq(kin->how, PROCESSES);
    kill_and_reap(kin->pids[i]);
    kin->pids[i] = 0;
}

void
kin_signal(struct kin *kin, int i, int sig)
{
    if (kin->how == PROCESSES)
        ck_assert_int_eq(kill(kin->pids[i], sig), 0);
    else
        ck_assert_int_eq(pthread_kill(kin->threads[i], sig), 0);
}

void
kin_interrupt(struct kin *kin, int i, int sig)
{
    int64_t until = mp_test_deadline(20);

    do
        kin_signal(kin, i, sig);
    while (mp_test_poll(until) && !mp__load(&kin->ended[i]));
    ck_assert_uint_eq(mp__load(&kin->ended[i]), 1);
}

void
kin_end_of(struct kin *kin, int i)
{
    if (kin->pids[i] == 0)
        return;
    if (kin->how == PROCESSES)
        expect_exit(kin->pids[i], 0);
    else
        ck_assert_int_eq(pthread_join(kin->threads[i], NULL), 0);
    kin->pids[i] = 0;
    ck_assert_int_eq(kin->results[i], 0);
}

void
kin_end(struct kin *kin)
{
    for (int i = 0; i < kin->n; i++)
        kin_end_of(kin, i);
    must(mp_free(kin));
}

void
kin_run(enum kin_how how, int n, kin_fn *fn, void *arg)
{
    kin_end(kin_start(how, n, fn, arg));
}

/* ---- Kernels that do less ---- */

static void
believe_in(enum mp__tier tier, mp_time slice)
{
    must(mp__enter());
    if (mp__view.tier < tier) /* it cannot be made to do more */
        mp__view.tier = tier;
    mp__view.slice = slice;
}

void
believe_in_sliced(void)
{
    believe_in(MP__TIER_SLICED, 5000000);
}

void
believe_in_no_waitv(void)
{
    believe_in(MP__TIER_NO_WAITV, 2000000);
}
