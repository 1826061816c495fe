/* SPDX-License-Identifier: MIT */
/* wordcount DIR...: which words the text files of a tree are made of.
 *
 *   batch.c   walks the tree, as far as batches of files are asked for
 *   count.c   counts the words of a batch: what a worker does
 *   table.c   words and how often they were seen
 *   main.c    adds up what the workers have counted
 *
 * A word is a row of letters of ASCII or of what is beyond it, in lower case.
 * A file with a zero byte is no text. */
#pragma once

#include <mproc.h>

#include <stddef.h>
#include <stdint.h>

/* Files that are counted together: an item for the pool. The names are strings
 * one after the other; an empty one ends them. */
struct batch {
    char names[8192];
};

/* What was read: texts, and files that could not be read. */
struct counted {
    uint64_t files, bytes, lost;
};

/* The words of a batch: a block of the family's memory, made by a worker, and
 * read and freed by the main process. `list` is count of struct word, each
 * followed by its letters. */
struct words {
    struct counted counted;
    uint64_t count; /* different ones */
    char list[];
};

struct word {
    uint64_t times;
    uint32_t hash;
    uint32_t length;
};

/* ---- batch.c ---- */

/* Begins to walk below the paths (NULL at the end). */
void walk_begin(char **roots);
/* The next batch: 1, or 0 when the tree is done. A mp_item_fn. */
int walk_next(void *batch, void *arg);
void walk_end(void);

/* ---- table.c: one table for each process ---- */

extern uint64_t table_count; /* different words */

void table_clear(void);
void table_add(const char *text, uint32_t length, uint32_t hash,
               uint64_t times);
/* A copy in the family's memory, NULL: no memory; and its words added. */
struct words *table_pack(void);
void table_merge(const struct words *words);
/* The most frequent words. */
void table_print(uint64_t most);
/* The number of words, and a number that tells two tables apart. */
uint64_t table_total(uint64_t *ret_sum);

/* ---- count.c ---- */

/* Adds the words of a batch to the table. */
struct counted count_files(const struct batch *batch);
/* For the pool: the result is a struct words *. */
int count_batch(const void *batch, void *words, void *ctx);

/* Says what went wrong, and makes the exit status 1. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die_of_memory(void) __attribute__((noreturn));
