/* SPDX-License-Identifier: MIT */
/* Names: who may have one, what a name finds, at home and from elsewhere; what a
 * manager makes of each type; and what its end leaves. */
#include "link/kit.h"

#include "link/proxy.h"
#include "registry/record.h"
#include "task/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static mp_manager *
start(int i)
{
    static const char *const addresses[] = {"unix:", "tcp:127.0.0.1:0"};

    return kit_start(addresses[i % 2]);
}

/* ---- Making ---- */

/* One of each type. 0, or the line that does not hold. */
#define hold(x)              \
    do {                     \
        if (!(x))            \
            return __LINE__; \
    } while (0)

static const char *const types[] = {
    "list",  "dict",      "set",   "namespace", "value",   "array", "lock",
    "rlock", "semaphore", "event", "condition", "barrier", "queue", "pool",
};
#define TYPES LENGTH(types)

static int
make(mp_manager *manager, size_t i, void *ret)
{
    switch (i) {
    case 0:
        return mp_manager_list(manager, ret);
    case 1:
        return mp_manager_dict(manager, ret);
    case 2:
        return mp_manager_set(manager, ret);
    case 3:
        return mp_manager_namespace(manager, ret);
    case 4:
        return mp_manager_value(manager, ret, 'i', MP_SCALAR(-42));
    case 5:
        return mp_manager_array(manager, ret, 'd', 10);
    case 6:
        return mp_manager_lock(manager, ret);
    case 7:
        return mp_manager_rlock(manager, ret);
    case 8:
        return mp_manager_semaphore(manager, ret, 0);
    case 9:
        return mp_manager_event(manager, ret);
    case 10:
        return mp_manager_condition(manager, ret);
    case 11:
        return mp_manager_barrier(manager, ret, 2);
    case 12:
        return mp_manager_joinable_queue(manager, ret, 3);
    default:
        return mp_manager_pool(manager, ret, 1);
    }
}

static int
make_all(mp_manager *manager)
{
    for (size_t i = 0; i < TYPES; i++) {
        void *object, *found;

        hold(make(manager, i, &object) == 0);
        hold(mp_manager_publish(manager, types[i], object) == 0);
        hold(mp_manager_lookup(manager, types[i], types[i], &found) == 0);
        hold(found == object);
        hold(mp_manager_lookup(manager, types[i], types[(i + 1) % TYPES],
                               &found) == -EINVAL);
        hold(strstr(mp_last_error(), types[i]));
    }
    return 0;
}

static int
refusals(mp_manager *manager)
{
    mp_semaphore *semaphore;
    mp_barrier *barrier;
    mp_array *array;
    mp_value *value;
    mp_list *list;

    hold(mp_manager_list(manager, NULL) == -EINVAL);
    hold(strstr(mp_last_error(), "mp_manager_list"));
    hold(mp_manager_value(manager, &value, 'i', MP_SCALAR(2.5)) == -ERANGE);
    hold(mp_manager_value(manager, &value, '&', MP_SCALAR(0)) == -EINVAL);
    hold(mp_manager_array(manager, &array, '&', 1) == -EINVAL);
    hold(mp_manager_barrier(manager, &barrier, 0) == -EINVAL);
    hold(mp_manager_bounded_semaphore(manager, &semaphore, 0) == -EINVAL);
    hold(mp_manager_list(manager, &list) == 0);
    hold(mp_manager_publish(manager, "", list) == -EINVAL);
    hold(mp_manager_publish(manager, NULL, list) == -EINVAL);
    hold(mp_manager_publish(manager, "x", NULL) < 0);
    hold(mp_manager_publish(manager, "x", (void *)&value) == -EBADF);
    hold(mp_manager_lookup(manager, "x", "list", &list) == -ENOENT);
    hold(strstr(mp_last_error(), "'x'"));
    hold(mp_manager_lookup(manager, "x", NULL, &list) == -EINVAL);
    hold(mp_manager_unpublish(manager, "x") == -ENOENT);
    return 0;
}

static int
do_all(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_value *value;
    int x = 0;

    (void)number;
    need(-make_all(manager));
    need(-refusals(manager));
    value = kit_lookup(manager, "value", "value");
    need(mp_value_get(value, &x));
    need(x == -42 ? 0 : -1);
    return 0;
}

START_TEST(each_type_is_made_and_found)
{
    mp_manager *manager = start(_i);
    mp_any names;
    mp_pool *pool;
    mp_queue *queue;

    ck_assert_int_eq(make_all(manager), 0);
    ck_assert_int_eq(refusals(manager), 0);
    must(mp_manager_lookup(manager, "pool", "pool", &pool));
    must(mp_pool_destroy(pool));
    remote_end(remote_start("do_all", mp_manager_address(manager), 0));
    must(mp_manager_names(manager, &names));
    ck_assert_int_eq(mp_any_size(names), TYPES);
    mp_any_free(names);
    must(mp_manager_lookup(manager, "queue", "queue", &queue));
    must(mp_queue_put(queue, "abc", 3, MP_NOW));
    kit_shutdown(manager);
}
END_TEST

