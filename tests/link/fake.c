/* SPDX-License-Identifier: MIT */
#include "link/fake.h"

#include "connection/conn.h"
#include "os/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Answers ---- */

static int
answer(struct fake *fake, const struct mp__answer *a, mp_any outs)
{
    mp_any_writer w = MP_ANY_WRITER;
    int r;

    mp__answer_begin(&w, a);
    if (outs.data)
        mp_any_write_value(&w, outs);
    else
        mp_any_write_list(&w, 0);
    r = mp_conn_send(fake->conn, w.data, w.size, mp_timeout(30));
    mp_any_discard(&w);
    return r;
}

static int
park(struct fake *fake, uint64_t serial)
{
    unsigned i = 0;

    while (fake->parked[i])
        ck_assert_uint_lt(++i, MP__LENGTH(fake->parked));
    fake->parked[i] = serial;
    return 0;
}

static int
abandon(struct fake *fake, uint64_t serial)
{
    struct mp__answer a = {.serial = serial, .result = -ETIMEDOUT};

    for (unsigned i = 0; i < MP__LENGTH(fake->parked); i++)
        if (fake->parked[i] == serial)
            fake->parked[i] = 0;
    mp__store(&fake->abandoned, serial);
    mp__add(&fake->n_abandoned, 1);
    return answer(fake, &a, (mp_any){0});
}

/* All that is below the first number has arrived, but so many. */
static int
hear_arrived(struct fake *fake, mp_any args)
{
    ck_assert_int_ge(mp_any_size(args), 1);
    mp__store(&fake->not_arrived, (uint32_t)mp_any_size(args) - 1);
    mp__add(&fake->n_arrived, 1);
    return 0;
}

static int
receive(struct fake *fake, uint64_t serial)
{
    mp__store(&fake->received, serial);
    mp__add(&fake->n_received, 1);
    return 0;
}

static int
hang(struct fake *fake)
{
    while (mp__load(&fake->deaf) && !mp__load(&fake->over))
        usleep(1000);
    return 0;
}

static int
is(const struct mp__request *request, const char *op)
{
    return request->op_size == strlen(op) &&
           memcmp(request->op, op, request->op_size) == 0;
}

/* Below 0: the connection is to end. */
static int
serve(struct fake *fake, const struct mp__request *request)
{
    static const unsigned char seven[] = {0x91, 7};
    struct mp__answer a = {.serial = request->serial};
    char text[64];
    mp_any outs = {0};

    if (is(request, "abandon"))
        return abandon(fake, request->serial);
    if (is(request, "received"))
        return receive(fake, request->serial);
    if (is(request, "arrived"))
        return hear_arrived(fake, request->args);
    if (is(request, "test_park"))
        return park(fake, request->serial);
    if (is(request, "test_drop"))
        return -EPIPE;
    if (is(request, "test_nonsense"))
        return mp_conn_send(fake->conn, seven, 2, MP_FOREVER);
    if (is(request, "thread_end"))
        mp__store(&fake->thread_ended, request->thread);
    if (is(request, "test_echo"))
        outs = request->args;
    if (is(request, "test_count"))
        a.result = (int64_t)mp__load(&fake->requests);
    if (is(request, "test_deaf"))
        mp__store(&fake->deaf, 1);
    if (is(request, "test_take")) {
        a.confirm = 1;
        outs = (mp_any){seven, 2};
    }
    if (is(request, "test_fail")) {
        a.result = -EPERM;
        a.error = "mp_test_fail: it is forbidden";
        a.error_size = strlen(a.error);
    }
    if (is(request, "list_append") && mp__load(&fake->refuses)) {
        snprintf(text, sizeof(text), "number %u",
                 mp__add(&fake->n_refused, 1));
        a.result = -ENOSPC;
        a.error = text;
        a.error_size = strlen(text);
    }
    return answer(fake, &a, outs);
}

static int
take_request(const void *data, size_t size, void *arg)
{
    struct fake *fake = arg;
    struct mp__request request;
    int r = mp__request_read((mp_any){data, size}, &request);

    ck_assert_int_eq(r, 0);
    mp__add(&fake->requests, 1);
    mp__store(&fake->done, request.done);
    r = serve(fake, &request);
    return r < 0 ? -EPIPE : 0;
}

/* ---- Connections ---- */

static int
take_hello(const void *data, size_t size, void *hello)
{
    return mp__hello_read((mp_any){data, size}, hello);
}

static int
greet(struct fake *fake)
{
    struct mp__hello hello;
    struct mp__welcome welcome = {.version = MP__WIRE_VERSION,
                                  .server = mp__load(&fake->server),
                                  .calls = 256};
    unsigned char buf[128];
    mp_any_writer w;
    int r = mp__conn_recv_look(fake->conn, take_hello, &hello, mp_timeout(30),
                               "fake");

    if (r < 0)
        return r;
    mp__add(&fake->hellos, 1);
    while (mp__load(&fake->silent) && !mp__load(&fake->over))
        usleep(1000);
    welcome.resumed =
        hello.resumes && mp__load(&fake->resumes) &&
        memcmp(hello.session, fake->session, sizeof(hello.session)) == 0;
    if (!welcome.resumed)
        mp__random(fake->session, sizeof(fake->session));
    memcpy(welcome.session, fake->session, sizeof(welcome.session));
    memcpy(welcome.family, fake->family, sizeof(welcome.family));
    mp_any_writer_init(&w, buf, sizeof(buf));
    mp__welcome_write(&w, &welcome);
    return mp_conn_send(fake->conn, buf, w.size, mp_timeout(30));
}

static void
serve_connection(struct fake *fake)
{
    int r = greet(fake);

    while (!mp__load(&fake->over) && (r == 0 || r == -ETIMEDOUT)) {
        hang(fake);
        r = mp__conn_recv_look(fake->conn, take_request, fake,
                               mp_timeout(0.02), "fake");
    }
    mp_conn_close(fake->conn);
}

static void *
run(void *arg)
{
    struct fake *fake = arg;

    while (!mp__load(&fake->over))
        if (mp_listener_accept(fake->listener, &fake->conn,
                               mp_timeout(0.02)) == 0)
            serve_connection(fake);
    return NULL;
}

void
fake_start(struct fake *fake, const char *address)
{
    char own[64];

    memset(fake, 0, sizeof(*fake));
    snprintf(own, sizeof(own), "unix:/tmp/mproc-fake-%d", (int)getpid());
    mp__random(fake->family, sizeof(fake->family));
    mp__store(&fake->server, 1);
    ck_assert_int_eq(
        mp_listener_open(&fake->listener, address ? address : own,
                         MP_CONN_ATTR(.flags = MP_CONN_CLEAR_TEXT)),
        0);
    snprintf(fake->address, sizeof(fake->address), "%s",
             mp_listener_address(fake->listener));
    pthread_create(&fake->thread, NULL, run, fake);
}

void
fake_end(struct fake *fake)
{
    mp__store(&fake->over, 1);
    pthread_join(fake->thread, NULL);
    mp_listener_close(fake->listener);
}

void
fake_listen(struct fake *fake)
{
    mp__store(&fake->deaf, 0);
}

mp_manager *
fake_connect(struct fake *fake, double call_timeout)
{
    mp_manager *manager;

    ck_assert_int_eq(
        mp_manager_connect(&manager, fake->address,
                           MP_MANAGER_ATTR(.flags = MP_CONN_CLEAR_TEXT,
                                           .call_timeout = call_timeout)),
        0);
    return manager;
}
