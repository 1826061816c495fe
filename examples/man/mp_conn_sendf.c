/* SPDX-License-Identifier: MIT */
/* A child sends values through a pipe, in several ways; the parent takes them
 * apart, or as they come. */
#include <mproc.h>
#include <stdlib.h>

static int
send_some(void *arg)
{
    static const double sizes[] = {1.5, 2};
    mp_conn *conn = *(mp_conn **)arg;

    if (mp_conn_sendf(conn, "[i,n,s]", 42, "Hello") < 0 ||
        mp_conn_sendf(conn, "{s:i,s:*d}", "n", 7, "sizes", sizes, (size_t)2) <
            0)
        return 1;
    return mp_conn_send_item(conn, MP_LIST("bye", MP_NIL), MP_FOREVER) < 0;
}

int
main(void)
{
    mp_conn *receiver, *sender;
    mp_process *child;
    char *text;
    mp_any any;
    int n;

    if (mp_pipe(&receiver, &sender, 0) < 0 ||
        mp_process_start(&child, send_some, &sender, sizeof(sender), NULL) < 0)
        return 1;

    if (mp_conn_recvf(receiver, "[i,n,s]", &n, &text) == 0) {
        printf("%d and %s\n", n, text);
        free(text);
    }
    if (mp_conn_recvf(receiver, "{'m':i}", &n) < 0) /* it stays the next */
        printf("%s\n", mp_last_error());
    if (mp_conn_recvf(receiver, "{'n':i}", &n) == 0)
        printf("n is %d\n", n);
    if (mp_conn_recv_any(receiver, &any, mp_timeout(5)) == 0) {
        mp_any_print(any, stdout);
        printf("\n");
        mp_any_free(any);
    }

    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);
    mp_conn_close(sender);
    n = mp_conn_recvf(receiver, "_");
    printf("%s\n", mp_strerror(n));
    mp_conn_close(receiver);
    return 0;
}
