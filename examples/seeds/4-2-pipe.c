/* SPDX-License-Identifier: MIT */
/* A child sends [42, None, 'Hello'] to its parent through a pipe.
 *
 * Python: Pipe() gives two connections; what is sent into one comes out at the
 * other. The child gets one end, sends a list of a number, None and a string,
 * and closes it; the parent receives the list at the other end.
 *
 * Here: mp_pipe(), mp_conn_sendf(), mp_conn_recv_any(). A format string says
 * what is sent: i an int, n None, s a string. When nobody is left who could
 * send, the receiver is told so: a Python parent that has not closed its own
 * copy of the child's end would wait for ever. */
#include "must.h"

static int
send_and_close(void *arg)
{
    mp_conn *conn = *(mp_conn **)arg;

    MUST(mp_conn_sendf(conn, "[i,n,s]", 42, "Hello"));
    MUST(mp_conn_close(conn));
    return 0;
}

int
main(void)
{
    mp_conn *parents, *childs;
    mp_process *child;
    mp_any received;
    int r;

    MUST(mp_pipe(&parents, &childs, 1));
    MUST(mp_process_start(&child, send_and_close, &childs, sizeof(childs),
                          NULL));
    MUST(mp_conn_recv_any(parents, &received, MP_FOREVER));
    printf("received: ");
    MUST(mp_any_print(received, stdout));
    printf("\n");
    mp_any_free(received);

    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_close(child));
    r = mp_conn_recv_any(parents, &received, MP_FOREVER);
    printf("and then: %s\n", mp_strerror(r));
    MUST(mp_conn_close(parents));
    MUST(mp_conn_close(childs));
    return 0;
}
