/* SPDX-License-Identifier: MIT */
/* What the tests of the pool share. */
#include "pool/crew.h"

#include "region/audit.h"
#include "region/object.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

long
mp_test_must(long r, const char *call, const char *file, int line)
{
    if (r < 0) /* checked in spawned children too, where Check is not */
        ck_abort_msg("%s:%d: %s: %s: %s", file, line, call,
                     mp_strerror((int)r), mp_last_error());
    return r;
}

void
mp_test_text(const char *text, const char *part)
{
    ck_assert_msg(text != NULL && strstr(text, part) != NULL,
                  "\"%s\" does not contain \"%s\"", text ? text : "(null)",
                  part);
}

static int
do_nothing(void *unused)
{
    (void)unused;
    return 0;
}

void
use_method(int method)
{
    mp_process *process;
    mp_pool *pool;

    must(mp_set_start_method(method));
    must(mp_process_start(&process, do_nothing, NULL, 0, NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    must(mp_pool_create(&pool, 1, MP_POOL_ATTR(.name = "first")));
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    end_pool(pool);
    mp_test_leaks_mark();
}

static void
start_processes(void)
{
    use_method(MP_FORK);
}

TCase *
pool_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = mp_test_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, start_processes, NULL);
    return tcase;
}

mp_pool *
pool_of(int workers)
{
    mp_pool *pool;

    must(mp_pool_create(&pool, workers, NULL));
    return pool;
}

void
end_pool(mp_pool *pool)
{
    must(mp_pool_close(pool));
    must(mp_pool_join(pool, MP_FOREVER));
    must(mp_pool_destroy(pool));
}

long
end_of(mp_result *result)
{
    char buffer[256];
    long r;

    do
        r = mp_result_get(result, buffer, sizeof(buffer), MP_FOREVER);
    while (r == -EINTR);
    return r;
}

void
await_workers(mp_pool *pool, int count, pid_t *pids)
{
    struct gate gate = gate_open();
    mp_result *results[64];

    ck_assert_int_le(count, 64);
    for (int i = 0; i < count; i++)
        results[i] = submit_to_gate(pool, gate);
    for (int i = 0; i < count; i++) /* whoever is missing must be replaced */
        while (mp_queue_get(gate.begun, &pids[i], sizeof(pid_t),
                            mp_timeout(0.005)) < 0)
            must(mp_pool_workers(pool, NULL, 0));
    for (int i = 0; i < count; i++)
        gate_let_go(gate);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(end_of(results[i]), 0);
        must(mp_result_free(results[i]));
    }
    gate_close(gate);
}

int
pool_main(Suite *suite)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd < 0 && errno == ENOSYS) {
        puts("1..0 # SKIP no pidfds");
        return 77;
    }
    close(fd);
    return mp_test_main(suite);
}

/* ---- Gates ---- */

struct gate
gate_open(void)
{
    struct gate gate;

    must(mp_queue_create(&gate.begun, NULL));
    must(mp_queue_create(&gate.pass, NULL));
    return gate;
}

void
gate_close(struct gate gate)
{
    must(mp_queue_destroy(gate.begun));
    must(mp_queue_destroy(gate.pass));
}

pid_t
gate_await(struct gate gate)
{
    pid_t pid;

    must(mp_queue_get(gate.begun, &pid, sizeof(pid), MP_FOREVER));
    return pid;
}

void
gate_let_go(struct gate gate)
{
    must(mp_queue_put(gate.pass, "", 1, MP_FOREVER));
}

int
wait_at_gate(mp_task *task)
{
    struct gate *gate = mp_task_arg(task, NULL);
    pid_t pid = getpid();
    char c;

    if (mp_queue_put(gate->begun, &pid, sizeof(pid), MP_FOREVER) < 0 ||
        mp_queue_get(gate->pass, &c, 1, MP_FOREVER) < 0)
        return mp_task_fail(task, "gate: %s", mp_last_error());
    return 0;
}

mp_result *
submit_to_gate(mp_pool *pool, struct gate gate)
{
    mp_result *result;

    must(mp_pool_apply_async(pool, wait_at_gate, &gate, sizeof(gate), NULL,
                             &result));
    return result;
}

/* ---- Interruptions ---- */

struct interruption {
    pthread_t victim, thread;
    pid_t tid;
    _Atomic int over;
};

static void
ignore(int sig)
{
    (void)sig;
}

static void *
interrupt(void *arg)
{
    struct interruption *i = arg;
    int64_t until = mp_test_deadline(60);

    while (!i->over && mp_test_poll(until))
        if (thread_state(getpid(), i->tid) == 'S')
            pthread_kill(i->victim, SIGUSR1);
    return NULL;
}

struct interruption *
interrupt_me(void)
{
    struct sigaction action = {.sa_handler = ignore};
    struct interruption *i = calloc(1, sizeof(*i));

    sigaction(SIGUSR1, &action, NULL);
    i->victim = pthread_self();
    i->tid = gettid();
    ck_assert_int_eq(pthread_create(&i->thread, NULL, interrupt, i), 0);
    return i;
}

void
interrupt_end(struct interruption *i)
{
    i->over = 1;
    pthread_join(i->thread, NULL);
    free(i);
}

/* ---- Others ---- */

uint64_t
heap_use(void)
{
    struct mp__heap_report report;
    uint64_t sum;

    ck_assert_msg(mp__heap_audit(&report) == 0, "heap: %s", report.problem);
    sum = report.blocks + report.large;
    for (int i = 0; i < MP__SLABS; i++)
        sum += report.objects[i];
    return sum;
}

int
return_pid(mp_task *task)
{
    pid_t pid = getpid();

    return mp_task_return(task, &pid, sizeof(pid));
}

int
echo(mp_task *task)
{
    size_t size;
    void *arg = mp_task_arg(task, &size);

    return mp_task_return(task, arg, size);
}

int
kill_self(mp_task *task)
{
    (void)task;
    raise(SIGKILL);
    return 0;
}
