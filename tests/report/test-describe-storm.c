/* SPDX-License-Identifier: MIT */
/* mp_describe() of objects that others use, make and destroy meanwhile. */
#include "process/family.h"
#include "report/report.h"

#include <string.h>

enum { HANDS = 3 };

/* What is used, or was made last. */
struct busy {
    void *volatile object;
    volatile int over;
};

static int
use_locks(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over)
        if (mp_lock_acquire(busy->object, MP_FOREVER) >= 0)
            mp_lock_release(busy->object);
    return 0;
}

static int
use_semaphores(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over)
        if (mp_semaphore_acquire(busy->object, MP_FOREVER) >= 0)
            mp_semaphore_release(busy->object);
    return 0;
}

static int
use_conditions(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        if (mp_condition_acquire(busy->object, MP_FOREVER) < 0)
            return 1;
        mp_condition_notify_all(busy->object);
        mp_condition_wait(busy->object, mp_timeout(0.001));
        mp_condition_release(busy->object);
    }
    return 0;
}

static int
use_barriers(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_barrier_register(busy->object);
        mp_barrier_wait(busy->object, mp_timeout(0.01));
        mp_barrier_reset(busy->object);
        mp_barrier_unregister(busy->object);
    }
    return 0;
}

static int
use_events(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_event_set(busy->object);
        mp_event_clear(busy->object);
        mp_event_wait(busy->object, mp_timeout(0.001));
    }
    return 0;
}

static int
use_queue(void *arg)
{
    struct busy *busy = *(struct busy **)arg;
    char byte = 0;

    while (!busy->over) {
        if (mp_queue_put(busy->object, &byte, 1, MP_FOREVER) < 0 ||
            mp_queue_get(busy->object, &byte, 1, MP_FOREVER) < 0)
            return 1;
    }
    return 0;
}

/* Makes, shows and destroys objects whose descriptions follow pointers. */
static int
make_semaphores(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_semaphore *s;

        if (mp_semaphore_create(&s, 64, MP_SEMAPHORE_ATTR(.tracked = 1)) < 0)
            return 1;
        busy->object = s;
        mp_semaphore_acquire(s, MP_NOW);
        if (mp_semaphore_destroy(s) < 0)
            return 1;
    }
    return 0;
}

static int
make_barriers(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_barrier *b;

        if (mp_barrier_create(&b, 64, NULL) < 0)
            return 1;
        busy->object = b;
        mp_barrier_register(b);
        mp_barrier_unregister(b);
        if (mp_barrier_destroy(b) < 0)
            return 1;
    }
    return 0;
}

static int
nothing(void *unused)
{
    (void)unused;
    return 0;
}

/* Starts and ends processes; the last handle is shown. */
static int
make_processes(void *arg)
{
    struct busy *busy = *(struct busy **)arg;

    while (!busy->over) {
        mp_process *process;

        if (mp_process_start(&process, nothing, NULL, 0, NULL) < 0)
            return 1;
        busy->object = process;
        if (mp_process_join(process, MP_FOREVER) < 0 ||
            mp_process_close(process) < 0)
            return 1;
    }
    return 0;
}

static void
hammer(mp_target target, void *object, int hands, const char *kind)
{
    struct busy *busy = mp_new(struct busy);
    mp_process *processes[HANDS];
    int there;

    busy->object = object;
    for (int i = 0; i < hands; i++)
        processes[i] = start_named("hand", target, busy);
    wait_until(busy->object != NULL, 20);
    there = report_in_loop(&busy->object, kind, 0.3);
    busy->over = 1;
    for (int i = 0; i < hands; i++)
        ck_assert_int_eq(end_of(processes[i]), 0);
    ck_assert_int_gt(there, 0);
    must(mp_free(busy));
}

START_TEST(describe_while_others_are_at_it)
{
    mp_condition *condition;
    mp_semaphore *semaphore;
    mp_barrier *barrier;
    mp_event *event;
    mp_queue *queue;
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    must(mp_semaphore_create(&semaphore, 2, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_condition_create(&condition, NULL));
    must(mp_barrier_create(&barrier, HANDS, NULL));
    must(mp_event_create(&event, NULL));
    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 2)));
    hammer(use_locks, lock, HANDS, "lock ");
    hammer(use_semaphores, semaphore, HANDS, "semaphore ");
    hammer(use_conditions, condition, HANDS, "condition ");
    hammer(use_barriers, barrier, HANDS, "barrier ");
    hammer(use_events, event, HANDS, "event ");
    hammer(use_queue, queue, HANDS, "queue ");
    must(mp_lock_destroy(lock));
    must(mp_semaphore_destroy(semaphore));
    must(mp_condition_destroy(condition));
    must(mp_barrier_destroy(barrier));
    must(mp_event_destroy(event));
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(describe_while_they_come_and_go)
{
    hammer(make_semaphores, NULL, 1, "semaphore ");
    hammer(make_barriers, NULL, 1, "barrier ");
    hammer(make_processes, NULL, 1, "process ");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("describe-storm");
    TCase *tcase = family_case(suite, "storm", 60);

    tcase_add_test(tcase, describe_while_others_are_at_it);
    tcase_add_test(tcase, describe_while_they_come_and_go);
    return mp_test_main(suite);
}
