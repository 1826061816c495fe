/* SPDX-License-Identifier: MIT */
/* Named segments: names, contents, handles; between processes and threads. */
#include "region/kin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* The name of this process's segment number `i`. */
static const char *
name_of(int i)
{
    static char names[8][64];

    snprintf(names[i], sizeof(names[i]), "mp-test-%d-%d", (int)getpid(), i);
    return names[i];
}

static const char *
path_of(const char *name)
{
    static char path[300];

    snprintf(path, sizeof(path), "/dev/shm/%s", name);
    return path;
}

static int
exists(const char *name)
{
    struct stat status;

    return lstat(path_of(name), &status) == 0;
}

static mp_shm *
new_segment(const char *name, size_t size)
{
    mp_shm *shm = NULL;

    must(mp_shm_create(&shm, name, size, NULL));
    ck_assert_ptr_nonnull(shm);
    return shm;
}

static mp_shm *
open_segment(const char *name)
{
    mp_shm *shm = NULL;

    must(mp_shm_open(&shm, name, NULL));
    return shm;
}

static void
end_segment(mp_shm *shm)
{
    char name[256];

    strcpy(name, mp_shm_name(shm));
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
    ck_assert_int_eq(exists(name), 0);
}

/* ---- What it is ---- */

static const size_t sizes[] = {1, 7, 4095, 4096, 4097, 65536, MIB + 3};

START_TEST(shm_has_the_size_asked_for_and_is_zero)
{
    mp_shm *shm = new_segment(name_of(0), sizes[_i]);
    const char *data = mp_shm_data(shm);
    struct stat status;

    ck_assert_uint_eq(mp_shm_size(shm), sizes[_i]);
    ck_assert_uint_eq((uintptr_t)data % 4096, 0);
    for (size_t i = 0; i < sizes[_i]; i++)
        ck_assert_int_eq(data[i], 0);
    ck_assert_int_eq(stat(path_of(name_of(0)), &status), 0);
    ck_assert_int_eq(status.st_size, (off_t)sizes[_i]);
    ck_assert_uint_ge((uint64_t)status.st_blocks * 512, sizes[_i]);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_uint_eq(status.st_nlink, 1);
    end_segment(shm);
}
END_TEST

static const struct {
    unsigned mode, mask, expected;
} modes[] = {
    {0640, 0, 0640}, {0666, 022, 0644}, {0, 0777, 0}, {0600, 0, 0600}};

