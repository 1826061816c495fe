/* SPDX-License-Identifier: MIT */
/* Anonymous shared memory, and how much of it the system has to give. */
#include "os/mapping.h"
#include "os/meminfo.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static size_t
backed(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return (size_t)st.st_blocks * 512;
}

START_TEST(memfd_is_sparse_and_close_on_exec)
{
    int fd = mp__memfd_create("test", (size_t)1 << 40);
    struct stat st;

    ck_assert_int_ge(fd, 3);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, (off_t)1 << 40);
    ck_assert_uint_eq(backed(fd), 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static int
create_without_streams(void *unused)
{
    int before, fd;

    (void)unused;
    before = mp_test_fds();
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    fd = mp__memfd_create("test", MIB);
    ck_assert_int_ge(fd, 3);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(mp_test_fds(), before - 2 + 1);
    return 0;
}

START_TEST(memfd_is_never_a_standard_stream)
{
    expect_exit(child(create_without_streams, NULL), 0);
}
END_TEST

START_TEST(memfd_commit_and_discard)
{
    int fd = mp__memfd_create("test", 64 * MIB);
    void *p = NULL;
    char *bytes;

    ck_assert_int_eq(mp__memfd_map(fd, 64 * MIB, NULL, &p), 0);
    bytes = p;
    ck_assert_int_eq(mp__memfd_commit(fd, 8 * MIB, 4 * MIB), 0);
    ck_assert_uint_eq(backed(fd), 4 * MIB);
    memset(bytes + 8 * MIB, 7, 4 * MIB);
    ck_assert_uint_eq(backed(fd), 4 * MIB);
    mp__memfd_discard(fd, 9 * MIB, MIB);
    ck_assert_uint_eq(backed(fd), 3 * MIB);
    ck_assert_int_eq(bytes[9 * MIB - 1], 7);
    ck_assert_int_eq(bytes[10 * MIB], 7);
    for (size_t i = 9 * MIB; i < 10 * MIB; i += 4096)
        ck_assert_int_eq(bytes[i], 0);
    munmap(p, 64 * MIB);
    close(fd);
}
END_TEST

START_TEST(memfd_maps_at_the_address_or_not_at_all)
{
    int fd = mp__memfd_create("test", MIB);
    void *p = NULL, *q = &fd;

    ck_assert_int_eq(mp__memfd_map(fd, MIB, NULL, &p), 0);
    ck_assert_int_eq(mp__memfd_map(fd, MIB, p, &q), -EADDRNOTAVAIL);
    ck_assert_ptr_eq(q, &fd);
    munmap(p, MIB);
    ck_assert_int_eq(mp__memfd_map(fd, MIB, p, &q), 0);
    ck_assert_ptr_eq(q, p);
    munmap(q, MIB);
    close(fd);
}
END_TEST

static int
read_byte(void *p)
{
    return *(unsigned char *)p;
}

START_TEST(page_is_wiped_in_the_child_only)
{
    unsigned char *page = mp__page_wiped_on_fork();

    ck_assert_ptr_nonnull(page);
    *page = 5;
    expect_exit(child(read_byte, page), 0);
    ck_assert_int_eq(*page, 5);
    munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

static int
limit_to_half(void *resource)
{
    struct rlimit limit = {256 * MIB, 256 * MIB};
    int is_space = *(int *)resource == RLIMIT_AS;
    size_t most = is_space ? 128 * MIB : 256 * MIB;

    ck_assert_int_eq(setrlimit(*(int *)resource, &limit), 0);
    ck_assert_uint_eq(mp__mapping_limit((size_t)1 << 40), most);
    ck_assert_uint_eq(mp__mapping_limit(MIB), MIB);
    return 0;
}

START_TEST(mapping_limit_obeys_the_process)
{
    static int resources[] = {RLIMIT_AS, RLIMIT_FSIZE};

    ck_assert_uint_eq(mp__mapping_limit((size_t)1 << 30), (size_t)1 << 30);
    expect_exit(child(limit_to_half, &resources[_i]), 0);
}
END_TEST

START_TEST(random_bytes_differ)
{
    unsigned char a[16] = {0}, b[16] = {0};

    mp__random(a, sizeof(a));
    mp__random(b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

START_TEST(memory_available_is_that_of_the_machine)
{
    uint64_t all =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t available = mp__memory_available("");

    ck_assert_uint_gt(available, 0);
    if (available != UINT64_MAX)
        ck_assert_uint_gt(all * 64, available); /* swap included */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mapping");
    TCase *tcase = mp_test_case(suite, "mapping", 20);

    tcase_add_test(tcase, memfd_is_sparse_and_close_on_exec);
    tcase_add_test(tcase, memfd_is_never_a_standard_stream);
    tcase_add_test(tcase, memfd_commit_and_discard);
    tcase_add_test(tcase, memfd_maps_at_the_address_or_not_at_all);
    tcase_add_test(tcase, page_is_wiped_in_the_child_only);
    tcase_add_loop_test(tcase, mapping_limit_obeys_the_process, 0, 2);
    tcase_add_test(tcase, random_bytes_differ);
    tcase_add_test(tcase, memory_available_is_that_of_the_machine);
    return mp_test_main(suite);
}
