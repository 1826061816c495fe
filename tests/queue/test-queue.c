/* SPDX-License-Identifier: MIT */
/* The queue as one process sees it: bytes, order, limits, errors. */
#include "os/clock.h"
#include "region/kin.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static mp_queue *
queue_with(const mp_queue_attr *attr)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, attr));
    return queue;
}

static unsigned char
pattern(size_t i)
{
    return (unsigned char)(i * 31 + i / 256 + i / 65536);
}

static void
fill(unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
}

static void
expect_pattern(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern(i))
            ck_abort_msg("byte %zu of %zu is %d", i, size, data[i]);
}

/* ---- Bytes ---- */

static const size_t sizes[] = {
    0,    1,    7,    8,    9,        24,    25,      100, 4096,      8184,
    8191, 8192, 8193, 8200, 64 * KIB, 65537, MIB - 1, MIB, 100 * MIB,
};

START_TEST(queue_message_of_any_size_comes_back_whole)
{
    size_t size = sizes[_i];
    unsigned char *data = malloc(size + 1), *back = malloc(size + 2);
    mp_queue *queue = queue_with(NULL);

    fill(data, size);
    for (int round = 0; round < 3; round++) {
        must(mp_queue_put(queue, data, size, MP_NOW));
        ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), (ssize_t)size);
        memset(back, 0xee, size + 2);
        ck_assert_int_eq(mp_queue_get(queue, back, size + 1, MP_NOW),
                         (ssize_t)size);
        expect_pattern(back, size);
        ck_assert_uint_eq(back[size], 0xee);
    }
    must(mp_queue_put(queue, data, size, MP_NOW));
    memset(data, 0, size); /* it was copied */
    back[size] = 0xee;
    ck_assert_int_eq(mp_queue_get(queue, back, size, MP_NOW), (ssize_t)size);
    expect_pattern(back, size);
    ck_assert_uint_eq(back[size], 0xee);
    must(mp_queue_destroy(queue));
    free(data);
    free(back);
}
END_TEST

START_TEST(queue_message_of_no_bytes_needs_no_buffer)
{
    mp_queue *queue = queue_with(NULL);

    must(mp_queue_put(queue, NULL, 0, MP_NOW));
    ck_assert_uint_eq(mp_queue_size(queue), 1);
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), 0);
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* A size that follows from the message's number: mostly small, some large. */
static size_t
size_of(uint32_t number)
{
    uint32_t r = number * 2654435761u >> 8;

    if (r % 64 == 0)
        return sizeof(number) + r % 20000;
    return sizeof(number) + r % (r % 8 == 0 ? 8190 : 100);
}

static void
put_numbered(mp_queue *queue, uint32_t number)
{
    static unsigned char data[20100];
    size_t size = size_of(number);

    memset(data, (int)number, size);
    memcpy(data, &number, sizeof(number));
    must(mp_queue_put(queue, data, size, MP_NOW));
}

static void
get_numbered(mp_queue *queue, uint32_t number)
{
    static unsigned char data[20100];
    ssize_t size = mp_queue_get(queue, data, sizeof(data), MP_NOW);

    if (size != (ssize_t)size_of(number) ||
        memcmp(data, &number, sizeof(number)) != 0 ||
        (size > 4 && (data[4] != (unsigned char)number ||
                      data[size - 1] != (unsigned char)number)))
        ck_abort_msg("message %u: size %zd, not %zu", number, size,
                     size_of(number));
}

/* The queue's content goes up and down; a mirror of it is two numbers. */
START_TEST(queue_keeps_order_as_it_grows_and_shrinks)
{
    mp_queue *queue = queue_with(NULL);
    uint32_t put = 0, got = 0;

    srand(4711);
    for (int round = 0; round < 300; round++) {
        int n = rand() % 200;

        while (n-- > 0)
            put_numbered(queue, put++);
        ck_assert_uint_eq(mp_queue_size(queue), put - got);
        for (n = rand() % 200; n > 0 && got < put; n--)
            get_numbered(queue, got++);
        ck_assert_uint_eq(mp_queue_size(queue), put - got);
    }
    while (got < put)
        get_numbered(queue, got++);
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), -EAGAIN);
    must(mp_queue_destroy(queue));
}
END_TEST

