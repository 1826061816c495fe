/* SPDX-License-Identifier: MIT */
/* A child is killed while it holds a lock. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <unistd.h>

static int
hold(void *arg)
{
    mp_lock *lock = *(mp_lock **)arg;

    mp_lock_acquire(lock, MP_FOREVER);
    pause();
    return 0;
}

int
main(void)
{
    mp_process *process;
    mp_lock *lock;
    int r;

    if (mp_lock_create(&lock, NULL) < 0 ||
        mp_process_start(&process, hold, &lock, sizeof(lock), NULL) < 0)
        return fprintf(stderr, "%s\n", mp_last_error()), 1;
    while (!mp_lock_locked(lock))
        usleep(1000);
    mp_process_kill(process);
    r = mp_lock_acquire(lock, MP_FOREVER);
    printf("%s\n", r == -EOWNERDEAD ? "mine: its owner died" : "?");
    return mp_lock_release(lock);
}
