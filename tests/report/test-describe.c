/* SPDX-License-Identifier: MIT */
/* mp_describe(): what it takes and gives; of queues, and of processes. */
#include "os/clock.h"
#include "process/family.h"
#include "queue/ring.h"
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Handles and streams ---- */

static void
refused(const void *object)
{
    char *text = NULL;
    size_t size = 1;
    FILE *out = open_memstream(&text, &size);

    must_fail(mp_describe(object, out), -EBADF, "mp_describe");
    ck_assert_int_eq(ferror(out), 0);
    fclose(out);
    ck_assert_uint_eq(size, 0);
    free(text);
}

START_TEST(describe_refuses_what_is_no_object)
{
    char *block = mp_alloc(4096), *heap = malloc(4096);
    mp_process *process;
    mp_lock *lock;
    mp_queue *queue;

    must(mp_lock_create(&lock, NULL));
    must(mp_queue_create(&queue, NULL));
    must(mp_process_start(&process, sleep_for_ever, NULL, 0, NULL));
    refused(NULL);
    refused(&lock);
    refused(heap);
    refused((char *)lock + 1);
    refused((char *)lock + 64);
    refused((char *)lock - 64);
    refused((char *)queue + 128);
    refused(block);
    memcpy(block, lock, 64); /* a copy is no object */
    refused(block);
    refused((void *)(uintptr_t)-64);
    must(mp_lock_destroy(lock));
    must(mp_queue_destroy(queue));
    kill_named(process);
    refused(lock);
    refused(queue);
    refused(process);
    must(mp_free(block));
    free(heap);
}
END_TEST

START_TEST(describe_tells_of_a_stream_in_error)
{
    FILE *full = fopen("/dev/full", "we");
    FILE *unbuffered = fopen("/dev/full", "we");
    FILE *reading = fopen("/dev/null", "re");
    char text[8];
    FILE *tight = fmemopen(text, sizeof(text), "w");
    mp_lock *lock;

    must(mp_lock_create(&lock, NULL));
    setvbuf(unbuffered, NULL, _IONBF, 0);
    must_fail(mp_describe(lock, NULL), -EINVAL, "out");
    must_fail(mp_describe(NULL, NULL), -EINVAL, "out");
    must_fail(mp_describe(lock, full), -EIO, "stream");
    must_fail(mp_describe(lock, full), -EIO, "stream"); /* as it stays */
    must_fail(mp_describe(lock, unbuffered), -EIO, "stream");
    must_fail(mp_describe(lock, reading), -EIO, "stream");
    must_fail(mp_describe(lock, tight), -EIO, "stream");
    must(mp_lock_destroy(lock));
    fclose(full);
    fclose(unbuffered);
    fclose(reading);
    fclose(tight);
}
END_TEST

START_TEST(describe_hands_on_at_once)
{
    char text[256] = "";
    FILE *out = tmpfile();
    mp_event *event;
    int fd = fileno(out);

    must(mp_event_create(&event, NULL));
    must(mp_describe(event, out));
    ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(text, ": not set; nobody waits\n"));
    must(mp_event_destroy(event));
    fclose(out);
}
END_TEST

/* ---- Queues ---- */

static int
get_one(void *arg)
{
    char byte;

    return mp_queue_get(*(mp_queue **)arg, &byte, 1, MP_FOREVER) != 1;
}

static int
put_one(void *arg)
{
    return mp_queue_put(*(mp_queue **)arg, "x", 1, MP_FOREVER);
}

START_TEST(describe_queue_content)
{
    mp_queue *plain, *limited, *small;

    must(mp_queue_create(&plain, NULL));
    must(mp_queue_create(&small, MP_QUEUE_ATTR(.max_bytes = 100)));
    must(mp_queue_create(&limited,
                         MP_QUEUE_ATTR(.maxsize = 9, .max_bytes = 100)));
    expect_report(
        plain, "queue @: empty; nobody waits to get; nobody waits to put\n");
    for (int i = 0; i < 3; i++) {
        must(mp_queue_put(plain, "12345", 5, MP_NOW));
        must(mp_queue_put(limited, "12345", 5, MP_NOW));
    }
    must(mp_queue_put(small, "12345", 5, MP_NOW));
    expect_report(plain, "queue @: 3 messages; nobody waits to get; nobody "
                         "waits to put\n");
    expect_report(small, "queue @: 1 message, 5 bytes (at most 100 bytes); "
                         "nobody waits to get; nobody waits to put\n");
    must(mp_queue_close(limited));
    expect_report(
        limited, "queue @: 3 messages, 15 bytes (at most 9 messages, 100 "
                 "bytes), closed; nobody waits to get; nobody waits to put\n");
    must(mp_queue_destroy(plain));
    must(mp_queue_destroy(limited));
    must(mp_queue_destroy(small));
}
END_TEST

