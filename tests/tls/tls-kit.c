/* SPDX-License-Identifier: MIT */
#include "tls/tls-kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct end server, client;

mp_conn_attr
key_attr(const char *key)
{
    return (mp_conn_attr){.size = sizeof(mp_conn_attr),
                          .authkey = key,
                          .authkey_size = SIZE_MAX};
}

void
expect(ssize_t result, int code, const char *part)
{
    ck_assert_int_eq(result, code);
    ck_assert_msg(strstr(mp_last_error(), part) != NULL,
                  "'%s' does not say '%s'", mp_last_error(), part);
}

void
make_sockets(int sockets[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                sockets),
                     0);
}

struct end
make_end(const mp_conn_attr *attr, int serves, int socket, const char *host)
{
    struct mp__tls_context *context;
    struct end end = {.socket = socket};

    ck_assert_msg(
        mp__tls_context_new(&context, attr, serves,
                            serves ? "mp_listener_accept" : "mp_connect") == 0,
        "%s", mp_last_error());
    ck_assert_int_eq(mp__tls_new(&end.tls, context, socket, host), 0);
    mp__tls_context_free(context);
    return end;
}

void
free_end(struct end *end)
{
    mp__tls_free(end->tls);
    if (end->socket >= 0)
        close(end->socket);
}

int
goes_on(int result)
{
    return result == MP__TLS_READ || result == MP__TLS_WRITE;
}

static void
step(struct end *end)
{
    end->result = mp__tls_handshake(end->tls);
    if (end->result < 0 && !goes_on(end->result)) {
        snprintf(end->text, sizeof(end->text), "%s", mp_last_error());
        shutdown(end->socket, SHUT_WR); /* as one who closes it */
    }
}

void
shake_hands(void)
{
    server.result = client.result = MP__TLS_READ;
    for (int i = 0; i < TURNS; i++) {
        if (goes_on(client.result))
            step(&client);
        if (goes_on(server.result))
            step(&server);
    }
}

void
connect_ends(const mp_conn_attr *server_attr, const mp_conn_attr *client_attr,
             const char *host)
{
    int sockets[2];

    make_sockets(sockets);
    server = make_end(server_attr, 1, sockets[0], NULL);
    client = make_end(client_attr, 0, sockets[1], host);
    shake_hands();
}

void
free_ends(void)
{
    free_end(&server);
    free_end(&client);
}

void
connect_by_key(void)
{
    mp_conn_attr attr = key_attr(KEY);

    connect_ends(&attr, &attr, NULL);
    ck_assert_int_eq(server.result, 0);
    ck_assert_int_eq(client.result, 0);
}

void
say(struct end *from, struct end *to)
{
    char buf[16] = "";

    ck_assert_int_eq(mp__tls_write(from->tls, "hello", 5), 5);
    ck_assert_int_eq(mp__tls_read(to->tls, buf, sizeof(buf)), 5);
    ck_assert_str_eq(buf, "hello");
}
