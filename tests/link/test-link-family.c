/* SPDX-License-Identifier: MIT */
/* Remote handles in a family: its threads and processes share them, and each
 * process has a connection of its own. */
#include "link/kit.h"
#include "link/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_ 4
#define THREADS_   4
#define CALLS      100

static mp_manager *home;

static mp_manager *
open_home(const char *address)
{
    mp_list *list;
    mp_lock *lock;

    home = kit_start(address);
    must(mp_manager_list(home, &list));
    must(mp_manager_lock(home, &lock));
    must(mp_manager_publish(home, "list", list));
    must(mp_manager_publish(home, "lock", lock));
    return home;
}

static void *
at_home(const char *name, const char *type)
{
    void *object;

    must(mp_manager_lookup(home, name, type, &object));
    return object;
}

/* The test is at home; the family under test is that of a role, which does the
 * rest and says whether it went well. */
static void
play(const char *role, const char *address)
{
    struct remote *remote;

    open_home(address);
    remote = remote_start(role, mp_manager_address(home), 0);
    remote_end(remote);
}

/* ---- Threads, and processes ---- */

struct shared {
    mp_list *list;
    mp_lock *lock;
    int base;
};

static void *
append_some(void *arg)
{
    const struct shared *shared = arg;

    for (int i = 0; i < CALLS; i++) {
        need(mp_lock_acquire(shared->lock, MP_FOREVER));
        need(mp_list_append(shared->list, "i", shared->base + i));
        need(mp_lock_release(shared->lock));
    }
    return NULL;
}

