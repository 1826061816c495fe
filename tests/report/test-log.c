/* SPDX-License-Identifier: MIT */
/* The log: what a line looks like, which are written, and where. */
#include "report/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WITH(...) MP_PROCESS_ATTR(.method = methods[_i], __VA_ARGS__)
#define BY_METHOD MP_PROCESS_ATTR(.method = methods[_i])

static void
expect_captured(const char *expected)
{
    char *text = captured();

    ck_assert_str_eq(text, expected);
    free(text);
}

static void
expect_file(const char *path, const char *expected)
{
    char *text = read_file(path);

    ck_assert_str_eq(text, expected);
    free(text);
}

static int
warn(void *text)
{
    return -mp_log(MP_LOG_WARNING, "%s", (const char *)text);
}

/* ---- On and off ---- */

START_TEST(log_is_off_at_first_and_nothing_is_printed)
{
    ck_assert_int_eq(mp_log_level(), MP_LOG_OFF);
    capture_file();
    ck_assert_int_eq(mp_log(MP_LOG_CRITICAL, "nobody %s", "hears"), 0);
    ck_assert_int_eq(run(warn, "me neither", 11, WITH(.name = "x")), 0);
    expect_captured("");
}
END_TEST

START_TEST(log_is_turned_on_and_off)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_INFO));
    must(mp_log(MP_LOG_INFO, "one"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    must(mp_log(MP_LOG_CRITICAL, "two"));
    must(mp_log_to_stderr(MP_LOG_ERROR));
    must(mp_log(MP_LOG_WARNING, "three"));
    must(mp_log(MP_LOG_ERROR, "four"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[INFO/MainProcess] one\n[ERROR/MainProcess] four\n");
}
END_TEST

START_TEST(log_levels_are_pythons)
{
    capture_file();
    must(mp_log_to_stderr(0));
    ck_assert_int_eq(mp_log_level(), 0);
    must(mp_log(MP_LOG_DEBUG, "a"));
    must(mp_log(MP_LOG_INFO, "b"));
    must(mp_log(MP_LOG_WARNING, "c"));
    must(mp_log(MP_LOG_ERROR, "d"));
    must(mp_log(MP_LOG_CRITICAL, "e"));
    must(mp_log(25, "f"));
    must(mp_log(0, "g"));
    must(mp_log(MP_LOG_OFF - 1, "h"));
    must(mp_log_to_stderr(26));
    ck_assert_int_eq(mp_log_level(), 26);
    must(mp_log(25, "i"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[DEBUG/MainProcess] a\n[INFO/MainProcess] b\n"
                    "[WARNING/MainProcess] c\n[ERROR/MainProcess] d\n"
                    "[CRITICAL/MainProcess] e\n[Level 25/MainProcess] f\n"
                    "[Level 0/MainProcess] g\n[Level 999/MainProcess] h\n");
}
END_TEST

/* ---- Lines ---- */

START_TEST(log_line_is_one_line)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_INFO));
    must(mp_log(MP_LOG_INFO, "two\nlines, \ta tab\n"));
    must(mp_log(MP_LOG_INFO, "\x1b[31mred\x7f\r\n\n"));
    must(mp_log(MP_LOG_INFO, "na\u00efve %d%%", 5));
    must(mp_log(MP_LOG_INFO, "%s", ""));
    must(mp_log(MP_LOG_INFO, "\n"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[INFO/MainProcess] two lines,  a tab\n"
                    "[INFO/MainProcess] ?[31mred?? \n"
                    "[INFO/MainProcess] na\u00efve 5%\n"
                    "[INFO/MainProcess] \n"
                    "[INFO/MainProcess] \n");
}
END_TEST

/* What a program's own logging function does. */
static int complain(const char *format, ...) MP__PRINTF(1, 2);

static int
complain(const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = mp_vlog(MP_LOG_ERROR, format, args);
    va_end(args);
    return r;
}

START_TEST(log_line_with_the_arguments_of_another_function)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_ERROR));
    must(complain("%s has %d", "disk", 7));
    must_fail(complain(NULL), -EINVAL, "format");
    must(mp_log_to_stderr(MP_LOG_OFF));
    must(complain("%s", "nobody hears"));
    expect_captured("[ERROR/MainProcess] disk has 7\n");
}
END_TEST

START_TEST(log_lines_have_any_length)
{
    char *text;
    const char *at;
    int pid, i;

    capture_file();
    must(mp_log_to_stderr(MP_LOG_INFO));
    for (i = 900; i < 1100; i++)
        must(log_marked(i, i));
    must(log_marked(0, 3 << 20));
    must(mp_log_to_stderr(MP_LOG_OFF));
    text = captured();
    at = text;
    for (int n = 0; n < 201; n++) {
        size_t size = marked_line(at, &pid, &i);

        ck_assert_uint_gt(size, 0);
        ck_assert_int_eq(i, n < 200 ? 900 + n : 0);
        at += size;
    }
    ck_assert_str_eq(at, "");
    free(text);
}
END_TEST

