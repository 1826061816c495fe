/* SPDX-License-Identifier: MIT */
/* Types of the users' own: made, called, and ended, by the family, by its other
 * processes, from elsewhere; and when their server ends. */
#include "link/kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define hold(x)              \
    do {                     \
        if (!(x))            \
            return __LINE__; \
    } while (0)

/* ---- A type ---- */

struct counter {
    int64_t n;
};

/* How many there are, and in which process: in the family's memory. */
static mp_value *living;

static int
create(void **ret_self, mp_any args)
{
    struct counter *counter = calloc(1, sizeof(*counter));
    int r = mp_any_parse(args, "[q]", &counter->n);

    if (r < 0) {
        free(counter);
        return r;
    }
    *ret_self = counter;
    return living ? mp_value_add(living, 1) : 0;
}

static void
destroy(void *self)
{
    if (living)
        mp_value_add(living, -1);
    free(self);
}

static int
add(void *self, mp_any args, mp_any_writer *result)
{
    struct counter *counter = self;
    int64_t x;
    int r = mp_any_parse(args, "[q]", &x);

    if (r < 0)
        return r;
    counter->n += x;
    return mp_any_write_int(result, counter->n);
}

static int
refuse(void *self, mp_any args, mp_any_writer *result)
{
    (void)self;
    (void)args;
    mp_any_write_string(result, "not today", SIZE_MAX);
    return -EDOM;
}

static int
nothing(void *self, mp_any args, mp_any_writer *result)
{
    (void)self;
    (void)args;
    (void)result;
    return 7;
}

/* Handles are values here, too: adds to a list, and to another counter. */
static int
spread(void *self, mp_any args, mp_any_writer *result)
{
    struct counter *counter = self;
    mp_object *other;
    mp_list *list;
    int64_t sum;
    int r = mp_any_parse(args, "[h,h]", &list, &other);

    if (r == 0)
        r = mp_list_append(list, "q", counter->n);
    if (r == 0)
        r = mp_object_call(other, "add", MP_FOREVER, "q > q", counter->n,
                           &sum);
    return r < 0 ? r : mp_any_write_int(result, sum);
}

static int
pid(void *self, mp_any args, mp_any_writer *result)
{
    (void)self;
    (void)args;
    return mp_any_write_int(result, getpid());
}

static const mp_method methods[] = {
    {"add", add},       {"fail", refuse}, {"nothing", nothing},
    {"spread", spread}, {"pid", pid},
};
static const mp_type_ops counter_ops = {
    .size = sizeof(mp_type_ops),
    .n_methods = LENGTH(methods),
    .methods = methods,
    .create = create,
    .destroy = destroy,
};

/* ---- One conversation, wherever the object is ---- */

static int
talk(mp_manager *manager)
{
    mp_object *counter, *other, *found;
    int64_t sum = 0;
    mp_list *list;
    mp_any any;
    char *text;

    hold(mp_manager_object(manager, &counter, "Nothing", "") == -ENOENT);
    hold(strstr(mp_last_error(), "'Nothing'"));
    hold(mp_manager_object(manager, &counter, "Counter", "s", "x") == -EINVAL);
    hold(mp_manager_object(manager, NULL, "Counter", "") == -EINVAL);
    hold(mp_manager_object(manager, &counter, "Counter", "!") == -EINVAL);
    hold(mp_manager_object(manager, &counter, "Counter", "i", 10) == 0);
    hold(mp_object_call(counter, "add", MP_FOREVER, "i > q", 5, &sum) == 0);
    hold(sum == 15);
    hold(mp_object_call(counter, "add", mp_timeout(20), "i", 1) == 0);
    hold(mp_object_call(counter, "add", MP_FOREVER, "i > v", 1, &any) == 0);
    hold(mp_any_get_int(any, &sum) == 0 && sum == 17);
    mp_any_free(any);
    hold(mp_object_call(counter, "add", MP_FOREVER, "s", "x") == -EINVAL);
    hold(mp_object_call(counter, "add", MP_FOREVER, "i > s", 1, &text) ==
         -EINVAL);
    hold(mp_object_call(counter, "fail", MP_FOREVER, "") == -EDOM);
    hold(strcmp(mp_last_error(), "not today") == 0);
    hold(mp_object_call(counter, "nothing", MP_FOREVER, " > n") == 7);
    hold(mp_object_call(counter, "none", MP_FOREVER, "") == -ENOENT);
    hold(strstr(mp_last_error(), "none"));
    hold(mp_object_call(counter, NULL, MP_FOREVER, "") == -EINVAL);
    hold(mp_manager_object(manager, &other, "Counter", "i", 100) == 0);
    hold(mp_manager_list(manager, &list) == 0);
    hold(mp_object_call(counter, "spread", MP_FOREVER, "h,h > q", list, other,
                        &sum) == 0);
    hold(sum == 118);
    hold(mp_list_get(list, 0, "q", &sum) == 0 && sum == 18);
    hold(mp_manager_publish(manager, "other", other) == 0);
    hold(mp_manager_lookup(manager, "other", "list", &found) == -EINVAL);
    hold(mp_manager_lookup(manager, "other", "Counter", &found) == 0);
    hold(found == other);
    hold(mp_list_append(list, "h", other) == 0);
    hold(mp_list_get(list, -1, "h", &found) == 0 && found == other);
    hold(mp_object_destroy(counter) == 0);
    hold(mp_object_call(counter, "add", MP_FOREVER, "i", 1) == -EBADF);
    hold(mp_object_destroy(counter) == -EBADF);
    hold(mp_object_destroy(NULL) == 0);
    hold(mp_object_destroy(other) == 0);
    hold(mp_list_destroy(list) == 0);
    return 0;
}

