/* SPDX-License-Identifier: MIT */
/* Looks for what a test leaves behind: descriptors, threads, processes.
 *
 * The setup runs in the test's process and notes what is there, after a first
 * use of the library: what it opens once and keeps (the region) is no leak.
 * The teardown compares. Threads and processes that are on their way out are
 * waited for: joining a thread, or a killed process, says nothing on when the
 * kernel takes it out of /proc.
 *
 * A process counts as left if it is a child, or if it is in the test's
 * process group and alive: so orphaned grandchildren are found too. */
#include "support/leaks.h"

#include "support/support.h"

#include <dirent.h>
#include <mproc/memory.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 1024

struct numbers {
    int n;
    int at[MOST];
};

static struct numbers fds_before, tasks_before, processes_before;
static int own_group;
static double patience = 5; /* seconds */

void
mp__leaks_own_group(int yes)
{
    own_group = yes;
}

void
mp__leaks_patience(double seconds)
{
    patience = seconds;
}

static int
contains(const struct numbers *set, int number)
{
    for (int i = 0; i < set->n; i++)
        if (set->at[i] == number)
            return 1;
    return 0;
}

static void
add(struct numbers *set, int number)
{
    ck_assert_int_lt(set->n, MOST);
    set->at[set->n++] = number;
}

/* The numbers that are names in a folder of /proc. */
static void
read_numbers(const char *folder, struct numbers *set, int (*wanted)(int))
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    set->n = 0;
    while ((entry = readdir(dir)) != NULL) {
        int number = atoi(entry->d_name);

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        if (wanted == NULL ? number != dirfd(dir) : wanted(number))
            add(set, number);
    }
    closedir(dir);
}

static int
is_task(int tid)
{
    return tid != 0;
}

static int
is_of_this_test(int pid)
{
    char path[64], text[512], state;
    int parent, group;
    FILE *file;
    size_t n;

    if (pid == getpid())
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = 0;
    if (strrchr(text, ')') == NULL ||
        sscanf(strrchr(text, ')'), ") %c %d %d", &state, &parent, &group) != 3)
        return 0;
    if (parent == getpid())
        return 1;
    return own_group && group == getpgrp() && state != 'Z' && state != 'X' &&
           parent != getppid();
}

static void
read_fds(struct numbers *set)
{
    read_numbers("/proc/self/fd", set, NULL);
}

static void
read_tasks(struct numbers *set)
{
    read_numbers("/proc/self/task", set, is_task);
}

static void
read_processes(struct numbers *set)
{
    read_numbers("/proc", set, is_of_this_test);
}

/* The first number of `set` that was not there before; -1: none. */
static int
first_left(const struct numbers *set, const struct numbers *before)
{
    for (int i = 0; i < set->n; i++)
        if (!contains(before, set->at[i]))
            return set->at[i];
    return -1;
}

static int
first_fd_left(void)
{
    struct numbers set;

    read_fds(&set);
    return first_left(&set, &fds_before);
}

static int
first_task_left(void)
{
    struct numbers set;

    read_tasks(&set);
    return first_left(&set, &tasks_before);
}

static int
first_process_left(void)
{
    struct numbers set;

    read_processes(&set);
    return first_left(&set, &processes_before);
}

static int
left_for_good(int (*first)(void))
{
    int64_t until = mp_test_deadline(patience);
    int left;

    while ((left = first()) >= 0 && mp_test_poll(until))
        ;
    return left;
}

static void
describe(const char *format, int number, char *text, size_t size)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), format, number);
    text[0] = 0;
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(text, (int)size, file) != NULL)
        text[strcspn(text, "\n")] = 0;
    fclose(file);
}

int
mp_test_fds(void)
{
    struct numbers set;

    read_fds(&set);
    return set.n;
}

void
mp_test_leaks_mark(void)
{
    read_fds(&fds_before);
    read_tasks(&tasks_before);
    read_processes(&processes_before);
}

/* Takes off what is the runner's own: standard output, which carries the
 * results, and Check's signal handlers, which would pass a signal that hits
 * any child on to the whole process group. */
static void
leave_runner(void)
{
    static const int handled[] = {SIGALRM, SIGINT, SIGTERM};

    fflush(stdout);
    if (own_group)
        ck_assert_int_eq(dup2(STDERR_FILENO, STDOUT_FILENO), STDOUT_FILENO);
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        signal(handled[i], SIG_DFL);
}

void
mp__leaks_setup(void)
{
    leave_runner();
    ck_assert_int_eq(mp_free(mp_alloc(1)), 0);
    mp_test_leaks_mark();
}

void
mp__leaks_teardown(void)
{
    char text[256], link[64];
    int left;

    left = left_for_good(first_process_left);
    if (left >= 0) {
        describe("/proc/%d/stat", left, text, sizeof(text));
        ck_abort_msg("process left behind: %s", text);
    }
    left = left_for_good(first_task_left);
    if (left >= 0) {
        describe("/proc/self/task/%d/stat", left, text, sizeof(text));
        ck_abort_msg("thread left behind: %s", text);
    }
    left = first_fd_left();
    if (left >= 0) {
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", left);
        n = readlink(link, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = 0;
        ck_abort_msg("descriptor left open: %d (%s)", left, text);
    }
}
