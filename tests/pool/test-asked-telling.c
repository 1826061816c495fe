/* SPDX-License-Identifier: MIT */
/* What users of process pools have asked for: to be told how things are. Each
 * test is named after its row in the list of such reports, or after our own
 * guarantee. */
#include "pool/kit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- B26: progress bars tear when several processes print. ---- */

static int
say_and_square(const void *item, void *result, void *ctx)
{
    int number = *(const int *)item;

    (void)ctx;
    if (number == 0)
        usleep(1500000); /* no bar is drawn for what is over in no time */
    if (number % 10 == 0) {
        fprintf(stderr, "item-");
        fprintf(stderr, "%d ", number);
        fprintf(stderr, "is being squared\n");
    }
    *(int *)result = number * number;
    return number == 50 ? -ERANGE : 0;
}

enum { BAR_ITEMS = 100 };

static int
draw_a_bar(int method)
{
    static int in[BAR_ITEMS], out[BAR_ITEMS];
    mp_pool *pool;
    int r;

    mp_set_start_method(method);
    for (int i = 0; i < BAR_ITEMS; i++)
        in[i] = i;
    if (mp_pool_create(&pool, 2, NULL) < 0)
        return 2;
    r = mp_pool_map(pool, say_and_square, in, sizeof(int), out, sizeof(int),
                    BAR_ITEMS, MP_MAP_ATTR(.progress = "squares"));
    mp_pool_destroy(pool);
    printf("\nresult %d\n", -r);
    return 0;
}

/* What a terminal shows in the end: "\r" goes back, "\033[K" wipes. */
static void
play(char *text)
{
    char *to = text, *line = text;

    for (const char *at = text; *at; at++) {
        if (*at == '\n')
            line = to + 1;
        if (*at == '\r' && at[1] != '\n') {
            to = line;
            continue;
        }
        if (at[0] == '\033' && at[1] == '[') {
            at += 2;
            while (*at && !strchr("KJhlmABCD", *at))
                at++;
            if (!*at)
                break;
            continue;
        }
        if (*at != '\r')
            *to++ = *at;
    }
    *to = 0;
}

START_TEST(B26_bar_is_honest_and_what_workers_print_stays_whole)
{
    struct scene scene =
        scene_start(_i % 2 ? SCENE_TERMINAL : SCENE_PIPE, "bar", 1 + _i / 2);
    char line[64];

    ck_assert_int_eq(scene_end(&scene), 0);
    mp_test_text(scene.text, "squares");
    mp_test_text(scene.text, "100/100");
    mp_test_text(scene.text, "1 failed");
    if (_i % 2 == 0) /* plain lines, for a log */
        ck_assert_msg(!strpbrk(scene.text, "\r\033"), "%s", scene.text);
    play(scene.text);
    for (int i = 0; i < BAR_ITEMS; i += 10) {
        snprintf(line, sizeof(line), "item-%d is being squared\n", i);
        mp_test_text(scene.text, line);
    }
    snprintf(line, sizeof(line), "result %d\n", ERANGE);
    mp_test_text(scene.text, line);
    scene_free(&scene);
}
END_TEST

/* ---- B27: what workers print is lost, or torn. ---- */

enum { LINES = 60 };

static int
print_in_pieces(mp_task *task)
{
    int number = *(int *)mp_task_arg(task, NULL);

    fprintf(stderr, "<%d", number);
    for (int i = 0; i < 10; i++)
        fprintf(stderr, ".%d", i);
    fprintf(stderr, ">\n");
    printf("(%d)\n", number);
    return number % 7 == 3 ? kill_self(task) : 0;
}

static int
print_much(int method)
{
    mp_pool *pool;

    mp_set_start_method(method);
    if (mp_pool_create(&pool, 4, NULL) < 0)
        return 2;
    for (int i = 0; i < LINES; i++)
        mp_pool_apply_async(pool, print_in_pieces, &i, sizeof(i), NULL, NULL);
    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    mp_pool_destroy(pool);
    return 0;
}

START_TEST(B27_what_workers_print_is_not_lost_with_them)
{
    struct scene scene = scene_start(SCENE_PIPE, "lines", _i);
    char line[64];

    ck_assert_int_eq(scene_end(&scene), 0);
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "<%d.0.1.2.3.4.5.6.7.8.9>\n", i);
        mp_test_text(scene.text, line);
    }
    scene_free(&scene);
}
END_TEST

/* ---- B40: a pool cannot be waited for by an event loop. ---- */

static void
count_call(mp_result *result, void *arg)
{
    ck_assert_int_eq(mp_result_ready(result), 1);
    *(int *)arg += 1;
}