/* Every place of the ring is the start of a message of every size once. */
START_TEST(queue_wraps_at_any_place)
{
    static unsigned char data[8192], back[8192];
    mp_queue *queue = queue_with(NULL);

    fill(data, sizeof(data));
    for (size_t size = 0; size <= 8192; size += size < 200 ? 1 : 127) {
        for (int i = 0; i < 30; i++) {
            must(mp_queue_put(queue, data, size, MP_NOW));
            must(mp_queue_put(queue, data, 8192 - size, MP_NOW));
            if (mp_queue_get(queue, back, 8192, MP_NOW) != (ssize_t)size ||
                memcmp(back, data, size) != 0 ||
                mp_queue_get(queue, back, 8192, MP_NOW) !=
                    (ssize_t)(8192 - size) ||
                memcmp(back, data, 8192 - size) != 0)
                ck_abort_msg("size %zu, round %d", size, i);
        }
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(queue_of_a_million_gives_its_memory_back)
{
    uint32_t count = mp_test_scale() > 1 ? 100000 : 1000000, number;
    mp_queue *queue = queue_with(NULL);
    uint64_t before = heap_use(), pages = pages_of_region();

    for (uint32_t i = 0; i < count; i++)
        if (mp_queue_put(queue, &i, sizeof(i), MP_NOW) < 0)
            ck_abort_msg("put %u: %s", i, mp_last_error());
    ck_assert_uint_eq(mp_queue_size(queue), count);
    for (uint32_t i = 0; i < count; i++)
        if (mp_queue_get(queue, &number, sizeof(number), MP_NOW) != 4 ||
            number != i)
            ck_abort_msg("got %u, not %u", number, i);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    ck_assert_uint_eq(heap_use(), before);
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before - 2); /* the queue, its segment */
    /* what the region keeps warm is bounded */
    ck_assert_uint_le(pages_of_region(), pages + 80 * MIB);
}
END_TEST

START_TEST(queue_destroyed_takes_its_messages_along)
{
    static const size_t kinds[] = {8, 8192, 8193, 65536, 65537, 300000};
    static char data[300000];
    uint64_t before = heap_use();
    mp_queue *queue = queue_with(NULL);

    for (int i = 0; i < 1000; i++)
        must(mp_queue_put(queue, data, kinds[i % 6], MP_NOW));
    ck_assert_uint_ge(heap_use(), before + 600);
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(heap_use(), before);
}
END_TEST

/* ---- Limits ---- */

START_TEST(queue_of_one_item)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    char c = 'x';

    ck_assert_int_eq(mp_queue_full(queue), 0);
    for (int i = 0; i < 1000; i++) {
        must(mp_queue_put(queue, &c, 1, MP_NOW));
        ck_assert_int_eq(mp_queue_put(queue, &c, 1, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_queue_put(queue, NULL, 0, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_queue_full(queue), 1);
        ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), 1);
        ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_queue_full(queue), 0);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(G08_queue_state_is_exact)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 100));
    static char data[10000];

    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i <= 100; i++) {
            ck_assert_uint_eq(mp_queue_size(queue), i);
            ck_assert_int_eq(mp_queue_empty(queue), i == 0);
            ck_assert_int_eq(mp_queue_full(queue), i == 100);
            ck_assert_int_eq(mp_queue_put(queue, data, i * 90, MP_NOW),
                             i == 100 ? -EAGAIN : 0);
        }
        for (size_t i = 100; i > 0; i--) {
            ck_assert_uint_eq(mp_queue_size(queue), i);
            must(mp_queue_get(queue, data, sizeof(data), MP_NOW));
        }
    }
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(queue_max_bytes_is_exact)
{
    static const size_t limits[] = {1, 100, 8192, 8193, 1000000};
    size_t most = limits[_i], half = most - most / 2;
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.max_bytes = most));
    char *data = calloc(1, most + 1);

    for (int round = 0; round < 5; round++) {
        must_fail(mp_queue_put(queue, data, most + 1, MP_FOREVER), -EMSGSIZE,
                  "max_bytes");
        ck_assert_int_eq(mp_queue_full(queue), 0);
        must(mp_queue_put(queue, data, half, MP_NOW));
        if (most / 2) {
            ck_assert_int_eq(mp_queue_full(queue), 0);
            ck_assert_int_eq(mp_queue_put(queue, data, most / 2 + 1, MP_NOW),
                             -EAGAIN);
            must(mp_queue_put(queue, data, most / 2, MP_NOW));
        }
        ck_assert_int_eq(mp_queue_full(queue), 1);
        ck_assert_int_eq(mp_queue_put(queue, data, 1, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_queue_put(queue, data, 1, mp_timeout(0)),
                         -ETIMEDOUT);
        ck_assert_int_eq(mp_queue_get(queue, data, most, MP_NOW),
                         (ssize_t)half);
        ck_assert_int_eq(mp_queue_full(queue), 0);
        ck_assert_int_eq(mp_queue_put(queue, data, half + 1, MP_NOW),
                         most / 2 ? -EAGAIN : -EMSGSIZE);
        while (mp_queue_get(queue, data, most, MP_NOW) >= 0)
            ;
        must(mp_queue_put(queue, data, most, MP_NOW)); /* all at once */
        ck_assert_int_eq(mp_queue_full(queue), 1);
        must(mp_queue_get(queue, data, most, MP_NOW));
    }
    must(mp_queue_destroy(queue));
    free(data);
}
END_TEST

