/* SPDX-License-Identifier: MIT */
/* Descriptors that pass through local connections. */
#include "socket/socket-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int
is_same(int a, int b)
{
    struct stat x, y;

    must(fstat(a, &x));
    must(fstat(b, &y));
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What Python's send_handle() sends; or what it does not. */
static void
pass_bare(int socket, const char *bytes, size_t size, const int *fds, int n)
{
    struct iovec part = {(void *)bytes, size};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control = {.space = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen =
                                 CMSG_SPACE((size_t)n * sizeof(int))};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)n * sizeof(int));
    ck_assert_int_eq(sendmsg(socket, &message, 0), size);
}

/* Variants: 0 reads ahead, 1 does not. */
START_TEST(descriptors_come_in_order_with_messages)
{
    mp_conn *ends[2];
    int files[2], got[2];
    char text[10];

    open_pair(ends);
    if (_i)
        must(mp_conn_fd(ends[1]));
    must(pipe2(files, O_CLOEXEC));
    must(mp_conn_send(ends[0], "first", 6, MP_NOW));
    must(mp_conn_send_fd(ends[0], files[0], MP_NOW));
    must(mp_conn_send_fd(ends[0], files[1], MP_NOW));
    must(mp_conn_send(ends[0], "last", 5, MP_NOW));

    must_fail(mp_conn_recv_fd(ends[1], MP_NOW), -ENOMSG, "a message is next");
    ck_assert_int_eq(mp_conn_recv(ends[1], text, 10, MP_NOW), 6);
    for (int i = 0; i < 2; i++) {
        must_fail(mp_conn_recv(ends[1], text, 10, MP_NOW), -ENOMSG,
                  "a descriptor is next");
        ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), -ENOMSG);
        ck_assert_int_eq(mp_conn_poll(ends[1], MP_NOW), 1);
        got[i] = (int)must(mp_conn_recv_fd(ends[1], MP_NOW));
        ck_assert_int_eq(fcntl(got[i], F_GETFD), FD_CLOEXEC);
        ck_assert(is_same(got[i], files[i]));
    }
    ck_assert_int_eq(mp_conn_recv(ends[1], text, 10, MP_NOW), 5);
    ck_assert_str_eq(text, "last");
    ck_assert_int_eq(mp_conn_recv_fd(ends[1], MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv_fd(ends[1], SOON), -ETIMEDOUT);
    must(mp_conn_close(ends[0]));
    ck_assert_int_eq(mp_conn_recv_fd(ends[1], MP_NOW), -EPIPE);
    must(mp_conn_close(ends[1]));
    for (int i = 0; i < 2; i++) {
        close(files[i]);
        close(got[i]);
    }
}
END_TEST

static long
take_fd(void *conn)
{
    return mp_conn_recv_fd(conn, LATER);
}

START_TEST(a_descriptor_is_waited_for)
{
    struct caller caller;
    mp_conn *ends[2];
    long fd;

    open_pair(ends);
    caller_start(&caller, take_fd, ends[1]);
    caller_await_sleep(&caller);
    must(mp_conn_send_fd(ends[0], 0, MP_NOW));
    fd = must(caller_end(&caller));
    ck_assert(is_same((int)fd, 0));
    close((int)fd);
    close_pair(ends);
}
END_TEST

START_TEST(a_descriptor_stays_while_there_is_no_number_for_it)
{
    struct rlimit limit;
    mp_conn *ends[2];
    int top, fd;

    open_pair(ends);
    must(mp_conn_send_fd(ends[0], 0, MP_NOW));
    must(getrlimit(RLIMIT_NOFILE, &limit));
    top = dup(0);
    close(top);
    must(setrlimit(RLIMIT_NOFILE,
                   &(struct rlimit){(rlim_t)top, limit.rlim_max}));
    for (int i = 0; i < 2; i++)
        must_fail(mp_conn_recv_fd(ends[1], MP_NOW), -EMFILE, "no more");
    must(setrlimit(RLIMIT_NOFILE, &limit));
    fd = (int)must(mp_conn_recv_fd(ends[1], MP_NOW));
    ck_assert(is_same(fd, 0));
    close(fd);
    close_pair(ends);
}
END_TEST

