/* SPDX-License-Identifier: MIT */
/* What mp_describe() writes, and those who appear in it: for its tests. */
#pragma once

#include <mproc.h>

/* The text about an object, with what differs from run to run replaced: each
 * address by @, each time by #. Valid until the next call. */
const char *report_of(const void *object);

/* The same of a text that somebody else has got. */
const char *report_in(const char *written);

/* It is what printf() makes of the rest; at once, or after a while. */
void expect_report(const void *object, const char *format, ...)
    MP__PRINTF(2, 3);
void await_report(const void *object, const char *format, ...)
    MP__PRINTF(2, 3);

/* The time that the text tells behind the words, in seconds; -1: none. */
double report_time(const void *object, const char *words);

/* What is told behind the words is the time of a wait that had not begun
 * `before`, and had when `seen`. */
void expect_time(const void *object, const char *words, mp_time before,
                 mp_time seen);

/* Lets more time pass than the slices last that a wait is made of; the moment
 * before. */
mp_time let_time_pass(void);

/* Starts a process of that name, whose argument is the pointer; its pid; kills
 * it and closes the handle. */
mp_process *start_named(const char *name, mp_target target,
                        const void *object);
int pid_of(mp_process *process);
void kill_named(mp_process *process);

/* Describes the object again and again, for a while; how often it was there.
 * Each report is whole lines, of which the first begins with `kind`. */
int report_in_loop(void *volatile *object, const char *kind, double seconds);