/* ---- Errors ---- */

START_TEST(queue_message_larger_than_the_buffer_stays)
{
    static const size_t kinds[] = {9, 8192, 8193, 70000};
    static char data[70000], back[70000];
    size_t size = kinds[_i];
    mp_queue *queue = queue_with(NULL);
    char text[32];

    snprintf(text, sizeof(text), "%zu", size);
    memset(data, 'd', size);
    must(mp_queue_put(queue, data, size, MP_NOW));
    must(mp_queue_put(queue, "next", 5, MP_NOW));
    for (int i = 0; i < 3; i++) {
        must_fail(mp_queue_get(queue, back, size - 1, MP_NOW), -EMSGSIZE,
                  text);
        must_fail(mp_queue_get(queue, NULL, 0, MP_FOREVER), -EMSGSIZE, text);
        ck_assert_uint_eq(mp_queue_size(queue), 2);
        ck_assert_int_eq(mp_queue_next_size(queue, MP_FOREVER), (ssize_t)size);
    }
    for (size_t i = 0; i < size; i++)
        if (back[i] != 0)
            ck_abort_msg("byte %zu was written", i);
    ck_assert_int_eq(mp_queue_get(queue, back, size, MP_NOW), (ssize_t)size);
    ck_assert_mem_eq(back, data, size);
    ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), 5);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(queue_bad_arguments_are_named)
{
    mp_queue *queue = (void *)&queue;

    must_fail(mp_queue_create(NULL, NULL), -EINVAL, "ret_queue");
    must_fail(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 1ull << 31)),
              -EINVAL, "maxsize");
    must_fail(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = UINT64_MAX)),
              -EINVAL, "maxsize");
    ck_assert_ptr_eq(queue, &queue);
    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = INT32_MAX)));
    must_fail(mp_queue_put(queue, NULL, 1, MP_NOW), -EINVAL, "data");
    must_fail(mp_queue_get(queue, NULL, 1, MP_NOW), -EINVAL, "buf");
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

