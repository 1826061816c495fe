/* SPDX-License-Identifier: MIT */
/* A server and its clients, which could as well be other programs: each sends
 * its name, and gets a greeting. */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
client(void *address)
{
    mp_conn *conn;
    char *text;

    if (mp_connect(&conn, address, NULL, mp_timeout(10)) < 0 ||
        mp_conn_sendf(conn, "s", "Bob") < 0 ||
        mp_conn_recvf(conn, "s", &text) < 0)
        return 1;
    printf("the server says: %s\n", text);
    free(text);
    return mp_conn_close(conn);
}

int
main(void)
{
    char address[100], reply[100];
    mp_listener *listener;
    mp_process *process;
    mp_conn *conn;
    char *name;

    snprintf(address, sizeof(address), "unix:/tmp/mp_listener_open.%d",
             (int)getpid());
    if (mp_listener_open(&listener, address, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }

    for (int i = 0; i < 2; i++) {
        if (mp_process_start(&process, client, address, sizeof(address),
                             NULL) < 0 ||
            mp_listener_accept(listener, &conn, mp_timeout(10)) < 0 ||
            mp_conn_recvf(conn, "s", &name) < 0)
            return 1;
        snprintf(reply, sizeof(reply), "Hello, %s, you are number %d", name,
                 i + 1);
        free(name);
        if (mp_conn_sendf(conn, "s", reply) < 0)
            return 1;
        mp_conn_close(conn);
        mp_process_join(process, MP_FOREVER);
        mp_process_close(process);
    }
    mp_listener_close(listener);
    return 0;
}
