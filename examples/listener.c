/* SPDX-License-Identifier: MIT */
/* Listens, and talks to those who call: examples/client.c, or client.py.
 *
 *     listener ADDRESS [CLIENTS [KEY-FILE]]
 *
 * ADDRESS is unix:/path or tcp:host:port. Each client gets a greeting, and then
 * an answer to each list of numbers that it sends: how many there were, and
 * their sum. After so many clients (1) the program ends. With a key, which both
 * have in a file, they prove to each other that they know it; tcp: takes one. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

static int
fail(void)
{
    fprintf(stderr, "listener: %s\n", mp_last_error());
    return 1;
}

static size_t
read_key(const char *path, char *key, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(key, 1, size, file) : 0;

    if (!file || n == 0) {
        fprintf(stderr, "listener: there is no key in %s\n", path);
        exit(1);
    }
    fclose(file);
    return n;
}

/* Until the client hangs up. */
static int
serve(mp_conn *conn)
{
    long numbers[100], sum;
    size_t n;
    int r = mp_conn_sendf(conn, "[i,n,s]", 42, "Hello");

    while (r == 0) {
        n = 100;
        r = mp_conn_recvf(conn, "*l", numbers, &n);
        if (r < 0)
            break;
        sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += numbers[i];
        r = mp_conn_sendf(conn, "{'count':z,'sum':l}", n, sum);
    }
    return r == -EPIPE ? 0 : r;
}

int
main(int argc, char **argv)
{
    int clients = argc > 2 ? atoi(argv[2]) : 1;
    char key[256];
    mp_conn_attr attr = {.size = sizeof(attr), .handshake_timeout = 10};
    mp_listener *listener;
    mp_conn *conn;

    if (argc < 2) {
        fprintf(stderr, "usage: listener ADDRESS [CLIENTS [KEY-FILE]]\n");
        return 2;
    }
    if (argc > 3) {
        attr.authkey = key;
        attr.authkey_size = read_key(argv[3], key, sizeof(key));
    }
    if (mp_listener_open(&listener, argv[1], &attr) < 0)
        return fail();
    printf("listening at %s\n", mp_listener_address(listener));
    fflush(stdout);

    for (int i = 1; i <= clients; i++) {
        if (mp_listener_accept(listener, &conn, MP_FOREVER) < 0 ||
            serve(conn) < 0)
            return fail();
        mp_conn_close(conn);
        printf("client %d has been served\n", i);
        fflush(stdout);
    }
    mp_listener_close(listener);
    return 0;
}
