/* SPDX-License-Identifier: MIT */
/* What the tests of connections over sockets share. */
#pragma once

#include "region/kin.h"

#define SOON  mp_timeout(0.05)
#define LATER mp_timeout(30 * mp_test_scale())

/* Two ends of a local stream, or of one through TCP. */
void open_pair(mp_conn *ends[2]);
void open_tcp_pair(mp_conn *ends[2]);
void close_pair(mp_conn *ends[2]);

/* A connection, and the bare socket at its other end. */
mp_conn *open_bare(int *ret_bare, const mp_conn_attr *attr);

void write_all(int fd, const void *data, size_t size);

/* Bytes that tell where they belong. */
void fill(unsigned char *data, size_t size, unsigned seed);
void check_filled(const unsigned char *data, size_t size, unsigned seed);

/* A thread that makes one call, and what became of it. */
struct caller {
    pthread_t thread;
    mp__a32 tid;
    long (*call)(void *arg);
    void *arg;
    long result;
};

void caller_start(struct caller *caller, long (*call)(void *), void *arg);
/* Waits until it sleeps. */
void caller_await_sleep(struct caller *caller);
/* Its result, at its end. */
long caller_end(struct caller *caller);
