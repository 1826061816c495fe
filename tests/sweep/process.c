/* SPDX-License-Identifier: MIT */
/* Processes: who starts one, joins one, gives back its handle is killed.
 *
 * A child runs to a gate in the family's memory, and ends with CODE when the
 * gate opens. A start that is killed leaves a child or none, but a whole one:
 * whoever has its handle can join it and learns its code, and none of its
 * descendants stays behind. The harness adopts orphans, so it sees them. */
#define _GNU_SOURCE
#include "sweep.h"

#include "os/clock.h"
#include "os/futex.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE 7

/* Notes of the victim. */
enum { HANDLE, RETURNED };

static struct gate {
    mp__a32 open;
    mp__a32 runs;    /* how many have come to it */
} * gate, *own_gate; /* of the victim's child, and the harness's */

static int method;
static mp_process *child;
static unsigned alone; /* descendants that the harness has anyhow */

static int
child_runs(void *arg)
{
    struct gate *g = *(struct gate **)arg;

    mp__add(&g->runs, 1);
    mp__futex_wake(&g->runs, INT32_MAX);
    while (!mp__load(&g->open))
        mp__futex_wait(&g->open, 0, MP_FOREVER);
    return CODE;
}

static void
open_gate(void)
{
    mp__store(&gate->open, 1);
    mp__futex_wake(&gate->open, INT32_MAX);
}

/* ---- Descendants. */

static int
is_zombie(int pid)
{
    char path[64], state = 'Z';
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 1;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(file);
    return state == 'Z' || state == 'X';
}

static unsigned
count_descendants(int pid)
{
    char path[64];
    unsigned n = 0;
    FILE *file;
    int next;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fscanf(file, "%d", &next) == 1)
        n += is_zombie(next) ? 0 : 1 + count_descendants(next);
    fclose(file);
    return n;
}

/* Until all have gone that were not there before. */
static void
await_alone(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);
    unsigned n;
    int status;

    while ((n = count_descendants(getpid())) > alone) {
        if (mp__now() > deadline) {
            sweep_check(0, "%u processes stay behind", n - alone);
            return;
        }
        usleep(200);
    }
    while (waitpid(-1, &status, WNOHANG) > 0)
        sweep_check(!WIFEXITED(status) ||
                        WEXITSTATUS(status) != SWEEP_MAIN_RAN,
                    "the main of a spawned child ran");
}

/* ---- Starting. */

static mp_process *
start(struct gate *at)
{
    mp_process *p;
    int r = mp_process_start(&p, child_runs, &at, sizeof(at),
                             MP_PROCESS_ATTR(.method = method));

    return r == 0 ? p : NULL;
}

/* Joins a child that is on its way out, and gives its handle back. Only its
 * parent always learns the code. */
static void
finish(mp_process *p, int is_ours)
{
    int code = -1, r = mp_process_join(p, mp_timeout(SWEEP_BOUND));

    if (!sweep_check(r == 0, "join: %s", mp_strerror(r)))
        return;
    r = mp_process_exitcode(p, &code);
    sweep_check((r == 0 && code == CODE) || (!is_ours && r == -ENODATA),
                "its exit code is %d (%s); process %d is %s", code,
                mp_strerror(r), (int)mp_process_pid(p),
                is_zombie(mp_process_pid(p)) ? "gone" : "still there");
    r = mp_process_close(p);
    sweep_check(r == 0, "close: %s", mp_strerror(r));
}

/* The harness starts one itself: that makes what a method needs. */
static void
start_another(void)
{
    uint32_t runs = mp__load(&own_gate->runs);
    mp_process *p = start(own_gate);

    if (!sweep_check(p != NULL, "no start: %s", mp_last_error()))
        return;
    finish(p, 1);
    sweep_check(mp__load(&own_gate->runs) == runs + 1, "it did not run");
}

static void
make_gate(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    gate = mp_new(struct gate);
    own_gate = mp_new(struct gate);
    if (sweep_check(gate && own_gate, "no memory"))
        mp__store(&own_gate->open, 1);
}

static void
make_method(int wanted)
{
    make_gate();
    method = wanted;
    start_another();
    alone = count_descendants(getpid());
}

static void
make_fork(void)
{
    make_method(MP_FORK);
}

static void
make_spawn(void)
{
    make_method(MP_SPAWN);
}

static void
make_forkserver(void)
{
    make_method(MP_FORKSERVER);
}

static void
enter_library(void)
{
    mp_current_process();
}

static void
victim_starts(void)
{
    mp_process *p = start(gate);

    mp__store(&sweep.note[HANDLE], (uintptr_t)p);
}

static void
check_started(void)
{
    mp_process *p = (mp_process *)(uintptr_t)mp__load(&sweep.note[HANDLE]);

    sweep_check(p || !sweep.completed, "the start failed");
    open_gate();
    if (p)
        finish(p, 0);
    /* The fork server does one request after the other: after this it has
     * done with the victim's too. */
    start_another();
    await_alone();
    sweep_check(mp__load(&gate->runs) <= 1, "the target ran twice");
    sweep_check(mp__load(&gate->runs) == 1 || !p, "the target did not run");
}

static void
free_gate(void)
{
    mp_free(gate);
    mp_free(own_gate);
}

/* ---- Joining and closing what the harness has started. */

static void
make_child(void)
{
    make_gate();
    method = MP_FORK;
    child = start(gate);
    sweep_check(child != NULL, "no start: %s", mp_last_error());
}

static void
make_ended_child(void)
{
    make_child();
    open_gate();
    mp_process_join(child, mp_timeout(SWEEP_BOUND));
}

static void
victim_joins(void)
{
    if (mp_process_join(child, MP_FOREVER) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

static void
check_joined(void)
{
    sweep_check(!mp__load(&sweep.note[RETURNED]) || mp__load(&gate->open),
                "the join came back too early");
    open_gate();
    finish(child, 1);
    start_another();
}

static void
victim_closes(void)
{
    if (mp_process_close(child) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

/* A close that was killed has given the handle back or not. */
static void
check_closed(void)
{
    int r = mp_process_close(child);

    sweep_check(r == 0 || r == -EBADF, "close: %s", mp_strerror(r));
    sweep_check(r == -EBADF || !mp__load(&sweep.note[RETURNED]),
                "closed twice");
    start_another();
}

/* A start that is killed may cost the record, what was to be sent to the
 * child, and the record of the victim itself. */
const struct sweep_scenario sweep_process[] = {
    {"process.start-fork", make_fork, enter_library, victim_starts,
     .check = check_started, .teardown = free_gate, .may_lose = 3,
     .stride = 7},
    {"process.start-spawn", make_spawn, enter_library, victim_starts,
     .check = check_started, .teardown = free_gate, .may_lose = 3,
     .stride = 23},
    {"process.start-forkserver", make_forkserver, enter_library, victim_starts,
     .check = check_started, .teardown = free_gate, .may_lose = 3,
     .stride = 7},
    {"process.join", make_child, enter_library, victim_joins,
     .wake = open_gate, .check = check_joined, .teardown = free_gate,
     .may_lose = 1},
    {"process.close", make_ended_child, enter_library, victim_closes,
     .check = check_closed, .teardown = free_gate, .may_lose = 2},
    {0},
};
