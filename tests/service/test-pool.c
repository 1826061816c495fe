/* SPDX-License-Identifier: MIT */
/* Pools from another family: tasks and maps by registered names, their results,
 * and how they fail. */
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

/* ---- What the server's program, which is this one, too, can do ---- */

static int
square(mp_task *task)
{
    size_t size;
    int x, *arg = mp_task_arg(task, &size);

    if (size != sizeof(x))
        return mp_task_fail(task, "%zu bytes are no int", size);
    x = *arg * *arg;
    return mp_task_return(task, &x, sizeof(x));
}

static int
die(mp_task *task)
{
    (void)task;
    return raise(SIGKILL);
}

static int
stay(mp_task *task)
{
    (void)task;
    for (;;)
        pause();
    return 0;
}

static int
add(const void *item, void *result, void *ctx)
{
    if (*(const int *)item < 0)
        return -EDOM;
    *(int *)result = *(const int *)item + *(int *)ctx;
    return 0;
}

static int
unknown(mp_task *task)
{
    (void)task;
    return 0;
}

static int
unknown_map(const void *item, void *result, void *ctx)
{
    (void)item, (void)result, (void)ctx;
    return 0;
}

static void
register_all(void)
{
    must(mp_manager_register_task("square", square));
    must(mp_manager_register_task("square", square)); /* the same again */
    must_fail(mp_manager_register_task("square", die), -EEXIST, "'square'");
    must(mp_manager_register_task("die", die));
    must(mp_manager_register_task("stay", stay));
    must(mp_manager_register_map("add", add));
}

/* ---- One conversation, wherever the pool is ---- */

static int
talk_of_tasks(mp_pool *pool)
{
    mp_result *result, *other;
    int x = 7;

    hold(mp_pool_apply(pool, square, &x, sizeof(x), &result) == 0);
    hold(mp_result_ready(result) == 1 && mp_result_successful(result) == 1);
    hold(mp_result_size(result) == sizeof(x));
    hold(mp_result_get(result, &x, 1, MP_NOW) == -EMSGSIZE);
    hold(mp_result_get(result, &x, sizeof(x), MP_NOW) == sizeof(x));
    hold(x == 49 && mp_result_error(result) == NULL);
    hold(mp_result_free(result) == 0);
    hold(mp_result_ready(result) == -EBADF);
    hold(mp_pool_apply(pool, square, "abc", 3, &result) == 0);
    hold(mp_result_successful(result) == 0);
    hold(mp_result_get(result, &x, sizeof(x), MP_NOW) == -EREMOTEIO);
    hold(strcmp(mp_result_error(result), "3 bytes are no int") == 0);
    hold(strcmp(mp_result_error(result), "3 bytes are no int") == 0);
    hold(mp_result_free(result) == 0);
    hold(mp_pool_apply_async(pool, die, NULL, 0, NULL, &result) == 0);
    hold(mp_result_wait(result, mp_timeout(20)) == 0);
    hold(mp_result_get(result, &x, sizeof(x), MP_NOW) == -ESRCH);
    hold(strstr(mp_result_error(result), "SIGKILL"));
    hold(mp_result_free(result) == 0);
    hold(mp_pool_apply_async(pool, stay, NULL, 0, NULL, &result) == 0);
    hold(mp_pool_apply_async(pool, square, &x, sizeof(x), NULL, &other) == 0);
    hold(mp_result_wait(other, mp_timeout(20)) == 0); /* there are two */
    hold(mp_result_free(other) == 0);
    hold(mp_result_wait(result, MP_NOW) == -EAGAIN);
    hold(mp_result_wait(result, mp_timeout(0.05)) == -ETIMEDOUT);
    hold(mp_result_size(result) == -EAGAIN);
    hold(mp_result_cancel(result) == 0);
    hold(mp_result_wait(result, mp_timeout(20)) == 0);
    hold(mp_result_get(result, &x, sizeof(x), MP_NOW) == -ECANCELED);
    hold(mp_result_free(result) == 0);
    hold(mp_pool_apply_async(pool, stay, NULL, 0, MP_TASK_ATTR(.timeout = 0.1),
                             &result) == 0);
    hold(mp_result_get(result, &x, sizeof(x), mp_timeout(20)) == -ETIMEDOUT);
    hold(mp_result_ready(result) == 1);
    hold(mp_result_free(result) == 0);
    hold(mp_pool_apply_async(pool, square, &x, sizeof(x), NULL, NULL) == 0);
    return 0;
}

