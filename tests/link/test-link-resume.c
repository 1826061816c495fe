/* SPDX-License-Identifier: MIT */
/* A network that cuts connections, swallows bytes and is slow: no call is lost,
 * and none is executed twice. */
#include "link/kit.h"
#include "link/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS  3
#define THREADS_ 4
#define CALLS    60 /* of each kind, by each thread */
#define EACH     1000000

/* Of the server, when it is the network alone that can fail. */
#define PATIENCE 240

static mp_manager *home;
static mp_list *list;
static mp_dict *dict;
static mp_queue *queue;
static mp_lock *lock;
static mp_value *value;

static void
publish_all(double patience)
{
    home = kit_start_patient("tcp:127.0.0.1:0", patience);
    must(mp_manager_list(home, &list));
    must(mp_manager_dict(home, &dict));
    must(mp_manager_queue(home, &queue, 0));
    must(mp_manager_lock(home, &lock));
    must(mp_manager_value(home, &value, 'q', MP_SCALAR(0)));
    must(mp_manager_publish(home, "list", list));
    must(mp_manager_publish(home, "dict", dict));
    must(mp_manager_publish(home, "queue", queue));
    must(mp_manager_publish(home, "lock", lock));
    must(mp_manager_publish(home, "value", value));
}

static void
look_up_all(mp_manager *manager)
{
    list = kit_lookup(manager, "list", "list");
    dict = kit_lookup(manager, "dict", "dict");
    queue = kit_lookup(manager, "queue", "queue");
    lock = kit_lookup(manager, "lock", "lock");
    value = kit_lookup(manager, "value", "value");
}

/* ---- Exactly once ---- */

/* Appends values of its own, counts, and takes from the queue what it gives to
 * the dict: each item of the queue is one entry there. */
static void *
work(void *arg)
{
    int64_t base = *(int64_t *)arg, sum;
    int item;

    for (int i = 0; i < CALLS; i++) {
        need(mp_list_append(list, "q", base + i));
        need(mp_dict_add_int(dict, 1, &sum, "s", "count"));
        need(mp_queue_getf(queue, "i", &item));
        need(mp_dict_setdefault(dict, "i", item, "q", base + i) - 1);
        need(mp_lock_acquire(lock, MP_FOREVER));
        need(mp_value_get(value, &sum));
        need(mp_value_set(value, sum + 1));
        need(mp_lock_release(lock));
    }
    return NULL;
}

/* The threads of one client; `number` is where its values begin. */
static int
worker(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    pthread_t threads[THREADS_];
    int64_t bases[THREADS_];

    look_up_all(manager);
    for (int i = 0; i < THREADS_; i++) {
        bases[i] = (int64_t)(number * THREADS_ + i) * EACH;
        pthread_create(&threads[i], NULL, work, &bases[i]);
    }
    for (int i = 0; i < THREADS_; i++)
        pthread_join(threads[i], NULL);
    need(mp_manager_close(manager));
    return 0;
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Each value of each thread is there, once. */
static void
check_values(mp_list *of, int clients)
{
    size_t n = (size_t)clients * THREADS_ * CALLS, i = 0;
    int64_t *values = calloc(n, sizeof(*values));

    ck_assert_int_eq(mp_list_len(of), (ssize_t)n);
    for (i = 0; i < n; i++)
        must(mp_list_get(of, (int64_t)i, "q", &values[i]));
    qsort(values, n, sizeof(*values), compare);
    for (i = 0; i < n; i++)
        ck_assert_int_eq(values[i],
                         (int64_t)(i / CALLS) * EACH + (int64_t)(i % CALLS));
    free(values);
}

static void
check_all(int clients)
{
    int64_t n = (int64_t)clients * THREADS_ * CALLS, x;

    check_values(list, clients);
    must(mp_dict_get(dict, "s", "count", "q", &x));
    ck_assert_int_eq(x, n);
    ck_assert_int_eq(mp_dict_len(dict), n + 1);
    ck_assert_int_eq(mp_queue_size(queue), 0);
    must(mp_value_get(value, &x));
    ck_assert_int_eq(x, n);
    must(mp_lock_acquire(lock, MP_NOW));
    must(mp_lock_release(lock));
}

static void
run_clients(const char *address, int clients)
{
    struct remote *remotes[CLIENTS];
    int n = clients * THREADS_ * CALLS;

    for (int i = 0; i < n; i++)
        must(mp_queue_putf(queue, "i", i));
    for (int i = 0; i < clients; i++)
        remotes[i] = remote_start("worker", address, i);
    for (int i = 0; i < clients; i++)
        remote_end(remotes[i]);
}

START_TEST(G24_a_bad_network_loses_no_call_and_doubles_none)
{
    struct relay relay;

    publish_all(PATIENCE);
    relay_start(&relay, mp_manager_address(home), (unsigned)_i + 1, 8000);
    run_clients(relay.address, CLIENTS);
    ck_assert_uint_gt(mp__load(&relay.cuts), 3);
    relay_end(&relay);
    check_all(CLIENTS);
    kit_shutdown(home);
}
END_TEST

START_TEST(a_good_network_is_the_same)
{
    publish_all(0);
    run_clients(mp_manager_address(home), CLIENTS);
    check_all(CLIENTS);
    kit_shutdown(home);
}
END_TEST

/* ---- Held across a cut ---- */

static int
holder(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);

    (void)number;
    lock = kit_lookup(manager, "lock", "lock");
    need(mp_lock_acquire(lock, MP_FOREVER));
    role_say("held");
    role_wait();
    need(mp_lock_release(lock));
    role_say("released");
    role_wait();
    need(mp_lock_acquire(lock, MP_FOREVER)); /* waits across the cuts */
    role_say("held again");
    role_wait();
    return 0;
}

