/* SPDX-License-Identifier: MIT */
/* What the tests of what users have asked for share: kit.h. */
#include "pool/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

mp_time
soon(void)
{
    return mp_timeout(20 * mp_test_scale());
}

int
is_gone(pid_t pid)
{
    char state = process_state(pid);

    return state == 0 || state == 'Z' || state == 'X';
}

int
pids_of(mp_pool *pool, pid_t *pids, int most)
{
    mp_process *list[64];
    int n = (int)must(mp_pool_workers(pool, list, LENGTH(list)));

    ck_assert_int_le(n, (int)LENGTH(list));
    for (int i = 0; i < n && i < most; i++)
        pids[i] = mp_process_pid(list[i]);
    return n;
}

mp_pool_statistics
stats_of(mp_pool *pool)
{
    mp_pool_statistics stats = {.size = sizeof(stats)};

    must(mp_pool_stats(pool, &stats));
    return stats;
}

/* ---- Counts ---- */

struct tide *
tide_new(void)
{
    struct tide *tide = mp_new(struct tide);

    ck_assert_ptr_nonnull(tide);
    return tide;
}

void
tide_in(struct tide *tide)
{
    uint32_t now = mp__add(&tide->now, 1) + 1;
    uint32_t most = mp__load(&tide->most);

    while (now > most && !mp__cas(&tide->most, &most, now))
        ;
    mp__add(&tide->runs, 1);
}

void
tide_out(struct tide *tide)
{
    mp__sub(&tide->now, 1);
}

/* ---- Tasks ---- */

int
count_run(mp_task *task)
{
    mp__a32 *runs = *(mp__a32 **)mp_task_arg(task, NULL);

    mp__add(runs, 1);
    return 0;
}

static int
tell_begun(mp_task *task)
{
    struct gate *gate = mp_task_arg(task, NULL);
    pid_t pid = getpid();
    int r;

    do
        r = mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER);
    while (r == -EINTR);
    return r;
}

int
sleep_for_ever(mp_task *task)
{
    int r = tell_begun(task);

    while (r == 0)
        pause();
    return r;
}

int
spin_for_ever(mp_task *task)
{
    volatile int r = tell_begun(task);
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (r == 0)
        ;
    return r;
}

mp_result *
submit_stuck(mp_pool *pool, mp_task_fn f, struct gate gate,
             const mp_task_attr *attr)
{
    mp_result *result;

    must(mp_pool_apply_async(pool, f, &gate, sizeof(gate), attr, &result));
    return result;
}

pid_t
gate_await_or_end(struct gate gate, mp_result *result)
{
    pid_t pid;

    while (mp_queue_get(gate.begun, &pid, sizeof(pid), mp_timeout(0.005)) < 0)
        if (mp_result_ready(result) == 1)
            return 0;
    return pid;
}

/* ---- Scenes ---- */

static void
open_streams(int kind, int fds[2])
{
    if (kind == SCENE_PIPE) {
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        return;
    }
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(grantpt(fds[0]), 0);
    ck_assert_int_eq(unlockpt(fds[0]), 0);
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fds[1], 0);
}

static void
become_scene(int kind, int fd, const char *name, int arg)
{
    char number[16],
        *argv[] = {"scene", (char *)(uintptr_t)name, number, NULL};

    snprintf(number, sizeof(number), "%d", arg);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kind == SCENE_TERMINAL) {
        setsid();
        ioctl(fd, TIOCSCTTY, 0);
        dup2(fd, STDIN_FILENO);
    } else {
        setpgid(0, 0);
    }
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    /* A scene ends wherever it is, with the suite's memory in hand. */
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    execv("/proc/self/exe", argv);
    _exit(127);
}

struct scene
scene_start(int kind, const char *name, int arg)
{
    struct scene scene = {0};
    int fds[2];

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* for scene_end() */
    open_streams(kind, fds);
    fflush(NULL);
    scene.fd = fds[0];
    scene.pid = fork();
    ck_assert_int_ge(scene.pid, 0);
    if (scene.pid == 0)
        become_scene(kind, fds[1], name, arg);
    close(fds[1]);
    scene.text = calloc(1, 1);
    return scene;
}

/* 0 at the end of what it prints: a terminal tells it by an error. */
static int
read_more(struct scene *scene)
{
    struct pollfd pollfd = {.fd = scene->fd, .events = POLLIN};
    char bytes[4096];
    ssize_t n;
    int r;

    do
        r = poll(&pollfd, 1, (int)(20000 * mp_test_scale()));
    while (r < 0 && errno == EINTR);
    ck_assert_msg(r == 1, "the scene says nothing more than:\n%s",
                  scene->text);
    n = read(scene->fd, bytes, sizeof(bytes));
    if (n <= 0)
        return 0;
    scene->text = realloc(scene->text, scene->size + (size_t)n + 1);
    memcpy(scene->text + scene->size, bytes, (size_t)n);
    scene->size += (size_t)n;
    scene->text[scene->size] = 0;
    return 1;
}

int
scene_numbers(const struct scene *scene, const char *word, pid_t *list,
              int most)
{
    const char *at = scene->text;
    int n = 0;

    while ((at = strstr(at, word)) != NULL && n < most) {
        at += strlen(word);
        if (strchr(at, '\n')) /* the number is whole */
            list[n++] = atoi(at);
    }
    return n;
}

void
scene_await(struct scene *scene, const char *word, int count)
{
    pid_t list[64];

    while (scene_numbers(scene, word, list, LENGTH(list)) < count)
        ck_assert_msg(read_more(scene), "the scene ended:\n%s", scene->text);
}

void
scene_await_text(struct scene *scene, const char *part)
{
    while (!strstr(scene->text, part))
        ck_assert_msg(read_more(scene), "the scene ended:\n%s", scene->text);
}

void
scene_type(const struct scene *scene, char key)
{
    ck_assert_int_eq(write(scene->fd, &key, 1), 1);
}

static int
group_is_gone(pid_t group)
{
    while (waitpid(-group, NULL, WNOHANG) > 0)
        ;
    return kill(-group, 0) < 0 && errno == ESRCH;
}

int
scene_end(struct scene *scene)
{
    int code;

    while (read_more(scene))
        ;
    close(scene->fd);
    code = reap(scene->pid);
    wait_until(group_is_gone(scene->pid), 10);
    return code;
}

void
scene_free(struct scene *scene)
{
    free(scene->text);
}