static int
talk_of_maps(mp_pool *pool)
{
    enum { N = 1000 };
    int in[N], out[N], ctx = 5;
    const mp_map_attr attr = {
        .size = sizeof(attr), .ctx = &ctx, .ctx_size = sizeof(ctx)};
    mp_result *result;

    for (int i = 0; i < N; i++)
        in[i] = i;
    hold(mp_pool_map(pool, add, in, sizeof(int), out, sizeof(int), N, &attr) ==
         0);
    for (int i = 0; i < N; i++)
        hold(out[i] == i + 5);
    hold(mp_pool_map_async(pool, add, in, sizeof(int), NULL, sizeof(int), N,
                           &attr, &result) == 0);
    hold(mp_result_size(result) == -EAGAIN ||
         mp_result_size(result) == sizeof(out));
    memset(out, 0, sizeof(out));
    hold(mp_result_get(result, out, sizeof(out), mp_timeout(20)) ==
         sizeof(out));
    hold(out[N - 1] == N + 4);
    hold(mp_result_free(result) == 0);
    in[7] = -1;
    hold(mp_pool_map(pool, add, in, sizeof(int), out, sizeof(int), N, &attr) ==
         -EDOM);
    hold(mp_pool_map(pool, add, NULL, 0, NULL, 0, 0, &attr) == 0);
    return 0;
}

static int
talk(mp_pool *pool)
{
    mp_pool_statistics s = {.size = sizeof(s)};
    int line = talk_of_tasks(pool);

    if (!line)
        line = talk_of_maps(pool);
    if (line)
        fprintf(stderr, "line %d: %s\n", line, mp_last_error());
    hold(!line);
    hold(mp_pool_stats(pool, &s) == 0 && s.size == sizeof(s));
    hold(s.submitted >= 6 && s.items >= 2000);
    hold(mp_pool_workers(pool, NULL, 0) >= 1);
    hold(mp_pool_resize(pool, 3) == 0);
    hold(mp_pool_resize(pool, 0) == -EINVAL);
    hold(mp_pool_join(pool, MP_NOW) == -EINVAL);
    return 0;
}

/* ---- The tests ---- */

static void
done(mp_result *result, void *arg)
{
    (void)result;
    (void)arg;
}

static int
refused(mp_pool *pool)
{
    int codes[1], in[1] = {0}, out[1];
    mp_process *workers[1];
    mp_result *result;
    mp_imap *imap;

    hold(mp_pool_apply_async(pool, unknown, NULL, 0, NULL, &result) ==
         -EINVAL);
    hold(strstr(mp_last_error(), "mp_manager_register_task"));
    hold(mp_pool_map(pool, unknown_map, in, 4, out, 4, 1, NULL) == -EINVAL);
    hold(strstr(mp_last_error(), "mp_manager_register_map"));
    hold(mp_pool_apply_async(pool, NULL, NULL, 0, NULL, &result) == -EINVAL);
    hold(mp_pool_apply_async(pool, square, NULL, 0,
                             MP_TASK_ATTR(.callback = done),
                             &result) == -EREMOTE);
    hold(mp_pool_apply_async(pool, square, NULL, 0,
                             MP_TASK_ATTR(.priority = 99),
                             &result) == -EINVAL);
    hold(mp_pool_map(pool, add, in, 4, out, 4, 1,
                     MP_MAP_ATTR(.codes = codes)) == -EREMOTE);
    hold(mp_pool_map(pool, add, in, 4, out, 4, 1, MP_MAP_ATTR(.ctx = in)) ==
         -EREMOTE);
    hold(mp_pool_map_async(pool, add, in, 4, out, 4, 1, NULL, &result) ==
         -EREMOTE);
    hold(mp_pool_imap(pool, add, NULL, NULL, 4, 4, NULL, &imap) < 0);
    hold(mp_pool_fd(pool) == -EREMOTE);
    hold(mp_pool_workers(pool, workers, 1) == -EREMOTE);
    return 0;
}

