/* SPDX-License-Identifier: MIT */
/* Values over connections: through pipes, and over sockets. */
#include "queue/values.h"

#include "sync/kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum variant {
    SIMPLEX,
    DUPLEX,
    SOCKETS,
    VARIANTS,
};

static void
open_conn(int variant, void **ret_in, void **ret_out)
{
    mp_conn *a, *b;
    int ends[2];

    if (variant == SOCKETS) {
        ck_assert_int_eq(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        must(mp_conn_open_fd(&a, ends[0], NULL));
        must(mp_conn_open_fd(&b, ends[1], NULL));
    } else {
        must(mp_pipe(&a, &b, variant == DUPLEX));
    }
    *ret_in = b;
    *ret_out = a;
}

static void
close_conn(void *in, void *out)
{
    must(mp_conn_close(in));
    must(mp_conn_close(out));
}

static int
conn_vsendf(void *conn, mp_time deadline, const char *format, va_list args)
{
    return mp_conn_vsendf(conn, deadline, format, args);
}

static int
conn_vrecvf(void *conn, mp_time deadline, const char *format, va_list args)
{
    return mp_conn_vrecvf(conn, deadline, format, args);
}

static int
conn_send_any(void *conn, mp_any any, mp_time deadline)
{
    return mp_conn_send_any(conn, any, deadline);
}

static int
conn_send_item(void *conn, mp_item item, mp_time deadline)
{
    return mp_conn_send_item(conn, item, deadline);
}

static int
conn_recv_any(void *conn, mp_any *ret_any, mp_time deadline)
{
    return mp_conn_recv_any(conn, ret_any, deadline);
}

static int
conn_send(void *conn, const void *data, size_t size, mp_time deadline)
{
    return mp_conn_send(conn, data, size, deadline);
}

static ssize_t
conn_recv(void *conn, void *buf, size_t cap, mp_time deadline)
{
    return mp_conn_recv(conn, buf, cap, deadline);
}

static const struct values_channel conns = {
    .open = open_conn,
    .close = close_conn,
    .vsendf = conn_vsendf,
    .vrecvf = conn_vrecvf,
    .send_any = conn_send_any,
    .send_item = conn_send_item,
    .recv_any = conn_recv_any,
    .send = conn_send,
    .recv = conn_recv,
    .narrow = SOCKETS,
};

/* ---- What only connections have ---- */

static int
echo(void *conn)
{
    char *name;
    int n;

    while (mp_conn_recvf(conn, "{'name':s,'n':i}", &name, &n) == 0) {
        int r = mp_conn_sendf(conn, "[s,i]", name, n + 1);

        free(name);
        if (r < 0)
            return 1;
    }
    return 0;
}

START_TEST(values_go_both_ways_between_processes)
{
    mp_conn *ours, *theirs;
    pid_t pid;

    must(mp_pipe(&ours, &theirs, 1));
    pid = child(echo, theirs);
    for (int i = 0; i < 1000; i++) {
        char *name;
        int n;

        must(mp_conn_sendf(ours, "{s:i,s:s,s:n}", "n", i, "name", "x", "o"));
        must(mp_conn_recvf(ours, "[s,i]", &name, &n));
        ck_assert_int_eq(n, i + 1);
        ck_assert_str_eq(name, "x");
        free(name);
    }
    kill_and_reap(pid);
    must(mp_conn_close(ours));
    must(mp_conn_close(theirs));
}
END_TEST

START_TEST(values_end_when_the_other_end_is_closed)
{
    void *in, *out;
    mp_any any;
    int n;

    open_conn(_i, &in, &out);
    must(mp_conn_sendf(in, "i", 1));
    must(mp_conn_close(in));
    must(mp_conn_recvf(out, "i", &n));
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(mp_conn_recvf(out, "i", &n), -EPIPE);
    ck_assert_int_eq(mp_conn_recv_any(out, &any, MP_FOREVER), -EPIPE);
    must(mp_conn_close(out));
    open_conn(_i, &in, &out);
    must(mp_conn_close(out));
    ck_assert_int_eq(mp_conn_sendf(in, "i", 1), -EPIPE);
    ck_assert_int_eq(mp_conn_send_item(in, MP_LIST(1), MP_FOREVER), -EPIPE);
    must(mp_conn_close(in));
}
END_TEST

START_TEST(values_go_one_way_in_a_simplex_pipe)
{
    mp_conn *receiver, *sender;
    mp_any any;

    must(mp_pipe(&receiver, &sender, 0));
    must_fail(mp_conn_sendf(receiver, "i", 1), -EPERM, "mp_conn_sendf");
    must_fail(mp_conn_send_item(receiver, MP_LIST(1), MP_NOW), -EPERM, "item");
    must_fail(mp_conn_recvf(sender, "_"), -EPERM, "only sends");
    must_fail(mp_conn_recv_any(sender, &any, MP_NOW), -EPERM, "recv_any");
    must(mp_conn_close(receiver));
    must(mp_conn_close(sender));
}
END_TEST

/* ---- Handles ---- */

static int
sendf(void *conn)
{
    return mp_conn_sendf(conn, "i", 1);
}

static int
recvf(void *conn)
{
    return mp_conn_recvf(conn, "_");
}

static int
send_any(void *conn)
{
    return mp_conn_send_any(conn, (mp_any){"\x07", 1}, MP_NOW);
}

static int
send_item(void *conn)
{
    return mp_conn_send_item(conn, MP_LIST(1), MP_NOW);
}

static int
recv_any(void *conn)
{
    mp_any any;

    return mp_conn_recv_any(conn, &any, MP_NOW);
}

static int
send_bytes(void *conn)
{
    return mp_conn_send(conn, "x", 1, MP_NOW);
}

static int
recv_bytes(void *conn)
{
    char c;

    return (int)mp_conn_recv(conn, &c, 1, MP_NOW);
}

static int
next_size(void *conn)
{
    return (int)mp_conn_next_size(conn, MP_NOW);
}

static int
poll_conn(void *conn)
{
    return mp_conn_poll(conn, MP_NOW);
}

static int
conn_fd(void *conn)
{
    return mp_conn_fd(conn);
}

static int
send_fd(void *conn)
{
    return mp_conn_send_fd(conn, 0, MP_NOW);
}

static int
recv_fd(void *conn)
{
    return mp_conn_recv_fd(conn, MP_NOW);
}

static int
close_handle(void *conn)
{
    return mp_conn_close(conn);
}

START_TEST(G36_connection_functions_refuse_strangers)
{
    static const struct handle_call calls[] = {
        {"mp_conn_sendf", sendf},       {"mp_conn_recvf", recvf},
        {"mp_conn_send_any", send_any}, {"mp_conn_send_item", send_item},
        {"mp_conn_recv_any", recv_any}, {"mp_conn_send", send_bytes},
        {"mp_conn_recv", recv_bytes},   {"mp_conn_next_size", next_size},
        {"mp_conn_poll", poll_conn},    {"mp_conn_fd", conn_fd},
        {"mp_conn_send_fd", send_fd},   {"mp_conn_recv_fd", recv_fd},
    };
    void *in, *out;
    mp_any *none = NULL;

    open_conn(_i, &in, &out);
    must_fail(mp_conn_recv_any(out, none, MP_NOW), -EINVAL, "ret_any");
    must_fail(mp_conn_send(in, NULL, 1, MP_NOW), -EINVAL, "data");
    must_fail(mp_conn_recv(out, NULL, 1, MP_NOW), -EINVAL, "buf");
    must(mp_conn_close(in));
    must_fail(mp_conn_send(in, "x", 1, MP_NOW), -EBADF, "mp_conn");
    must(mp_conn_close(out));
    must(mp_conn_close(NULL));
    calls_refuse_strangers(calls, LENGTH(calls), KINDS, out);
    must_fail(close_handle(out), -EBADF, "mp_conn_close");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("conn-value");
    TCase *tcase;

    values_add_tests(suite, &conns, VARIANTS);
    tcase = mp_test_case(suite, "connections", 30);
    tcase_add_test(tcase, values_go_both_ways_between_processes);
    tcase_add_loop_test(tcase, values_end_when_the_other_end_is_closed, 0,
                        VARIANTS);
    tcase_add_test(tcase, values_go_one_way_in_a_simplex_pipe);
    tcase_add_loop_test(tcase, G36_connection_functions_refuse_strangers, 0,
                        VARIANTS);
    return mp_test_main(suite);
}
