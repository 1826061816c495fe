/* SPDX-License-Identifier: MIT */
/* What the queue's functions refuse, and say of it: handles that are none,
 * arguments, attributes. And what they do without a system call. */
#include "queue/modes-kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Handles ---- */

static int
put_priority(void *queue)
{
    return mp_queue_put_priority(queue, "x", 1, 0, MP_FOREVER);
}

static int
put_many(void *queue)
{
    return (int)mp_queue_put_many(queue, "x", 1, 1, MP_FOREVER);
}

static int
put_none(void *queue)
{
    return (int)mp_queue_put_many(queue, "x", 1, 0, MP_FOREVER);
}

static int
get_many(void *queue)
{
    char c;

    return (int)mp_queue_get_many(queue, &c, 1, 1, NULL, MP_FOREVER);
}

static int
reserve(void *queue)
{
    void *data;

    return mp_queue_reserve(queue, 1, &data, MP_FOREVER);
}

static int
commit(void *queue)
{
    char c;

    return mp_queue_commit(queue, &c);
}

static int
commit_priority(void *queue)
{
    char c;

    return mp_queue_commit_priority(queue, &c, 1);
}

static int
cancel(void *queue)
{
    char c;

    return mp_queue_cancel(queue, &c);
}

static int
take(void *queue)
{
    mp_message message;

    return mp_queue_take(queue, &message, MP_FOREVER);
}

static int
message_done(void *queue)
{
    mp_message message = {0};

    return mp_message_done(queue, &message);
}

static int
task_done(void *queue)
{
    return mp_queue_task_done(queue);
}

static int
join(void *queue)
{
    return mp_queue_join(queue, MP_FOREVER);
}

static int
queue_fd(void *queue)
{
    return mp_queue_fd(queue);
}

static int
destroy(void *queue)
{
    return mp_queue_destroy(queue);
}

START_TEST(G36_queue_functions_refuse_strangers)
{
    static const struct handle_call calls[] = {
        {"mp_queue_put_priority", put_priority},
        {"mp_queue_put_many", put_many},
        {"mp_queue_put_many", put_none},
        {"mp_queue_get_many", get_many},
        {"mp_queue_reserve", reserve},
        {"mp_queue_commit", commit},
        {"mp_queue_commit_priority", commit_priority},
        {"mp_queue_cancel", cancel},
        {"mp_queue_take", take},
        {"mp_message_done", message_done},
        {"mp_queue_task_done", task_done},
        {"mp_queue_join", join},
        {"mp_queue_fd", queue_fd},
        {"mp_queue_destroy", destroy},
    };
    mp_queue *queue = queue_with(NULL);

    must(mp_queue_destroy(queue));
    calls_refuse_strangers(calls, LENGTH(calls), KIND_QUEUE, queue);
}
END_TEST

START_TEST(queue_that_is_none_holds_nothing)
{
    static char stack[512] __attribute__((aligned(128)));
    mp_queue *queue = queue_with(MP_QUEUE_ATTR(.joinable = 1));

    put_number(queue, 4, 1);
    ck_assert_uint_eq(mp_queue_unfinished(queue), 1);
    must(mp_queue_destroy(queue));
    ck_assert_uint_eq(mp_queue_unfinished(queue), 0);
    ck_assert_uint_eq(mp_queue_unfinished(NULL), 0);
    ck_assert_uint_eq(mp_queue_unfinished((mp_queue *)(void *)stack), 0);
}
END_TEST

/* ---- Arguments ---- */

