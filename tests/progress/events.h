/* SPDX-License-Identifier: MIT */
/* A strict reader of JSON for tests: an array of objects, whose members are
 * strings, numbers, or objects of those. */
#pragma once

#include <stddef.h>

struct json_event {
    char name[64], ph[8], cat[16];
    long pid, tid;
    double ts, dur;
    /* of "args" */
    long task, attempt, map, from, to;
    char end[32], worker[160], called[64]; /* "end", "worker", "name" */
};

/* Reads all of it. The events, for free(); NULL if it is not strict JSON of
 * that shape, with *ret_n the offset of the first byte that is wrong. */
struct json_event *json_read(const char *text, size_t size, size_t *ret_n);
