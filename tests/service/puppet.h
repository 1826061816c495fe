/* SPDX-License-Identifier: MIT */
/* A role (kit.h) that does what the test tells it, line by line, and answers each
 * with a number. */
#pragma once

#include "link/kit.h"

struct trick {
    const char *name;
    long (*play)(long arg);
};

/* The role: until it is told to end; its exit code. */
int puppet_play(const struct trick *tricks, size_t n);

/* Tells it, and what it answers, in its time; both. */
void puppet_say(struct remote *puppet, const char *trick, long arg);
long puppet_hear(struct remote *puppet);
long puppet_do(struct remote *puppet, const char *trick, long arg);

/* Whether it has not answered yet. */
int puppet_is_busy(struct remote *puppet);

/* In order. */
void puppet_end(struct remote *puppet);
