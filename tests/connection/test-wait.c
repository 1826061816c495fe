/* SPDX-License-Identifier: MIT */
/* mp_wait(): any mix of objects, all that are ready are told. */
#include "connection/poll-kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static mp_queue *
new_queue(void)
{
    mp_queue *queue;

    must(mp_queue_create(&queue, NULL));
    return queue;
}

static mp_event *
new_event(void)
{
    mp_event *event;

    must(mp_event_create(&event, NULL));
    return event;
}

static mp_time
soon(void)
{
    return mp_timeout(20 * mp_test_scale());
}

/* ---- Each kind ---- */

START_TEST(wait_queue)
{
    void *queue = new_queue();
    int ready = 7;

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(mp_wait(&queue, 1, &ready, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_wait(&queue, 1, &ready, mp_timeout(0.01)),
                         -ETIMEDOUT);
        ck_assert_int_eq(ready, 7); /* only written on success */
        put_now(queue);
        ck_assert_int_eq(mp_wait(&queue, 1, &ready, MP_FOREVER), 1);
        ck_assert_int_eq(ready, 1);
        ck_assert_int_eq(mp_wait(&queue, 1, NULL, MP_NOW), 1);
        ck_assert_int_gt(get_now(queue), 0);
        ready = 7;
    }
    must(mp_queue_close(queue));
    ck_assert_int_eq(mp_wait(&queue, 1, NULL, MP_FOREVER), 1);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(wait_event)
{
    void *event = new_event();

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(mp_wait(&event, 1, NULL, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_wait(&event, 1, NULL, mp_timeout(0.01)),
                         -ETIMEDOUT);
        must(mp_event_set(event));
        ck_assert_int_eq(mp_wait(&event, 1, NULL, MP_FOREVER), 1);
        must(mp_event_clear(event));
    }
    must(mp_event_destroy(event));
}
END_TEST

START_TEST(wait_pipe)
{
    mp_conn *a, *b;
    void *object;

    must(mp_pipe(&a, &b, 1));
    object = a;
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_wait(&object, 1, NULL, mp_timeout(0.01)),
                         -ETIMEDOUT);
        must(mp_conn_send(b, "hello", 5, MP_NOW));
        ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_FOREVER), 1);
        ck_assert_int_eq(mp_conn_recv(a, (char[5]){0}, 5, MP_NOW), 5);
    }
    must(mp_conn_close(b));
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_FOREVER), 1);
    must(mp_conn_close(a));
    must_fail(mp_wait(&object, 1, NULL, MP_FOREVER), -EBADF, "objects[0]");
}
END_TEST

/* A socket's end is ready by the whole of a message, and by its end. */
START_TEST(wait_socket)
{
    mp_conn *a, *b;
    void *object;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    must(mp_conn_open_fd(&a, ends[0], NULL));
    must(mp_conn_open_fd(&b, ends[1], NULL));
    object = a;
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), -EAGAIN);
        ck_assert_int_eq(mp_wait(&object, 1, NULL, mp_timeout(0.01)),
                         -ETIMEDOUT);
        must(mp_conn_send(b, "hello", 5, MP_FOREVER));
        must(mp_conn_send(b, "again", 5, MP_FOREVER));
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(mp_wait(&object, 1, NULL, soon()), 1);
            ck_assert_int_eq(mp_conn_recv(a, (char[5]){0}, 5, MP_NOW), 5);
        }
    }
    must(mp_conn_close(b));
    ck_assert_int_eq(mp_wait(&object, 1, NULL, soon()), 1);
    must(mp_conn_close(a));
}
END_TEST

/* One who has called, and will not say a word. */
START_TEST(wait_listener)
{
    char path[108], address[128];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    mp_listener *listener;
    void *object;
    int fd;

    snprintf(path, sizeof(path), "%s/mproc-wait-%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    memcpy(name.sun_path, path, strlen(path));
    must(mp_listener_open(&listener, address, NULL));
    object = listener;
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, mp_timeout(0.01)), -ETIMEDOUT);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, soon()), 1);
    close(fd);
    must(mp_listener_close(listener));
    must_fail(mp_wait(&object, 1, NULL, MP_NOW), -EBADF, "objects[0]");
}
END_TEST

