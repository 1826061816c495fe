/* SPDX-License-Identifier: MIT */
/* What the tests of mp_queue_fd() share. */
#pragma once

#include "region/kin.h"

#define PRODUCERS 3

/* The start methods, for loop tests. */
static const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
#define METHODS 3

struct message {
    uint64_t number;
    uint32_t producer;
};

struct stage {
    mp_queue *queue;
    mp__a64 put[PRODUCERS]; /* messages of each whose put has returned */
    mp__a32 stop;
    mp__a32 armed; /* pollers that have found nothing */
    mp__a32 taken; /* by all pollers */
    mp__a32 go;
};

/* A case in which the library has opened what it keeps for good: the fork
 * server, the socket to page with. */
TCase *fd_case(Suite *suite, const char *name, double seconds);

/* Starts it, and joins it: it must return 0. */
void run(mp_target target, const void *arg, size_t size, int method);

struct stage *stage_with(const mp_queue_attr *attr);
void end_stage(struct stage *stage);

int is_readable(int fd);
/* Sleeps until the descriptor is readable; 0: it was not for 20 s. */
int await(int fd);

int get_now(mp_queue *queue);
void put_now(mp_queue *queue);

/* A descriptor that is not readable. */
int armed_fd(mp_queue *queue);

/* For kin: a get that waits. */
int get_one(void *stage, int unused);
