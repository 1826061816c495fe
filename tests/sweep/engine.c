/* SPDX-License-Identifier: MIT */
/* The engine of the kill sweep. First the victim is single-stepped through
 * its operation, with nobody killed until it is at its end: that records its
 * path. Then each kill point is run in a world set up afresh, and the heap
 * is compared with what it was.
 *
 * A kill point is a number of instructions, or the sleep in the instruction
 * that follows them. The path's end is one as well: there the victim has
 * done all and dies idle. */
#define _GNU_SOURCE
#include "engine.h"
#include "audit.h"
#include "pair.h"
#include "path.h"
#include "symbols.h"
#include "trace.h"

#include "os/clock.h"
#include "region/layout.h"
#include "region/participant.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define HARNESS_BOUND 60    /* seconds for one kill point, all in all */
#define FAILURES_MAX  3     /* then the scenario is given up */
#define DRIFT_MAX     20000 /* steps that a missed jump is repeated with */
#define FAST_LAST     200   /* points at the end of the path that fast takes */
#define FAST_SAMPLE   60    /* points that it takes of the rest */
#define PAIRS         1000  /* of points, if two are killed */

struct sweep_round sweep;
double sweep_fast_seconds = 1.0;

static struct sweep_options options;
static struct sweep_result *result;
static struct path path;
static struct trace trace;
static uint32_t position; /* instructions done by the victim */
static int beside_done, warming_up, recording, jumping;
static uint32_t pair;        /* which one, if two are killed */
static uint64_t lost_before; /* blocks that are live without a round */

int
sweep_check(int ok, const char *format, ...)
{
    char name[128], text[256];
    va_list list;

    if (ok)
        return 1;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    snprintf(name, sizeof(name), "its end");
    if (!recording && sweep.point < path.length)
        symbols_name(path.step[sweep.point].pc, name, sizeof(name));
    printf("  FAIL %s, %skilled at %u of %u (%s): %s\n", sweep.scenario->name,
           sweep.asleep ? "asleep, " : "", position, path.length, name, text);
    if (sweep.scenario->before)
        printf("       the earlier victim was killed at %u\n", sweep.earlier);
    if (sweep.scenario->other) {
        pair_tell(text, sizeof(text));
        printf("       pair %u: %s\n", pair, text);
    }
    mp__add(&result->failures, 1);
    if (options.first) {
        fflush(stdout);
        _exit(0);
    }
    return 0;
}

static void
come_beside(void)
{
    if (beside_done || !sweep.scenario->beside)
        return;
    beside_done = 1;
    sweep.scenario->beside();
}

/* The victim sleeps: wakes it, and waits until its step has ended. */
static enum trace_event
wake_victim(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    enum trace_event event;

    if (sweep.scenario->wake && sweep.sleeps <= sweep.scenario->sleeps) {
        if (recording)
            path.step[path.length - 1].asleep = 1;
        sweep.scenario->wake();
        sweep.sleeps++;
    }
    do
        event = trace_wait(&trace);
    while (event == TRACE_ASLEEP && mp__now() < deadline);
    return event;
}

/* Where the victim is to halt on the way: when `beside` is due, and around a
 * sleep, so that it stands still while it is being woken. */
static uint32_t
next_halt(uint32_t goal)
{
    if (!beside_done && path.due > position && path.due < goal)
        goal = path.due;
    if (sweep.scenario->wake && !recording)
        for (uint32_t i = position; i < goal && i < path.length; i++)
            if (path.step[i].asleep)
                return i == position ? i + 1 : i;
    return goal;
}

/* Brings the victim one step, or one jump, nearer to `goal`. */
static enum trace_event
approach(uint32_t goal)
{
    uint32_t count = 0, to = position;
    enum trace_event event;

    goal = next_halt(goal);
    if (jumping && trace.breakpoints)
        to = path_jump(&path, position, goal, &count);
    if (to > position) {
        event = trace_jump(&trace, path.step[to].pc, count);
    } else {
        to = position + 1;
        event = trace_step_whole(&trace);
    }
    if (event == TRACE_ASLEEP)
        event = sweep.scenario->adopt ? TRACE_AT_END : wake_victim();
    position = to;
    if (event == TRACE_HALTED && !beside_done && sweep.scenario->due &&
        position >= path.due && sweep.scenario->due()) {
        if (recording)
            path.due = position;
        come_beside();
    }
    return event;
}

static int
record_step(void)
{
    return !recording || path_add(&path, trace_pc(&trace)) == 0;
}

/* Runs the victim to `goal`, or to its end. */
static enum trace_event
advance(uint32_t goal)
{
    enum trace_event event = TRACE_HALTED;

    while (position < goal && event == TRACE_HALTED) {
        if (!record_step())
            return TRACE_STUCK;
        event = approach(goal);
    }
    return event;
}

