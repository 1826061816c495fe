/* SPDX-License-Identifier: MIT */
/* What the tests of what users have asked for share, beside crew.h: tasks that
 * do not end by themselves, counts in the family's memory, and this program
 * run afresh, as one of its scenes. */
#pragma once

#include "pool/crew.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Loop tests over the start methods. */
#define METHODS_FROM MP_FORK
#define METHODS_TO   (MP_FORKSERVER + 1)

/* The call fails with `code`, and its text has `word` in it. */
#define must_fail(call, code, word)          \
    do {                                     \
        ck_assert_int_eq((call), (code));    \
        mp_test_text(mp_last_error(), word); \
    } while (0)

/* Far off, for what must come: a call that hangs is told from one that
 * waits. */
mp_time soon(void);

/* The process has ended: it is not there, or a zombie. */
int is_gone(pid_t pid);

/* The pids of the workers that are alive; how many. */
int pids_of(mp_pool *pool, pid_t *pids, int most);

/* What the pool has done. */
mp_pool_statistics stats_of(mp_pool *pool);

/* Counts of what runs, in the family's memory. */
struct tide {
    mp__a32 runs; /* so many in all */
    mp__a32 now;  /* at this moment */
    mp__a32 most; /* at any moment */
};
struct tide *tide_new(void);
void tide_in(struct tide *tide);
void tide_out(struct tide *tide);

int count_run(mp_task *task);      /* arg: mp__a32 *, one more */
int sleep_for_ever(mp_task *task); /* arg: struct gate; says so there */
int spin_for_ever(mp_task *task);  /* the same, deaf to all signals */

/* Submits one of these. */
mp_result *submit_stuck(mp_pool *pool, mp_task_fn f, struct gate gate,
                        const mp_task_attr *attr);

/* As gate_await(); 0 if the task has ended before it could come there, which a
 * short time limit may bring about on a busy machine. */
pid_t gate_await_or_end(struct gate gate, mp_result *result);

/* ---- Scenes: this program, executed afresh, with what the scene prints on
 * its standard streams ---- */

struct scene {
    pid_t pid; /* leader of a process group of its own */
    int fd;    /* what it prints; a terminal's master if it has one */
    char *text;
    size_t size;
};

enum {
    SCENE_PIPE,     /* standard output and error are one pipe */
    SCENE_TERMINAL, /* they are a terminal, which is the controlling one */
};

/* Runs `main` with the arguments "scene", `name`, `arg`. */
struct scene scene_start(int kind, const char *name, int arg);

/* Reads on until the text has so many lines that begin with `word`, or the
 * end. */
void scene_await(struct scene *scene, const char *word, int count);

/* Reads on until that is in the text. */
void scene_await_text(struct scene *scene, const char *part);

/* The numbers behind those words. */
int scene_numbers(const struct scene *scene, const char *word, pid_t *list,
                  int most);

/* Writes to the scene's terminal, as its user does. */
void scene_type(const struct scene *scene, char key);

/* Reads to the end, waits for the process; its exit code, or -N. All that it
 * has printed is in `text` until scene_free(). Nobody of its group lives. */
int scene_end(struct scene *scene);
void scene_free(struct scene *scene);
