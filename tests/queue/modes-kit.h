/* SPDX-License-Identifier: MIT */
/* What the tests of the queue's modes share: messages that are told by their
 * number, whatever their size, and consumers that are to die. */
#pragma once

#include "sync/kit.h"

mp_queue *queue_with(const mp_queue_attr *attr);

/* ---- Messages ---- */

#define MESSAGE_MOST 200000

/* In the slot, in the ring, by reference; each to the byte. */
#define MESSAGE_SIZES 8
extern const size_t message_sizes[MESSAGE_SIZES];

/* `size` bytes, 4 at least, that all follow from the number; and back: -1 if
 * they do not. May be used in spawned processes. */
void message_fill(void *data, size_t size, uint32_t number);
int64_t message_number(const void *data, size_t size);

/* Puts the messages `from` to `to`, both included. */
void put_number(mp_queue *queue, size_t size, uint32_t number);
void put_numbers(mp_queue *queue, size_t size, uint32_t from, uint32_t to);
void put_with_priority(mp_queue *queue, size_t size, uint32_t number,
                       int64_t priority);

/* The next messages are just these: got, and in the second case done too. */
#define gives(queue, size, ...)                                     \
    messages_come((queue), (size), (const uint32_t[]){__VA_ARGS__}, \
                  LENGTH(((const uint32_t[]){__VA_ARGS__})), 0, __LINE__)
#define gives_tasks(queue, size, ...)                               \
    messages_come((queue), (size), (const uint32_t[]){__VA_ARGS__}, \
                  LENGTH(((const uint32_t[]){__VA_ARGS__})), 1, __LINE__)
void messages_come(mp_queue *queue, size_t size, const uint32_t *numbers,
                   size_t n, int done, int line);

/* The next message, as taken; -1 as its number: there is none. */
int64_t take_number(mp_queue *queue, mp_message *ret_message);

/* Puts `n` messages from number `from` on by one put_many. */
ssize_t put_batch(mp_queue *queue, size_t size, size_t n, uint32_t from,
                  mp_time deadline);

/* ---- Consumers that are to die ---- */

enum hold {
    HOLD_GOT,      /* by mp_queue_get() */
    HOLD_TAKEN,    /* by mp_queue_take() */
    HOLD_GOT_MANY, /* by mp_queue_get_many() */
    HOLDS,
};

/* A process that consumes `n` messages (8 at the most) and then sleeps, with
 * the tasks not done. It has them when this returns. */
pid_t holder_of(mp_queue *queue, enum hold how, uint32_t n);

/* Kills it, and sees it buried: who comes to the queue now must know. */
void kill_holder(pid_t pid);

/* Both: `n` messages are consumed by one that dies. */
void die_holding(mp_queue *queue, enum hold how, uint32_t n);

/* The same by a process of the given start method. */
void die_holding_by(int method, mp_queue *queue, enum hold how, uint32_t n);

/* ---- Times ---- */

/* How many rounds, of `n` in a build that is not slow. */
int rounds(int n);

/* Sleeps for up to `most` microseconds, by chance. For moments to kill at. */
void pause_at_random(unsigned most);
