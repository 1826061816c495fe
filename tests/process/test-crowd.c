/* SPDX-License-Identifier: MIT */
/* Many at once: threads that start, join, close, signal and die. */
#include "family.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WITH(...) MP_PROCESS_ATTR(.method = methods[_i], __VA_ARGS__)
#define THREADS   8
#define ROUNDS    50

static int
return_arg(void *arg)
{
    return *(int *)arg;
}

struct starter {
    pthread_t thread;
    int method, first, failures, rounds;
};

static void *
start_many(void *arg)
{
    struct starter *s = arg;

    for (int i = 0; i < s->rounds; i++) {
        int expected = (s->first + i) % 200;
        int code = -1;
        mp_process *p;

        if (mp_process_start(&p, return_arg, &expected, sizeof(expected),
                             MP_PROCESS_ATTR(.method = s->method)) < 0 ||
            mp_process_join(p, MP_FOREVER) < 0 ||
            mp_process_exitcode(p, &code) < 0 || mp_process_close(p) < 0 ||
            code != expected)
            s->failures++;
    }
    return NULL;
}

START_TEST(G17_threads_start_processes)
{
    struct starter s[THREADS];

    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct starter){.method = methods[_i],
                                .first = i * 20,
                                .rounds = methods[_i] == MP_SPAWN ? ROUNDS / 2
                                                                  : ROUNDS};
        pthread_create(&s[i].thread, NULL, start_many, &s[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(s[i].thread, NULL);
        ck_assert_int_eq(s[i].failures, 0);
    }
    ck_assert_int_eq(mp_active_children(NULL, 0), 0);
}
END_TEST

/* All at once on one process: nobody hangs, one close wins. */
struct contender {
    pthread_t thread;
    mp_process *process;
    pthread_barrier_t *barrier;
    int joined, killed, closed;
};

static void *
contend(void *arg)
{
    struct contender *c = arg;

    pthread_barrier_wait(c->barrier);
    c->killed = mp_process_kill(c->process);
    c->joined = mp_process_join(c->process, mp_timeout(20));
    c->closed = mp_process_close(c->process);
    return NULL;
}

START_TEST(G16_contenders_for_one_process)
{
    for (int round = 0; round < 20; round++) {
        struct contender c[4];
        pthread_barrier_t barrier;
        mp_process *p;
        int closed = 0;

        pthread_barrier_init(&barrier, NULL, 4);
        must(mp_process_start(&p, sleep_for_ever, NULL, 0,
                              WITH(.name = "prize")));
        for (int i = 0; i < 4; i++) {
            c[i] = (struct contender){.process = p, .barrier = &barrier};
            pthread_create(&c[i].thread, NULL, contend, &c[i]);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(c[i].thread, NULL);
            ck_assert(c[i].joined == 0 || c[i].joined == -EBADF);
            ck_assert(c[i].killed == 0 || c[i].killed == -EBADF);
            ck_assert(c[i].closed == 0 || c[i].closed == -EBADF);
            closed += c[i].closed == 0;
        }
        ck_assert_int_eq(closed, 1);
        pthread_barrier_destroy(&barrier);
    }
}
END_TEST

/* Cells are used again: a handle that was closed is never a later process. */
START_TEST(G16_closed_handles_reach_nobody)
{
    mp_process *closed[50];

    for (int i = 0; i < 50; i++) {
        int zero = 0;

        must(mp_process_start(&closed[i], return_arg, &zero, sizeof(zero),
                              WITH(.name = "short")));
        must(mp_process_join(closed[i], MP_FOREVER));
        ck_assert_int_eq(end_of(closed[i]), 0);
        ck_assert_int_eq(mp_process_kill(closed[i]), -EBADF);
    }
}
END_TEST

static int
die_at_once(void *unused)
{
    (void)unused;
    raise(SIGKILL);
    return 0;
}

START_TEST(many_that_die_at_once)
{
    mp_process *p[20];

    for (int i = 0; i < 20; i++)
        must(mp_process_start(&p[i], die_at_once, NULL, 0,
                              WITH(.name = "dies")));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(end_of(p[i]), -SIGKILL);
}
END_TEST

static int
use_library(void *arg)
{
    void *block = mp_alloc(1000);

    (void)arg;
    return block && mp_free(block) == 0 ? 0 : 1;
}

static void *
allocate_all_the_time(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
        mp_free(mp_alloc(100));
    return NULL;
}

START_TEST(G17_fork_while_threads_use_the_library)
{
    pthread_t thread;
    int stop = 0;

    pthread_create(&thread, NULL, allocate_all_the_time, &stop);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(
            run(use_library, NULL, 0, MP_PROCESS_ATTR(.method = MP_FORK)), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}
END_TEST

/* The fork server is killed: the next start has another. */
static int
kill_parent(void *unused)
{
    (void)unused;
    kill(getppid(), SIGKILL);
    return 6;
}

START_TEST(forkserver_that_is_killed_is_replaced)
{
    for (int i = 0; i < 3; i++) {
        mp_process *p;
        int zero = 0;

        must(mp_process_start(&p, kill_parent, NULL, 0,
                              MP_PROCESS_ATTR(.method = MP_FORKSERVER)));
        must(mp_process_join(p, mp_timeout(20)));
        ck_assert_int_eq(end_of(p), 6); /* the child's own word for it */
        ck_assert_int_eq(run(return_arg, &zero, sizeof(zero),
                             MP_PROCESS_ATTR(.method = MP_FORKSERVER)),
                         0);
    }
    mp_test_leaks_mark(); /* the server is another one */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("crowd");
    TCase *tcase = family_case(suite, "methods", 60);

    tcase_add_loop_test(tcase, G17_threads_start_processes, 0, METHODS);
    tcase_add_loop_test(tcase, G16_contenders_for_one_process, 0, METHODS);
    tcase_add_loop_test(tcase, G16_closed_handles_reach_nobody, 0, METHODS);
    tcase_add_loop_test(tcase, many_that_die_at_once, 0, METHODS);
    tcase_add_test(tcase, G17_fork_while_threads_use_the_library);
    tcase_add_test(tcase, forkserver_that_is_killed_is_replaced);
    return mp_test_main(suite);
}
