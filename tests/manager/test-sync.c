/* SPDX-License-Identifier: MIT */
/* Locks, semaphores, events, conditions, barriers, values and arrays, used by
 * programs of other families, and by the family at the same time. Who is killed
 * is to others a dead thread, wherever they are. */
#include "manager/puppet.h"

#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS   ((mp_time)1000000)
#define LATE 3000 /* ms: what a busy machine may be late */

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

/* ---- The puppet ---- */

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

static int
puppet(const char *address, int number)
{
    (void)number;
    look_up(address);
    return puppet_play(tricks, LENGTH(tricks));
}

const struct role roles[] = {{"puppet", puppet}, {NULL, NULL}};

/* ---- The family ---- */

struct stage {
    mp_manager *manager;
    struct things things;
    struct remote *a, *b;
};

static void
publish(struct stage *stage, const char *name, void *handle)
{
    must(mp_manager_publish(stage->manager, name, handle));
}

static void
make_things(struct stage *stage)
{
    struct things *t = &stage->things;

    must(mp_lock_create(&t->lock, NULL));
    must(mp_rlock_create(&t->rlock, NULL));
    must(mp_semaphore_create(&t->tracked, 2, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_event_create(&t->event, NULL));
    must(mp_condition_create(&t->condition, NULL));
    must(mp_barrier_create(&t->barrier, 3, NULL));
    must(mp_value_create(&t->count, 'i', 0));
    must(mp_array_create(&t->array, 'd', 3, NULL));
    publish(stage, "lock", t->lock);
    publish(stage, "rlock", t->rlock);
    publish(stage, "tracked", t->tracked);
    publish(stage, "event", t->event);
    publish(stage, "condition", t->condition);
    publish(stage, "barrier", t->barrier);
    publish(stage, "count", t->count);
    publish(stage, "array", t->array);
}

static struct remote *
puppet_of(const struct stage *stage)
{
    struct remote *made =
        remote_start("puppet", mp_manager_address(stage->manager), 0);

    must(puppet_hear(made));
    return made;
}

/* By a local socket, or (`tcp`) over TLS. */
static struct stage *
stage_new(int tcp)
{
    mp_manager *manager = kit_start(tcp ? "tcp:127.0.0.1:0" : "unix:");
    struct stage *stage = mp_alloc(sizeof(*stage));

    stage->manager = manager;
    make_things(stage);
    stage->a = puppet_of(stage);
    stage->b = puppet_of(stage);
    return stage;
}

/* All is free again, and given back. */
static void
stage_end(struct stage *stage)
{
    struct things *t = &stage->things;

    if (stage->a)
        puppet_end(stage->a);
    if (stage->b)
        puppet_end(stage->b);
    kit_shutdown(stage->manager);
    must(mp_lock_destroy(t->lock));
    must(mp_rlock_destroy(t->rlock));
    must(mp_semaphore_destroy(t->tracked));
    must(mp_event_destroy(t->event));
    must(mp_condition_destroy(t->condition));
    must(mp_barrier_destroy(t->barrier));
    must(mp_value_destroy(t->count));
    must(mp_array_destroy(t->array));
    must(mp_free(stage));
}

static void
kill_a(struct stage *stage)
{
    remote_kill(stage->a);
    stage->a = NULL;
}

/* Until something that is about to be so is so. */
#define await(what)                       \
    do {                                  \
        for (int i_ = 0; !(what); i_++) { \
            ck_assert_int_lt(i_, 30000);  \
            usleep(1000);                 \
        }                                 \
    } while (0)

/* Tells a puppet to acquire the lock, and waits until it stands there. */
static void
queue_at_the_lock(struct stage *stage, struct remote *remote)
{
    int before = mp_lock_waiters(stage->things.lock, NULL, 0);

    puppet_say(remote, "lock_acquire", -1);
    await(mp_lock_waiters(stage->things.lock, NULL, 0) > before);
    ck_assert(puppet_is_busy(remote));
}

/* ---- Together ---- */

START_TEST(sync_lock_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    pid_t server;
    int n;

    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", 0), -EAGAIN);
    ck_assert_int_eq(mp_lock_acquire(t->lock, MP_NOW), -EAGAIN);
    server = mp_lock_owner(t->lock);
    ck_assert_int_eq(puppet_do(stage->b, "lock_owner", 0), server);
    queue_at_the_lock(stage, stage->b);
    ck_assert_int_eq(puppet_do(stage->a, "lock_waiters", -1), 1);
    ck_assert_int_eq(puppet_do(stage->a, "lock_waiters", 0), server);
    ck_assert_int_eq(puppet_do(stage->a, "lock_release", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    ck_assert_int_eq(puppet_do(stage->a, "lock_locked", 0), 1);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), -EOVERFLOW);
    puppet_say(stage->a, "count_up", 200);
    puppet_say(stage->b, "count_up", 200);
    for (int i = 0; i < 200; i++) {
        must(mp_lock_acquire(t->lock, MP_FOREVER));
        must(mp_value_get(t->count, &n));
        must(mp_value_set(t->count, n + 1));
        must(mp_lock_release(t->lock));
    }
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(mp_value_get(t->count, &n));
    ck_assert_int_eq(n, 600);
    stage_end(stage);
}
END_TEST

START_TEST(sync_rlock_belongs_to_a_thread)
{
    struct stage *stage = stage_new(_i);
    mp_rlock *rlock = stage->things.rlock;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(puppet_do(stage->a, "rlock_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "thread_acquires_rlock", 0), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "child_releases_rlock", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->b, "rlock_release", 0), -EPERM);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mp_rlock_acquire(rlock, MP_NOW), -EAGAIN);
        ck_assert_int_eq(puppet_do(stage->a, "rlock_release", 0), 0);
    }
    must(mp_rlock_acquire(rlock, MP_NOW));
    must(mp_rlock_release(rlock));
    /* The thread ends, its process goes on. */
    ck_assert_int_eq(puppet_do(stage->a, "thread_acquires_rlock", 0), 0);
    ck_assert_int_eq(mp_rlock_acquire(rlock, mp_timeout(20)), -EOWNERDEAD);
    must(mp_rlock_release(rlock));
    stage_end(stage);
}
END_TEST

START_TEST(sync_semaphore_event_and_cells)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "tracked_acquire", 0), 0);
    must(mp_semaphore_acquire(t->tracked, MP_NOW));
    puppet_say(stage->b, "tracked_acquire", -1);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_value", 0), 0);
    must(mp_semaphore_release(t->tracked));
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    ck_assert_int_eq(puppet_do(stage->b, "tracked_release", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "tracked_release", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), 0);

    puppet_say(stage->a, "event_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "event_is_set", 0), 0);
    must(mp_event_set(t->event));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->b, "event_clear", 0), 0);
    ck_assert_int_eq(mp_event_is_set(t->event), 0);
    puppet_say(stage->a, "event_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "event_set", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->a, "event_fd", 0), -EREMOTE);

    ck_assert_int_eq(puppet_do(stage->a, "cells", 0), 0);
    kill_a(stage); /* it holds the lock of the value */
    ck_assert_int_eq(mp_rlock_acquire(mp_value_lock(t->count), mp_timeout(20)),
                     -EOWNERDEAD);
    must(mp_rlock_release(mp_value_lock(t->count)));
    stage_end(stage);
}
END_TEST

