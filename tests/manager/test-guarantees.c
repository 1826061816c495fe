/* SPDX-License-Identifier: MIT */
/* The promises of mproc-guarantees(7) that a manager has to keep, each by tests
 * that bear its number. */
#include "link/kit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 4, THREADS_ = 8, TIMES = 200 };

#define TRACE "/tmp/mproc-test-was-here"

static mp_manager *manager;
static mp_dict *dict;
static mp_queue *queue;

/* In the test: a manager that has a dict and a queue. */
static const char *
serve(const char *address)
{
    manager = kit_start(address);
    must(mp_manager_dict(manager, &dict));
    must(mp_manager_queue(manager, &queue, 0));
    must(mp_manager_publish(manager, "dict", dict));
    must(mp_manager_publish(manager, "queue", queue));
    return mp_manager_address(manager);
}

static void
expect_sum(int sum)
{
    int found = 0;

    must(mp_dict_get(dict, "s", "sum", "i", &found));
    ck_assert_int_eq(found, sum);
}

/* ---- G12 ---- */

/* A program that knows the protocol, and says what it likes. */
static int
liar(const char *address, int number)
{
    static const char *const names[] = {
        "system", "mp_process_start", "exit", "list_append2", "", "dict"};
    mp_conn *conn;
    mp_any answer;
    int r;

    (void)number;
    need(mp_connect(&conn, address,
                    MP_CONN_ATTR(.authkey = KIT_KEY, .authkey_size = SIZE_MAX),
                    mp_timeout(20)));
    need(mp_conn_sendf(conn, "[s,i,n]", "mproc", 1));
    need(mp_conn_recv_any(conn, &answer, mp_timeout(20)));
    mp_any_free(answer);
    for (int i = 0; i < (int)LENGTH(names); i++) {
        need(mp_conn_sendf(conn, "[i,i,i,s,i,i,n,[s]]", i + 1, 0, 1, names[i],
                           0, 0, "touch " TRACE));
        need(mp_conn_recv_any(conn, &answer, mp_timeout(20)));
        need(mp_any_parse(answer, "[_,i,_,_,_]", &r));
        need(r < 0 ? 0 : -EPROTO);
        mp_any_free(answer);
    }
    mp_conn_close(conn);
    return 0;
}

