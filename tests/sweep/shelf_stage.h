/* SPDX-License-Identifier: MIT */
/* What the scenarios of queues with a shelf share: queues of all modes, users
 * who take a message and then are done with it, and the books.
 *
 * The books. Each message that was put is done once, by a survivor, unless the
 * victim was done with it. What a victim had taken comes again in a queue that
 * redelivers, and is lost in others, of which mp_queue_join() tells. At the end
 * nothing is unfinished, and the heap is as before. */
#pragma once

#include "queue_stage.h"

/* Notes of the victims: the id that a get gave, that the call which says that
 * it is done was begun, and that it returned. For a second victim the same,
 * from the fourth on. */
enum { GOT, ENDING, ENDED, BY_OTHER };

/* The smallest sizes that lie in a slot, in a block of their own because the
 * slot has no room, and by reference. */
#define IN_SLOT      40
#define IN_BLOCK     300
#define BY_REFERENCE 20000

/* ---- Making. */

void shelf_make(size_t size, const mp_queue_attr *attr);
/* Puts FIRST, FIRST + 1, ... and notes them. */
void shelf_put_first(unsigned n);
/* A process that takes the first message and dies of it. */
void shelf_take_and_die(void);
/* What is put later, into the books. */
void shelf_put(unsigned id);

/* ---- What victims do; they note it. */

void shelf_get_and_note(unsigned note);
void shelf_done_and_note(unsigned note);
void shelf_work(unsigned note); /* both */
void shelf_take_and_work(unsigned note);

/* ---- The books. */

void shelf_saw(unsigned id);
/* What was noted to have been put, in whatever way. */
void shelf_was_put(unsigned id);

/* The harness takes what is there, and is done with it, until all is done. */
void shelf_settle(void);

/* Whether the books balance, with `victims` who each may have taken one message
 * (each has four notes). A queue that does not redeliver may have lost what
 * they had taken, and must say so. */
void shelf_balance(unsigned victims);

/* shelf_settle(), shelf_balance(), and the queue goes on. */
void shelf_check_one(void);
void shelf_check_two(void);
void shelf_check_goes_on(void);
