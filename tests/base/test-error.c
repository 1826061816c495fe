/* SPDX-License-Identifier: MIT */
/* Codes, their sentences, and the detail of a thread's last failure. */
#include "base/error.h"
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <mproc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Every code that a public header names. */
static const int codes[] = {
    E2BIG,     EADDRNOTAVAIL, EAGAIN,    EALREADY,   EBADF,     EBUSY,
    ECANCELED, EDEADLK,       EINTR,     EINVAL,     EMSGSIZE,  ENODATA,
    ENOMEM,    ENOTSUP,       EPERM,     EPIPE,      EPROTO,    EREMOTEIO,
    ESHUTDOWN, ESRCH,         ETIMEDOUT, EOWNERDEAD, EOVERFLOW, EKEYREJECTED,
    ENOSYS,    EMFILE,        ENOENT,
};
#define CODES (sizeof(codes) / sizeof(codes[0]))

START_TEST(strerror_is_one_sentence)
{
    const char *text = mp_strerror(-codes[_i]);
    size_t length = strlen(text);

    ck_assert_uint_gt(length, 3);
    ck_assert_int_ne(text[length - 1], '.');
    ck_assert_ptr_null(strchr(text, '\n'));
    ck_assert_str_ne(text, "unknown error");
    /* positive or negative, and always the same text */
    ck_assert_ptr_eq(mp_strerror(codes[_i]), text);
    ck_assert_ptr_eq(mp_strerror(-codes[_i]), text);
}
END_TEST

START_TEST(strerror_tells_codes_apart)
{
    for (size_t i = 0; i < CODES; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(mp_strerror(codes[i]), mp_strerror(codes[k]));
}
END_TEST

START_TEST(strerror_knows_no_code_out_of_range)
{
    ck_assert_str_eq(mp_strerror(0), "success");
    ck_assert_str_eq(mp_strerror(99999), "unknown error");
    ck_assert_str_eq(mp_strerror(-99999), "unknown error");
    ck_assert_str_eq(mp_strerror(INT_MAX), "unknown error");
    ck_assert_str_eq(mp_strerror(INT_MIN), "unknown error");
}
END_TEST

START_TEST(last_error_is_empty_at_first)
{
    ck_assert_str_eq(mp_last_error(), "");
}
END_TEST

START_TEST(last_error_outlives_success)
{
    mp_queue *queue = NULL;

    ck_assert_int_eq(mp_queue_create(NULL, NULL), -EINVAL);
    ck_assert_str_eq(mp_last_error(), "mp_queue_create: ret_queue is NULL");
    ck_assert_int_eq(mp_queue_create(&queue, NULL), 0);
    ck_assert_int_eq(mp_queue_destroy(queue), 0);
    ck_assert_str_eq(mp_last_error(), "mp_queue_create: ret_queue is NULL");
}
END_TEST

START_TEST(error_number_is_not_set)
{
    errno = 4711;
    ck_assert_int_eq(mp_queue_create(NULL, NULL), -EINVAL);
    ck_assert_int_eq(errno, 4711);
    ck_assert_int_eq(mp_queue_close(NULL), -EBADF);
    ck_assert_int_eq(errno, 4711);
}
END_TEST

static void *
fail_in_thread(void *unused)
{
    (void)unused;
    ck_assert_str_eq(mp_last_error(), "");
    mp__fail(-EINVAL, "of the thread");
    ck_assert_str_eq(mp_last_error(), "of the thread");
    return NULL;
}

START_TEST(last_error_belongs_to_the_thread)
{
    pthread_t thread;

    mp__fail(-EINVAL, "of the %s", "first");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_in_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(mp_last_error(), "of the first");
}
END_TEST

START_TEST(last_error_is_cut_when_too_long)
{
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    ck_assert_int_eq(mp__fail(-ENOMEM, "%s", text), -ENOMEM);
    ck_assert_uint_ge(strlen(mp_last_error()), 200);
    ck_assert_uint_lt(strlen(mp_last_error()), sizeof(text) - 1);
    ck_assert_uint_eq(strspn(mp_last_error(), "x"), strlen(mp_last_error()));
}
END_TEST

START_TEST(fail_handle_says_what_it_is_not)
{
    char expected[200];

    ck_assert_int_eq(mp__fail_handle("mp_x", NULL, "a queue"), -EBADF);
    ck_assert_str_eq(mp_last_error(), "mp_x: the handle is NULL, not a queue");
    ck_assert_int_eq(mp__fail_handle("mp_x", expected, "a queue"), -EBADF);
    snprintf(expected, sizeof(expected), "mp_x: %p is not a queue",
             (void *)expected);
    ck_assert_int_eq(strncmp(mp_last_error(), expected, strlen(expected)), 0);
}
END_TEST

START_TEST(version_is_that_of_the_header)
{
    ck_assert_int_eq(mp_version(), MP_VERSION_MAJOR * 10000 +
                                       MP_VERSION_MINOR * 100 +
                                       MP_VERSION_PATCH);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("error");
    TCase *tcase = mp_test_case(suite, "strerror", 10);

    tcase_add_loop_test(tcase, strerror_is_one_sentence, 0, CODES);
    tcase_add_test(tcase, strerror_tells_codes_apart);
    tcase_add_test(tcase, strerror_knows_no_code_out_of_range);
    tcase = mp_test_case(suite, "last_error", 10);
    tcase_add_test(tcase, last_error_is_empty_at_first);
    tcase_add_test(tcase, last_error_outlives_success);
    tcase_add_test(tcase, last_error_belongs_to_the_thread);
    tcase_add_test(tcase, last_error_is_cut_when_too_long);
    tcase_add_test(tcase, error_number_is_not_set);
    tcase_add_test(tcase, fail_handle_says_what_it_is_not);
    tcase = mp_test_case(suite, "version", 10);
    tcase_add_test(tcase, version_is_that_of_the_header);
    return mp_test_main(suite);
}
