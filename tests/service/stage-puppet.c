/* SPDX-License-Identifier: MIT */
/* What a puppet can be told: a call on one of the things, and its argument. */
#include "service/stage.h"

#include "os/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS ((mp_time)1000000)

static struct things my;

static void
look_up(const char *address)
{
    mp_manager *manager = kit_connect(address);

    my.lock = kit_lookup(manager, "lock", "lock");
    my.rlock = kit_lookup(manager, "rlock", "rlock");
    my.tracked = kit_lookup(manager, "tracked", "semaphore");
    my.event = kit_lookup(manager, "event", "event");
    my.condition = kit_lookup(manager, "condition", "condition");
    my.barrier = kit_lookup(manager, "barrier", "barrier");
    my.count = kit_lookup(manager, "count", "value");
    my.array = kit_lookup(manager, "array", "array");
}

/* A number of ms, 0: MP_NOW, below 0: for ever. */
static mp_time
until(long ms)
{
    return ms < 0 ? MP_FOREVER : ms == 0 ? MP_NOW : mp__now() + ms * MS;
}

#define TAKES_DEADLINE(trick, function, object) \
    static long trick(long arg)                 \
    {                                           \
        return function(my.object, until(arg)); \
    }
#define TAKES_NOTHING(trick, function, object) \
    static long trick(long arg)                \
    {                                          \
        (void)arg;                             \
        return function(my.object);            \
    }

TAKES_DEADLINE(lock_acquire, mp_lock_acquire, lock)
TAKES_NOTHING(lock_release, mp_lock_release, lock)
TAKES_NOTHING(lock_locked, mp_lock_locked, lock)
TAKES_NOTHING(lock_owner, mp_lock_owner, lock)
TAKES_DEADLINE(rlock_acquire, mp_rlock_acquire, rlock)
TAKES_NOTHING(rlock_release, mp_rlock_release, rlock)
TAKES_DEADLINE(tracked_acquire, mp_semaphore_acquire, tracked)
TAKES_NOTHING(tracked_release, mp_semaphore_release, tracked)
TAKES_NOTHING(tracked_value, mp_semaphore_value, tracked)
TAKES_DEADLINE(event_wait, mp_event_wait, event)
TAKES_NOTHING(event_set, mp_event_set, event)
TAKES_NOTHING(event_clear, mp_event_clear, event)
TAKES_NOTHING(event_is_set, mp_event_is_set, event)
TAKES_NOTHING(event_fd, mp_event_fd, event)
TAKES_DEADLINE(condition_acquire, mp_condition_acquire, condition)
TAKES_NOTHING(condition_release, mp_condition_release, condition)
TAKES_DEADLINE(condition_wait, mp_condition_wait, condition)
TAKES_NOTHING(condition_notify_all, mp_condition_notify_all, condition)
TAKES_DEADLINE(barrier_wait, mp_barrier_wait, barrier)
TAKES_NOTHING(barrier_broken, mp_barrier_broken, barrier)
TAKES_NOTHING(barrier_reset, mp_barrier_reset, barrier)
TAKES_NOTHING(barrier_register, mp_barrier_register, barrier)
TAKES_NOTHING(array_len, (long)mp_array_len, array)

static long
condition_notify(long n)
{
    return mp_condition_notify(my.condition, (size_t)n);
}

static long
lock_waiters(long n)
{
    pid_t pids[4] = {0};
    int r = mp_lock_waiters(my.lock, pids, 4);

    return n < 0 ? r : pids[n];
}

static int
count_is_three(void *arg)
{
    int n = 0, r = mp_value_get(my.count, &n);

    (void)arg;
    return r < 0 ? r : n == 3 ? 33 : 0;
}

static long
condition_wait_for_three(long arg)
{
    return mp_condition_wait_for(my.condition, count_is_three, NULL,
                                 until(arg));
}

static int
add_ten(void *arg)
{
    long r = (long)(intptr_t)arg;

    mp_value_add(my.count, 10);
    return (int)r;
}

