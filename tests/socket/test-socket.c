/* SPDX-License-Identifier: MIT */
/* A connection over a stream socket, with the other end in this program: as a
 * connection, or as a bare socket that says what it likes. */
#include "socket/socket-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG ((size_t)3 << 20)

/* ---- Messages ---- */

START_TEST(messages_come_in_order_and_whole)
{
    static const size_t sizes[] = {0,    1,    4,     100,   4084,
                                   4096, 4097, 16380, 16384, 16385};
    static unsigned char data[20000], got[20000];
    mp_conn *ends[2];

    open_pair(ends);
    if (_i) /* no reading ahead */
        must(mp_conn_fd(ends[1]));
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LENGTH(sizes); i++) {
            fill(data, sizes[i], i);
            must(mp_conn_send(ends[0], sizes[i] ? data : NULL, sizes[i],
                              LATER));
        }
        for (unsigned i = 0; i < LENGTH(sizes); i++) {
            ck_assert_int_eq(mp_conn_next_size(ends[1], LATER), sizes[i]);
            ck_assert_int_eq(mp_conn_poll(ends[1], LATER), 1);
            ck_assert_int_eq(mp_conn_recv(ends[1], got, sizes[i], LATER),
                             sizes[i]);
            check_filled(got, sizes[i], i);
        }
        ck_assert_int_eq(mp_conn_recv(ends[1], got, 1, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_conn_recv(ends[1], got, 1, SOON), -ETIMEDOUT);
        ck_assert_int_eq(mp_conn_poll(ends[1], MP_NOW), 0);
        ck_assert_int_eq(mp_conn_poll(ends[1], SOON), 0);
        ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), -EAGAIN);
    }
    close_pair(ends);
}
END_TEST

static void *
send_big(void *arg)
{
    unsigned char *data = malloc(BIG);

    fill(data, BIG, 5);
    must(mp_conn_send(arg, data, BIG, LATER));
    free(data);
    return NULL;
}

START_TEST(large_messages_pass)
{
    unsigned char *got = malloc(BIG);
    mp_conn *ends[2];
    pthread_t thread;

    open_pair(ends);
    if (_i)
        must(mp_conn_fd(ends[1]));
    pthread_create(&thread, NULL, send_big, ends[0]);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 100, LATER), -EMSGSIZE);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, BIG, LATER), BIG);
    pthread_join(thread, NULL);
    check_filled(got, BIG, 5);
    free(got);
    close_pair(ends);
}
END_TEST

START_TEST(a_message_too_large_for_the_buffer_stays)
{
    char got[8];
    mp_conn *ends[2];

    open_pair(ends);
    must(mp_conn_send(ends[0], "0123456", 8, MP_NOW));
    must(mp_conn_send(ends[0], "next", 5, MP_NOW));
    for (int i = 0; i < 3; i++)
        must_fail(mp_conn_recv(ends[1], got, (size_t)i, MP_NOW), -EMSGSIZE,
                  "has 8 bytes");
    ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), 8);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 8, MP_NOW), 8);
    ck_assert_str_eq(got, "0123456");
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 8, MP_NOW), 5);
    ck_assert_str_eq(got, "next");
    close_pair(ends);
}
END_TEST

START_TEST(values_pass_and_stay_if_they_do_not_fit)
{
    mp_conn *ends[2];
    char *text;
    int n = 0;

    open_pair(ends);
    must(mp_conn_sendf(ends[0], "[i,n,s]", 42, "Hello"));
    must(mp_conn_send(ends[0], "\xc1", 1, MP_NOW));
    ck_assert_int_eq(mp_conn_recvf(ends[1], "[s]", &text), -EINVAL);
    must(mp_conn_recvf(ends[1], "[i,n,s]", &n, &text));
    ck_assert_int_eq(n, 42);
    ck_assert_str_eq(text, "Hello");
    free(text);
    ck_assert_int_eq(mp_conn_recvf(ends[1], "i", &n), -EPROTO);
    ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), 1);
    close_pair(ends);
}
END_TEST

