/* SPDX-License-Identifier: MIT */
/* Programs of another family: the test's own program, executed afresh, that does
 * one of its roles. It shares nothing with the test but the pipes to its
 * standard input and output.
 *
 *     static int
 *     holder(const char *address, int number)
 *     {
 *         mp_manager *manager = kit_connect(address);
 *         ...
 *         role_say("held");
 *         role_wait();
 *         return 0;
 *     }
 *
 *     const struct role roles[] = {{"holder", holder}, {NULL, NULL}};
 *
 *     struct remote *remote = remote_start("holder", address, 1);
 *     remote_expect(remote, "held");
 *     remote_kill(remote);
 *
 * and main() is kit_main(argc, argv, suite). In a role no assertion of Check may
 * be used: need() ends it with a line on standard error. */
#pragma once

#include "region/kin.h"

#define KIT_KEY "a key of more than sixteen bytes"

struct role {
    const char *name;
    int (*play)(const char *address, int number); /* its exit code */
};
extern const struct role roles[];

int kit_main(int argc, char **argv, Suite *suite);

/* ---- In the test ---- */

struct remote {
    pid_t pid;
    int to, from; /* its standard input, and output */
};

struct remote *remote_start(const char *role, const char *address, int number);
/* Its next line, without the end, for the caller to free; fails the test when
 * there is none within a minute. */
char *remote_line(struct remote *remote);
void remote_expect(struct remote *remote, const char *line);
/* role_wait() returns. */
void remote_tell(struct remote *remote);
/* Waits for its end, which must come by itself, with code 0. */
void remote_end(struct remote *remote);
void remote_kill(struct remote *remote);

/* A manager at home: "unix:" (a path of its own) or "tcp:127.0.0.1:0", with
 * KIT_KEY; and its end. */
mp_manager *kit_start(const char *address);
mp_manager *kit_start_patient(const char *address, double patience);
/* What the library opens once, and a server's process needs: kit_start() has it
 * opened first, so that no leak is seen in it. */
void kit_warm_up(void);
void kit_shutdown(mp_manager *manager);

/* ---- In a role, and in the test ---- */

/* NULL: it has failed, as mp_last_error() tells. */
mp_manager *kit_try(const char *address, double call_timeout);
/* The same, as often as it takes. */
mp_manager *kit_connect(const char *address);
/* A published object. */
void *kit_lookup(mp_manager *manager, const char *name, const char *type);

/* ---- In a role ---- */

void role_say(const char *format, ...) MP__PRINTF(1, 2);
void role_wait(void);

/* The call succeeds, or the program ends: what it returns. */
#define need(call) kit_need((long)(call), #call, __LINE__)
long kit_need(long r, const char *call, int line);