/* ---- Every process ---- */

START_TEST(log_is_on_in_every_process)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_WARNING));
    ck_assert_int_eq(run(warn, "the disk is nearly full", 24, BY_METHOD), 0);
    ck_assert_int_eq(run(warn, "so it is", 9, WITH(.name = "x y")), 0);
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[WARNING/Process-4] the disk is nearly full\n"
                    "[WARNING/x y] so it is\n");
}
END_TEST

static int
turn_on(void *unused)
{
    (void)unused;
    return -mp_log_to_stderr(MP_LOG_DEBUG);
}

START_TEST(log_is_turned_on_by_any_process)
{
    capture_file();
    ck_assert_int_eq(run(turn_on, NULL, 0, BY_METHOD), 0);
    ck_assert_int_eq(mp_log_level(), MP_LOG_DEBUG);
    must(mp_log_to_stderr(MP_LOG_OFF));
    free(captured());
}
END_TEST

static int
grandchild(void *unused)
{
    (void)unused;
    return run(warn, "deep", 5, MP_PROCESS_ATTR(.method = MP_SPAWN));
}

START_TEST(log_reaches_grandchildren)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_WARNING));
    ck_assert_int_eq(run(grandchild, NULL, 0, BY_METHOD), 0);
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[WARNING/Process-5] deep\n");
}
END_TEST

/* One that the program forks itself has a name of its own, too. */
START_TEST(log_knows_processes_that_the_program_forked)
{
    capture_file();
    must(mp_log_to_stderr(MP_LOG_WARNING));
    must(mp_log(MP_LOG_WARNING, "parent"));
    expect_exit(child(warn, "child"), 0);
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[WARNING/MainProcess] parent\n"
                    "[WARNING/Process-4] child\n");
}
END_TEST

/* ---- Files ---- */

