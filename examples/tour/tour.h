/* SPDX-License-Identifier: MIT */
/* What the scenes of the tour share. */
#pragma once

#include <mproc.h>

/* Prints one line, with the name of the calling process in front. Lines of
 * processes that speak at once come out whole. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Gives the result of an mproc call on, or ends the process with a message
 * that says which call failed, and why. */
#define MUST(call) must((call), #call)
long must(long result, const char *call);

/* Does nothing for a while: stands in for work. */
void work_for(double seconds);

/* Seconds since some moment in the past. */
double seconds(void);

/* The scenes, each in a file of its name. */
void scene_processes(void);
void scene_terminate(void);
void scene_daemon(void);
void scene_consumers(void);
void scene_powers(void);
void scene_map(void);
void scene_apply(void);
void scene_killed(void);