static long
barrier_wait_with(long r)
{
    return mp_barrier_wait_with(my.barrier, add_ten, (void *)(intptr_t)r,
                                MP_FOREVER);
}

static int
hang(void *arg)
{
    (void)arg;
    role_say("1");
    while (pause() < 0)
        ;
    return 0;
}

static long
barrier_hang(long arg)
{
    (void)arg;
    return mp_barrier_wait_with(my.barrier, hang, NULL, MP_FOREVER);
}

/* So often, under the lock, and not atomic. */
static long
count_up(long times)
{
    for (long i = 0; i < times; i++) {
        int n, r = mp_lock_acquire(my.lock, MP_FOREVER);

        if (r < 0 || (r = mp_value_get(my.count, &n)) < 0 ||
            (r = mp_value_set(my.count, n + 1)) < 0 ||
            (r = mp_lock_release(my.lock)) < 0)
            return r;
    }
    return 0;
}

/* All that values and arrays can do; 0, or the line. */
static long
cells(long arg)
{
#define HOLDS(x) \
    if (!(x))    \
    return __LINE__
    char text[64] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    mp_rlock *lock;
    double d;
    int n = 0;

    (void)arg;
    HOLDS(mp_value_set(my.count, 41) == 0 && mp_value_add(my.count, 1) == 0);
    HOLDS(mp_value_get(my.count, &d) == 0 && d == 42);
    HOLDS(mp_value_add_get(my.count, -2, &n) == 0 && n == 40);
    HOLDS(mp_value_compare_exchange(my.count, 40, 7) == 1);
    HOLDS(mp_value_compare_exchange(my.count, 40, 8) == 0);
    HOLDS(mp_value_set(my.count, 2.5) == -ERANGE);
    HOLDS(strstr(mp_last_error(), "2.5"));
    HOLDS(mp_value_type(my.count) == 'i');
    HOLDS(mp_array_len(my.array) == 3 && mp_array_type(my.array) == 'd');
    HOLDS(mp_array_itemsize(my.array) == 8 && !mp_array_data(my.array));
    HOLDS(mp_array_set(my.array, -1, 0.5) == 0);
    HOLDS(mp_array_add(my.array, 2, 1) == 0);
    HOLDS(mp_array_compare_exchange(my.array, 2, 1.5, 9) == 1);
    HOLDS(mp_array_get(my.array, 2, &n) == 0 && n == 9);
    HOLDS(mp_array_get(my.array, 3, &n) == -ERANGE);
    HOLDS(mp_array_print(my.array, out) == 0);
    HOLDS(fputc(' ', out) == ' ' && mp_value_print(my.count, out) == 0);
    fclose(out);
    HOLDS(strcmp(text, "[0.0, 0.0, 9.0] 7") == 0);
    HOLDS((lock = mp_value_lock(my.count)) != NULL);
    HOLDS(lock == mp_value_lock(my.count));
    HOLDS(mp_rlock_acquire(lock, MP_NOW) == 0);
    HOLDS(mp_rlock_acquire(lock, MP_NOW) == 0);
    HOLDS((lock = mp_array_lock(my.array)) != NULL);
    HOLDS(mp_rlock_acquire(lock, MP_NOW) == 0);
    HOLDS(mp_rlock_release(lock) == 0);
    return 0;
}