static int
append_by_threads(void *arg)
{
    const struct shared *shared = arg;
    struct shared parts[THREADS_];
    pthread_t threads[THREADS_];

    for (int i = 0; i < THREADS_; i++) {
        parts[i] = *shared;
        parts[i].base = shared->base + i * CALLS;
        pthread_create(&threads[i], NULL, append_some, &parts[i]);
    }
    for (int i = 0; i < THREADS_; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int
crowd(const char *address, int method)
{
    mp_manager *manager = kit_connect(address);
    mp_process *processes[PROCESSES_];
    struct shared shared = {
        .list = kit_lookup(manager, "list", "list"),
        .lock = kit_lookup(manager, "lock", "lock"),
    };

    (void)method;
    for (int i = 0; i < PROCESSES_; i++) {
        shared.base = i * THREADS_ * CALLS;
        need(mp_process_start(
            &processes[i], append_by_threads, &shared, sizeof(shared),
            MP_PROCESS_ATTR(.method = i % 2 ? MP_SPAWN : MP_FORK)));
    }
    for (int i = 0; i < PROCESSES_; i++) {
        int code;

        need(mp_process_join(processes[i], MP_FOREVER));
        need(mp_process_exitcode(processes[i], &code));
        need(code ? -EIO : 0);
        need(mp_process_close(processes[i]));
    }
    /* Ours is still there. */
    shared.base = PROCESSES_ * THREADS_ * CALLS;
    append_some(&shared);
    need(mp_manager_close(manager));
    return 0;
}

START_TEST(threads_and_processes_share_handles)
{
    size_t n = (PROCESSES_ * THREADS_ + 1) * CALLS;
    char *seen = calloc(n, 1);
    mp_list *list;
    int x;

    play("crowd", _i ? "tcp:127.0.0.1:0" : "unix:");
    list = at_home("list", "list");
    ck_assert_int_eq(mp_list_len(list), (ssize_t)n);
    for (size_t i = 0; i < n; i++) {
        must(mp_list_get(list, (int64_t)i, "i", &x));
        ck_assert_int_eq(seen[x]++, 0);
    }
    free(seen);
    kit_shutdown(home);
}
END_TEST

/* ---- Handles ---- */

#define hold(condition) need((condition) ? 0 : -EIO)

static int
keeper(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list = kit_lookup(manager, "list", "list"), *own, *same;
    void *lock = kit_lookup(manager, "lock", "lock");
    int x;

    (void)number;
    hold(kit_lookup(manager, "list", "list") == list);
    hold(mp_manager_lookup(manager, "list", "dict", &same) == -EINVAL);
    hold(mp_manager_lookup(manager, "none", "list", &same) == -ENOENT);
    /* A local list has it, and gives it back as it was. */
    need(mp_list_create(&own));
    need(mp_list_append(own, "h", list));
    need(mp_list_get(own, 0, "h", &same));
    hold(same == list);
    need(mp_list_destroy(own));
    /* What is not there for a remote one says so. */
    hold(mp_lock_release((mp_lock *)list) == -EBADF);
    hold(mp_lock_release(lock) < 0);
    need(mp_manager_forget(manager, lock));
    hold(mp_lock_acquire(lock, MP_NOW) == -EBADF);
    hold(mp_manager_forget(manager, lock) == -EBADF);
    /* Of one's own: destroying ends the handle, too. */
    need(mp_manager_list(manager, &own));
    need(mp_list_append(own, "i", 1));
    need(mp_list_get(own, 0, "i", &x));
    need(mp_list_destroy(own));
    hold(mp_list_len(own) == -EBADF);
    hold(mp__far_slab(own) == -1);
    need(mp_manager_close(manager));
    hold(mp_list_len(list) == -EBADF);
    return 0;
}

START_TEST(handles_come_and_go)
{
    play("keeper", "unix:");
    must(mp_lock_acquire(at_home("lock", "lock"), MP_NOW));
    must(mp_lock_release(at_home("lock", "lock")));
    kit_shutdown(home);
}
END_TEST

/* ---- Keys ---- */

static int
stranger(const char *address, int number)
{
    mp_manager *manager;
    int r;

    (void)number;
    r = mp_manager_connect(
        &manager, address,
        MP_MANAGER_ATTR(.authkey = "another key that is long",
                        .authkey_size = SIZE_MAX));
    hold(r == -EKEYREJECTED);
    r = mp_manager_connect(
        &manager, address,
        MP_MANAGER_ATTR(.authkey = KIT_KEY, .authkey_size = SIZE_MAX));
    need(r);
    need(mp_manager_close(manager));
    return 0;
}

START_TEST(who_has_not_the_key_is_not_let_in)
{
    play("stranger", _i ? "tcp:127.0.0.1:0" : "unix:");
    kit_shutdown(home);
}
END_TEST

START_TEST(a_family_does_not_connect_to_itself)
{
    mp_manager *manager;

    open_home("unix:");
    must_fail(mp_manager_connect(&manager, mp_manager_address(home),
                                 MP_MANAGER_ATTR(.authkey = KIT_KEY,
                                                 .authkey_size = SIZE_MAX)),
              -EINVAL, "of this family");
    must_fail(mp_manager_close(home), -EINVAL, "mp_manager_shutdown");
    kit_shutdown(home);
}
END_TEST

/* ---- The server is killed ---- */

static int
survivor(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list = kit_lookup(manager, "list", "list");
    mp_lock *lock = kit_lookup(manager, "lock", "lock");
    int r;

    (void)number;
    need(mp_lock_acquire(lock, MP_FOREVER));
    need(mp_list_append(list, "i", 1));
    role_say("held");
    role_wait();
    r = mp_list_append(list, "i", 2);
    hold(r == -EPIPE);
    hold(strstr(mp_last_error(), "lost") != NULL ||
         strstr(mp_last_error(), "ended") != NULL);
    role_wait();
    do
        r = mp_list_append(list, "i", 3);
    while (r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE);
    need(r);
    hold(mp_lock_release(lock) < 0); /* it was lost */
    need(mp_manager_close(manager));
    return 0;
}

START_TEST(G26_a_killed_server_is_told_of_and_another_goes_on)
{
    mp_lock *lock;
    struct remote *remote;
    int r;

    open_home("unix:");
    lock = at_home("lock", "lock");
    remote = remote_start("survivor", mp_manager_address(home), 0);
    remote_expect(remote, "held");
    must(mp_process_kill(mp_manager_process(home)));
    must(mp_process_join(mp_manager_process(home), MP_FOREVER));
    r = mp_lock_acquire(lock, mp_timeout(10));
    ck_assert_int_eq(r, -EOWNERDEAD);
    must(mp_lock_release(lock));
    remote_tell(remote);
    must(mp_manager_restart(home));
    remote_tell(remote);
    remote_end(remote);
    kit_shutdown(home);
}
END_TEST

/* ---- Users' types, at home ---- */

static int
create_counter(void **ret_self, mp_any args)
{
    (void)args;
    *ret_self = calloc(1, sizeof(int64_t));
    return *ret_self ? 0 : -ENOMEM;
}

static int
add(void *self, mp_any args, mp_any_writer *result)
{
    int64_t *count = self;
    int x = 0;
    int r = mp_any_parse(args, "[i]", &x);

    if (r < 0)
        return r;
    *count += x;
    return mp_any_write_int(result, *count);
}

static const mp_method methods[] = {{"add", add}};
static const mp_type_ops counter = {
    .size = sizeof(counter),
    .n_methods = 1,
    .methods = methods,
    .create = create_counter,
    .destroy = free,
};

static int
add_in_child(void *object)
{
    int64_t sum;

    for (int i = 0; i < CALLS; i++)
        need(mp_object_call(*(mp_object **)object, "add", MP_FOREVER, "i > q",
                            1, &sum));
    return 0;
}

START_TEST(a_familys_own_calls_go_by_a_pipe)
{
    mp_object *object;
    mp_process *processes[PROCESSES_];
    int64_t sum = 0;
    int r;

    must(mp_manager_register("counter", &counter));
    open_home("unix:");
    must(mp_manager_object(home, &object, "counter", ""));
    for (int i = 0; i < PROCESSES_; i++)
        must(mp_process_start(&processes[i], add_in_child, &object,
                              sizeof(object), NULL));
    for (int i = 0; i < PROCESSES_; i++) {
        must(mp_process_join(processes[i], MP_FOREVER));
        must(mp_process_close(processes[i]));
    }
    must(mp_object_call(object, "add", MP_FOREVER, "i > q", 1, &sum));
    ck_assert_int_eq(sum, PROCESSES_ * CALLS + 1);
    must(mp_process_kill(mp_manager_process(home)));
    must(mp_process_join(mp_manager_process(home), MP_FOREVER));
    must_fail(mp_object_call(object, "add", MP_FOREVER, "i > q", 1, &sum),
              -EPIPE, "server");
    must(mp_manager_restart(home));
    must(mp_manager_object(home, &object, "counter", ""));
    r = mp_object_call(object, "add", MP_FOREVER, "i > q", 1, &sum);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(sum, 1);
    kit_shutdown(home);
}
END_TEST

/* ---- One that waits for long ---- */

#define MANY 2500 /* more than the server keeps answers for */

static void *
wait_for_lock(void *lock)
{
    need(mp_lock_acquire(lock, MP_FOREVER));
    need(mp_lock_release(lock));
    return NULL;
}

static int
patient(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list = kit_lookup(manager, "list", "list");
    mp_lock *other;
    pthread_t thread;

    (void)number;
    need(mp_manager_lock(manager, &other));
    pthread_create(&thread, NULL, wait_for_lock,
                   kit_lookup(manager, "lock", "lock"));
    role_wait(); /* until it waits */
    for (int i = 0; i < MANY; i++)
        need(mp_list_append(list, "i", i));
    for (int i = 0; i < MANY; i++) {
        need(mp_lock_acquire(other, MP_NOW));
        need(mp_lock_release(other));
    }
    role_say("done");
    pthread_join(thread, NULL);
    return 0;
}

START_TEST(one_may_wait_while_others_make_any_number_of_calls)
{
    struct remote *remote;
    mp_lock *lock;

    open_home(_i ? "tcp:127.0.0.1:0" : "unix:");
    lock = at_home("lock", "lock");
    must(mp_lock_acquire(lock, MP_NOW));
    remote = remote_start("patient", mp_manager_address(home), 0);
    wait_until(mp_lock_waiters(lock, NULL, 0) == 1, 30);
    remote_tell(remote);
    remote_expect(remote, "done");
    must(mp_lock_release(lock));
    remote_end(remote);
    ck_assert_int_eq(mp_list_len(at_home("list", "list")), MANY);
    kit_shutdown(home);
}
END_TEST

const struct role roles[] = {
    {"crowd", crowd},       {"keeper", keeper},   {"stranger", stranger},
    {"survivor", survivor}, {"patient", patient}, {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("link-family");
    TCase *tcase = mp_test_case(suite, "family", 60);

    tcase_add_loop_test(tcase, threads_and_processes_share_handles, 0, 2);
    tcase_add_test(tcase, handles_come_and_go);
    tcase_add_loop_test(tcase, who_has_not_the_key_is_not_let_in, 0, 2);
    tcase_add_test(tcase, a_family_does_not_connect_to_itself);
    tcase_add_test(tcase, G26_a_killed_server_is_told_of_and_another_goes_on);
    tcase_add_test(tcase, a_familys_own_calls_go_by_a_pipe);
    tcase_add_loop_test(
        tcase, one_may_wait_while_others_make_any_number_of_calls, 0, 2);
    return kit_main(argc, argv, suite);
}
