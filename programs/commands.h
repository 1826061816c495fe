/* SPDX-License-Identifier: MIT */
/* The commands: serve.c, and ask.c. Each gives the exit status. */
#pragma once

#include "options.h"

int serve(struct options *options);
int list(struct options *options);
int show(struct options *options, const char *name);
int stop(struct options *options);
