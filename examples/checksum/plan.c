/* SPDX-License-Identifier: MIT */
/* The plan: files, biggest first, cut into batches.
 *
 * Biggest first, so that no worker begins a long file when the others are
 * about to finish. In batches, so that the price of a task is paid once for
 * many small files. */
#include "checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_FILES = 128, BATCH_BYTES = 4 << 20 };

static int
bigger_first(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return (x->size < y->size) - (x->size > y->size);
}

static uint32_t
batch_length(const struct file *files, size_t left)
{
    uint64_t bytes = files[0].size;
    uint32_t n = 1;

    while (n < left && n < BATCH_FILES && bytes + files[n].size <= BATCH_BYTES)
        bytes += files[n++].size;
    return n;
}

static size_t
cut_batches(const struct plan *plan, struct batch *batches)
{
    size_t count = 0;
    uint32_t n;

    for (size_t i = 0; i < plan->file_count; i += n) {
        n = batch_length(plan->files + i, plan->file_count - i);
        if (batches)
            batches[count] = (struct batch){
                .files = plan->files + i,
                .count = n,
            };
        count++;
    }
    return count;
}

/* Files and their paths in one block: pointers in it are good everywhere. */
static int
copy_files(struct plan *plan, const struct list *list)
{
    size_t files_size = list->count * sizeof(struct file);
    char *block = mp_alloc(files_size + list->paths_used);
    char *paths;

    if (!block)
        return -ENOMEM;
    paths = block + files_size;
    plan->files = (struct file *)(void *)block;
    plan->file_count = list->count;
    memcpy(paths, list->paths, list->paths_used);
    for (size_t i = 0; i < list->count; i++) {
        plan->files[i].path = paths + list->items[i].path;
        plan->files[i].size = list->items[i].size;
        plan->bytes += list->items[i].size;
    }
    return 0;
}

int
plan_make(struct plan *plan, const struct list *list)
{
    int r;

    if (list->count == 0)
        return 0;
    r = copy_files(plan, list);
    if (r < 0)
        return r;
    qsort(plan->files, plan->file_count, sizeof(*plan->files), bigger_first);
    plan->batch_count = cut_batches(plan, NULL);
    plan->batches = mp_new_array(struct batch, plan->batch_count);
    if (!plan->batches)
        return -ENOMEM;
    cut_batches(plan, plan->batches);
    return 0;
}

void
plan_free(struct plan *plan)
{
    mp_free(plan->batches);
    mp_free(plan->files);
}