/* ---- Parts ---- */

/* Bit 0 of the variant: no reading ahead; bit 1: a large message. */
START_TEST(a_deadline_in_the_midst_of_a_message_loses_nothing)
{
    size_t size = _i & 2 ? 100000 : 1000, at = 0;
    unsigned char *frame = malloc(4 + size), *got = malloc(size);
    int bare, step = _i & 2 ? 9973 : 97;
    mp_conn *conn = open_bare(&bare, NULL);

    if (_i & 1)
        must(mp_conn_fd(conn));
    for (int round = 0; round < 2; round++) {
        memcpy(frame,
               (unsigned char[]){0, (unsigned char)(size >> 16),
                                 (unsigned char)(size >> 8),
                                 (unsigned char)size},
               4);
        fill(frame + 4, size, 3);
        for (at = 0; at + (size_t)step < 4 + size; at += (size_t)step) {
            write_all(bare, frame + at, (size_t)step);
            ck_assert_int_eq(mp_conn_recv(conn, got, size, MP_NOW), -EAGAIN);
            if (at == 0)
                ck_assert_int_eq(mp_conn_recv(conn, got, size, SOON),
                                 -ETIMEDOUT);
            if (size <= 16384)
                ck_assert_int_eq(mp_conn_poll(conn, MP_NOW), 0);
            ck_assert_int_eq(mp_conn_next_size(conn, MP_NOW), size);
        }
        write_all(bare, frame + at, 4 + size - at);
        ck_assert_int_eq(mp_conn_poll(conn, LATER), 1);
        memset(got, 0, size);
        ck_assert_int_eq(mp_conn_recv(conn, got, size, LATER), size);
        check_filled(got, size, 3);
    }
    close(bare);
    ck_assert_int_eq(mp_conn_recv(conn, got, size, LATER), -EPIPE);
    must(mp_conn_close(conn));
    free(frame);
    free(got);
}
END_TEST

/* A header that comes byte by byte, in both forms. */
START_TEST(a_header_may_come_in_pieces)
{
    static const unsigned char frames[] = {
        0, 0, 0, 1, 'a', 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 1, 'b'};
    int bare, n = 0;
    mp_conn *conn = open_bare(&bare, NULL);
    char got[2];

    if (_i)
        must(mp_conn_fd(conn));
    for (size_t i = 0; i < sizeof(frames); i++) {
        write_all(bare, &frames[i], 1);
        if (mp_conn_recv(conn, got, 1, MP_NOW) == -EAGAIN)
            continue;
        ck_assert_int_eq(got[0], frames[i]);
        n++;
    }
    ck_assert_int_eq(n, 2);
    close(bare);
    must(mp_conn_close(conn));
}
END_TEST