/* Behind a message that is received, it comes along with it. */
START_TEST(a_descriptor_read_ahead_without_a_number_is_told_once)
{
    struct rlimit limit;
    mp_conn *ends[2];
    char text[10];
    int top;

    open_pair(ends);
    must(mp_conn_send(ends[0], "first", 6, MP_NOW));
    must(mp_conn_send_fd(ends[0], 0, MP_NOW));
    must(mp_conn_send(ends[0], "last", 5, MP_NOW));
    must(getrlimit(RLIMIT_NOFILE, &limit));
    top = dup(0);
    close(top);
    must(setrlimit(RLIMIT_NOFILE,
                   &(struct rlimit){(rlim_t)top, limit.rlim_max}));
    ck_assert_int_eq(mp_conn_recv(ends[1], text, 10, MP_NOW), 6);
    must(setrlimit(RLIMIT_NOFILE, &limit));
    ck_assert_int_eq(mp_conn_recv(ends[1], text, 10, MP_NOW), -ENOMSG);
    must_fail(mp_conn_recv_fd(ends[1], MP_NOW), -EMFILE, "lost");
    ck_assert_int_eq(mp_conn_recv(ends[1], text, 10, MP_NOW), 5);
    close_pair(ends);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused)
{
    mp_conn *ends[2];

    open_pair(ends);
    must_fail(mp_conn_send_fd(ends[0], -1, MP_NOW), -EBADF, "-1");
    must_fail(mp_conn_send_fd(ends[0], 999, MP_NOW), -EBADF, "999");
    ck_assert_int_eq(mp_conn_poll(ends[1], MP_NOW), 0);
    must(mp_conn_close(ends[1]));
    ck_assert_int_eq(mp_conn_send_fd(ends[0], 0, MP_NOW), -EPIPE);
    must(mp_conn_close(ends[0]));
    open_tcp_pair(ends);
    must_fail(mp_conn_send_fd(ends[0], 0, MP_NOW), -ENOTSUP, "TCP");
    must_fail(mp_conn_recv_fd(ends[0], MP_NOW), -ENOTSUP, "TCP");
    close_pair(ends);
}
END_TEST

START_TEST(pythons_framing_is_taken)
{
    int bare, zero = 0;
    mp_conn *conn = open_bare(&bare, NULL);
    long fd;

    pass_bare(bare, "\1", 1, &zero, 1);
    fd = must(mp_conn_recv_fd(conn, MP_NOW));
    ck_assert(is_same((int)fd, 0));
    close((int)fd);
    close(bare);
    must(mp_conn_close(conn));
}
END_TEST

/* Each leaves no descriptor behind: the fixture would see it. */
START_TEST(descriptors_that_lie_are_closed)
{
    static const struct {
        const char *before; /* a frame, or a part of one */
        size_t before_size;
        const char *bytes;
        size_t size;
        int n;
    } lies[] = {
        {"", 0, "\2", 1, 1}, /* says two, and has one */
        {"", 0, "\2", 1, 2}, /* two at once */
        {"", 0, "\1", 1, 2},
        {"", 0, "\0\0\0\1x", 5, 1},   /* with a message */
        {"\0\0\0\3a", 5, "\1", 1, 1}, /* in the midst of one */
        {"\0\0", 2, "\1", 1, 1},      /* in the midst of a header */
    };
    int bare, fds[2] = {0, 0}, use_fd = _i & 1;
    mp_conn *conn;
    char text[10];
    long r;

    for (size_t i = 0; i < LENGTH(lies); i++) {
        conn = open_bare(&bare, NULL);
        if (_i & 2)
            must(mp_conn_fd(conn));
        if (lies[i].before_size)
            write_all(bare, lies[i].before, lies[i].before_size);
        pass_bare(bare, lies[i].bytes, lies[i].size, fds, lies[i].n);
        for (int again = 0; again < 4; again++) {
            r = use_fd ? mp_conn_recv_fd(conn, MP_NOW)
                       : mp_conn_recv(conn, text, 10, MP_NOW);
            if (r == -ENOMSG) /* the other has to look at it */
                r = use_fd ? mp_conn_recv(conn, text, 10, MP_NOW)
                           : mp_conn_recv_fd(conn, MP_NOW);
        }
        ck_assert_msg(r == -EPROTO, "lie %zu: %ld", i, r);
        close(bare);
        must(mp_conn_close(conn));
    }
}
END_TEST

/* Not received, and closed with the connection. */
START_TEST(descriptors_nobody_took_are_closed)
{
    int bare, zero = 0;
    mp_conn *conn = open_bare(&bare, NULL);
    char text[10];

    pass_bare(bare, "\1", 1, &zero, 1);
    ck_assert_int_eq(mp_conn_recv(conn, text, 10, MP_NOW), -ENOMSG);
    close(bare);
    must(mp_conn_close(conn));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("socket-descriptor");
    TCase *tcase = mp_test_case(suite, "descriptors", 30);

    tcase_add_loop_test(tcase, descriptors_come_in_order_with_messages, 0, 2);
    tcase_add_test(tcase, a_descriptor_is_waited_for);
    tcase_add_test(tcase, a_descriptor_stays_while_there_is_no_number_for_it);
    tcase_add_test(tcase,
                   a_descriptor_read_ahead_without_a_number_is_told_once);
    tcase_add_test(tcase, what_cannot_be_sent_is_refused);
    tcase_add_test(tcase, pythons_framing_is_taken);
    tcase_add_loop_test(tcase, descriptors_that_lie_are_closed, 0, 4);
    tcase_add_test(tcase, descriptors_nobody_took_are_closed);
    return mp_test_main(suite);
}
