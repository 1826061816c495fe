/* SPDX-License-Identifier: MIT */
/* Connections over sockets, and waiting: by many threads, until a signal, until
 * somebody closes it; and what other processes see of them. */
#include "socket/socket-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_EACH 4
#define MESSAGES     2000
#define MOST         3000

/* ---- Many threads on one end ---- */

struct crowd {
    mp_conn *ends[2];
    mp__a32 seen[THREADS_EACH * MESSAGES];
    mp__a32 next; /* sender's number */
};

static size_t
size_of(uint32_t number)
{
    return sizeof(number) + number * 7919 % (MOST - 8);
}

static long
send_many(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t first = mp__add(&crowd->next, 1) * MESSAGES;
    static __thread unsigned char data[MOST];

    for (uint32_t number = first; number < first + MESSAGES; number++) {
        fill(data, size_of(number), number);
        memcpy(data, &number, sizeof(number));
        must(mp_conn_send(crowd->ends[0], data, size_of(number), LATER));
    }
    return 0;
}

static long
receive_many(void *arg)
{
    struct crowd *crowd = arg;
    static __thread unsigned char data[MOST], expected[MOST];
    long n = 0;

    for (;; n++) {
        ssize_t r = mp_conn_recv(crowd->ends[1], data, sizeof(data), LATER);
        uint32_t number;

        if (r == -EPIPE)
            return n;
        must(r);
        memcpy(&number, data, sizeof(number));
        ck_assert_uint_lt(number, THREADS_EACH * MESSAGES);
        ck_assert_uint_eq(mp__add(&crowd->seen[number], 1), 0);
        ck_assert_int_eq(r, size_of(number));
        fill(expected, size_of(number), number);
        ck_assert_mem_eq(data + 4, expected + 4, size_of(number) - 4);
    }
}

START_TEST(G11_messages_of_many_threads_never_mix)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct caller senders[THREADS_EACH], receivers[THREADS_EACH];
    long n = 0;

    if (_i)
        open_tcp_pair(crowd->ends);
    else
        open_pair(crowd->ends);
    for (int i = 0; i < THREADS_EACH; i++) {
        caller_start(&receivers[i], receive_many, crowd);
        caller_start(&senders[i], send_many, crowd);
    }
    for (int i = 0; i < THREADS_EACH; i++)
        caller_end(&senders[i]);
    must(mp_conn_close(crowd->ends[0]));
    for (int i = 0; i < THREADS_EACH; i++)
        n += caller_end(&receivers[i]);
    ck_assert_int_eq(n, THREADS_EACH * MESSAGES);
    must(mp_conn_close(crowd->ends[1]));
    free(crowd);
}
END_TEST

/* ---- Calls that wait ---- */

static char room[100];

static long
call_recv(void *conn)
{
    return mp_conn_recv(conn, room, sizeof(room), MP_FOREVER);
}

static long
call_poll(void *conn)
{
    return mp_conn_poll(conn, MP_FOREVER);
}

static long
call_recv_fd(void *conn)
{
    return mp_conn_recv_fd(conn, MP_FOREVER);
}

static long
call_send(void *conn)
{
    return mp_conn_send(conn, room, sizeof(room), MP_FOREVER);
}

static long (*const calls[])(void *) = {call_recv, call_poll, call_recv_fd,
                                        call_send};

/* No room for anything any more. */
static void
stuff(mp_conn *conn)
{
    char pieces[64] = {0};
    long r;

    do
        r = mp_conn_send(conn, pieces, sizeof(pieces), MP_NOW);
    while (r == 0);
    ck_assert_int_eq(r, -EAGAIN);
}

static void
on_signal(int sig)
{
    (void)sig;
}

static void
handle(int sig)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART};

    must(sigaction(sig, &action, NULL));
}

/* Again and again: it may come when the thread just does not sleep. */
static void
interrupt(struct caller *caller)
{
    caller_await_sleep(caller);
    must(-pthread_kill(caller->thread, SIGUSR1));
    while (pthread_tryjoin_np(caller->thread, NULL) == EBUSY) {
        must(-pthread_kill(caller->thread, SIGUSR1));
        usleep(1000);
    }
}