/* Out-parameters are written on success only. */
START_TEST(queue_arguments_are_named)
{
    mp_queue *queue = queue_with(NULL);
    mp_message message, before;
    void *data = &data;
    char c = 'c';

    memset(&message, 0xaa, sizeof(message));
    before = message;
    must_fail(mp_queue_put_many(queue, NULL, 1, 1, MP_NOW), -EINVAL, "items");
    must_fail(mp_queue_get_many(queue, NULL, 1, 1, NULL, MP_NOW), -EINVAL,
              "buf");
    must_fail(mp_queue_reserve(queue, 1, NULL, MP_NOW), -EINVAL, "ret_data");
    must_fail(mp_queue_take(queue, NULL, MP_NOW), -EINVAL, "ret_message");
    must_fail(mp_message_done(queue, NULL), -EINVAL, "message");
    must_fail(mp_queue_commit(queue, NULL), -EINVAL, "mp_queue_commit");
    must_fail(mp_queue_cancel(queue, NULL), -EINVAL, "mp_queue_cancel");
    must_fail(mp_queue_put_priority(queue, &c, 1, 0, MP_NOW), -EINVAL,
              "mp_queue_put_priority");
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    ck_assert_int_eq(mp_queue_take(queue, &message, MP_NOW), -EAGAIN);
    ck_assert_mem_eq(&message, &before, sizeof(message));
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_queue_reserve(queue, 1, &data, MP_NOW), -ESHUTDOWN);
    ck_assert_ptr_eq(data, &data);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(priority_is_for_queues_by_priority)
{
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.order = _i ? MP_QUEUE_LIFO : MP_QUEUE_FIFO));

    must_fail(mp_queue_put_priority(queue, "x", 1, 0, MP_FOREVER), -EINVAL,
              "priority");
    ck_assert_int_eq(mp_queue_empty(queue), 1);
    must(mp_queue_destroy(queue));
    queue = queue_with(MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
    must_fail(mp_queue_put_priority(queue, NULL, 1, 0, MP_FOREVER), -EINVAL,
              "data");
    must(mp_queue_put_priority(queue, NULL, 0, 5, MP_FOREVER));
    ck_assert_int_eq(mp_queue_get(queue, NULL, 0, MP_NOW), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* No memory for it: nothing has happened, and the next one goes well. */
START_TEST(message_larger_than_the_memory)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX / 2,
                                   (size_t)1 << 56, (size_t)1 << 50};
    mp_queue *queue = queue_with(NULL);
    void *data = &data;

    for (size_t i = 0; i < LENGTH(sizes); i++) {
        ck_assert_int_eq(mp_queue_reserve(queue, sizes[i], &data, MP_NOW),
                         -ENOMEM);
        ck_assert_ptr_eq(data, &data);
        ck_assert_int_eq(mp_queue_put(queue, &data, sizes[i], MP_NOW),
                         -ENOMEM);
    }
    must(mp_queue_reserve(queue, 4, &data, MP_NOW));
    message_fill(data, 4, 1);
    must(mp_queue_commit(queue, data));
    gives(queue, 4, 1);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Attributes ---- */

static int
create(const void *attr)
{
    mp_queue *queue;
    int r = mp_queue_create(&queue, attr);

    return r < 0 ? r : mp_queue_destroy(queue);
}

START_TEST(queue_attributes_are_checked)
{
    attributes_are_checked(create, sizeof(mp_queue_attr), 0);
    must_fail(create(MP_QUEUE_ATTR(.order = 3)), -EINVAL, "order");
    must_fail(create(MP_QUEUE_ATTR(.order = UINT32_MAX)), -EINVAL, "order");
    must(create(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = UINT32_MAX)));
}
END_TEST

START_TEST(dead_letters_must_be_a_queue)
{
    static char stack[512] __attribute__((aligned(128)));
    mp_queue *letters = queue_with(NULL), *queue = (void *)&stack;
    mp_lock *lock;
    void *wrong[] = {stack,
                     (char *)letters + 64,
                     (char *)letters + 1,
                     mp__view.base,
                     (void *)8,
                     NULL};

    must(mp_lock_create(&lock, NULL));
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        void *handle = wrong[i] ? wrong[i] : (void *)lock;

        must_fail(mp_queue_create(
                      &queue, MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1,
                                            .dead_letters = handle)),
                  -EBADF, "mp_queue_create");
        ck_assert_ptr_eq((void *)queue, (void *)&stack);
    }
    must(create(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1,
                              .dead_letters = letters)));
    must(mp_queue_destroy(letters));
    must_fail(create(MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1,
                                   .dead_letters = letters)),
              -EBADF, "mp_queue_create");
    must(mp_lock_destroy(lock));
}
END_TEST

