/* SPDX-License-Identifier: MIT */
/* Many clients at one listener, half of whom stall, lie or vanish: the others
 * are served within their deadline, and nobody spins. */
#include "os/clock.h"
#include "socket/socket-kit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY        "a key of more than sixteen bytes"
#define CLIENTS    1000
#define PROCESSES_ 10 /* that the clients are in */
#define EACH       (CLIENTS / PROCESSES_)
#define DEADLINE   20.0 /* seconds, for who is honest */

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
    must(rmdir(directory));
}

static void
allow_descriptors(rlim_t n)
{
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit));
}

/* ---- Bad clients ---- */

static int
call_bare(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(name.sun_path, path, strlen(path) + 1);
    must(fd);
    must(connect(fd, (struct sockaddr *)&name, sizeof(name)));
    return fd;
}

/* What one of them says, to begin with; and whether it hangs up then. */
static const struct {
    const char *says;
    size_t size;
    int hangs_up;
} ways[] = {
    {"", 0, 0},     /* is silent */
    {"", 0, 1},     /* vanishes */
    {"\0\0", 2, 0}, /* half a header */
    {"\0\0", 2, 1},
    {"\0\0\0\x14{sha256}", 12, 0},               /* half a proof */
    {"\0\0\0\7#HELLO#", 11, 0},                  /* another language */
    {"\377\377\377\377\1\0\0\0\0\0\0\0", 12, 0}, /* 2^56 bytes to come */
    {"\0\0\0\x28{sha256}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 44, 0},
    {"GET / HTTP/1.0\r\n\r\n", 18, 0},
    {"\200\0\0\0", 4, 1},
};

static int
misbehave(int i)
{
    unsigned way = (unsigned)i % LENGTH(ways);
    int fd = call_bare();

    /* It may have been dropped already. */
    if (ways[way].size)
        send(fd, ways[way].says, ways[way].size, MSG_NOSIGNAL);
    if (!ways[way].hangs_up)
        return fd;
    close(fd);
    return -1;
}

/* ---- Clients ---- */

/* Whose proof is thrown out for want of room tries again. */
static void
be_served(int i)
{
    const mp_conn_attr *attr =
        MP_CONN_ATTR(.authkey = KEY, .authkey_size = SIZE_MAX,
                     .handshake_timeout = DEADLINE * mp_test_scale());
    mp_time until = mp_timeout(DEADLINE * mp_test_scale());
    mp_conn *conn;
    int got = 0;

    do {
        long r = mp_connect(&conn, address, attr, until);

        if (r == -ECONNRESET)
            continue;
        must(r);
        r = mp_conn_send(conn, &i, sizeof(i), until);
        if (r == 0)
            r = mp_conn_recv(conn, &got, sizeof(got), until);
        must(mp_conn_close(conn));
        if (r != -EPIPE)
            must(r);
    } while (got == 0);
    ck_assert_int_eq(got, i + 1);
}

/* The bad come first, and stay until the good are through. */
static int
be_clients(void *arg, int process)
{
    int held[EACH], n = 0;

    (void)arg;
    for (int i = 0; i < EACH; i += 2)
        if ((held[n] = misbehave(process * EACH + i / 2)) >= 0)
            n++;
    for (int i = 1; i < EACH; i += 2)
        be_served(process * EACH + i);
    while (n > 0)
        close(held[--n]);
    return 0;
}

struct server {
    mp_listener *listener;
    mp__a32 served;
};

static long
serve(void *arg)
{
    struct server *server = arg;

    for (;;) {
        mp_conn *conn;
        int i = 0;
        long r = mp_listener_accept(server->listener, &conn, MP_FOREVER);

        if (r == -EBADF)
            return 0;
        must(r);
        must(mp_conn_recv(conn, &i, sizeof(i), LATER));
        i++;
        must(mp_conn_send(conn, &i, sizeof(i), LATER));
        must(mp_conn_close(conn));
        mp__add(&server->served, 1);
    }
}

/* Variants: the listener has room for all the silent ones, or not. */
START_TEST(G13_the_honest_are_served_among_those_who_stall_lie_and_vanish)
{
    struct server server = {NULL, 0};
    struct caller servers[2];
    struct kin *kin;

    make_directory();
    allow_descriptors(2048);
    must(mp_listener_open(
        &server.listener, address,
        MP_CONN_ATTR(.authkey = KEY, .authkey_size = SIZE_MAX,
                     .handshake_timeout = DEADLINE * mp_test_scale(),
                     .max_waiting = _i ? 64 : 0)));
    kin = kin_start(PROCESSES, PROCESSES_, be_clients, NULL);
    for (size_t i = 0; i < LENGTH(servers); i++)
        caller_start(&servers[i], serve, &server);
    kin_end(kin);
    wait_until(mp__load(&server.served) == CLIENTS / 2, 20);
    /* All others were dropped, the last when their process hung up. */
    wait_until(mp_listener_rejected(server.listener) >= CLIENTS / 2, 20);
    if (_i == 0)
        ck_assert_uint_eq(mp_listener_rejected(server.listener), CLIENTS / 2);
    must(mp_listener_close(server.listener));
    for (size_t i = 0; i < LENGTH(servers); i++)
        caller_end(&servers[i]);
    remove_directory();
}
END_TEST

/* ---- Time and room ---- */

static mp_listener *
listen_with(double timeout, uint32_t most)
{
    mp_listener *listener;

    must(mp_listener_open(
        &listener, address,
        MP_CONN_ATTR(.authkey = KEY, .authkey_size = SIZE_MAX,
                     .handshake_timeout = timeout, .max_waiting = most)));
    return listener;
}

/* The other end has hung up, behind what it said. */
static int
was_dropped(int fd)
{
    char bytes[256];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

START_TEST(G13_who_takes_too_long_is_dropped)
{
    mp_listener *listener;
    mp_conn *conn;
    mp_time begun;
    int fd;

    make_directory();
    listener = listen_with(0.2, 0);
    fd = call_bare();
    begun = mp__now();
    if (_i) { /* one who accepts */
        ck_assert_int_eq(mp_listener_accept(listener, &conn, mp_timeout(0.6)),
                         -ETIMEDOUT);
    } else { /* one who watches the descriptor */
        struct pollfd p = {.fd = (int)must(mp_listener_fd(listener)),
                           .events = POLLIN};

        while (!was_dropped(fd)) {
            ck_assert_int_eq(poll(&p, 1, 20000), 1);
            ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW),
                             -EAGAIN);
        }
        ck_assert_int_eq(poll(&p, 1, 0), 0);
    }
    ck_assert(was_dropped(fd));
    ck_assert_int_ge(mp__now() - begun, 200000000);
    ck_assert_uint_eq(mp_listener_rejected(listener), 1);
    close(fd);
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

/* The program comes back late: that is not the client's fault. */
START_TEST(time_in_which_nobody_accepts_does_not_count)
{
    mp_listener *listener;
    mp_conn *conn;
    int fd;

    make_directory();
    listener = listen_with(0.1, 0);
    fd = call_bare();
    ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    usleep(200000);
    ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    ck_assert(!was_dropped(fd));
    ck_assert_int_eq(mp_listener_accept(listener, &conn, mp_timeout(0.3)),
                     -ETIMEDOUT);
    ck_assert(was_dropped(fd));
    close(fd);
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

START_TEST(the_oldest_makes_room_for_the_next)
{
    mp_listener *listener;
    mp_conn *conn;
    int fds[6];

    make_directory();
    listener = listen_with(1000, 4);
    for (int i = 0; i < 6; i++) {
        fds[i] = call_bare();
        ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    }
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(was_dropped(fds[i]), i < 2);
    ck_assert_uint_eq(mp_listener_rejected(listener), 2);
    must(mp_listener_close(listener));
    for (int i = 0; i < 6; i++) {
        ck_assert(was_dropped(fds[i]));
        close(fds[i]);
    }
    remove_directory();
}
END_TEST

static int
call_and_wait(void *arg)
{
    int fds[8];
    char c;

    for (int i = 0; i < 8; i++)
        fds[i] = call_bare();
    write_all(((int *)arg)[1], "x", 1);
    return read(((int *)arg)[2], &c, 1) == 1 && fds[0] >= 0 ? 0 : 1;
}

static double
cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* With a key the oldest at its proof goes; without one nobody is at a proof,
 * and who calls next goes. */
START_TEST(without_descriptors_clients_are_shed_and_nobody_spins)
{
    const mp_conn_attr *attr =
        _i ? MP_CONN_ATTR(.authkey = KEY, .authkey_size = SIZE_MAX,
                          .handshake_timeout = 1000)
           : NULL;
    int ways_[4], taken[64], n = 0;
    mp_listener *listener;
    mp_conn *conn;
    double cpu;
    pid_t pid;
    char c;

    make_directory();
    allow_descriptors(64);
    must(mp_listener_open(&listener, address, attr));
    must(pipe(ways_));
    must(pipe(ways_ + 2));
    pid =
        child(call_and_wait, (int[]){ways_[0], ways_[1], ways_[2], ways_[3]});
    ck_assert_int_eq(read(ways_[0], &c, 1), 1);
    while ((taken[n] = dup(0)) >= 0)
        n++;
    if (_i)
        close(taken[--n]); /* for one at its proof */
    cpu = cpu_seconds();
    ck_assert_int_eq(mp_listener_accept(listener, &conn, mp_timeout(0.5)),
                     -ETIMEDOUT);
    ck_assert_double_lt(cpu_seconds() - cpu, 0.25 * mp_test_scale());
    ck_assert_uint_eq(mp_listener_rejected(listener), _i ? 7 : 8);
    while (n > 0)
        close(taken[--n]);
    write_all(ways_[3], "x", 1);
    expect_exit(pid, 0);
    must(mp_listener_close(listener));
    for (int i = 0; i < 4; i++)
        close(ways_[i]);
    remove_directory();
}
END_TEST

/* ---- The log ---- */

START_TEST(who_is_dropped_is_logged)
{
    mp_listener *listener;
    mp_conn *conn;
    char line[200] = "", file[80];
    FILE *log;

    make_directory();
    snprintf(file, sizeof(file), "%s/log", directory);
    must(mp_log_to_file(file, MP_LOG_WARNING));
    listener = listen_with(1000, 0);
    close(call_bare());
    ck_assert_int_eq(mp_listener_accept(listener, &conn, MP_NOW), -EAGAIN);
    wait_until(mp_listener_accept(listener, &conn, MP_NOW) == -EAGAIN &&
                   mp_listener_rejected(listener) == 1,
               20);
    must(mp_log_to_stderr(MP_LOG_OFF));
    log = fopen(file, "re");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), log));
    fclose(log);
    ck_assert_ptr_nonnull(strstr(line, "[WARNING/"));
    ck_assert_ptr_nonnull(strstr(line, "dropped"));
    ck_assert_ptr_nonnull(strstr(line, "hung up"));
    must(unlink(file));
    must(mp_listener_close(listener));
    remove_directory();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("clients");
    TCase *tcase = mp_test_case(suite, "crowd", 90);

    tcase_add_loop_test(
        tcase, G13_the_honest_are_served_among_those_who_stall_lie_and_vanish,
        0, 2);
    tcase = mp_test_case(suite, "room", 30);
    tcase_add_loop_test(tcase, G13_who_takes_too_long_is_dropped, 0, 2);
    tcase_add_test(tcase, time_in_which_nobody_accepts_does_not_count);
    tcase_add_test(tcase, the_oldest_makes_room_for_the_next);
    tcase_add_loop_test(
        tcase, without_descriptors_clients_are_shed_and_nobody_spins, 0, 2);
    tcase_add_test(tcase, who_is_dropped_is_logged);
    return mp_test_main(suite);
}