static int
talk_aloud(mp_manager *manager)
{
    int line = talk(manager);

    if (line)
        fprintf(stderr, "line %d: %s\n", line, mp_last_error());
    return line;
}

static int
converse(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);

    (void)number;
    need(-talk_aloud(manager));
    return 0;
}

static int
converse_in_child(void *arg)
{
    return talk_aloud(*(mp_manager **)arg) ? 1 : 0;
}

/* ---- The tests ---- */

static int
initialize(void *arg)
{
    living = *(mp_value **)arg;
    return mp_manager_register("Counter", &counter_ops);
}

static mp_manager *
start(int i)
{
    static const char *const addresses[] = {"unix:", "tcp:127.0.0.1:0"};

    must(mp_value_create(&living, 'q', 0));
    must(mp_manager_register("Counter", &counter_ops));
    return kit_start(addresses[i % 2]);
}

static int64_t
count(void)
{
    int64_t n;

    must(mp_value_get(living, &n));
    return n;
}

START_TEST(types_of_ones_own_at_home_and_from_elsewhere)
{
    mp_manager *manager = start(_i);
    pid_t pid;

    ck_assert_int_eq(talk_aloud(manager), 0);
    ck_assert_int_eq(count(), 0);
    pid = child(converse_in_child, &manager);
    expect_exit(pid, 0);
    remote_end(remote_start("converse", mp_manager_address(manager), 0));
    ck_assert_int_eq(count(), 0);
    kit_shutdown(manager);
}
END_TEST

START_TEST(types_refused)
{
    static const mp_type_ops empty = {.size = sizeof(empty)};
    mp_type_ops ops = counter_ops;

    must_fail(mp_manager_register("A", NULL), -EINVAL, "ops");
    must_fail(mp_manager_register("A", &empty), -EINVAL, "create");
    must_fail(mp_manager_register(NULL, &counter_ops), -EINVAL, "NULL");
    must_fail(mp_manager_register("", &counter_ops), -EINVAL, "empty");
    must_fail(mp_manager_register("list", &counter_ops), -EEXIST, "list");
    must(mp_manager_register("A", &counter_ops));
    must_fail(mp_manager_register("A", &ops), -EEXIST, "'A'");
}
END_TEST

/* They are of the family, and live as long as the manager. */
START_TEST(types_outlive_the_process_that_made_one)
{
    mp_manager *manager = start(0);
    mp_object *kept;
    int64_t server = 0, n = 0;

    must(mp_manager_object(manager, &kept, "Counter", "i", 1));
    must(mp_object_call(kept, "pid", MP_FOREVER, " > q", &server));
    ck_assert_int_ne(server, getpid());
    must(mp_object_call(kept, "add", MP_FOREVER, "i > q", 1, &n));
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(count(), 1);
    kit_shutdown(manager);
    ck_assert_int_eq(count(), 0); /* ended in order */
    must_fail(mp_object_call(kept, "add", MP_FOREVER, "i", 1), -EBADF, "");
}
END_TEST

static int
make_two(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_object *a, *b;

    (void)number;
    need(mp_manager_object(manager, &a, "Counter", "i", 1));
    need(mp_manager_object(manager, &b, "Counter", "i", 2));
    need(mp_manager_publish(manager, "b", b));
    role_say("made");
    role_wait();
    return 0;
}