START_TEST(a_signal_handler_ends_a_wait)
{
    struct caller first, second;
    mp_conn *ends[2];

    handle(SIGUSR1);
    open_pair(ends);
    if (calls[_i] == call_send)
        stuff(ends[0]);
    caller_start(&first, calls[_i], ends[0]);
    caller_await_sleep(&first);
    /* The first in poll(), the second waits for its turn. */
    caller_start(&second, calls[_i], ends[0]);
    interrupt(&second);
    ck_assert_int_eq(second.result, -EINTR);
    interrupt(&first);
    ck_assert_int_eq(first.result, -EINTR);
    close_pair(ends);
}
END_TEST

START_TEST(closing_ends_the_waits_of_others)
{
    struct caller waiting[3], stranger;
    mp_conn *ends[2], *others[2];

    open_pair(ends);
    open_pair(others);
    if (calls[_i] == call_send)
        stuff(ends[0]);
    caller_start(&stranger, call_recv, others[0]);
    for (int i = 0; i < 3; i++)
        caller_start(&waiting[i], calls[_i], ends[0]);
    for (int i = 0; i < 3; i++)
        caller_await_sleep(&waiting[i]);
    caller_await_sleep(&stranger);
    must(mp_conn_close(ends[0]));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(caller_end(&waiting[i]), -EBADF);
    /* The last of them has closed the socket by now. */
    if (calls[_i] != call_send)
        ck_assert_int_eq(mp_conn_recv(ends[1], room, 1, LATER), -EPIPE);
    must(mp_conn_close(ends[1]));
    caller_await_sleep(&stranger);
    must(mp_conn_send(others[1], "still here", 11, LATER));
    ck_assert_int_eq(caller_end(&stranger), 11);
    close_pair(others);
}
END_TEST

START_TEST(a_turn_is_waited_for_until_the_deadline)
{
    struct caller first;
    mp_conn *ends[2];

    open_pair(ends);
    caller_start(&first, call_recv, ends[0]);
    caller_await_sleep(&first);
    ck_assert_int_eq(mp_conn_recv(ends[0], room, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv(ends[0], room, 1, SOON), -ETIMEDOUT);
    ck_assert_int_eq(mp_conn_poll(ends[0], SOON), 0);
    must(mp_conn_send(ends[0], "x", 1, MP_NOW)); /* the other direction */
    must(mp_conn_send(ends[1], "x", 1, MP_NOW));
    ck_assert_int_eq(caller_end(&first), 1);
    close_pair(ends);
}
END_TEST

START_TEST(descriptors_that_ran_out_do_not_keep_a_wait_from_ending)
{
    struct caller first;
    mp_conn *ends[2];
    struct rlimit limit;
    int taken[64], n = 0;

    open_pair(ends);
    must(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 64;
    must(setrlimit(RLIMIT_NOFILE, &limit));
    while ((taken[n] = dup(0)) >= 0)
        n++;
    ck_assert_int_eq(errno, EMFILE);
    caller_start(&first, call_recv, ends[0]);
    wait_until(mp__load(&first.tid) != 0, 20);
    close(taken[--n]); /* thread_state() opens a file */
    caller_await_sleep(&first);
    must(mp_conn_close(ends[0]));
    ck_assert_int_eq(caller_end(&first), -EBADF);
    while (n > 0)
        close(taken[--n]);
    must(mp_conn_close(ends[1]));
}
END_TEST

/* ---- Other processes ---- */

struct inherited {
    mp_conn *conn;
    int tried[2], go[2];
};

static int
use_in_child(void *arg)
{
    struct inherited *inherited = arg;
    char c;

    must_fail(mp_conn_send(inherited->conn, "x", 1, MP_NOW), -ENOTSUP,
              "opened by process");
    must_fail(mp_conn_recv(inherited->conn, &c, 1, MP_NOW), -ENOTSUP, "");
    must_fail(mp_conn_fd(inherited->conn), -ENOTSUP, "");
    must_fail(mp_conn_close(inherited->conn), -ENOTSUP, "");
    write_all(inherited->tried[1], "x", 1);
    return read(inherited->go[0], &c, 1) == 1 ? 0 : 2;
}

START_TEST(a_childs_copy_is_of_no_use_and_keeps_nothing_open)
{
    struct inherited inherited;
    mp_conn *ends[2], *late[2];
    pid_t pid;

    open_pair(ends);
    must(pipe2(inherited.tried, O_CLOEXEC));
    must(pipe2(inherited.go, O_CLOEXEC));
    inherited.conn = ends[0];
    pid = child(use_in_child, &inherited);
    ck_assert_int_eq(read(inherited.tried[0], room, 1), 1);
    /* The child lives, and the end comes all the same. */
    must(mp_conn_close(ends[0]));
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 1, LATER), -EPIPE);
    must(mp_conn_close(ends[1]));
    open_pair(late);
    close_pair(late);
    write_all(inherited.go[1], "x", 1);
    expect_exit(pid, 0);
    for (int i = 0; i < 2; i++) {
        close(inherited.tried[i]);
        close(inherited.go[i]);
    }
}
END_TEST

