/* SPDX-License-Identifier: MIT */
/* Listeners: addresses and files, who is let in, and ends. */
#include "socket/socket-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLEAR  MP_CONN_ATTR(.flags = MP_CONN_CLEAR_TEXT)
#define NOBODY 65534

static char directory[] = "/tmp/mproc-test-XXXXXX", path[64], address[80];

static void
make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    snprintf(address, sizeof(address), "unix:%s", path);
}

static void
remove_directory(void)
{
    unlink(path);
    must(rmdir(directory));
}

static mp_listener *
listen_local(const mp_conn_attr *attr)
{
    mp_listener *listener;

    must(mp_listener_open(&listener, address, attr));
    return listener;
}

/* One message each way. */
static void
converse(mp_listener *listener, const mp_conn_attr *attr)
{
    mp_conn *ends[2];
    char got[10];

    must(mp_connect(&ends[0], mp_listener_address(listener), attr, LATER));
    must(mp_listener_accept(listener, &ends[1], LATER));
    for (int i = 0; i < 2; i++) {
        must(mp_conn_send(ends[i], "hello", 6, LATER));
        ck_assert_int_eq(mp_conn_recv(ends[1 - i], got, 10, LATER), 6);
        ck_assert_str_eq(got, "hello");
    }
    close_pair(ends);
}

/* ---- Addresses ---- */

START_TEST(ends_meet_at_an_address)
{
    static const char *const addresses[] = {"tcp:127.0.0.1:0",
                                            "tcp:localhost:0", "tcp:[::1]:0"};
    mp_listener *listener;
    const char *full;
    int r = mp_listener_open(&listener, addresses[_i], CLEAR);

    if (r == -EADDRNOTAVAIL && _i == 2)
        return; /* no IPv6 here */
    must(r);
    full = mp_listener_address(listener);
    ck_assert_int_eq(strncmp(full, "tcp:", 4), 0);
    ck_assert_int_gt(atoi(strrchr(full, ':') + 1), 0);
    converse(listener, CLEAR);
    ck_assert_uint_eq(mp_listener_rejected(listener), 0);
    must(mp_listener_close(listener));
    ck_assert_int_eq(mp_listener_close(listener), -EBADF);
    ck_assert_ptr_null(mp_listener_address(listener));
    must(mp_listener_close(NULL));
}
END_TEST

START_TEST(a_port_in_use_is_told)
{
    mp_listener *listener, *second = NULL;
    char taken[80];

    must(mp_listener_open(&listener, "tcp:127.0.0.1:0", CLEAR));
    snprintf(taken, sizeof(taken), "%s", mp_listener_address(listener));
    must_fail(mp_listener_open(&second, taken, CLEAR), -EADDRINUSE, taken);
    ck_assert_ptr_null(second);
    converse(listener, CLEAR);
    must(mp_listener_close(listener));
    must_fail(mp_connect(&(mp_conn *){NULL}, taken, CLEAR, LATER),
              -ECONNREFUSED, taken);
    must(mp_listener_open(&second, taken, CLEAR)); /* at once */
    must(mp_listener_close(second));
}
END_TEST

START_TEST(what_is_not_safe_or_makes_no_sense_is_refused)
{
    const struct {
        const char *address;
        const mp_conn_attr *attr;
        const char *word;
    } bad[] = {
        {"tcp:127.0.0.1:0", NULL, "authkey"},
        {"tcp:0.0.0.0:0", CLEAR, "loopback"},
        {"tcp:127.0.0.1:0",
         MP_CONN_ATTR(.flags = MP_CONN_CLEAR_TEXT, .certificate = "x"),
         "clear text"},
        {address, MP_CONN_ATTR(.certificate = "x"), "tcp:"},
        {address, MP_CONN_ATTR(.flags = MP_CONN_ANY_USER), "authkey"},
        {address, MP_CONN_ATTR(.flags = 64), "unknown bits"},
        {address, MP_CONN_ATTR(.authkey_size = 5), "authkey is NULL"},
        {address, MP_CONN_ATTR(.handshake_timeout = -1), "timeout"},
        {address, MP_CONN_ATTR(.mode = 01777), "mode"},
        {"pipe:x", NULL, "unix:/path"},
        {NULL, NULL, "NULL"},
    };
    mp_listener *listener = NULL;
    mp_conn *conn = NULL;

    make_directory();
    for (size_t i = 0; i < LENGTH(bad); i++) {
        must_fail(mp_listener_open(&listener, bad[i].address, bad[i].attr),
                  -EINVAL, bad[i].word);
        if (strstr(bad[i].word, "loopback") == NULL)
            must_fail(mp_connect(&conn, bad[i].address, bad[i].attr, LATER),
                      -EINVAL, bad[i].word);
    }
    must_fail(mp_connect(&conn, "tcp:192.0.2.1:9", CLEAR, LATER), -EINVAL,
              "loopback");
    ck_assert_ptr_null(listener);
    ck_assert_ptr_null(conn);
    remove_directory();
}
END_TEST

