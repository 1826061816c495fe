/* SPDX-License-Identifier: MIT */
/* Named segments where there is no room for them, or no right to them, and
 * where the system does less. */
#include "os/meminfo.h"
#include "region/kin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define KIB    ((size_t)1024)
#define MIB    (KIB * KIB)
#define CANNOT 77 /* what a child exits with that has not the right to */

static char name[64];

static void
choose_name(void)
{
    snprintf(name, sizeof(name), "mp-test-%d", (int)getpid());
}

/* Runs `fn` in a child, which may find that it cannot be tested here. */
static void
run_apart(int (*fn)(void *), const char *what)
{
    int code = reap(child(fn, NULL));

    if (code == CANNOT)
        fprintf(stderr, "skipped, for want of the right to: %s\n", what);
    ck_assert_msg(code == 0 || code == CANNOT, "%d", code);
}

static void
expect_none(void)
{
    mp_shm *shm;

    ck_assert_int_eq(mp_shm_open(&shm, name, NULL), -ENOENT);
}

/* ---- No memory ---- */

START_TEST(shm_larger_than_the_machine)
{
    size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 50,
                      mp__memory_available("") + MIB};
    mp_shm *shm = NULL;

    for (size_t i = 0; i < LENGTH(sizes); i++)
        must_fail(mp_shm_create(&shm, name, sizes[i], NULL), -ENOMEM,
                  "out of memory");
    ck_assert_ptr_null(shm);
    expect_none();
}
END_TEST

/* Without a signal. */
static int
exceed_file_size(void *unused)
{
    struct rlimit limit = {MIB, MIB};
    mp_shm *shm = NULL;

    (void)unused;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    must_fail(mp_shm_create(&shm, name, MIB + 1, NULL), -ENOMEM, "limit");
    expect_none();
    must(mp_shm_create(&shm, name, MIB, NULL));
    return mp_shm_unlink(name);
}

START_TEST(shm_beyond_the_limit_of_file_size)
{
    run_apart(exceed_file_size, "limit the size of files");
}
END_TEST

static int
exceed_address_space(void *unused)
{
    struct rlimit limit = {64 * MIB, 64 * MIB};
    mp_shm *shm = NULL;

    (void)unused;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    must_fail(mp_shm_create(&shm, name, 65 * MIB, NULL), -ENOMEM, "limit");
    expect_none();
    return 0;
}

START_TEST(shm_beyond_the_limit_of_address_space)
{
    run_apart(exceed_address_space, "limit the address space");
}
END_TEST

static int
have_small_shm(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1M") == 0;
}

/* Files and pages. */
static uint64_t
free_in_shm(void)
{
    struct statvfs st;

    ck_assert_int_eq(statvfs("/dev/shm", &st), 0);
    return st.f_ffree + st.f_bfree;
}

static int
fill_small_shm(void *unused)
{
    mp_shm *shm = NULL;
    uint64_t all;

    (void)unused;
    if (!have_small_shm())
        return CANNOT;
    all = free_in_shm();
    must_fail(mp_shm_create(&shm, name, MIB + 1, NULL), -ENOMEM, "/dev/shm");
    ck_assert_uint_eq(free_in_shm(), all);
    expect_none();
    must(mp_shm_create(&shm, name, MIB / 2, NULL));
    memset(mp_shm_data(shm), 1, MIB / 2);
    ck_assert_int_eq(mp_shm_create(&shm, "other", MIB, NULL), -ENOMEM);
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
    ck_assert_uint_eq(free_in_shm(), all);
    return 0;
}

START_TEST(G23_shm_in_a_small_dev_shm_is_an_error)
{
    run_apart(fill_small_shm, "mount");
}
END_TEST

/* As Python makes it. */
static void
make_sparse(off_t size)
{
    char path[100];
    int fd;

    snprintf(path, sizeof(path), "/dev/shm/%s", name);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    ck_assert_int_eq(pwrite(fd, "python", 7, size / 2), 7);
    close(fd);
}

