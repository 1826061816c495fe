/* SPDX-License-Identifier: MIT */
/* One object of each kind, published by a manager, and two programs of other
 * families that use them as they are told (stage-puppet.c). */
#pragma once

#include "service/puppet.h"

#include <unistd.h>

/* What both sides know, each by its own handles. */
struct things {
    mp_lock *lock;
    mp_rlock *rlock;
    mp_semaphore *tracked;
    mp_event *event;
    mp_condition *condition;
    mp_barrier *barrier; /* of three */
    mp_value *count;
    mp_array *array;
};

struct stage {
    mp_manager *manager;
    struct things things;
    struct remote *a, *b;
};

/* The role of the two. */
int stage_puppet(const char *address, int number);

/* By a local socket, or (`tcp`) over TLS. */
struct stage *stage_new(int tcp);
/* All is free again, and given back. */
void stage_end(struct stage *stage);
void kill_a(struct stage *stage);

/* Until something that is about to be so is so. */
#define await(what)                       \
    do {                                  \
        for (int i_ = 0; !(what); i_++) { \
            ck_assert_int_lt(i_, 30000);  \
            usleep(1000);                 \
        }                                 \
    } while (0)

/* Tells a puppet to acquire the lock, and waits until it stands there. */
void queue_at_the_lock(struct stage *stage, struct remote *remote);

/* For kin_start(): waits at a barrier that will break. */
int sits_in_vain(void *barrier, int i);