static int
open_own(void *arg)
{
    mp_conn *ends[2];

    (void)arg;
    open_pair(ends);
    must(mp_conn_send(ends[0], "own", 4, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), 4);
    close_pair(ends);
    return 0;
}

START_TEST(a_child_has_connections_of_its_own)
{
    mp_conn *ends[2];

    open_pair(ends);
    expect_exit(child(open_own, NULL), 0);
    must(mp_conn_send(ends[0], "x", 1, MP_NOW));
    close_pair(ends);
}
END_TEST

static int
die_with_connections(void *arg)
{
    mp_conn *ends[2];

    (void)arg;
    for (int i = 0; i < 10; i++)
        open_pair(ends);
    return 0;
}

START_TEST(handles_of_the_dead_are_collected)
{
    mp_conn *ends[2];
    uint64_t before;

    open_pair(ends);
    close_pair(ends);
    before = heap_now().objects[MP__SLAB_CONN];
    for (int i = 0; i < 20; i++)
        expect_exit(child(die_with_connections, NULL), 0);
    ck_assert_uint_eq(heap_now().objects[MP__SLAB_CONN], before + 400);
    for (int i = 0; i < 64; i++) {
        open_pair(ends);
        close_pair(ends);
    }
    ck_assert_uint_eq(heap_now().objects[MP__SLAB_CONN], before);
}
END_TEST

/* ---- The descriptor ---- */

static int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(the_descriptor_is_readable_while_there_are_messages)
{
    mp_conn *ends[2];
    int fd;

    if (_i)
        open_tcp_pair(ends);
    else
        open_pair(ends);
    fd = (int)must(mp_conn_fd(ends[1]));
    ck_assert_int_eq(mp_conn_fd(ends[1]), fd);
    ck_assert(!is_readable(fd));
    must(mp_conn_send(ends[0], "one", 4, MP_NOW));
    must(mp_conn_send(ends[0], "two", 4, MP_NOW));
    wait_until(is_readable(fd), 20);
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, LATER), 4);
    ck_assert(is_readable(fd));
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, LATER), 4);
    ck_assert(!is_readable(fd));
    /* What was looked at stays, and is told. */
    must(mp_conn_send(ends[0], NULL, 0, MP_NOW));
    must(mp_conn_send(ends[0], "\xc1", 1, MP_NOW));
    for (int i = 0; i < 2; i++) {
        mp_any any;

        wait_until(is_readable(fd), 20);
        ck_assert_int_eq(mp_conn_poll(ends[1], LATER), 1);
        ck_assert(is_readable(fd));
        ck_assert_int_eq(mp_conn_next_size(ends[1], LATER), i);
        ck_assert(is_readable(fd));
        ck_assert_int_eq(mp_conn_recv_any(ends[1], &any, LATER), -EPROTO);
        ck_assert(is_readable(fd));
        ck_assert_int_eq(mp_conn_recv(ends[1], room, 1, LATER), i);
    }
    ck_assert(!is_readable(fd));
    must(mp_conn_close(ends[0]));
    wait_until(is_readable(fd), 20);
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, LATER), -EPIPE);
    must(mp_conn_close(ends[1]));
}
END_TEST

