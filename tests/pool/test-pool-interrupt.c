/* SPDX-License-Identifier: MIT */
/* One ctrl-C on a terminal, as its user presses it: B10, G34.
 *
 * Users had to press it three times, got the backtraces of all workers at once,
 * and had orphans eat their processors afterwards. Here a scene (kit.h) runs on
 * a terminal of its own, whose every process gets the signal. */
#include "pool/kit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CTRL_C 3

/* ---- Scenes: each ends by the signal, in the middle of something ---- */

static struct gate gate;

static void
say_that_they_work(int n)
{
    for (int i = 0; i < n; i++)
        printf("worker %d\n", (int)gate_await(gate));
    fflush(stdout);
}

static mp_pool *
busy_pool(int workers)
{
    mp_pool *pool = pool_of(workers);

    for (int i = 0; i < workers; i++)
        submit_stuck(pool, i ? spin_for_ever : sleep_for_ever, gate, NULL);
    say_that_they_work(workers);
    return pool;
}

static int
scene_apply(void)
{
    mp_pool_apply(busy_pool(2), echo, NULL, 0, NULL);
    return 1;
}

static int
scene_join(void)
{
    mp_pool *pool = busy_pool(2);

    mp_pool_close(pool);
    mp_pool_join(pool, MP_FOREVER);
    return 1;
}

static int
scene_callbacks(void)
{
    mp_pool *pool = busy_pool(2);

    mp_pool_callbacks(pool, MP_FOREVER); /* none is to come */
    return mp_pool_apply(pool, echo, NULL, 0, NULL);
}

static int
begin_and_stay(const void *item, void *result, void *ctx)
{
    pid_t pid = getpid();

    (void)result;
    if (*(const int *)item < 2)
        mp_queue_put(((struct gate *)ctx)->begun, &pid, sizeof(pid),
                     MP_FOREVER);
    usleep(*(const int *)item < 2 ? 20000 : 1000000000);
    return 0;
}

static void *
say_from_thread(void *unused)
{
    (void)unused;
    say_that_they_work(2);
    return NULL;
}

static int
map_with(const char *progress)
{
    int items[1000];
    pthread_t thread;

    for (int i = 0; i < 1000; i++)
        items[i] = i;
    pthread_create(&thread, NULL, say_from_thread, NULL);
    mp_pool_map(pool_of(2), begin_and_stay, items, sizeof(int), NULL, 0, 1000,
                MP_MAP_ATTR(.ctx = &gate, .ctx_size = sizeof(gate), .chunk = 1,
                            .progress = progress));
    return 1;
}

static int
scene_map(void)
{
    return map_with(NULL);
}

static int
scene_bar(void)
{
    return map_with("a long way");
}

/* A task that waits for a pool of its own. */
static int
wait_inside(mp_task *task)
{
    struct gate *inside = mp_task_arg(task, NULL);
    mp_pool *pool;

    if (mp_pool_create(&pool, 1, NULL) < 0)
        return -EPROTO;
    return mp_pool_apply(pool, sleep_for_ever, inside, sizeof(*inside), NULL);
}

static int
scene_nested(void)
{
    mp_pool *pool = pool_of(2);

    submit_stuck(pool, wait_inside, gate, NULL);
    submit_stuck(pool, wait_inside, gate, NULL);
    say_that_they_work(2);
    mp_pool_apply(pool, echo, NULL, 0, NULL);
    return 1;
}

/* Pools that come and go: somewhere in there. */
static int
scene_coming_and_going(void)
{
    for (int i = 0;; i++) {
        mp_pool *pool = pool_of(2);

        if (i == 1) { /* what is started once is there */
            printf("worker 0\nworker 0\n");
            fflush(stdout);
        }
        mp_pool_apply(pool, echo, NULL, 0, NULL);
        end_pool(pool);
    }
    return 1;
}

/* ---- Scenes with a handler of their own ---- */

static volatile sig_atomic_t pressed;

static void
note_press(int sig)
{
    (void)sig;
    pressed = 1;
}

