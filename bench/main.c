/* SPDX-License-Identifier: MIT */
/* mproc-bench [NAME...]: runs the benches whose names begin with one of the
 * NAMEs ("queue", "queue.stream", "queue.stream.64B"), or all. One JSON
 * object per bench on standard output, all else on standard error. */
#include "cores.h"
#include "harness.h"
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

/* "queue" and "queue.stream" name queue.stream.64B, "queue.str" does not. */
static int
is_named(const struct bench *bench, const char *name)
{
    size_t n = strlen(name);

    return strncmp(bench->name, name, n) == 0 &&
           (bench->name[n] == 0 || bench->name[n] == '.');
}

/* How many benches of the subject `name` names; NULL names all. */
static int
count_named(const struct subject *subject, const char *name)
{
    int count = 0;

    for (const struct bench *b = subject->benches; b->name; b++)
        count += !name || is_named(b, name);
    return count;
}

static int
exists(const char *name)
{
    int count = 0;

    for (int i = 0; i < SUBJECTS; i++)
        count += count_named(&subjects[i], name);
    return count > 0;
}

/* Runs what `name` names; gives the number of benches that failed. */
static int
run_named(const struct subject *subject, const char *name)
{
    int failures = 0;

    if (count_named(subject, name) == 0)
        return 0;
    if (subject->prepare)
        subject->prepare();
    for (const struct bench *b = subject->benches; b->name; b++)
        if (!name || is_named(b, name))
            failures += bench_run(b) < 0;
    if (subject->tidy)
        subject->tidy();
    return failures;
}

static int
run_all(const char *name)
{
    int failures = 0;

    for (int i = 0; i < SUBJECTS; i++)
        failures += run_named(&subjects[i], name);
    return failures;
}

static int
list(void)
{
    for (int i = 0; i < SUBJECTS; i++)
        for (const struct bench *b = subjects[i].benches; b->name; b++)
            puts(b->name);
    return 0;
}

int
main(int argc, char **argv)
{
    int failures = 0;

    if (argc > 1 && strncmp(argv[1], "--job", 5) == 0)
        return process_job(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    for (int i = 1; i < argc; i++)
        if (!exists(argv[i]))
            fail("no bench is named %s (--list names all)", argv[i]);
    signal(SIGPIPE, SIG_IGN);
    cores_calibrate();
    for (int i = 1; i < argc; i++)
        failures += run_all(argv[i]);
    if (argc == 1)
        failures += run_all(NULL);
    if (failures > 0)
        fprintf(stderr, "mproc-bench: %d benches FAILED\n", failures);
    return failures > 0;
}
