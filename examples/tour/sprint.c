/* SPDX-License-Identifier: MIT */
/* Five runners start together: a barrier holds them until the last has come,
 * who fires the shot. Then one of two is killed at the line, and the other
 * does not wait in vain: the barrier is broken. */
#include "tour.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { RUNNERS = 5 };

struct track {
    mp_barrier *line;
    atomic_int ready;
    atomic_int shots;
};

static int
fire(void *arg)
{
    struct track *track = arg;

    CLAIM(track->ready == RUNNERS);
    say("all are here: bang!");
    track->shots++;
    return 0;
}

static int
run(void *arg)
{
    struct track *track = *(struct track **)arg;

    srand((unsigned)getpid());
    work_for(rand() % 10 * 0.01);
    say("I am ready");
    track->ready++;
    MUST(mp_barrier_wait_with(track->line, fire, track, MP_FOREVER));
    CLAIM(track->shots == 1);
    say("I run");
    return 0;
}

static void
start_together(struct track *track)
{
    mp_process *runners[RUNNERS];

    MUST(mp_barrier_create(&track->line, RUNNERS, NULL));
    start_crowd(runners, RUNNERS, "runner", run, &track, sizeof(track));
    CLAIM(join_crowd(runners, RUNNERS) == RUNNERS);
    MUST(mp_barrier_destroy(track->line));
}

static int
wait_at_the_line(void *arg)
{
    mp_barrier *line = *(mp_barrier **)arg;

    return (int)MUST(mp_barrier_wait(line, MP_FOREVER));
}

static void
kill_a_runner(void)
{
    mp_process *runner;
    mp_barrier *line;
    int r;

    MUST(mp_barrier_create(&line, 2, NULL));
    MUST(mp_process_start(&runner, wait_at_the_line, &line, sizeof(line),
                          MP_PROCESS_ATTR(.name = "unlucky")));
    while (MUST(mp_barrier_n_waiting(line)) == 0)
        work_for(0.01);
    say("unlucky waits at the line, and is killed");
    MUST(mp_process_kill(runner));
    join_crowd(&runner, 1);
    r = mp_barrier_wait(line, MP_FOREVER);
    say("I come to the line, and am told: %s", mp_last_error());
    CLAIM(r == -ECANCELED && mp_barrier_broken(line) == 1);
    MUST(mp_barrier_destroy(line));
}

void
scene_sprint(void)
{
    struct track *track = mp_new(struct track);

    must(track ? 0 : -ENOMEM, "mp_new(struct track)");
    start_together(track);
    kill_a_runner();
    MUST(mp_free(track));
}
