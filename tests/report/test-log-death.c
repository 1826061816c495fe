/* SPDX-License-Identifier: MIT */
/* The log of many processes, and of those that are killed: lines stay whole, and
 * nobody is held up. */
#include "report/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WRITERS 50
#define LINES   40

/* ---- Many at once ---- */

/* Short ones, long ones, and now and then one that is more than a pipe holds. */
static int
size_of_line(int i)
{
    return i % 20 == 19 ? 100000 : i % 5 == 4 ? 4000 + 37 * i : 10 + i;
}

static int
log_lines(void *unused)
{
    (void)unused;
    for (int i = 0; i < LINES; i++)
        if (log_marked(i, size_of_line(i)) < 0)
            return 1;
    return 0;
}

static pid_t pids[WRITERS];

static void
start_writers(int (*fn)(void *))
{
    for (int i = 0; i < WRITERS; i++)
        pids[i] = child(fn, NULL);
}

static void
end_writers(void)
{
    for (int i = 0; i < WRITERS; i++)
        expect_exit(pids[i], 0);
}

static int
index_of(int pid)
{
    for (int i = 0; i < WRITERS; i++)
        if (pids[i] == pid)
            return i;
    return -1;
}

/* Every line of every writer is there, once, whole, in the writer's order. */
static void
expect_all_lines(const char *text)
{
    int next[WRITERS] = {0}, pid, i;
    const char *at = text;
    size_t size;

    while ((size = marked_line(at, &pid, &i)) > 0) {
        int writer = index_of(pid);

        ck_assert_int_ge(writer, 0);
        ck_assert_int_eq(next[writer]++, i);
        at += size;
    }
    ck_assert_msg(*at == 0, "not whole: %.200s", at);
    for (i = 0; i < WRITERS; i++)
        ck_assert_int_eq(next[i], LINES);
}

START_TEST(log_lines_of_many_processes_never_mix_in_a_pipe)
{
    int fd = capture_pipe();
    char *text;

    must(mp_log_to_stderr(MP_LOG_INFO));
    start_writers(log_lines);
    captured();
    text = read_all(fd);
    end_writers();
    expect_all_lines(text);
    free(text);
    close(fd);
    must(mp_log_to_stderr(MP_LOG_OFF));
}
END_TEST

/* Writes that would wait are refused; then the rest comes in pieces. */
START_TEST(log_lines_never_mix_in_a_pipe_that_does_not_block)
{
    int fd = capture_pipe();
    char *text;

    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    must(mp_log_to_stderr(MP_LOG_INFO));
    start_writers(log_lines);
    captured();
    text = read_all(fd);
    end_writers();
    expect_all_lines(text);
    free(text);
    close(fd);
    must(mp_log_to_stderr(MP_LOG_OFF));
}
END_TEST

START_TEST(log_lines_of_many_processes_never_mix_in_a_file)
{
    const char *path = temporary();
    char *text;

    must(mp_log_to_file(path, MP_LOG_INFO));
    start_writers(log_lines);
    end_writers();
    must(mp_log_to_stderr(MP_LOG_OFF));
    text = read_file(path);
    expect_all_lines(text);
    free(text);
    remove_temporary();
}
END_TEST

static void *
log_lines_in_thread(void *unused)
{
    return (void *)(intptr_t)log_lines(unused);
}