START_TEST(G24_what_is_held_stays_held_across_a_cut)
{
    struct relay relay;
    struct remote *remote;

    publish_all(0);
    relay_start(&relay, mp_manager_address(home), 1, 0);
    remote = remote_start("holder", relay.address, 0);
    remote_expect(remote, "held");
    mp__store(&relay.cut_now, 1);
    wait_until(mp__load(&relay.cuts) == 1, 10);
    ck_assert_int_eq(mp_lock_acquire(lock, mp_timeout(0.2)), -ETIMEDOUT);
    remote_tell(remote);
    remote_expect(remote, "released");
    must(mp_lock_acquire(lock, MP_NOW));
    remote_tell(remote);
    for (unsigned i = 0; i < 3; i++) {
        usleep(50000); /* it waits, or is about to */
        mp__store(&relay.cut_now, 1);
        wait_until(mp__load(&relay.cut_now) == 0, 10);
    }
    must(mp_lock_release(lock));
    remote_expect(remote, "held again");
    remote_kill(remote);
    /* A process that dies is not a network that breaks. */
    ck_assert_int_eq(mp_lock_acquire(lock, mp_timeout(10)), -EOWNERDEAD);
    must(mp_lock_release(lock));
    relay_end(&relay);
    kit_shutdown(home);
}
END_TEST

/* ---- While there is no way ---- */

static int
caller(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    int r;

    (void)number;
    list = kit_lookup(manager, "list", "list");
    lock = kit_lookup(manager, "lock", "lock");
    need(mp_list_append(list, "i", 1));
    role_say("ready");
    role_wait();
    r = mp_lock_acquire(lock, mp_timeout(0.2));
    role_say("%d", r);
    role_wait();
    need(mp_list_append(list, "i", 2));
    role_say("appended");
    role_wait();
    return 0;
}

START_TEST(a_deadline_holds_while_there_is_no_way)
{
    struct relay relay;
    struct remote *remote;
    char *line;

    publish_all(0);
    relay_start(&relay, mp_manager_address(home), 1, 0);
    remote = remote_start("caller", relay.address, 0);
    remote_expect(remote, "ready");
    mp__store(&relay.down, 1);
    mp__store(&relay.cut_now, 1);
    wait_until(mp__load(&relay.cuts) == 1, 10);
    remote_tell(remote);
    line = remote_line(remote);
    ck_assert_int_eq(atoi(line), -ETIMEDOUT);
    free(line);
    /* Nobody has the lock, whatever became of the call. */
    remote_tell(remote);
    mp__store(&relay.down, 0);
    remote_expect(remote, "appended");
    must(mp_lock_acquire(lock, mp_timeout(10)));
    ck_assert_int_eq(mp_list_len(list), 2);
    remote_tell(remote);
    remote_end(remote);
    relay_end(&relay);
    kit_shutdown(home);
}
END_TEST

const struct role roles[] = {
    {"worker", worker},
    {"holder", holder},
    {"caller", caller},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("link-resume");
    TCase *network = mp_test_case(suite, "network", 120);
    TCase *cuts = mp_test_case(suite, "cuts", 60);

    tcase_add_test(network, a_good_network_is_the_same);
    tcase_add_loop_test(
        network, G24_a_bad_network_loses_no_call_and_doubles_none, 0, 4);
    tcase_add_test(cuts, G24_what_is_held_stays_held_across_a_cut);
    tcase_add_test(cuts, a_deadline_holds_while_there_is_no_way);
    return kit_main(argc, argv, suite);
}