static int
until_set(void *arg)
{
    return mp_event_wait(*(mp_event **)arg, MP_FOREVER);
}

START_TEST(wait_process)
{
    mp_event *event = new_event();
    mp_process *p;
    void *object;

    must(mp_process_start(&p, until_set, &event, sizeof(event),
                          MP_PROCESS_ATTR(.method = methods[_i])));
    object = p;
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, mp_timeout(0.01)), -ETIMEDOUT);
    must(mp_event_set(event));
    ck_assert_int_eq(mp_wait(&object, 1, NULL, soon()), 1);
    must(mp_process_join(p, MP_NOW));
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), 1);
    must(mp_process_close(p));
    must(mp_event_destroy(event));
}
END_TEST

START_TEST(wait_descriptor)
{
    int ends[2];
    void *object;

    ck_assert_int_eq(pipe(ends), 0);
    object = MP_FD(ends[0]);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, mp_timeout(0.01)), -ETIMEDOUT);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_FOREVER), 1);
    ck_assert_int_eq(read(ends[0], (char[1]){0}, 1), 1);
    close(ends[1]);
    ck_assert_int_eq(mp_wait(&object, 1, NULL, MP_FOREVER), 1);
    close(ends[0]);
    must_fail(mp_wait(&object, 1, NULL, MP_FOREVER), -EBADF, "descriptor");
    object = MP_FD(-1);
    must_fail(mp_wait(&object, 1, NULL, MP_FOREVER), -EBADF, "descriptor -1");
    object = MP_FD(0x7fffffff);
    must_fail(mp_wait(&object, 1, NULL, MP_NOW), -EBADF, "descriptor");
}
END_TEST

/* ---- Many ---- */

#define MIX 200

struct mix {
    void *objects[MIX]; /* NULL too */
    mp_conn *others[MIX];
    int quiet[2], loud[2];
};

static void
fill(struct mix *mix)
{
    mp_conn *conn;

    ck_assert_int_eq(pipe(mix->quiet), 0);
    ck_assert_int_eq(pipe(mix->loud), 0);
    ck_assert_int_eq(write(mix->loud[1], "x", 1), 1);
    for (size_t i = 0; i < MIX; i++) {
        if (i % 5 == 0) {
            mix->objects[i] = new_queue();
        } else if (i % 5 == 1) {
            mix->objects[i] = new_event();
        } else if (i % 5 == 2) {
            must(mp_pipe(&conn, &mix->others[i], 0));
            mix->objects[i] = conn;
        } else if (i % 5 == 3) {
            mix->objects[i] = MP_FD(i % 3 ? mix->quiet[0] : mix->loud[0]);
        }
    }
}

/* Every third. */
static int
make_ready(struct mix *mix)
{
    int n = 0;

    for (size_t i = 0; i < MIX; i += 3) {
        if (i % 5 == 0)
            put_now(mix->objects[i]);
        else if (i % 5 == 1)
            must(mp_event_set(mix->objects[i]));
        else if (i % 5 == 2)
            must(mp_conn_send(mix->others[i], "x", 1, MP_NOW));
        n += i % 5 != 4;
    }
    return n;
}

static void
empty(struct mix *mix)
{
    for (size_t i = 0; i < MIX; i++) {
        if (i % 5 == 0) {
            must(mp_queue_destroy(mix->objects[i]));
        } else if (i % 5 == 1) {
            must(mp_event_destroy(mix->objects[i]));
        } else if (i % 5 == 2) {
            must(mp_conn_close(mix->objects[i]));
            must(mp_conn_close(mix->others[i]));
        }
    }
    for (int i = 0; i < 2; i++) {
        close(mix->quiet[i]);
        close(mix->loud[i]);
    }
}

