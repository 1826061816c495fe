/* SPDX-License-Identifier: MIT */
/* Waiting, asking, signalling: by the parent and by others of the family. */
#include "family.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WITH(...) MP_PROCESS_ATTR(.method = methods[_i], __VA_ARGS__)

static int
return_arg(void *arg)
{
    return *(int *)arg;
}

static int
wait_for_flag(void *arg)
{
    return await_value(*(int **)arg, 1) ? 5 : 1;
}

static void
raise_flag(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

START_TEST(join_waits_as_long_as_told)
{
    int *flag = mp_new(int);
    mp_process *p;
    int code = 77;

    must(mp_process_start(&p, wait_for_flag, &flag, sizeof(flag),
                          WITH(.name = "waits")));
    ck_assert_int_eq(mp_process_join(p, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_process_join(p, mp_timeout(0.02)), -ETIMEDOUT);
    ck_assert_int_eq(mp_process_is_alive(p), 1);
    ck_assert_int_eq(mp_process_exitcode(p, &code), -EAGAIN);
    ck_assert_int_eq(code, 77);
    must_fail(mp_process_close(p), -EBUSY, "waits");
    raise_flag(flag);
    ck_assert_int_eq(mp_process_join(p, mp_timeout(20)), 0);
    ck_assert_int_eq(mp_process_join(p, MP_NOW), 0); /* as often as you like */
    ck_assert_int_eq(mp_process_join(p, MP_FOREVER), 0);
    ck_assert_int_eq(mp_process_is_alive(p), 0);
    ck_assert_int_gt(mp_process_pid(p), 0);
    ck_assert_int_eq(end_of(p), 5);
    mp_free(flag);
}
END_TEST

START_TEST(join_of_self_is_deadlock)
{
    mp_process *me = mp_current_process();

    must_fail(mp_process_join(me, MP_FOREVER), -EDEADLK, "itself");
    must_fail(mp_process_stop(me, 1), -EDEADLK, "itself");
    must_fail(mp_process_close(me), -EBUSY, "MainProcess");
    ck_assert_int_eq(mp_process_is_alive(me), 1);
    ck_assert_str_eq(mp_process_name(me), "MainProcess");
    ck_assert_int_eq(mp_process_pid(me), getpid());
}
END_TEST

static void
on_signal(int signal)
{
    (void)signal;
}

static void *
interrupt_main_thread(void *thread)
{
    pid_t me = getpid();

    wait_until(thread_state(me, me) == 'S', 10);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

START_TEST(join_is_interrupted_by_a_handler)
{
    struct sigaction action = {.sa_handler = on_signal};
    const mp_time deadlines[] = {MP_FOREVER, mp_timeout(100)};
    pthread_t self = pthread_self();
    pthread_t other;
    mp_process *p;

    sigaction(SIGUSR1, &action, NULL);
    must(mp_process_start(&p, sleep_for_ever, NULL, 0, WITH(.daemon = 1)));
    for (int i = 0; i < 2; i++) {
        pthread_create(&other, NULL, interrupt_main_thread, &self);
        ck_assert_int_eq(mp_process_join(p, deadlines[i]), -EINTR);
        pthread_join(other, NULL);
    }
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
}
END_TEST

/* ---- From elsewhere in the family. */

struct foreign {
    mp_process *other;
    int joined, alive, code, again, closed;
};

static int
join_other(void *arg)
{
    struct foreign *f = *(struct foreign **)arg;

    f->alive = mp_process_is_alive(f->other);
    f->joined = mp_process_join(f->other, mp_timeout(20));
    f->again = mp_process_is_alive(f->other);
    return mp_process_exitcode(f->other, &f->code) != 0;
}

static int
join_other_by_grandchild(void *arg)
{
    mp_process *p;
    int code;

    if (mp_process_start(&p, join_other, arg, sizeof(struct foreign *), NULL) <
            0 ||
        mp_process_join(p, MP_FOREVER) < 0 ||
        mp_process_exitcode(p, &code) < 0 || mp_process_close(p) < 0)
        return 1;
    return code;
}

static void
check_foreign_join(int method, mp_target joiner, int target_method)
{
    struct foreign *f = mp_new(struct foreign);
    int *flag = mp_new(int);
    mp_process *p;

    must(mp_process_start(&f->other, wait_for_flag, &flag, sizeof(flag),
                          MP_PROCESS_ATTR(.method = target_method)));
    must(mp_process_start(&p, joiner, &f, sizeof(f),
                          MP_PROCESS_ATTR(.method = method)));
    wait_until(__atomic_load_n(&f->alive, __ATOMIC_ACQUIRE) == 1, 10);
    raise_flag(flag);
    ck_assert_int_eq(end_of(p), 0); /* before the parent has joined */
    ck_assert_int_eq(f->joined, 0);
    ck_assert_int_eq(f->again, 0);
    ck_assert_int_eq(f->code, 5);
    ck_assert_int_eq(end_of(f->other), 5);
    mp_free(flag);
    mp_free(f);
}

START_TEST(G15_join_by_a_sibling)
{
    for (int i = 0; i < METHODS; i++)
        check_foreign_join(methods[_i], join_other, methods[i]);
}
END_TEST

START_TEST(G15_join_by_a_nephew)
{
    must(mp_set_start_method(methods[_i]));
    check_foreign_join(methods[_i], join_other_by_grandchild, MP_FORK);
}
END_TEST

static int
stop_other(void *arg)
{
    struct foreign *f = *(struct foreign **)arg;
    int code = 0;

    if (mp_process_terminate(f->other) < 0 ||
        mp_process_join(f->other, mp_timeout(20)) < 0 ||
        mp_process_exitcode(f->other, &code) < 0)
        return 1;
    f->code = code;
    f->closed = mp_process_close(f->other);
    return 0;
}

START_TEST(G15_terminate_and_close_by_a_sibling)
{
    struct foreign *f = mp_new(struct foreign);
    mp_process *p;

    must(mp_process_start(&f->other, sleep_for_ever, NULL, 0,
                          WITH(.name = "victim")));
    must(mp_process_start(&p, stop_other, &f, sizeof(f),
                          WITH(.name = "culprit")));
    ck_assert_int_eq(end_of(p), 0);
    ck_assert_int_eq(f->code, -SIGTERM);
    ck_assert_int_eq(f->closed, 0);
    ck_assert_int_eq(mp_process_join(f->other, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_active_children(NULL, 0), 0); /* takes the zombie */
    mp_free(f);
}
END_TEST

static int
join_parent(void *arg)
{
    mp_process *parent = mp_parent_process();

    *(int *)arg = mp_process_join(parent, mp_timeout(0.01));
    return *(int *)arg == -ETIMEDOUT && mp_process_is_alive(parent) == 1 ? 0
                                                                         : 1;
}

START_TEST(G15_child_asks_about_its_parent)
{
    int result = 0;

    ck_assert_int_eq(
        run(join_parent, &result, sizeof(result), WITH(.name = "child")), 0);
}
END_TEST

/* ---- Handles. */

static void
check_stale(mp_process *p)
{
    int code;

    must_fail(mp_process_join(p, MP_NOW), -EBADF, "mp_process_join");
    must_fail(mp_process_is_alive(p), -EBADF, "mp_process_is_alive");
    must_fail(mp_process_exitcode(p, &code), -EBADF, "mp_process_exitcode");
    must_fail(mp_process_interrupt(p), -EBADF, "mp_process_interrupt");
    must_fail(mp_process_terminate(p), -EBADF, "mp_process_terminate");
    must_fail(mp_process_kill(p), -EBADF, "mp_process_kill");
    must_fail(mp_process_stop(p, 1), -EBADF, "mp_process_stop");
    must_fail(mp_process_pid(p), -EBADF, "mp_process_pid");
    must_fail(mp_process_is_daemon(p), -EBADF, "mp_process_is_daemon");
    must_fail(mp_process_fd(p), -EBADF, "mp_process_fd");
    ck_assert_ptr_null(mp_process_name(p));
}

START_TEST(G36_handles_that_are_none)
{
    int zero = 0;
    mp_process *p;
    void *block = mp_alloc(4096);

    must(mp_process_start(&p, return_arg, &zero, sizeof(zero), NULL));
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_close(p));
    check_stale(p);
    must_fail(mp_process_close(p), -EBADF, "mp_process_close");
    check_stale((mp_process *)((char *)mp_current_process() + 8));
    check_stale((mp_process *)&zero);
    check_stale(block);
    check_stale(NULL);
    ck_assert_int_eq(mp_process_close(NULL), 0);
    mp_free(block);
}
END_TEST

/* ---- Signals. */

START_TEST(signals_reach_the_process)
{
    int (*const calls[])(mp_process *) = {
        mp_process_interrupt, mp_process_terminate, mp_process_kill};
    const int signals[] = {SIGINT, SIGTERM, SIGKILL};

    for (int i = 0; i < 3; i++) {
        mp_process *p;

        must(mp_process_start(&p, sleep_for_ever, NULL, 0,
                              WITH(.name = "sleeps")));
        must(calls[i](p));
        must(mp_process_join(p, MP_FOREVER));
        must(calls[i](p)); /* it has ended already: no error */
        ck_assert_int_eq(end_of(p), -signals[i]);
    }
}
END_TEST

/* A family of four below one: a child that ignores SIGTERM and has a child,
 * and one that does not. */
struct tree {
    int up; /* how many run */
    mp_process *all[3];
};

static int
be_leaf(void *arg)
{
    struct tree *tree = *(struct tree **)arg;

    signal(SIGTERM, SIG_IGN);
    __atomic_fetch_add(&tree->up, 1, __ATOMIC_RELEASE);
    return sleep_for_ever(NULL);
}

static int
be_branch(void *arg)
{
    struct tree *tree = *(struct tree **)arg;

    if (mp_process_start(&tree->all[2], be_leaf, &tree, sizeof(tree), NULL))
        return 1;
    return be_leaf(arg);
}

static int
be_trunk(void *arg)
{
    struct tree *tree = *(struct tree **)arg;

    if (mp_process_start(&tree->all[0], be_branch, &tree, sizeof(tree), NULL))
        return 1;
    if (mp_process_start(&tree->all[1], be_leaf, &tree, sizeof(tree), NULL))
        return 1;
    return sleep_for_ever(NULL);
}

/* A child may run before its start has returned to its parent. */
static int
is_up(struct tree *tree)
{
    for (int i = 0; i < 3; i++)
        if (!__atomic_load_n(&tree->all[i], __ATOMIC_ACQUIRE))
            return 0;
    return __atomic_load_n(&tree->up, __ATOMIC_ACQUIRE) == 3;
}

START_TEST(stop_takes_the_tree_if_asked)
{
    struct tree *tree = mp_new(struct tree);
    mp_process *p, *other;

    must(mp_process_start(&other, sleep_for_ever, NULL, 0, NULL));
    must(mp_process_start(&p, be_trunk, &tree, sizeof(tree),
                          MP_PROCESS_ATTR(.method = methods[_i % METHODS],
                                          .tree = _i / METHODS)));
    wait_until(is_up(tree), 20);
    must(mp_process_stop(p, 20));
    ck_assert_int_eq(end_of(p), -SIGTERM);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(mp_process_is_alive(tree->all[i]), _i < METHODS);
        must(mp_process_kill(tree->all[i]));
        must(mp_process_join(tree->all[i], mp_timeout(20)));
        must(mp_process_close(tree->all[i]));
    }
    ck_assert_int_eq(mp_process_is_alive(other), 1);
    must(mp_process_stop(other, 20));
    must(mp_process_close(other));
    mp_free(tree);
}
END_TEST

static int
ignore_term(void *arg)
{
    signal(SIGTERM, SIG_IGN);
    raise_flag(*(int **)arg);
    return sleep_for_ever(NULL);
}

START_TEST(stop_asks_then_kills)
{
    int *flag = mp_new(int);
    mp_process *p;

    must(mp_process_start(&p, sleep_for_ever, NULL, 0, WITH(.name = "a")));
    must(mp_process_stop(p, 20));
    ck_assert_int_eq(end_of(p), -SIGTERM);
    must(mp_process_start(&p, ignore_term, &flag, sizeof(flag),
                          WITH(.name = "b")));
    wait_until(__atomic_load_n(flag, __ATOMIC_ACQUIRE), 10);
    must(mp_process_stop(p, 0.05));
    must(mp_process_stop(p, 0.05));
    ck_assert_int_eq(end_of(p), -SIGKILL);
    mp_free(flag);
}
END_TEST

START_TEST(fd_polls_readable_at_the_end)
{
    int *flag = mp_new(int);
    struct pollfd poller = {.events = POLLIN};
    mp_process *p;

    must(mp_process_start(&p, wait_for_flag, &flag, sizeof(flag),
                          WITH(.name = "polled")));
    poller.fd = mp_process_fd(p);
    ck_assert_int_eq(poll(&poller, 1, 0), 0);
    raise_flag(flag);
    ck_assert_int_eq(poll(&poller, 1, 20000), 1);
    ck_assert_int_eq(mp_process_fd(p), poller.fd);
    ck_assert_int_eq(end_of(p), 5);
    poller.fd = -1;
    mp_free(flag);
}
END_TEST

/* ---- Programs that reap children themselves. */

START_TEST(join_with_SIGCHLD_ignored)
{
    int three = 3;
    mp_process *p;
    int code, r;

    signal(SIGCHLD, SIG_IGN);
    must(mp_process_start(&p, return_arg, &three, sizeof(three),
                          WITH(.name = "ignored")));
    must(mp_process_join(p, MP_FOREVER));
    must(mp_process_exitcode(p, &code)); /* it could leave a hint */
    ck_assert_int_eq(code, 3);
    must(mp_process_close(p));

    must(
        mp_process_start(&p, sleep_for_ever, NULL, 0, WITH(.name = "killed")));
    ck_assert_int_eq(mp_process_is_alive(p), 1);
    must(mp_process_kill(p));
    must(mp_process_join(p, mp_timeout(20)));
    ck_assert_int_eq(mp_process_is_alive(p), 0);
    r = mp_process_exitcode(p, &code);
    ck_assert(r == -ENODATA || (r == 0 && code == -SIGKILL));
    must(mp_process_close(p));
    signal(SIGCHLD, SIG_DFL);
}
END_TEST

START_TEST(join_after_the_programs_own_wait)
{
    int three = 3;
    mp_process *p;
    pid_t pid;
    int code, r;

    must(mp_process_start(&p, return_arg, &three, sizeof(three), NULL));
    ck_assert_int_eq(waitpid(mp_process_pid(p), NULL, 0), mp_process_pid(p));
    ck_assert_int_eq(end_of(p), 3);

    must(mp_process_start(&p, sleep_for_ever, NULL, 0, NULL));
    pid = mp_process_pid(p);
    must(mp_process_kill(p));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    must(mp_process_kill(p)); /* hits nobody */
    must(mp_process_join(p, mp_timeout(20)));
    r = mp_process_exitcode(p, &code);
    ck_assert(r == -ENODATA || (r == 0 && code == -SIGKILL));
    must(mp_process_close(p));
}
END_TEST

/* ---- Lists. */

START_TEST(active_children_are_those_that_run)
{
    mp_process *p[3], *list[3] = {NULL};

    ck_assert_int_eq(mp_active_children(list, 3), 0);
    for (int i = 0; i < 3; i++)
        must(mp_process_start(&p[i], sleep_for_ever, NULL, 0,
                              WITH(.name = "listed")));
    ck_assert_int_eq(mp_active_children(NULL, 0), 3);
    ck_assert_int_eq(mp_active_children(list, 1), 3);
    ck_assert_ptr_nonnull(list[0]);
    ck_assert_ptr_null(list[1]);
    ck_assert_int_eq(mp_active_children(list, 3), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(list[i]);
    must(mp_process_kill(p[1]));
    must(mp_process_join(p[1], MP_FOREVER));
    ck_assert_int_eq(mp_active_children(list, 3), 2);
    ck_assert(list[0] != p[1] && list[1] != p[1]);
    for (int i = 0; i < 3; i++) {
        must(mp_process_kill(p[i]));
        ck_assert_int_eq(end_of(p[i]), -SIGKILL);
    }
    ck_assert_int_eq(mp_active_children(list, 3), 0);
}
END_TEST

/* A forked copy has no children of its own. */
static int
count_children(void *unused)
{
    (void)unused;
    return mp_active_children(NULL, 0);
}

START_TEST(active_children_are_not_inherited)
{
    mp_process *p;

    must(mp_process_start(&p, sleep_for_ever, NULL, 0, NULL));
    ck_assert_int_eq(run(count_children, NULL, 0, NULL), 0);
    expect_exit(child(count_children, NULL), 0);
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
}
END_TEST

/* ---- A process that the program forks by itself belongs to the family. */

static int
live_in_a_raw_fork(void *arg)
{
    struct foreign *f = arg;
    mp_process *me = mp_current_process();
    mp_process *p;
    int four = 4, code;

    f->joined = mp_process_join(f->other, MP_NOW);
    return mp_process_pid(me) != getpid() ||
           mp_process_start(&p, return_arg, &four, sizeof(four), NULL) < 0 ||
           mp_process_join(p, MP_FOREVER) < 0 ||
           mp_process_exitcode(p, &code) < 0 || code != 4 ||
           mp_process_close(p) < 0 || f->joined != -EAGAIN ||
           mp_parent_process() == me || mp_parent_process() == NULL;
}

START_TEST(raw_fork_is_of_the_family)
{
    struct foreign f = {0};

    must(mp_process_start(&f.other, sleep_for_ever, NULL, 0,
                          WITH(.name = "other")));
    expect_exit(child(live_in_a_raw_fork, &f), 0);
    must(mp_process_kill(f.other));
    ck_assert_int_eq(end_of(f.other), -SIGKILL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("join");
    TCase *tcase = family_case(suite, "methods", 20);
    TCase *once = family_case(suite, "calls", 10);

    tcase_add_loop_test(tcase, join_waits_as_long_as_told, 0, METHODS);
    tcase_add_loop_test(tcase, join_is_interrupted_by_a_handler, 0, METHODS);
    tcase_add_loop_test(tcase, G15_join_by_a_sibling, 0, METHODS);
    tcase_add_loop_test(tcase, G15_join_by_a_nephew, 0, METHODS);
    tcase_add_loop_test(tcase, G15_terminate_and_close_by_a_sibling, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G15_child_asks_about_its_parent, 0, METHODS);
    tcase_add_loop_test(tcase, signals_reach_the_process, 0, METHODS);
    tcase_add_loop_test(tcase, stop_asks_then_kills, 0, METHODS);
    tcase_add_loop_test(tcase, stop_takes_the_tree_if_asked, 0, 2 * METHODS);
    tcase_add_loop_test(tcase, fd_polls_readable_at_the_end, 0, METHODS);
    tcase_add_loop_test(tcase, join_with_SIGCHLD_ignored, 0, METHODS);
    tcase_add_loop_test(tcase, active_children_are_those_that_run, 0, METHODS);
    tcase_add_loop_test(tcase, raw_fork_is_of_the_family, 0, METHODS);
    tcase_add_test(once, join_of_self_is_deadlock);
    tcase_add_test(once, G36_handles_that_are_none);
    tcase_add_test(once, join_after_the_programs_own_wait);
    tcase_add_test(once, active_children_are_not_inherited);
    return mp_test_main(suite);
}
