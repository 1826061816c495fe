/* SPDX-License-Identifier: MIT */
#include "server/raw.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* By which a process's children know of its end; the socket that a queue's
 * pollers are paged with. */
static void
warm_up(void)
{
    mp_process *process;
    mp_queue *queue;

    must(mp_process_start(&process, nothing, NULL, 0, NULL));
    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_close(process));
    must(mp_queue_create(&queue, NULL));
    must(mp_queue_fd(queue));
    must(mp_queue_destroy(queue));
    mp_test_leaks_mark();
}

TCase *
raw_case(Suite *suite, const char *name, double seconds)
{
    TCase *tcase = mp_test_case(suite, name, seconds);

    tcase_add_checked_fixture(tcase, warm_up, NULL);
    return tcase;
}

mp_manager *
raw_start(enum raw_by by, const mp_manager_attr *attr)
{
    mp_manager_attr a = {.size = sizeof(a)};
    mp_manager *manager;
    char path[64];

    if (attr)
        a = *attr;
    snprintf(path, sizeof(path), "unix:/tmp/mproc-raw-%d", (int)getpid());
    a.address = by == BY_UNIX ? path : "tcp:127.0.0.1:0";
    a.flags |= by == BY_UNIX ? 0 : MP_CONN_CLEAR_TEXT;
    must(mp_manager_start(&manager, &a));
    return manager;
}

void
raw_end(mp_manager *manager)
{
    must(mp_manager_shutdown(manager));
}

int
raw_socket(mp_manager *manager)
{
    const char *address = mp_manager_address(manager);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    int is_local = strncmp(address, "unix:", 5) == 0;
    int fd =
        socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    if (is_local) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&local, sizeof(local)),
                         0);
    } else {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    }
    return fd;
}

void
raw_connect(struct raw *raw, mp_manager *manager)
{
    int fd = raw_socket(manager);

    memset(raw, 0, sizeof(*raw));
    raw->thread = 1;
    raw->fd = dup(fd);
    must(mp_conn_open_fd(&raw->conn, fd, NULL));
}

void
raw_hello(struct raw *raw, const struct raw *of)
{
    struct mp__hello hello = {.version = MP__WIRE_VERSION, .resumes = !!of};
    mp_any_writer writer = MP_ANY_WRITER;
    mp_any message;

    if (of) {
        memcpy(hello.session, of->welcome.session, sizeof(hello.session));
        raw->serial = of->serial;
        raw->done = of->done;
    }
    must(mp__hello_write(&writer, &hello));
    must(mp_any_end(&writer, &message));
    must(mp_conn_send_any(raw->conn, message, LATER));
    mp_any_discard(&writer);
    must(mp_conn_recv_any(raw->conn, &message, LATER));
    must(mp__welcome_read(message, &raw->welcome));
    mp_any_free(message);
}

void
raw_open(struct raw *raw, mp_manager *manager)
{
    raw_connect(raw, manager);
    raw_hello(raw, NULL);
}

void
raw_close(struct raw *raw)
{
    must(mp_conn_close(raw->conn));
    if (raw->fd >= 0)
        close(raw->fd);
    mp_any_free(raw->message);
    raw->message = (mp_any){0};
}

void
raw_reset(struct raw *raw)
{
    struct linger linger = {1, 0};

    setsockopt(raw->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    raw_close(raw);
}

/* ---- Calls ---- */

static void
send_request(struct raw *raw, const struct mp__request *request,
             const char *format, va_list args)
{
    mp_any_writer whole = MP_ANY_WRITER, list = MP_ANY_WRITER;
    mp_any message, arguments;

    must(mp_any_vbuild(&list, format, args));
    must(mp_any_end(&list, &arguments));
    must(mp__request_begin(&whole, request));
    must(mp_any_write_value(&whole, arguments));
    must(mp_any_end(&whole, &message));
    must(mp_conn_send_any(raw->conn, message, LATER));
    mp_any_discard(&whole);
    mp_any_discard(&list);
}

static struct mp__request
request_of(const struct raw *raw, uint64_t serial, const char *op, int slab,
           const void *object, mp_time wait)
{
    return (struct mp__request){
        .serial = serial,
        .done = raw->done,
        .thread = raw->thread,
        .op = op,
        .op_size = strlen(op),
        .slab = slab < 0 ? 0 : (uint32_t)slab,
        .object = (uintptr_t)object,
        .wait = wait,
    };
}

uint64_t
raw_send(struct raw *raw, const char *op, int slab, const void *object,
         mp_time wait, const char *format, ...)
{
    struct mp__request request =
        request_of(raw, ++raw->serial, op, slab, object, wait);
    va_list args;

    va_start(args, format);
    send_request(raw, &request, format, args);
    va_end(args);
    return raw->serial;
}

void
raw_send_again(struct raw *raw, uint64_t serial, const char *op, int slab,
               const void *object, mp_time wait, const char *format, ...)
{
    struct mp__request request =
        request_of(raw, serial, op, slab, object, wait);
    va_list args;

    va_start(args, format);
    send_request(raw, &request, format, args);
    va_end(args);
}

int64_t
raw_hear(struct raw *raw)
{
    mp_any_free(raw->message);
    must(mp_conn_recv_any(raw->conn, &raw->message, LATER));
    must(mp__answer_read(raw->message, &raw->answer));
    return raw->answer.result;
}

void
raw_expect_end(struct raw *raw)
{
    char buf[65536];
    ssize_t r;

    do
        r = mp_conn_recv(raw->conn, buf, sizeof(buf), LATER);
    while (r >= 0);
    ck_assert_msg(r == -EPIPE || r == -EPROTO, "%zd", r);
}

int
raw_is_silent(struct raw *raw)
{
    return mp_conn_poll(raw->conn, mp_timeout(0.05)) == 0;
}

int64_t
raw_ask(struct raw *raw, const char *op, int slab, const void *object,
        mp_time wait)
{
    uint64_t serial = raw_send(raw, op, slab, object, wait, "[]");
    int64_t r = raw_hear(raw);

    ck_assert_uint_eq(raw->answer.serial, serial);
    return r;
}

void
raw_ping(struct raw *raw)
{
    ck_assert_int_eq(raw_ask(raw, "manager_ping", -1, NULL, MP_NOW), 0);
}