/* ---- Names ---- */

START_TEST(names_move_and_go)
{
    mp_manager *manager = start(0);
    mp_list *a, *b, *found;
    mp_dict *dict;
    mp_any names, type;

    must(mp_manager_list(manager, &a));
    must(mp_list_create(&b)); /* whoever has made it */
    must(mp_manager_publish(manager, "it", a));
    must(mp_manager_publish(manager, "it", b));
    must(mp_manager_publish(manager, "too", b));
    must(mp_manager_lookup(manager, "it", "list", &found));
    ck_assert_ptr_eq(found, b);
    must(mp_manager_unpublish(manager, "too"));
    must_fail(mp_manager_lookup(manager, "too", "list", &found), -ENOENT,
              "'too'");
    must(mp_manager_names(manager, &names));
    must(mp_any_entry(names, "it", &type));
    mp_any_free(names);
    must(mp_list_destroy(b));
    must_fail(mp_manager_lookup(manager, "it", "list", &found), -EBADF,
              "destroyed");
    must(mp_manager_dict(manager, &dict));
    must(mp_manager_publish(manager, "it", dict));
    must(mp_manager_lookup(manager, "it", "dict", &dict));
    kit_shutdown(manager);
}
END_TEST

static int
look_for_it(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list;

    (void)number;
    need(mp_manager_lookup(manager, "it", "list", &list) == -EBADF ? 0 : -1);
    return 0;
}

/* The next object in the same cell is not taken for it, whose name it had. */
START_TEST(names_do_not_find_the_next_in_the_cell)
{
    mp_manager *manager = start(0);
    mp_list *list, *other = NULL, *found, *lists[3000];
    size_t n = 0;

    must(mp_list_create(&list));
    must(mp_manager_publish(manager, "it", list));
    must(mp_list_destroy(list));
    while (other != list && n < LENGTH(lists)) {
        must(mp_list_create(&other));
        lists[n++] = other;
    }
    ck_assert_ptr_eq(other, list);
    must_fail(mp_manager_lookup(manager, "it", "list", &found), -EBADF, "it");
    remote_end(remote_start("look_for_it", mp_manager_address(manager), 0));
    while (n > 0)
        must(mp_list_destroy(lists[--n]));
    kit_shutdown(manager);
}
END_TEST

/* ---- What nobody from outside may touch ---- */

/* A handle of whatever is at that address. */
static void *
forge(mp_manager *manager, int slab, uint64_t address)
{
    int error = 0;
    void *handle =
        mp__proxy_get(manager, manager->family, slab, address, &error);

    need(handle ? 0 : error);
    return handle;
}

static int
forge_all(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *numbers = kit_lookup(manager, "numbers", "list");
    uint64_t queue, dict, mine;

    (void)number;
    need(mp_list_get(numbers, 0, "Q", &queue));
    need(mp_list_get(numbers, 1, "Q", &dict));
    need(mp_list_get(numbers, 2, "Q", &mine));
    need(mp_queue_put(forge(manager, MP__SLAB_QUEUE, queue), "12345678", 8,
                      MP_NOW) == -EBADF
             ? 0
             : -1);
    need(mp_dict_clear(forge(manager, MP__SLAB_DICT, dict)) == -EBADF ? 0
                                                                      : -1);
    need(mp_manager_publish(manager, "x",
                            forge(manager, MP__SLAB_DICT, dict)) == -EBADF
             ? 0
             : -1);
    need(mp_list_append(numbers, "h", forge(manager, MP__SLAB_DICT, dict)));
    /* Of another class; in the midst of an object; nowhere. */
    need(mp_dict_len(forge(manager, MP__SLAB_DICT, mine)) == -EBADF ? 0 : -1);
    for (uint64_t at = mine - 4096; at < mine + 4096; at += 8)
        need(at == mine || mp_queue_close(
                               forge(manager, MP__SLAB_QUEUE, at)) == -EBADF
                 ? 0
                 : -1);
    need(mp_queue_close(forge(manager, MP__SLAB_QUEUE, 64)) == -EBADF ? 0
                                                                      : -1);
    need(mp_queue_close(forge(manager, MP__SLAB_QUEUE, UINT64_MAX - 63)) ==
                 -EBADF
             ? 0
             : -1);
    return 0;
}

