/* SPDX-License-Identifier: MIT */
/* What the scenes of the tour share. */
#pragma once

#include <mproc.h>

/* Prints one line, with the name of the calling process in front. Lines of
 * processes that speak at once come out whole. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a value so, as Python would. */
void say_value(mp_any any);

/* Gives the result of an mproc call on, or ends the process with a message
 * that says which call failed, and why. */
#define MUST(call) must((call), #call)
long must(long result, const char *call);

/* Ends the process with a message unless what a scene claims is true. */
#define CLAIM(claim) check_claim(claim, #claim)
void check_claim(int is_true, const char *claim);

/* Does nothing for a while: stands in for work. */
void work_for(double seconds);

/* Seconds since some moment in the past. */
double seconds(void);

/* Starts `n` processes that all run `target`, called NAME-1, NAME-2, ... */
void start_crowd(mp_process **crowd, int n, const char *name, mp_target target,
                 const void *arg, size_t size);

/* Waits until all have ended, and says how many did with exit code 0. */
int join_crowd(mp_process **crowd, int n);

/* The scenes, each in a file of its name. */
void scene_surgery(void);
void scene_questions(void);
void scene_letters(void);
void scene_votes(void);
void scene_settings(void);
void scene_starmap(void);
void scene_imap(void);
void scene_limits(void);
void scene_killed(void);
void scene_courier(void);
void scene_heirs(void);
void scene_relay(void);
void scene_sprint(void);
void scene_diary(void);
