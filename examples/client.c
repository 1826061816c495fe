/* SPDX-License-Identifier: MIT */
/* Calls examples/listener.c and asks it for a sum.
 *
 *     client ADDRESS [KEY-FILE [NUMBER...]]
 *
 * KEY-FILE may be - for none. */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
fail(void)
{
    fprintf(stderr, "client: %s\n", mp_last_error());
    return 1;
}

static size_t
read_key(const char *path, char *key, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(key, 1, size, file) : 0;

    if (!file || n == 0) {
        fprintf(stderr, "client: there is no key in %s\n", path);
        exit(1);
    }
    fclose(file);
    return n;
}

int
main(int argc, char **argv)
{
    long numbers[100] = {42, 1729}, sum;
    size_t n = 0, count;
    char key[256];
    mp_conn_attr attr = {.size = sizeof(attr), .handshake_timeout = 10};
    mp_conn *conn;
    mp_any greeting;

    if (argc < 2) {
        fprintf(stderr, "usage: client ADDRESS [KEY-FILE [NUMBER...]]\n");
        return 2;
    }
    if (argc > 2 && strcmp(argv[2], "-") != 0) {
        attr.authkey = key;
        attr.authkey_size = read_key(argv[2], key, sizeof(key));
    }
    for (int i = 3; i < argc && n < 100; i++)
        numbers[n++] = atol(argv[i]);
    if (n == 0)
        n = 2;

    if (mp_connect(&conn, argv[1], &attr, mp_timeout(10)) < 0 ||
        mp_conn_recv_any(conn, &greeting, mp_timeout(10)) < 0)
        return fail();
    printf("the listener says ");
    mp_any_print(greeting, stdout);
    putchar('\n');
    mp_any_free(greeting);

    if (mp_conn_sendf(conn, "*l", numbers, n) < 0 ||
        mp_conn_recvf(conn, "{'count':z,'sum':l}", &count, &sum) < 0)
        return fail();
    printf("the sum of %zu numbers is %ld\n", count, sum);
    mp_conn_close(conn);
    return 0;
}
