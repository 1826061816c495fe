/* SPDX-License-Identifier: MIT */
/* Anonymous shared memory: a memfd and its mapping. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A sparse, close-on-exec memfd of `size` bytes; a descriptor or -errno. */
int mp__memfd_create(const char *name, size_t size);

/* Maps it. `at` NULL: anywhere; else exactly there, or -EADDRNOTAVAIL. */
int mp__memfd_map(int fd, size_t size, void *at, void **ret_base);

/* Commits [offset, offset + size) of a file in memory as far as there is
 * memory: returns how many bytes. */
size_t mp__file_commit(int fd, size_t offset, size_t size);

/* The same for all or nothing of what was not committed before: 0 or
 * -ENOMEM. */
int mp__memfd_commit(int fd, size_t offset, size_t size);

/* The same where the file is mapped at `base`, in huge pages as far as there are
 * some: to get one, to map it in each process, and to give it back costs a
 * fraction of what its 512 pages would. */
int mp__memfd_commit_huge(int fd, char *base, size_t offset, size_t size);

/* Gives the pages of the range back; it reads as zeroes afterwards. */
void mp__memfd_discard(int fd, size_t offset, size_t size);

/* How many bytes of it have pages. */
uint64_t mp__memfd_resident(int fd);

/* The largest sparse mapping that limits of this process allow, at most
 * `wanted` bytes. */
size_t mp__mapping_limit(size_t wanted);

/* A page of memory that a fork's child finds zeroed; NULL if there is none.
 */
void *mp__page_wiped_on_fork(void);

/* `n` random bytes. */
void mp__random(void *out, size_t n);
