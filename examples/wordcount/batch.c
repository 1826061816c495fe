/* SPDX-License-Identifier: MIT */
/* Batches of files, cut from the tree while it is walked: the pool asks for the
 * next one when it has room for it, so the list of all files is never there.
 *
 * A batch is large enough to be worth a task, and small enough for all workers
 * to end at about the same time. */
#include "wordcount.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH_BYTES (2 << 20)

static FTS *tree;
static const FTSENT *ahead; /* a file that did not fit into the last batch */

void
walk_begin(char **roots)
{
    ahead = NULL;
    tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!tree)
        complain("cannot begin: %s", strerror(errno));
}

void
walk_end(void)
{
    if (tree)
        fts_close(tree);
    tree = NULL;
}

/* The next regular file; NULL: there is none left. */
static const FTSENT *
next_file(void)
{
    const FTSENT *entry;

    while (tree && (entry = fts_read(tree)) != NULL) {
        if (entry->fts_info == FTS_F)
            return entry;
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
            entry->fts_info == FTS_NS)
            complain("%s: %s", entry->fts_path, strerror(entry->fts_errno));
    }
    return NULL;
}

int
walk_next(void *item, void *arg)
{
    struct batch *batch = item;
    size_t used = 0;
    off_t bytes = 0;

    (void)arg;
    while (bytes < BATCH_BYTES) {
        const FTSENT *file = ahead ? ahead : next_file();
        size_t length = file ? strlen(file->fts_path) + 1 : 0;

        ahead = NULL;
        if (!file)
            break;
        if (used + length >= sizeof(batch->names)) {
            if (used > 0) {
                ahead = file;
                break;
            }
            complain("%s: too long a name", file->fts_path);
            continue;
        }
        memcpy(batch->names + used, file->fts_path, length);
        used += length;
        bytes += file->fts_statp->st_size;
    }
    batch->names[used] = '\0';
    return used > 0;
}