START_TEST(describe_queue_getters)
{
    mp_time before = mp__now(), seen;
    mp_process *first, *second;
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    first = start_named("first", get_one, queue);
    await_report(queue,
                 "queue @: empty; 1 waits to get; nobody waits to put\n"
                 "  pid %d (first) waits for #, to get\n",
                 pid_of(first));
    second = start_named("second", get_one, queue);
    await_report(queue,
                 "queue @: empty; 2 wait to get; nobody waits to put\n"
                 "  pid %d (first) waits for #, to get\n"
                 "  pid %d (second) waits for #, to get\n",
                 pid_of(first), pid_of(second));
    seen = let_time_pass();
    expect_time(queue, "(first) waits for ", before, seen);
    expect_time(queue, "(second) waits for ", before, seen);
    kill_named(first);
    await_report(queue,
                 "queue @: empty; 1 waits to get; nobody waits to put\n"
                 "  pid %d (second) waits for #, to get\n",
                 pid_of(second));
    must(mp_queue_put(queue, "x", 1, MP_NOW));
    ck_assert_int_eq(end_of(second), 0);
    expect_report(
        queue, "queue @: empty; nobody waits to get; nobody waits to put\n");
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(describe_queue_putters)
{
    mp_process *first;
    mp_queue *queue;

    must(mp_queue_create(&queue, MP_QUEUE_ATTR(.maxsize = 1)));
    must(mp_queue_put(queue, "x", 1, MP_NOW));
    first = start_named("first", put_one, queue);
    await_report(queue,
                 "queue @: 1 message (at most 1 message); nobody waits to "
                 "get; 1 waits to put\n"
                 "  pid %d (first) waits for #, to put\n",
                 pid_of(first));
    ck_assert_int_eq(mp_queue_get(queue, &(char){0}, 1, MP_NOW), 1);
    ck_assert_int_eq(end_of(first), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* As if it were stopped in the middle of a put. */
static int
stay_in_put(void *arg)
{
    mp_queue *queue = *(mp_queue **)arg;

    if (mp__enter() < 0)
        return 1;
    mp__mutex_lock(&queue->producers.mutex);
    return sleep_for_ever(NULL);
}

START_TEST(describe_queue_putter_at_work)
{
    mp_process *stuck, *behind;
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    stuck = start_named("stuck", stay_in_put, queue);
    await_report(queue,
                 "queue @: empty; nobody waits to get; nobody waits to put\n"
                 "  pid %d (stuck) is putting\n",
                 pid_of(stuck));
    behind = start_named("behind", put_one, queue);
    await_report(queue,
                 "queue @: empty; nobody waits to get; 1 waits to put\n"
                 "  pid %d (stuck) is putting\n"
                 "  pid %d (behind) waits for #, to put\n",
                 pid_of(stuck), pid_of(behind));
    kill_named(stuck);
    ck_assert_int_eq(end_of(behind), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Processes ---- */

static int
leave_with_three(void *unused)
{
    (void)unused;
    return 3;
}

START_TEST(describe_process_life)
{
    mp_process *process;
    int pid;

    must(mp_process_start(&process, sleep_for_ever, NULL, 0,
                          MP_PROCESS_ATTR(.name = "reader", .daemon = 1,
                                          .method = methods[_i])));
    pid = pid_of(process);
    expect_report(process,
                  "process @ \"reader\": pid %d runs; a daemon; child of pid "
                  "%d (MainProcess)\n",
                  pid, getpid());
    must(mp_process_kill(process));
    if (methods[_i] != MP_FORKSERVER) /* the server asks at once */
        await_report(process,
                     "process @ \"reader\": pid %d has ended, nobody has "
                     "asked how yet; a daemon; child of pid %d "
                     "(MainProcess)\n",
                     pid, getpid());
    must(mp_process_join(process, MP_FOREVER));
    expect_report(process,
                  "process @ \"reader\": pid %d has ended: killed by signal 9 "
                  "(SIGKILL); a daemon; child of pid %d (MainProcess)\n",
                  pid, getpid());
    must(mp_process_close(process));
    must(mp_process_start(&process, leave_with_three, NULL, 0,
                          MP_PROCESS_ATTR(.name = "three")));
    must(mp_process_join(process, MP_FOREVER));
    expect_report(process,
                  "process @ \"three\": pid %d has ended: exit code 3; child "
                  "of pid %d (MainProcess)\n",
                  pid_of(process), getpid());
    must(mp_process_close(process));
    expect_report(mp_current_process(),
                  "process @ \"MainProcess\": pid %d runs\n", getpid());
}
END_TEST

static int
hold(void *arg)
{
    return mp_lock_acquire(*(mp_lock **)arg, MP_FOREVER);
}

START_TEST(describe_process_tells_what_it_waits_for)
{
    mp_process *buyer, *getter;
    mp_queue *queue;
    mp_lock *lock;

    must(mp_queue_create(&queue, NULL));
    must(mp_lock_create(&lock, NULL));
    must(mp_lock_acquire(lock, MP_NOW));
    buyer = start_named("buyer", hold, lock);
    getter = start_named("getter", get_one, queue);
    await_report(buyer,
                 "process @ \"buyer\": pid %d runs; child of pid %d "
                 "(MainProcess)\n"
                 "  pid %d (buyer) waits for #, for lock @\n",
                 pid_of(buyer), getpid(), pid_of(buyer));
    await_report(getter,
                 "process @ \"getter\": pid %d runs; child of pid %d "
                 "(MainProcess)\n"
                 "  pid %d (getter) waits for #, for queue @\n",
                 pid_of(getter), getpid(), pid_of(getter));
    kill_named(buyer);
    kill_named(getter);
    must(mp_lock_release(lock));
    must(mp_lock_destroy(lock));
    must(mp_queue_destroy(queue));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("describe");
    TCase *tcase = family_case(suite, "contract", 30);

    tcase_add_test(tcase, describe_refuses_what_is_no_object);
    tcase_add_test(tcase, describe_tells_of_a_stream_in_error);
    tcase_add_test(tcase, describe_hands_on_at_once);
    tcase = family_case(suite, "queue", 60);
    tcase_add_test(tcase, describe_queue_content);
    tcase_add_test(tcase, describe_queue_getters);
    tcase_add_test(tcase, describe_queue_putters);
    tcase_add_test(tcase, describe_queue_putter_at_work);
    tcase = family_case(suite, "process", 60);
    tcase_add_loop_test(tcase, describe_process_life, 0, METHODS);
    tcase_add_test(tcase, describe_process_tells_what_it_waits_for);
    return mp_test_main(suite);
}
