/* SPDX-License-Identifier: MIT */
/* mp_conn_fd() of a pipe: readable until a receive finds nothing, and when the
 * other end is gone: also by a kill while its owner sleeps in poll(). */
#include "connection/poll-kit.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct ends {
    mp_conn *a, *b;
    mp_event *go;
    mp__a64 sent; /* sends that have returned */
    mp__a32 begun;
};

static struct ends *
new_ends(int duplex)
{
    struct ends *ends = mp_new(struct ends);

    ck_assert_ptr_nonnull(ends);
    must(mp_event_create(&ends->go, NULL));
    must(mp_pipe(&ends->a, &ends->b, duplex));
    return ends;
}

/* `b` is closed already. */
static void
end_ends(struct ends *ends)
{
    must(mp_conn_close(ends->a));
    must(mp_event_destroy(ends->go));
    must(mp_free(ends));
}

static int
receive(mp_conn *conn)
{
    uint64_t message;

    return (int)mp_conn_recv(conn, &message, sizeof(message), MP_NOW);
}

static void
send_one(mp_conn *conn)
{
    uint64_t message = 1;

    must(mp_conn_send(conn, &message, sizeof(message), MP_NOW));
}

static int
armed(mp_conn *conn)
{
    int fd = mp_conn_fd(conn);

    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(receive(conn), -EAGAIN);
    ck_assert_int_eq(is_readable(fd), 0);
    return fd;
}

/* ---- One process ---- */

START_TEST(pipe_fd_is_readable_until_a_receive_finds_nothing)
{
    struct ends *ends = new_ends(1);
    int fd = armed(ends->a), other = armed(ends->b);

    ck_assert_int_eq(mp_conn_fd(ends->a), fd);
    for (int round = 0; round < 3; round++) {
        send_one(ends->b);
        send_one(ends->b);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(receive(ends->a), 8);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(receive(ends->a), 8);
        ck_assert_int_eq(mp_conn_poll(ends->a, MP_NOW), 0);
        ck_assert_int_eq(is_readable(fd), 0);
        ck_assert_int_eq(is_readable(other), 0);
    }
    must(mp_conn_close(ends->b));
    end_ends(ends);
}
END_TEST

static int
deaf_to_nothing(mp_conn *conn, int which)
{
    char c;

    switch (which) {
    case 0:
        return (int)mp_conn_recv(conn, &c, 1, mp_timeout(0.01)) == -ETIMEDOUT;
    case 1:
        return (int)mp_conn_next_size(conn, MP_NOW) == -EAGAIN;
    case 2:
        return mp_conn_poll(conn, mp_timeout(0.01)) == 0;
    default:
        return mp_conn_recv_fd(conn, MP_NOW) == -EAGAIN;
    }
}

START_TEST(pipe_fd_after_every_call_that_finds_nothing)
{
    struct ends *ends = new_ends(0);
    int fd = mp_conn_fd(ends->a);

    for (int which = 0; which < 4; which++) {
        send_one(ends->b);
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(receive(ends->a), 8);
        ck_assert_int_eq(deaf_to_nothing(ends->a, which), 1);
        ck_assert_int_eq(is_readable(fd), 0);
    }
    must(mp_conn_close(ends->b));
    end_ends(ends);
}
END_TEST

START_TEST(pipe_fd_of_what_has_none)
{
    struct ends *one_way = new_ends(0), *ends = new_ends(1);

    must_fail(mp_conn_fd(NULL), -EBADF, "mp_conn_fd");
    must_fail(mp_conn_fd(one_way->b), -EPERM, "mp_conn_fd");
    must(mp_conn_close(one_way->b));
    end_ends(one_way);
    must(mp_conn_close(ends->b));
    must_fail(mp_conn_fd(ends->b), -EBADF, "mp_conn");
    end_ends(ends);
}
END_TEST

