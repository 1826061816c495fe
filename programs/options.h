/* SPDX-License-Identifier: MIT */
/* What the command line says. */
#pragma once

#include <mproc.h>
#include <stdio.h>

enum { USAGE = 2 }; /* exit status of whoever was called wrongly */

struct options {
    const char *address;
    const char *key; /* file; NULL: the default one, where a key is needed */
    mp_manager_attr attr;
    long restarts;              /* within a minute, at most */
    const struct wish **wishes; /* what to make and publish; ends with NULL */
    const char **wished;        /* what stands behind each option */
    size_t wish_count;
};

void usage(FILE *out);

/* Takes the options; optind is then the first word that is none. Ends the
 * program if one is wrong, or if it asks for help. */
void options_take(struct options *options, int argc, char **argv);

/* Ends the program, which was called wrongly. */
__attribute__((noreturn)) void usage_error(const char *what, const char *why);
