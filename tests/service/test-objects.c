/* SPDX-License-Identifier: MIT */
/* Collections of a manager: what can be done to one at home can be done from
 * another family, with the same results; handles as values, in both directions;
 * and whose objects are. */
#include "link/kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_EMPTY ((mp_any){0})

/* What does not hold ends the conversation with its line. */
#define hold(x)              \
    do {                     \
        if (!(x))            \
            return __LINE__; \
    } while (0)

/* ---- One conversation with each, wherever it is ---- */

static mp_any
made(mp_any_writer *writer, const char *format, ...)
{
    va_list args;
    mp_any any = {0};

    va_start(args, format);
    mp_any_vbuild(writer, format, args);
    va_end(args);
    mp_any_end(writer, &any);
    return any;
}

static int
says(mp_any any, const char *text)
{
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    int same;

    mp_any_print(any, file);
    fclose(file);
    same = strcmp(data, text) == 0;
    if (!same)
        fprintf(stderr, "%s, not %s\n", data, text);
    free(data);
    return same;
}

/* As it is printed. */
#define prints(type, object, text) \
    (prints_by((int (*)(void *, FILE *))mp_##type##_print, object, text))
static int
prints_by(int (*print)(void *object, FILE *out), void *object,
          const char *text)
{
    char *data = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&data, &size);
    int r = print(object, file), same;

    fclose(file);
    same = r == 0 && strcmp(data, text) == 0;
    if (!same)
        fprintf(stderr, "%s, not %s\n", data, text);
    free(data);
    return same;
}

static int
talk_to_list(void *handle)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_list *list = handle;
    int64_t sum = 0;
    double x = 0;
    mp_any any;
    char *text;
    int n = 0;

    hold(mp_list_append(list, "s", "Hello") == 0);
    hold(mp_list_append(list, "[i,n]", 42) == 0);
    hold(mp_list_insert(list, 0, "d", 0.5) == 0);
    hold(mp_list_extend(list, "[i,i,i]", 3, 1, 2) == 0);
    hold(mp_list_len(list) == 6);
    hold(prints(list, list, "[0.5, 'Hello', [42, None], 3, 1, 2]"));
    hold(mp_list_get(list, 2, "[i,n]", &n) == 0 && n == 42);
    hold(mp_list_get(list, -5, "s", &text) == 0);
    hold(strcmp(text, "Hello") == 0);
    free(text);
    hold(mp_list_get(list, 6, "v", &any) == -ERANGE);
    hold(strstr(mp_last_error(), "mp_list_get"));
    hold(mp_list_get(list, 1, "i", &n) == -EINVAL);
    hold(strstr(mp_last_error(), "expected int, got str"));
    hold(mp_list_pop(list, 1, "i", &n) == -EINVAL); /* it stays */
    hold(mp_list_len(list) == 6);
    hold(mp_list_pop(list, 1, "s", &text) == 0);
    free(text);
    hold(mp_list_pop(list, 1, NULL) == 0);
    hold(mp_list_pop(list, 0, "d", &x) == 0 && x == 0.5);
    hold(mp_list_sort(list, 0) == 0 && prints(list, list, "[1, 2, 3]"));
    hold(mp_list_sort(list, MP_LIST_DESCENDING) == 0);
    hold(mp_list_reverse(list) == 0 && prints(list, list, "[1, 2, 3]"));
    hold(mp_list_set(list, -1, "i", 7) == 0);
    hold(mp_list_add_int(list, 0, 10, &sum) == 0 && sum == 11);
    hold(mp_list_add_double(list, 0, 0.5, &x) == 0 && x == 11.5);
    hold(mp_list_add_int(list, 0, 1, NULL) == 0);
    hold(mp_list_index(list, "i", 7) == 2);
    hold(mp_list_index(list, "i", 8) == -ENOENT);
    hold(mp_list_count(list, "i", 2) == 1);
    hold(mp_list_remove(list, "i", 2) == 0);
    hold(mp_list_slice(list, 0, MP_LIST_END, -1, &any) == 0);
    hold(says(any, "[12.5]"));
    mp_any_free(any);
    hold(mp_list_slice(list, -1, MP_LIST_END, -1, &any) == 0);
    hold(says(any, "[7, 12.5]"));
    hold(mp_list_equal(list, any) == 0);
    mp_any_free(any);
    hold(mp_list_slice(list, 0, MP_LIST_END, 0, &any) == -EINVAL);
    any = made(&w, "[i,i]", 5, 6);
    hold(mp_list_replace(list, 1, 2, any) == 0);
    hold(prints(list, list, "[12.5, 5, 6]"));
    any = made(&w, "[i,i]", 5, 9);
    hold(mp_list_compare_exchange(list, 1, (mp_any){"\x05", 1}, any) == 1);
    hold(mp_list_compare_exchange(list, 1, (mp_any){"\x05", 1}, any) == 0);
    hold(mp_list_compare_exchange(list, 9, any, any) == -ERANGE);
    hold(prints(list, list, "[12.5, [5, 9], 6]"));
    mp_any_discard(&w);
    hold(mp_list_clear(list) == 0 && mp_list_len(list) == 0);
    return 0;
}

