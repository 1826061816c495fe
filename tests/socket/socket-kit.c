/* SPDX-License-Identifier: MIT */
#include "socket/socket-kit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void
open_pair(mp_conn *ends[2])
{
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    must(mp_conn_open_fd(&ends[0], fds[0], NULL));
    must(mp_conn_open_fd(&ends[1], fds[1], NULL));
}

void
open_tcp_pair(mp_conn *ends[2])
{
    const mp_conn_attr *attr = MP_CONN_ATTR(.flags = MP_CONN_CLEAR_TEXT);
    mp_listener *listener;

    must(mp_listener_open(&listener, "tcp:127.0.0.1:0", attr));
    must(mp_connect(&ends[0], mp_listener_address(listener), attr, LATER));
    must(mp_listener_accept(listener, &ends[1], LATER));
    must(mp_listener_close(listener));
}

void
close_pair(mp_conn *ends[2])
{
    must(mp_conn_close(ends[0]));
    must(mp_conn_close(ends[1]));
}

mp_conn *
open_bare(int *ret_bare, const mp_conn_attr *attr)
{
    mp_conn *conn;
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    must(mp_conn_open_fd(&conn, fds[0], attr));
    *ret_bare = fds[1];
    return conn;
}

void
write_all(int fd, const void *data, size_t size)
{
    ck_assert_int_eq(write(fd, data, size), size);
}

static unsigned char
byte_at(size_t i, unsigned seed)
{
    return (unsigned char)(i * 31 + (i >> 8) * 7 + seed);
}

void
fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(i, seed);
}

void
check_filled(const unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_at(i, seed))
            ck_abort_msg("byte %zu of %zu is wrong", i, size);
}

static void *
run_caller(void *arg)
{
    struct caller *caller = arg;

    must(mp__enter());
    mp__store(&caller->tid, (uint32_t)gettid());
    caller->result = caller->call(caller->arg);
    return NULL;
}

void
caller_start(struct caller *caller, long (*call)(void *), void *arg)
{
    *caller = (struct caller){.call = call, .arg = arg};
    must(-pthread_create(&caller->thread, NULL, run_caller, caller));
}

void
caller_await_sleep(struct caller *caller)
{
    wait_until(mp__load(&caller->tid) != 0, 20);
    wait_until(thread_state(getpid(), (pid_t)mp__load(&caller->tid)) == 'S',
               20);
}

long
caller_end(struct caller *caller)
{
    must(-pthread_join(caller->thread, NULL));
    return caller->result;
}