START_TEST(G12_memory_for_a_message_grows_with_its_bytes)
{
    /* 2^62 bytes, says the other end. */
    static const unsigned char header[] = {255, 255, 255, 255, 0x40, 0,
                                           0,   0,   0,   0,   0,    0};
    int bare;
    mp_conn *conn = open_bare(&bare, NULL);
    mp_any any;

    write_all(bare, header, sizeof(header));
    write_all(bare, header, sizeof(header));
    ck_assert_int_eq(mp_conn_next_size(conn, MP_NOW), (ssize_t)1 << 62);
    ck_assert_int_eq(mp_conn_recv_any(conn, &any, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv_any(conn, &any, SOON), -ETIMEDOUT);
    close(bare);
    ck_assert_int_eq(mp_conn_recv_any(conn, &any, LATER), -EPROTO);
    must(mp_conn_close(conn));
}
END_TEST

START_TEST(a_deadline_in_the_midst_of_sending_ends_the_stream)
{
    unsigned char *data = calloc(1, BIG);
    mp_conn *ends[2];

    open_pair(ends);
    must(mp_conn_send(ends[0], "first", 6, MP_NOW));
    must_fail(mp_conn_send(ends[0], data, BIG, _i ? MP_NOW : SOON), -ETIMEDOUT,
              "midst");
    must_fail(mp_conn_send(ends[0], "x", 1, LATER), -EPIPE, "in part");
    ck_assert_int_eq(mp_conn_recv(ends[1], data, BIG, LATER), 6);
    ck_assert_int_eq(mp_conn_recv(ends[1], data, BIG, LATER), -EPROTO);
    ck_assert_int_eq(mp_conn_recv(ends[1], data, BIG, LATER), -EPROTO);
    ck_assert_int_eq(mp_conn_poll(ends[1], MP_NOW), 1);
    /* The other direction goes on. */
    must(mp_conn_send(ends[1], "back", 5, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(ends[0], data, BIG, LATER), 5);
    close_pair(ends);
    free(data);
}
END_TEST

START_TEST(a_full_stream_takes_nothing)
{
    char message[1000] = {0}, got[1000];
    unsigned sent = 0, r;
    mp_conn *ends[2];

    open_pair(ends);
    for (;; sent++) {
        memcpy(message, &sent, sizeof(sent));
        r = (unsigned)-mp_conn_send(ends[0], message, sizeof(message), MP_NOW);
        if (r != 0)
            break;
    }
    if (r == EAGAIN) { /* else it went out in part */
        ck_assert_int_eq(mp_conn_send(ends[0], message, sizeof(message), SOON),
                         -ETIMEDOUT);
        for (unsigned i = 0; i < sent; i++) {
            ck_assert_int_eq(mp_conn_recv(ends[1], got, sizeof(got), MP_NOW),
                             1000);
            ck_assert_mem_eq(got, &i, sizeof(i));
        }
        must(mp_conn_send(ends[0], message, sizeof(message), MP_NOW));
    }
    ck_assert_uint_gt(sent, 10);
    close_pair(ends);
}
END_TEST

/* ---- The end ---- */

START_TEST(what_was_sent_is_received_before_the_end)
{
    mp_conn *ends[2];
    char got[10];

    open_pair(ends);
    must(mp_conn_send(ends[0], "one", 4, MP_NOW));
    must(mp_conn_send(ends[0], "two", 4, MP_NOW));
    must(mp_conn_close(ends[0]));
    ck_assert_int_eq(mp_conn_recv(ends[0], got, 10, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_send(ends[0], got, 1, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_close(ends[0]), -EBADF);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 10, MP_NOW), 4);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 10, MP_NOW), 4);
    ck_assert_str_eq(got, "two");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(mp_conn_poll(ends[1], MP_NOW), 1);
        ck_assert_int_eq(mp_conn_recv(ends[1], got, 10, MP_NOW), -EPIPE);
        ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), -EPIPE);
        ck_assert_int_eq(mp_conn_send(ends[1], "x", 1, LATER), -EPIPE);
    }
    must(mp_conn_close(ends[1]));
}
END_TEST

START_TEST(what_is_no_protocol_ends_the_connection)
{
    static const struct {
        size_t size;
        unsigned char bytes[16];
    } bad[] = {
        {4, {0x80, 0, 0, 0}},
        {4, {255, 255, 255, 254}},
        {12, {255, 255, 255, 255, 0x80}},
        {4, {0, 0, 1, 1}}, /* above .max_message */
        {12, {255, 255, 255, 255, 0, 0, 0, 1}},
    };
    int bare;
    mp_conn *conn = open_bare(&bare, MP_CONN_ATTR(.max_message = 256));
    char got[256];

    write_all(bare, "\0\0\0\2ok", 6);
    write_all(bare, bad[_i].bytes, bad[_i].size);
    write_all(bare, "\0\0\0\2ok", 6);
    ck_assert_int_eq(mp_conn_recv(conn, got, sizeof(got), MP_NOW), 2);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mp_conn_recv(conn, got, sizeof(got), MP_NOW),
                         -EPROTO);
    ck_assert_int_eq(mp_conn_poll(conn, MP_NOW), 1);
    close(bare);
    must(mp_conn_close(conn));
}
END_TEST

