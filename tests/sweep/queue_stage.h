/* SPDX-License-Identifier: MIT */
/* The queue that a scenario is about, its messages, and those who use it.
 *
 * Every message has an id, and contents that follow from it. How many puts and
 * gets have been committed the positions of the queue tell; whatever was
 * committed must come out once, whole, in order, and without anybody's help.
 * What was not has not happened. The harness puts messages of its own
 * afterwards, to see that the queue goes on. */
#pragma once

#include "sweep.h"

#include "queue/ring.h"

#define FIRST  100u /* ids of what is there first, */
#define VICTIM 200u /* of what the victim puts, */
#define BESIDE 300u /* of what a survivor puts, */
#define LATER  400u /* and of what is put after the kill */

#define SIZE_MOST 30000

/* The victim notes how many of its puts have returned, or what it got. */
#define RETURNED 0

extern struct queue_stage {
    mp_queue *queue;
    size_t size; /* of every message */
    struct sweep_actor *one, *two;
} stage;

/* ---- Messages. */

void stage_write(unsigned char *message, unsigned id);
int stage_put(unsigned id, mp_time deadline);

/* The id of the message; 0 if it is not what was put; or an error. */
int stage_read(const unsigned char *message, size_t size);
int stage_get(mp_time deadline);

/* What has been committed. */
unsigned stage_puts(void);
unsigned stage_gets(void);

/* By the harness. */
int stage_put_bound(unsigned id);
void stage_put_first(unsigned n);
void stage_get_first(void);

/* ---- Survivors: each notes the ids it gets, or puts BESIDE, BESIDE + 1... */

struct sweep_actor *stage_consumer(unsigned n);
struct sweep_actor *stage_producer(unsigned n);
void stage_check_got(struct sweep_actor *actor, unsigned i, unsigned id);

/* A survivor takes out all that is there: it must be `n` messages with ids
 * from `id` on, and then those put later. */
void stage_check_rest(unsigned id, unsigned n);

/* ---- Queues. */

void stage_make(uint64_t maxsize, size_t message_size);
void stage_make_small(void);
void stage_make_large(void);
void stage_make_full(void);
void stage_make_grow(void);      /* the next put goes on to a new segment, */
unsigned stage_count_grow(void); /* after so many */
void stage_destroy(void);

void stage_enter(void);
