/* SPDX-License-Identifier: MIT */
/* Queues from another family: all that can be done there; blocking ones with
 * their deadlines; and messages on their way to a client that dies, or whose
 * server does: they are at the front again, once. */
#include "link/kit.h"

#include "queue/consume.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define hold(x)              \
    do {                     \
        if (!(x))            \
            return __LINE__; \
    } while (0)

static mp_manager *
start(int i)
{
    static const char *const addresses[] = {"unix:", "tcp:127.0.0.1:0"};

    return kit_start(addresses[i % 2]);
}

/* ---- One conversation, wherever the queue is ---- */

static int
talk_in_bytes(mp_queue *queue)
{
    char buf[8], many[4][2];
    size_t sizes[4];

    hold(mp_queue_get(queue, buf, sizeof(buf), MP_NOW) == -EAGAIN);
    hold(mp_queue_get(queue, buf, sizeof(buf), mp_timeout(0.05)) ==
         -ETIMEDOUT);
    hold(mp_queue_put(queue, "Hello", 5, MP_NOW) == 0);
    hold(mp_queue_put(queue, NULL, 0, MP_FOREVER) == 0);
    hold(mp_queue_size(queue) == 2 && mp_queue_empty(queue) == 0);
    hold(mp_queue_next_size(queue, MP_NOW) == 5);
    hold(mp_queue_get(queue, buf, 2, MP_NOW) == -EMSGSIZE);
    hold(strstr(mp_last_error(), "5 bytes"));
    hold(mp_queue_size(queue) == 2);
    hold(mp_queue_get(queue, buf, sizeof(buf), MP_FOREVER) == 5);
    hold(memcmp(buf, "Hello", 5) == 0);
    hold(mp_queue_get(queue, NULL, 0, mp_timeout(5)) == 0);
    hold(mp_queue_put_many(queue, "aabbccdd", 2, 4, MP_NOW) == 4);
    hold(mp_queue_full(queue) == 1);
    hold(mp_queue_put(queue, "x", 1, MP_NOW) == -EAGAIN);
    hold(mp_queue_put(queue, "x", 1, mp_timeout(0.05)) == -ETIMEDOUT);
    hold(mp_queue_put_many(queue, "xx", 1, 2, mp_timeout(0.05)) == -ETIMEDOUT);
    hold(mp_queue_get_many(queue, many, 2, 3, sizes, MP_NOW) == 3);
    hold(memcmp(many, "aabbcc", 6) == 0 && sizes[2] == 2);
    hold(mp_queue_put_many(queue, "xyz_", 1, 4, mp_timeout(0.1)) == 3);
    hold(mp_queue_get_many(queue, many, 2, 4, NULL, MP_NOW) == 4);
    hold(mp_queue_get_many(queue, many, 2, 4, NULL, MP_NOW) == -EAGAIN);
    hold(mp_queue_put_priority(queue, "x", 1, 1, MP_NOW) == -EINVAL);
    hold(mp_queue_size(queue) == 0);
    return 0;
}

static int
talk_in_values(mp_queue *queue)
{
    double numbers[2];
    size_t room = 1;
    char *text;
    mp_any any;
    int n = 0;

    hold(mp_queue_putf(queue, "[i,s,n]", 42, "Hello") == 0);
    hold(mp_queue_put_item(queue, MP_LIST(1.5, 2.5), MP_NOW) == 0);
    hold(mp_queue_getf(queue, "i", &n) == -EINVAL);
    hold(mp_queue_size(queue) == 2);
    hold(mp_queue_getf(queue, "[i,s,n]", &n, &text) == 0);
    hold(n == 42 && strcmp(text, "Hello") == 0);
    free(text);
    hold(mp_queue_getf(queue, "*d", numbers, &room) == -EMSGSIZE);
    hold(mp_queue_size(queue) == 1);
    hold(mp_queue_get_any(queue, &any, MP_NOW) == 0);
    hold(mp_queue_put_any(queue, any, MP_NOW) == 0);
    hold(mp_any_size(any) == 2);
    mp_any_free(any);
    room = 2;
    hold(mp_queue_getf(queue, "*d", numbers, &room) == 0 && room == 2);
    hold(numbers[1] == 2.5);
    hold(mp_queue_put(queue, "\xc1", 1, MP_NOW) == 0); /* no value */
    hold(mp_queue_get_any(queue, &any, MP_NOW) == -EPROTO);
    hold(mp_queue_size(queue) == 1);
    hold(mp_queue_get(queue, &n, sizeof(n), MP_NOW) == 1);
    return 0;
}

