/* SPDX-License-Identifier: MIT */
/* Options, signals, and the order of events. */
#include "checksum.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_WORKERS = 1000 };

volatile sig_atomic_t interrupted;
static int status;

void
complain(const char *format, ...)
{
    va_list args;

    progress_clear();
    fputs("checksum: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    status = 1;
}

void
die_of_memory(void)
{
    complain("out of memory");
    exit(1);
}

static void
usage(FILE *out)
{
    fputs(
        "usage: checksum [-j N] DIR...\n"
        "\n"
        "Prints the SHA-256 of every regular file below each DIR, sorted by\n"
        "path, in the format that sha256sum -c reads. N processes share the\n"
        "work; by default as many as there are processors to use.\n",
        out);
}

static int
parse_workers(const char *text)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < 1 || n > MOST_WORKERS) {
        complain("-j %s: the number of workers is from 1 to %d", text,
                 MOST_WORKERS);
        exit(2);
    }
    return (int)n;
}

/* The number of workers; what is left from argv[optind] on is paths. */
static int
parse_options(int argc, char **argv)
{
    int workers = 0;
    int option;

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        exit(0);
    }
    while ((option = getopt(argc, argv, "j:h")) != -1) {
        if (option == 'j') {
            workers = parse_workers(optarg);
        } else {
            usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (optind == argc) {
        usage(stderr);
        exit(2);
    }
    return workers;
}

static void
on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* Without SA_RESTART: calls that wait return with -EINTR. */
static void
catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    sigaction(SIGINT, &action, NULL);
}

int
main(int argc, char **argv)
{
    int workers = parse_options(argc, argv);
    struct list list = {0};
    struct plan plan = {0};
    int r;

    catch_interrupts();
    walk(&list, argv + optind);
    r = interrupted ? -EINTR : plan_make(&plan, &list);
    if (r == 0 && plan.file_count > 0)
        r = run(&plan, workers ? workers : mp_cpu_count());
    if (r == 0)
        print(&plan);
    else if (interrupted)
        complain("interrupted");
    else
        complain("%s: %s", mp_strerror(r), mp_last_error());

    plan_free(&plan);
    free(list.items);
    free(list.paths);
    return r < 0 && interrupted ? 128 + SIGINT : status;
}
