/* SPDX-License-Identifier: MIT */
/* commands.true: /bin/true, run 200 times, two at a time, by items of a map;
 * the pool is made and destroyed in that time. Time per command.
 *
 * commands.checksum: examples/checksum over a tree of 10,000 files, as a
 * whole process, against sha256sum run by xargs. Time per file.
 *
 * The tree is made for the bench and removed after it. Its sizes follow those
 * of a tree of C headers: a median of 3 KB, one in a hundred above 110 KB,
 * the largest near 1 MB. Every list of sums is checked by sha256sum -c. */
#include "harness.h"
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    COMMANDS = 200,
    FILES = 10000,
    FILES_PER_FOLDER = 100,
    LARGEST = 1000000
};

static char root[PATH_MAX / 2]; /* holds tree/ and the lists of sums */

/* The tree */

static uint64_t
next_random(uint64_t *state)
{
    uint64_t x = *state = *state * 6364136223846793005u + 1;

    return x >> 33;
}

/* A size such as header files have: its logarithm is about normal. */
static size_t
random_size(uint64_t *state)
{
    double normal = -6;
    size_t size;

    for (int i = 0; i < 12; i++)
        normal += (double)next_random(state) / (double)(1u << 31);
    size = (size_t)exp(8.08 + 1.55 * normal);
    return size < LARGEST ? size : LARGEST;
}

static void
write_file(const char *path, char *text, size_t size, uint64_t *state)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    uint64_t mark = next_random(state);

    must(fd, path);
    memcpy(text, &mark, sizeof(mark));
    if (write(fd, text, size) != (ssize_t)size)
        fail("cannot write %s", path);
    close(fd);
}

