/* SPDX-License-Identifier: MIT */
/* checksum DIR...: SHA-256 of every regular file, by a pool of processes.
 *
 *   walk.c      finds the files                          a list of our own
 *   plan.c      sorts them, biggest first, into batches  family memory
 *   run.c       a task for each batch; tries again when a worker dies
 *   work.c      what a worker does with a batch
 *   progress.c  the bar on the terminal
 *   print.c     the list, sorted by path, as sha256sum writes it */
#pragma once

#include <mproc.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How far a file is: what its worker stores last, after the digest. A
 * negative number is the error that kept it from being read. */
#define FILE_WAITING 0
#define FILE_DONE    1
#define FILE_LOST    2 /* all that tried died */

struct file {
    const char *path;
    uint64_t size;
    unsigned char digest[32];
    _Atomic int state;
};

/* The work of one task. Both counts are for the bar only; writer: the one
 * worker that has the batch; reader: the main process. */
struct batch {
    struct file *files;
    uint32_t count;
    uint32_t attempts;
    _Atomic uint32_t files_done;
    _Atomic uint64_t bytes_done;
};

/* All that is to be done. Files and batches lie in the family's memory, where
 * the workers find them at the same addresses as the main process. */
struct plan {
    struct file *files;
    struct batch *batches;
    size_t file_count;
    size_t batch_count;
    uint64_t bytes;
};

/* Files as the walk finds them: `paths` are strings, one after the other. */
struct found {
    size_t path; /* offset */
    uint64_t size;
};

struct list {
    struct found *items;
    size_t count, room;
    char *paths;
    size_t paths_used, paths_room;
};

/* Set by SIGINT. */
extern volatile sig_atomic_t interrupted;

/* Says what went wrong, and makes the exit status 1. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program for want of memory. */
void die_of_memory(void) __attribute__((noreturn));

/* Adds every regular file at or below the paths in `roots` (NULL at the end).
 */
void walk(struct list *list, char **roots);

/* Puts the list into the family's memory: 0 or a negative error. */
int plan_make(struct plan *plan, const struct list *list);
void plan_free(struct plan *plan);

/* Does it with that many workers: 0, or a negative error when it had to stop
 * (-EINTR: interrupted). */
int run(struct plan *plan, int workers);

/* For the pool: what a worker does first, and for each batch. */
int prepare_worker(void *arg);
int sum_batch(mp_task *task);

/* The bar, if standard error is a terminal. Clear takes it away, so that a
 * message can be written. */
void progress_begin(const struct plan *plan);
void progress_show(void);
void progress_clear(void);
void progress_end(void);

/* The list on standard output, complaints on standard error. */
void print(const struct plan *plan);