static int
talk_to_dict(void *handle)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any_writer w = MP_ANY_WRITER;
    mp_dict *dict = handle;
    mp_any any, key, value;
    int64_t sum = 0;
    double x = 0;
    int n = 0;

    hold(mp_dict_set(dict, "s", "answer", "[i,d]", 42, 0.5) == 0);
    hold(mp_dict_set(dict, "i", 1, "n") == 0);
    hold(mp_dict_get(dict, "s", "answer", "[_,d]", &x) == 0 && x == 0.5);
    hold(mp_dict_get(dict, "s", "question", "i", &n) == -ENOENT);
    hold(strstr(mp_last_error(), "mp_dict_get"));
    hold(mp_dict_set(dict, "[]", "i", 1) == -EINVAL);
    hold(mp_dict_has(dict, "d", 1.0) == 1 && mp_dict_has(dict, "i", 2) == 0);
    hold(mp_dict_setdefault(dict, "i", 1, "i", 5) == 0);
    hold(mp_dict_setdefault(dict, "i", 2, "i", 5) == 1);
    hold(mp_dict_add_int(dict, 3, &sum, "s", "visits") == 0 && sum == 3);
    hold(mp_dict_add_int(dict, 4, &sum, "s", "visits") == 0 && sum == 7);
    hold(mp_dict_add_double(dict, 0.5, &x, "i", 2) == 0 && x == 5.5);
    hold(mp_dict_len(dict) == 4);
    hold(prints(dict, dict,
                "{'answer': [42, 0.5], 1: None, 2: 5.5, 'visits': 7}"));
    hold(mp_dict_pop(dict, "i", 2, "i", &n) == -EINVAL); /* it stays */
    hold(mp_dict_pop(dict, "i", 2, "d", &x) == 0 && x == 5.5);
    hold(mp_dict_pop(dict, "i", 2, NULL) == -ENOENT);
    hold(mp_dict_delete(dict, "i", 1) == 0);
    hold(mp_dict_delete(dict, "i", 1) == -ENOENT);
    for (n = 0; mp_dict_next(dict, &walker, &key, &value) > 0; n++) {
        hold(mp_any_type(key) == MP_ANY_STRING);
        mp_any_free(key);
        mp_any_free(value);
    }
    hold(n == 2);
    hold(mp_dict_keys(dict, &any) == 0 && says(any, "['answer', 'visits']"));
    mp_any_free(any);
    hold(mp_dict_values(dict, &any) == 0 && says(any, "[[42, 0.5], 7]"));
    mp_any_free(any);
    hold(mp_dict_items(dict, &any) == 0 && mp_dict_equal(dict, any) == 1);
    mp_any_free(any);
    any = made(&w, "{s:i,s:i}", "a", 1, "visits", 2);
    hold(mp_dict_update(dict, any) == 0 && mp_dict_equal(dict, any) == 0);
    hold(mp_dict_len(dict) == 3);
    key = (mp_any){"\xa1z", 2};
    hold(mp_dict_compare_exchange(dict, key, KEY_EMPTY, (mp_any){"\x01", 1}) ==
         1);
    hold(mp_dict_compare_exchange(dict, key, KEY_EMPTY, (mp_any){"\x01", 1}) ==
         0);
    hold(mp_dict_get_any(dict, key, &any) == 0 && says(any, "1"));
    hold(mp_dict_compare_exchange(dict, key, any, KEY_EMPTY) == 1);
    hold(mp_dict_get_any(dict, key, &value) == -ENOENT);
    hold(mp_dict_set_any(dict, key, any) == 0);
    mp_any_free(any);
    hold(mp_dict_len(dict) == 4);
    mp_any_discard(&w);
    hold(mp_dict_clear(dict) == 0 && mp_dict_len(dict) == 0);
    return 0;
}