START_TEST(sync_condition_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "condition_wait", -1), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_notify", 1), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_wait_for_three", -1),
                     -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "condition_acquire", -1), 0);
    ck_assert_int_eq(puppet_do(stage->a, "condition_wait", 0), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "condition_acquire", -1), 0);
    puppet_say(stage->a, "condition_wait", -1);
    ck_assert_int_eq(puppet_do(stage->b, "condition_acquire", -1), 0);
    puppet_say(stage->b, "condition_wait_for_three", 60000);
    await(mp__line_length(t->condition) == 2);
    must(mp_condition_acquire(t->condition, MP_FOREVER));
    must(mp_condition_notify(t->condition, 1));
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_release(t->condition));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    must(mp_value_set(t->count, 3));
    ck_assert_int_eq(puppet_do(stage->a, "condition_notify_all", 0), 0);
    /* It has it twice again. */
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    ck_assert_int_eq(mp_condition_acquire(t->condition, MP_NOW), -EAGAIN);
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    ck_assert_int_eq(puppet_hear(stage->b), 33);
    ck_assert_int_eq(puppet_do(stage->b, "condition_wait_for_three", 0), 33);
    ck_assert_int_eq(puppet_do(stage->b, "condition_release", 0), 0);
    stage_end(stage);
}
END_TEST

