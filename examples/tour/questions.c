/* SPDX-License-Identifier: MIT */
/* A pipe that is used both ways: a child answers what it is asked. Questions
 * are dicts, answers are lists; each is sent, and taken apart, in one line. When
 * the asker has closed its end, the child is told, and ends. */
#include "tour.h"

#include <stdlib.h>

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

void
scene_questions(void)
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
