/* SPDX-License-Identifier: MIT */
/* Does with a listener and a connection what standard input says, and answers
 * each line with one line, so that programs of another language can be the
 * other end. An error is answered by its number.
 *
 *     key HEX            of what is opened from here on; "-": none
 *     legacy             HMAC-MD5 will do
 *     listen ADDRESS     the address in full
 *     accept [SECONDS]   the next client is the connection
 *     connect ADDRESS
 *     send HEX           "-": no bytes
 *     recv               a message, in hexadecimal
 *     give SIZE          sends a message of so many bytes: see mark()
 *     take               receives one such: its size
 *     echo N             accepts N clients, one after the other, and sends each
 *                        what it has said
 *     call N ADDRESS     connects N times, says something and hears it back
 *     rejected           how many clients were
 *     why                the text of the last error
 *     close              the connection
 *     end                the listener */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SECONDS 300 /* for whatever has to be waited for */
#define BYTES   4096
#define MARKS   1000003u /* bytes from one to the next */

static mp_conn_attr attr = {.size = sizeof(attr)};
static unsigned char key[256];
static mp_listener *listener;
static mp_conn *conn;

static int
say_done(int r)
{
    if (r >= 0)
        puts("done");
    return r;
}

/* ---- Bytes ---- */

static size_t
from_hex(unsigned char *bytes, const char *hex)
{
    size_t n = 0;

    if (strcmp(hex, "-") == 0)
        return 0;
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};

        bytes[n++] = (unsigned char)strtol(digits, NULL, 16);
    }
    return n;
}

static int
send_hex(const char *hex)
{
    unsigned char bytes[BYTES];
    size_t n = from_hex(bytes, hex);

    return say_done(mp_conn_send(conn, bytes, n, mp_timeout(SECONDS)));
}