/* It has to have its lock back. */
START_TEST(sync_condition_wait_is_not_ended_by_signals)
{
    struct stage *stage = stage_new(_i);
    mp_condition *condition = stage->things.condition;

    must(puppet_do(stage->a, "catch_signals", 0));
    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", -1);
    await(mp__line_length(condition) == 1);
    for (int i = 0; i < 50; i++) {
        kill(stage->a->pid, SIGUSR1);
        usleep(1000);
    }
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_acquire(condition, MP_FOREVER));
    must(mp_condition_notify_all(condition));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->a), 0);
    ck_assert_int_eq(puppet_do(stage->a, "condition_release", 0), 0);
    stage_end(stage);
}
END_TEST

static int
sits(void *arg, int i)
{
    (void)i;
    return mp_barrier_wait(arg, MP_FOREVER) < 0;
}

static int
sits_in_vain(void *arg, int i)
{
    (void)i;
    return mp_barrier_wait(arg, MP_FOREVER) != -ECANCELED;
}

START_TEST(sync_barrier_of_two_programs_and_the_family)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    int n;

    for (int round = 0; round < 20; round++) {
        int seen = 0;

        puppet_say(stage->a, "barrier_wait", -1);
        puppet_say(stage->b, "barrier_wait", 60000);
        seen |= 1 << must(mp_barrier_wait(t->barrier, MP_FOREVER));
        seen |= 1 << must(puppet_hear(stage->a));
        seen |= 1 << must(puppet_hear(stage->b));
        ck_assert_int_eq(seen, 7);
    }
    for (int r = 0; r >= -7; r -= 7) {
        struct kin *kin =
            kin_start(PROCESSES, 1, r ? sits_in_vain : sits, t->barrier);

        puppet_say(stage->a, "barrier_wait", -1);
        await(mp_barrier_n_waiting(t->barrier) == 2);
        must(mp_value_set(t->count, 0));
        if (r == 0)
            must(puppet_do(stage->b, "barrier_wait_with", r));
        else
            ck_assert_int_eq(puppet_do(stage->b, "barrier_wait_with", r), r);
        ck_assert_int_eq(puppet_hear(stage->a) < 0 ? -ECANCELED : 0,
                         r ? -ECANCELED : 0);
        must(mp_value_get(t->count, &n));
        ck_assert_int_eq(n, 10);
        kin_end(kin);
    }
    ck_assert_int_eq(puppet_do(stage->a, "barrier_broken", 0), 1);
    stage_end(stage);
}
END_TEST

START_TEST(sync_mistakes_and_what_is_destroyed)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    ck_assert_int_eq(puppet_do(stage->a, "mistakes", 0), 0);
    must(puppet_do(stage->b, "lock_acquire", -1));
    ck_assert_int_eq(puppet_do(stage->a, "lock_destroy", 0), -EBUSY);
    must(puppet_do(stage->b, "lock_release", 0));
    must(puppet_do(stage->a, "lock_destroy", 0));
    ck_assert_int_eq(mp_lock_acquire(t->lock, MP_NOW), -EBADF);
    ck_assert_int_eq(puppet_do(stage->a, "lock_acquire", -1), -EBADF);
    ck_assert_int_eq(puppet_do(stage->b, "lock_acquire", -1), -EBADF);
    t->lock = NULL;
    /* Under the eyes of one who waits. */
    puppet_say(stage->a, "event_wait", -1);
    must(mp_event_destroy(t->event));
    t->event = NULL;
    ck_assert_int_eq(puppet_hear(stage->a), -EBADF);
    stage_end(stage);
}
END_TEST