static void
check_event(enum trace_event event)
{
    sweep.completed = event == TRACE_AT_END;
    if (event == TRACE_GONE)
        sweep_check(0, "the victim ended by itself, signal %d", trace.signal);
    if (event == TRACE_STUCK || event == TRACE_ASLEEP)
        sweep_check(0, "the victim hangs");
}

static void
check_heap(void)
{
    uint64_t live;
    const char *broken;

    mp__reap();
    broken = audit_heap(&live);
    if (!sweep_check(!broken, "the heap is broken: %s", broken))
        return;
    if (!warming_up) {
        sweep_check(live <= lost_before + sweep.scenario->may_lose,
                    "%u blocks are lost", (unsigned)(live - lost_before));
        sweep_check(live >= lost_before, "%u blocks too many were freed",
                    (unsigned)(lost_before - live));
    }
    lost_before = live;
}

/* The library asks the system now and then how much memory there is, for
 * which it reads files: a hundred thousand steps that change nothing. */
static void
ask_for_no_memory(void)
{
    mp__store(&mp__region()->budget, (uint64_t)1 << 30);
    mp__store(&mp__region()->budget_until, MP_FOREVER);
}

static void
set_up(void)
{
    alarm(HARNESS_BOUND);
    ask_for_no_memory();
    mp__store(&result->point, sweep.point);
    position = 0;
    beside_done = 0;
    sweep.sleeps = 0;
    sweep.completed = sweep.other_completed = sweep.killed = 0;
    if (sweep.scenario->setup)
        sweep.scenario->setup();
    if (sweep.scenario->other)
        pair_begin();
}

static void
tear_down(void)
{
    come_beside();
    sweep.scenario->check();
    sweep_actors_clear();
    if (sweep.scenario->teardown)
        sweep.scenario->teardown();
    check_heap();
    alarm(0);
}

/* Runs the earlier victim for `steps`, or to its end: how many there were. */
static uint32_t
kill_earlier_victim(uint32_t steps)
{
    struct trace earlier;
    enum trace_event event =
        trace_start(&earlier, sweep.scenario->prepare, sweep.scenario->before);
    uint32_t n = 0;

    while (event == TRACE_HALTED && n < steps) {
        event = trace_step_whole(&earlier);
        n++;
    }
    sweep_check(event == TRACE_HALTED || event == TRACE_AT_END,
                "the earlier victim hangs, or ended by itself");
    trace_kill(&earlier);
    return n;
}

/* The points go round the earlier victim's path in no simple relation to those
 * of the later one. */
static void
have_earlier_victim(void)
{
    static uint32_t length, turn;
    uint32_t at;

    if (length == 0)
        length = kill_earlier_victim(PATH_NEVER);
    else {
        at = (uint32_t)(turn++ * 0.618034 * length) % (length + 1);
        kill_earlier_victim(at);
        sweep.earlier = at;
    }
    if (sweep.scenario->between)
        sweep.scenario->between();
}

static enum trace_event
start_victim(void)
{
    const struct sweep_scenario *s = sweep.scenario;
    enum trace_event event = s->adopt
                                 ? trace_adopt(&trace)
                                 : trace_start(&trace, s->prepare, s->victim);

    sweep.victim = trace.pid;
    sweep_check(event == TRACE_HALTED, "the victim does not start");
    return event;
}

/* Halts the victim in the sleep that follows its position. */
static void
fall_asleep(void)
{
    enum trace_event event = trace_step(&trace);

    sweep_check(event == TRACE_ASLEEP, "the victim should sleep here");
}

static enum trace_event
run_to_end(void)
{
    enum trace_event event = trace_finish(&trace);

    if (event == TRACE_ASLEEP && sweep.scenario->adopt)
        return TRACE_AT_END;
    return event == TRACE_ASLEEP ? wake_victim() : event;
}

/* What is not recorded, and has nothing to be looked for on the way, need not
 * be stepped. */
static int
may_run(void)
{
    const struct sweep_scenario *s = sweep.scenario;

    return warming_up && !s->due && !s->wake && !s->adopt && trace.breakpoints;
}

/* One kill point. Returns 0 if the victim was at its end before it. */
static int
run_point(uint32_t point, int asleep, int with_jumps)
{
    enum trace_event event;
    int early;

    sweep.point = point;
    sweep.asleep = asleep;
    jumping = with_jumps;
    set_up();
    if (sweep.scenario->before)
        have_earlier_victim();
    event = start_victim();
    if (event == TRACE_HALTED)
        event = may_run() ? run_to_end() : advance(point);
    early = event == TRACE_AT_END && point < path.length;
    if (recording)
        sweep.point = path.length;
    if (asleep && event == TRACE_HALTED)
        fall_asleep();
    else if (sweep.scenario->meet && event == TRACE_HALTED) {
        come_beside();
        event = run_to_end();
    }
    check_event(event);
    if (sweep.scenario->look)
        sweep.scenario->look();
    if (sweep.scenario->other)
        pair_end(&trace);
    trace_kill(&trace);
    sweep.killed = 1;
    tear_down();
    return !early;
}