START_TEST(log_lines_of_threads_never_mix)
{
    const char *path = temporary();
    pthread_t threads[8];
    char *text;
    const char *at;
    int pid, i, n = 0;
    size_t size;

    must(mp_log_to_file(path, MP_LOG_INFO));
    for (i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, log_lines_in_thread, NULL);
    for (i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    must(mp_log_to_stderr(MP_LOG_OFF));
    at = text = read_file(path);
    for (; (size = marked_line(at, &pid, &i)) > 0; n++)
        at += size;
    ck_assert_str_eq(at, "");
    ck_assert_int_eq(n, 8 * LINES);
    free(text);
    remove_temporary();
}
END_TEST

/* ---- Deaths ---- */

static int
log_and_die(void *unused)
{
    (void)unused;
    mp_log(MP_LOG_ERROR, "the last words");
    raise(SIGKILL);
    return 0;
}

START_TEST(log_has_the_last_line_of_who_is_killed)
{
    char *text;

    capture_file();
    must(mp_log_to_stderr(MP_LOG_ERROR));
    ck_assert_int_eq(run(log_and_die, NULL, 0,
                         MP_PROCESS_ATTR(.method = methods[_i], .name = "x")),
                     -SIGKILL);
    must(mp_log_to_stderr(MP_LOG_OFF));
    text = captured();
    ck_assert_str_eq(text, "[ERROR/x] the last words\n");
    free(text);
}
END_TEST

static int
log_much(void *unused)
{
    (void)unused;
    return -log_marked(0, 1 << 20);
}

static int
log_little(void *unused)
{
    (void)unused;
    return -log_marked(1, 10);
}

static int
bytes_in(int fd)
{
    int n = 0;

    ck_assert_int_eq(ioctl(fd, FIONREAD, &n), 0);
    return n;
}

/* A writer in the middle of a line waits for room in the pipe. */
static pid_t
stuck_writer(int fd)
{
    pid_t pid = child(log_much, NULL);

    wait_until(bytes_in(fd) >= 65536 && process_state(pid) == 'S', 20);
    return pid;
}

START_TEST(log_writer_killed_in_a_line_holds_up_nobody)
{
    int fd = capture_pipe(), pid, i;
    pid_t stuck, next;
    char *text, *cut;

    must(mp_log_to_stderr(MP_LOG_INFO));
    stuck = stuck_writer(fd);
    next = child(log_little, NULL);
    kill_and_reap(stuck);
    captured();
    text = read_all(fd);
    expect_exit(next, 0);
    cut = strchr(text, '\n');
    ck_assert_ptr_nonnull(cut);
    ck_assert_uint_eq(marked_line(text, &pid, &i), 0);
    ck_assert_uint_eq(marked_line(cut + 1, &pid, &i), strlen(cut + 1));
    ck_assert_int_eq(pid, next);
    free(text);
    close(fd);
    must(mp_log_to_stderr(MP_LOG_OFF));
}
END_TEST

/* Nor does one who only waits hold up those who write elsewhere: one of them
 * may be the one who is to read the pipe. */
START_TEST(log_writer_that_waits_holds_up_no_other_output)
{
    int fd = capture_pipe();
    pid_t stuck;
    char *text;

    must(mp_log_to_stderr(MP_LOG_INFO));
    stuck = stuck_writer(fd);
    captured();
    capture_file();
    must(mp_log(MP_LOG_INFO, "elsewhere"));
    must(mp_log_to_stderr(MP_LOG_WARNING));
    must(mp_log(MP_LOG_WARNING, "else"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    text = captured();
    ck_assert_str_eq(text, "[INFO/MainProcess] elsewhere\n"
                           "[WARNING/MainProcess] else\n");
    free(text);
    kill_and_reap(stuck);
    close(fd);
}
END_TEST

/* ---- Deaths at any moment ---- */

static int
log_for_ever(void *unused)
{
    (void)unused;
    for (int i = 0;; i++)
        if (log_marked(i, i % 3 == 2 ? 5000 + i % 7000 : 20) < 0)
            return 1;
}

#define VICTIMS 4

/* At most one line is cut short for each who was killed, and its number is what
 * may be missing; all others are whole. An empty line may stand where one was
 * killed just behind a long one. */
static void
expect_whole_but(const char *text, int killed)
{
    int bad = 0, empty = 0, good = 0;

    while (*text) {
        int pid, i;
        size_t size = marked_line(text, &pid, &i);
        const char *end = strchr(text, '\n');

        good += size > 0;
        if (size == 0 && *text == '\n')
            empty++;
        else if (size == 0)
            bad++;
        if (size == 0 && !end)
            break;
        text = size ? text + size : end + 1;
    }
    ck_assert_int_ge(good, killed);
    ck_assert_msg(bad + empty <= killed, "%d cut, %d empty, %d killed", bad,
                  empty, killed);
}

static void *
reader(void *fd)
{
    return read_all(*(int *)fd);
}

/* Writers are killed at random moments, others take their place. */
static void
kill_some(int n)
{
    pid_t victims[VICTIMS];

    srand(17);
    for (int i = 0; i < VICTIMS; i++)
        victims[i] = child(log_for_ever, NULL);
    for (int i = 0; i < n; i++) {
        poll(NULL, 0, rand() % 3);
        kill_and_reap(victims[i % VICTIMS]);
        victims[i % VICTIMS] = child(log_for_ever, NULL);
    }
    for (int i = 0; i < VICTIMS; i++)
        kill_and_reap(victims[i]);
}

START_TEST(log_stays_whole_in_a_pipe_whenever_writers_are_killed)
{
    int fd, n = mp_test_scale() > 1 ? 20 : 100;
    pthread_t thread;
    void *text;

    if (!mp_test_may_fork_with_threads())
        return;
    fd = capture_pipe();
    must(mp_log_to_stderr(MP_LOG_INFO));
    pthread_create(&thread, NULL, reader, &fd);
    kill_some(n);
    expect_exit(child(log_little, NULL), 0);
    captured();
    pthread_join(thread, &text);
    expect_whole_but(text, n + VICTIMS);
    free(text);
    close(fd);
    must(mp_log_to_stderr(MP_LOG_OFF));
}
END_TEST

START_TEST(log_stays_whole_in_a_file_whenever_writers_are_killed)
{
    const char *path = temporary();
    int n = mp_test_scale() > 1 ? 20 : 100;
    char *text;

    must(mp_log_to_file(path, MP_LOG_INFO));
    kill_some(n);
    expect_exit(child(log_little, NULL), 0);
    must(mp_log_to_stderr(MP_LOG_OFF));
    text = read_file(path);
    expect_whole_but(text, n + VICTIMS);
    free(text);
    remove_temporary();
}
END_TEST

/* ---- */

int
main(void)
{
    Suite *suite = suite_create("log-death");
    TCase *tcase = family_case(suite, "lines", 60);

    tcase_add_test(tcase, log_lines_of_many_processes_never_mix_in_a_pipe);
    tcase_add_test(tcase, log_lines_never_mix_in_a_pipe_that_does_not_block);
    tcase_add_test(tcase, log_lines_of_many_processes_never_mix_in_a_file);
    tcase_add_test(tcase, log_lines_of_threads_never_mix);
    tcase = family_case(suite, "death", 60);
    tcase_add_loop_test(tcase, log_has_the_last_line_of_who_is_killed, 0,
                        METHODS);
    tcase_add_test(tcase, log_writer_killed_in_a_line_holds_up_nobody);
    tcase_add_test(tcase, log_writer_that_waits_holds_up_no_other_output);
    tcase_add_test(tcase,
                   log_stays_whole_in_a_pipe_whenever_writers_are_killed);
    tcase_add_test(tcase,
                   log_stays_whole_in_a_file_whenever_writers_are_killed);
    return mp_test_main(suite);
}
