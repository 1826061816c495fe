/* SPDX-License-Identifier: MIT */
/* A child that answers questions until nobody is left to ask any. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

static int
square(void *arg)
{
    mp_conn *conn = *(mp_conn **)arg;
    long number;

    while (mp_conn_recv(conn, &number, sizeof(number), MP_FOREVER) > 0) {
        number *= number;
        if (mp_conn_send(conn, &number, sizeof(number), MP_FOREVER) < 0)
            return 1;
    }
    return 7;
}

int
main(void)
{
    mp_conn *mine, *its;
    mp_process *child;
    int code, r;

    if (mp_pipe(&mine, &its, 1) < 0 ||
        mp_process_start(&child, square, &its, sizeof(its), NULL) < 0)
        return 1;

    for (long i = 11; i <= 13; i++) {
        long answer;

        if (mp_conn_send(mine, &i, sizeof(i), MP_FOREVER) < 0 ||
            mp_conn_recv(mine, &answer, sizeof(answer), mp_timeout(10)) < 0)
            return 1;
        printf("the square of %ld is %ld\n", i, answer);
    }

    mp_conn_close(mine); /* the child's next receive says -EPIPE */
    mp_process_join(child, MP_FOREVER);
    mp_process_exitcode(child, &code);
    printf("the child has ended with %d\n", code);
    mp_process_close(child);

    r = mp_conn_send(mine, "?", 1, MP_NOW);
    printf("sending into a closed end: %s\n", r == -EBADF ? "no" : "?");
    mp_conn_close(its);
    return 0;
}