static void
run_point_well(uint32_t point, int asleep)
{
    mp__add(&result->points, 1);
    if (!run_point(point, asleep, 1) && point < DRIFT_MAX)
        run_point(point, asleep, 0);
}

/* A point, and the sleep after it if there is one. */
static void
run_points_at(uint32_t point)
{
    run_point_well(point, 0);
    if (point < path.length && path.step[point].asleep)
        run_point_well(point, 1);
    if (isatty(2) && mp__load(&result->points) % 16 == 0)
        fprintf(stderr, "\r%s  %u of %u \r", sweep.scenario->name, point,
                path.length);
}

static void
run_point_if_worth(uint32_t point)
{
    if (path_is_worth(&path, point))
        run_points_at(point);
}

static int
given_up(void)
{
    return mp__load(&result->failures) >= FAILURES_MAX;
}

/* The victim does it all: the path is known then. A round before that makes
 * what is made at the first use, and stays. */
static int
record(void)
{
    warming_up = 1;
    sweep.recording = 1;
    run_point(PATH_NEVER, 0, 0);
    warming_up = 0;
    recording = 1;
    path.due = 0;
    run_point(PATH_NEVER, 0, 0);
    recording = sweep.recording = 0;
    if (path.due == 0)
        path.due = PATH_NEVER;
    if (path_finish(&path) < 0)
        return sweep_check(0, "no memory for the path");
    return !mp__load(&result->failures);
}

static void
run_all(uint32_t stride)
{
    uint32_t point;

    for (point = options.from; point < path.length && !given_up();
         point += stride)
        run_point_if_worth(point);
    if (!given_up())
        run_points_at(path.length);
}

/* The end of the path, where commits and wake-ups are, then a sample of the
 * rest that is spread evenly however early it is cut short. */
static void
run_sample(uint32_t stride)
{
    mp_time deadline = mp_timeout(sweep_fast_seconds);
    uint32_t rest = path.length / stride, last = FAST_LAST, i;
    uint64_t golden;

    last = last < rest ? last : rest;
    rest -= last;
    for (i = 0; i <= last && !given_up() && mp__now() < deadline; i++)
        run_point_if_worth(path.length - i * stride);
    golden = (uint64_t)(rest * 0.618034) | 1;
    for (i = 0;
         i < rest && i < FAST_SAMPLE && !given_up() && mp__now() < deadline;
         i++)
        run_point_if_worth((uint32_t)(i * golden % rest) * stride);
}

static void
run_pair(uint32_t n)
{
    int asleep;
    uint32_t point = pair_choose(n, &path, &asleep);

    pair = n;
    mp__add(&result->points, 1);
    run_point(point, asleep, 1);
    if (isatty(2) && n % 16 == 0)
        fprintf(stderr, "\r%s  pair %u \r", sweep.scenario->name, n);
}

static void
run_pairs(uint32_t stride)
{
    uint32_t n = sweep.scenario->pairs ? sweep.scenario->pairs : PAIRS, i;
    mp_time deadline =
        options.fast ? mp_timeout(sweep_fast_seconds / 2) : MP_FOREVER;

    for (i = options.from; i < n && !given_up() && mp__now() < deadline;
         i += stride)
        run_pair(i);
}

/* One processor for all makes rounds alike, and leaves the others alone. */
static void
pin(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? 0 : cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static int
prepare_harness(void)
{
    sigset_t child;

    /* Else its signal would not wait for sigtimedwait(). */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!options.unpinned)
        pin();
    if (sweep_actors_init() < 0)
        return sweep_check(0, "no memory for the actors");
    if (!sweep_check(mp__enter() == 0, "%s", mp_last_error()))
        return 0;
    /* Sleeps are sliced as a precaution, and a slice's end would hide that
     * a wake-up was lost. The protocol does without where the kernel does
     * all that is asked of it. */
    if (mp__view.tier == MP__TIER_FULL)
        mp__view.slice = MP_FOREVER / 4;
    return 1;
}

void
engine_run(const struct sweep_scenario *scenario,
           const struct sweep_options *wanted, struct sweep_result *ret)
{
    uint32_t stride = wanted->stride ? wanted->stride : scenario->stride;

    options = *wanted;
    result = ret;
    sweep.scenario = scenario;
    if (!prepare_harness())
        return;
    if (scenario->family)
        scenario->family();
    sweep_check(!audit_heap(&lost_before), "the heap is broken at first");
    if (!record())
        return;
    if (scenario->other && options.only >= 0)
        run_pair((uint32_t)options.only);
    else if (scenario->other)
        run_pairs(stride ? stride : 1);
    else if (options.only >= 0)
        run_points_at((uint32_t)options.only);
    else if (options.fast)
        run_sample(stride ? stride : 1);
    else
        run_all(stride ? stride : 1);
    path_clear(&path);
    mp__store(&result->finished, 1);
}
