/* SPDX-License-Identifier: MIT */
/* Runs one scenario, kill point by kill point. */
#pragma once

#include "sweep.h"

struct sweep_options {
    unsigned from;   /* the first kill point */
    unsigned stride; /* between kill points; 0: the scenario's own */
    int only;        /* this point alone; -1: all */
    int fast;        /* a sample, and all of the last ones */
    int unpinned;    /* use all processors */
    int first;       /* end at the first failure */
};

/* What a scenario's process tells the program. */
struct sweep_result {
    mp__a32 points;
    mp__a32 failures;
    mp__a32 point; /* the one being run */
    mp__a32 finished;
};

void engine_run(const struct sweep_scenario *scenario,
                const struct sweep_options *options,
                struct sweep_result *result);
