/* SPDX-License-Identifier: MIT */
/* Two ways to hold a lock: between two calls, or for a block.
 *
 * Python: lock.acquire() and lock.release(), or `with lock:`, which releases
 * it however the block is left.
 *
 * Here: mp_lock_acquire() and mp_lock_release(). For the second way gcc and
 * clang can call a function at the end of a block. Each of ten processes adds
 * 1 to a plain int twice, once in each way, and takes its time. */
#include "must.h"

enum { CHILDREN = 10 };

struct counter {
    mp_lock *lock;
    int count;
};

static void
add_slowly(struct counter *counter)
{
    int count = counter->count;

    usleep(5 * 1000);
    counter->count = count + 1;
}

static mp_lock *
acquire(mp_lock *lock)
{
    MUST(mp_lock_acquire(lock, MP_FOREVER));
    return lock;
}

static void
release(mp_lock **lock)
{
    MUST(mp_lock_release(*lock));
}

/* A variable of that kind releases its lock at the end of its block. */
#define HELD __attribute__((cleanup(release), unused))

static int
add_twice(void *arg)
{
    struct counter *counter = *(struct counter **)arg;

    MUST(mp_lock_acquire(counter->lock, MP_FOREVER));
    add_slowly(counter);
    MUST(mp_lock_release(counter->lock));
    {
        HELD mp_lock *held = acquire(counter->lock);

        add_slowly(counter);
    }
    return 0;
}

int
main(void)
{
    struct counter *counter = mp_new(struct counter);
    mp_process *children[CHILDREN];

    MUST(counter ? 0 : -ENOMEM);
    MUST(mp_lock_create(&counter->lock, NULL));
    for (int i = 0; i < CHILDREN; i++)
        MUST(mp_process_start(&children[i], add_twice, &counter,
                              sizeof(counter), NULL));
    for (int i = 0; i < CHILDREN; i++) {
        MUST(mp_process_join(children[i], MP_FOREVER));
        MUST(mp_process_close(children[i]));
    }
    say("%d processes have each added 1 twice: %d\n", CHILDREN,
        counter->count);
    MUST(mp_lock_destroy(counter->lock));
    MUST(mp_free(counter));
    return 0;
}