static int
talk_to_set(void *handle)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_set *set = handle;
    mp_any any;
    char *text;
    int n = 0;

    hold(mp_set_add(set, "s", "red") == 1 && mp_set_add(set, "s", "red") == 0);
    hold(mp_set_has(set, "s", "red") == 1 && mp_set_has(set, "i", 1) == 0);
    hold(prints(set, set, "{'red'}"));
    hold(mp_set_pop(set, "i", &n) == -EINVAL && mp_set_len(set) == 1);
    hold(mp_set_pop(set, "s", &text) == 0 && strcmp(text, "red") == 0);
    free(text);
    hold(mp_set_pop(set, NULL) == -ENOENT);
    any = made(&w, "[i,i,i,i]", 1, 2, 3, 4);
    hold(mp_set_update(set, any) == 0 && mp_set_len(set) == 4);
    hold(mp_set_equal(set, any) == 1 && mp_set_is_superset(set, any) == 1);
    any = made(&w, "[i,i]", 3, 5);
    hold(mp_set_subtract(set, any) == 0 && mp_set_len(set) == 3);
    hold(mp_set_is_disjoint(set, any) == 1);
    hold(mp_set_toggle(set, any) == 0 && mp_set_len(set) == 5);
    hold(mp_set_intersect(set, any) == 0 && mp_set_len(set) == 2);
    hold(mp_set_is_subset(set, any) == 1);
    hold(mp_set_remove(set, "i", 3) == 0);
    hold(mp_set_remove(set, "i", 3) == -ENOENT);
    mp_any_discard(&w);
    hold(mp_set_items(set, &any) == 0 && says(any, "[5]"));
    mp_any_free(any);
    hold(mp_set_clear(set) == 0 && mp_set_len(set) == 0);
    return 0;
}

static int
talk_to_namespace(void *handle)
{
    mp_namespace *ns = handle;
    int64_t sum = 0;
    double x = 0;
    mp_any any;
    int n = 0;

    hold(mp_namespace_set(ns, "y", "s", "a") == 0);
    hold(mp_namespace_set(ns, "x", "i", 10) == 0);
    hold(mp_namespace_get(ns, "x", "i", &n) == 0 && n == 10);
    hold(mp_namespace_get(ns, "z", "i", &n) == -ENOENT);
    hold(mp_namespace_has(ns, "x") == 1 && mp_namespace_has(ns, "z") == 0);
    hold(prints(namespace, ns, "Namespace(x=10, y='a')"));
    hold(mp_namespace_add_int(ns, "x", 5, &sum) == 0 && sum == 15);
    hold(mp_namespace_add_double(ns, "x", 0.5, &x) == 0 && x == 15.5);
    hold(mp_namespace_delete(ns, "y") == 0);
    hold(mp_namespace_items(ns, &any) == 0 && says(any, "{'x': 15.5}"));
    mp_any_free(any);
    hold(mp_namespace_delete(ns, "x") == 0);
    return 0;
}