START_TEST(inner_objects_cannot_be_reached)
{
    mp_manager *manager = start(0);
    mp_list *numbers;
    mp_pool *pool;
    mp_dict *none;

    must(mp_manager_list(manager, &numbers));
    must(mp_manager_pool(manager, &pool, 1));
    must(mp_manager_publish(manager, "numbers", numbers));
    must(mp_list_append(numbers, "Q", (uint64_t)(uintptr_t)pool->queue));
    must(mp_list_append(numbers, "Q", (uint64_t)(uintptr_t)manager->names));
    must(mp_list_append(numbers, "Q", (uint64_t)(uintptr_t)numbers));
    remote_end(remote_start("forge_all", mp_manager_address(manager), 0));
    must_fail(mp_list_append(numbers, "h", manager->names), -EBADF, "");
    must_fail(mp_list_get(numbers, -1, "h", &none), -EBADF, "");
    ck_assert_uint_eq(mp_queue_size(pool->queue), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- The end ---- */

START_TEST(shutdown_destroys_what_the_manager_made)
{
    struct mp__heap_report before, after;
    mp_manager *manager = start(0);
    mp_list *ours, *gone = NULL, *stays;
    void *object;

    must(mp_list_create(&stays));
    must(mp__heap_audit(&before));
    must(mp_manager_list(manager, &gone));
    must(mp_list_destroy(gone)); /* by hand: it stays noted */
    for (size_t i = 0; i < TYPES; i++)
        must(make(manager, i, &object));
    must(mp_list_create(&ours));
    kit_shutdown(manager);
    ck_assert_int_eq(mp_list_len(ours), 0);
    ck_assert_int_eq(mp_list_len(stays), 0);
    must(mp_list_destroy(ours));
    must(mp__heap_audit(&after));
    for (int i = 0; i < MP__SLABS; i++)
        if (i != MP__SLAB_NOTICE && i != MP__SLAB_PROCESS)
            ck_assert_msg(after.objects[i] <= before.objects[i],
                          "%d objects of class %d more",
                          (int)(after.objects[i] - before.objects[i]), i);
    must(mp_list_destroy(stays));
}
END_TEST

/* A private object that came into the cell of one of the manager's lives on. */
START_TEST(shutdown_leaves_the_next_in_the_cell)
{
    mp_manager *manager = start(0);
    mp_list *list, *other = NULL, *lists[3000];
    size_t n = 0;

    must(mp_manager_list(manager, &list));
    must(mp_list_destroy(list));
    while (other != list && n < LENGTH(lists)) {
        must(mp_list_create(&other));
        lists[n++] = other;
    }
    ck_assert_ptr_eq(other, list);
    kit_shutdown(manager);
    must(mp_list_append(other, "i", 1));
    while (n > 0)
        must(mp_list_destroy(lists[--n]));
}
END_TEST

/* ---- The server dies ---- */

static int
go_on(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list = kit_lookup(manager, "list", "list");
    int n = 0, r;

    (void)number;
    need(mp_list_append(list, "i", 1));
    role_say("before");
    role_wait();
    r = mp_list_append(list, "i", 2); /* its server has died */
    if (r == -EPIPE)
        r = mp_list_append(list, "i", 2);
    need(r);
    need(mp_list_get(list, -1, "i", &n));
    need(n == 2 ? 0 : -1);
    need(mp_manager_lookup(manager, "list", "list", &list));
    need(mp_list_append(list, "i", 3));
    return 0;
}

START_TEST(a_new_server_takes_over)
{
    mp_manager *manager = start(_i);
    struct remote *remote;
    mp_process *process;
    mp_list *list;

    must(mp_manager_list(manager, &list));
    must(mp_manager_publish(manager, "list", list));
    remote = remote_start("go_on", mp_manager_address(manager), 0);
    remote_expect(remote, "before");
    process = mp_manager_process(manager);
    must(mp_process_kill(process));
    must(mp_process_join(process, mp_timeout(20)));
    must(mp_process_close(process));
    must(mp_list_append(list, "s", "nobody serves")); /* at home all go on */
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    ck_assert_int_eq(mp_manager_restart(manager), 0);
    remote_tell(remote);
    remote_end(remote);
    ck_assert_int_eq(mp_list_len(list), 4);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"do_all", do_all}, {"look_for_it", look_for_it},
    {"go_on", go_on},   {"forge_all", forge_all},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("names");
    TCase *tcase = mp_test_case(suite, "names", 60);

    tcase_add_loop_test(tcase, each_type_is_made_and_found, 0, 2);
    tcase_add_test(tcase, names_move_and_go);
    tcase_add_test(tcase, names_do_not_find_the_next_in_the_cell);
    tcase_add_test(tcase, inner_objects_cannot_be_reached);
    tcase_add_test(tcase, shutdown_destroys_what_the_manager_made);
    tcase_add_test(tcase, shutdown_leaves_the_next_in_the_cell);
    tcase_add_loop_test(tcase, a_new_server_takes_over, 0, 2);
    return kit_main(argc, argv, suite);
}
