/* SPDX-License-Identifier: MIT */
/* Values through queues of every mode. */
#include "queue/values.h"

#include "sync/kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VARIANTS 5

static void
open_queue(int variant, void **ret_in, void **ret_out)
{
    static const mp_queue_attr attrs[VARIANTS] = {
        {.size = sizeof(mp_queue_attr)},
        {.size = sizeof(mp_queue_attr), .joinable = 1},
        {.size = sizeof(mp_queue_attr), .redeliver = 1},
        {.size = sizeof(mp_queue_attr), .joinable = 1, .max_bytes = 1 << 30},
        {.size = sizeof(mp_queue_attr), .order = MP_QUEUE_PRIORITY},
    };
    mp_queue *queue;

    must(mp_queue_create(&queue, &attrs[variant]));
    *ret_in = *ret_out = queue;
}

/* All that was got are tasks. */
static void
close_queue(void *in, void *out)
{
    (void)in;
    while (mp_queue_task_done(out) == 0)
        ;
    ck_assert_uint_eq(mp_queue_size(out), 0);
    must(mp_queue_destroy(out));
}

static int
queue_vputf(void *queue, mp_time deadline, const char *format, va_list args)
{
    return mp_queue_vputf(queue, deadline, format, args);
}

static int
queue_vgetf(void *queue, mp_time deadline, const char *format, va_list args)
{
    return mp_queue_vgetf(queue, deadline, format, args);
}

static int
queue_put_any(void *queue, mp_any any, mp_time deadline)
{
    return mp_queue_put_any(queue, any, deadline);
}

static int
queue_put_item(void *queue, mp_item item, mp_time deadline)
{
    return mp_queue_put_item(queue, item, deadline);
}

static int
queue_get_any(void *queue, mp_any *ret_any, mp_time deadline)
{
    return mp_queue_get_any(queue, ret_any, deadline);
}

static int
queue_put(void *queue, const void *data, size_t size, mp_time deadline)
{
    return mp_queue_put(queue, data, size, deadline);
}

static ssize_t
queue_get(void *queue, void *buf, size_t cap, mp_time deadline)
{
    return mp_queue_get(queue, buf, cap, deadline);
}

static const struct values_channel queues = {
    .open = open_queue,
    .close = close_queue,
    .vsendf = queue_vputf,
    .vrecvf = queue_vgetf,
    .send_any = queue_put_any,
    .send_item = queue_put_item,
    .recv_any = queue_get_any,
    .send = queue_put,
    .recv = queue_get,
    .narrow = VARIANTS,
};

/* ---- What only queues have ---- */

START_TEST(values_come_in_the_order_of_the_queue)
{
    mp_queue *queue;
    int n;

    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.order = MP_QUEUE_LIFO)));
    for (int i = 1; i <= 3; i++)
        must(mp_queue_putf(queue, "[i]", i));
    for (int i = 3; i >= 1; i--) {
        must_fail(mp_queue_getf(queue, "i", &n), -EINVAL, "mp_queue_getf");
        must(mp_queue_getf(queue, "[i]", &n));
        ck_assert_int_eq(n, i);
    }
    must(mp_queue_destroy(queue));
}
END_TEST

/* A value that did not fit was not taken: it is no task, and nobody's. */
START_TEST(value_that_is_refused_is_no_task)
{
    mp_queue *queue;
    int n;

    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.redeliver = 1)));
    must(mp_queue_putf(queue, "s", "x"));
    for (int i = 0; i < 2000; i++) /* more than the shelf has slots */
        must_fail(mp_queue_getf(queue, "i", &n), -EINVAL, "string");
    ck_assert_int_eq(mp_queue_task_done(queue), -EOVERFLOW);
    ck_assert_uint_eq(mp_queue_size(queue), 1);
    must(mp_queue_getf(queue, "_"));
    ck_assert_uint_eq(mp_queue_unfinished(queue), 1);
    must(mp_queue_task_done(queue));
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* More values than the first slots, each held, so that the shelf grows in the
 * middle of a get: it is looked at once all the same. */
START_TEST(values_are_held_in_any_number)
{
    mp_queue *queue;
    char *text;

    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.joinable = 1)));
    for (int i = 0; i < 3000; i++) {
        must(mp_queue_putf(queue, "s", "x"));
        must(mp_queue_getf(queue, "s", &text));
        free(text);
    }
    for (int i = 0; i < 3000; i++)
        must(mp_queue_task_done(queue));
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(values_end_with_the_queue)
{
    mp_queue *queue;
    mp_any any;
    int n;

    must(mp_queue_create(&queue, NULL));
    must(mp_queue_putf(queue, "i", 1));
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_queue_putf(queue, "i", 2), -ESHUTDOWN);
    must(mp_queue_getf(queue, "i", &n));
    ck_assert_int_eq(mp_queue_getf(queue, "i", &n), -ESHUTDOWN);
    ck_assert_int_eq(mp_queue_get_any(queue, &any, MP_FOREVER), -ESHUTDOWN);
    must(mp_queue_destroy(queue));
}
END_TEST

static int
putf(void *queue)
{
    return mp_queue_putf(queue, "i", 1);
}

static int
getf(void *queue)
{
    return mp_queue_getf(queue, "_");
}

static int
put_any(void *queue)
{
    return mp_queue_put_any(queue, (mp_any){"\x07", 1}, MP_NOW);
}

static int
put_item(void *queue)
{
    return mp_queue_put_item(queue, MP_LIST(1), MP_NOW);
}

static int
get_any(void *queue)
{
    mp_any any;

    return mp_queue_get_any(queue, &any, MP_NOW);
}

START_TEST(G36_value_functions_refuse_strangers)
{
    static const struct handle_call calls[] = {
        {"mp_queue_putf", putf},       {"mp_queue_getf", getf},
        {"mp_queue_put_any", put_any}, {"mp_queue_put_item", put_item},
        {"mp_queue_get_any", get_any},
    };
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must_fail(mp_queue_get_any(queue, NULL, MP_NOW), -EINVAL, "ret_any");
    must(mp_queue_destroy(queue));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_QUEUE, queue);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-value");
    TCase *tcase;

    values_add_tests(suite, &queues, VARIANTS);
    tcase = mp_test_case(suite, "queues", 20);
    tcase_add_test(tcase, values_come_in_the_order_of_the_queue);
    tcase_add_test(tcase, value_that_is_refused_is_no_task);
    tcase_add_test(tcase, values_are_held_in_any_number);
    tcase_add_test(tcase, values_end_with_the_queue);
    tcase_add_test(tcase, G36_value_functions_refuse_strangers);
    return mp_test_main(suite);
}