static const struct conversation {
    const char *type;
    int (*talk)(void *handle);
} conversations[] = {
    {"list", talk_to_list},
    {"dict", talk_to_dict},
    {"set", talk_to_set},
    {"namespace", talk_to_namespace},
};

static int
make(mp_manager *manager, int i, void *ret)
{
    switch (i) {
    case 0:
        return mp_manager_list(manager, ret);
    case 1:
        return mp_manager_dict(manager, ret);
    case 2:
        return mp_manager_set(manager, ret);
    default:
        return mp_manager_namespace(manager, ret);
    }
}

static int
destroy(int i, void *object)
{
    switch (i) {
    case 0:
        return mp_list_destroy(object);
    case 1:
        return mp_dict_destroy(object);
    case 2:
        return mp_set_destroy(object);
    default:
        return mp_namespace_destroy(object);
    }
}

static mp_rlock *
lock_of(int i, void *object)
{
    switch (i) {
    case 0:
        return mp_list_lock(object);
    case 1:
        return mp_dict_lock(object);
    case 2:
        return mp_set_lock(object);
    default:
        return mp_namespace_lock(object);
    }
}

/* With one that is published, and one of its own. */
static int
talk(const char *address, int i)
{
    mp_manager *manager = kit_connect(address);
    const struct conversation *c = &conversations[i];
    void *object = kit_lookup(manager, "it", c->type), *own;

    need(-c->talk(object));
    need(make(manager, i, &own));
    need(-c->talk(own));
    need(mp_rlock_acquire(lock_of(i, own), MP_NOW));
    need(destroy(i, own) == -EBUSY ? 0 : -1);
    need(mp_rlock_release(lock_of(i, own)));
    need(destroy(i, own));
    need(destroy(i, own) == -EBADF ? 0 : -1);
    need(mp_manager_close(manager));
    return 0;
}

static mp_manager *
start(int i)
{
    static const char *const addresses[] = {"unix:", "tcp:127.0.0.1:0"};

    return kit_start(addresses[i % 2]);
}

START_TEST(collections_at_home_and_from_elsewhere)
{
    mp_manager *manager = start(_i);
    struct remote *remote;
    void *object;

    must(make(manager, _i / 2, &object));
    must(mp_manager_publish(manager, "it", object));
    ck_assert_int_eq(conversations[_i / 2].talk(object), 0);
    remote = remote_start("talk", mp_manager_address(manager), _i / 2);
    remote_end(remote);
    ck_assert_int_eq(conversations[_i / 2].talk(object), 0);
    kit_shutdown(manager);
}
END_TEST

/* ---- Handles as values ---- */

static int
nest(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *outer = kit_lookup(manager, "outer", "list"), *inner, *mine;
    mp_dict *dict, *again;
    mp_queue *there = kit_lookup(manager, "there", "queue");
    mp_queue *back = kit_lookup(manager, "back", "queue");

    (void)number;
    need(mp_list_get(outer, 0, "h", &dict));
    need(mp_list_get(outer, 0, "h", &again));
    need(dict == again ? 0 : -1); /* one handle for one object */
    need(mp_dict_get(dict, "s", "list", "h", &inner));
    need(mp_list_append(inner, "s", "from elsewhere"));
    need(mp_manager_list(manager, &mine));
    need(mp_list_append(mine, "i", 1));
    need(mp_list_append(inner, "h", mine)); /* which keeps it */
    need(mp_queue_putf(back, "[s,h]", "dict", dict));
    need(mp_queue_getf(there, "[h]", &again));
    need(mp_dict_set(again, "i", 1, "h", outer));
    role_say("done");
    role_wait();
    return 0;
}

