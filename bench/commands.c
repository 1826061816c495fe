/* SPDX-License-Identifier: MIT */
/* commands.checksum: examples/checksum over a tree of 10,000 files, as a
 * whole process, against sha256sum run by xargs. Time per file.
 *
 * The tree is made for the bench and removed after it. Its sizes follow those
 * of a tree of C headers: a median of 3 KB, one in a hundred above 110 KB,
 * the largest near 1 MB. Every list of sums is checked by sha256sum -c. */
#include "harness.h"
#include "tools.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 10000, FILES_PER_FOLDER = 100, LARGEST = 1000000 };

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

/* The contenders */

static void
run_shell(const char *command)
{
    int status = system(command);

    if (status != 0)
        fail("failed (%#x): %s", status, command);
}

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

const struct bench command_benches[] = {
    {"commands.checksum", NULL, {0, 2, 0, 0, FILES}, checksums},
    {0},
};
