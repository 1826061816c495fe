/* SPDX-License-Identifier: MIT */
/* sweep [--fast] [--first] [--stride N] [--from N] [--only N] [--unpinned]
 *       [NAME...]
 *
 * Runs the scenarios whose names begin with one of those given, or all; each
 * in a process and a family of its own, so that one which hangs or crashes
 * is a failure of its own. Prints a line for each and the sum at last; exits
 * with 1 if any failed, 77 if none could run. */
#define _GNU_SOURCE
#include "engine.h"
#include "trace.h"

#include "base/macros.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sweep_scenario *const lists[] = {
    sweep_mutex,         sweep_heap,       sweep_object,
    sweep_participant,   sweep_bell,       sweep_queue_put,
    sweep_queue_get,     sweep_queue,      sweep_process,
    sweep_pool,          sweep_lock,       sweep_semaphore,
    sweep_event_poll,    sweep_pipe_poll,  sweep_pipe_send,
    sweep_pipe_receive,  sweep_pipe_end,   sweep_event,
    sweep_condition,     sweep_barrier,    sweep_life,
    sweep_value,         sweep_memory,     sweep_queue_poll,
    sweep_queue_pair,    sweep_heap_pair,  sweep_queue_many,
    sweep_shelf_get,     sweep_shelf_wait, sweep_shelf_order,
    sweep_shelf_reserve, sweep_shelf_pair, sweep_shelf_serve,
    sweep_pool_cancel,   sweep_pool_retry, sweep_pool_leave,
    sweep_pool_map,      sweep_log,        sweep_queue_value,
    sweep_list,          sweep_dict,       sweep_set,
    sweep_guest,
};

#define IN_SCENARIO "SWEEP_SCENARIO" /* set in all its processes */

static struct sweep_options options = {.only = -1};
static struct sweep_result *result;
static int passed, failed, skipped;

static int
is_wanted(const char *name, char **wanted)
{
    if (!*wanted)
        return 1;
    for (; *wanted; wanted++) {
        if (strncmp(name, *wanted, strlen(*wanted)) == 0)
            return 1;
    }
    return 0;
}

/* Runs it in a group of its own, which is killed with whatever is left. */
static int
run_apart(const struct sweep_scenario *scenario)
{
    pid_t pid;
    int status;

    memset(result, 0, sizeof(*result));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        setenv(IN_SCENARIO, scenario->name, 1);
        engine_run(scenario, &options, result);
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    kill(-pid, SIGKILL);
    return status;
}

static void
run_scenario(const struct sweep_scenario *scenario)
{
    int status = run_apart(scenario);
    unsigned failures = mp__load(&result->failures);

    if (WIFSIGNALED(status)) {
        failures++;
        printf("  FAIL %s, at %u: the harness %s (signal %d)\n",
               scenario->name, mp__load(&result->point),
               WTERMSIG(status) == SIGALRM ? "hangs" : "crashed",
               WTERMSIG(status));
    }
    printf("%-34s %6u kill points  %u failures\n", scenario->name,
           mp__load(&result->points), failures);
    fflush(stdout);
    if (failures == 0 && mp__load(&result->finished))
        passed++;
    else
        failed++;
}

static void
for_each_scenario(char **wanted, void (*act)(const struct sweep_scenario *))
{
    const struct sweep_scenario *scenario;
    size_t i;

    for (i = 0; i < MP__LENGTH(lists); i++) {
        for (scenario = lists[i]; scenario->name; scenario++) {
            if (is_wanted(scenario->name, wanted) &&
                !(failed && options.first))
                act(scenario);
        }
    }
}

static void
skip_scenario(const struct sweep_scenario *scenario)
{
    (void)scenario;
    skipped++;
}

static void
print_name(const struct sweep_scenario *scenario)
{
    puts(scenario->name);
}

static int
sum_up(void)
{
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    if (failed)
        return 1;
    return passed ? 0 : 77;
}

static int
usage(void)
{
    fputs("usage: sweep [--fast] [--first] [--list] [--stride N] "
          "[--from N] [--only N] [--unpinned] [NAME...]\n",
          stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    static const struct option known[] = {
        {"fast", no_argument, NULL, 'f'},
        {"first", no_argument, NULL, '1'},
        {"from", required_argument, NULL, 'F'},
        {"list", no_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {"stride", required_argument, NULL, 's'},
        {"unpinned", no_argument, NULL, 'u'},
        {0},
    };
    int c;

    if (getenv(IN_SCENARIO))
        _exit(SWEEP_MAIN_RAN);
    while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        switch (c) {
        case 'f':
            options.fast = 1;
            break;
        case '1':
            options.first = 1;
            break;
        case 'F':
            options.from = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            for_each_scenario(argv + optind, print_name);
            return 0;
        case 'o':
            options.only = atoi(optarg);
            break;
        case 's':
            options.stride = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'u':
            options.unpinned = 1;
            break;
        default:
            return usage();
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED)
        return 1;
    if (trace_refused()) {
        printf("skipped: %s\n", trace_refused());
        for_each_scenario(argv + optind, skip_scenario);
    } else {
        for_each_scenario(argv + optind, run_scenario);
    }
    return sum_up();
}