/* ---- Without a system call ---- */

static int
pass_one(void *arg)
{
    mp_queue *queue = arg;
    char data[64] = {0};

    return mp_queue_put(queue, data, sizeof(data), MP_FOREVER) == 0 &&
                   mp_queue_get(queue, data, 64, MP_FOREVER) == 64 &&
                   mp_queue_size(queue) == 0
               ? 0
               : 1;
}

static int
pass_one_task(void *arg)
{
    mp_queue *queue = arg;

    return pass_one(queue) == 0 && mp_queue_unfinished(queue) == 1 &&
                   mp_queue_task_done(queue) == 0 &&
                   mp_queue_join(queue, MP_FOREVER) == 0
               ? 0
               : 1;
}

static int
pass_in_place(void *arg)
{
    mp_queue *queue = arg;
    mp_message message;

    for (size_t size = 1; size < 10000; size *= 2) {
        void *data;

        if (mp_queue_reserve(queue, size, &data, MP_FOREVER) != 0 ||
            mp_queue_commit(queue, data) != 0 ||
            mp_queue_take(queue, &message, MP_FOREVER) != 0 ||
            message.size != size || mp_message_done(queue, &message) != 0)
            return 1;
    }
    return 0;
}

static int
pass_many(void *arg)
{
    mp_queue *queue = arg;
    char data[10][8] = {{0}};

    return mp_queue_put_many(queue, data, 8, 10, MP_FOREVER) == 10 &&
                   mp_queue_get_many(queue, data, 8, 10, NULL, MP_FOREVER) ==
                       10
               ? 0
               : 1;
}

START_TEST(queue_without_contention_makes_no_system_call)
{
    static const uint32_t orders[] = {MP_QUEUE_FIFO, MP_QUEUE_LIFO,
                                      MP_QUEUE_PRIORITY};
    uint32_t order = orders[_i % 3], limit = (uint32_t)(_i / 3) * 10;
    mp_queue *queue =
        queue_with(MP_QUEUE_ATTR(.order = order, .maxsize = limit));

    needs_no_system_call(pass_one, queue);
    needs_no_system_call(pass_in_place, queue);
    needs_no_system_call(pass_many, queue);
    must(mp_queue_destroy(queue));
    for (uint32_t keep = 0; keep < 2; keep++) {
        queue = queue_with(MP_QUEUE_ATTR(.order = order, .maxsize = limit,
                                         .joinable = 1, .redeliver = keep));
        needs_no_system_call(pass_one_task, queue);
        needs_no_system_call(pass_in_place, queue);
        must(mp_queue_destroy(queue));
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-refusals");
    TCase *tcase = mp_test_case(suite, "refusals", 20);

    tcase_add_test(tcase, G36_queue_functions_refuse_strangers);
    tcase_add_test(tcase, queue_that_is_none_holds_nothing);
    tcase_add_test(tcase, queue_arguments_are_named);
    tcase_add_loop_test(tcase, priority_is_for_queues_by_priority, 0, 2);
    tcase_add_test(tcase, message_larger_than_the_memory);
    tcase_add_test(tcase, queue_attributes_are_checked);
    tcase_add_test(tcase, dead_letters_must_be_a_queue);
    tcase = mp_test_case(suite, "quiet", 20);
    tcase_add_loop_test(tcase, queue_without_contention_makes_no_system_call,
                        0, 6);
    return mp_test_main(suite);
}