/* ---- Deadlines ---- */

static void
times_out(struct remote *remote, const char *trick)
{
    mp_time begun = mp__now();
    long r = puppet_do(remote, trick, 50);
    mp_time taken = mp__now() - begun;

    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_ge(taken, 50 * MS);
    ck_assert_int_lt(taken, LATE * MS);
}

START_TEST(sync_deadlines_hold)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;

    must(mp_lock_acquire(t->lock, MP_NOW));
    times_out(stage->a, "lock_acquire");
    must(mp_lock_release(t->lock));
    ck_assert_int_eq(puppet_do(stage->b, "lock_acquire", 0), 0);
    ck_assert_int_eq(puppet_do(stage->b, "lock_release", 0), 0);
    must(mp_rlock_acquire(t->rlock, MP_NOW));
    times_out(stage->a, "rlock_acquire");
    must(mp_rlock_release(t->rlock));
    for (int i = 0; i < 2; i++)
        must(mp_semaphore_acquire(t->tracked, MP_NOW));
    times_out(stage->a, "tracked_acquire");
    for (int i = 0; i < 2; i++)
        must(mp_semaphore_release(t->tracked));
    ck_assert_int_eq(mp_semaphore_value(t->tracked), 2);
    times_out(stage->a, "event_wait");
    must(mp_condition_acquire(t->condition, MP_NOW));
    times_out(stage->a, "condition_acquire");
    must(mp_condition_release(t->condition));
    must(puppet_do(stage->a, "condition_acquire", 1000));
    times_out(stage->a, "condition_wait");
    must(puppet_do(stage->a, "condition_release", 0));
    times_out(stage->a, "barrier_wait");
    await(mp_barrier_broken(t->barrier) == 1); /* the server is on its way */
    ck_assert_int_eq(puppet_do(stage->b, "barrier_wait", -1), -ECANCELED);
    ck_assert_int_eq(puppet_do(stage->b, "barrier_reset", 0), 0);
    ck_assert_int_eq(mp_barrier_broken(t->barrier), 0);
    stage_end(stage);
}
END_TEST

/* Late, but it has its lock back. */
START_TEST(sync_condition_waits_for_its_lock_beyond_its_deadline)
{
    struct stage *stage = stage_new(_i);
    mp_condition *condition = stage->things.condition;

    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", 30);
    must(mp_condition_acquire(condition, MP_FOREVER));
    usleep(200000);
    ck_assert(puppet_is_busy(stage->a));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->a), -ETIMEDOUT);
    ck_assert_int_eq(mp_condition_acquire(condition, MP_NOW), -EAGAIN);
    must(puppet_do(stage->a, "condition_release", 0));
    stage_end(stage);
}
END_TEST

/* ---- Killed ---- */

static int
gets_lock_of_the_dead(void *arg, int i)
{
    int r = mp_lock_acquire(arg, MP_FOREVER);

    (void)i;
    return r != -EOWNERDEAD || mp_lock_release(arg);
}

/* By one who sleeps in the family, by another program, by both. */
START_TEST(G02_lock_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_lock *lock = stage->things.lock;
    struct kin *kin = NULL;
    long r;

    must(puppet_do(stage->a, "lock_acquire", -1));
    if (_i / 2 == 0) {
        kin = kin_start(PROCESSES, 1, gets_lock_of_the_dead, lock);
        kin_await_sleep(kin);
    } else {
        queue_at_the_lock(stage, stage->b);
    }
    kill_a(stage);
    if (kin) {
        kin_end(kin);
        r = puppet_do(stage->b, "lock_acquire", 0);
        ck_assert_int_eq(r, 0);
    } else {
        ck_assert_int_eq(puppet_hear(stage->b), -EOWNERDEAD);
    }
    must(puppet_do(stage->b, "lock_release", 0));
    ck_assert_int_eq(mp_lock_locked(lock), 0);
    stage_end(stage);
}
END_TEST

