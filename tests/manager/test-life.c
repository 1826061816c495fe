/* SPDX-License-Identifier: MIT */
/* The life of a manager's server: how it starts, or says why it cannot; how it
 * ends, and what another one finds. */
#include "manager/host.h"
#include "server/raw.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mp_manager *manager;
static struct raw raw;

static pid_t
server_pid(void)
{
    return mp_process_pid(mp_manager_process(manager));
}

static void
kill_server(void)
{
    mp_process *server = mp_manager_process(manager);

    must(mp_process_kill(server));
    must(mp_process_join(server, MP_FOREVER));
}

/* ---- Starting ---- */

START_TEST(wrong_attributes_are_refused)
{
    must_fail(mp_manager_start(NULL, NULL), -EINVAL, "ret_manager is NULL");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.address = "here")),
              -EINVAL, "mp_manager_start: ");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.patience = -1)),
              -EINVAL, ".patience");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.flags = 1u << 30)),
              -EINVAL, "mp_manager_start");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.authkey_size = 3)),
              -EINVAL, ".authkey is NULL");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.max_message = 10)),
              -EINVAL, ".max_message");
    /* TCP takes a key, or certificates. */
    must_fail(mp_manager_start(&manager,
                               MP_MANAGER_ATTR(.address = "tcp:127.0.0.1:0")),
              -EINVAL, "authkey");
    must_fail(mp_manager_start(
                  &manager, MP_MANAGER_ATTR(.address = "unix:/no/such/place")),
              -ENOENT, "/no/such/place");
    must_fail(mp_manager_shutdown((mp_manager *)&manager), -EBADF,
              "a manager");
    must(mp_manager_shutdown(NULL));
    ck_assert_ptr_null(mp_manager_address(NULL));
    ck_assert_ptr_null(mp_manager_process(NULL));
    must_fail(mp_manager_restart(NULL), -EBADF, "a manager");
}
END_TEST

START_TEST(a_manager_may_be_nowhere)
{
    must(mp_manager_start(&manager, NULL));
    ck_assert_ptr_null(mp_manager_address(manager));
    ck_assert_int_eq(mp_process_is_alive(mp_manager_process(manager)), 1);
    ck_assert_str_eq(mp_process_name(mp_manager_process(manager)), "manager");
    must(mp_manager_shutdown(manager));
    must_fail(mp_manager_shutdown(manager), -EBADF, "a manager");
}
END_TEST

START_TEST(an_address_is_taken_once)
{
    mp_manager *second;

    manager = raw_start(BY_UNIX, NULL);
    must_fail(
        mp_manager_start(
            &second, MP_MANAGER_ATTR(.address = mp_manager_address(manager))),
        -EADDRINUSE, "somebody listens there");
    raw_open(&raw, manager);
    raw_ping(&raw);
    raw_close(&raw);
    raw_end(manager);
}
END_TEST

static int
refuse(void *arg)
{
    (void)arg;
    return -EDOM;
}