static int
talk_of_tasks(mp_queue *queue)
{
    char c;

    hold(mp_queue_join(queue, MP_NOW) == 0);
    hold(mp_queue_put(queue, "a", 1, MP_NOW) == 0);
    hold(mp_queue_put(queue, "b", 1, MP_NOW) == 0);
    hold(mp_queue_unfinished(queue) == 2);
    hold(mp_queue_task_done(queue) == -EOVERFLOW);
    hold(mp_queue_get(queue, &c, 1, MP_NOW) == 1 && c == 'a');
    hold(mp_queue_get(queue, &c, 1, MP_NOW) == 1 && c == 'b');
    hold(mp_queue_task_done(queue) == 0);
    hold(mp_queue_join(queue, MP_NOW) == -EAGAIN);
    hold(mp_queue_join(queue, mp_timeout(0.05)) == -ETIMEDOUT);
    hold(mp_queue_task_done(queue) == 0);
    hold(mp_queue_join(queue, MP_FOREVER) == 0);
    hold(mp_queue_task_done(queue) == -EOVERFLOW);
    return 0;
}

static int
talk(mp_queue *queue, mp_queue *tasks)
{
    int line = talk_in_bytes(queue);

    if (!line)
        line = talk_in_values(queue);
    if (!line)
        line = talk_of_tasks(tasks);
    hold(!line ||
         (fprintf(stderr, "line %d: %s\n", line, mp_last_error()), 0));
    return 0;
}

static int
converse(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_queue *queue = kit_lookup(manager, "queue", "queue");
    mp_queue *tasks = kit_lookup(manager, "tasks", "queue");
    mp_message message;
    void *data;
    char c;

    (void)number;
    need(-talk(queue, tasks));
    need(mp_queue_task_done(queue) == -EINVAL ? 0 : -1);
    need(mp_queue_reserve(queue, 1, &data, MP_NOW) == -EREMOTE ? 0 : -1);
    need(mp_queue_take(queue, &message, MP_NOW) == -EREMOTE ? 0 : -1);
    need(mp_queue_fd(queue) == -EREMOTE ? 0 : -1);
    need(mp_queue_close(queue));
    need(mp_queue_put(queue, "x", 1, MP_NOW) == -ESHUTDOWN ? 0 : -1);
    need(mp_queue_get(queue, &c, 1, MP_NOW) == -ESHUTDOWN ? 0 : -1);
    need(mp_queue_destroy(queue));
    need(mp_queue_size(queue) == 0 ? 0 : -1);
    need(mp_queue_put(queue, "x", 1, MP_NOW) == -EBADF ? 0 : -1);
    return 0;
}

