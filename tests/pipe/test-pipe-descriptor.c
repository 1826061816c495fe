/* SPDX-License-Identifier: MIT */
/* Descriptors through a pipe. */
#include "eof-kit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct task {
    mp_conn *end;
    volatile int *stage;
};

/* ---- Between processes ---- */

static int
write_to_received(void *arg)
{
    struct task *task = arg;
    char text[8];
    int fd;

    if (mp_conn_recv(task->end, text, sizeof(text), MP_FOREVER) != 5)
        return 1;
    fd = mp_conn_recv_fd(task->end, MP_FOREVER);
    if (fd < 0 || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
        return 2;
    if (write(fd, text, 5) != 5)
        return 3;
    return mp_conn_recv(task->end, text, sizeof(text), MP_FOREVER) == 3 ? 0
                                                                        : 4;
}

START_TEST(a_descriptor_goes_to_a_child)
{
    struct pair pair = make_pair(0);
    struct task task = {pair.a, NULL};
    mp_process *p = start(write_to_received, &task, sizeof(task), methods[_i]);
    int ends[2];
    char text[8];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    must(mp_conn_send(pair.b, "Hello", 5, MP_FOREVER));
    must(mp_conn_send_fd(pair.b, ends[1], MP_FOREVER));
    must(mp_conn_send(pair.b, "end", 3, MP_FOREVER));
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], text, sizeof(text)), 5);
    ck_assert_int_eq(memcmp(text, "Hello", 5), 0);
    ck_assert_int_eq(end_of(p), 0);
    /* The duplicate that was kept is closed: that is the end. */
    close_pair(pair);
    ck_assert_int_eq(read(ends[0], text, sizeof(text)), 0);
    close(ends[0]);
}
END_TEST

static int
send_own(void *arg)
{
    struct task *task = arg;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], "child", 5) != 5 ||
        mp_conn_send_fd(task->end, ends[0], MP_FOREVER) < 0)
        return 1;
    close(ends[0]);
    close(ends[1]);
    tell(task->stage, 1);
    return await_value(task->stage, 2) ? 0 : 2;
}

START_TEST(a_descriptor_comes_from_a_child)
{
    struct pair pair = make_pair(0);
    struct task task = {pair.b, mp_new(int)};
    mp_process *p = start(send_own, &task, sizeof(task), methods[_i]);
    char text[8];
    int fd = mp_conn_recv_fd(pair.a, MP_FOREVER);

    must(fd);
    ck_assert_int_eq(read(fd, text, sizeof(text)), 5);
    ck_assert_int_eq(memcmp(text, "child", 5), 0);
    close(fd);
    tell(task.stage, 2);
    ck_assert_int_eq(end_of(p), 0);
    close_pair(pair);
    must(mp_free((void *)task.stage));
}
END_TEST