/* What is refused, here as at home; 0, or the line. */
static long
mistakes(long arg)
{
    mp_condition *condition;
    int x = 5;

    (void)arg;
    HOLDS(mp_lock_acquire((mp_lock *)my.rlock, MP_NOW) == -EBADF);
    HOLDS(mp_value_set((mp_value *)my.array, 1) == -EBADF);
    HOLDS((mp_value_get)(my.count, 'i', NULL) == -EINVAL);
    HOLDS((mp_value_get)(my.count, 1, &x) == -EINVAL);
    HOLDS((mp_value_add_get)(my.count, MP_SCALAR(1), 'P', &x) == -EINVAL);
    HOLDS((mp_array_get)(my.array, 0, 'd', NULL) == -EINVAL);
    HOLDS(mp_value_print(my.count, NULL) == -EINVAL);
    HOLDS(mp_lock_waiters(my.lock, NULL, 3) == -EINVAL);
    HOLDS(mp_array_data(my.array) == NULL);
    HOLDS(strstr(mp_last_error(), "at home"));
    HOLDS(mp_condition_create(&condition,
                              MP_CONDITION_ATTR(.lock = my.lock)) == -EBADF);
    HOLDS(mp_condition_acquire(my.condition, MP_NOW) == 0);
    HOLDS(mp_condition_notify(my.condition, 0) == -EINVAL);
    HOLDS(mp_condition_wait_for(my.condition, NULL, NULL, MP_NOW) == -EINVAL);
    HOLDS(mp_condition_wait(my.condition, mp_timeout(-1)) == -ETIMEDOUT);
    HOLDS(mp_condition_release(my.condition) == 0);
    HOLDS(mp_lock_acquire(my.lock, mp_timeout(0)) == 0); /* it is free */
    HOLDS(mp_lock_acquire(my.lock, mp_timeout(0)) == -ETIMEDOUT);
    HOLDS(mp_lock_release(my.lock) == 0);
    HOLDS(mp_barrier_wait(my.barrier, MP_NOW) == -EAGAIN);
    HOLDS(mp_barrier_broken(my.barrier) == 0);
    return x == 5 ? 0 : __LINE__;
}

TAKES_NOTHING(lock_destroy, mp_lock_destroy, lock)

/* By a child of the puppet, in the puppet's family: it is another thread. */
static long
child_releases_rlock(long arg)
{
    pid_t pid = fork();
    int status;

    (void)arg;
    if (pid == 0)
        _exit(-mp_rlock_release(my.rlock));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : 1;
}

static void *
take_rlock(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)mp_rlock_acquire(my.rlock, MP_NOW);
}

/* By a thread that ends with it. */
static long
thread_acquires_rlock(long arg)
{
    pthread_t thread;
    void *r;

    (void)arg;
    pthread_create(&thread, NULL, take_rlock, NULL);
    pthread_join(thread, &r);
    return (long)(intptr_t)r;
}

static void
nothing(int sig)
{
    (void)sig;
}

static long
catch_signals(long arg)
{
    struct sigaction action = {.sa_handler = nothing};

    (void)arg;
    return sigaction(SIGUSR1, &action, NULL);
}

#define TRICK(name) \
    {               \
#name, name \
    }
static const struct trick tricks[] = {
    TRICK(lock_acquire),
    TRICK(lock_release),
    TRICK(lock_locked),
    TRICK(lock_owner),
    TRICK(lock_waiters),
    TRICK(rlock_acquire),
    TRICK(rlock_release),
    TRICK(tracked_acquire),
    TRICK(tracked_release),
    TRICK(tracked_value),
    TRICK(event_wait),
    TRICK(event_set),
    TRICK(event_clear),
    TRICK(event_is_set),
    TRICK(event_fd),
    TRICK(condition_acquire),
    TRICK(condition_release),
    TRICK(condition_wait),
    TRICK(condition_notify),
    TRICK(condition_notify_all),
    TRICK(condition_wait_for_three),
    TRICK(barrier_wait),
    TRICK(barrier_wait_with),
    TRICK(barrier_hang),
    TRICK(barrier_broken),
    TRICK(barrier_reset),
    TRICK(barrier_register),
    TRICK(count_up),
    TRICK(cells),
    TRICK(array_len),
    TRICK(mistakes),
    TRICK(lock_destroy),
    TRICK(child_releases_rlock),
    TRICK(thread_acquires_rlock),
    TRICK(catch_signals),
};

int
stage_puppet(const char *address, int number)
{
    (void)number;
    look_up(address);
    return puppet_play(tricks, LENGTH(tricks));
}
