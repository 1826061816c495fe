/* SPDX-License-Identifier: MIT */
/* The way that a victim takes through its operation, one entry for each
 * instruction, and how to come to a point of it quickly. The rounds of a
 * string instruction are one step. */
#pragma once

#include <stdint.h>

#define PATH_NEVER UINT32_MAX

struct path_step {
    uintptr_t pc;
    uint32_t id;     /* a number for the pc */
    uint32_t pass;   /* how often it was here before */
    uint32_t asleep; /* the victim slept in this instruction */
};

struct path {
    struct path_step *step;
    uint32_t length;
    uint32_t room;
    uint32_t due; /* the step before which `beside` was due */
    uint32_t ids;
    uint32_t *seen; /* for path_jump(), by id: the round and the count */
    uint32_t *count;
    uint32_t round;
};

/* Appends a step. 0, or -1: no memory. */
int path_add(struct path *path, uintptr_t pc);

/* After the last step was added. 0, or -1: no memory. */
int path_finish(struct path *path);

/* From step `at`, the jump that leaves the fewest halts on the way to step
 * `goal`: the step it leads to, with the number of times that its pc is come
 * to on the way. `at` itself: single steps are as good. */
uint32_t path_jump(struct path *path, uint32_t at, uint32_t goal,
                   uint32_t *ret_count);

/* Whether a kill at the step can show what others have not shown: of a long
 * loop's passes all but the first are worth a sample only. */
int path_is_worth(const struct path *path, uint32_t step);

void path_clear(struct path *path);