START_TEST(a_host_that_is_none_is_told)
{
    mp_listener *listener;
    mp_conn *conn;

    must_fail(mp_connect(&conn, "tcp:no.such.host.invalid:1", CLEAR, LATER),
              -EHOSTUNREACH, "no.such.host.invalid");
    must_fail(mp_listener_open(&listener, "tcp:no.such.host.invalid:1", CLEAR),
              -EADDRNOTAVAIL, "no.such.host.invalid");
}
END_TEST

/* ---- Files ---- */

START_TEST(a_files_mode_is_exact_whatever_the_umask)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};
    mp_listener *listener;
    struct stat s;

    make_directory();
    for (size_t i = 0; i < LENGTH(umasks); i++) {
        for (mode_t mode = 0; mode <= 0666; mode += 0666) {
            umask(umasks[i]);
            listener = listen_local(MP_CONN_ATTR(.mode = mode));
            must(stat(path, &s));
            ck_assert(S_ISSOCK(s.st_mode));
            ck_assert_uint_eq(s.st_mode & 0777, mode ? mode : 0600);
            ck_assert_uint_eq(umask(022), umasks[i]);
            must(mp_listener_close(listener));
            ck_assert_int_eq(stat(path, &s), -1);
        }
    }
    remove_directory();
}
END_TEST

START_TEST(a_file_in_use_is_told_and_nobody_is_disturbed)
{
    mp_listener *listener, *second = NULL;
    mp_conn *conn;

    make_directory();
    listener = listen_local(NULL);
    for (int i = 0; i < 3; i++)
        must_fail(mp_listener_open(&second, address, NULL), -EADDRINUSE, path);
    ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    ck_assert_uint_eq(mp_listener_rejected(listener), 0);
    converse(listener, NULL);
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

/* Bound by hand: it does not listen yet, or is of another type. */
START_TEST(a_file_that_any_socket_is_bound_to_is_in_use)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    mp_listener *listener;

    make_directory();
    memcpy(name.sun_path, path, strlen(path) + 1);
    for (size_t i = 0; i < LENGTH(types); i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);

        must(bind(fd, (struct sockaddr *)&name, sizeof(name)));
        must_fail(mp_listener_open(&listener, address, NULL), -EADDRINUSE,
                  path);
        close(fd);
        /* Left behind, by whatever it was: replaced. */
        listener = listen_local(NULL);
        converse(listener, NULL);
        must(mp_listener_close(listener));
    }
    remove_directory();
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    mp_listener *listener;
    struct stat s;
    int fd;

    make_directory();
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    must_fail(mp_listener_open(&listener, address, NULL), -EADDRINUSE,
              "no socket");
    must(stat(path, &s));
    close(fd);
    must(unlink(path));
    must(symlink("elsewhere", path));
    must_fail(mp_listener_open(&listener, address, NULL), -EADDRINUSE,
              "no socket");
    must(lstat(path, &s));
    must_fail(mp_listener_open(&listener, "unix:/no/such/directory", NULL),
              -ENOENT, "/no/such/directory");
    must_fail(
        mp_connect(&(mp_conn *){NULL}, "unix:/no/such/directory", NULL, LATER),
        -ENOENT, "/no/such/directory");
    remove_directory();
}
END_TEST

START_TEST(a_file_that_is_anothers_by_now_is_not_removed)
{
    mp_listener *first, *second;

    make_directory();
    first = listen_local(NULL);
    must(unlink(path));
    second = listen_local(NULL);
    must(mp_listener_close(first));
    converse(second, NULL);
    must(mp_listener_close(second));
    remove_directory();
}
END_TEST

static int
listen_and_die(void *arg)
{
    (void)arg;
    listen_local(NULL);
    raise(SIGKILL);
    return 1;
}

