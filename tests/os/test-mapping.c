/* SPDX-License-Identifier: MIT */
/* Anonymous shared memory, and how much of it the system has to give. */
#include "os/mapping.h"
#include "os/meminfo.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* The kernel makes no huge pages of ours from here on. */
static int
forbid_collapse(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 25, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
                                 .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* It is the same memory with huge pages, or without, where there are none or
 * the range is too small or lies askew. */
static int
commit_huge(void *arg)
{
    static const struct {
        size_t base, offset, size;
    } ranges[] = {
        {0, 4 * MIB, 8 * MIB}, {0, 65536, 9 * MIB},    {0, MIB, 2 * MIB},
        {0, 65536, 65536},     {0, 30 * MIB, 2 * MIB}, {65536, MIB, 9 * MIB},
    };
    char *place =
        mmap(NULL, 36 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(place, MAP_FAILED);
    place += 2 * MIB - (uintptr_t)place % (2 * MIB);
    if (*(int *)arg && forbid_collapse())
        return 77;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        size_t offset = ranges[i].offset, size = ranges[i].size;
        char *base = place + ranges[i].base;
        int fd = mp__memfd_create("test", 32 * MIB);

        base = mmap(base, 32 * MIB, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED, fd, 0);
        ck_assert_int_eq(mp__memfd_commit_huge(fd, base, offset, size), 0);
        ck_assert_uint_eq(backed(fd), size);
        for (size_t at = 0; at < size; at += 4096)
            ck_assert_int_eq(base[offset + at], 0);
        memset(base + offset, 7, size);
        ck_assert_uint_eq(backed(fd), size);
        mp__memfd_discard(fd, offset + size / 2, 4096);
        ck_assert_int_eq(base[offset + size / 2], 0);
        ck_assert_int_eq(base[offset + size / 2 - 1], 7);
        mp__memfd_discard(fd, 0, 32 * MIB);
        ck_assert_uint_eq(backed(fd), 0);
        munmap(base, 32 * MIB);
        close(fd);
    }
    return 0;
}

START_TEST(memfd_commit_in_huge_pages)
{
    int code = reap(child(commit_huge, &_i));

    ck_assert_msg(code == 0 || code == 77, "%d", code);
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
    tcase_add_loop_test(tcase, memfd_commit_in_huge_pages, 0, 2);
    tcase_add_test(tcase, memfd_maps_at_the_address_or_not_at_all);
    tcase_add_test(tcase, page_is_wiped_in_the_child_only);
    tcase_add_loop_test(tcase, mapping_limit_obeys_the_process, 0, 2);
    tcase_add_test(tcase, random_bytes_differ);
    tcase_add_test(tcase, memory_available_is_that_of_the_machine);
    return mp_test_main(suite);
}