START_TEST(handles_in_handles_and_through_queues)
{
    mp_manager *manager = start(_i);
    mp_list *outer, *inner, *theirs, *back;
    mp_dict *dict, *other, *same;
    mp_queue *there, *to_us;
    struct remote *remote;
    char *text;
    int n = 0;

    must(mp_manager_list(manager, &outer));
    must(mp_manager_list(manager, &inner));
    must(mp_manager_dict(manager, &dict));
    must(mp_manager_dict(manager, &other));
    must(mp_manager_queue(manager, &there, 0));
    must(mp_manager_queue(manager, &to_us, 0));
    must(mp_list_append(outer, "h", dict));
    must(mp_dict_set(dict, "s", "list", "h", inner));
    must(mp_manager_publish(manager, "outer", outer));
    must(mp_manager_publish(manager, "there", there));
    must(mp_manager_publish(manager, "back", to_us));
    remote = remote_start("nest", mp_manager_address(manager), 0);
    must(mp_queue_getf(to_us, "[s,h]", &text, &same));
    ck_assert_ptr_eq(same, dict);
    ck_assert_str_eq(text, "dict");
    free(text);
    must(mp_queue_putf(there, "[h]", other));
    remote_expect(remote, "done");
    must(mp_dict_get(other, "i", 1, "h", &back));
    ck_assert_ptr_eq(back, outer);
    remote_kill(remote);
    must(mp_list_get(inner, 1, "h", &theirs));
    must(mp_list_get(theirs, 0, "i", &n));
    ck_assert_int_eq(n, 1);
    kit_shutdown(manager);
}
END_TEST

/* ---- At once ---- */

#define ADDS 500

static int
add_all(mp_list *list, mp_dict *dict, mp_namespace *ns)
{
    int64_t sum, last = 0;

    for (int i = 0; i < ADDS; i++) {
        hold(mp_list_add_int(list, 0, 1, &sum) == 0 && sum > last);
        last = sum;
        hold(mp_dict_add_int(dict, 1, NULL, "s", "n") == 0);
        hold(mp_namespace_add_int(ns, "n", 1, NULL) == 0);
    }
    return 0;
}

static int
add_from_there(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);

    (void)number;
    need(-add_all(kit_lookup(manager, "list", "list"),
                  kit_lookup(manager, "dict", "dict"),
                  kit_lookup(manager, "ns", "namespace")));
    return 0;
}

START_TEST(G24_adds_from_everywhere_are_atomic)
{
    enum { REMOTES = 3 };
    mp_manager *manager = start(_i);
    struct remote *remotes[REMOTES];
    int64_t sums[3] = {0};
    mp_namespace *ns;
    mp_list *list;
    mp_dict *dict;

    must(mp_manager_list(manager, &list));
    must(mp_manager_dict(manager, &dict));
    must(mp_manager_namespace(manager, &ns));
    must(mp_list_append(list, "i", 0));
    must(mp_namespace_set(ns, "n", "i", 0));
    must(mp_manager_publish(manager, "list", list));
    must(mp_manager_publish(manager, "dict", dict));
    must(mp_manager_publish(manager, "ns", ns));
    for (int i = 0; i < REMOTES; i++)
        remotes[i] =
            remote_start("add_from_there", mp_manager_address(manager), 0);
    ck_assert_int_eq(add_all(list, dict, ns), 0);
    for (int i = 0; i < REMOTES; i++)
        remote_end(remotes[i]);
    must(mp_list_get(list, 0, "q", &sums[0]));
    must(mp_dict_get(dict, "s", "n", "q", &sums[1]));
    must(mp_namespace_get(ns, "n", "q", &sums[2]));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sums[i], (REMOTES + 1) * ADDS);
    kit_shutdown(manager);
}
END_TEST

/* ---- Whose objects are ---- */

enum { LOST, PUBLISHED, STORED, PUT, KINDS };