START_TEST(pipe_fd_hundreds_leave_no_descriptor)
{
    int before = mp_test_fds();
    struct ends *ends[100];

    for (size_t i = 0; i < LENGTH(ends); i++) {
        ends[i] = new_ends(1);
        armed(ends[i]->a);
    }
    for (size_t i = 0; i < LENGTH(ends); i += 9) {
        send_one(ends[i]->b);
        for (size_t k = 0; k < LENGTH(ends); k++)
            ck_assert_int_eq(is_readable(mp_conn_fd(ends[k]->a)), k == i);
        ck_assert_int_eq(receive(ends[i]->a), 8);
        ck_assert_int_eq(receive(ends[i]->a), -EAGAIN);
    }
    for (size_t i = 0; i < LENGTH(ends); i++) {
        must(mp_conn_close(ends[i]->b));
        end_ends(ends[i]);
    }
    ck_assert_int_eq(mp_test_fds(), before);
}
END_TEST

/* With each number of descriptors that are left but not enough. */
START_TEST(pipe_fd_no_descriptor_left)
{
    struct ends *ends = new_ends(0);
    int before = mp_test_fds(), made = -EMFILE;
    struct rlimit files, few;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    for (int more = 0; made == -EMFILE; more++) {
        int highest = dup(0);

        few = files;
        few.rlim_cur = (rlim_t)highest + (rlim_t)more;
        close(highest);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        made = mp_conn_fd(ends->a);
        if (made >= 0) /* finds no pidfd: then it stays readable */
            ck_assert_int_eq(receive(ends->a), -EAGAIN);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        if (made < 0)
            ck_assert_int_eq(mp_test_fds(), before);
    }
    ck_assert_int_ge(made, 0);
    armed(ends->a);
    must(mp_conn_close(ends->b));
    end_ends(ends);
}
END_TEST

START_TEST(pipe_fd_edges)
{
    struct ends *ends = new_ends(0);
    int epoll = epoll_with(armed(ends->a), EPOLLIN | EPOLLET);

    ck_assert_int_eq(epoll_now(epoll), 0);
    for (int round = 0; round < 3; round++) {
        send_one(ends->b);
        ck_assert_int_eq(epoll_now(epoll), 1);
        ck_assert_int_eq(epoll_now(epoll), 0);
        ck_assert_int_eq(receive(ends->a), 8);
        ck_assert_int_eq(receive(ends->a), -EAGAIN);
        ck_assert_int_eq(epoll_now(epoll), 0);
    }
    must(mp_conn_close(ends->b));
    ck_assert_int_eq(epoll_now(epoll), 1);
    close(epoll);
    end_ends(ends);
}
END_TEST

START_TEST(pipe_fd_closed_end_is_readable_for_ever)
{
    struct ends *ends = new_ends(1);
    int fd = armed(ends->a);

    send_one(ends->b);
    must(mp_conn_close(ends->b));
    ck_assert_int_eq(is_readable(fd), 1);
    ck_assert_int_eq(receive(ends->a), 8);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(is_readable(fd), 1);
        ck_assert_int_eq(receive(ends->a), -EPIPE);
        ck_assert_int_eq(mp_conn_poll(ends->a, MP_NOW), 1);
    }
    end_ends(ends);
}
END_TEST

/* ---- Other processes ---- */

static mp_process *
start(mp_target target, struct ends *ends, mp_conn *given, int method)
{
    void *arg[] = {ends, given};
    mp_process *process;

    must(mp_process_start(&process, target, arg, sizeof(arg),
                          MP_PROCESS_ATTR(.method = method)));
    return process;
}

static void
end_process(mp_process *process)
{
    must(mp_process_kill(process));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
}

/* Sends one when it may. */
static int
sends_one(void *arg)
{
    struct ends *ends = ((void **)arg)[0];
    mp_conn *conn = ((void **)arg)[1];

    if (mp_event_wait(ends->go, MP_FOREVER) < 0 ||
        mp_conn_send(conn, ends, 8, MP_FOREVER) < 0)
        return 1;
    return 0;
}

/* Sleeps in poll() alone until a receive would not wait. */
static int
sleeps_in_poll(void *arg, int unused)
{
    (void)unused;
    do
        if (!await(mp_conn_fd(arg)))
            return 1;
    while (mp_conn_poll(arg, MP_NOW) == 0);
    return 0;
}