/* However it is waited for: all of those are told, and no other. */
START_TEST(wait_tells_all_that_are_ready)
{
    static struct mix mix;
    int before = mp_test_fds(), ready[MIX], n;

    fill(&mix);
    n = make_ready(&mix);
    for (int round = 0; round < 4; round++) {
        ck_assert_int_eq(
            mp_wait(mix.objects, MIX, ready, round ? MP_FOREVER : MP_NOW), n);
        for (size_t i = 0; i < MIX; i++)
            ck_assert_int_eq(ready[i], i % 3 == 0 && i % 5 != 4);
    }
    empty(&mix);
    ck_assert_int_eq(mp_test_fds(), before);
}
END_TEST

START_TEST(wait_same_object_often)
{
    enum { N = 300 };
    mp_queue *queue = new_queue();
    void *objects[N];
    int ready[N];

    for (size_t i = 0; i < N; i++)
        objects[i] = i % 3 ? queue : NULL;
    ck_assert_int_eq(mp_wait(objects, N, ready, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_wait(objects, N, ready, mp_timeout(0.01)), -ETIMEDOUT);
    put_now(queue);
    ck_assert_int_eq(mp_wait(objects, N, ready, MP_FOREVER), N * 2 / 3);
    for (size_t i = 0; i < N; i++)
        ck_assert_int_eq(ready[i], i % 3 != 0);
    must(mp_queue_destroy(queue));
}
END_TEST

START_TEST(wait_for_nothing)
{
    void *none[40] = {NULL};
    int ready[40];

    ck_assert_int_eq(mp_wait(NULL, 0, NULL, MP_NOW), -EAGAIN);
    ck_assert_int_eq(mp_wait(none, 0, ready, mp_timeout(0.01)), -ETIMEDOUT);
    ck_assert_int_eq(mp_wait(none, 40, ready, mp_timeout(0.01)), -ETIMEDOUT);
    ck_assert_int_eq(mp_wait(none, 40, ready, MP_NOW), -EAGAIN);
}
END_TEST

START_TEST(wait_for_what_is_none)
{
    mp_queue *queue = new_queue(), *gone = new_queue();
    mp_lock *lock;
    void *objects[40] = {queue, NULL, MP_FD(0)};
    int ready[40] = {7};
    int64_t junk[16] = {0};

    must(mp_lock_create(&lock, NULL));
    must(mp_queue_destroy(gone));
    objects[2] = gone;
    must_fail(mp_wait(objects, 3, ready, MP_FOREVER), -EBADF, "objects[2]");
    objects[1] = lock;
    must_fail(mp_wait(objects, 3, ready, MP_FOREVER), -EBADF, "objects[1]");
    objects[1] = junk;
    must_fail(mp_wait(objects, 40, ready, MP_NOW), -EBADF, "objects[1]");
    objects[1] = (char *)queue + 2;
    must_fail(mp_wait(objects, 40, ready, MP_NOW), -EBADF, "objects[1]");
    ck_assert_int_eq(ready[0], 7);
    must_fail(mp_wait(NULL, 1, ready, MP_NOW), -EINVAL, "NULL");
    must_fail(mp_wait(objects, SIZE_MAX / 2, ready, MP_NOW), -EINVAL, "many");
    must(mp_queue_destroy(queue));
    must(mp_lock_destroy(lock));
}
END_TEST

/* A descriptor is not to be had for each; those that were made stay. */
START_TEST(wait_no_descriptor_left)
{
    void *objects[8];
    struct rlimit files, few;
    int before = mp_test_fds(), next = dup(0), r;

    for (size_t i = 0; i < LENGTH(objects); i++)
        objects[i] = i % 2 ? (void *)new_event() : (void *)new_queue();
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = (rlim_t)next + 4;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    r = mp_wait(objects, LENGTH(objects), NULL, MP_FOREVER);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(r, -EMFILE);
    put_now(objects[6]);
    ck_assert_int_eq(mp_wait(objects, LENGTH(objects), NULL, MP_FOREVER), 1);
    for (size_t i = 0; i < LENGTH(objects); i++)
        if (i % 2)
            must(mp_event_destroy(objects[i]));
        else
            must(mp_queue_destroy(objects[i]));
    ck_assert_int_eq(mp_test_fds(), before);
}
END_TEST

/* poll() refuses more entries than a process may have descriptors. */
START_TEST(wait_for_more_than_descriptors)
{
    mp_queue *queue = new_queue();
    struct rlimit files, few;
    void *objects[400];

    for (size_t i = 0; i < LENGTH(objects); i++)
        objects[i] = queue;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = 256;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    must_fail(mp_wait(objects, LENGTH(objects), NULL, MP_FOREVER), -EMFILE,
              "400 objects");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    must(mp_queue_destroy(queue));
}
END_TEST

/* ---- Asleep ---- */

struct scene {
    mp_queue *queue;
    mp_event *event, *end;
    mp_conn *a, *b;
    mp__a64 put, got;
    int ends[2];
};

static struct scene *
new_scene(void)
{
    struct scene *scene = mp_new(struct scene);

    ck_assert_ptr_nonnull(scene);
    scene->queue = new_queue();
    scene->event = new_event();
    scene->end = new_event();
    must(mp_pipe(&scene->a, &scene->b, 0));
    ck_assert_int_eq(pipe(scene->ends), 0);
    return scene;
}

static void
end_scene(struct scene *scene)
{
    must(mp_queue_destroy(scene->queue));
    must(mp_event_destroy(scene->event));
    must(mp_event_destroy(scene->end));
    mp_conn_close(scene->a);
    mp_conn_close(scene->b);
    close(scene->ends[0]);
    close(scene->ends[1]);
    must(mp_free(scene));
}

static int
wait_for_any(void *arg, int which)
{
    struct scene *scene = arg;
    void *objects[] = {NULL, scene->queue, scene->event, scene->a,
                       MP_FD(scene->ends[0])};
    int ready[LENGTH(objects)], r = -EINTR;

    while (r == -EINTR || r == -EAGAIN)
        r = mp_wait(objects, LENGTH(objects), ready, soon());
    (void)which;
    for (size_t i = 0; i < LENGTH(objects); i++)
        if (r == 1 && ready[i] != (i == mp__load(&scene->put)))
            return 2;
    return r != 1;
}

START_TEST(wait_asleep_is_woken_by_any)
{
    struct scene *scene = new_scene();
    enum kin_how how = _i ? THREADS : PROCESSES;

    for (unsigned which = 1; which < 5; which++) {
        struct kin *kin;

        mp__store(&scene->put, which);
        kin = kin_start(how, 3, wait_for_any, scene);
        kin_await_sleep(kin);
        if (which == 1)
            put_now(scene->queue);
        else if (which == 2)
            must(mp_event_set(scene->event));
        else if (which == 3)
            must(mp_conn_send(scene->b, "x", 1, MP_NOW));
        else
            ck_assert_int_eq(write(scene->ends[1], "x", 1), 1);
        kin_end(kin);
        get_now(scene->queue);
        must(mp_event_clear(scene->event));
        mp_conn_recv(scene->a, (char[1]){0}, 1, MP_NOW);
    }
    end_scene(scene);
}
END_TEST

static void
do_nothing(int unused)
{
    (void)unused;
}

static int
wait_for_interruption(void *arg, int unused)
{
    struct scene *scene = arg;
    void *objects[] = {scene->queue, scene->a};
    struct sigaction action = {.sa_handler = do_nothing,
                               .sa_flags = SA_RESTART};

    (void)unused;
    sigaction(SIGUSR1, &action, NULL);
    return mp_wait(objects, LENGTH(objects), NULL, MP_FOREVER) != -EINTR;
}

START_TEST(wait_is_interrupted)
{
    struct scene *scene = new_scene();
    struct sigaction action = {.sa_handler = do_nothing};
    struct kin *kin;

    sigaction(SIGUSR1, &action, NULL);
    kin = kin_start(PROCESSES, 1, wait_for_interruption, scene);
    kin_await_sleep(kin);
    kin_interrupt(kin, 0, SIGUSR1);
    kin_end(kin);
    end_scene(scene);
}
END_TEST

/* The copy has descriptors of its own, and its parent is not disturbed. */
static int
wait_in_child(void *arg)
{
    struct scene *scene = arg;
    void *objects[] = {scene->queue, scene->event};

    if (mp_wait(objects, 2, NULL, mp_timeout(0.01)) != -ETIMEDOUT)
        return 1;
    must(mp_event_set(scene->end));
    return mp_wait(objects, 2, NULL, soon()) != 1;
}

START_TEST(wait_in_child_of_fork)
{
    struct scene *scene = new_scene();
    void *objects[] = {scene->queue, scene->event};
    pid_t pid;

    ck_assert_int_eq(mp_wait(objects, 2, NULL, mp_timeout(0.01)), -ETIMEDOUT);
    pid = child(wait_in_child, scene);
    must(mp_event_wait(scene->end, MP_FOREVER));
    must(mp_event_set(scene->event));
    expect_exit(pid, 0);
    ck_assert_int_eq(mp_wait(objects, 2, NULL, soon()), 1);
    must(mp_event_clear(scene->event));
    ck_assert_int_eq(mp_wait(objects, 2, NULL, mp_timeout(0.01)), -ETIMEDOUT);
    put_now(scene->queue);
    ck_assert_int_eq(mp_wait(objects, 2, NULL, soon()), 1);
    end_scene(scene);
}
END_TEST

/* ---- Together ---- */

#define QUEUES 40
#define PUTS   4000

struct fan {
    mp_queue *queues[QUEUES];
    mp__a64 got;
};

static int
take_all(void *arg, int unused)
{
    struct fan *fan = arg;
    int ready[QUEUES], r, open;

    (void)unused;
    do {
        r = mp_wait((void **)fan->queues, QUEUES, ready, soon());
        if (r < 0)
            return 1;
        open = 0;
        for (int i = 0; i < QUEUES; i++) {
            while (ready[i] && (r = get_now(fan->queues[i])) > 0)
                mp__add(&fan->got, 1);
            open += !ready[i] || r != -ESHUTDOWN;
        }
    } while (open > 0);
    return 0;
}

/* Threads and processes that wait for the same queues: everything is taken once,
 * and nobody sleeps on. */
START_TEST(wait_several_wait_for_the_same)
{
    struct fan *fan = mp_new(struct fan);
    struct kin *processes, *threads;

    for (int i = 0; i < QUEUES; i++)
        fan->queues[i] = new_queue();
    processes = kin_start(PROCESSES, 2, take_all, fan);
    threads = kin_start(THREADS, 2, take_all, fan);
    for (unsigned i = 0; i < PUTS; i++) {
        put_now(fan->queues[i * 7 % QUEUES]);
        if (i % 50 == 0)
            wait_until(mp__load(&fan->got) == i + 1, 20);
    }
    for (int i = 0; i < QUEUES; i++)
        must(mp_queue_close(fan->queues[i]));
    kin_end(processes);
    kin_end(threads);
    ck_assert_uint_eq(mp__load(&fan->got), PUTS);
    for (int i = 0; i < QUEUES; i++)
        must(mp_queue_destroy(fan->queues[i]));
    must(mp_free(fan));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wait");
    TCase *tcase = poll_case(suite, "kinds", 30);

    tcase_add_test(tcase, wait_queue);
    tcase_add_test(tcase, wait_event);
    tcase_add_test(tcase, wait_pipe);
    tcase_add_test(tcase, wait_socket);
    tcase_add_test(tcase, wait_listener);
    tcase_add_loop_test(tcase, wait_process, 0, METHODS);
    tcase_add_test(tcase, wait_descriptor);
    tcase = poll_case(suite, "many", 30);
    tcase_add_test(tcase, wait_tells_all_that_are_ready);
    tcase_add_test(tcase, wait_same_object_often);
    tcase_add_test(tcase, wait_for_nothing);
    tcase_add_test(tcase, wait_for_what_is_none);
    tcase_add_test(tcase, wait_no_descriptor_left);
    tcase_add_test(tcase, wait_for_more_than_descriptors);
    tcase = poll_case(suite, "asleep", 60);
    tcase_add_loop_test(tcase, wait_asleep_is_woken_by_any, 0, 2);
    tcase_add_test(tcase, wait_is_interrupted);
    tcase_add_test(tcase, wait_in_child_of_fork);
    tcase_add_test(tcase, wait_several_wait_for_the_same);
    return mp_test_main(suite);
}