static void
expect_no_queue(mp_queue *queue)
{
    char c = 0;

    must_fail(mp_queue_put(queue, &c, 1, MP_FOREVER), -EBADF, "mp_queue_put");
    must_fail(mp_queue_get(queue, &c, 1, MP_FOREVER), -EBADF, "mp_queue_get");
    must_fail(mp_queue_next_size(queue, MP_FOREVER), -EBADF,
              "mp_queue_next_size");
    must_fail(mp_queue_close(queue), -EBADF, "mp_queue_close");
    must_fail(mp_queue_empty(queue), -EBADF, "mp_queue_empty");
    must_fail(mp_queue_full(queue), -EBADF, "mp_queue_full");
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    if (queue)
        must_fail(mp_queue_destroy(queue), -EBADF, "mp_queue_destroy");
}

START_TEST(G36_queue_handle_that_is_none)
{
    static char foreign[4096] __attribute__((aligned(128)));
    mp_queue *queue = queue_with(NULL), *other = queue_with(NULL);
    char *block = mp_alloc(4096);

    must(mp_queue_destroy(NULL));
    expect_no_queue(NULL);
    expect_no_queue((void *)foreign);
    expect_no_queue((void *)block);
    memcpy(block, (void *)queue, 1024); /* a copy of a live one */
    expect_no_queue((void *)block);
    for (int i = 1; i < 64; i++)
        expect_no_queue((void *)((char *)queue + i));
    expect_no_queue((void *)((char *)queue + 64));
    expect_no_queue((void *)mp__view.base);
    expect_no_queue((void *)(mp__view.base + mp__view.size - 64));
    expect_no_queue((void *)(mp__view.base + mp__view.size));
    expect_no_queue((void *)(uintptr_t)1);
    expect_no_queue((void *)(uintptr_t)-64);
    must(mp_queue_put(queue, "whole", 6, MP_NOW)); /* none did it harm */
    must(mp_queue_destroy(queue));
    expect_no_queue(queue);
    must(mp_queue_destroy(other));
    must(mp_free(block));
}
END_TEST

START_TEST(queue_handle_stays_stale_when_others_are_made)
{
    mp_queue *queue = queue_with(NULL), *others[5];

    must(mp_queue_destroy(queue));
    for (int i = 0; i < 5; i++)
        others[i] = queue_with(NULL);
    expect_no_queue(queue);
    for (int i = 0; i < 5; i++)
        must(mp_queue_destroy(others[i]));
}
END_TEST

/* ---- Time ---- */

START_TEST(queue_deadlines_when_empty)
{
    mp_queue *queue = queue_with(NULL);
    mp_time deadline = mp_timeout(0.02);
    char c;

    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, mp_timeout(-1)), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_next_size(queue, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    /* what is there comes, whatever the deadline */
    must(mp_queue_put(queue, "x", 1, 1));
    ck_assert_int_eq(mp_queue_next_size(queue, 1), 1);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, 1), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(queue_deadlines_when_full)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    static char large[10000];
    mp_time deadline = mp_timeout(0.02);
    uint64_t before;

    must(mp_queue_put(queue, "x", 1, MP_NOW));
    before = heap_use();
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, 1), -ETIMEDOUT);
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, deadline), -ETIMEDOUT);
    ck_assert_int_ge(mp__now(), deadline);
    ck_assert_int_eq(mp_queue_put(queue, large, 10000, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_queue_put(queue, large, 10000, 1), -ETIMEDOUT);
    ck_assert_uint_eq(heap_use(), before); /* no copy is left */
    ck_assert_uint_eq(mp_queue_size(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Closing ---- */

START_TEST(queue_closed_gives_what_is_left)
{
    mp_queue *queue = queue_with(NULL);
    char c;

    for (int i = 0; i < 3; i++)
        must(mp_queue_put(queue, &"abc"[i], 1, MP_NOW));
    for (int i = 0; i < 3; i++) {
        must(mp_queue_close(queue)); /* again is allowed */
        ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_FOREVER), -ESHUTDOWN);
        ck_assert_uint_eq(mp_queue_size(queue), 3u - (unsigned)i);
        ck_assert_int_eq(mp_queue_next_size(queue, MP_NOW), 1);
        ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), 1);
        ck_assert_int_eq(c, "abc"[i]);
    }
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_get(queue, &c, 1, MP_NOW), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_next_size(queue, MP_FOREVER), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(queue_full_and_closed_says_closed)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 1));
    static char large[10000];

    must(mp_queue_put(queue, "x", 1, MP_NOW));
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_queue_put(queue, "x", 1, MP_NOW), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_put(queue, large, 10000, MP_NOW), -ESHUTDOWN);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Others ---- */