START_TEST(shm_mode_is_less_the_umask)
{
    struct stat status;
    mp_shm *shm;
    mode_t mask = umask(modes[_i].mask);

    must(mp_shm_create(&shm, name_of(0), 10,
                       MP_SHM_ATTR(.mode = modes[_i].mode)));
    umask(mask);
    ck_assert_int_eq(stat(path_of(name_of(0)), &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, modes[_i].expected);
    end_segment(shm);
}
END_TEST

/* The other has begun before there was a segment: it shares nothing with us
 * but the name. */
static int
answer(void *arg)
{
    int *pipe_end = arg;
    char name[64] = "", *data;
    mp_shm *shm;

    ck_assert_int_gt(read(*pipe_end, name, sizeof(name)), 0);
    shm = open_segment(name);
    data = mp_shm_data(shm);
    ck_assert_uint_eq(mp_shm_size(shm), MIB + 1);
    ck_assert_int_eq(data[0], 'a');
    data[MIB] = 'z';
    must(mp_shm_close(shm));
    return 0;
}

START_TEST(shm_opened_by_name_is_the_same_memory)
{
    int ends[2];
    mp_shm *shm;
    char *data;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = child(answer, &ends[0]);
    shm = new_segment(name_of(0), MIB + 1);
    data = mp_shm_data(shm);
    data[0] = 'a';
    ck_assert_int_eq(write(ends[1], name_of(0), strlen(name_of(0)) + 1),
                     (ssize_t)strlen(name_of(0)) + 1);
    expect_exit(pid, 0);
    ck_assert_int_eq(data[MIB], 'z');
    close(ends[0]);
    close(ends[1]);
    end_segment(shm);
}
END_TEST

START_TEST(shm_opened_twice_lies_at_two_addresses)
{
    mp_shm *shm = new_segment(name_of(0), 100), *other;
    int *data, *view;

    other = open_segment(name_of(0));
    ck_assert_ptr_ne(shm, other);
    data = mp_shm_data(shm);
    view = mp_shm_data(other);
    ck_assert_ptr_ne(data, view);
    *data = 42;
    ck_assert_int_eq(*view, 42);
    must(mp_shm_close(other));
    ck_assert_int_eq(*data, 42);
    end_segment(shm);
}
END_TEST

START_TEST(shm_keeps_no_descriptor)
{
    int before = mp_test_fds();
    mp_shm *shm = new_segment(name_of(0), 100);

    ck_assert_int_eq(mp_test_fds(), before);
    end_segment(shm);
}
END_TEST

/* ---- Names ---- */

START_TEST(shm_name_exists_once)
{
    mp_shm *shm = new_segment(name_of(0), 100), *other = NULL;

    strcpy(mp_shm_data(shm), "first");
    must_fail(mp_shm_create(&other, name_of(0), 5, NULL), -EEXIST,
              "there is a segment");
    ck_assert_ptr_null(other);
    ck_assert_uint_eq(mp_shm_size(shm), 100);
    ck_assert_str_eq(mp_shm_data(shm), "first");
    end_segment(shm);
}
END_TEST

static int
make_one(void *arg, int i)
{
    const char *name = arg;
    mp_shm *shm;
    int r = mp_shm_create(&shm, name, (size_t)i + 1, NULL);

    if (r == -EEXIST) {
        r = mp_shm_open(&shm, name, NULL);
        return r < 0 ? r : mp_shm_size(shm) > 0 ? mp_shm_close(shm) : 1;
    }
    if (r == 0)
        r = mp_shm_size(shm) == (size_t)i + 1 ? mp_shm_close(shm) : 2;
    return r;
}

/* Whoever cannot make it can open it: it is never there by half. */
START_TEST(shm_made_by_many_at_once_is_made_by_one)
{
    for (int i = 0; i < 10; i++) {
        kin_run((enum kin_how)_i, 4, make_one, (void *)name_of(0));
        must(mp_shm_unlink(name_of(0)));
    }
}
END_TEST

START_TEST(shm_slash_in_front_is_the_same_name)
{
    char name[70];
    mp_shm *shm, *other;

    snprintf(name, sizeof(name), "/%s", name_of(0));
    shm = new_segment(name, 10);
    ck_assert_str_eq(mp_shm_name(shm), name_of(0));
    other = open_segment(name_of(0));
    must(mp_shm_close(other));
    other = open_segment(name);
    must(mp_shm_close(other));
    must(mp_shm_close(shm));
    must(mp_shm_unlink(name));
}
END_TEST

START_TEST(shm_name_of_the_greatest_length)
{
    char name[256];
    mp_shm *shm = NULL;

    memset(name, 'n', sizeof(name));
    memcpy(name, name_of(0), strlen(name_of(0)));
    name[254] = 0;
    must_fail(mp_shm_create(&shm, name, 10, NULL), -EINVAL, "254 bytes");
    name[253] = 0;
    shm = new_segment(name, 10);
    ck_assert_str_eq(mp_shm_name(shm), name);
    end_segment(shm);
}
END_TEST

static const char *const no_names[] = {"",   "/", "a/b", "//a", "a/",
                                       "..", ".", "/..", "/a/b"};

START_TEST(shm_name_that_cannot_be)
{
    mp_shm *shm = NULL;

    must_fail(mp_shm_create(&shm, no_names[_i], 10, NULL), -EINVAL, "\"");
    must_fail(mp_shm_open(&shm, no_names[_i], NULL), -EINVAL, "mp_shm_open");
    must_fail(mp_shm_unlink(no_names[_i]), -EINVAL, "mp_shm_unlink");
    ck_assert_ptr_null(shm);
}
END_TEST

START_TEST(shm_name_is_made_up)
{
    mp_shm *shm = new_segment(NULL, 10), *other = new_segment(NULL, 10);
    mp_shm *again;

    ck_assert_str_ne(mp_shm_name(shm), mp_shm_name(other));
    ck_assert_int_eq(exists(mp_shm_name(shm)), 1);
    again = open_segment(mp_shm_name(shm));
    must(mp_shm_close(again));
    end_segment(shm);
    end_segment(other);
}
END_TEST

START_TEST(shm_unlinked_name_is_free_and_its_users_keep_it)
{
    mp_shm *shm = new_segment(name_of(0), 10), *other;

    must(mp_shm_unlink(name_of(0)));
    must_fail(mp_shm_unlink(name_of(0)), -ENOENT, "there is no segment");
    must_fail(mp_shm_open(&other, name_of(0), NULL), -ENOENT, "no segment");
    strcpy(mp_shm_data(shm), "old");
    other = new_segment(name_of(0), 20);
    ck_assert_str_eq(mp_shm_data(other), "");
    ck_assert_str_eq(mp_shm_data(shm), "old");
    must(mp_shm_close(shm));
    end_segment(other);
}
END_TEST

/* ---- What is no segment ---- */

START_TEST(shm_half_made_is_not_there)
{
    mp_shm *shm = NULL;
    int fd = open(path_of(name_of(0)), O_CREAT | O_EXCL | O_RDWR, 0600);

    ck_assert_int_ge(fd, 0);
    must_fail(mp_shm_open(&shm, name_of(0), NULL), -ENOENT, "no segment");
    must_fail(mp_shm_create(&shm, name_of(0), 10, NULL), -EEXIST, "there is");
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    shm = open_segment(name_of(0));
    ck_assert_uint_eq(mp_shm_size(shm), 100);
    close(fd);
    end_segment(shm);
}
END_TEST

START_TEST(shm_does_not_open_what_is_no_file)
{
    mp_shm *shm = NULL;

    ck_assert_int_eq(mkdir(path_of(name_of(0)), 0700), 0);
    must_fail(mp_shm_open(&shm, name_of(0), NULL), -EINVAL, "is no segment");
    ck_assert_int_eq(rmdir(path_of(name_of(0))), 0);
    ck_assert_int_eq(symlink("/etc/passwd", path_of(name_of(0))), 0);
    must_fail(mp_shm_open(&shm, name_of(0), MP_SHM_ATTR(.readonly = 1)),
              -EINVAL, "is no segment");
    must(mp_shm_unlink(name_of(0)));
    ck_assert_int_eq(mkfifo(path_of(name_of(0)), 0600), 0);
    must_fail(mp_shm_open(&shm, name_of(0), MP_SHM_ATTR(.readonly = 1)),
              -EINVAL, "is no segment");
    must(mp_shm_unlink(name_of(0)));
    ck_assert_ptr_null(shm);
}
END_TEST

/* ---- To be read only ---- */

static int
write_to(void *data)
{
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's is not wanted */
    *(volatile char *)data = 1;
    return 0;
}

START_TEST(shm_readonly_can_be_read)
{
    mp_shm *shm = new_segment(name_of(0), 10), *view;

    must(mp_shm_open(&view, name_of(0), MP_SHM_ATTR(.readonly = 1)));
    strcpy(mp_shm_data(shm), "news");
    ck_assert_str_eq(mp_shm_data(view), "news");
    expect_killed(child(write_to, mp_shm_data(view)), SIGSEGV);
    must(mp_shm_close(view));
    end_segment(shm);
}
END_TEST

/* ---- Handles ---- */

START_TEST(shm_handle_that_is_not_open)
{
    mp_shm *shm = new_segment(name_of(0), 10), *other;
    char elsewhere[600] = "";

    must(mp_shm_close(NULL));
    must_fail(mp_shm_close((mp_shm *)(void *)elsewhere), -EBADF,
              "not a segment that is open");
    must_fail(mp_shm_close((mp_shm *)(void *)((char *)shm + 8)), -EBADF,
              "not a segment");
    must(mp_shm_close(shm));
    must_fail(mp_shm_close(shm), -EBADF, "open in this process");
    other = open_segment(name_of(0));
    must_fail(mp_shm_close(shm), -EBADF, "open in this process");
    ck_assert_ptr_null(mp_shm_data(shm));
    ck_assert_ptr_null(mp_shm_name(shm));
    ck_assert_uint_eq(mp_shm_size(shm), 0);
    ck_assert_ptr_null(mp_shm_data(NULL));
    kin_text(mp_last_error(), "the handle is NULL", __LINE__);
    end_segment(other);
}
END_TEST

START_TEST(shm_many_handles)
{
    enum { MANY = 300 };
    static mp_shm *all[MANY];
    mp_shm *shm = new_segment(name_of(0), sizeof(int));

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++)
            all[i] = open_segment(name_of(0));
        for (int i = 0; i < MANY; i++) {
            *(int *)mp_shm_data(all[i]) = i;
            ck_assert_int_eq(*(int *)mp_shm_data(shm), i);
            must(mp_shm_close(all[i]));
        }
    }
    end_segment(shm);
}
END_TEST

