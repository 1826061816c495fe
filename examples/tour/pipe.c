/* SPDX-License-Identifier: MIT */
/* A pipe has two ends, and what is sent into one comes out at the other: here
 * values, in one line each. When the processes that hold one end have ended,
 * the other is told. */
#include "tour.h"

#include <errno.h>
#include <stdlib.h>

/* As Python's Process(target=f, args=(child_conn,)) has it. */
static int
send_and_close(void *arg)
{
    mp_conn *conn = *(mp_conn **)arg;

    MUST(mp_conn_sendf(conn, "[i,n,s]", 42, "Hello"));
    MUST(mp_conn_close(conn));
    return 0;
}

static void
receive_from_child(void)
{
    mp_conn *parents, *childs;
    mp_process *child;
    mp_any any;
    int r;

    MUST(mp_pipe(&parents, &childs, 1));
    MUST(mp_process_start(&child, send_and_close, &childs, sizeof(childs),
                          NULL));
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_close(child));
    MUST(mp_conn_recv_any(parents, &any, MP_FOREVER));
    say_value(any);
    mp_any_free(any);
    r = mp_conn_recv_any(parents, &any, MP_FOREVER);
    say("and then: %s", mp_strerror(r));
    CLAIM(r == -EPIPE);
    MUST(mp_conn_close(parents));
    MUST(mp_conn_close(childs));
}

/* Answers questions until nobody is left who asks. */
static int
answer(void *arg)
{
    mp_conn *conn = *(mp_conn **)arg;
    char *name;
    int a, b;

    while (mp_conn_recvf(conn, "{'from':s,'times':[i,i]}", &name, &a, &b) ==
           0) {
        MUST(mp_conn_sendf(conn, "[s,i]", name, a * b));
        free(name);
    }
    return 0;
}

static void
ask_child(void)
{
    mp_conn *parents, *childs;
    mp_process *child;
    char *name;
    int product;

    MUST(mp_pipe(&parents, &childs, 1));
    MUST(mp_process_start(&child, answer, &childs, sizeof(childs), NULL));
    for (int i = 7; i < 10; i++) {
        MUST(mp_conn_sendf(parents, "{s:s,s:[i,i]}", "from", "Ann", "times", i,
                           i));
        MUST(mp_conn_recvf(parents, "[s,i]", &name, &product));
        say("%d times %d, asks %s: %d", i, i, name, product);
        free(name);
    }
    MUST(mp_conn_close(parents));
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_close(child));
    MUST(mp_conn_close(childs));
}

void
scene_pipe(void)
{
    receive_from_child();
    ask_child();
}