static int
recv_hex(void)
{
    unsigned char bytes[BYTES];
    ssize_t n = mp_conn_recv(conn, bytes, sizeof(bytes), mp_timeout(SECONDS));

    for (ssize_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
    if (n >= 0)
        puts(n == 0 ? "-" : "");
    return (int)n;
}

/* ---- Large messages: zeroes with a mark here and there, so that they need
 * not be in memory ---- */

static unsigned char *
make_room(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static unsigned char
mark(size_t at)
{
    return (unsigned char)(at / MARKS % 255 + 1);
}

static int
give(size_t size)
{
    unsigned char *message = make_room(size);
    int r;

    if (!message)
        return -ENOMEM;
    for (size_t at = 0; at < size; at += MARKS)
        message[at] = mark(at);
    r = mp_conn_send(conn, message, size, mp_timeout(SECONDS));
    munmap(message, size);
    return say_done(r);
}

static int
check_message(const unsigned char *message, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (message[at] != (at % MARKS == 0 ? mark(at) : 0))
            return -EILSEQ;
    return 0;
}

static int
take(void)
{
    ssize_t size = mp_conn_next_size(conn, mp_timeout(SECONDS)), n;
    unsigned char *message;

    if (size <= 0)
        return size < 0 ? (int)size : -ENODATA;
    message = make_room((size_t)size);
    if (!message)
        return -ENOMEM;
    n = mp_conn_recv(conn, message, (size_t)size, mp_timeout(SECONDS));
    if (n == size && check_message(message, (size_t)n) < 0)
        n = -EILSEQ;
    munmap(message, (size_t)size);
    if (n >= 0)
        printf("%zd\n", n);
    return n < 0 ? (int)n : 0;
}

/* ---- Connections ---- */

static const mp_conn_attr *
attr_of(const char *address)
{
    attr.flags &= ~(uint32_t)MP_CONN_CLEAR_TEXT;
    if (strncmp(address, "tcp:", 4) == 0)
        attr.flags |= MP_CONN_CLEAR_TEXT;
    return &attr;
}

static int
set_key(const char *hex)
{
    attr.authkey_size = from_hex(key, hex);
    attr.authkey = strcmp(hex, "-") ? key : NULL;
    return say_done(0);
}

static int
set_legacy(void)
{
    attr.flags |= MP_CONN_LEGACY_MD5;
    return say_done(0);
}

static int
open_listener(const char *address)
{
    int r = mp_listener_open(&listener, address, attr_of(address));

    if (r == 0)
        puts(mp_listener_address(listener));
    return r;
}

static int
accept_client(double seconds)
{
    return mp_listener_accept(listener, &conn, mp_timeout(seconds));
}

static int
connect_to(const char *address)
{
    return mp_connect(&conn, address, attr_of(address), mp_timeout(SECONDS));
}

static int
echo_one(void)
{
    unsigned char bytes[BYTES];
    int r = accept_client(SECONDS);
    ssize_t n;

    if (r < 0)
        return r;
    n = mp_conn_recv(conn, bytes, sizeof(bytes), mp_timeout(SECONDS));
    if (n >= 0)
        n = mp_conn_send(conn, bytes, (size_t)n, mp_timeout(SECONDS));
    mp_conn_close(conn);
    return n < 0 ? (int)n : 0;
}

static int
call_one(const char *address)
{
    char bytes[BYTES];
    int r = connect_to(address);
    ssize_t n;

    if (r < 0)
        return r;
    r = mp_conn_send(conn, "hello", 5, mp_timeout(SECONDS));
    n = mp_conn_recv(conn, bytes, sizeof(bytes), mp_timeout(SECONDS));
    mp_conn_close(conn);
    if (r == 0 && n >= 0 && (n != 5 || memcmp(bytes, "hello", 5) != 0))
        r = -EILSEQ;
    return n < 0 ? (int)n : r;
}

static int
repeat(int times, const char *address)
{
    int r = 0;

    while (times-- > 0 && r == 0)
        r = address ? call_one(address) : echo_one();
    return say_done(r);
}

static int
close_conn(void)
{
    mp_conn *closed = conn;

    conn = NULL;
    return say_done(mp_conn_close(closed));
}

static int
end_listener(void)
{
    mp_listener *ended = listener;

    listener = NULL;
    return say_done(mp_listener_close(ended));
}

static int
obey(const char *what, const char *first, const char *second)
{
    int n = atoi(first);

    if (strcmp(what, "key") == 0)
        return set_key(first);
    if (strcmp(what, "legacy") == 0)
        return set_legacy();
    if (strcmp(what, "listen") == 0)
        return open_listener(first);
    if (strcmp(what, "accept") == 0)
        return say_done(accept_client(*first ? atof(first) : SECONDS));
    if (strcmp(what, "connect") == 0)
        return say_done(connect_to(first));
    if (strcmp(what, "send") == 0)
        return send_hex(first);
    if (strcmp(what, "recv") == 0)
        return recv_hex();
    if (strcmp(what, "give") == 0)
        return give(strtoul(first, NULL, 10));
    if (strcmp(what, "take") == 0)
        return take();
    if (strcmp(what, "echo") == 0)
        return repeat(n, NULL);
    if (strcmp(what, "call") == 0)
        return repeat(n, second);
    if (strcmp(what, "close") == 0)
        return close_conn();
    if (strcmp(what, "end") == 0)
        return end_listener();
    if (strcmp(what, "rejected") == 0)
        printf("%llu\n", (unsigned long long)mp_listener_rejected(listener));
    else if (strcmp(what, "why") == 0)
        puts(mp_last_error());
    else
        exit(2);
    return 0;
}

int
main(void)
{
    char line[3 * BYTES], what[16], first[2 * BYTES], second[256];

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        int r;

        *first = *second = 0;
        if (sscanf(line, "%15s %8191s %255s", what, first, second) < 1)
            return 2;
        r = obey(what, first, second);
        if (r < 0)
            printf("%d\n", r);
    }
    return 0;
}
