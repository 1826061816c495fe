/* SPDX-License-Identifier: MIT */
/* How a bench is run.
 *
 * Each contender is tried with growing numbers of operations until a sample
 * lasts long enough to be measured. Then come rounds: in each, every
 * contender gives one sample, one after the other, so that whatever changes
 * on the machine changes for all. Before and after every sample both cores
 * are probed; a round in which one was missing is thrown away and repeated.
 * A contender whose samples last very long takes part in the first rounds
 * only. What is reported are medians.
 *
 * A sample of mproc or of a limit that fails (a wrong sum, a crash, no end)
 * makes the bench fail: it prints no line, and the program's exit status
 * tells. Any other that fails is left out from then on. */
#include "harness.h"
#include "cores.h"
#include "peer.h"
#include "report.h"
#include "sample.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLE_NS     60e6  /* how long a sample is to last */
#define TRIAL_NS      5e6   /* how long the last trial lasts at the least */
#define SLOW_NS       0.5e9 /* slower samples: fewer rounds */
#define SLOWEST_NS    2e9   /* slower still: one */
#define QUIET_SECONDS 6.0   /* how long one bench waits for quiet cores */

static double
measure(const struct bench *bench, const struct entrant *e)
{
    const struct contender *c = e->contender;
    struct load load = bench->load;

    load.ops = e->ops;
    if (c->measure)
        return sample_take(c->measure, &load);
    return peer_ask(c->program, c->ask ? c->ask : bench->ask, &load);
}

/* Sets how many operations the next sample has, after one with `ns` each:
 * a disturbed trial must not make all samples too short. */
static void
set_ops(const struct bench *bench, struct entrant *e, double ns)
{
    long unit = bench->load.ops;
    double units = ceil(SAMPLE_NS / (ns * (double)unit));

    e->ops = units < 1 ? unit : (long)units * unit;
    if (bench->most_ops && e->ops > bench->most_ops)
        e->ops = bench->most_ops;
}

static int
is_long_enough(const struct bench *bench, const struct entrant *e, double ns)
{
    return ns * (double)e->ops >= TRIAL_NS ||
           (bench->most_ops && e->ops * 4 > bench->most_ops);
}

/* Says that a contender failed. 0 if the bench can do without it, else -1. */
static int
give_up(const struct bench *bench, struct entrant *e)
{
    fprintf(stderr, "%s: %s FAILED\n", bench->name, e->contender->name);
    e->left_out = 1;
    return e->contender->role == OURS || e->contender->role == LIMIT ? -1 : 0;
}

/* How many rounds it takes part in, by how long its last trial took. */
static int
rounds_of(const struct contender *c, int64_t trial)
{
    if (c->role == OURS || c->role == LIMIT || trial <= SLOW_NS)
        return ROUNDS;
    return trial <= SLOWEST_NS ? ROUNDS_SLOW : ROUNDS_SLOWEST;
}

/* Tries a contender until it is known how quick it is. 0, or -1. */
static int
prepare(const struct bench *bench, struct entrant *e)
{
    int64_t start = now_ns();
    double ns;

    e->ops = bench->load.ops;
    while ((ns = measure(bench, e)) >= 0 && !is_long_enough(bench, e, ns)) {
        e->ops *= 4;
        start = now_ns();
    }
    if (isnan(ns))
        return give_up(bench, e);
    e->left_out = ns < 0;
    if (e->left_out && e->contender->role == OURS) {
        fprintf(stderr, "%s: what it measures is not built\n", bench->name);
        return -1;
    }
    e->rounds = rounds_of(e->contender, now_ns() - start);
    set_ops(bench, e, ns);
    return 0;
}

/* One sample of each. 1: a core was missing; 0: none was; -1: failed. Goes no
 * further than to the first disturbance, unless the round counts anyway. */
static int
run_round(const struct bench *bench, struct result *result, int round,
          int counts)
{
    int disturbed = 0;

    for (int i = 0; i < result->count && (counts || !disturbed); i++) {
        struct entrant *e = &result->entrants[i];
        double ns;

        if (e->left_out || round >= e->rounds)
            continue;
        ns = measure(bench, e);
        if (!(ns > 0)) {
            if (give_up(bench, e) < 0)
                return -1;
            continue;
        }
        e->samples[round] = ns;
        set_ops(bench, e, ns);
        disturbed |= !cores_quiet();
    }
    return disturbed;
}

static int
run_rounds(const struct bench *bench, struct result *result)
{
    int64_t patience = now_ns() + (int64_t)(QUIET_SECONDS * 1e9);

    for (int round = 0; round < ROUNDS;) {
        int hurry = now_ns() > patience;
        int r;

        if (!hurry)
            cores_wait_quiet(QUIET_SECONDS / ROUNDS);
        r = run_round(bench, result, round, hurry);
        if (r < 0)
            return -1;
        result->repeated += r && !hurry;
        result->disturbed += r && hurry;
        round += !r || hurry;
    }
    return 0;
}

static int
enter(const struct bench *bench, struct result *result)
{
    for (const struct contender *c = bench->contenders; c->name; c++) {
        struct entrant *e = &result->entrants[result->count++];

        e->contender = c;
        if (prepare(bench, e) < 0)
            return -1;
    }
    return 0;
}

int
bench_run(const struct bench *bench)
{
    struct result result = {.bench = bench};
    int r = enter(bench, &result);

    if (r == 0)
        r = run_rounds(bench, &result);
    peer_close_all();
    if (r == 0)
        report(&result);
    return r;
}
