/* SPDX-License-Identifier: MIT */
/* What a bench is, and how one is run: see harness.c and README.md. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LEFT_OUT (-1.0) /* what cannot be measured here */

/* What one sample has to do. */
struct load {
    size_t size;   /* bytes of a message, a block, the parent's memory */
    int producers; /* or workers, or whoever contends */
    int consumers;
    int pinned; /* each process on a processor of its own */
    long ops;   /* how often */
};

/* Does load->ops operations; gives the nanoseconds of one, or LEFT_OUT. Runs
 * in a process of its own, which it need not tidy up. */
typedef double measure_fn(const struct load *load);

/* BESIDE is shown among the peers, but is no rival: it cannot do the job, or
 * is ours. */
enum role { OURS, LIMIT, PEER, BESIDE };

struct contender {
    const char *name;
    enum role role;
    measure_fn *measure; /* NULL: the peer program is asked */
    const char *program; /* name of the peer program */
    const char *is;      /* of a limit: what it is, for "limit_is" */
    const char *ask;     /* asked instead of what the bench asks for */
};

struct bench {
    const char *name;
    const char *ask;  /* what a peer program is asked for */
    struct load load; /* .ops: the smallest number, others are multiples */
    const struct contender *contenders; /* ends with a name NULL */
    long most_ops;                      /* of a sample; 0: any number */
};

/* The benches of each subject; end with a name NULL. */
extern const struct bench process_benches[], lock_benches[],
    sync_lock_benches[], sync_event_benches[], sync_condition_benches[],
    sync_barrier_benches[], queue_benches[], queue_batch_benches[],
    queue_zerocopy_benches[], queue_task_benches[], queue_idle_benches[],
    pool_benches[], pool_map_benches[], pool_imap_benches[], alloc_benches[],
    value_benches[], pipe_benches[], tcp_benches[], manager_benches[],
    command_benches[], command_file_benches[];

/* Makes what the benches of commands work on, and removes it. */
void commands_prepare(void);
void commands_tidy(void);

/* How thorough a run is. */
struct effort {
    int rounds;
    double sample_ns; /* how long a sample is to last */
    double patience;  /* seconds left for rounds that are repeated */
    double seconds;   /* left in all, for so many benches */
    int benches;
};

/* Runs one bench and prints its line. 0, or -1 if it could not be trusted. */
int bench_run(const struct bench *bench, struct effort *effort);

/* Hidden jobs of this program, done by a fresh copy of it: process.c. */
int process_job(int argc, char **argv);
