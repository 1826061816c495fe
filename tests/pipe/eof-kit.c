/* SPDX-License-Identifier: MIT */
#include "eof-kit.h"
#include "region/audit.h"
#include "region/object.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 20000

struct pair
make_pair(int duplex)
{
    struct pair pair;

    must(mp_pipe(&pair.a, &pair.b, duplex));
    return pair;
}

void
close_pair(struct pair pair)
{
    must(mp_conn_close(pair.a));
    must(mp_conn_close(pair.b));
}

mp_process *
start(mp_target target, const void *arg, size_t size, int method)
{
    mp_process *p;

    must(mp_process_start(&p, target, arg, size,
                          MP_PROCESS_ATTR(.method = method)));
    return p;
}

void
await(volatile int *flag, int value)
{
    ck_assert_msg(await_value(flag, value), "nobody has stored %d", value);
}

void
tell(volatile int *flag, int value)
{
    __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

/* ---- When the caller sleeps ---- */

struct errand {
    pid_t sleeper, victim;
    volatile int *flag;
};

static int
run_errand(void *arg)
{
    const struct errand *errand = arg;

    while (process_state(errand->sleeper) != 'S')
        usleep(100);
    if (errand->flag)
        tell(errand->flag, 1);
    if (errand->victim)
        kill(errand->victim, SIGKILL);
    return 0;
}

pid_t
kill_when_asleep(mp_process *victim)
{
    struct errand errand = {getpid(), mp_process_pid(victim), NULL};

    return child(run_errand, &errand);
}

pid_t
tell_when_asleep(volatile int *flag)
{
    struct errand errand = {getpid(), 0, flag};

    return child(run_errand, &errand);
}

/* ---- Numbers ---- */

static size_t
size_of(int n)
{
    static const size_t sizes[] = {4, 8, 24, 100, 3000, 8192, 8193, MOST};

    return n % 50 ? sizes[n % 4] : sizes[n / 50 % 8];
}

int
send_numbers(mp_conn *conn, int first, int n)
{
    static char message[MOST];
    int r = 0;

    for (int i = first; r == 0 && i < first + n; i++) {
        memset(message, i, size_of(i));
        memcpy(message, &i, sizeof(i));
        r = mp_conn_send(conn, message, size_of(i), MP_FOREVER);
    }
    return r;
}

int
receive_all(mp_conn *conn, int first)
{
    static char message[MOST];
    mp_time patience = mp_timeout(20 * mp_test_scale());
    ssize_t size;
    int n;

    while ((size = mp_conn_recv(conn, message, MOST, patience)) >= 0) {
        ck_assert_int_ge(size, 4);
        memcpy(&n, message, sizeof(n));
        ck_assert_int_eq(n, first);
        ck_assert_int_eq(size, (ssize_t)size_of(n));
        for (ssize_t i = sizeof(n); i < size; i++)
            if (message[i] != (char)n)
                ck_abort_msg("byte %zd of message %d", i, n);
        first++;
    }
    ck_assert_msg(size == -EPIPE, "%zd: %s", size, mp_last_error());
    return first;
}

uint64_t
count_ends(void)
{
    struct mp__heap_report report;

    ck_assert_msg(mp__heap_audit(&report) == 0, "%s", report.problem);
    return report.objects[MP__SLAB_CONN];
}