START_TEST(a_dead_listeners_file_is_replaced)
{
    mp_listener *listener;
    mp_conn *conn;
    struct stat s;

    make_directory();
    expect_killed(child(listen_and_die, NULL), SIGKILL);
    must(lstat(path, &s));
    must_fail(mp_connect(&conn, address, NULL, LATER), -ECONNREFUSED, path);
    listener = listen_local(NULL);
    converse(listener, NULL);
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

#define RIVALS 8

struct contest {
    mp__a32 tried, won;
};

/* Who listens does so until all have tried, and leaves the file behind. */
static int
compete(void *arg, int i)
{
    struct contest *contest = arg;
    mp_listener *listener;
    mp_conn *conn;
    int r = mp_listener_open(&listener, address, NULL);

    (void)i;
    if (r == 0)
        mp__add(&contest->won, 1);
    else
        ck_assert_int_eq(r, -EADDRINUSE);
    mp__add(&contest->tried, 1);
    if (r < 0)
        return 0;
    wait_until(mp__load(&contest->tried) == RIVALS, 20);
    must(mp_listener_accept(listener, &conn, LATER));
    must(mp_conn_send(conn, "winner", 7, LATER));
    return 0;
}

START_TEST(of_many_who_replace_a_file_one_wins)
{
    struct contest *contest = mp_new(struct contest);
    mp_conn *conn;
    char got[7];

    make_directory();
    for (int round = 0; round < 10; round++) {
        struct kin *kin = kin_start(PROCESSES, RIVALS, compete, contest);

        wait_until(mp__load(&contest->tried) == RIVALS, 20);
        ck_assert_uint_eq(mp__load(&contest->won), 1);
        must(mp_connect(&conn, address, NULL, LATER));
        ck_assert_int_eq(mp_conn_recv(conn, got, 7, LATER), 7);
        must(mp_conn_close(conn));
        kin_end(kin);
        *contest = (struct contest){0};
    }
    must(mp_free(contest));
    remove_directory();
}
END_TEST

/* ---- Who is let in ---- */

static int
connect_as_nobody(void *arg)
{
    const mp_conn_attr *attr = arg;
    mp_conn *conn;
    char got[10];

    must(setuid(NOBODY));
    if (mp_connect(&conn, address, attr, LATER) < 0)
        return 1;
    return mp_conn_recv(conn, got, 10, LATER) == 6 ? 0 : 2;
}

static int
refused_as_nobody(void *arg)
{
    mp_conn *conn;

    must(setuid(NOBODY));
    must_fail(mp_connect(&conn, address, arg, LATER), -EACCES, path);
    return 0;
}

START_TEST(G13_other_users_are_not_let_in)
{
    mp_listener *listener;
    mp_conn *conn;
    pid_t pid;

    if (getuid() != 0)
        return;
    make_directory();
    must(chmod(directory, 0755));
    listener = listen_local(NULL);
    expect_exit(child(refused_as_nobody, NULL), 0); /* by the file's mode */
    must(mp_listener_close(listener));
    listener = listen_local(MP_CONN_ATTR(.mode = 0666));
    pid = child(connect_as_nobody, NULL);
    /* It is let in by the file, and dropped by its user. */
    ck_assert_int_eq(mp_listener_accept(listener, &conn, mp_timeout(0.2)),
                     -ETIMEDOUT);
    wait_until(mp_listener_accept(listener, &conn, MP_NOW) == -EAGAIN &&
                   mp_listener_rejected(listener) == 1,
               20);
    expect_exit(pid, 2);
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

static int
listen_as_nobody(void *arg)
{
    mp_listener *listener;
    mp_conn *conn;

    must(setuid(NOBODY));
    must(mp_listener_open(&listener, address, MP_CONN_ATTR(.mode = 0666)));
    write_all(*(int *)arg, "x", 1);
    mp_listener_accept(listener, &conn, MP_FOREVER); /* root is let in */
    while (pause() < 0)
        ;
    return 1;
}

START_TEST(G13_another_users_socket_is_not_trusted)
{
    int ready[2];
    mp_conn *conn;
    pid_t pid;
    char c;

    if (getuid() != 0)
        return;
    make_directory();
    must(chmod(directory, 0777));
    must(pipe2(ready, O_CLOEXEC));
    pid = child(listen_as_nobody, &ready[1]);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    must_fail(mp_connect(&conn, address, NULL, LATER), -EACCES, "65534");
    kill_and_reap(pid);
    close(ready[0]);
    close(ready[1]);
    remove_directory();
}
END_TEST

/* ---- Waiting ---- */

static long
call_accept(void *listener)
{
    mp_conn *conn;

    return mp_listener_accept(listener, &conn, MP_FOREVER);
}

START_TEST(closing_ends_the_waits_for_clients)
{
    struct caller callers[3];
    mp_listener *listener;

    make_directory();
    listener = listen_local(NULL);
    for (int i = 0; i < 3; i++)
        caller_start(&callers[i], call_accept, listener);
    for (int i = 0; i < 3; i++)
        caller_await_sleep(&callers[i]);
    must(mp_listener_close(listener));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(caller_end(&callers[i]), -EBADF);
    remove_directory();
}
END_TEST

static int
is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

START_TEST(the_descriptor_tells_of_clients)
{
    mp_listener *listener;
    mp_conn *conns[3], *conn;
    int fd;

    make_directory();
    listener = listen_local(NULL);
    fd = (int)must(mp_listener_fd(listener));
    ck_assert_int_eq(mp_listener_fd(listener), fd);
    ck_assert(!is_readable(fd));
    for (int i = 0; i < 3; i++)
        must(mp_connect(&conns[i], address, NULL, LATER));
    for (int i = 0; i < 3; i++) {
        ck_assert(is_readable(fd));
        must(mp_listener_accept(listener, &conn, MP_NOW));
        must(mp_conn_close(conn));
        must(mp_conn_close(conns[i]));
    }
    ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_listener_accept(listener, &conn, SOON), -ETIMEDOUT);
    ck_assert(!is_readable(fd));
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

START_TEST(a_full_line_is_waited_for_until_the_deadline)
{
    mp_listener *listener;
    mp_conn *conns[64], *conn;
    int n = 0, r;

    make_directory();
    listener = listen_local(MP_CONN_ATTR(.backlog = 2));
    do
        r = mp_connect(&conns[n], address, NULL, SOON);
    while (r == 0 && ++n < 64);
    ck_assert_int_eq(r, -ETIMEDOUT);
    must(mp_listener_accept(listener, &conn, LATER));
    must(mp_conn_close(conn));
    must(mp_connect(&conns[n++], address, NULL, LATER));
    while (n > 0)
        must(mp_conn_close(conns[--n]));
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

static int
use_in_child(void *listener)
{
    mp_conn *conn;

    must_fail(mp_listener_accept(listener, &conn, MP_NOW), -ENOTSUP,
              "opened by process");
    must_fail(mp_listener_close(listener), -ENOTSUP, "");
    must_fail(mp_listener_fd(listener), -ENOTSUP, "");
    ck_assert_uint_eq(mp_listener_rejected(listener), 0);
    /* The address may be told, though, and called. */
    ck_assert_str_eq(mp_listener_address(listener), address);
    must(mp_connect(&conn, mp_listener_address(listener), NULL, LATER));
    must(mp_conn_close(conn));
    return 0;
}

START_TEST(in_a_child_the_listener_is_not_there)
{
    mp_listener *listener;
    mp_conn *conn;
    struct stat s;

    make_directory();
    listener = listen_local(NULL);
    expect_exit(child(use_in_child, listener), 0);
    must(mp_listener_accept(listener, &conn, LATER));
    must(mp_conn_close(conn));
    must(stat(path, &s));
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("listener");
    TCase *tcase = mp_test_case(suite, "addresses", 30);

    tcase_add_loop_test(tcase, ends_meet_at_an_address, 0, 3);
    tcase_add_test(tcase, a_port_in_use_is_told);
    tcase_add_test(tcase, what_is_not_safe_or_makes_no_sense_is_refused);
    tcase_add_test(tcase, a_host_that_is_none_is_told);
    tcase = mp_test_case(suite, "files", 30);
    tcase_add_test(tcase, a_files_mode_is_exact_whatever_the_umask);
    tcase_add_test(tcase, a_file_in_use_is_told_and_nobody_is_disturbed);
    tcase_add_test(tcase, a_file_that_any_socket_is_bound_to_is_in_use);
    tcase_add_test(tcase, other_files_are_left_alone);
    tcase_add_test(tcase, a_file_that_is_anothers_by_now_is_not_removed);
    tcase_add_test(tcase, a_dead_listeners_file_is_replaced);
    tcase_add_test(tcase, of_many_who_replace_a_file_one_wins);
    tcase = mp_test_case(suite, "users", 30);
    tcase_add_test(tcase, G13_other_users_are_not_let_in);
    tcase_add_test(tcase, G13_another_users_socket_is_not_trusted);
    tcase = mp_test_case(suite, "waiting", 30);
    tcase_add_test(tcase, closing_ends_the_waits_for_clients);
    tcase_add_test(tcase, the_descriptor_tells_of_clients);
    tcase_add_test(tcase, a_full_line_is_waited_for_until_the_deadline);
    tcase_add_test(tcase, in_a_child_the_listener_is_not_there);
    return mp_test_main(suite);
}
