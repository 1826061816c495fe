/* SPDX-License-Identifier: MIT */
/* A pipe's messages: what goes in at one end comes out of the other, whole, in
 * order, and of any size; and what the calls say when they cannot. */
#include "pipe/pipe.h"
#include "region/kin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *
pattern(size_t size, unsigned seed)
{
    unsigned char *data = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 31 + seed + (i >> 8));
    return data;
}

static void
expect_pattern(const unsigned char *got, size_t size, unsigned seed)
{
    unsigned char *data = pattern(size, seed);

    ck_assert(memcmp(got, data, size) == 0);
    free(data);
}

static void
send_pattern(mp_conn *conn, size_t size, unsigned seed)
{
    unsigned char *data = pattern(size, seed);

    must(mp_conn_send(conn, data, size, MP_NOW));
    free(data);
}

static void
recv_pattern(mp_conn *conn, size_t size, unsigned seed)
{
    unsigned char *data = malloc(size + 1);

    ck_assert_int_eq(mp_conn_recv(conn, data, size, MP_NOW), (long)size);
    expect_pattern(data, size, seed);
    free(data);
}

static void
close_both(mp_conn *a, mp_conn *b)
{
    must(mp_conn_close(a));
    must(mp_conn_close(b));
}

/* What the first pipe of all makes and keeps is no leak. */
static uint64_t
heap_use_before(void)
{
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    close_both(a, b);
    return heap_use();
}

/* ---- Sizes ---- */

static const size_t sizes[] = {0,     1,     7,      8,       9,      16,
                               24,    25,    64,     1000,    4096,   8184,
                               8191,  8192,  8193,   10000,   65535,  65536,
                               65537, 70000, 200000, 1 << 20, 5000001};

START_TEST(pipe_message_of_each_size_arrives)
{
    mp_conn *a, *b;
    size_t size = sizes[_i];

    must(mp_pipe(&a, &b, 1));
    send_pattern(a, size, 1);
    ck_assert_int_eq(mp_conn_next_size(b, MP_NOW), (long)size);
    recv_pattern(b, size, 1);
    send_pattern(b, size, 2);
    recv_pattern(a, size, 2);
    ck_assert_int_eq(mp_conn_recv(a, NULL, 0, MP_NOW), -EAGAIN);
    close_both(a, b);
}
END_TEST