void
commands_prepare(void)
{
    const char *tmp = getenv("TMPDIR");
    char *text = private_memory(LARGEST);
    uint64_t state = 1;
    char path[PATH_MAX];

    for (size_t i = 0; i < LARGEST; i++)
        text[i] = (char)(' ' + next_random(&state) % 90);
    snprintf(root, sizeof(root), "%s/mproc-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        fail("cannot make a folder like %s", root);
    snprintf(path, sizeof(path), "%s/tree", root);
    must(mkdir(path, 0700), path);
    for (int i = 0; i < FILES; i++) {
        int folder = i / FILES_PER_FOLDER;

        snprintf(path, sizeof(path), "%s/tree/%d", root, folder);
        if (i % FILES_PER_FOLDER == 0)
            must(mkdir(path, 0700), path);
        snprintf(path, sizeof(path), "%s/tree/%d/%d.h", root, folder, i);
        write_file(path, text, random_size(&state), &state);
    }
}

static int
remove_entry(const char *path, const struct stat *st, int type,
             struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void
commands_tidy(void)
{
    if (nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fprintf(stderr, "mproc-bench: cannot remove %s\n", root);
}

static void
run_shell(const char *command)
{
    int status = system(command);

    if (status != 0)
        fail("failed (%#x): %s", status, command);
}

/* Commands that do nothing */

extern char **environ;

static int
run_true(const void *item, void *result, void *ctx)
{
    char number[12];
    char *argv[] = {(char *)"/bin/true", number, NULL};
    int status;
    pid_t pid;

    (void)result;
    (void)ctx;
    snprintf(number, sizeof(number), "%d", *(const int *)item);
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid)
        return -ECHILD;
    return status ? -EREMOTEIO : 0;
}

static void
run_by_map(const int *numbers, size_t n)
{
    mp_pool *pool = pool_new();

    ok(mp_pool_map(pool, run_true, numbers, sizeof(*numbers), NULL, 0, n,
                   NULL),
       "mp_pool_map");
    ok(mp_pool_close(pool), "mp_pool_close");
    ok(mp_pool_join(pool, MP_FOREVER), "mp_pool_join");
    ok(mp_pool_destroy(pool), "mp_pool_destroy");
}

static double
measure_true(const struct load *load)
{
    int numbers[COMMANDS];
    int64_t start = now_ns();

    for (int i = 0; i < COMMANDS; i++)
        numbers[i] = i;
    for (long n = 0; n < load->ops; n += COMMANDS)
        run_by_map(numbers, COMMANDS);
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
measure_shell(const struct load *load, const char *command)
{
    int64_t start = now_ns();

    for (long n = 0; n < load->ops; n += COMMANDS)
        run_shell(command);
    return (double)(now_ns() - start) / (double)load->ops;
}

static double
true_by_xargs(const struct load *load)
{
    return measure_shell(load, "seq 200 | xargs -n 1 -P 2 /bin/true");
}

static double
true_by_parallel(const struct load *load)
{
    if (access("/usr/bin/parallel", X_OK) < 0)
        return LEFT_OUT;
    return measure_shell(load, "seq 200 | parallel -j 2 /bin/true");
}

static double
true_by_cpython(const struct load *load)
{
    if (access("/usr/bin/python3", X_OK) < 0)
        return LEFT_OUT;
    return measure_shell(load, "exec /usr/bin/python3 '" BENCH_CPYTHON_SCRIPT
                               "' --run 200");
}

static const struct contender commands[] = {
    {"mproc", OURS, measure_true, NULL, NULL},
    {"limit", LIMIT, true_by_xargs, NULL, "xargs -n 1 -P 2 /bin/true"},
    {"parallel", PEER, true_by_parallel, NULL, NULL},
    {"cpython", PEER, true_by_cpython, NULL, NULL},
    {0},
};

const struct bench command_benches[] = {
    {"commands.true", NULL, {0, WORKERS, 0, 0, COMMANDS}, commands},
    {0},
};

/* Sums of files */

/* Every file once, every sum right. */
static void
check_sums(void)
{
    run_shell("test $(wc -l < sums) = 10000");
    run_shell("test $(sort -u sums | wc -l) = 10000");
    run_shell("sha256sum -c --quiet sums");
}

/* Time per file of a command that writes the sums of tree/ to its output. */
static double
measure_command(const struct load *load, const char *command)
{
    char line[PATH_MAX + 300];
    int64_t start;
    double ns;

    must(chdir(root), root);
    snprintf(line, sizeof(line), "%s >sums", command);
    start = now_ns();
    for (long n = 0; n < load->ops; n += FILES)
        run_shell(line);
    ns = (double)(now_ns() - start) / (double)load->ops;
    check_sums();
    return ns;
}

/* The example lies beside this program's folder in the build. */
static double
measure_checksum(const struct load *load)
{
    char self[PATH_MAX] = "", command[PATH_MAX + 300];

    must(readlink("/proc/self/exe", self, sizeof(self) - 1), "readlink");
    for (int i = 0; i < 2; i++)
        *strrchr(self, '/') = 0;
    snprintf(command, sizeof(command), "%s/examples/checksum", self);
    if (access(command, X_OK) < 0)
        return LEFT_OUT;
    snprintf(command, sizeof(command), "exec '%s/examples/checksum' tree",
             self);
    return measure_command(load, command);
}

static double
measure_xargs(const struct load *load)
{
    return measure_command(
        load, "find tree -type f -print0 | xargs -0 -n 64 -P 2 sha256sum");
}

static double
measure_parallel(const struct load *load)
{
    if (access("/usr/bin/parallel", X_OK) < 0)
        return LEFT_OUT;
    return measure_command(load, "find tree -type f -print0 | "
                                 "parallel -0 -n 64 -j 2 sha256sum");
}

static double
measure_cpython(const struct load *load)
{
    if (access("/usr/bin/python3", X_OK) < 0)
        return LEFT_OUT;
    return measure_command(load, "exec /usr/bin/python3 '" BENCH_CPYTHON_SCRIPT
                                 "' tree");
}

static const struct contender checksums[] = {
    {"mproc", OURS, measure_checksum, NULL, NULL},
    {"limit", LIMIT, measure_xargs, NULL,
     "find -print0 | xargs -0 -n 64 -P 2 sha256sum"},
    {"parallel", PEER, measure_parallel, NULL, NULL},
    {"cpython", PEER, measure_cpython, NULL, NULL},
    {0},
};

const struct bench command_file_benches[] = {
    {"commands.checksum", NULL, {0, 2, 0, 0, FILES}, checksums},
    {0},
};