START_TEST(types_of_a_dead_client_end)
{
    mp_manager *manager = start(0);
    struct remote *remote;
    mp_object *b;
    int64_t n = 0;

    remote = remote_start("make_two", mp_manager_address(manager), 0);
    remote_expect(remote, "made");
    ck_assert_int_eq(count(), 2);
    remote_kill(remote);
    wait_until(count() == 1, 20);
    must(mp_manager_lookup(manager, "b", "Counter", &b));
    must(mp_object_call(b, "add", MP_FOREVER, "i > q", 1, &n));
    ck_assert_int_eq(n, 3);
    kit_shutdown(manager);
}
END_TEST

static int
lose(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_object *object;
    int r;

    (void)number;
    need(mp_manager_lookup(manager, "it", "Counter", &object));
    role_say("found");
    role_wait();
    do
        r = mp_object_call(object, "add", MP_FOREVER, "i", 1);
    while (r == -EPIPE);
    need(r == -ESRCH ? 0 : -1);
    need(strstr(mp_last_error(), "its state with it") ? 0 : -1);
    need(mp_manager_object(manager, &object, "Counter", "i", 1));
    need(mp_object_call(object, "add", MP_FOREVER, "i", 1));
    return 0;
}

START_TEST(types_are_lost_with_their_server)
{
    mp_manager *manager = start(_i);
    struct remote *remote;
    mp_process *process;
    mp_object *object;
    int r;

    must(mp_manager_object(manager, &object, "Counter", "i", 1));
    must(mp_manager_publish(manager, "it", object));
    remote = remote_start("lose", mp_manager_address(manager), 0);
    remote_expect(remote, "found");
    process = mp_manager_process(manager);
    must(mp_process_kill(process));
    must(mp_process_join(process, mp_timeout(20)));
    must(mp_process_close(process));
    r = mp_object_call(object, "add", MP_FOREVER, "i", 1);
    ck_assert_msg(r == -EPIPE || r == -ESRCH, "%d: %s", r, mp_last_error());
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    must_fail(mp_object_call(object, "add", MP_FOREVER, "i", 1), -ESRCH,
              "its state with it");
    must(mp_object_destroy(object));
    must(mp_manager_object(manager, &object, "Counter", "i", 1));
    must(mp_manager_publish(manager, "it", object));
    remote_kill(remote);
    kit_shutdown(manager);
}
END_TEST

START_TEST(types_are_lost_from_elsewhere_too)
{
    mp_manager *manager = start(_i);
    struct remote *remote;
    mp_process *process;
    mp_object *object;

    must(mp_manager_object(manager, &object, "Counter", "i", 1));
    must(mp_manager_publish(manager, "it", object));
    remote = remote_start("lose", mp_manager_address(manager), 0);
    remote_expect(remote, "found");
    process = mp_manager_process(manager);
    must(mp_process_kill(process));
    must(mp_process_join(process, mp_timeout(20)));
    must(mp_process_close(process));
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    remote_tell(remote);
    remote_end(remote);
    kit_shutdown(manager);
}
END_TEST

/* A server that is not forked knows what its initializer registers. */
START_TEST(types_by_the_initializer)
{
    static const int ways[] = {MP_FORK, MP_SPAWN};
    mp_manager *manager;
    mp_value **arg = mp_new(mp_value *);

    kit_warm_up();
    must(mp_value_create(arg, 'q', 0));
    must(mp_set_start_method(ways[_i]));
    must(mp_manager_start(&manager, MP_MANAGER_ATTR(.initializer = initialize,
                                                    .initializer_arg = arg)));
    ck_assert_int_eq(talk_aloud(manager), 0);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"converse", converse},
    {"make_two", make_two},
    {"lose", lose},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("types");
    TCase *tcase = mp_test_case(suite, "types", 60);

    tcase_add_loop_test(tcase, types_of_ones_own_at_home_and_from_elsewhere, 0,
                        2);
    tcase_add_test(tcase, types_refused);
    tcase_add_test(tcase, types_outlive_the_process_that_made_one);
    tcase_add_loop_test(tcase, types_by_the_initializer, 0, 2);
    tcase_add_test(tcase, types_of_a_dead_client_end);
    tcase_add_loop_test(tcase, types_are_lost_with_their_server, 0, 2);
    tcase_add_loop_test(tcase, types_are_lost_from_elsewhere_too, 0, 2);
    return kit_main(argc, argv, suite);
}