/* Each lap ends at another place, with and without room to be left. */
START_TEST(pipe_sizes_mix_over_many_laps)
{
    uint64_t before = heap_use_before();
    unsigned seed = 1, from = 0;
    size_t waiting[64];
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    for (unsigned n = 0; n < 4000; n++) {
        size_t size = (size_t)rand_r(&seed) % 9000;
        unsigned char *data = pattern(size, n);
        int r = mp_conn_send(b, data, size, MP_NOW);

        while (r == -EAGAIN || n - from == 63) {
            recv_pattern(a, waiting[from % 64], from);
            from++;
            if (r == -EAGAIN)
                r = mp_conn_send(b, data, size, MP_NOW);
        }
        ck_assert_int_eq(r, 0);
        waiting[n % 64] = size;
        free(data);
    }
    for (; from < 4000; from++)
        recv_pattern(a, waiting[from % 64], from);
    ck_assert_int_eq(mp_conn_poll(a, MP_NOW), 0);
    close_both(a, b);
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

START_TEST(pipe_large_message_arrives)
{
    size_t size = (size_t)100 << 20;
    unsigned char *data = malloc(size);
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 0));
    memset(data, 'x', size);
    data[size - 1] = 'y';
    must(mp_conn_send(b, data, size, MP_NOW)); /* beyond the limit, alone */
    ck_assert_int_eq(mp_conn_send(b, data, 10000, MP_NOW), -EAGAIN);
    must(mp_conn_send(b, data, 8192, MP_NOW)); /* not by reference */
    memset(data, 0, size);
    ck_assert_int_eq(mp_conn_recv(a, data, size, MP_NOW), (long)size);
    ck_assert_int_eq(data[0], 'x');
    ck_assert_int_eq(data[size / 2], 'x');
    ck_assert_int_eq(data[size - 1], 'y');
    must(mp_conn_send(b, data, 10000, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(a, data, size, MP_NOW), 8192);
    ck_assert_int_eq(mp_conn_recv(a, data, size, MP_NOW), 10000);
    free(data);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_holds_64_kib_of_small_messages)
{
    mp_conn *a, *b;
    int n = 0, r;

    must(mp_pipe(&a, &b, 1));
    while ((r = mp_conn_send(a, "12345678", 8, MP_NOW)) == 0)
        n++;
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(n, 65536 / 16);
    for (char got[8]; n > 0; n--) {
        ck_assert_int_eq(mp_conn_recv(b, got, 8, MP_NOW), 8);
        ck_assert(memcmp(got, "12345678", 8) == 0);
    }
    ck_assert_int_eq(mp_conn_poll(b, MP_NOW), 0);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_holds_two_large_ones_by_reference)
{
    size_t size = (size_t)16 << 20;
    char *data = calloc(1, size);
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    for (int i = 0; i < 2; i++)
        must(mp_conn_send(a, data, size, MP_NOW));
    ck_assert_int_eq(mp_conn_send(a, data, size, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_send(a, data, 9000, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv(b, data, size, MP_NOW), (long)size);
    must(mp_conn_send(a, data, size, MP_NOW));
    free(data);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_holds_1_mib_by_reference)
{
    size_t size = (size_t)256 << 10;
    char *data = calloc(1, size);
    uint64_t before = heap_use_before();
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    for (int i = 0; i < 4; i++)
        must(mp_conn_send(a, data, size, MP_NOW));
    ck_assert_int_eq(mp_conn_send(a, data, 9000, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv(b, data, size, MP_NOW), (long)size);
    must(mp_conn_send(a, data, size - 9000, MP_NOW));
    must(mp_conn_send(a, data, 9000, MP_NOW));
    ck_assert_int_eq(mp_conn_send(a, data, 9000, MP_NOW), -EAGAIN);
    free(data);
    close_both(a, b);
    ck_assert_uint_eq(heap_use(), before); /* with what was not received */
}
END_TEST

/* ---- Directions ---- */

START_TEST(pipe_simplex_end_does_one_thing)
{
    mp_conn *a, *b;
    char c;

    must(mp_pipe(&a, &b, 0));
    must_fail(mp_conn_send(a, "x", 1, MP_NOW), -EPERM, "only receives");
    must_fail(mp_conn_recv(b, &c, 1, MP_NOW), -EPERM, "only sends");
    must_fail(mp_conn_next_size(b, MP_NOW), -EPERM, "mp_conn_next_size");
    must_fail(mp_conn_poll(b, MP_NOW), -EPERM, "mp_conn_poll");
    must(mp_conn_send(b, "x", 1, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(a, &c, 1, MP_NOW), 1);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_duplex_ways_are_apart)
{
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    for (unsigned i = 0; i < 100; i++) {
        send_pattern(a, 100 + i, i);
        send_pattern(b, 200 + i, i + 1);
    }
    for (unsigned i = 0; i < 100; i++) {
        recv_pattern(b, 100 + i, i);
        recv_pattern(a, 200 + i, i + 1);
    }
    close_both(a, b);
}
END_TEST

/* ---- What the calls say ---- */

START_TEST(pipe_refuses_nonsense)
{
    mp_conn *a, *b;
    char c;

    must_fail(mp_pipe(NULL, &b, 1), -EINVAL, "ret_a");
    must_fail(mp_pipe(&a, NULL, 1), -EINVAL, "ret_b");
    must(mp_pipe(&a, &b, 1));
    must_fail(mp_conn_send(a, NULL, 1, MP_NOW), -EINVAL, "data is NULL");
    must_fail(mp_conn_recv(a, NULL, 1, MP_NOW), -EINVAL, "buf is NULL");
    must(mp_conn_send(a, NULL, 0, MP_NOW));
    ck_assert_int_eq(mp_conn_recv(b, NULL, 0, MP_NOW), 0);
    must_fail(mp_conn_send((mp_conn *)(void *)&c, "x", 1, MP_NOW), -EBADF,
              "mp_conn_send");
    close_both(a, b);
    ck_assert_int_eq(mp_conn_send(a, "x", 1, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_recv(a, &c, 1, MP_NOW), -EBADF);
    ck_assert_int_eq(mp_conn_close(a), -EBADF);
    must(mp_conn_close(NULL));
}
END_TEST

START_TEST(pipe_message_too_large_for_the_buffer_stays)
{
    size_t size = _i ? 100000 : 100;
    unsigned char buf[99];
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    send_pattern(a, size, 5);
    send_pattern(a, 3, 6);
    must_fail(mp_conn_recv(b, buf, sizeof(buf), MP_NOW), -EMSGSIZE, "99");
    must_fail(mp_conn_recv(b, NULL, 0, MP_FOREVER), -EMSGSIZE,
              _i ? "100000" : "100");
    ck_assert_int_eq(mp_conn_poll(b, MP_NOW), 1);
    ck_assert_int_eq(mp_conn_next_size(b, MP_NOW), (long)size);
    recv_pattern(b, size, 5);
    recv_pattern(b, 3, 6);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_empty_says_so)
{
    mp_conn *a, *b;
    char c;

    must(mp_pipe(&a, &b, 1));
    ck_assert_int_eq(mp_conn_recv(b, &c, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_recv(b, &c, 1, mp_timeout(0.01)), -ETIMEDOUT);
    ck_assert_int_eq(mp_conn_next_size(b, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_conn_poll(b, MP_NOW), 0);
    ck_assert_int_eq(mp_conn_poll(b, mp_timeout(0.01)), 0);
    must(mp_conn_send(a, "x", 1, MP_NOW));
    ck_assert_int_eq(mp_conn_poll(b, MP_NOW), 1);
    ck_assert_int_eq(mp_conn_poll(b, MP_FOREVER), 1);
    ck_assert_int_eq(mp_conn_recv(b, &c, 1, MP_NOW), 1);
    close_both(a, b);
}
END_TEST

/* ---- Looking first ---- */

struct sight {
    size_t size;
    unsigned char first;
    int looks, verdict;
};

static int
see(const void *data, size_t size, void *arg)
{
    struct sight *sight = arg;

    sight->looks++;
    sight->size = size;
    sight->first = *(const unsigned char *)data;
    return sight->verdict;
}

START_TEST(pipe_message_that_is_not_liked_stays)
{
    size_t size = _i ? 100000 : 100;
    struct sight sight = {.verdict = -EPROTO};
    mp_conn *a, *b;

    must(mp_pipe(&a, &b, 1));
    send_pattern(a, size, 7);
    ck_assert_int_eq(mp__pipe_ops.recv_look(b, see, &sight, MP_NOW), -EPROTO);
    ck_assert_uint_eq(sight.size, size);
    ck_assert_uint_eq(sight.first, 7);
    sight.verdict = 0;
    must(mp__pipe_ops.recv_look(b, see, &sight, MP_NOW));
    ck_assert_int_eq(sight.looks, 2);
    ck_assert_int_eq(mp__pipe_ops.recv_look(b, see, &sight, MP_NOW), -EAGAIN);
    ck_assert_int_eq(sight.looks, 2);
    close_both(a, b);
}
END_TEST

START_TEST(pipe_carries_values)
{
    mp_conn *a, *b;
    char *text;
    int n;

    must(mp_pipe(&a, &b, 1));
    must(mp_conn_sendf(a, "[i,n,s]", 42, "Hello"));
    must(mp_conn_recvf(b, "[i,n,s]", &n, &text));
    ck_assert_int_eq(n, 42);
    ck_assert_str_eq(text, "Hello");
    free(text);
    close_both(a, b);
}
END_TEST

/* ---- Memory ---- */

START_TEST(pipe_leaves_no_memory_behind)
{
    uint64_t before = heap_use_before();

    for (int i = 0; i < 50; i++) {
        mp_conn *a, *b;

        must(mp_pipe(&a, &b, i % 2));
        send_pattern(b, 100000, 1);
        send_pattern(b, 100, 1);
        if (i % 3)
            recv_pattern(a, 100000, 1);
        close_both(a, b);
    }
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pipe");
    TCase *tcase = mp_test_case(suite, "sizes", 20);

    tcase_add_loop_test(tcase, pipe_message_of_each_size_arrives, 0,
                        (int)LENGTH(sizes));
    tcase_add_test(tcase, pipe_sizes_mix_over_many_laps);
    tcase_add_test(tcase, pipe_large_message_arrives);
    tcase_add_test(tcase, pipe_holds_64_kib_of_small_messages);
    tcase_add_test(tcase, pipe_holds_1_mib_by_reference);
    tcase_add_test(tcase, pipe_holds_two_large_ones_by_reference);
    tcase = mp_test_case(suite, "directions", 10);
    tcase_add_test(tcase, pipe_simplex_end_does_one_thing);
    tcase_add_test(tcase, pipe_duplex_ways_are_apart);
    tcase = mp_test_case(suite, "answers", 10);
    tcase_add_test(tcase, pipe_refuses_nonsense);
    tcase_add_loop_test(tcase, pipe_message_too_large_for_the_buffer_stays, 0,
                        2);
    tcase_add_test(tcase, pipe_empty_says_so);
    tcase_add_loop_test(tcase, pipe_message_that_is_not_liked_stays, 0, 2);
    tcase_add_test(tcase, pipe_carries_values);
    tcase_add_test(tcase, pipe_leaves_no_memory_behind);
    return mp_test_main(suite);
}
