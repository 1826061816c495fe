/* SPDX-License-Identifier: MIT */
/* A thousand clients, each killed at a random moment. What they held is given
 * back, what they made and did not publish is gone, and nobody is kept
 * waiting. */
#include "link/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS 1000
#define CROWD   20 /* at a time */
#define PERMITS 3
#define ITEMS   50

static mp_manager *home;
static mp_lock *lock;
static mp_semaphore *permits;
static mp_queue *items;
static mp_value *before, *after;

static void
look_up(mp_manager *manager)
{
    lock = kit_lookup(manager, "lock", "lock");
    permits = kit_lookup(manager, "permits", "semaphore");
    items = kit_lookup(manager, "items", "queue");
    before = kit_lookup(manager, "before", "value");
    after = kit_lookup(manager, "after", "value");
}

/* ---- The client ---- */

/* Both values go up together, under the lock; who finds that an owner died sees
 * to it. */
static void
count_under_lock(void)
{
    int64_t x, y;
    int r = mp_lock_acquire(lock, MP_FOREVER);

    if (r != -EOWNERDEAD)
        need(r);
    need(mp_value_get(before, &x));
    need(mp_value_get(after, &y));
    if (r == 0 && x != y)
        need(-EIO);
    need(mp_value_set(before, x + 1));
    need(mp_value_set(after, x + 1));
    need(mp_lock_release(lock));
}

/* What it takes it puts back: an item that it has when it dies is gone. */
static void
take_and_put_back(void)
{
    int item;

    need(mp_queue_getf(items, "i", &item));
    need(mp_queue_putf(items, "i", item));
}

static int
victim(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *own;

    look_up(manager);
    need(mp_manager_list(manager, &own));
    need(mp_list_append(own, "i", number));
    role_say("begun");
    for (;;) {
        count_under_lock();
        need(mp_semaphore_acquire(permits, MP_FOREVER));
        take_and_put_back();
        need(mp_semaphore_release(permits));
    }
    return 0;
}

/* ---- The test ---- */

static void
publish(const char *name, void *object)
{
    must(mp_manager_publish(home, name, object));
}

static void
open_all(const char *address)
{
    home = kit_start(address);
    must(mp_manager_lock(home, &lock));
    must(mp_manager_semaphore(home, &permits, PERMITS));
    must(mp_manager_queue(home, &items, 0));
    must(mp_manager_value(home, &before, 'q', MP_SCALAR(0)));
    must(mp_manager_value(home, &after, 'q', MP_SCALAR(0)));
    publish("lock", lock);
    publish("permits", permits);
    publish("items", items);
    publish("before", before);
    publish("after", after);
}

/* There are always enough items: what the dead took is put in again. */
static void
refill(void)
{
    while (mp_queue_size(items) < ITEMS)
        must(mp_queue_putf(items, "i", 1));
}

static void
run_crowd(const char *address, int first)
{
    struct remote *remotes[CROWD];

    for (int i = 0; i < CROWD; i++)
        remotes[i] = remote_start("victim", address, first + i);
    for (int i = 0; i < CROWD; i++)
        remote_expect(remotes[i], "begun");
    for (int i = 0; i < CROWD; i++) {
        refill();
        usleep((useconds_t)(rand() % 3000));
        remote_kill(remotes[i]);
    }
}

static int64_t
statistic(const char *name)
{
    mp_any all, one;
    int64_t x = -1;

    must(mp_manager_statistics(home, &all));
    must(mp_any_entry(all, name, &one));
    must(mp_any_get_int(one, &x));
    mp_any_free(all);
    return x;
}

static void
check_after(uint64_t lists)
{
    int64_t x, y;
    int r = mp_lock_acquire(lock, mp_timeout(30));

    if (r != -EOWNERDEAD)
        must(r);
    must(mp_value_get(before, &x));
    must(mp_value_get(after, &y));
    ck_assert_int_gt(x, 0);
    ck_assert(x == y || (r == -EOWNERDEAD && x == y + 1));
    must(mp_lock_release(lock));
    for (int i = 0; i < PERMITS; i++)
        must(mp_semaphore_acquire(permits, mp_timeout(30)));
    for (int i = 0; i < PERMITS; i++)
        must(mp_semaphore_release(permits));
    wait_until(heap_now().objects[MP__SLAB_LIST] == lists, 60);
    wait_until(statistic("sessions") == 1, 60); /* that is us */
}

START_TEST(G25_what_a_killed_client_held_is_given_back)
{
    uint64_t lists;
    int n = _i ? CLIENTS / 10 : CLIENTS;

    open_all(_i ? "tcp:127.0.0.1:0" : "unix:");
    lists = heap_now().objects[MP__SLAB_LIST];
    for (int i = 0; i < n; i += CROWD)
        run_crowd(mp_manager_address(home), i);
    check_after(lists);
    kit_shutdown(home);
}
END_TEST

const struct role roles[] = {{"victim", victim}, {NULL, NULL}};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("link-killed");
    TCase *tcase = mp_test_case(suite, "killed", 280);

    tcase_add_loop_test(tcase, G25_what_a_killed_client_held_is_given_back, 0,
                        2);
    return kit_main(argc, argv, suite);
}
