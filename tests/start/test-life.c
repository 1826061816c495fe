/* SPDX-License-Identifier: MIT */
/* Who ends with whom. The families are programs of their own (process/kin.c); their
 * orphans come to us, so that their ends can be seen for certain. */
#include "process/family.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIDS 16

struct kin {
    pid_t root;
    int output;
    int count;
    pid_t pid[PIDS];
};

/* Starts a scene. */
static void
open_kin(struct kin *kin, int method, const char *scene)
{
    char number[8];
    const char *program = getenv("MP_TEST_KIN");
    int ends[2];

    ck_assert_msg(program != NULL, "MP_TEST_KIN is not set");
    snprintf(number, sizeof(number), "%d", method);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    ck_assert_int_eq(pipe(ends), 0);
    kin->root = fork();
    if (kin->root == 0) {
        setpgid(0, 0);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl(program, program, number, scene, NULL);
        _exit(95);
    }
    setpgid(kin->root, kin->root); /* whoever of us is first */
    close(ends[1]);
    kin->output = ends[0];
    kin->count = 0;
}

/* Reads the line of pids. */
static void
read_pids(struct kin *kin, int expected)
{
    char line[256];
    size_t n = 0;
    char *at = line;

    while (n < sizeof(line) - 1 && read(kin->output, line + n, 1) == 1 &&
           line[n] != '\n')
        n++;
    line[n] = '\0';
    for (kin->count = 0; kin->count < PIDS; kin->count++) {
        long pid = strtol(at, &at, 10);

        if (pid <= 0)
            break;
        kin->pid[kin->count] = (pid_t)pid;
    }
    ck_assert_msg(kin->count == expected, "kin says: %s", line);
}

/* What it says from now on, until all that could say something have ended. */
static void
read_rest(struct kin *kin, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while (used < size - 1 &&
           (n = read(kin->output, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(kin->output);
}

/* The end of one that was orphaned, or of the root. */
static int
has_ended(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == pid || kill(pid, 0) < 0;
}

static int
lives(pid_t pid)
{
    char state = process_state(pid);

    return state != 0 && state != 'Z';
}

static void
take_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void
expect_all_ended(const struct kin *kin)
{
    for (int i = 0; i < kin->count; i++)
        wait_until(has_ended(kin->pid[i]), 10);
    wait_until((take_orphans(), kill(-kin->root, 0) < 0), 10);
}

START_TEST(G14_family_ends_with_its_killed_root)
{
    struct kin kin;
    char text[16];

    open_kin(&kin, methods[_i], "tree");
    read_pids(&kin, 9);
    for (int i = 0; i < kin.count; i++)
        ck_assert(lives(kin.pid[i]));
    kill_and_reap(kin.root);
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(G34_interrupt_ends_the_family)
{
    struct kin kin;
    char text[256];

    open_kin(&kin, methods[_i], "tree");
    read_pids(&kin, 9);
    ck_assert_int_eq(kill(-kin.root, SIGINT), 0);
    expect_killed(kin.root, SIGINT); /* 130 for a shell */
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, ""); /* and prints nothing */
}
END_TEST

START_TEST(G14_death_of_a_parent_is_as_asked_for)
{
    struct kin kin;
    char text[256];
    pid_t stay, detached;

    open_kin(&kin, methods[_i], "middle");
    read_pids(&kin, 5);
    stay = kin.pid[1];
    detached = kin.pid[4];
    ck_assert_int_eq(kill(kin.pid[0], SIGKILL), 0);
    wait_until(has_ended(kin.pid[2]), 10); /* MP_DEATH_KILL */
    wait_until(has_ended(kin.pid[3]), 10); /* daemon */
    ck_assert(lives(stay));
    ck_assert(lives(detached));
    kill_and_reap(kin.root);
    wait_until(has_ended(stay), 10);
    ck_assert(lives(detached));
    ck_assert_int_eq(kill(detached, SIGKILL), 0);
    wait_until(has_ended(detached), 10);
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(life_outlasts_the_thread_that_started_it)
{
    struct kin kin;
    char text[16];

    open_kin(&kin, methods[_i], "thread");
    read_pids(&kin, 1); /* printed after the thread's end */
    ck_assert(lives(kin.pid[0]));
    kill_and_reap(kin.root);
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

static void
check_leaving(const char *scene, const char *expected, int code)
{
    for (int i = 0; i < METHODS; i++) {
        struct kin kin;
        char text[256];

        open_kin(&kin, methods[i], scene);
        read_rest(&kin, text, sizeof(text));
        ck_assert_str_eq(text, expected);
        expect_exit(kin.root, code);
        expect_all_ended(&kin);
    }
}

START_TEST(G31_leaving_terminates_daemons_and_joins_others)
{
    check_leaving("leave", "terminated\nworked\n", 4);
    check_leaving("leave-by-exit", "terminated\nworked\n", 4);
    check_leaving("leave-target", "terminated\nworked\njoined\n", 4);
}
END_TEST

START_TEST(G31_stubborn_daemons_cannot_keep_their_parent)
{
    struct kin kin;
    char text[16];

    open_kin(&kin, methods[_i], "stubborn");
    read_pids(&kin, 2);
    expect_exit(kin.root, 0);
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(leaving_does_not_wait_for_the_detached)
{
    struct kin kin;
    char text[16];

    open_kin(&kin, methods[_i], "detach");
    read_pids(&kin, 1);
    expect_exit(kin.root, 0);
    ck_assert(lives(kin.pid[0]));
    ck_assert_int_eq(kill(kin.pid[0], SIGKILL), 0);
    expect_all_ended(&kin);
    read_rest(&kin, text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

/* In a copy that the program forks by itself, exit() ends nobody. */
static int
leave_by_exit(void *unused)
{
    (void)unused;
    exit(0);
}

START_TEST(leaving_of_a_raw_fork_leaves_others_alone)
{
    mp_process *p;

    must(mp_process_start(&p, sleep_for_ever, NULL, 0,
                          MP_PROCESS_ATTR(.daemon = 1)));
    expect_exit(child(leave_by_exit, NULL), 0);
    ck_assert_int_eq(mp_process_is_alive(p), 1);
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("life");
    TCase *tcase = mp_test_case(suite, "roots", 20);
    TCase *leaving = family_case(suite, "leaving", 30);

    tcase_add_loop_test(tcase, G14_family_ends_with_its_killed_root, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G34_interrupt_ends_the_family, 0, METHODS);
    tcase_add_loop_test(tcase, G14_death_of_a_parent_is_as_asked_for, 0,
                        METHODS);
    tcase_add_loop_test(tcase, life_outlasts_the_thread_that_started_it, 0,
                        METHODS);
    tcase_add_test(leaving, G31_leaving_terminates_daemons_and_joins_others);
    tcase_add_loop_test(leaving, G31_stubborn_daemons_cannot_keep_their_parent,
                        0, METHODS);
    tcase_add_loop_test(leaving, leaving_does_not_wait_for_the_detached, 0,
                        METHODS);
    tcase_add_test(leaving, leaving_of_a_raw_fork_leaves_others_alone);
    return mp_test_main(suite);
}