START_TEST(log_goes_to_the_end_of_a_file)
{
    const char *path = temporary();
    FILE *file = fopen(path, "w");

    fputs("before\n", file);
    fclose(file);
    must(mp_log_to_file(path, MP_LOG_WARNING));
    ck_assert_int_eq(run(warn, "child", 6, WITH(.cwd = "/")), 0);
    must(mp_log(MP_LOG_WARNING, "parent"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_file(path, "before\n[WARNING/Process-4] child\n"
                      "[WARNING/MainProcess] parent\n");
    remove_temporary();
}
END_TEST

START_TEST(log_file_is_named_from_the_directory_of_who_says_it)
{
    char *path = strdup(temporary()), *base = strrchr(path, '/');
    int here = open(".", O_PATH | O_CLOEXEC);

    *base = 0;
    ck_assert_int_eq(chdir(path), 0);
    must(mp_log_to_file("log", MP_LOG_WARNING));
    ck_assert_int_eq(fchdir(here), 0);
    close(here);
    *base = '/';
    ck_assert_int_eq(run(warn, "child", 6, WITH(.cwd = "/")), 0);
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_file(path, "[WARNING/Process-4] child\n");
    remove_temporary();
    free(path);
}
END_TEST

struct move {
    char path[100];
};

static int
log_and_move(void *arg)
{
    struct move *move = arg;
    int r = mp_log(MP_LOG_INFO, "first");

    if (r == 0)
        r = mp_log_to_file(move->path, MP_LOG_INFO);
    return r < 0 ? -r : -mp_log(MP_LOG_INFO, "second");
}

START_TEST(log_moves_for_all_when_one_says_so)
{
    char *first = strdup(temporary());
    struct move move;

    snprintf(move.path, sizeof(move.path), "%s.2", first);
    must(mp_log_to_file(first, MP_LOG_INFO));
    must(mp_log(MP_LOG_WARNING, "zero"));
    ck_assert_int_eq(run(log_and_move, &move, sizeof(move), BY_METHOD), 0);
    must(mp_log(MP_LOG_ERROR, "third"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    {
        char *text = read_file(first), *later = read_file(move.path);

        ck_assert(has_line(text, "[WARNING/MainProcess] zero"));
        ck_assert(has_line(text, "[INFO/Process-4] first"));
        ck_assert(!strstr(text, "second") && !strstr(text, "third"));
        ck_assert(has_line(later, "[INFO/Process-4] second"));
        ck_assert(has_line(later, "[ERROR/MainProcess] third"));
        ck_assert(!strstr(later, "first"));
        free(text);
        free(later);
    }
    unlink(move.path);
    remove_temporary();
    free(first);
}
END_TEST

/* A program that closes what it does not know, and opens its own. */
START_TEST(G37_log_writes_into_no_file_of_the_program)
{
    const char *path = temporary();
    int own, mine;

    must(mp_log_to_file(path, MP_LOG_INFO));
    must(mp_log(MP_LOG_INFO, "one"));
    for (own = 3; own < 1024; own++) {
        char name[64], target[128];
        ssize_t n;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", own);
        n = readlink(name, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = 0;
        if (strcmp(target, path) == 0)
            break;
    }
    ck_assert_int_lt(own, 1024);
    ck_assert_int_eq(fcntl(own, F_GETFD), FD_CLOEXEC);
    mine = memfd_create("mine", MFD_CLOEXEC);
    ck_assert_int_eq(dup3(mine, own, O_CLOEXEC), own);
    must(mp_log(MP_LOG_INFO, "two"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    ck_assert_int_eq(lseek(own, 0, SEEK_END), 0);
    close(own);
    close(mine);
    expect_file(path, "[INFO/MainProcess] one\n[INFO/MainProcess] two\n");
    remove_temporary();
}
END_TEST

/* More than there is room for in the family's memory at a time. */
START_TEST(log_goes_to_any_number_of_outputs)
{
    char *text;

    must(mp_log_to_stderr(MP_LOG_INFO));
    for (int i = 0; i < 300; i++) {
        capture_file();
        ck_assert_int_eq(mp_log(MP_LOG_INFO, "x"), 0);
        if (i % 30 == 0)
            expect_exit(child(warn, "y"), 0);
        text = captured();
        ck_assert_uint_eq(count_lines(text), 1 + (i % 30 == 0));
        free(text);
    }
    capture_file();
    must(mp_log(MP_LOG_INFO, "last"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[INFO/MainProcess] last\n");
}
END_TEST

/* ---- What the library says ---- */

static int
exit_with_3(void *unused)
{
    (void)unused;
    return 3;
}

/* Who has seen the end says so: the fork server, if the child was its own. */
static int
tells(const char *path, const char *format, int pid)
{
    char *text = read_file(path), line[160], what[120];
    int told;

    ck_assert(strstr(format, "%d") != NULL);
    snprintf(what, sizeof(what), format, pid);
    snprintf(line, sizeof(line), "[INFO/MainProcess] %s", what);
    told = has_line(text, line);
    snprintf(line, sizeof(line), "[INFO/forkserver] %s", what);
    told = told || has_line(text, line);
    ck_assert_uint_le(count_lines(text), 2);
    free(text);
    return told;
}

START_TEST(log_tells_of_processes_that_start_and_end)
{
    const char *path = temporary();
    mp_process *p;
    int pid;

    must(mp_log_to_file(path, MP_LOG_INFO));
    must(mp_process_start(&p, exit_with_3, NULL, 0, WITH(.name = "baker")));
    pid = (int)mp_process_pid(p);
    ck_assert(tells(path, "process baker (pid %d) started", pid));
    ck_assert_int_eq(end_of(p), 3);
    wait_until(tells(path, "process baker (pid %d) ended: exit code 3", pid),
               20);
    must(mp_log_to_stderr(MP_LOG_OFF));
    remove_temporary();
}
END_TEST

START_TEST(log_tells_of_a_process_that_was_killed)
{
    const char *path = temporary();
    mp_process *p;
    int pid;

    must(mp_log_to_file(path, MP_LOG_INFO));
    must(mp_process_start(&p, sleep_for_ever, NULL, 0, WITH(.name = "x")));
    pid = (int)mp_process_pid(p);
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
    wait_until(tells(path,
                     "process x (pid %d) ended: killed by signal 9 (SIGKILL)",
                     pid),
               20);
    must(mp_log_to_stderr(MP_LOG_OFF));
    remove_temporary();
}
END_TEST

/* ---- Errors ---- */

START_TEST(log_refuses_what_is_wrong)
{
    char *path = malloc(5000);

    memset(path, 'x', 4999);
    path[4999] = 0;
    must_fail(mp_log_to_stderr(-1), -EINVAL, "-1");
    must_fail(mp_log_to_stderr(MP_LOG_OFF + 1), -EINVAL, "1001");
    must_fail(mp_log_to_file("x", -1), -EINVAL, "mp_log_to_file");
    must_fail(mp_log_to_file(NULL, 0), -EINVAL, "path");
    must_fail(mp_log_to_file("", 0), -EINVAL, "path");
    must_fail(mp_log_to_file(path, 0), -EINVAL, "long");
    must_fail(mp_log_to_file("/nowhere/log", 0), -ENOENT, "/nowhere/log");
    must_fail(mp_log_to_file("/", 0), -EISDIR, "/");
    ck_assert_int_eq(mp_log_level(), MP_LOG_OFF);
    ck_assert_int_eq(mp_log(MP_LOG_OFF, "x"), -EINVAL);
    must(mp_log_to_stderr(0));
    must_fail(mp_log(-1, "x"), 0, "");
    must_fail(mp_log(MP_LOG_OFF, "x"), -EINVAL, "1000");
    must_fail(mp_log(MP_LOG_INFO, NULL), -EINVAL, "format");
    must(mp_log_to_stderr(MP_LOG_OFF));
    free(path);
}
END_TEST

/* Nobody reads the pipe: an error, and no signal, neither now nor later. */
START_TEST(log_into_a_broken_pipe_raises_no_signal)
{
    sigset_t pending;
    char *text;

    close(capture_pipe());
    must(mp_log_to_stderr(MP_LOG_INFO));
    ck_assert_int_eq(mp_log(MP_LOG_INFO, "x"), -EPIPE);
    sigpending(&pending);
    ck_assert(!sigismember(&pending, SIGPIPE));
    text = captured();
    ck_assert_ptr_null(text);
    capture_file();
    must(mp_log(MP_LOG_INFO, "y"));
    must(mp_log_to_stderr(MP_LOG_OFF));
    expect_captured("[INFO/MainProcess] y\n");
}
END_TEST

/* One that the program has, and keeps waiting, stays. */
START_TEST(log_takes_no_signal_of_the_program)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    close(capture_pipe());
    must(mp_log_to_stderr(MP_LOG_INFO));
    ck_assert_int_eq(mp_log(MP_LOG_INFO, "x"), -EPIPE);
    must(mp_log_to_stderr(MP_LOG_OFF));
    captured();
    sigpending(&set);
    ck_assert(sigismember(&set, SIGPIPE));
}
END_TEST

START_TEST(log_loses_a_line_that_cannot_be_written)
{
    int copy;

    must(mp_log_to_file("/dev/full", MP_LOG_INFO));
    must_fail(mp_log(MP_LOG_INFO, "x"), -ENOSPC, "lost");
    copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    must(mp_log_to_stderr(MP_LOG_INFO));
    close(STDERR_FILENO);
    ck_assert_int_eq(mp_log(MP_LOG_INFO, "x"), -EBADF);
    ck_assert_int_eq(dup2(copy, STDERR_FILENO), STDERR_FILENO);
    close(copy);
    must(mp_log_to_stderr(MP_LOG_OFF));
}
END_TEST

/* ---- */

int
main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = family_case(suite, "levels", 20);

    tcase_add_loop_test(tcase, log_is_off_at_first_and_nothing_is_printed, 0,
                        METHODS);
    tcase_add_test(tcase, log_is_turned_on_and_off);
    tcase_add_test(tcase, log_levels_are_pythons);
    tcase_add_test(tcase, log_line_is_one_line);
    tcase_add_test(tcase, log_line_with_the_arguments_of_another_function);
    tcase_add_test(tcase, log_lines_have_any_length);
    tcase = family_case(suite, "family", 20);
    tcase_add_loop_test(tcase, log_is_on_in_every_process, 0, METHODS);
    tcase_add_loop_test(tcase, log_is_turned_on_by_any_process, 0, METHODS);
    tcase_add_loop_test(tcase, log_reaches_grandchildren, 0, METHODS);
    tcase_add_test(tcase, log_knows_processes_that_the_program_forked);
    tcase_add_loop_test(tcase, log_tells_of_processes_that_start_and_end, 0,
                        METHODS);
    tcase_add_loop_test(tcase, log_tells_of_a_process_that_was_killed, 0,
                        METHODS);
    tcase = family_case(suite, "files", 20);
    tcase_add_loop_test(tcase, log_goes_to_the_end_of_a_file, 0, METHODS);
    tcase_add_loop_test(tcase,
                        log_file_is_named_from_the_directory_of_who_says_it, 0,
                        METHODS);
    tcase_add_loop_test(tcase, log_moves_for_all_when_one_says_so, 0, METHODS);
    tcase_add_test(tcase, G37_log_writes_into_no_file_of_the_program);
    tcase_add_test(tcase, log_goes_to_any_number_of_outputs);
    tcase = family_case(suite, "errors", 20);
    tcase_add_test(tcase, log_refuses_what_is_wrong);
    tcase_add_test(tcase, log_into_a_broken_pipe_raises_no_signal);
    tcase_add_test(tcase, log_takes_no_signal_of_the_program);
    tcase_add_test(tcase, log_loses_a_line_that_cannot_be_written);
    return mp_test_main(suite);
}