static int
make_one(const char *address, int how)
{
    mp_manager *manager = kit_connect(address);
    mp_list *keeper = kit_lookup(manager, "keeper", "list"), *made_here;
    mp_queue *queue = kit_lookup(manager, "queue", "queue");

    need(mp_manager_list(manager, &made_here));
    need(mp_list_append(made_here, "i", 5));
    if (how == PUBLISHED)
        need(mp_manager_publish(manager, "made", made_here));
    if (how == STORED)
        need(mp_list_append(keeper, "h", made_here));
    if (how == PUT)
        need(mp_queue_putf(queue, "h", made_here));
    role_say("made");
    role_wait();
    return 0;
}

static size_t
lists(void)
{
    struct mp__heap_report report;

    must(mp__heap_audit(&report));
    return report.objects[MP__SLAB_LIST];
}

START_TEST(objects_of_a_dead_client_go_unless_known)
{
    int how = _i;
    mp_manager *manager = start(0);
    struct remote *remote;
    mp_list *keeper, *kept = NULL;
    mp_queue *queue;
    size_t before;
    int n = 0;

    must(mp_manager_list(manager, &keeper));
    must(mp_manager_queue(manager, &queue, 0));
    must(mp_manager_publish(manager, "keeper", keeper));
    must(mp_manager_publish(manager, "queue", queue));
    before = lists();
    remote = remote_start("make_one", mp_manager_address(manager), how);
    remote_expect(remote, "made");
    ck_assert_uint_eq(lists(), before + 1);
    remote_kill(remote);
    if (how == LOST)
        wait_until(lists() == before, 20);
    if (how == PUBLISHED)
        must(mp_manager_lookup(manager, "made", "list", &kept));
    if (how == STORED)
        must(mp_list_get(keeper, 0, "h", &kept));
    if (how == PUT)
        must(mp_queue_getf(queue, "h", &kept));
    if (how != LOST) {
        must(mp_list_get(kept, 0, "i", &n));
        ck_assert_int_eq(n, 5);
    }
    kit_shutdown(manager);
}
END_TEST

/* ---- Large ---- */

#define LARGE 300000

static int
fill(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_list *list = kit_lookup(manager, "list", "list");
    char *data = malloc(LARGE);
    mp_any all;

    (void)number;
    memset(data, 'x', LARGE);
    for (int i = 0; i < 20; i++)
        need(mp_list_append(list, "S", data, (size_t)LARGE));
    need(mp_list_slice(list, 0, MP_LIST_END, 1, &all));
    need(mp_any_size(all) == 20 && all.size > 20 * LARGE ? 0 : -1);
    need(mp_list_equal(list, all) == 1 ? 0 : -1);
    mp_any_free(all);
    free(data);
    return 0;
}

START_TEST(objects_of_large_values)
{
    mp_manager *manager = start(_i);
    mp_list *list;

    must(mp_manager_list(manager, &list));
    must(mp_manager_publish(manager, "list", list));
    remote_end(remote_start("fill", mp_manager_address(manager), 0));
    ck_assert_int_eq(mp_list_len(list), 20);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"talk", talk},         {"nest", nest},
    {"make_one", make_one}, {"add_from_there", add_from_there},
    {"fill", fill},         {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("objects");
    TCase *tcase = mp_test_case(suite, "objects", 60);

    tcase_add_loop_test(tcase, collections_at_home_and_from_elsewhere, 0, 8);
    tcase_add_loop_test(tcase, handles_in_handles_and_through_queues, 0, 2);
    tcase_add_loop_test(tcase, objects_of_a_dead_client_go_unless_known, 0,
                        KINDS);
    tcase_add_loop_test(tcase, objects_of_large_values, 0, 2);
    tcase_add_loop_test(tcase, G24_adds_from_everywhere_are_atomic, 0, 2);
    return kit_main(argc, argv, suite);
}
