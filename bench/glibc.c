/* SPDX-License-Identifier: MIT */
#include "glibc.h"
#include "tools.h"

pthread_mutex_t *
shared_mutex(int type, int robust)
{
    pthread_mutex_t *mutex = shared_memory(LINE);
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutex_init(mutex, &attr);
    return mutex;
}

pthread_cond_t *
shared_cond(void)
{
    pthread_cond_t *cond = shared_memory(LINE);
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(cond, &attr);
    return cond;
}

pthread_barrier_t *
shared_barrier(unsigned parties)
{
    pthread_barrier_t *barrier = shared_memory(LINE);
    pthread_barrierattr_t attr;

    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(barrier, &attr, parties);
    return barrier;
}

sem_t *
shared_sem(unsigned value)
{
    sem_t *sem = shared_memory(LINE);

    sem_init(sem, 1, value);
    return sem;
}
