/* SPDX-License-Identifier: MIT */
/* usage: replay-NAME FOLDER
 *
 * Gives a fuzz target the inputs of a folder, and each of them once more cut
 * off at every place, for that is what broken input most often is. An input is
 * in memory of just its size, so that sanitizers see a look behind its end. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUT_UP_TO 256 /* bytes: larger inputs are only given whole */

static void
give(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    holds(copy);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void
replay(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *data;
    size_t size;

    holds(fd >= 0 && fstat(fd, &status) == 0);
    size = (size_t)status.st_size;
    data = malloc(size + 1);
    holds(data && read(fd, data, size + 1) == (ssize_t)size);
    close(fd);
    for (size_t n = 0; n < size && size <= CUT_UP_TO; n++)
        give(data, n);
    give(data, size);
    free(data);
}

int
main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int n = 0;

    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    printf("1..1\n");
    fflush(stdout);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            /* On its way to a crash it is the last thing that is told. */
            fprintf(stderr, "%s\n", entry->d_name);
            replay(dirfd(folder), entry->d_name);
            n++;
        }
    closedir(folder);
    printf("%sok 1 - corpus of %d inputs\n", n > 0 ? "" : "not ", n);
    return n == 0;
}
