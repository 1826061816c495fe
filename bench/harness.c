/* SPDX-License-Identifier: MIT */
/* How a bench is run.
 *
 * Each contender is tried with growing numbers of operations until a sample
 * lasts long enough to be measured. Then come rounds: in each, every
 * contender gives one sample, one after the other, so that whatever changes
 * on the machine changes for all. Before and after every sample both cores
 * are probed; a round in which one was missing is thrown away and repeated,
 * as long as there is patience left, for this bench and for the whole run.
 * Where time is short, slow peers take part in the first rounds only. What is
 * reported are medians.
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

#define TRIAL_NS 5e6 /* how long the last trial lasts at the least */
#define FEW      3   /* rounds of peers for which there is no time */
#define SLOWEST  1.5 /* seconds: peers with longer samples give only one */
#define PATIENCE 6.0 /* seconds that one bench may lose to disturbances */

static double
seconds_since(int64_t start)
{
    return (double)(now_ns() - start) / 1e9;
}

static double
measure(const struct bench *bench, struct entrant *e)
{
    const struct contender *c = e->contender;
    struct load load = bench->load;
    int64_t start = now_ns();
    double ns;

    load.ops = e->ops;
    if (c->measure)
        ns = sample_take(c->measure, &load);
    else
        ns = peer_ask(c->program, c->ask ? c->ask : bench->ask, &load);
    e->seconds += seconds_since(start);
    return ns;
}

static long
at_most(const struct bench *bench, long ops)
{
    return bench->most_ops && ops > bench->most_ops ? bench->most_ops : ops;
}

/* Sets how many operations the next sample has, after one with `ns` each:
 * a disturbed trial must not make all samples too short. */
static void
set_ops(const struct result *result, struct entrant *e, double ns)
{
    long unit = result->bench->load.ops;
    double units = ceil(result->effort->sample_ns / (ns * (double)unit));

    e->ops = at_most(result->bench, units < 1 ? unit : (long)units * unit);
}

/* The same for the next trial. Short ones are slow ones: so it does not go
 * too far. */
static void
grow(const struct bench *bench, struct entrant *e, double ns)
{
    double times = ceil(TRIAL_NS / (ns * (double)e->ops));

    e->ops = at_most(bench, e->ops * (long)fmin(fmax(times, 2), 64));
}

static int
is_long_enough(const struct bench *bench, const struct entrant *e, double ns)
{
    return ns * (double)e->ops >= TRIAL_NS ||
           (bench->most_ops && e->ops * 4 > bench->most_ops);
}

static int
is_needed(const struct entrant *e)
{
    return e->contender->role == OURS || e->contender->role == LIMIT;
}

/* Says that a contender failed. 0 if the bench can do without it, else -1. */
static int
give_up(const struct bench *bench, struct entrant *e)
{
    fprintf(stderr, "%s: %s FAILED\n", bench->name, e->contender->name);
    e->left_out = 1;
    return is_needed(e) ? -1 : 0;
}

/* Tries a contender until it is known how quick it is. 0, or -1. */
static int
prepare(const struct result *result, struct entrant *e)
{
    const struct bench *bench = result->bench;
    double ns, before = 0;
    long ops;

    e->ops = bench->load.ops;
    while ((ns = measure(bench, e)) >= 0 && !is_long_enough(bench, e, ns)) {
        before = e->seconds;
        grow(bench, e, ns);
    }
    if (isnan(ns))
        return give_up(bench, e);
    ops = e->ops;
    e->left_out = ns < 0;
    if (e->left_out && e->contender->role == OURS) {
        fprintf(stderr, "%s: what it measures is not built\n", bench->name);
        return -1;
    }
    set_ops(result, e, ns);
    e->cost =
        e->seconds - before +
        fmax(0, result->effort->sample_ns / 1e9 - ns * (double)ops / 1e9);
    return 0;
}

/* The peer whose rounds take longest of those that take part in many. */
static struct entrant *
costliest(struct result *result)
{
    struct entrant *worst = NULL;

    for (int i = 0; i < result->count; i++) {
        struct entrant *e = &result->entrants[i];

        if (!e->left_out && !is_needed(e) && e->rounds > FEW &&
            (!worst || e->cost > worst->cost))
            worst = e;
    }
    return worst;
}

/* Decides who takes part in how many rounds: in all, unless the bench, of
 * which so much is `spent`, would then take more than twice its share of the
 * time that is left. */
static void
plan(struct result *result, double spent)
{
    const struct effort *effort = result->effort;
    double left = 2 * effort->seconds / effort->benches - spent;
    struct entrant *worst;

    for (int i = 0; i < result->count; i++) {
        struct entrant *e = &result->entrants[i];

        if (e->left_out)
            continue;
        e->rounds = is_needed(e) || e->cost < SLOWEST ? effort->rounds : 1;
        left -= e->rounds * e->cost;
    }
    while (left < 0 && (worst = costliest(result))) {
        left += (worst->rounds - FEW) * worst->cost;
        worst->rounds = FEW;
    }
}

/* One sample of each. 1: a core was missing; 0: none was; -1: failed. Goes no
 * further than to the first disturbance, unless the round counts anyway. */
static int
run_round(struct result *result, int round, int counts)
{
    int disturbed = 0;

    for (int i = 0; i < result->count && (counts || !disturbed); i++) {
        struct entrant *e = &result->entrants[i];
        double ns;

        if (e->left_out || round >= e->rounds)
            continue;
        ns = measure(result->bench, e);
        if (!(ns > 0)) {
            if (give_up(result->bench, e) < 0)
                return -1;
            continue;
        }
        e->samples[round] = ns;
        set_ops(result, e, ns);
        disturbed |= !cores_quiet();
    }
    return disturbed;
}

static int
run_rounds(struct result *result)
{
    double *all = &result->effort->patience;
    double patience = fmin(PATIENCE, *all);

    for (int round = 0; round < result->effort->rounds;) {
        int hurry = patience <= 0;
        int64_t start = now_ns();
        double lost;
        int r;

        if (!hurry)
            cores_wait_quiet(PATIENCE / ROUNDS);
        lost = seconds_since(start);
        r = run_round(result, round, hurry);
        if (r < 0)
            return -1;
        if (r && !hurry)
            lost = seconds_since(start);
        patience -= lost;
        *all -= lost;
        result->repeated += r && !hurry;
        result->disturbed += r && hurry;
        round += !r || hurry;
    }
    return 0;
}

static int
enter(struct result *result)
{
    const struct contender *c = result->bench->contenders;

    for (; c->name; c++) {
        struct entrant *e = &result->entrants[result->count++];

        e->contender = c;
        if (prepare(result, e) < 0)
            return -1;
    }
    return 0;
}

int
bench_run(const struct bench *bench, struct effort *effort)
{
    struct result result = {.bench = bench, .effort = effort};
    int64_t start = now_ns();
    int r = enter(&result);

    if (r == 0) {
        plan(&result, seconds_since(start));
        r = run_rounds(&result);
    }
    peer_close_all();
    effort->seconds -= seconds_since(start);
    effort->benches--;
    if (r == 0)
        report(&result);
    return r;
}
