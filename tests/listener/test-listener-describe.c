/* SPDX-License-Identifier: MIT */
/* What mp_describe() tells of listeners, and of connections over sockets: whose
 * they are, in whatever process it is asked. */
#include "process/family.h"
#include "report/report.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int
open_and_stay(void *arg)
{
    mp_listener **listener = *(mp_listener ***)arg;
    char address[64];

    snprintf(address, sizeof(address), "unix:/tmp/mproc-describe-%d",
             getpid());
    if (mp_listener_open(listener, address, NULL) < 0)
        return 1;
    return sleep_for_ever(NULL);
}

START_TEST(describe_listener_of_another_process)
{
    mp_listener **listener = mp_alloc(sizeof(mp_listener *));
    mp_process *opener = start_named("opener", open_and_stay, listener);
    char path[64];
    int pid = pid_of(opener);

    wait_until(__atomic_load_n(listener, __ATOMIC_ACQUIRE), 20);
    expect_report(*listener,
                  "listener @: unix:/tmp/mproc-describe-%d, opened by pid %d "
                  "(opener)\n",
                  pid, pid);
    kill_named(opener);
    snprintf(path, sizeof(path), "/tmp/mproc-describe-%d", pid);
    unlink(path);
    must(mp_free(listener));
}
END_TEST

START_TEST(describe_connection_over_a_socket)
{
    mp_listener *listener;
    mp_conn *here, *there;
    char path[64], address[80];
    int me = getpid();

    snprintf(path, sizeof(path), "/tmp/mproc-describe-%d", me);
    snprintf(address, sizeof(address), "unix:%s", path);
    must(mp_listener_open(&listener, address, NULL));
    must(mp_connect(&here, address, NULL, mp_timeout(20)));
    must(mp_listener_accept(listener, &there, mp_timeout(20)));
    expect_report(here,
                  "connection @: over a socket, opened by pid %d "
                  "(MainProcess)\n",
                  me);
    expect_report(there,
                  "connection @: over a socket, opened by pid %d "
                  "(MainProcess)\n",
                  me);
    must(mp_conn_close(here));
    must(mp_conn_close(there));
    must(mp_listener_close(listener));
    must_fail(mp_describe(here, stderr), -EBADF, "mp_describe");
    must_fail(mp_describe(listener, stderr), -EBADF, "mp_describe");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("listener-describe");
    TCase *tcase = family_case(suite, "describe", 60);

    tcase_add_test(tcase, describe_listener_of_another_process);
    tcase_add_test(tcase, describe_connection_over_a_socket);
    return mp_test_main(suite);
}
