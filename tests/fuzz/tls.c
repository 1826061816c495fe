/* SPDX-License-Identifier: MIT */
/* The beginning of TLS. The first byte says who is there:
 *
 * - a server or a client alone, by key: the rest is what it is sent. It never
 *   is content.
 * - both, with a wire between them that changes bytes: three bytes tell the
 *   direction and the place, and by what. If both are content all the same, as
 *   some bytes of TLS mean nothing, then what they say comes through. */
#include "fuzz.h"

#include "tls/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS "what is said after the proof"
#define PIECE 4096

struct end {
    struct mp__tls *tls;
    int socket; /* its own */
    int wire;   /* the other end of that */
    int result;
    size_t sent; /* bytes of it that the wire has seen */
};

static struct mp__tls_context *contexts[2]; /* of clients, of servers */

static void
make_contexts(void)
{
    mp_conn_attr attr = {.size = sizeof(attr),
                         .authkey = "a key of more than 16 bytes",
                         .authkey_size = SIZE_MAX};

    for (int server = 0; server < 2 && contexts[server] == NULL; server++)
        holds(mp__tls_context_new(&contexts[server], &attr, server, "fuzz") ==
              0);
}

static struct end
make_end(int server)
{
    struct end end = {.result = MP__TLS_READ};
    int sockets[2];

    holds(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                     sockets) == 0);
    end.socket = sockets[0];
    end.wire = sockets[1];
    holds(mp__tls_new(&end.tls, contexts[server], end.socket, NULL) == 0);
    return end;
}

static void
free_end(struct end *end)
{
    mp__tls_free(end->tls);
    close(end->socket);
    close(end->wire);
}

static void
step(struct end *end)
{
    if (end->result != MP__TLS_READ && end->result != MP__TLS_WRITE)
        return;
    end->result = mp__tls_handshake(end->tls);
    holds(end->result == 0 || end->result == MP__TLS_READ ||
          end->result == MP__TLS_WRITE || end->result == -EPROTO ||
          end->result == -EPIPE || end->result == -EKEYREJECTED);
}

static void
alone(const uint8_t *data, size_t size, int server)
{
    struct end end = make_end(server);

    step(&end);
    if (size > 0)
        holds(send(end.wire, data, size < 65536 ? size : 65536, MSG_NOSIGNAL) >
              0);
    step(&end);
    shutdown(end.wire, SHUT_WR);
    step(&end);
    holds(end.result < 0);
    free_end(&end);
}

/* ---- Both ---- */

static void
change(const uint8_t *data, size_t size, uint8_t direction, size_t from,
       uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i + 3 <= size; i += 3) {
        size_t at = (size_t)(data[i] & 0x7f) << 3 | (data[i + 1] & 7);

        if (data[i] >> 7 == direction && at >= from && at < from + n)
            bytes[at - from] ^= data[i + 2];
    }
}

static int
pass(const uint8_t *data, size_t size, struct end *from, struct end *to,
     uint8_t direction)
{
    uint8_t bytes[PIECE];
    ssize_t n = read(from->wire, bytes, sizeof(bytes));

    if (n <= 0)
        return 0;
    change(data, size, direction, from->sent, bytes, (size_t)n);
    from->sent += (size_t)n;
    return send(to->wire, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void
say(struct end *from, struct end *to)
{
    char buf[sizeof(WORDS)];

    holds(mp__tls_write(from->tls, WORDS, sizeof(WORDS)) == sizeof(WORDS));
    holds(pass(NULL, 0, from, to, 0));
    holds(mp__tls_read(to->tls, buf, sizeof(buf)) == sizeof(buf));
    holds(strcmp(buf, WORDS) == 0);
}

static void
both(const uint8_t *data, size_t size)
{
    struct end server = make_end(1), client = make_end(0);
    int passed;

    do {
        step(&client);
        step(&server);
        passed = pass(data, size, &client, &server, 0);
        passed |= pass(data, size, &server, &client, 1);
    } while (passed);
    if (server.result == 0 && client.result == 0) {
        say(&client, &server);
        say(&server, &client);
    }
    free_end(&server);
    free_end(&client);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_contexts();
    if (size == 0)
        return 0;
    if (data[0] % 3 == 2)
        both(data + 1, size - 1);
    else
        alone(data + 1, size - 1, data[0] % 3);
    return 0;
}
