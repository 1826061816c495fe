/* SPDX-License-Identifier: MIT */
/* mproc-manager: what its files have in common. */
#pragma once

#include <mproc.h>
#include <stdio.h>

#define KEY_SIZE 512 /* bytes of a key, at most */

enum { USAGE = 2 }; /* exit status of whoever was called wrongly */

/* What the command line says. */
struct options {
    const char *address;
    const char *key; /* file; NULL: the default one, where a key is needed */
    mp_manager_attr attr;
    long restarts;              /* within a minute, at most */
    const struct wish **wishes; /* what to make and publish; ends with NULL */
    const char **wished;        /* what stands behind each option */
    size_t wish_count;
};

/* A message on standard error. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, for a call that gave `r` below 0; gives the exit status, 1. */
int complain(int r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* key.c: reads the key of the options into their attributes, if one is needed;
 * where there is none, one is made if `make`. 0, or the exit status. */
int key_read(struct options *options, int make);

/* objects.c: kinds of objects that an option makes. */
struct wish {
    const char *option; /* its name, which is the type's */
    const char *more; /* what is to follow the object's name; NULL: nothing */
    const char *help;
    int (*make)(mp_manager *manager, const char *more, void **ret_handle);
};
extern const struct wish wishes[]; /* ends with an option NULL */

/* Makes and publishes what the options ask for. 0, or the exit status. */
int objects_make(mp_manager *manager, const struct options *options);
/* Shows one to `out`. 0, or the exit status. */
int object_show(mp_manager *manager, const char *name, const char *type,
                FILE *out);

/* serve.c, ask.c: the commands. The exit status. */
int serve(struct options *options);
int list(struct options *options);
int show(struct options *options, const char *name);
int stop(struct options *options);