static int
is_readable(int fd, int ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&pollfd, 1, ms);
    while (r < 0 && errno == EINTR);
    return r == 1;
}

/* A process that has had a descriptor keeps a socket. */
static void
warm_up(void)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

START_TEST(B40_event_loop_is_told_by_a_descriptor)
{
    enum { TASKS = 20 };
    struct epoll_event event = {.events = EPOLLIN};
    struct gate gate = gate_open();
    int loop, called = 0, fd;
    mp_result *results[TASKS];
    mp_pool *pool;

    use_method(_i);
    warm_up();
    loop = epoll_create1(EPOLL_CLOEXEC);
    pool = pool_of(2);
    fd = mp_pool_fd(pool);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(mp_pool_fd(pool), fd);
    ck_assert_int_eq(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event), 0);
    for (int i = 0; i < TASKS; i++)
        must(mp_pool_apply_async(
            pool, wait_at_gate, &gate, sizeof(gate),
            MP_TASK_ATTR(.callback = count_call, .callback_arg = &called),
            &results[i]));
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
    ck_assert_int_eq(is_readable(fd, 0), 0);
    for (int i = 1; i <= TASKS; i++) {
        gate_let_go(gate);
        while (called < i) {
            ck_assert_int_eq(
                epoll_wait(loop, &event, 1, (int)(20000 * mp_test_scale())),
                1);
            must(mp_pool_callbacks(pool, MP_NOW));
        }
    }
    /* It may say once too often that there is something; but then it does
     * not, until there is. */
    ck_assert_int_eq(mp_pool_callbacks(pool, MP_NOW), 0);
    ck_assert_int_eq(is_readable(fd, 0), 0);
    ck_assert_int_eq(called, TASKS);
    for (int i = 0; i < TASKS; i++)
        must(mp_result_free(results[i]));
    close(loop);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* ---- B43: how much is waiting cannot be asked everywhere. ---- */

START_TEST(B43_counts_are_our_own_and_exact)
{
    struct gate gate = gate_open();
    mp_result *running[2], *queued[5];
    mp_pool_statistics stats;
    mp_pool *pool;
    int items[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11};

    use_method(_i);
    pool = pool_of(2);
    for (int i = 0; i < 2; i++) {
        running[i] = submit_to_gate(pool, gate);
        gate_await(gate);
    }
    for (int i = 0; i < 5; i++)
        must(mp_pool_apply_async(pool, i == 4 ? kill_self : echo, NULL, 0,
                                 MP_TASK_ATTR(.priority = i - 1), &queued[i]));
    must(mp_result_cancel(queued[0]));
    stats = stats_of(pool);
    ck_assert_uint_eq(stats.workers, 2);
    ck_assert_uint_eq(stats.submitted, 7);
    ck_assert_uint_eq(stats.running, 2);
    ck_assert_uint_eq(stats.queued, 4);
    ck_assert_uint_eq(stats.cancelled, 1);
    ck_assert_uint_eq(stats.done + stats.failed, 0);
    gate_let_go(gate);
    gate_let_go(gate);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(end_of(queued[i]), i == 0   ? -ECANCELED
                                            : i == 4 ? -ESRCH
                                                     : 0);
        must(mp_result_free(queued[i]));
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(end_of(running[i]), 0);
        must(mp_result_free(running[i]));
    }
    must(mp_pool_map(pool, say_and_square, items, sizeof(int), items,
                     sizeof(int), 10, NULL));
    /* A task is counted a moment after its end. */
    wait_until(stats_of(pool).done == 5 && stats_of(pool).items == 10, 10);
    stats = stats_of(pool);
    ck_assert_uint_eq(stats.failed, 1);
    ck_assert_uint_eq(stats.cancelled, 1);
    ck_assert_uint_eq(stats.running + stats.queued, 0);
    ck_assert_uint_eq(stats.items, 10);
    ck_assert_uint_eq(stats.deaths, 1);
    ck_assert(stats.uptime > 0);
    ck_assert(stats.wait_most >= stats.wait_mean && stats.wait_mean > 0);
    ck_assert(stats.slowest[0].task >= 1 && stats.slowest[0].task <= 2);
    ck_assert(stats.slowest[0].seconds >= stats.slowest[4].seconds);
    end_pool(pool);
    gate_close(gate);
}
END_TEST

/* ---- G29: a callback that misbehaves kills the thread that runs it, and with
 * it the pool. ---- */

struct show {
    mp_pool *pool;
    int called, inside, deepest;
};

static int
square(const void *item, void *result, void *ctx)
{
    (void)ctx;
    *(int *)result = *(const int *)item * *(const int *)item;
    return 0;
}

