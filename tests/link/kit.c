/* SPDX-License-Identifier: MIT */
#include "link/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE 60.0

/* ---- Roles ---- */

static int
play(char **argv)
{
    for (const struct role *role = roles; role->name; role++)
        if (strcmp(role->name, argv[2]) == 0)
            return role->play(argv[3], atoi(argv[4]));
    fprintf(stderr, "there is no role %s\n", argv[2]);
    return 2;
}

int
kit_main(int argc, char **argv, Suite *suite)
{
    if (argc != 5 || strcmp(argv[1], "--role") != 0)
        return mp_test_main(suite);
    srunner_free(srunner_create(suite)); /* and the suite */
    return play(argv);
}

void
role_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void
role_wait(void)
{
    char byte;

    if (read(STDIN_FILENO, &byte, 1) != 1)
        _exit(3); /* the test is over */
}

long
kit_need(long r, const char *call, int line)
{
    if (r >= 0)
        return r;
    fprintf(stderr, "line %d: %s: %ld: %s\n", line, call, r, mp_last_error());
    _exit(1);
}

/* ---- In the test ---- */

static void
run(const char *role, const char *address, int number, int in, int out)
{
    char digits[16];

    snprintf(digits, sizeof(digits), "%d", number);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl("/proc/self/exe", "role", "--role", role, address, digits,
          (char *)NULL);
    _exit(127);
}

struct remote *
remote_start(const char *role, const char *address, int number)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    int in[2], out[2];

    ck_assert_ptr_nonnull(remote);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    remote->pid = fork();
    if (remote->pid == 0)
        run(role, address, number, in[0], out[1]);
    ck_assert_int_gt(remote->pid, 0);
    close(in[0]);
    close(out[1]);
    remote->to = in[1];
    remote->from = out[0];
    return remote;
}

static char
next_char(struct remote *remote)
{
    struct pollfd p = {.fd = remote->from, .events = POLLIN};
    char c = 0;

    ck_assert_msg(poll(&p, 1, (int)(MINUTE * 1000 * mp_test_scale())) == 1,
                  "no line from %d within a minute", (int)remote->pid);
    ck_assert_msg(read(remote->from, &c, 1) == 1,
                  "%d has ended without another line", (int)remote->pid);
    return c;
}

char *
remote_line(struct remote *remote)
{
    char *line = calloc(1, 256), c;
    size_t n = 0;

    ck_assert_ptr_nonnull(line);
    while ((c = next_char(remote)) != '\n') {
        ck_assert_uint_lt(n, 255);
        line[n++] = c;
    }
    return line;
}

void
remote_expect(struct remote *remote, const char *line)
{
    char *got = remote_line(remote);

    ck_assert_str_eq(got, line);
    free(got);
}

void
remote_tell(struct remote *remote)
{
    ck_assert_int_eq(write(remote->to, "\n", 1), 1);
}

static void
drop(struct remote *remote)
{
    close(remote->to);
    close(remote->from);
    free(remote);
}

void
remote_end(struct remote *remote)
{
    expect_exit(remote->pid, 0);
    drop(remote);
}

void
remote_kill(struct remote *remote)
{
    kill_and_reap(remote->pid);
    drop(remote);
}

/* ---- Managers ---- */

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

void
kit_warm_up(void)
{
    mp_process *process;
    mp_queue *queue;

    must(mp_process_start(&process, nothing, NULL, 0, NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

#define ATTR(...) \
    MP_MANAGER_ATTR(.authkey = KIT_KEY, .authkey_size = SIZE_MAX, __VA_ARGS__)

mp_manager *
kit_start(const char *address)
{
    return kit_start_patient(address, 0);
}

mp_manager *
kit_start_patient(const char *address, double patience)
{
    char own[64];
    mp_manager *manager;

    kit_warm_up();
    snprintf(own, sizeof(own), "unix:/tmp/mproc-test-%d", (int)getpid());
    if (strcmp(address, "unix:") == 0)
        address = own;
    must(mp_manager_start(&manager,
                          ATTR(.address = address, .patience = patience)));
    return manager;
}

void
kit_shutdown(mp_manager *manager)
{
    must(mp_manager_shutdown(manager));
}

mp_manager *
kit_try(const char *address, double call_timeout)
{
    mp_manager *manager;
    int r = mp_manager_connect(&manager, address,
                               ATTR(.call_timeout = call_timeout));

    return r < 0 ? NULL : manager;
}

mp_manager *
kit_connect(const char *address)
{
    mp_time end = mp_timeout(MINUTE);
    mp_manager *manager;

    while ((manager = kit_try(address, 0)) == NULL)
        if (mp_timeout(0) > end)
            need(-ECONNREFUSED);
    return manager;
}

void *
kit_lookup(mp_manager *manager, const char *name, const char *type)
{
    void *handle = NULL;

    int r;

    do
        r = mp_manager_lookup(manager, name, type, &handle);
    while (r == -EPIPE); /* the network */
    need(r);
    return handle;
}