START_TEST(G02_rlock_of_a_killed_program)
{
    struct stage *stage = stage_new(_i);

    must(puppet_do(stage->a, "rlock_acquire", -1));
    must(puppet_do(stage->a, "rlock_acquire", -1));
    puppet_say(stage->b, "rlock_acquire", -1);
    await(mp_rlock_waiters(stage->things.rlock, NULL, 0) == 1);
    kill_a(stage);
    ck_assert_int_eq(puppet_hear(stage->b), -EOWNERDEAD);
    must(puppet_do(stage->b, "rlock_release", 0)); /* it was held once */
    ck_assert_int_eq(mp_rlock_locked(stage->things.rlock), 0);
    stage_end(stage);
}
END_TEST

static int
takes_permit(void *arg, int i)
{
    (void)i;
    return mp_semaphore_acquire(arg, MP_FOREVER);
}

START_TEST(G02_semaphore_permits_of_a_killed_program)
{
    struct stage *stage = stage_new(_i);
    mp_semaphore *tracked = stage->things.tracked;
    struct kin *kin;

    must(puppet_do(stage->a, "tracked_acquire", -1));
    must(puppet_do(stage->a, "tracked_acquire", -1));
    kin = kin_start(PROCESSES, 1, takes_permit, tracked);
    kin_await_sleep(kin);
    puppet_say(stage->b, "tracked_acquire", -1);
    kill_a(stage);
    kin_end(kin);
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(puppet_do(stage->b, "tracked_release", 0));
    ck_assert_int_eq(mp_semaphore_value(tracked), 2);
    stage_end(stage);
}
END_TEST

/* A waiter that was killed, before it was notified and after. */
START_TEST(G04_condition_waiter_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_condition *condition = stage->things.condition;
    int notified = _i / 2;

    must(puppet_do(stage->a, "condition_acquire", -1));
    puppet_say(stage->a, "condition_wait", -1);
    await(mp__line_length(condition) == 1);
    must(puppet_do(stage->b, "condition_acquire", -1));
    puppet_say(stage->b, "condition_wait", -1);
    await(mp__line_length(condition) == 2);
    must(mp_condition_acquire(condition, MP_FOREVER));
    if (notified)
        must(mp_condition_notify(condition, 1));
    kill_a(stage);
    await(mp__line_length(condition) == 1);
    if (!notified)
        must(mp_condition_notify(condition, 1));
    must(mp_condition_release(condition));
    ck_assert_int_eq(puppet_hear(stage->b), 0);
    must(puppet_do(stage->b, "condition_release", 0));
    stage_end(stage);
}
END_TEST

START_TEST(G04_barrier_party_of_a_killed_program)
{
    struct stage *stage = stage_new(_i % 2);
    mp_barrier *barrier = stage->things.barrier;
    struct kin *kin = kin_start(PROCESSES, 1, sits_in_vain, barrier);
    int acting = _i / 2;

    kin_await_sleep(kin);
    puppet_say(acting ? stage->b : stage->a, "barrier_wait", -1);
    await(mp_barrier_n_waiting(barrier) == 2);
    if (acting) {
        ck_assert_int_eq(puppet_do(stage->a, "barrier_hang", 0), 1);
    }
    kill_a(stage);
    kin_end(kin);
    if (!acting)
        puppet_say(stage->b, "barrier_wait", -1);
    ck_assert_int_eq(puppet_hear(stage->b), -ECANCELED);
    ck_assert_int_eq(mp_barrier_broken(barrier), 1);
    stage_end(stage);
}
END_TEST