START_TEST(G12_what_is_no_operation_is_not_called)
{
    remote_end(remote_start("liar", serve("unix:"), 0));
    ck_assert_int_ne(access(TRACE, F_OK), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- G13 ---- */

static int
stranger(const char *address, int number)
{
    mp_manager *there;
    int r = mp_manager_connect(
        &there, address,
        MP_MANAGER_ATTR(.authkey = "another key, as long as that",
                        .authkey_size = SIZE_MAX));

    (void)number;
    need(r == -EKEYREJECTED && *mp_last_error() ? 0 : -EPROTO);
    return 0;
}

START_TEST(G13_manager_over_tcp_knows_those_with_the_key)
{
    const char *address = serve("tcp:127.0.0.1:0");
    mp_any statistics, rejected;
    int64_t n = 0;

    remote_end(remote_start("stranger", address, 0));
    remote_end(remote_start("adder", address, 1));
    expect_sum(1);
    must(mp_manager_statistics(manager, &statistics));
    must(mp_any_entry(statistics, "rejected", &rejected));
    must(mp_any_get_int(rejected, &n));
    ck_assert_int_eq(n, 1);
    mp_any_free(statistics);
    kit_shutdown(manager);
}
END_TEST

/* ---- G24 ---- */

static int
add(mp_dict *there, int times)
{
    for (int i = 0; i < times; i++)
        need(mp_dict_add_int(there, 1, NULL, "s", "sum"));
    return 0;
}

static int
adder(const char *address, int times)
{
    mp_manager *there = kit_connect(address);

    add(kit_lookup(there, "dict", "dict"), times);
    need(mp_manager_close(there));
    return 0;
}

START_TEST(G24_remote_dict_add_is_atomic)
{
    struct remote *clients[CLIENTS];
    const char *address = serve("unix:");

    for (int i = 0; i < CLIENTS; i++)
        clients[i] = remote_start("adder", address, TIMES);
    for (int i = 0; i < TIMES; i++) /* at home meanwhile */
        must(mp_dict_add_int(dict, 1, NULL, "s", "sum"));
    for (int i = 0; i < CLIENTS; i++)
        remote_end(clients[i]);
    expect_sum((CLIENTS + 1) * TIMES);
    kit_shutdown(manager);
}
END_TEST

/* ---- G25 ---- */

static int
count_threads(pid_t pid)
{
    struct dirent *entry;
    char path[60];
    int n = 0;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    ck_assert_ptr_nonnull(tasks);
    while ((entry = readdir(tasks)))
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

static int
waiter(const char *address, int number)
{
    mp_manager *there = kit_connect(address);
    mp_queue *from = kit_lookup(there, "queue", "queue");
    int x = 0;

    (void)number;
    role_say("waits");
    need(mp_queue_getf(from, "i", &x));
    need(x == 42 ? 0 : -EPROTO);
    need(mp_manager_close(there));
    return 0;
}

START_TEST(G25_the_server_has_one_thread_whoever_waits)
{
    struct remote *clients[CLIENTS];
    const char *address = serve("unix:");
    mp_process *server = mp_manager_process(manager);

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = remote_start("waiter", address, 0);
        remote_expect(clients[i], "waits");
    }
    ck_assert_int_eq(count_threads(mp_process_pid(server)), 1);
    for (int i = 0; i < CLIENTS; i++)
        must(mp_queue_putf(queue, "i", 42));
    for (int i = 0; i < CLIENTS; i++)
        remote_end(clients[i]);
    kit_shutdown(manager);
}
END_TEST

START_TEST(G25_at_home_the_server_has_no_part_in_a_call)
{
    mp_process *server;
    mp_dict *found;
    mp_list *list;
    mp_lock *lock;
    pid_t pid;

    serve("unix:");
    server = mp_manager_process(manager);
    pid = mp_process_pid(server);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    wait_until(process_state(pid) == 'T', 20);
    must(mp_manager_list(manager, &list));
    must(mp_manager_lock(manager, &lock));
    must(mp_list_append(list, "s", "Hello"));
    must(mp_lock_acquire(lock, MP_NOW));
    must(mp_lock_release(lock));
    must(mp_dict_add_int(dict, 3, NULL, "s", "sum"));
    must(mp_manager_lookup(manager, "dict", "dict", &found));
    ck_assert_ptr_eq(found, dict);
    expect_sum(3);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- G26 ---- */

static void *
add_in_a_thread(void *arg)
{
    add(arg, TIMES);
    return NULL;
}

static int
threads(const char *address, int number)
{
    mp_manager *there = kit_connect(address);
    mp_dict *sums = kit_lookup(there, "dict", "dict");
    pthread_t all[THREADS_];

    (void)number;
    for (int i = 0; i < THREADS_; i++)
        need(-pthread_create(&all[i], NULL, add_in_a_thread, sums));
    for (int i = 0; i < THREADS_; i++)
        pthread_join(all[i], NULL);
    need(mp_manager_close(there));
    return 0;
}

START_TEST(G26_a_remote_handle_is_used_by_many_threads)
{
    remote_end(remote_start("threads", serve("unix:"), 0));
    expect_sum(THREADS_ * TIMES);
    kit_shutdown(manager);
}
END_TEST

static int
add_in_a_child(void *arg)
{
    return add(*(mp_dict **)arg, TIMES);
}

static void
expect_good(mp_process *process)
{
    int code = -1;

    need(mp_process_join(process, mp_timeout(60)));
    need(mp_process_exitcode(process, &code));
    need(code == 0 ? 0 : -ECHILD);
}

/* Children by plain fork and by each start method; it goes on meanwhile. */
static int
parent(const char *address, int number)
{
    mp_manager *there = kit_connect(address);
    mp_dict *sums = kit_lookup(there, "dict", "dict");
    mp_process *children[2];
    int status;
    pid_t forked;

    (void)number;
    add(sums, 1);
    forked = fork();
    need(forked);
    if (forked == 0)
        _exit(add_in_a_child(&sums));
    for (int i = 0; i < 2; i++)
        need(mp_process_start(
            &children[i], add_in_a_child, &sums, sizeof(sums),
            MP_PROCESS_ATTR(.method = i ? MP_SPAWN : MP_FORK)));
    add(sums, TIMES);
    need(waitpid(forked, &status, 0));
    need(status == 0 ? 0 : -ECHILD);
    for (int i = 0; i < 2; i++)
        expect_good(children[i]);
    need(mp_manager_close(there));
    return 0;
}

START_TEST(G26_a_remote_handle_is_good_in_children)
{
    remote_end(remote_start("parent", serve("unix:"), 0));
    expect_sum(4 * TIMES + 1);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"liar", liar},     {"stranger", stranger}, {"adder", adder},
    {"waiter", waiter}, {"threads", threads},   {"parent", parent},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("guarantees");
    TCase *tcase = mp_test_case(suite, "guarantees", 60);

    tcase_add_test(tcase, G12_what_is_no_operation_is_not_called);
    tcase_add_test(tcase, G13_manager_over_tcp_knows_those_with_the_key);
    tcase_add_test(tcase, G24_remote_dict_add_is_atomic);
    tcase_add_test(tcase, G25_the_server_has_one_thread_whoever_waits);
    tcase_add_test(tcase, G25_at_home_the_server_has_no_part_in_a_call);
    tcase_add_test(tcase, G26_a_remote_handle_is_used_by_many_threads);
    tcase_add_test(tcase, G26_a_remote_handle_is_good_in_children);
    return kit_main(argc, argv, suite);
}
