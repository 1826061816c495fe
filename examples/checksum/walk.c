/* SPDX-License-Identifier: MIT */
/* Finding the files. Symbolic links are followed when they are named by the
 * user, not when they are met, as find does with -H. */
#include "checksum.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Makes room for `more` items of `size` bytes behind `used` ones. */
static void *
make_room(void *array, size_t *room, size_t used, size_t more, size_t size)
{
    if (used + more <= *room)
        return array;
    *room = (used + more) * 2;
    array = reallocarray(array, *room, size);
    if (!array)
        die_of_memory();
    return array;
}

static void
add(struct list *list, const char *path, uint64_t size)
{
    size_t length = strlen(path) + 1;

    list->items = make_room(list->items, &list->room, list->count, 1,
                            sizeof(*list->items));
    list->paths =
        make_room(list->paths, &list->paths_room, list->paths_used, length, 1);
    memcpy(list->paths + list->paths_used, path, length);
    list->items[list->count++] = (struct found){list->paths_used, size};
    list->paths_used += length;
}

static void
visit(struct list *list, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        add(list, entry->fts_path, (uint64_t)entry->fts_statp->st_size);
        break;
    case FTS_DEFAULT: /* a device, a socket, ... */
        if (entry->fts_level == FTS_ROOTLEVEL)
            complain("%s: neither a directory nor a regular file",
                     entry->fts_path);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        complain("%s: %s", entry->fts_path, strerror(entry->fts_errno));
        break;
    case FTS_DC:
        complain("%s: a directory that contains itself", entry->fts_path);
        break;
    }
}

void
walk(struct list *list, char **roots)
{
    FTS *tree =
        fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    const FTSENT *entry;

    if (!tree) {
        complain("cannot begin: %s", strerror(errno));
        return;
    }
    errno = 0;
    while (!interrupted && (entry = fts_read(tree)) != NULL) {
        visit(list, entry);
        errno = 0;
    }
    if (!interrupted && errno)
        complain("walk ended early: %s", strerror(errno));
    fts_close(tree);
}