START_TEST(an_end_in_the_midst_of_a_message_is_told)
{
    static const unsigned char frame[] = {0, 0, 0, 9, 'h', 'a', 'l', 'f'};
    char got[100];

    for (size_t n = 1; n <= sizeof(frame); n++) {
        int bare;
        mp_conn *conn = open_bare(&bare, NULL);

        if (_i)
            must(mp_conn_fd(conn));
        write_all(bare, frame, n);
        close(bare);
        must_fail(mp_conn_recv(conn, got, sizeof(got), MP_NOW), -EPROTO,
                  "midst");
        ck_assert_int_eq(mp_conn_recv(conn, got, sizeof(got), MP_NOW),
                         -EPROTO);
        must(mp_conn_close(conn));
    }
}
END_TEST

static int
send_without_end(void *arg)
{
    size_t size = (size_t)1 << 30;
    void *data = mmap(NULL, size, PROT_READ,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mp_conn *conn;

    if (mp_conn_open_fd(&conn, *(int *)arg, NULL) < 0)
        return 2;
    mp_conn_send(conn, data, size, MP_FOREVER);
    return 3;
}

START_TEST(G01_half_a_message_of_a_killed_sender_is_dropped)
{
    int bare[2];
    mp_conn *conn;
    pid_t pid;

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bare));
    pid = child(send_without_end, &bare[1]);
    close(bare[1]);
    must(mp_conn_open_fd(&conn, bare[0], NULL));
    ck_assert_int_eq(mp_conn_next_size(conn, LATER), (ssize_t)1 << 30);
    wait_until(process_state(pid) == 'S', 20);
    kill_and_reap(pid);
    /* Too large for any buffer of ours: only looking reads on. */
    for (;;) {
        mp_any any;
        long r = mp_conn_recv_any(conn, &any, LATER);

        if (r == -EPROTO)
            break;
        ck_assert_int_lt(r, 0);
    }
    must(mp_conn_close(conn));
}
END_TEST

/* ---- Arguments ---- */

START_TEST(only_connected_stream_sockets_are_taken)
{
    int fds[2], listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mp_conn *conn = NULL;

    must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
    must_fail(mp_conn_open_fd(&conn, fds[0], NULL), -EINVAL, "stream");
    must_fail(mp_conn_open_fd(&conn, -1, NULL), -EINVAL, "-1");
    must_fail(mp_conn_open_fd(&conn, listening, NULL), -EINVAL, "connected");
    must(listen(listening, 1));
    must_fail(mp_conn_open_fd(&conn, listening, NULL), -EINVAL, "stream");
    close(fds[0]);
    close(fds[1]);
    close(listening);
    must(pipe(fds));
    must_fail(mp_conn_open_fd(&conn, fds[0], NULL), -EINVAL, "stream");
    close(fds[0]);
    close(fds[1]);
    ck_assert_ptr_null(conn);
    ck_assert_int_eq(mp_conn_open_fd(&conn, -1, MP_CONN_ATTR(.flags = 1)),
                     -EINVAL);
}
END_TEST

START_TEST(G37_the_descriptor_becomes_close_on_exec)
{
    int fds[2];
    mp_conn *conn;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    must(mp_conn_open_fd(&conn, fds[0], NULL));
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    must(mp_conn_close(conn));
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}
END_TEST

/* ---- More than 2 GiB ---- */

#define HUGE ((size_t)0x80001000)
#define CELL ((size_t)16 << 20)

