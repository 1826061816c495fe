/* SPDX-License-Identifier: MIT */
/* A sum that must not change is moved in two steps. A process is killed
 * between the two; who gets the lock next is told, and finishes the work. */
#include <errno.h>
#include <mproc.h>
#include <signal.h>
#include <stdio.h>

struct accounts {
    mp_lock *lock;
    int from, to; /* together 100, whenever the lock is free */
};

static int
move_ten_and_die(void *arg)
{
    struct accounts *accounts = *(struct accounts **)arg;

    if (mp_lock_acquire(accounts->lock, MP_FOREVER) < 0)
        return 1;
    accounts->from -= 10;
    raise(SIGKILL);
    accounts->to += 10;
    return mp_lock_release(accounts->lock);
}

int
main(void)
{
    struct accounts *accounts = mp_new(struct accounts);
    mp_process *child;

    if (!accounts || mp_lock_create(&accounts->lock, NULL) < 0)
        return 1;
    accounts->from = 100;
    if (mp_process_start(&child, move_ten_and_die, &accounts, sizeof(accounts),
                         NULL) < 0)
        return 1;
    mp_process_join(child, MP_FOREVER);

    switch (mp_lock_acquire(accounts->lock, mp_timeout(10))) {
    case 0:
        break;
    case -EOWNERDEAD: /* ours as well, but look first */
        printf("on the way: %d\n", 100 - accounts->from - accounts->to);
        accounts->to = 100 - accounts->from;
        break;
    default:
        return 1;
    }
    printf("%d + %d = 100\n", accounts->from, accounts->to);
    mp_lock_release(accounts->lock);

    mp_process_close(child);
    mp_lock_destroy(accounts->lock);
    mp_free(accounts);
    return 0;
}
