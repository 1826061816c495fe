/* SPDX-License-Identifier: MIT */
/* A halt costs the same after a single step as at a breakpoint, so a point
 * deep in an operation is reached by a breakpoint at the best address before
 * it: one that is passed seldom on the way, with few steps left after it.
 * That makes a sweep of N points cost some N halts instead of N * N / 2.
 *
 * The way may differ a little from one round to the next; a jump then misses,
 * which the engine notices when the victim comes to its end too early. */
#include "path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define PASSES    32     /* of a loop, that are all kill points */
#define VDSO_SIZE 0x2000 /* at least that: it is followed by nothing of ours */

int
path_add(struct path *path, uintptr_t pc)
{
    if (path->length == path->room) {
        uint32_t room = path->room ? path->room * 2 : 1024;
        void *more = realloc(path->step, room * sizeof(*path->step));

        if (!more)
            return -1;
        path->step = more;
        path->room = room;
    }
    path->step[path->length++] = (struct path_step){.pc = pc};
    return 0;
}

/* The kernel's clock goes another way each time, and changes nothing. */
static int
is_clock(uintptr_t pc)
{
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);

    return vdso && pc - vdso < VDSO_SIZE;
}

static int
compare_pc(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

    return x < y ? -1 : x > y;
}

static uint32_t
count_pass(struct path *path, uint32_t id)
{
    if (path->seen[id] != path->round) {
        path->seen[id] = path->round;
        path->count[id] = 0;
    }
    return ++path->count[id];
}

int
path_finish(struct path *path)
{
    uint32_t i, n = path->length;
    uintptr_t *sorted = malloc((n + 1) * sizeof(*sorted));

    path->seen = calloc(n + 1, sizeof(*path->seen));
    path->count = calloc(n + 1, sizeof(*path->count));
    if (!sorted || !path->seen || !path->count) {
        free(sorted);
        return -1;
    }
    for (i = 0; i < n; i++)
        sorted[i] = path->step[i].pc;
    qsort(sorted, n, sizeof(*sorted), compare_pc);
    for (i = 0; i < n; i++) {
        if (path->ids == 0 || sorted[path->ids - 1] != sorted[i])
            sorted[path->ids++] = sorted[i];
    }
    for (i = 0; i < n; i++) {
        uintptr_t *found = bsearch(&path->step[i].pc, sorted, path->ids,
                                   sizeof(*sorted), compare_pc);
        path->step[i].id = (uint32_t)(found - sorted);
    }
    path->round++;
    for (i = 0; i < n; i++)
        path->step[i].pass = count_pass(path, path->step[i].id) - 1;
    free(sorted);
    return 0;
}

uint32_t
path_jump(struct path *path, uint32_t at, uint32_t goal, uint32_t *ret_count)
{
    uint32_t best = at, cost = goal - at, i;

    if (goal > path->length)
        goal = path->length;
    path->round++;
    for (i = at + 1; i < goal + 1 && i < path->length; i++) {
        const struct path_step *step = &path->step[i];
        uint32_t passes;

        /* Whether a breakpoint at the present address halts at once is open
         * to doubt. */
        if (step->pc == path->step[at].pc || is_clock(step->pc))
            continue;
        passes = count_pass(path, step->id);
        if (passes + goal - i < cost) {
            cost = passes + goal - i;
            best = i;
            *ret_count = passes;
        }
    }
    return best;
}

int
path_is_worth(const struct path *path, uint32_t step)
{
    if (step >= path->length)
        return 1;
    return !is_clock(path->step[step].pc) &&
           (path->step[step].pass < PASSES ||
            path->step[step].pass % PASSES == 0);
}

void
path_clear(struct path *path)
{
    free(path->step);
    free(path->seen);
    free(path->count);
    *path = (struct path){0};
}
