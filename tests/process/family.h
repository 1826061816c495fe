/* SPDX-License-Identifier: MIT */
/* What the tests of processes share. */
#pragma once

#include "support/support.h"

#include <mproc.h>

/* The start methods, for loop tests. */
static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
#define METHODS 3

/* A call that must succeed: its text otherwise. */
#define must(call)                                                 \
    do {                                                           \
        int must__r = (call);                                      \
        ck_assert_msg(must__r >= 0, "%s: %d (%s)", #call, must__r, \
                      mp_last_error());                            \
    } while (0)

/* A call that must fail with `code`, and explain itself with a text that has
 * `word` in it. */
#define must_fail(call, code, word)                              \
    do {                                                         \
        ck_assert_int_eq((call), (code));                        \
        ck_assert_msg(strstr(mp_last_error(), (word)) != NULL,   \
                      "%s says \"%s\"", #call, mp_last_error()); \
    } while (0)

/* A case in which the library has opened what it keeps for good, and the fork
 * server runs. */
TCase *family_case(Suite *suite, const char *name, double seconds);

/* Joins, closes, and returns the exit code. */
int end_of(mp_process *process);

/* Starts, joins, closes. */
int run(mp_target target, const void *arg, size_t size,
        const mp_process_attr *attr);

/* Runs a program of the build directory (its path is argv[0]) to its end, and
 * returns its exit code as in Python; `output` gets what it wrote to standard
 * output. */
int run_program(char *const argv[], char *output, size_t size);

/* Another call that keeps the calling process busy until somebody kills it. */
int sleep_for_ever(void *unused);

/* Waits (at most ten seconds, scaled) until `*flag` is `value`; for children:
 * says whether it came. */
int await_value(volatile int *flag, int value);
