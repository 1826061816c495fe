/* SPDX-License-Identifier: MIT */
/* Options, and the adding up. */
#include "wordcount.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What was counted, and in which time. */
struct summary {
    struct counted counted;
    uint64_t words, different, sum;
    double seconds;
};

static int status;

void
complain(const char *format, ...)
{
    va_list args;

    fputs("wordcount: ", stderr);
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
usage(int exit_status)
{
    fputs("usage: wordcount [-j N] [-n N] [-s] DIR...\n"
          "\n"
          "Prints the most frequent words of the text files below each DIR.\n"
          "\n"
          "  -j N  share the work among N processes; by default as many as\n"
          "        there are processors to use\n"
          "  -n N  print so many words, 10 by default\n"
          "  -s    count again without a pool, and compare\n",
          exit_status ? stderr : stdout);
    exit(exit_status);
}

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
add_files(struct counted *sum, struct counted more)
{
    sum->files += more.files;
    sum->bytes += more.bytes;
    sum->lost += more.lost;
}

/* Takes the words of the batches as they come, in whatever order, while the
 * workers count those of others. */
static int
add_up(mp_pool *pool, struct counted *counted)
{
    mp_imap *batches;
    struct words *words;
    size_t index;
    int r;

    r = mp_pool_imap_unordered(pool, count_batch, walk_next, NULL,
                               sizeof(struct batch), sizeof(words),
                               MP_MAP_ATTR(.retries = 2), &batches);
    if (r < 0)
        return r;
    while ((r = mp_imap_next(batches, &words, &index, MP_FOREVER)) != 0) {
        if (r < 0 && index == SIZE_MAX)
            break;
        if (r < 0) {
            complain("a batch of files is not counted: %s", mp_last_error());
            continue;
        }
        add_files(counted, words->counted);
        table_merge(words);
        mp_free(words);
    }
    mp_imap_free(batches);
    return r;
}

static struct counted
with_pool(int workers)
{
    MP_POOL_SCOPE mp_pool *pool = NULL;
    struct counted counted = {0};
    int r;

    r = mp_pool_create(&pool, workers, MP_POOL_ATTR(.name = "wordcount"));
    if (r == 0)
        r = add_up(pool, &counted);
    if (r < 0) {
        complain("%s: %s", mp_strerror(r), mp_last_error());
        exit(1);
    }
    return counted;
}

static struct counted
alone(void)
{
    struct counted counted = {0};
    struct batch batch;

    while (walk_next(&batch, NULL))
        add_files(&counted, count_files(&batch));
    return counted;
}

/* With so many workers; 0: alone. */
static struct summary
count(char **roots, int workers)
{
    double begin = seconds();
    struct summary s;

    table_clear();
    walk_begin(roots);
    s.counted = workers ? with_pool(workers) : alone();
    walk_end();
    s.words = table_total(&s.sum);
    s.different = table_count;
    s.seconds = seconds() - begin;
    return s;
}

static void
compare(const struct summary *s, char **roots, int workers)
{
    struct summary t = count(roots, 0);

    if (t.words != s->words || t.different != s->different || t.sum != s->sum)
        complain("counted alone, it is something else");
    printf("%d workers: %.2f s; one process alone: %.2f s, %.1f times as "
           "long, for the same words\n",
           workers, s->seconds, t.seconds, t.seconds / s->seconds);
}

static uint64_t
number_of(const char *text, uint64_t most)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || n < 1 || n > most) {
        complain("%s: not a number from 1 to %llu", text,
                 (unsigned long long)most);
        exit(2);
    }
    return n;
}

int
main(int argc, char **argv)
{
    uint64_t most = 10;
    int workers = mp_cpu_count(), option, again = 0;
    struct summary s;

    while ((option = getopt(argc, argv, "j:n:sh")) != -1) {
        if (option == 'j')
            workers = (int)number_of(optarg, 1000);
        else if (option == 'n')
            most = number_of(optarg, UINT32_MAX);
        else if (option == 's')
            again = 1;
        else
            usage(option == 'h' ? 0 : 2);
    }
    if (optind == argc)
        usage(2);

    s = count(argv + optind, workers);
    table_print(most);
    printf("%llu text files, %.1f MB: %llu words, %llu different ones\n",
           (unsigned long long)s.counted.files, (double)s.counted.bytes / 1e6,
           (unsigned long long)s.words, (unsigned long long)s.different);
    if (s.counted.lost)
        status = 1; /* a worker has said why */
    if (again)
        compare(&s, argv + optind, workers);
    return fflush(stdout) == 0 ? status : 1;
}
