/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include "support.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char tree_root[] = P_tmpdir "/mproc-test-XXXXXX";

void
tree_make(void)
{
    ck_assert_ptr_nonnull(mkdtemp(tree_root));
}

void
tree_remove(void)
{
    char command[sizeof(tree_root) + 8];

    snprintf(command, sizeof(command), "rm -rf %s", tree_root);
    ck_assert_int_eq(system(command), 0);
    strcpy(tree_root + strlen(tree_root) - 6, "XXXXXX");
}

void
tree_put(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s", tree_root, name);
    for (char *slash = path + strlen(tree_root) + 1;
         (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}