/* Bytes of the segment that have memory. */
static uint64_t
backed(void)
{
    struct stat status;
    char path[100];

    snprintf(path, sizeof(path), "/dev/shm/%s", name);
    ck_assert_int_eq(stat(path, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

static int
open_sparse_in_small_shm(void *unused)
{
    mp_shm *shm = NULL;

    (void)unused;
    if (!have_small_shm())
        return CANNOT;
    make_sparse(2 * MIB);
    must_fail(mp_shm_open(&shm, name, NULL), -ENOMEM, "/dev/shm");
    must(mp_shm_open(&shm, name, MP_SHM_ATTR(.readonly = 1)));
    ck_assert_str_eq((char *)mp_shm_data(shm) + MIB, "python");
    must(mp_shm_close(shm));
    return mp_shm_unlink(name);
}

START_TEST(G23_shm_opened_without_memory_is_an_error)
{
    run_apart(open_sparse_in_small_shm, "mount");
}
END_TEST

START_TEST(shm_opened_has_all_its_memory)
{
    mp_shm *shm;

    make_sparse(MIB);
    must(mp_shm_open(&shm, name, MP_SHM_ATTR(.readonly = 1)));
    ck_assert_uint_le(backed(), 64 * KIB);
    must(mp_shm_close(shm));
    must(mp_shm_open(&shm, name, NULL));
    ck_assert_uint_ge(backed(), MIB);
    ck_assert_str_eq((char *)mp_shm_data(shm) + MIB / 2, "python");
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
}
END_TEST

/* ---- No rights ---- */

static int
be_somebody_else(void *unused)
{
    mp_shm *shm = NULL;

    (void)unused;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return CANNOT;
    must_fail(mp_shm_open(&shm, name, NULL), -EACCES, name);
    must_fail(mp_shm_open(&shm, name, MP_SHM_ATTR(.readonly = 1)), -EACCES,
              name);
    must_fail(mp_shm_unlink(name), -EACCES, "another user's");
    return 0;
}

START_TEST(shm_of_another_user)
{
    mp_shm *shm;

    must(mp_shm_create(&shm, name, 10, NULL));
    run_apart(be_somebody_else, "be another user");
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
}
END_TEST

static int
lack_the_folder(void *unused)
{
    mp_shm *shm = NULL;

    (void)unused;
    if (!have_small_shm() || mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0)
        return CANNOT;
    must_fail(mp_shm_create(&shm, name, 10, NULL), -ENOTSUP, "/dev/shm");
    must_fail(mp_shm_open(&shm, name, NULL), -ENOENT, "there is no segment");
    return 0;
}

START_TEST(shm_without_dev_shm)
{
    run_apart(lack_the_folder, "mount");
}
END_TEST

/* ---- Systems that do less ---- */

/* Low halves of the arguments: the machine is little-endian. */
#define LOAD(field)                    \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
             (uint32_t)offsetof(struct seccomp_data, field))

/* There are no files without names from here on. */
static int
forbid_tmpfile(void)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = LENGTH(filter), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int
do_without_tmpfile(void *unused)
{
    mp_shm *shm = NULL, *other = NULL;
    uint64_t all;

    (void)unused;
    if (!have_small_shm() || forbid_tmpfile())
        return CANNOT;
    ck_assert_int_eq(open("/dev/shm", O_TMPFILE | O_RDWR, 0600), -1);
    all = free_in_shm();
    must_fail(mp_shm_create(&shm, name, 2 * MIB, NULL), -ENOMEM, "/dev/shm");
    must(mp_shm_create(&shm, name, MIB / 4 + 1, NULL));
    ck_assert_uint_eq(mp_shm_size(shm), MIB / 4 + 1);
    must_fail(mp_shm_create(&other, name, 10, NULL), -EEXIST, "there is");
    must(mp_shm_create(&other, NULL, 10, NULL));
    must(mp_shm_unlink(mp_shm_name(other)));
    must(mp_shm_close(other));
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
    ck_assert_uint_eq(free_in_shm(), all);
    return 0;
}

START_TEST(shm_without_files_without_names)
{
    run_apart(do_without_tmpfile, "filter system calls");
}
END_TEST

static int
do_without_proc(void *unused)
{
    mp_shm *shm = NULL, *other = NULL;

    (void)unused;
    if (!have_small_shm() || mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0)
        return CANNOT;
    must(mp_shm_create(&shm, name, 100, NULL));
    must_fail(mp_shm_create(&other, name, 10, NULL), -EEXIST, "there is");
    must(mp_shm_close(shm));
    return mp_shm_unlink(name);
}

START_TEST(shm_without_proc)
{
    run_apart(do_without_proc, "mount");
}
END_TEST

static void
on_signal(int sig)
{
    (void)sig;
}

START_TEST(shm_under_a_storm_of_signals)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval every = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    mp_shm *shm;

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
    must(mp_shm_create(&shm, name, 64 * MIB, NULL));
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("shm-limits");
    TCase *tcase = mp_test_case(suite, "memory", 30);

    tcase_add_checked_fixture(tcase, choose_name, NULL);
    tcase_add_test(tcase, shm_larger_than_the_machine);
    tcase_add_test(tcase, shm_beyond_the_limit_of_file_size);
    if (mp_test_scale() <= 1) /* such tools need all address space there is */
        tcase_add_test(tcase, shm_beyond_the_limit_of_address_space);
    tcase_add_test(tcase, G23_shm_in_a_small_dev_shm_is_an_error);
    tcase_add_test(tcase, G23_shm_opened_without_memory_is_an_error);
    tcase_add_test(tcase, shm_opened_has_all_its_memory);
    tcase = mp_test_case(suite, "systems", 30);
    tcase_add_checked_fixture(tcase, choose_name, NULL);
    tcase_add_test(tcase, shm_of_another_user);
    tcase_add_test(tcase, shm_without_dev_shm);
    tcase_add_test(tcase, shm_without_files_without_names);
    tcase_add_test(tcase, shm_without_proc);
    tcase_add_test(tcase, shm_under_a_storm_of_signals);
    return mp_test_main(suite);
}
