/* SPDX-License-Identifier: MIT */
/* What the tests of maps and of iterators share. */
#pragma once

#include "pool/crew.h"

/* ---- Maps: the squares of the ints from 0 on ---- */

int square(const void *item, void *result, void *ctx); /* int to int64_t */
void expect_squares(const int64_t *out, size_t n);

/* Arrays in memory of the family, or in this process's own. */
void *array(int shared, size_t n, size_t size);
void free_array(int shared, void *p);
int *numbers(int shared, size_t n); /* from 0 on */

/* Maps them without waiting, and then waits. */
void map_squares(mp_pool *pool, size_t n, int shared_in, int shared_out);

/* The item is the code to end with, an int. */
int end_as_told(const void *item, void *result, void *ctx);

/* The result is who has run the item, a pid_t. */
int tell_pid(const void *item, void *result, void *ctx);

/* ---- Items that wait at a gate, and are counted behind it ---- */

struct stop {
    struct gate gate;
    mp__a32 *done;
};
struct stop make_stop(void);
void end_stop(struct stop stop);

int stop_at_gate(const void *item, void *result, void *ctx);
/* Maps n of them, which are taken one by one. */
void map_to_gate(mp_pool *pool, struct stop *stop, size_t n,
                 mp_result **result);

/* ---- Iterators ---- */

/* Numbers to read: [next, end), and then 0, or a failure. */
struct source {
    long next, end;
    int failure;
    long read; /* so far */
};
int read_number(void *item, void *arg);
int square_long(const void *item, void *result, void *ctx);

/* imap, and imap_unordered. */
typedef int imap_fn(mp_pool *pool, mp_map_fn f, mp_item_fn next, void *arg,
                    size_t in_size, size_t out_size, const mp_map_attr *attr,
                    mp_imap **ret_imap);
extern imap_fn *const imap_kinds[2];

/* An iterator of that kind over the numbers of the source. */
mp_imap *imap_of(int kind, mp_pool *pool, mp_map_fn f, struct source *source,
                 size_t out_size, const mp_map_attr *attr);

/* Gives the squares of n numbers, each once, in the order if it is to. */
void expect_all_squares(mp_imap *imap, long n, int ordered);
void iterate_squares(mp_pool *pool, int kind, long n, uint64_t window);
