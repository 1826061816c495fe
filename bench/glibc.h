/* SPDX-License-Identifier: MIT */
/* glibc's objects for threads, made for processes: each is shared, and lies
 * on lines of its own. */
#pragma once

#include <pthread.h>
#include <semaphore.h>

/* type: PTHREAD_MUTEX_*; robust: PTHREAD_MUTEX_STALLED or _ROBUST. */
pthread_mutex_t *shared_mutex(int type, int robust);
pthread_cond_t *shared_cond(void);
pthread_barrier_t *shared_barrier(unsigned parties);
sem_t *shared_sem(unsigned value);
