/* SPDX-License-Identifier: MIT */
/* What was measured, and how it is printed. */
#pragma once

#include "harness.h"

enum { ROUNDS = 7, ENTRANTS = 16 };

/* A contender in one run of a bench. */
struct entrant {
    const struct contender *contender;
    int left_out;
    int rounds;     /* how many it takes part in */
    long ops;       /* of a sample */
    double cost;    /* seconds that a sample takes, with all it needs */
    double seconds; /* that all its trials and samples took */
    double samples[ROUNDS];
};

struct result {
    const struct bench *bench;
    struct effort *effort;
    struct entrant entrants[ENTRANTS];
    int count;
    int repeated;  /* rounds thrown away because a core was missing */
    int disturbed; /* rounds that count although one was */
};

/* The line on standard output, and a table on standard error. */
void report(const struct result *result);