static int
die(void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

static int
note_pid(void *arg)
{
    mp__store((mp__a32 *)arg, (uint32_t)getpid());
    return 0;
}

START_TEST(the_initializer_decides)
{
    mp__a32 *pid = mp_alloc(sizeof(*pid));
    uint64_t use;

    must_fail(
        mp_manager_start(&manager, MP_MANAGER_ATTR(.initializer = refuse)),
        -EDOM, "the initializer has failed");
    must_fail(mp_manager_start(&manager, MP_MANAGER_ATTR(.initializer = die)),
              -ESRCH, "SIGKILL");
    use = heap_now().objects[MP__SLAB_MANAGER];
    ck_assert_uint_eq(use, 0);
    must(mp_manager_start(&manager,
                          MP_MANAGER_ATTR(.initializer = note_pid,
                                          .initializer_arg = (void *)pid)));
    ck_assert_int_eq((int)mp__load(pid), server_pid());
    kill_server();
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    ck_assert_int_eq((int)mp__load(pid), server_pid());
    must(mp_manager_shutdown(manager));
    must(mp_free(pid));
}
END_TEST

/* ---- Starting anew ---- */

START_TEST(a_new_server_has_the_same_address)
{
    char address[128];
    uint64_t life;

    manager = raw_start((enum raw_by)_i, NULL);
    snprintf(address, sizeof(address), "%s", mp_manager_address(manager));
    raw_open(&raw, manager);
    life = raw.welcome.server;
    ck_assert_int_eq(mp_manager_restart(manager), 0); /* it lives */
    raw_ping(&raw);
    kill_server();
    raw_expect_end(&raw);
    raw_close(&raw);
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    ck_assert_str_eq(mp_manager_address(manager), address);
    raw_open(&raw, manager);
    ck_assert_uint_gt(raw.welcome.server, life);
    raw_ping(&raw);
    raw_close(&raw);
    raw_end(manager);
}
END_TEST

/* What the clients of a dead server held is free, and their objects are gone;
 * those of all stay. */
START_TEST(a_dead_servers_guests_are_dead)
{
    mp_lock *lock;

    manager = raw_start(BY_UNIX, NULL);
    must(mp_lock_create(&lock, NULL));
    raw_open(&raw, manager);
    ck_assert_int_eq(
        raw_ask(&raw, "lock_acquire", MP__SLAB_LOCK, lock, MP_NOW), 0);
    kill_server();
    ck_assert_int_eq(mp_lock_acquire(lock, LATER), -EOWNERDEAD);
    must(mp_lock_release(lock));
    raw_close(&raw);
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    must(mp_lock_destroy(lock));
    raw_end(manager);
}
END_TEST

static int
restart(void *arg, int i)
{
    mp__a32 *started = arg;
    int r = mp_manager_restart(manager);

    (void)i;
    if (r < 0)
        return 1;
    mp__add(started, (uint32_t)r);
    return mp_manager_restart(manager) == 0 ? 0 : 2;
}

START_TEST(of_many_who_restart_one_does)
{
    mp__a32 *started = mp_alloc(sizeof(*started));
    uint32_t alive;

    mp__store(started, 0);
    manager = raw_start((enum raw_by)_i, NULL);
    kill_server();
    kin_run(PROCESSES, 6, restart, started);
    ck_assert_uint_eq(mp__load(started), 1);
    /* It was a child of one that has ended since, and goes on. */
    alive = (uint32_t)mp_process_is_alive(mp_manager_process(manager));
    ck_assert_uint_eq(alive, 1);
    raw_open(&raw, manager);
    raw_ping(&raw);
    raw_close(&raw);
    raw_end(manager);
    must(mp_free(started));
    mp_active_children(NULL, 0); /* those that others have closed are let go */
}
END_TEST

static int
come_late(void *start)
{
    return mp__manager_serve(start) == EXIT_FAILURE ? 0 : 1;
}

/* Its starter was killed before anybody could know of it, and another server
 * was started. */
START_TEST(a_server_that_comes_late_is_none)
{
    struct mp__manager_start late;
    mp_process *process, *server;
    mp_conn *heard;
    int code = -1;

    manager = raw_start(BY_UNIX, NULL);
    late = (struct mp__manager_start){
        .manager = manager,
        .start = mp__load(&manager->start),
    };
    must(mp_pipe(&heard, &late.report, 0));
    kill_server();
    ck_assert_int_eq(mp_manager_restart(manager), 1);
    server = mp_manager_process(manager);
    must(mp_process_start(&process, come_late, &late, sizeof(late), NULL));
    must(mp_process_join(process, mp_timeout(20)));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    ck_assert_ptr_eq(mp_manager_process(manager), server);
    raw_open(&raw, manager);
    raw_ping(&raw);
    raw_close(&raw);
    must(mp_process_close(process));
    must(mp_conn_close(late.report));
    must(mp_conn_close(heard));
    raw_end(manager);
}
END_TEST

static int
restart_and_die(void *arg, int i)
{
    (void)i;
    (void)arg;
    alarm(0);
    mp_manager_restart(manager);
    raise(SIGKILL);
    return 0;
}

/* Killed anywhere on the way: the next one can. */
START_TEST(who_restarts_may_be_killed)
{
    manager = raw_start(BY_UNIX, NULL);
    for (int i = 0; i < 12; i++) {
        struct kin *kin;

        kill_server();
        kin = kin_start(PROCESSES, 1, restart_and_die, NULL);
        usleep((useconds_t)(i * 700));
        kin_kill(kin, 0);
        kin_end(kin);
        ck_assert_int_ge(mp_manager_restart(manager), 0);
        raw_open(&raw, manager);
        raw_ping(&raw);
        raw_close(&raw);
    }
    raw_end(manager);
    mp_active_children(NULL, 0);
}
END_TEST

/* ---- Ending ---- */

static int
exists(const char *address)
{
    return access(address + 5, F_OK) == 0;
}

START_TEST(ctrl_c_is_the_programs_and_term_ends_it)
{
    char address[128];
    mp_process *server;
    int code;

    manager = raw_start(BY_UNIX, NULL);
    snprintf(address, sizeof(address), "%s", mp_manager_address(manager));
    server = mp_manager_process(manager);
    must(mp_process_interrupt(server));
    raw_open(&raw, manager);
    raw_ping(&raw);
    ck_assert(exists(address));
    must(mp_process_terminate(server));
    must(mp_process_join(server, LATER));
    must(mp_process_exitcode(server, &code));
    ck_assert_int_eq(code, 0);
    ck_assert(!exists(address));
    raw_expect_end(&raw);
    raw_close(&raw);
    raw_end(manager);
}
END_TEST

START_TEST(a_client_may_shut_it_down)
{
    pid_t pid;

    manager = raw_start(BY_UNIX, NULL);
    pid = server_pid();
    raw_open(&raw, manager);
    ck_assert_int_eq(raw_ask(&raw, "manager_shutdown", -1, NULL, MP_NOW), 0);
    raw_expect_end(&raw);
    raw_close(&raw);
    must(mp_process_join(mp_manager_process(manager), LATER));
    ck_assert_int_eq(server_pid(), pid);
    raw_end(manager);
}
END_TEST

/* Pipes are collected now and then; all else goes at once. */
START_TEST(nothing_is_left_of_a_manager)
{
    static const enum mp__slab slabs[] = {MP__SLAB_MANAGER, MP__SLAB_DICT,
                                          MP__SLAB_QUEUE,   MP__SLAB_VALUE,
                                          MP__SLAB_LOCK,    MP__SLAB_PROCESS};
    struct mp__heap_report before, after;

    must(mp__enter());
    before = heap_now();
    for (int i = 0; i < 4; i++) {
        manager = raw_start((enum raw_by)(i % 2), NULL);
        raw_open(&raw, manager);
        raw_ping(&raw);
        raw_close(&raw);
        raw_end(manager);
    }
    after = heap_now();
    for (size_t i = 0; i < LENGTH(slabs); i++)
        ck_assert_uint_eq(after.objects[slabs[i]], before.objects[slabs[i]]);
    ck_assert_uint_eq(after.large, before.large);
}
END_TEST

/* A family of its own, whose root is killed. */
static int
be_root(void *arg)
{
    int *ends = arg;
    pid_t pid;

    close(ends[0]);
    manager = raw_start(BY_UNIX, NULL);
    pid = server_pid();
    if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid))
        return 1;
    for (;;)
        pause();
}