/* Uses the pool for all that it can, which must run no other callback. */
static void
use_pool(mp_result *result, void *arg)
{
    struct show *show = arg;
    int in[3] = {1, 2, 3}, out[3];
    mp_result *inner;

    if (++show->inside > show->deepest)
        show->deepest = show->inside;
    ck_assert_int_eq(mp_result_cancel(result), -EALREADY);
    must(mp_pool_apply(show->pool, echo, "inner", 5, &inner));
    ck_assert_int_eq(end_of(inner), 5);
    must(mp_result_free(inner));
    must(mp_pool_map(show->pool, square, in, sizeof(int), out, sizeof(int), 3,
                     NULL));
    ck_assert_int_eq(out[2], 9);
    must(mp_pool_apply(show->pool, kill_self, NULL, 0, NULL));
    ck_assert_int_eq(mp_pool_callbacks(show->pool, MP_NOW), 0);
    show->called++;
    show->inside--;
}

START_TEST(G29_callbacks_may_use_the_pool)
{
    struct show show = {0};
    mp_result *result;

    use_method(_i);
    show.pool = pool_of(2);
    for (int i = 0; i < 10; i++)
        must(mp_pool_apply_async(show.pool, i % 3 ? echo : kill_self, NULL, 0,
                                 MP_TASK_ATTR(.callback = use_pool,
                                              .error_callback = use_pool,
                                              .callback_arg = &show),
                                 NULL));
    while (show.called < 10)
        must(mp_pool_callbacks(show.pool, soon()));
    ck_assert_int_eq(show.deepest, 1);
    ck_assert_int_eq(mp_pool_callbacks(show.pool, MP_FOREVER), 0);
    must(mp_pool_apply(show.pool, echo, "x", 1, &result));
    ck_assert_int_eq(end_of(result), 1);
    must(mp_result_free(result));
    end_pool(show.pool);
}
END_TEST

static void
submit_next(mp_result *result, void *arg)
{
    struct show *show = arg;

    (void)result;
    if (++show->called < 50)
        must(mp_pool_apply_async(
            show->pool, echo, NULL, 0,
            MP_TASK_ATTR(.callback = submit_next, .callback_arg = show),
            NULL));
}

/* Each callback submits the next task: no call may need the stack for all. */
START_TEST(G29_callback_that_submits_again_and_again)
{
    struct show show = {.pool = pool_of(1)};

    submit_next(NULL, &show);
    while (mp_pool_callbacks(show.pool, soon()) > 0)
        ;
    ck_assert_int_eq(show.called, 50);
    end_pool(show.pool);
}
END_TEST

static void
end_the_pool(mp_result *result, void *arg)
{
    struct show *show = arg;

    (void)result;
    show->called++;
    must(mp_pool_terminate(show->pool));
}

START_TEST(G29_callback_that_ends_the_pool)
{
    struct show show = {.pool = pool_of(2)};

    for (int i = 0; i < 20; i++)
        must(mp_pool_apply_async(show.pool, i % 2 ? echo : kill_self, NULL, 0,
                                 MP_TASK_ATTR(.callback = end_the_pool,
                                              .error_callback = end_the_pool,
                                              .callback_arg = &show),
                                 NULL));
    must(mp_pool_callbacks(show.pool, soon()));
    must(mp_pool_join(show.pool, soon()));
    ck_assert_int_ge(show.called, 1);
    ck_assert_int_le(show.called, 20);
    must(mp_pool_destroy(show.pool));
}
END_TEST

static int
play_scene(char **argv)
{
    int arg = atoi(argv[2]);

    return strcmp(argv[1], "bar") == 0 ? draw_a_bar(arg) : print_much(arg);
}

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("asked-telling");
    TCase *tell = pool_case(suite, "tell", 60);
    TCase *call = pool_case(suite, "call", 60);
    const int from = METHODS_FROM, to = METHODS_TO;

    if (argc == 3)
        return play_scene(argv);
    tcase_add_loop_test(
        tell, B26_bar_is_honest_and_what_workers_print_stays_whole, 0, 6);
    tcase_add_loop_test(tell, B27_what_workers_print_is_not_lost_with_them,
                        from, to);
    tcase_add_loop_test(tell, B40_event_loop_is_told_by_a_descriptor, from,
                        to);
    tcase_add_loop_test(tell, B43_counts_are_our_own_and_exact, from, to);
    tcase_add_loop_test(call, G29_callbacks_may_use_the_pool, from, to);
    tcase_add_test(call, G29_callback_that_submits_again_and_again);
    tcase_add_test(call, G29_callback_that_ends_the_pool);
    return pool_main(suite);
}
