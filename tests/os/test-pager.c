/* SPDX-License-Identifier: MIT */
/* Pagers: only those who know the secret page, whoever they are, and however
 * many of their pages lie unread. */
#include "os/pager.h"

#include "support/support.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MANY 400 /* more pages than one socket may have unread */

static const unsigned char secret[MP__SECRET_SIZE] = "0123456789abcde";
static const unsigned char wrong[MP__SECRET_SIZE] = "0123456789abcdE";

static int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* The first page opens what the process keeps. */
static void
warm_up(void)
{
    uint64_t number;
    int fd = mp__pager_open(secret, &number);

    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(mp__pager_page(secret, number), 0);
    ck_assert_int_eq(close(fd), 0);
    mp_test_leaks_mark();
}

START_TEST(pager_page_makes_readable)
{
    uint64_t one, two;
    int a = mp__pager_open(secret, &one), b = mp__pager_open(secret, &two);

    ck_assert_uint_ne(one, two);
    ck_assert_int_eq(is_readable(a), 0);
    for (int i = 0; i < 100; i++) /* more than it holds */
        ck_assert_int_eq(mp__pager_page(secret, one), 0);
    ck_assert_int_eq(is_readable(a), 1);
    ck_assert_int_eq(is_readable(b), 0);
    mp__pager_drain(a);
    ck_assert_int_eq(is_readable(a), 0);
    close(a);
    ck_assert_int_eq(mp__pager_page(secret, one), -ECONNREFUSED);
    ck_assert_int_eq(mp__pager_page(secret, two), 0);
    ck_assert_int_eq(is_readable(b), 1);
    close(b);
}
END_TEST

START_TEST(pager_stranger_is_not_heard)
{
    uint64_t number;
    int fd = mp__pager_open(secret, &number);

    mp__pager_page(wrong, number);
    ck_assert_int_eq(is_readable(fd), 0);
    ck_assert_int_eq(mp__pager_page(secret, number), 0);
    ck_assert_int_eq(is_readable(fd), 1);
    close(fd);
}
END_TEST

/* What is unread counts against the socket that has sent it. */
START_TEST(pager_many_are_paged_and_do_not_look)
{
    uint64_t numbers[MANY];
    int fds[MANY];

    for (int i = 0; i < MANY; i++) {
        fds[i] = mp__pager_open(secret, &numbers[i]);
        ck_assert_int_gt(fds[i], 2);
        ck_assert_int_eq(mp__pager_page(secret, numbers[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(is_readable(fds[i]), 1);
        close(fds[i]);
    }
}
END_TEST

static struct rlimit files;

/* No descriptor can be opened. */
static void
allow_no_file(void)
{
    struct rlimit none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(dup(2), -1);
}

START_TEST(pager_page_needs_no_further_descriptor)
{
    uint64_t number;
    int fd = mp__pager_open(secret, &number), r;

    allow_no_file();
    r = mp__pager_page(secret, number);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(is_readable(fd), 1);
    close(fd);
}
END_TEST

/* The socket without a name. */
static int
find_voice(void)
{
    for (int fd = 3; fd < 1000; fd++) {
        struct sockaddr_un name;
        socklen_t size = sizeof(name);

        if (getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
            size == sizeof(sa_family_t))
            return fd;
    }
    ck_abort_msg("no socket is kept");
    return -1;
}

/* The program has closed what the library keeps, and the number is another's,
 * which must get nothing. */
START_TEST(pager_voice_closed_by_the_program)
{
    uint64_t number;
    int fd = mp__pager_open(secret, &number), voice = find_voice(), ends[2];
    char c;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    ck_assert_int_eq(dup2(ends[0], voice), voice);
    ck_assert_int_eq(mp__pager_page(secret, number), 0);
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(recv(ends[1], &c, 1, MSG_DONTWAIT), -1);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    close(voice);
    mp_test_leaks_mark(); /* it keeps another one */
}
END_TEST

/* ---- Other processes ---- */

static uint64_t number_of_parent;

static int
page_parent(void *unused)
{
    (void)unused;
    return -mp__pager_page(secret, number_of_parent);
}

static int
page_parent_as_nobody(void *unused)
{
    if (setuid(65534) < 0)
        return -1;
    return page_parent(unused);
}

/* Neither may trace the other. */
static void
expect_heard(int (*page)(void *))
{
    int fd = mp__pager_open(secret, &number_of_parent);

    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 0), 0);
    expect_exit(child(page, NULL), 0);
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
    ck_assert_int_eq(is_readable(fd), 1);
    close(fd);
}

START_TEST(pager_process_that_may_not_be_traced)
{
    expect_heard(page_parent);
}
END_TEST

START_TEST(pager_process_of_another_user)
{
    if (geteuid() != 0)
        return; /* cannot become somebody else */
    expect_heard(page_parent_as_nobody);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pager");
    TCase *tcase = mp_test_case(suite, "pager", 10);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    tcase_add_test(tcase, pager_page_makes_readable);
    tcase_add_test(tcase, pager_stranger_is_not_heard);
    tcase_add_test(tcase, pager_many_are_paged_and_do_not_look);
    tcase_add_test(tcase, pager_page_needs_no_further_descriptor);
    tcase_add_test(tcase, pager_voice_closed_by_the_program);
    tcase_add_test(tcase, pager_process_that_may_not_be_traced);
    tcase_add_test(tcase, pager_process_of_another_user);
    return mp_test_main(suite);
}