/* Much address space, little memory: the same 16 MiB again and again. */
static unsigned char *
map_huge(void)
{
    size_t all = (HUGE + CELL - 1) / CELL * CELL;
    unsigned char *p =
        mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
             -1, 0);
    int fd = memfd_create("cell", MFD_CLOEXEC);

    must(ftruncate(fd, (off_t)CELL));
    ck_assert_ptr_ne(p, MAP_FAILED);
    for (size_t at = 0; at < all; at += CELL)
        ck_assert_ptr_ne(mmap(p + at, CELL, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_FIXED, fd, 0),
                         MAP_FAILED);
    close(fd);
    return p;
}

static void *
send_huge(void *arg)
{
    unsigned char *data = map_huge();

    must(mp_conn_send(arg, data, HUGE, MP_FOREVER));
    must(mp_conn_send(arg, "after", 6, MP_FOREVER));
    return NULL;
}

START_TEST(messages_beyond_2_GiB_take_no_memory_of_their_own)
{
    struct rlimit limit = {(rlim_t)256 << 20, (rlim_t)256 << 20};
    unsigned char *data = map_huge();
    mp_conn *ends[2];
    pthread_t thread;
    char got[6];

    /* Memory of one's own; that of map_huge() is shared. */
    if (mp_test_scale() == 1) /* sanitizers need some themselves */
        must(setrlimit(RLIMIT_DATA, &limit));
    open_pair(ends);
    pthread_create(&thread, NULL, send_huge, ends[0]);
    ck_assert_int_eq(mp_conn_recv(ends[1], data, 10, MP_FOREVER), -EMSGSIZE);
    ck_assert_int_eq(mp_conn_next_size(ends[1], MP_NOW), HUGE);
    ck_assert_int_eq(mp_conn_recv(ends[1], data, HUGE, MP_FOREVER), HUGE);
    ck_assert_int_eq(mp_conn_recv(ends[1], got, 6, MP_FOREVER), 6);
    pthread_join(thread, NULL);
    ck_assert_str_eq(got, "after");
    close_pair(ends);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("socket");
    TCase *tcase = mp_test_case(suite, "messages", 30);

    tcase_add_loop_test(tcase, messages_come_in_order_and_whole, 0, 2);
    tcase_add_loop_test(tcase, large_messages_pass, 0, 2);
    tcase_add_test(tcase, a_message_too_large_for_the_buffer_stays);
    tcase_add_test(tcase, values_pass_and_stay_if_they_do_not_fit);
    tcase = mp_test_case(suite, "parts", 30);
    tcase_add_loop_test(
        tcase, a_deadline_in_the_midst_of_a_message_loses_nothing, 0, 4);
    tcase_add_loop_test(tcase, a_header_may_come_in_pieces, 0, 2);
    tcase_add_test(tcase, G12_memory_for_a_message_grows_with_its_bytes);
    tcase_add_loop_test(
        tcase, a_deadline_in_the_midst_of_sending_ends_the_stream, 0, 2);
    tcase_add_test(tcase, a_full_stream_takes_nothing);
    tcase = mp_test_case(suite, "end", 30);
    tcase_add_test(tcase, what_was_sent_is_received_before_the_end);
    tcase_add_loop_test(tcase, what_is_no_protocol_ends_the_connection, 0, 5);
    tcase_add_loop_test(tcase, an_end_in_the_midst_of_a_message_is_told, 0, 2);
    tcase_add_test(tcase, G01_half_a_message_of_a_killed_sender_is_dropped);
    tcase = mp_test_case(suite, "arguments", 30);
    tcase_add_test(tcase, only_connected_stream_sockets_are_taken);
    tcase_add_test(tcase, G37_the_descriptor_becomes_close_on_exec);
    tcase = mp_test_case(suite, "huge", 60);
    tcase_add_test(tcase, messages_beyond_2_GiB_take_no_memory_of_their_own);
    return mp_test_main(suite);
}