static void
handle_presses(void)
{
    struct sigaction action = {.sa_handler = note_press};

    sigaction(SIGINT, &action, NULL);
}

/* Cleans up, and says by its status why. The press may come when it just does
 * not wait: so it waits for a moment only, again and again. */
static int
scene_cleanup(void)
{
    mp_result *result;
    mp_pool *pool;
    int r = -ETIMEDOUT;

    handle_presses();
    pool = busy_pool(2);
    must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, &result));
    while (!pressed && (r == -ETIMEDOUT || r == -EINTR))
        r = mp_result_wait(result, mp_timeout(0.1));
    if ((r != -EINTR && r != -ETIMEDOUT) || mp_pool_terminate(pool) < 0)
        return 1;
    r = mp_pool_join(pool, soon());
    return r == 0 && mp_pool_destroy(pool) == 0 ? 130 : 2;
}

/* Goes on as if nothing had happened. */
static int
scene_ignore(void)
{
    mp_pool *pool;
    pid_t before[2], after[6];
    int same = 0;

    handle_presses();
    pool = pool_of(2);
    await_workers(pool, 2, before);
    printf("worker %d\nworker %d\n", (int)before[0], (int)before[1]);
    fflush(stdout);
    while (!pressed)
        usleep(1000);
    await_workers(pool, 2, after);
    for (int i = 0; i < 4; i++)
        same += before[i / 2] == after[i % 2];
    if (same != 2 || mp_pool_resize(pool, 6) < 0)
        return 1;
    await_workers(pool, 6, after);
    if (stats_of(pool).deaths != 0)
        return 2;
    end_pool(pool);
    return 0;
}

static const struct {
    const char *name;
    int (*play)(void);
    int end;
} scenes[] = {
    {"apply", scene_apply, -SIGINT}, /* 130 for a shell */
    {"join", scene_join, -SIGINT},
    {"callbacks", scene_callbacks, -SIGINT},
    {"map", scene_map, -SIGINT},
    {"bar", scene_bar, -SIGINT},
    {"nested", scene_nested, -SIGINT},
    {"start", scene_coming_and_going, -SIGINT},
    {"cleanup", scene_cleanup, 130},
    {"ignore", scene_ignore, 0},
};

static int
play(const char *name, int method)
{
    mp_set_start_method(method);
    gate = gate_open();
    for (size_t i = 0; i < LENGTH(scenes); i++)
        if (strcmp(scenes[i].name, name) == 0)
            return scenes[i].play();
    return 99;
}

/* ---- The test ---- */

/* What came after the press, but for the terminal's own echo of it. */
static const char *
after_press(const struct scene *scene)
{
    const char *at = strstr(scene->text, "^C");

    ck_assert_msg(at != NULL, "no echo: %s", scene->text);
    at += 2;
    return at + strspn(at, "\r\n");
}

START_TEST(B10_G34_one_ctrl_c_ends_all_in_order)
{
    size_t which = (size_t)_i / 3;
    struct scene scene =
        scene_start(SCENE_TERMINAL, scenes[which].name, MP_FORK + _i % 3);
    pid_t pids[2];

    scene_await(&scene, "worker ", 2);
    if (strcmp(scenes[which].name, "bar") == 0)
        scene_await_text(&scene, "2/1000");
    ck_assert_int_eq(scene_numbers(&scene, "worker ", pids, 2), 2);
    scene_type(&scene, CTRL_C);
    ck_assert_msg(scene_end(&scene) == scenes[which].end, "%s: %s",
                  scenes[which].name, scene.text);
    ck_assert_str_eq(after_press(&scene), "");
    for (int i = 0; i < 2; i++)
        if (pids[i])
            ck_assert(is_gone(pids[i]));
    scene_free(&scene);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("pool-interrupt");
    TCase *tcase;

    if (argc == 3)
        return play(argv[1], atoi(argv[2]));
    tcase = pool_case(suite, "interrupt", 60);
    tcase_add_loop_test(tcase, B10_G34_one_ctrl_c_ends_all_in_order, 0,
                        3 * (int)LENGTH(scenes));
    return pool_main(suite);
}