START_TEST(pipe_fd_message_of_another_process)
{
    struct ends *ends = new_ends(_i % 2);
    mp_process *p = start(sends_one, ends, ends->b, methods[_i]);
    struct kin *kin;

    must(mp_conn_close(ends->b));
    while (receive(ends->a) == -EAGAIN && is_readable(mp_conn_fd(ends->a)))
        ;
    kin = kin_start(THREADS, 1, sleeps_in_poll, ends->a);
    kin_await_sleep(kin);
    must(mp_event_set(ends->go));
    kin_end(kin);
    ck_assert_int_eq(receive(ends->a), 8);
    must(mp_process_join(p, MP_FOREVER));
    ck_assert_int_eq(await(mp_conn_fd(ends->a)), 1);
    ck_assert_int_eq(receive(ends->a), -EPIPE);
    end_process(p);
    end_ends(ends);
}
END_TEST

/* Holds the end, in whatever way, and sleeps. */
static int
sleeps(void *arg)
{
    struct ends *ends = ((void **)arg)[0];

    mp__add(&ends->begun, 1);
    return mp_event_wait(ends->go, MP_FOREVER);
}

/* Asks until there are no more spurious news. */
static void
settle(mp_conn *conn)
{
    do
        ck_assert_int_eq(receive(conn), -EAGAIN);
    while (is_readable(mp_conn_fd(conn)));
}

/* Its only holder is killed, with SIGKILL, while we sleep in poll(); nobody else
 * is there to notice. */
START_TEST(G01_killed_peer_is_told_in_poll)
{
    struct ends *ends = new_ends(1);
    mp_process *p = start(sleeps, ends, ends->b, methods[_i]);
    struct kin *kin;

    must(mp_conn_close(ends->b));
    wait_until(mp__load(&ends->begun), 20);
    settle(ends->a);
    kin = kin_start(THREADS, 1, sleeps_in_poll, ends->a);
    kin_await_sleep(kin);
    must(mp_process_kill(p));
    kin_end(kin);
    ck_assert_int_eq(receive(ends->a), -EPIPE);
    ck_assert_int_eq(is_readable(mp_conn_fd(ends->a)), 1);
    end_process(p);
    end_ends(ends);
}
END_TEST

/* Of two holders one is killed: no matter. Then the other. */
START_TEST(pipe_fd_two_holders_are_killed)
{
    struct ends *ends = new_ends(0);
    mp_process *one = start(sleeps, ends, ends->b, MP_FORK);
    mp_process *two = start(sleeps, ends, ends->b, MP_SPAWN);

    must(mp_conn_close(ends->b));
    wait_until(mp__load(&ends->begun) == 2, 20);
    settle(ends->a);
    end_process(one);
    settle(ends->a);
    end_process(two);
    ck_assert_int_eq(await(mp_conn_fd(ends->a)), 1);
    ck_assert_int_eq(receive(ends->a), -EPIPE);
    end_ends(ends);
}
END_TEST

/* Uses the end without having been given it, and sleeps. */
static int
takes_it_over(void *arg)
{
    struct ends *ends = *(struct ends **)arg;

    if (mp_conn_send(ends->b, ends, 8, MP_NOW) < 0)
        return 1;
    mp__add(&ends->begun, 1);
    return mp_event_wait(ends->go, MP_FOREVER);
}

/* The descriptor was armed with the first holder in it; the second has come
 * since. */
START_TEST(pipe_fd_holder_is_succeeded)
{
    struct ends *ends = new_ends(0);
    mp_process *one = start(sleeps, ends, ends->b, MP_FORK), *two;

    must(mp_conn_close(ends->b));
    wait_until(mp__load(&ends->begun) == 1, 20);
    settle(ends->a);
    must(mp_process_start(&two, takes_it_over, &ends, sizeof(ends),
                          MP_PROCESS_ATTR(.method = methods[_i])));
    wait_until(mp__load(&ends->begun) == 2, 20);
    ck_assert_int_eq(receive(ends->a), 8);
    settle(ends->a);
    end_process(one);
    settle(ends->a);
    end_process(two);
    ck_assert_int_eq(await(mp_conn_fd(ends->a)), 1);
    ck_assert_int_eq(receive(ends->a), -EPIPE);
    end_ends(ends);
}
END_TEST