/* Asked for late, with messages read ahead. */
START_TEST(the_descriptor_tells_of_what_was_read_ahead)
{
    mp_conn *ends[2];
    int fd;

    open_pair(ends);
    for (int i = 0; i < 3; i++)
        must(mp_conn_send(ends[0], "abc", 4, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), 4);
    fd = (int)must(mp_conn_fd(ends[1]));
    for (int i = 0; i < 2; i++) {
        ck_assert(is_readable(fd));
        ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), 4);
    }
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), -EAGAIN);
    ck_assert(!is_readable(fd));
    must(mp_conn_send(ends[0], "abc", 4, MP_NOW));
    must(mp_conn_send(ends[0], "abc", 4, MP_NOW));
    for (int i = 0; i < 2; i++) {
        ck_assert(is_readable(fd));
        ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), 4);
    }
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 4, MP_NOW), -EAGAIN);
    ck_assert(!is_readable(fd));
    /* It is not the socket, and cannot be taken for it. */
    ck_assert_int_eq(mp_conn_open_fd(&ends[0], fd, NULL), -EINVAL);
    must(mp_conn_close(ends[0]));
    ck_assert(is_readable(fd));
    must(mp_conn_close(ends[1]));
}
END_TEST

/* Through a local connection, or a pipe. */
START_TEST(a_connection_may_be_handed_on_between_messages)
{
    mp_conn *ends[2], *way[2], *heir;
    int fd, got;

    open_pair(ends);
    if (_i)
        must(mp_pipe(&way[1], &way[0], 0));
    else
        open_pair(way);
    fd = (int)must(mp_conn_fd(ends[1]));
    must(mp_conn_send(ends[0], "a", 1, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(ends[1], room, 1, MP_NOW), 1);
    must(mp_conn_send(ends[0], "b", 1, MP_NOW));
    must(mp_conn_send(ends[0], "c", 1, MP_NOW));
    must(mp_conn_send_fd(way[0], fd, MP_NOW));
    got = (int)must(mp_conn_recv_fd(way[1], LATER));
    must(mp_conn_open_fd(&heir, got, NULL));
    ck_assert_int_eq(mp_conn_recv(heir, room, 1, MP_NOW), 1);
    ck_assert_int_eq(room[0], 'b');
    must(mp_conn_close(ends[1]));
    must(mp_conn_fd(heir));
    must_fail(mp_conn_send_fd(way[0], mp_conn_fd(heir), MP_NOW), -EBUSY,
              "not received"); /* 'c' is here */
    ck_assert_int_eq(mp_conn_recv(heir, room, 1, MP_NOW), 1);
    must(mp_conn_close(ends[0]));
    ck_assert_int_eq(mp_conn_recv(heir, room, 1, MP_NOW), -EPIPE);
    must(mp_conn_close(heir));
    close_pair(way);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("socket-wait");
    TCase *tcase = mp_test_case(suite, "threads", 60);

    tcase_add_loop_test(tcase, G11_messages_of_many_threads_never_mix, 0, 2);
    tcase_add_loop_test(tcase, a_signal_handler_ends_a_wait, 0, LENGTH(calls));
    tcase_add_loop_test(tcase, closing_ends_the_waits_of_others, 0,
                        LENGTH(calls));
    tcase_add_test(tcase, a_turn_is_waited_for_until_the_deadline);
    tcase_add_test(tcase,
                   descriptors_that_ran_out_do_not_keep_a_wait_from_ending);
    tcase = mp_test_case(suite, "processes", 30);
    tcase_add_test(tcase, a_childs_copy_is_of_no_use_and_keeps_nothing_open);
    tcase_add_test(tcase, a_child_has_connections_of_its_own);
    tcase_add_test(tcase, handles_of_the_dead_are_collected);
    tcase = mp_test_case(suite, "descriptor", 30);
    tcase_add_loop_test(
        tcase, the_descriptor_is_readable_while_there_are_messages, 0, 2);
    tcase_add_test(tcase, the_descriptor_tells_of_what_was_read_ahead);
    tcase_add_loop_test(tcase, a_connection_may_be_handed_on_between_messages,
                        0, 2);
    return mp_test_main(suite);
}
