/* SPDX-License-Identifier: MIT */
/* What a worker does. It writes the digests where they belong, straight into
 * the family's memory, so its task has nothing to return.
 *
 * A worker may be killed at any moment. A file's state is stored last: either
 * its digest is whole, or whoever tries the batch again sums the file
 * again. */
#include "checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

enum { BUFFER = 256 << 10 };

/* One of each for every process, used for all its files. */
static unsigned char buffer[BUFFER];
static EVP_MD *sha256;
static EVP_MD_CTX *hash;

/* The main process calls this as well: workers made by fork find it done. */
int
prepare_worker(void *arg)
{
    (void)arg;
    if (!sha256)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!hash)
        hash = EVP_MD_CTX_new();
    return sha256 && hash ? 0 : 1;
}

/* Feeds the descriptor's bytes to the hash: 0 or -errno. */
static int
hash_all(int fd, struct batch *batch, uint64_t bytes_before)
{
    ssize_t n;

    while ((n = read(fd, buffer, BUFFER)) > 0) {
        if (!EVP_DigestUpdate(hash, buffer, (size_t)n))
            return -EIO;
        bytes_before += (uint64_t)n;
        atomic_store_explicit(&batch->bytes_done, bytes_before,
                              memory_order_relaxed);
    }
    return n < 0 ? -errno : 0;
}

static int
sum_file(struct file *file, struct batch *batch, uint64_t bytes_before)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r;

    if (fd < 0)
        return -errno;
    if (file->size > BUFFER)
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    r = EVP_DigestInit_ex2(hash, sha256, NULL) ? 0 : -EIO;
    if (r == 0)
        r = hash_all(fd, batch, bytes_before);
    if (r == 0 && !EVP_DigestFinal_ex(hash, file->digest, NULL))
        r = -EIO;
    close(fd);
    return r == 0 ? FILE_DONE : r;
}

int
sum_batch(mp_task *task)
{
    struct batch *batch = *(struct batch **)mp_task_arg(task, NULL);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        struct file *file = &batch->files[i];

        if (atomic_load(&file->state) == FILE_WAITING)
            atomic_store(&file->state, sum_file(file, batch, bytes));
        bytes += file->size;
        atomic_store_explicit(&batch->bytes_done, bytes, memory_order_relaxed);
        atomic_store_explicit(&batch->files_done, i + 1, memory_order_relaxed);
    }
    return 0;
}