START_TEST(queues_at_home_and_from_elsewhere)
{
    mp_manager *manager = start(_i);
    mp_queue *queue, *tasks;

    must(mp_manager_queue(manager, &queue, 4));
    must(mp_manager_joinable_queue(manager, &tasks, 0));
    must(mp_manager_publish(manager, "queue", queue));
    must(mp_manager_publish(manager, "tasks", tasks));
    ck_assert_int_eq(talk(queue, tasks), 0);
    remote_end(remote_start("converse", mp_manager_address(manager), 0));
    ck_assert_int_eq(talk_of_tasks(tasks), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- Waiting ---- */

static int
get_and_tell(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_queue *queue = kit_lookup(manager, "queue", "queue");
    int n;

    role_say("waits");
    for (int i = 0; i < number; i++) {
        need(mp_queue_getf(queue, "i", &n));
        role_say("%d", n);
        role_wait();
    }
    return 0;
}

START_TEST(a_get_that_waits)
{
    mp_manager *manager = start(_i);
    struct remote *remote;
    mp_queue *queue;

    must(mp_manager_queue(manager, &queue, 0));
    must(mp_manager_publish(manager, "queue", queue));
    remote = remote_start("get_and_tell", mp_manager_address(manager), 3);
    remote_expect(remote, "waits");
    for (int i = 1; i <= 3; i++) {
        char text[8];

        must(mp_queue_putf(queue, "i", i));
        snprintf(text, sizeof(text), "%d", i);
        remote_expect(remote, text);
        remote_tell(remote);
    }
    remote_end(remote);
    ck_assert_uint_eq(mp_queue_size(queue), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- Death ---- */

/* A manager that waits for no client for long whose connection broke: that of a
 * killed one may be reset, as if the network had done it. */
static mp_manager *
start_impatient(int i)
{
    mp_manager *manager;

    if (i % 2 == 0)
        return kit_start("unix:");
    kit_warm_up();
    must(mp_manager_start(
        &manager,
        MP_MANAGER_ATTR(.address = "tcp:127.0.0.1:0", .authkey = KIT_KEY,
                        .authkey_size = SIZE_MAX, .patience = 0.2)));
    return manager;
}

/* The server knows of the deaths of all clients but this process. */
static void
await_end_of_remotes(mp_manager *manager)
{
    int64_t sessions = 2;
    mp_any all, item;

    for (int i = 0; i < 2000 && sessions > 1; i++) {
        must(mp_manager_statistics(manager, &all));
        must(mp_any_entry(all, "sessions", &item));
        must(mp_any_get_int(item, &sessions));
        mp_any_free(all);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    ck_assert_int_le(sessions, 1);
}

/* Stops before what has come can have been confirmed: by a format whose
 * destination says no, over and over. */
static int
take_badly(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_queue *queue = kit_lookup(manager, "queue", "queue");
    double x[1];
    size_t n;

    (void)number;
    role_say("begins");
    do
        n = 1;
    while (mp_queue_getf(queue, "*d", x, &n) == -EMSGSIZE);
    role_wait(); /* its server has died */
    return 0;
}

START_TEST(a_message_on_its_way_comes_back)
{
    static const double two[] = {1, 2};
    mp_manager *manager = start_impatient(_i);
    struct remote *remote;
    mp_queue *queue;
    double got[2];
    size_t n;
    int last;

    must(mp_manager_queue(manager, &queue, 0));
    must(mp_manager_publish(manager, "queue", queue));
    for (int round = 0; round < 5; round++) {
        must(mp_queue_putf(queue, "*d", two, (size_t)2));
        must(mp_queue_putf(queue, "i", -1));
        remote = remote_start("take_badly", mp_manager_address(manager), 0);
        remote_expect(remote, "begins");
        if (round % 2)
            nanosleep(&(struct timespec){.tv_nsec = 3000000 * round}, NULL);
        remote_kill(remote);
        await_end_of_remotes(manager);
        ck_assert_uint_eq(mp_queue_size(queue), 2);
        n = 2;
        must(mp_queue_getf(queue, "*d", got, &n));
        ck_assert_uint_eq(n, 2);
        must(mp_queue_getf(queue, "i", &last));
        ck_assert_uint_eq(mp_queue_size(queue), 0);
    }
    kit_shutdown(manager);
}
END_TEST

/* The server is killed while it has messages on their way. */
START_TEST(a_message_of_a_dead_server_comes_back)
{
    static const double two[] = {1, 2};
    mp_manager *manager = kit_start("unix:");
    struct remote *remote;
    mp_process *process;
    mp_queue *queue;
    double got[2];
    size_t n = 2;
    int last;

    must(_i ? mp_manager_joinable_queue(manager, &queue, 0)
            : mp_manager_queue(manager, &queue, 0));
    must(mp_manager_publish(manager, "queue", queue));
    for (int round = 0; round < 5; round++) {
        must(mp_queue_putf(queue, "*d", two, n));
        must(mp_queue_putf(queue, "i", -1));
        remote = remote_start("take_badly", mp_manager_address(manager), 0);
        remote_expect(remote, "begins");
        wait_until(queue->mode & MP__QUEUE_SERVED, 20);
        process = mp_manager_process(manager);
        must(mp_process_kill(process));
        must(mp_process_join(process, mp_timeout(20)));
        must(mp_process_close(process));
        remote_kill(remote);
        must(mp_queue_getf(queue, "*d", got, &n));
        ck_assert_uint_eq(n, 2);
        must(mp_queue_getf(queue, "i", &last));
        ck_assert_uint_eq(mp_queue_size(queue), 0);
        if (_i) {
            must(mp_queue_task_done(queue));
            must(mp_queue_task_done(queue));
            must(mp_queue_join(queue, mp_timeout(20)));
        }
        ck_assert_int_eq(mp_manager_restart(manager), 1);
    }
    kit_shutdown(manager);
}
END_TEST

/* Gets and tells, one after the other, until it is killed: what it has told it
 * has got. */
static int
get_for_ever(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_queue *queue = kit_lookup(manager, "queue", "queue");
    mp_list *told = kit_lookup(manager, "told", "list");
    int n;

    (void)number;
    role_say("begins");
    for (;;) {
        need(mp_queue_getf(queue, "i", &n));
        need(mp_list_append(told, "i", n));
    }
    return 0;
}

/* Who is killed between a get and what it does with it has lost that one at the
 * most; nothing comes twice, and in order. */
START_TEST(consumers_killed_lose_one_at_the_most)
{
    enum { DEATHS = 8, MESSAGES = 4000 };
    mp_manager *manager = start_impatient(_i);
    struct remote *remote;
    mp_queue *queue;
    mp_list *told;
    int n, last = -1, len;

    must(mp_manager_queue(manager, &queue, 0));
    must(mp_manager_list(manager, &told));
    must(mp_manager_publish(manager, "queue", queue));
    must(mp_manager_publish(manager, "told", told));
    for (int i = 0; i < MESSAGES; i++)
        must(mp_queue_putf(queue, "i", i));
    for (int i = 0; i < DEATHS; i++) {
        ssize_t had = mp_list_len(told);

        remote = remote_start("get_for_ever", mp_manager_address(manager), 0);
        remote_expect(remote, "begins");
        wait_until(mp_list_len(told) > had || mp_queue_size(queue) == 0, 20);
        remote_kill(remote);
        await_end_of_remotes(manager);
    }
    while (mp_queue_size(queue) > 0) {
        must(mp_queue_getf(queue, "i", &n));
        must(mp_list_append(told, "i", n));
    }
    len = (int)mp_list_len(told);
    for (int i = 0; i < len; i++) {
        must(mp_list_get(told, i, "i", &n));
        ck_assert_int_gt(n, last);
        last = n;
    }
    ck_assert_int_ge(len, MESSAGES - DEATHS);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"converse", converse},
    {"get_and_tell", get_and_tell},
    {"take_badly", take_badly},
    {"get_for_ever", get_for_ever},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = mp_test_case(suite, "queue", 60);

    tcase_add_loop_test(tcase, queues_at_home_and_from_elsewhere, 0, 2);
    tcase_add_loop_test(tcase, a_get_that_waits, 0, 2);
    tcase_add_loop_test(tcase, a_message_on_its_way_comes_back, 0, 2);
    tcase_add_loop_test(tcase, a_message_of_a_dead_server_comes_back, 0, 2);
    tcase_add_loop_test(tcase, consumers_killed_lose_one_at_the_most, 0, 2);
    return kit_main(argc, argv, suite);
}