static int
use_inherited(void *arg)
{
    mp_shm *shm = arg;

    strcpy(mp_shm_data(shm), "child");
    must(mp_shm_close(shm));
    must_fail(mp_shm_close(shm), -EBADF, "not");
    return 0;
}

START_TEST(shm_handle_is_good_after_fork)
{
    mp_shm *shm = new_segment(name_of(0), 10);

    expect_exit(child(use_inherited, shm), 0);
    ck_assert_str_eq(mp_shm_data(shm), "child");
    end_segment(shm);
}
END_TEST

static mp_shm *closed_by_all;
static mp__a32 closers;

static int
close_it(void *unused, int i)
{
    int r = mp_shm_close(closed_by_all);

    (void)unused;
    (void)i;
    if (r == 0)
        mp__add(&closers, 1);
    return r == 0 || r == -EBADF ? 0 : r;
}

START_TEST(shm_closed_by_many_threads_is_closed_once)
{
    for (int i = 0; i < 50; i++) {
        closed_by_all = new_segment(name_of(0), 10);
        mp__store(&closers, 0);
        kin_run(THREADS, 4, close_it, NULL);
        ck_assert_uint_eq(mp__load(&closers), 1);
        must(mp_shm_unlink(name_of(0)));
    }
}
END_TEST