/* Nothing is left to be fetched: what comes after it can be received. */
START_TEST(G01_the_sender_is_killed_before_it_was_fetched)
{
    struct pair pair = make_pair(1);
    struct task task = {pair.b, mp_new(int)};
    mp_process *p = start(send_own, &task, sizeof(task), methods[_i]);
    char text[8];

    await(task.stage, 1);
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
    must(mp_conn_send(pair.b, "after", 5, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(pair.a, text, sizeof(text), MP_NOW),
                     -ENOMSG);
    must_fail(mp_conn_recv_fd(pair.a, MP_NOW), -ESRCH, "ended");
    ck_assert_int_eq(mp_conn_recv(pair.a, text, sizeof(text), MP_NOW), 5);
    close_pair(pair);
    must(mp_free((void *)task.stage));
}
END_TEST

/* ---- In order ---- */

START_TEST(messages_and_descriptors_keep_their_order)
{
    struct pair pair = make_pair(1);
    char text[8];
    int fd;

    for (int i = 0; i < 100; i++) {
        must(mp_conn_send(pair.a, "one", 3, MP_NOW));
        must(mp_conn_send_fd(pair.a, 2, MP_NOW));
    }
    for (int i = 0; i < 100; i++) {
        must_fail(mp_conn_recv_fd(pair.b, MP_NOW), -ENOMSG, "no descriptor");
        must_fail(mp_conn_recv_fd(pair.b, MP_FOREVER), -ENOMSG, "descriptor");
        ck_assert_int_eq(mp_conn_recv(pair.b, text, sizeof(text), MP_NOW), 3);
        must_fail((int)mp_conn_recv(pair.b, text, sizeof(text), MP_NOW),
                  -ENOMSG, "mp_conn_recv_fd");
        must_fail((int)mp_conn_next_size(pair.b, MP_NOW), -ENOMSG,
                  "descriptor");
        ck_assert_int_eq(mp_conn_poll(pair.b, MP_NOW), 1);
        fd = mp_conn_recv_fd(pair.b, MP_NOW);
        must(fd);
        close(fd);
    }
    ck_assert_int_eq(mp_conn_recv_fd(pair.b, MP_NOW), -EAGAIN);
    must(mp_conn_close(pair.a));
    ck_assert_int_eq(mp_conn_recv_fd(pair.b, MP_FOREVER), -EPIPE);
    must(mp_conn_close(pair.b));
}
END_TEST

START_TEST(no_descriptor_to_send)
{
    struct pair pair = make_pair(0);
    int fds = mp_test_fds();

    must_fail(mp_conn_send_fd(pair.b, -1, MP_NOW), -EBADF, "-1");
    must_fail(mp_conn_send_fd(pair.b, 1000000, MP_NOW), -EBADF, "1000000");
    ck_assert_int_eq(mp_conn_send_fd(pair.a, 2, MP_NOW), -EPERM);
    ck_assert_int_eq(mp_conn_recv_fd(pair.b, MP_NOW), -EPERM);
    must(mp_conn_close(pair.a));
    ck_assert_int_eq(mp_conn_send_fd(pair.b, 2, MP_NOW), -EPIPE);
    ck_assert_int_eq(mp_test_fds(), fds);
    must(mp_conn_close(pair.b));
}
END_TEST

/* ---- What is kept ---- */

START_TEST(G37_duplicates_are_closed_when_they_were_taken)
{
    struct pair pair = make_pair(1);
    int fds = mp_test_fds();
    int fd;

    for (int i = 0; i < 10; i++)
        must(mp_conn_send_fd(pair.a, 2, MP_NOW));
    ck_assert_int_eq(mp_test_fds(), fds + 10);
    for (int i = 0; i < 5; i++) {
        fd = mp_conn_recv_fd(pair.b, MP_NOW);
        must(fd);
        close(fd);
    }
    must(mp_conn_send_fd(pair.a, 2, MP_NOW));
    ck_assert_int_eq(mp_test_fds(), fds + 6);
    /* Nobody is left to take the rest. */
    must(mp_conn_close(pair.b));
    ck_assert_int_eq(mp_test_fds(), fds);
    must(mp_conn_close(pair.a));
}
END_TEST

static int
count_fds(void *arg)
{
    return mp_test_fds() <= *(int *)arg ? 0 : 1;
}

START_TEST(G37_a_child_has_no_copies_of_them)
{
    struct pair pair = make_pair(1);
    int fds = mp_test_fds();

    for (int i = 0; i < 50; i++)
        must(mp_conn_send_fd(pair.a, 2, MP_NOW));
    fds += 20; /* what a child has of its own */
    ck_assert_int_eq(run(count_fds, &fds, sizeof(fds),
                         MP_PROCESS_ATTR(.method = methods[_i])),
                     0);
    /* Our own are as they were. */
    for (int i = 0; i < 50; i++)
        must(close(mp_conn_recv_fd(pair.b, MP_NOW)));
    close_pair(pair);
}
END_TEST

static int
receive_at_the_limit(void *arg)
{
    struct task *task = arg;
    struct rlimit all, none;
    int fd;

    if (getrlimit(RLIMIT_NOFILE, &all) < 0)
        return 1;
    none = all;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    if (mp_conn_recv_fd(task->end, MP_FOREVER) != -EMFILE ||
        mp_conn_recv_fd(task->end, MP_NOW) != -EMFILE)
        return 2;
    setrlimit(RLIMIT_NOFILE, &all);
    fd = mp_conn_recv_fd(task->end, MP_NOW);
    return fd >= 3 ? 0 : 3;
}

START_TEST(without_a_free_number_it_stays)
{
    struct pair pair = make_pair(0);
    struct task task = {pair.a, NULL};
    mp_process *p;

    must(mp_conn_send_fd(pair.b, 2, MP_NOW));
    p = start(receive_at_the_limit, &task, sizeof(task), methods[_i]);
    ck_assert_int_eq(end_of(p), 0);
    close_pair(pair);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-descriptor");
    TCase *tcase = family_case(suite, "processes", 20);

    tcase_add_loop_test(tcase, a_descriptor_goes_to_a_child, 0, METHODS);
    tcase_add_loop_test(tcase, a_descriptor_comes_from_a_child, 0, METHODS);
    tcase_add_loop_test(tcase, G01_the_sender_is_killed_before_it_was_fetched,
                        0, METHODS);
    tcase_add_loop_test(tcase, without_a_free_number_it_stays, 0, METHODS);
    tcase = family_case(suite, "kept", 20);
    tcase_add_test(tcase, messages_and_descriptors_keep_their_order);
    tcase_add_test(tcase, no_descriptor_to_send);
    tcase_add_test(tcase, G37_duplicates_are_closed_when_they_were_taken);
    tcase_add_loop_test(tcase, G37_a_child_has_no_copies_of_them, 0, METHODS);
    return mp_test_main(suite);
}
