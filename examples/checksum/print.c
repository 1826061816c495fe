/* SPDX-License-Identifier: MIT */
/* The list, one line for each file: digest, two spaces, path. A path with a
 * backslash or a line break is written with escapes, and its line begins with
 * a backslash, so that every line is one file. */
#include "checksum.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
by_path(const void *a, const void *b)
{
    struct file *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

static void
print_escaped(const char *path)
{
    for (; *path; path++) {
        switch (*path) {
        case '\\':
            fputs("\\\\", stdout);
            break;
        case '\n':
            fputs("\\n", stdout);
            break;
        case '\r':
            fputs("\\r", stdout);
            break;
        default:
            putchar(*path);
        }
    }
}

static void
print_file(const struct file *file)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * sizeof(file->digest) + 1];
    bool escape = strpbrk(file->path, "\\\n\r") != NULL;

    for (size_t i = 0; i < sizeof(file->digest); i++) {
        hex[2 * i] = digits[file->digest[i] >> 4];
        hex[2 * i + 1] = digits[file->digest[i] & 15];
    }
    hex[sizeof(hex) - 1] = '\0';
    if (escape)
        putchar('\\');
    fputs(hex, stdout);
    fputs("  ", stdout);
    if (escape)
        print_escaped(file->path);
    else
        fputs(file->path, stdout);
    putchar('\n');
}

void
print(const struct plan *plan)
{
    struct file **order = calloc(plan->file_count + 1, sizeof(*order));

    if (!order)
        die_of_memory();
    for (size_t i = 0; i < plan->file_count; i++)
        order[i] = &plan->files[i];
    qsort(order, plan->file_count, sizeof(*order), by_path);
    for (size_t i = 0; i < plan->file_count; i++) {
        int state = atomic_load(&order[i]->state);

        if (state == FILE_DONE)
            print_file(order[i]);
        else if (state < 0)
            complain("%s: %s", order[i]->path, strerror(-state));
        else
            complain("%s: not summed, its workers died", order[i]->path);
    }
    free(order);
    if (fflush(stdout) != 0)
        complain("standard output: %s", strerror(errno));
}
