/* SPDX-License-Identifier: MIT */
/* The pipe that a scenario is about, its messages, and those who use it.
 *
 * Every message has an id, and contents that follow from it. How many sends and
 * receives have been committed the positions of the ring tell; whatever was
 * committed must come out once, whole, in order, and without anybody's help.
 * What was not has not happened. The harness sends messages of its own
 * afterwards, to see that the pipe goes on. */
#pragma once

#include "sweep.h"

#include "pipe/pipe.h"

#define FIRST  100u /* ids of what is there first, */
#define VICTIM 200u /* of what the victim sends, */
#define BESIDE 300u /* of what a survivor sends, */
#define LATER  400u /* and of what is sent after the kill */

#define SIZE_MOST 20000
#define FULL      8u /* messages of 8000 bytes fill the ring */

/* What the victim notes: how many of its sends have returned; how many messages
 * it has received. */
enum { SENT, RECEIVED };

extern struct pipe_stage {
    mp_conn *a, *b; /* from b to a */
    size_t size;    /* of every message */
    struct sweep_actor *one, *two;
    unsigned char prepared[2][SIZE_MOST]; /* VICTIM, VICTIM + 1 */
} pipe_stage;

/* ---- Messages ---- */

int pipe_send(unsigned id, mp_time deadline);
/* The id of the message; 0 if it is not what was sent; or an error. */
int pipe_receive(mp_time deadline);

/* What has been committed. */
unsigned pipe_sent(void);
unsigned pipe_received(void);

/* By the harness; `n` messages from FIRST on; the same, received. */
int pipe_send_bound(unsigned id);
void pipe_send_first(unsigned n);
void pipe_receive_first(unsigned n);

/* ---- Pipes: empty, of messages of that size ---- */

void pipe_make(size_t size);
void pipe_make_small(void);
void pipe_make_middle(void);
void pipe_make_large(void);
void pipe_destroy(void);

/* What the first pipe of a family leaves for the others. */
void pipe_make_one_before(void);

/* A process that the library has not started, and that is killed, leaves its
 * record behind: victims and survivors. */
#define PIPE_RECORDS 4

/* ---- The victim ---- */

void pipe_enter(void); /* with messages at hand */
/* The same, and it holds the end: it is known to, and owns the side, if nobody
 * has used that before. */
void pipe_enter_sending(void);   /* FIRST was sent */
void pipe_enter_receiving(void); /* one message was received */

/* Sends one or two, or receives one or two, and notes how many. */
void pipe_victim_sends_one(void);
void pipe_victim_sends(void);
void pipe_victim_receives_one(void);
void pipe_victim_receives(void);

/* How many of its sends were committed, `before` those of others: as many as
 * have returned, or one more. Likewise what it has received. */
unsigned pipe_victims_sends(unsigned before);
unsigned pipe_victims_receives(unsigned before);

/* ---- Survivors: each notes the ids it receives, or sends BESIDE, ... ---- */

struct sweep_actor *pipe_receiver(unsigned n);
struct sweep_actor *pipe_sender(unsigned n);
/* The same, to the end: until the other one is gone. */
struct sweep_actor *pipe_receiver_to_end(void);
struct sweep_actor *pipe_sender_to_end(void);
void pipe_check_got(struct sweep_actor *actor, unsigned i, unsigned id);

/* A survivor receives all that is there: it must be `n` messages with ids from
 * `id` on, and then those sent later. */
void pipe_check_rest(unsigned id, unsigned n);