START_TEST(the_server_ends_with_the_root)
{
    int ends[2];
    pid_t root, server;
    char path[64];

    must(pipe(ends));
    root = child(be_root, ends);
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &server, sizeof(server)), sizeof(server));
    ck_assert_int_eq(kill(server, 0), 0);
    kill_and_reap(root);
    /* Its copy of the pipe's end goes with it. */
    ck_assert_int_eq(read(ends[0], &server, sizeof(server)), 0);
    close(ends[0]);
    snprintf(path, sizeof(path), "/tmp/mproc-raw-%d", (int)root);
    unlink(path);
}
END_TEST

static int
be_root_and_exit(void *arg)
{
    (void)arg;
    manager = raw_start(BY_UNIX, NULL);
    exit(7);
}

START_TEST(the_roots_exit_ends_the_server_in_order)
{
    pid_t root = child(be_root_and_exit, NULL);
    char path[64];

    expect_exit(root, 7);
    snprintf(path, sizeof(path), "/tmp/mproc-raw-%d", (int)root);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("life");
    TCase *tcase = raw_case(suite, "starting", 60);

    tcase_add_test(tcase, wrong_attributes_are_refused);
    tcase_add_test(tcase, a_manager_may_be_nowhere);
    tcase_add_test(tcase, an_address_is_taken_once);
    tcase_add_test(tcase, the_initializer_decides);
    tcase = raw_case(suite, "anew", 90);
    tcase_add_loop_test(tcase, a_new_server_has_the_same_address, 0, 2);
    tcase_add_test(tcase, a_dead_servers_guests_are_dead);
    tcase_add_loop_test(tcase, of_many_who_restart_one_does, 0, 2);
    tcase_add_test(tcase, a_server_that_comes_late_is_none);
    tcase_add_test(tcase, who_restarts_may_be_killed);
    tcase = raw_case(suite, "ending", 60);
    tcase_add_test(tcase, ctrl_c_is_the_programs_and_term_ends_it);
    tcase_add_test(tcase, a_client_may_shut_it_down);
    tcase_add_test(tcase, nothing_is_left_of_a_manager);
    tcase = mp_test_case(suite, "root", 60);
    tcase_add_test(tcase, the_server_ends_with_the_root);
    tcase_add_test(tcase, the_roots_exit_ends_the_server_in_order);
    return mp_test_main(suite);
}
