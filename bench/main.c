/* SPDX-License-Identifier: MIT */
/* mproc-bench [--quick] [NAME...]: runs the benches whose names begin with one
 * of the NAMEs ("queue", "queue.stream", "queue.stream.64B"), or all. One JSON
 * object per bench on standard output, all else on standard error. --quick: a
 * single short round, which shows that each contender works, not how well. */
#include "cores.h"
#include "harness.h"
#include "report.h"
#include "tools.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct subject {
    const struct bench *benches;
    void (*prepare)(void); /* before and after its benches; or NULL */
    void (*tidy)(void);
} subjects[] = {
    {process_benches, NULL, NULL},
    {lock_benches, NULL, NULL},
    {sync_lock_benches, NULL, NULL},
    {sync_event_benches, NULL, NULL},
    {sync_condition_benches, NULL, NULL},
    {sync_barrier_benches, NULL, NULL},
    {queue_benches, NULL, NULL},
    {queue_batch_benches, NULL, NULL},
    {queue_zerocopy_benches, NULL, NULL},
    {queue_task_benches, NULL, NULL},
    {queue_idle_benches, NULL, NULL},
    {pool_benches, NULL, NULL},
    {pool_map_benches, NULL, NULL},
    {pool_imap_benches, NULL, NULL},
    {alloc_benches, NULL, NULL},
    {value_benches, NULL, NULL},
    {pipe_benches, NULL, NULL},
    {tcp_benches, NULL, NULL},
    {manager_benches, NULL, NULL},
    {command_benches, NULL, NULL},
    {command_file_benches, commands_prepare, commands_tidy},
};

enum { SUBJECTS = sizeof(subjects) / sizeof(subjects[0]) };

/* .seconds are those of one bench: all are to take less than half an hour. */
static const struct effort thorough = {
    .rounds = ROUNDS, .sample_ns = 50e6, .patience = 120, .seconds = 7.5};
static const struct effort quick = {.rounds = 1, .sample_ns = 5e6};

/* What is to be done, and what has been. */
struct run {
    char **names; /* ends with NULL; if that is all, all benches are named */
    struct effort effort;
    int total, done, failures;
    int64_t start;
};

/* "queue" and "queue.stream" name queue.stream.64B, "queue.str" does not. */
static int
is_named(const struct bench *bench, const char *name)
{
    size_t n = strlen(name);

    return strncmp(bench->name, name, n) == 0 &&
           (bench->name[n] == 0 || bench->name[n] == '.');
}

static int
is_wanted(const struct bench *bench, char **names)
{
    for (char **name = names; *name; name++)
        if (is_named(bench, *name))
            return 1;
    return !*names;
}

static int
count_wanted(const struct subject *subject, char **names)
{
    int count = 0;

    for (const struct bench *b = subject->benches; b->name; b++)
        count += is_wanted(b, names);
    return count;
}

static int
count_all_wanted(char **names)
{
    int count = 0;

    for (int i = 0; i < SUBJECTS; i++)
        count += count_wanted(&subjects[i], names);
    return count;
}

/* What comes next, and how far this is. */
static void
announce(const struct run *run, const struct bench *bench)
{
    int gone = (int)((now_ns() - run->start) / 1000000000);
    int left = run->done ? gone * (run->total - run->done) / run->done : 0;

    fprintf(stderr, "[%d/%d", run->done + 1, run->total);
    if (run->done)
        fprintf(stderr, ", %d:%02d gone, about %d:%02d left", gone / 60,
                gone % 60, left / 60, left % 60);
    fprintf(stderr, "] %s\n", bench->name);
}

static void
run_subject(struct run *run, const struct subject *subject)
{
    if (count_wanted(subject, run->names) == 0)
        return;
    if (subject->prepare)
        subject->prepare();
    for (const struct bench *b = subject->benches; b->name; b++) {
        if (!is_wanted(b, run->names))
            continue;
        announce(run, b);
        run->failures += bench_run(b, &run->effort) < 0;
        run->done++;
    }
    if (subject->tidy)
        subject->tidy();
}

static int
list(void)
{
    for (int i = 0; i < SUBJECTS; i++)
        for (const struct bench *b = subjects[i].benches; b->name; b++)
            puts(b->name);
    return 0;
}

static void
run_all(struct run *run)
{
    cores_calibrate();
    run->start = now_ns();
    run->total = count_all_wanted(run->names);
    run->effort.benches = run->total;
    run->effort.seconds *= run->total;
    for (int i = 0; i < SUBJECTS; i++)
        run_subject(run, &subjects[i]);
    if (run->failures > 0)
        fprintf(stderr, "mproc-bench: %d benches FAILED\n", run->failures);
}

int
main(int argc, char **argv)
{
    struct run run = {.names = argv + 1, .effort = thorough};

    if (argc > 1 && strncmp(argv[1], "--job", 5) == 0)
        return process_job(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        run.effort = quick;
        run.names++;
    }
    for (char **name = run.names; *name; name++)
        if (count_all_wanted((char *[]){*name, NULL}) == 0)
            fail("no bench is named %s (--list names all)", *name);
    signal(SIGPIPE, SIG_IGN);
    run_all(&run);
    return run.failures > 0;
}
