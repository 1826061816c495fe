/* SPDX-License-Identifier: MIT */
/* Threads come, use the library, fork, and die in every way. */
#include "base/error.h"
#include "region/kin.h"
#include "region/layout.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Coming and going ---- */

static int
use_once(void *unused, int i)
{
    (void)unused;
    (void)i;
    ck_assert_ptr_nonnull(mp__me.part);
    ck_assert_uint_eq(mp__me.part->tid, (uint32_t)syscall(SYS_gettid));
    ck_assert_uint_eq(mp__me.part->pid, (uint32_t)getpid());
    ck_assert_ptr_eq(mp__participant_at(mp__me.index), mp__me.part);
    return mp_free(mp_alloc(100));
}

START_TEST(participant_slots_are_used_again)
{
    uint32_t high = mp__participants_high();

    for (int i = 0; i < 100; i++)
        kin_run((enum kin_how)_i, 2, use_once, NULL);
    /* the two, and two that are dead and not yet reaped */
    ck_assert_uint_le(mp__participants_high(), high + 4);
}
END_TEST

START_TEST(participant_many_at_once)
{
    uint32_t high = mp__participants_high();
    int n = _i == THREADS ? 100 : 200;

    for (int round = 0; round < 2; round++)
        kin_run((enum kin_how)_i, mp_test_scale() > 1 ? 20 : n, use_once,
                NULL);
    ck_assert_uint_le(mp__participants_high(), high + 2 * (unsigned)n);
    heap_now();
}
END_TEST

/* ---- Ids ---- */

struct meeting {
    mp__a64 id;
};

static int
introduce(void *arg, int unused)
{
    struct meeting *meeting = arg;

    (void)unused;
    mp__store(&meeting->id, mp__participant_id(mp__me.part));
    for (;;)
        pause();
    return 0;
}

START_TEST(participant_id_is_that_of_one_life)
{
    struct meeting *meeting = mp_new(struct meeting);
    struct kin *kin = kin_start(PROCESSES, 1, introduce, meeting);
    struct mp__participant *part;
    uint64_t id;

    wait_until(mp__load(&meeting->id) != 0, 20);
    id = mp__load(&meeting->id);
    part = mp__participant_find(id);
    ck_assert_ptr_nonnull(part);
    ck_assert_uint_eq(part->pid, (uint32_t)kin->pids[0]);
    ck_assert_uint_eq(mp__participant_id(part), id);
    ck_assert_uint_eq(mp__load(mp__participant_word(part)),
                      mp__participant_word_alive(part));
    kin_kill(kin, 0);
    ck_assert_ptr_null(mp__participant_find(id)); /* not reaped yet */
    ck_assert_uint_ne(mp__load(mp__participant_word(part)),
                      mp__participant_word_alive(part));
    mp__reap();
    ck_assert_ptr_null(mp__participant_find(id));
    kin_run(PROCESSES, 3, use_once, NULL); /* somebody has its slot */
    ck_assert_ptr_null(mp__participant_find(id));
    ck_assert_ptr_null(mp__participant_find(0));
    ck_assert_ptr_null(mp__participant_find(UINT64_MAX));
    kin_end(kin);
    must(mp_free(meeting));
}
END_TEST

/* ---- The table is full ---- */

/* Fills the table with slots of the living: of this thread, or of the dead. */
static void
fill_table(int dead)
{
    uint32_t high = mp__participants_high();

    for (uint32_t i = high; i < MP__PARTICIPANTS; i++) {
        struct mp__participant *part = mp__participant_at(i);

        memcpy(&part->life, &mp__me.part->life, sizeof(part->life));
        part->tid = mp__me.part->tid;
        mp__store(&part->state, mp__load(&mp__me.part->state));
        if (dead)
            mp__store(mp__participant_word(part), FUTEX_OWNER_DIED);
    }
    mp__store(&mp__region()->participants_high, MP__PARTICIPANTS);
}

static void *
enter(void *ret)
{
    *(int *)ret = mp__enter();
    if (*(int *)ret < 0 && strstr(mp_last_error(), "4096") == NULL)
        *(int *)ret = -1;
    return NULL;
}

