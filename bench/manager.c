/* SPDX-License-Identifier: MIT */
/* manager.{local,unix,remote}.{value,list,dict,lock}[.pipelined][.CLIENTS]: what
 * is done is told in manager.h. */
#include "manager_jobs.h"

#include "manager.h"

#undef unix /* a macro of compilers */

#define TABLE "a hash table under a pthread mutex, in one process"
#define ECHO  "64 bytes there and back, by a server that waits in epoll"

#define LOCAL(job)                                     \
    static const struct contender local_##job##s[] = { \
        {"mproc", OURS, local_##job, NULL, NULL},      \
        {"limit", LIMIT, table_##job, NULL, TABLE},    \
        {"cpython", PEER, NULL, "cpython", NULL},      \
        {0},                                           \
    };

#define UNIX(job)                                      \
    static const struct contender unix_##job##s[] = {  \
        {"mproc", OURS, over_unix_##job, NULL, NULL},  \
        {"limit", LIMIT, echo_unix_##job, NULL, ECHO}, \
        {"redis", PEER, NULL, "redis", NULL},          \
        {"cpython", PEER, NULL, "cpython", NULL},      \
        {0},                                           \
    };

/* Neither Redis, as it stands here, nor CPython has TLS; the local socket is
 * what Redis is quickest by. */
#define REMOTE(job)                                                    \
    static const struct contender remote_##job##s[] = {                \
        {"mproc", OURS, over_tls_##job, NULL, NULL},                   \
        {"limit", LIMIT, echo_tcp_##job, NULL, ECHO},                  \
        {"redis", PEER, NULL, "redis", NULL},                          \
        {"redis_tcp", PEER, NULL, "redis", NULL, "manager_tcp_" #job}, \
        {"cpython", PEER, NULL, "cpython", NULL, "manager_tcp_" #job}, \
        {0},                                                           \
    };

#define ALL(job) LOCAL(job) UNIX(job) REMOTE(job)

ALL(value)
ALL(list)
ALL(dict)
ALL(lock)

#define ROW(where, job, size, clients, more)                 \
    {                                                        \
        "manager." #where "." #job more, "manager_" #job,    \
            {size, clients, 0, 0, 64 * 64}, where##_##job##s \
    }
#define ROWS(where, job, size, more)                                     \
    ROW(where, job, size, 1, more), ROW(where, job, size, 4, more ".4"), \
        ROW(where, job, size, 16, more ".16")
#define PIPELINED(where, job) ROWS(where, job, MANAGER_BATCH, ".pipelined")

const struct bench manager_benches[] = {
    ROWS(local, value, 1, ""),
    ROWS(local, list, 1, ""),
    ROWS(local, dict, 1, ""),
    ROWS(local, lock, 1, ""),
    ROWS(unix, value, 1, ""),
    ROWS(unix, list, 1, ""),
    ROWS(unix, dict, 1, ""),
    ROWS(unix, lock, 1, ""),
    PIPELINED(unix, value),
    PIPELINED(unix, list),
    PIPELINED(unix, dict),
    ROWS(remote, value, 1, ""),
    ROWS(remote, list, 1, ""),
    ROWS(remote, dict, 1, ""),
    ROWS(remote, lock, 1, ""),
    PIPELINED(remote, value),
    PIPELINED(remote, list),
    PIPELINED(remote, dict),
    {0},
};