/* Numbers, as fast as it can. */
static int
sends_for_ever(void *arg)
{
    struct ends *ends = ((void **)arg)[0];
    mp_conn *conn = ((void **)arg)[1];

    for (uint64_t i = 1;; i++) {
        if (mp_conn_send(conn, &i, sizeof(i), MP_FOREVER) < 0)
            return 1;
        mp__store(&ends->sent, i);
    }
}

/* Everything that was sent comes, in order, to one who sleeps in poll() alone;
 * then the end. */
START_TEST(G01_killed_sender_leaves_whole_messages_and_the_end)
{
    for (int round = 0; round < 12; round++) {
        struct ends *ends = new_ends(round % 2);
        mp_process *p =
            start(sends_for_ever, ends, ends->b, methods[round % METHODS]);
        uint64_t next = 1, message;
        ssize_t r = 0;

        must(mp_conn_close(ends->b));
        while (r != -EPIPE) {
            ck_assert_int_eq(await(mp_conn_fd(ends->a)), 1);
            while ((r = mp_conn_recv(ends->a, &message, sizeof(message),
                                     MP_NOW)) > 0) {
                ck_assert_uint_eq(message, next++);
                if (next == 1000 + 977 * (uint64_t)round)
                    must(mp_process_kill(p));
            }
            ck_assert_msg(r == -EAGAIN || r == -EPIPE, "recv: %zd", r);
        }
        ck_assert_uint_ge(next, mp__load(&ends->sent) + 1);
        end_process(p);
        end_ends(ends);
    }
}
END_TEST

static int
child_polls_its_own(void *arg)
{
    struct ends *ends = arg;
    int fd = mp_conn_fd(ends->a);

    while (receive(ends->a) == -EAGAIN && is_readable(fd))
        ;
    mp__store(&ends->begun, 1);
    return sleeps_in_poll(ends->a, 0) || receive(ends->a) != 8;
}

START_TEST(pipe_fd_child_of_fork_has_its_own)
{
    struct ends *ends = new_ends(0);
    pid_t pid;

    armed(ends->a);
    pid = child(child_polls_its_own, ends);
    wait_until(mp__load(&ends->begun), 20);
    send_one(ends->b);
    expect_exit(pid, 0);
    settle(ends->a);
    send_one(ends->b);
    ck_assert_int_eq(is_readable(mp_conn_fd(ends->a)), 1);
    ck_assert_int_eq(receive(ends->a), 8);
    must(mp_conn_close(ends->b));
    end_ends(ends);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe-fd");
    TCase *tcase = poll_case(suite, "one", 30);

    tcase_add_test(tcase, pipe_fd_is_readable_until_a_receive_finds_nothing);
    tcase_add_test(tcase, pipe_fd_after_every_call_that_finds_nothing);
    tcase_add_test(tcase, pipe_fd_of_what_has_none);
    tcase_add_test(tcase, pipe_fd_hundreds_leave_no_descriptor);
    tcase_add_test(tcase, pipe_fd_no_descriptor_left);
    tcase_add_test(tcase, pipe_fd_edges);
    tcase_add_test(tcase, pipe_fd_closed_end_is_readable_for_ever);
    tcase = poll_case(suite, "many", 60);
    tcase_add_loop_test(tcase, pipe_fd_message_of_another_process, 0, METHODS);
    tcase_add_loop_test(tcase, G01_killed_peer_is_told_in_poll, 0, METHODS);
    tcase_add_test(tcase, pipe_fd_two_holders_are_killed);
    tcase_add_loop_test(tcase, pipe_fd_holder_is_succeeded, 0, METHODS);
    tcase_add_test(tcase, G01_killed_sender_leaves_whole_messages_and_the_end);
    tcase_add_test(tcase, pipe_fd_child_of_fork_has_its_own);
    return mp_test_main(suite);
}