START_TEST(G04_barrier_registered_program_killed)
{
    struct stage *stage = stage_new(_i);
    mp_barrier *barrier = stage->things.barrier;
    struct kin *kin;

    must(puppet_do(stage->a, "barrier_register", 0));
    kin = kin_start(PROCESSES, 1, sits_in_vain, barrier);
    kin_await_sleep(kin);
    puppet_say(stage->b, "barrier_wait", -1);
    await(mp_barrier_n_waiting(barrier) == 2);
    kill_a(stage);
    kin_end(kin);
    ck_assert_int_eq(puppet_hear(stage->b), -ECANCELED);
    stage_end(stage);
}
END_TEST

/* ---- The server ---- */

static void
kill_server(struct stage *stage)
{
    mp_process *server = mp_manager_process(stage->manager);

    must(mp_process_kill(server));
    must(mp_process_join(server, MP_FOREVER));
    must(mp_process_close(server));
}

/* What programs held is given back at once; what they wait for has failed; and
 * when there is another server they go on. */
START_TEST(sync_server_killed_and_started_again)
{
    struct stage *stage = stage_new(_i);
    struct things *t = &stage->things;
    struct kin *kin;

    must(puppet_do(stage->a, "lock_acquire", -1));
    must(puppet_do(stage->a, "tracked_acquire", -1));
    must(puppet_do(stage->b, "condition_acquire", -1));
    puppet_say(stage->b, "condition_wait", 60000);
    await(mp__line_length(t->condition) == 1);
    kin = kin_start(PROCESSES, 1, gets_lock_of_the_dead, t->lock);
    kin_await_sleep(kin);
    kill_server(stage);
    kin_end(kin);
    ck_assert_int_eq(mp_semaphore_value(t->tracked), 2);
    ck_assert_uint_eq(mp__line_length(t->condition), 0);
    must(mp_condition_acquire(t->condition, MP_NOW));
    must(mp_condition_notify_all(t->condition));
    must(mp_condition_release(t->condition));
    ck_assert_int_eq(must(mp_manager_restart(stage->manager)), 1);
    ck_assert_int_eq(puppet_hear(stage->b), -EPIPE);
    ck_assert_int_eq(puppet_do(stage->b, "condition_release", 0), -EPERM);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), -EPIPE);
    ck_assert_int_eq(puppet_do(stage->a, "tracked_release", 0), -EPERM);
    must(puppet_do(stage->a, "lock_acquire", 20000));
    must(puppet_do(stage->a, "lock_release", 0));
    stage_end(stage);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("manager-sync");
    TCase *tcase = mp_test_case(suite, "together", 60);

    tcase_add_loop_test(tcase, sync_lock_of_two_programs_and_the_family, 0, 2);
    tcase_add_loop_test(tcase, sync_rlock_belongs_to_a_thread, 0, 2);
    tcase_add_loop_test(tcase, sync_semaphore_event_and_cells, 0, 2);
    tcase_add_loop_test(tcase, sync_condition_of_two_programs_and_the_family,
                        0, 2);
    tcase_add_loop_test(tcase, sync_condition_wait_is_not_ended_by_signals, 0,
                        2);
    tcase_add_loop_test(tcase, sync_barrier_of_two_programs_and_the_family, 0,
                        2);
    tcase_add_loop_test(tcase, sync_mistakes_and_what_is_destroyed, 0, 2);
    tcase_add_loop_test(tcase, sync_deadlines_hold, 0, 2);
    tcase_add_loop_test(
        tcase, sync_condition_waits_for_its_lock_beyond_its_deadline, 0, 2);

    tcase = mp_test_case(suite, "killed", 60);
    tcase_add_loop_test(tcase, G02_lock_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G02_rlock_of_a_killed_program, 0, 2);
    tcase_add_loop_test(tcase, G02_semaphore_permits_of_a_killed_program, 0,
                        2);
    tcase_add_loop_test(tcase, G04_condition_waiter_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G04_barrier_party_of_a_killed_program, 0, 4);
    tcase_add_loop_test(tcase, G04_barrier_registered_program_killed, 0, 2);
    tcase_add_loop_test(tcase, sync_server_killed_and_started_again, 0, 2);
    return kit_main(argc, argv, suite);
}