static int
enter_in_thread(void)
{
    pthread_t thread;
    int r = 1;

    ck_assert_int_eq(pthread_create(&thread, NULL, enter, &r), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return r;
}

START_TEST(participant_too_many_are_refused)
{
    fill_table(0);
    ck_assert_int_eq(enter_in_thread(), -EAGAIN);
    ck_assert_int_eq(enter_in_thread(), -EAGAIN);
    must(mp_free(mp_alloc(100))); /* who is in stays in */
}
END_TEST

START_TEST(participant_table_of_the_dead_is_not_full)
{
    fill_table(1);
    ck_assert_int_eq(enter_in_thread(), 0);
}
END_TEST

/* ---- fork ---- */

static int
have_own_slot(void *parent_part)
{
    must(mp__enter());
    ck_assert_ptr_ne(mp__me.part, parent_part);
    ck_assert_uint_eq(mp__me.part->pid, (uint32_t)getpid());
    return mp_free(mp_alloc(100));
}

START_TEST(participant_child_of_fork_registers_anew)
{
    ck_assert_ptr_nonnull(mp__me.part);
    expect_exit(child(have_own_slot, mp__me.part), 0);
    ck_assert_uint_eq(mp__me.part->tid, (uint32_t)getpid());
    must(mp_free(mp_alloc(100)));
}
END_TEST

/* No handler of pthread_atfork() runs here. */
START_TEST(participant_child_of_a_bare_fork_registers_anew)
{
    pid_t pid = _Fork();

    if (pid == 0)
        _exit(have_own_slot(mp__me.part));
    ck_assert_int_gt(pid, 0);
    expect_exit(pid, 0);
    must(mp_free(mp_alloc(100)));
}
END_TEST

/* The C library does not know of this child, and robust futexes do not work
 * there. It must not hang, nor do its parent harm. */
START_TEST(participant_child_of_a_bare_clone_harms_nobody)
{
    uint64_t id = mp__participant_id(mp__me.part);
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

    if (pid == 0) {
        void *p = mp_alloc(100);

        _exit(p == NULL || mp_free(p) == 0 ? 0 : 1);
    }
    ck_assert_int_gt(pid, 0);
    expect_exit(pid, 0);
    mp__reap();
    ck_assert_ptr_eq(mp__participant_find(id), mp__me.part);
    kin_run(PROCESSES, 2, use_once, NULL);
    ck_assert_ptr_eq(mp__participant_find(id), mp__me.part);
    must(mp_free(mp_alloc(100)));
}
END_TEST

/* ---- G17 ---- */

static mp__a32 stop;

static int
allocate_all_the_time(void *arg, int i)
{
    unsigned seed = (unsigned)i;

    (void)arg;
    while (!mp__load(&stop)) {
        void *p = mp_alloc((size_t)rand_r(&seed) % 100000);

        if (p == NULL || mp_free(p) < 0)
            return 1;
    }
    return 0;
}

static int
allocate_some(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < 200; i++)
        if (mp_free(mp_alloc(i * 517)) < 0)
            return 1;
    return 0;
}

START_TEST(G17_participant_forks_while_threads_are_inside)
{
    uint64_t before = heap_use();
    struct kin *kin = kin_start(THREADS, 3, allocate_all_the_time, NULL);

    for (int i = 0; i < (mp_test_scale() > 1 ? 5 : 100); i++)
        expect_exit(child(allocate_some, NULL), 0);
    mp__store(&stop, 1);
    kin_end(kin);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("participant");
    TCase *tcase = mp_test_case(suite, "slots", 30);

    tcase_add_loop_test(tcase, participant_slots_are_used_again, 0, 2);
    tcase_add_loop_test(tcase, participant_many_at_once, 0, 2);
    tcase_add_test(tcase, participant_id_is_that_of_one_life);
    tcase_add_test(tcase, participant_too_many_are_refused);
    tcase_add_test(tcase, participant_table_of_the_dead_is_not_full);
    tcase = mp_test_case(suite, "fork", 30);
    tcase_add_test(tcase, participant_child_of_fork_registers_anew);
    tcase_add_test(tcase, participant_child_of_a_bare_fork_registers_anew);
    tcase_add_test(tcase, participant_child_of_a_bare_clone_harms_nobody);
    tcase_add_test(tcase, G17_participant_forks_while_threads_are_inside);
    return mp_test_main(suite);
}