static int
converse(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_pool *pool = kit_lookup(manager, "pool", "pool"), *own;
    mp_result *result;

    (void)number;
    register_all();
    need(-talk(pool));
    need(-refused(pool));
    need(mp_manager_register_task("not there", unknown));
    need(mp_pool_apply_async(pool, unknown, NULL, 0, NULL, &result) == -EINVAL
             ? 0
             : -1);
    need(strstr(mp_last_error(), "not there") ? 0 : -1);
    need(mp_manager_pool(manager, &own, 2));
    need(-talk_of_tasks(own));
    need(mp_pool_close(own));
    need(mp_pool_join(own, mp_timeout(20)));
    need(mp_pool_destroy(own));
    need(mp_pool_close(own) == -EBADF ? 0 : -1);
    need(mp_pool_terminate(pool));
    need(mp_pool_join(pool, mp_timeout(20)));
    return 0;
}

static mp_manager *
start(int i)
{
    static const char *const addresses[] = {"unix:", "tcp:127.0.0.1:0"};

    register_all();
    return kit_start(addresses[i % 2]);
}

START_TEST(pools_at_home_and_from_elsewhere)
{
    mp_manager *manager = start(_i);
    mp_pool *pool;

    must(mp_manager_pool(manager, &pool, 2));
    must(mp_manager_publish(manager, "pool", pool));
    ck_assert_int_eq(talk(pool), 0);
    remote_end(remote_start("converse", mp_manager_address(manager), 0));
    must(mp_pool_join(pool, MP_FOREVER));
    kit_shutdown(manager);
}
END_TEST

/* ---- Death ---- */

static int
submit_and_wait(const char *address, int number)
{
    mp_manager *manager = kit_connect(address);
    mp_pool *pool = kit_lookup(manager, "pool", "pool");
    mp_result *result;
    int x = 3;

    (void)number;
    register_all();
    for (int i = 0; i < 10; i++)
        need(mp_pool_apply_async(pool, square, &x, sizeof(x), NULL, &result));
    need(mp_pool_apply_async(pool, stay, NULL, 0, NULL, &result));
    role_say("submitted");
    role_wait();
    return 0;
}

/* Its results are freed; its tasks go on. */
START_TEST(results_of_a_dead_client_are_freed)
{
    mp_manager *manager = start(0);
    struct mp__heap_report report;
    mp_pool_statistics s = {.size = sizeof(s)};
    struct remote *remote;
    mp_pool *pool;

    must(mp_manager_pool(manager, &pool, 1));
    must(mp_manager_publish(manager, "pool", pool));
    remote = remote_start("submit_and_wait", mp_manager_address(manager), 0);
    remote_expect(remote, "submitted");
    wait_until((must(mp_pool_stats(pool, &s)), s.done == 10), 20);
    must(mp__heap_audit(&report));
    ck_assert_uint_eq(report.objects[MP__SLAB_TASK], 11);
    remote_kill(remote);
    wait_until(
        (must(mp__heap_audit(&report)), report.objects[MP__SLAB_TASK] <= 1),
        20); /* the one that runs */
    must(mp_pool_stats(pool, &s));
    ck_assert_uint_eq(s.running, 1);
    kit_shutdown(manager);
}
END_TEST

const struct role roles[] = {
    {"converse", converse},
    {"submit_and_wait", submit_and_wait},
    {NULL, NULL},
};

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("pool");
    TCase *tcase = mp_test_case(suite, "pool", 60);

    tcase_add_loop_test(tcase, pools_at_home_and_from_elsewhere, 0, 2);
    tcase_add_test(tcase, results_of_a_dead_client_are_freed);
    return kit_main(argc, argv, suite);
}