START_TEST(shm_arguments_that_are_none)
{
    mp_shm *shm = NULL;

    must_fail(mp_shm_create(&shm, "x", 0, NULL), -EINVAL, "size is 0");
    must_fail(mp_shm_create(NULL, "x", 1, NULL), -EINVAL, "ret_shm is NULL");
    must_fail(mp_shm_create(&shm, "x", 1, MP_SHM_ATTR(.flags = 1)), -EINVAL,
              "flags");
    must_fail(mp_shm_create(&shm, "x", 1, MP_SHM_ATTR(.mode = 01777)), -EINVAL,
              "mode");
    must_fail(mp_shm_create(&shm, "x", 1, MP_SHM_ATTR(.readonly = 1)), -EINVAL,
              "readonly");
    must_fail(mp_shm_open(&shm, NULL, NULL), -EINVAL, "name is NULL");
    must_fail(mp_shm_open(NULL, "x", NULL), -EINVAL, "ret_shm is NULL");
    must_fail(mp_shm_open(&shm, "x", MP_SHM_ATTR(.mode = 0600)), -EINVAL,
              "mode");
    must_fail(mp_shm_unlink(NULL), -EINVAL, "name is NULL");
    ck_assert_ptr_null(shm);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("shm");
    TCase *tcase = mp_test_case(suite, "shm", 20);

    tcase_add_loop_test(tcase, shm_has_the_size_asked_for_and_is_zero, 0,
                        LENGTH(sizes));
    tcase_add_loop_test(tcase, shm_mode_is_less_the_umask, 0, LENGTH(modes));
    tcase_add_test(tcase, shm_opened_by_name_is_the_same_memory);
    tcase_add_test(tcase, shm_opened_twice_lies_at_two_addresses);
    tcase_add_test(tcase, shm_keeps_no_descriptor);
    tcase_add_test(tcase, shm_readonly_can_be_read);
    tcase_add_test(tcase, shm_arguments_that_are_none);
    tcase = mp_test_case(suite, "names", 20);
    tcase_add_test(tcase, shm_name_exists_once);
    tcase_add_loop_test(tcase, shm_made_by_many_at_once_is_made_by_one,
                        PROCESSES, THREADS + 1);
    tcase_add_test(tcase, shm_slash_in_front_is_the_same_name);
    tcase_add_test(tcase, shm_name_of_the_greatest_length);
    tcase_add_loop_test(tcase, shm_name_that_cannot_be, 0, LENGTH(no_names));
    tcase_add_test(tcase, shm_name_is_made_up);
    tcase_add_test(tcase, shm_unlinked_name_is_free_and_its_users_keep_it);
    tcase_add_test(tcase, shm_half_made_is_not_there);
    tcase_add_test(tcase, shm_does_not_open_what_is_no_file);
    tcase = mp_test_case(suite, "handles", 20);
    tcase_add_test(tcase, shm_handle_that_is_not_open);
    tcase_add_test(tcase, shm_many_handles);
    tcase_add_test(tcase, shm_handle_is_good_after_fork);
    tcase_add_test(tcase, shm_closed_by_many_threads_is_closed_once);
    return mp_test_main(suite);
}