START_TEST(G20_queue_sent_through_a_queue)
{
    mp_queue *outer = queue_with(NULL), *inner = queue_with(NULL), *got;
    char c = 0;

    must(mp_queue_put(outer, &inner, sizeof(inner), MP_NOW));
    must(mp_queue_get(outer, &got, sizeof(got), MP_NOW));
    must(mp_queue_put(got, "x", 1, MP_NOW));
    ck_assert_int_eq(mp_queue_get(inner, &c, 1, MP_NOW), 1);
    ck_assert_int_eq(c, 'x');
    must(mp_queue_destroy(got));
    must(mp_queue_destroy(outer));
}
END_TEST

/* The kernel kills who makes a system call in there. */
static int
use_without_system_calls(void *arg)
{
    mp_queue *queue = arg;
    char data[64] = {0};

    must(mp_queue_put(queue, data, sizeof(data), MP_NOW)); /* registers */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        return 77;
    for (int i = 0; i < 10000; i++)
        if (mp_queue_put(queue, data, sizeof(data), MP_FOREVER) != 0 ||
            mp_queue_get(queue, data, sizeof(data), MP_FOREVER) != 64 ||
            mp_queue_size(queue) != 1)
            syscall(SYS_exit, 1);
    return (int)syscall(SYS_exit, 0);
}

START_TEST(queue_without_contention_makes_no_system_call)
{
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.maxsize = 10));
    int code;

    if (mp_test_scale() > 1)
        return; /* the tools that slow us down make calls of their own */
    code = reap(child(use_without_system_calls, queue));
    ck_assert_msg(code == 0 || code == 77, "%d", code);
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = mp_test_case(suite, "bytes", 30);

    tcase_add_loop_test(tcase, queue_message_of_any_size_comes_back_whole, 0,
                        LENGTH(sizes));
    tcase_add_test(tcase, queue_message_of_no_bytes_needs_no_buffer);
    tcase_add_test(tcase, queue_keeps_order_as_it_grows_and_shrinks);
    tcase_add_test(tcase, queue_wraps_at_any_place);
    tcase_add_test(tcase, queue_of_a_million_gives_its_memory_back);
    tcase_add_test(tcase, queue_destroyed_takes_its_messages_along);
    tcase_add_test(tcase, G20_queue_sent_through_a_queue);
    tcase_add_test(tcase, queue_without_contention_makes_no_system_call);
    tcase = mp_test_case(suite, "limits", 20);
    tcase_add_test(tcase, queue_of_one_item);
    tcase_add_test(tcase, G08_queue_state_is_exact);
    tcase_add_loop_test(tcase, queue_max_bytes_is_exact, 0, 5);
    tcase_add_test(tcase, queue_deadlines_when_empty);
    tcase_add_test(tcase, queue_deadlines_when_full);
    tcase = mp_test_case(suite, "errors", 20);
    tcase_add_loop_test(tcase, queue_message_larger_than_the_buffer_stays, 0,
                        4);
    tcase_add_test(tcase, queue_bad_arguments_are_named);
    tcase_add_test(tcase, G36_queue_handle_that_is_none);
    tcase_add_test(tcase, queue_handle_stays_stale_when_others_are_made);
    tcase_add_test(tcase, queue_closed_gives_what_is_left);
    tcase_add_test(tcase, queue_full_and_closed_says_closed);
    return mp_test_main(suite);
}
