/* SPDX-License-Identifier: MIT */
/* Values over connections: written on the stack if they are small, and taken
 * apart where the message lies, before it is received. */
#include "codec/message.h"
#include "codec/token.h"
#include "connection/conn.h"

#include <errno.h>

/* ---- Sending ---- */

static int
send_format(mp_conn *conn, const char *function, mp_time deadline,
            const char *format, va_list args)
{
    struct mp__draft draft;
    mp_any any;
    int r = mp__conn_enter(conn, MP__CONN_SEND, function);

    if (r < 0)
        return r;
    r = mp__draft_format(&draft, function, format, args, &any);
    if (r == 0)
        r = mp_conn_send(conn, any.data, any.size, deadline);
    mp__draft_end(&draft);
    return r;
}

int
mp_conn_sendf(mp_conn *conn, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = send_format(conn, "mp_conn_sendf", MP_FOREVER, format, args);
    va_end(args);
    return r;
}

int
mp_conn_vsendf(mp_conn *conn, mp_time deadline, const char *format,
               va_list args)
{
    return send_format(conn, "mp_conn_vsendf", deadline, format, args);
}

int
mp_conn_send_any(mp_conn *conn, mp_any any, mp_time deadline)
{
    int r = mp__conn_enter(conn, MP__CONN_SEND, "mp_conn_send_any");

    if (r == 0)
        r = mp__any_check("mp_conn_send_any", any.data, any.size, NULL);
    return r < 0 ? r : mp_conn_send(conn, any.data, any.size, deadline);
}

int
mp_conn_send_item(mp_conn *conn, mp_item item, mp_time deadline)
{
    struct mp__draft draft;
    mp_any any;
    int r = mp__conn_enter(conn, MP__CONN_SEND, "mp_conn_send_item");

    if (r < 0)
        return r;
    r = mp__draft_item(&draft, item, &any);
    if (r == 0)
        r = mp_conn_send(conn, any.data, any.size, deadline);
    mp__draft_end(&draft);
    return r;
}

/* ---- Receiving ---- */

static int
recv_format(mp_conn *conn, const char *function, mp_time deadline,
            const char *format, va_list args)
{
    struct mp__taking taking = {.function = function, .format = format};
    int r;

    va_copy(taking.args, args);
    r = mp__conn_recv_look(conn, mp__take_parts, &taking, deadline, function);
    va_end(taking.args);
    return r;
}

int
mp_conn_recvf(mp_conn *conn, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = recv_format(conn, "mp_conn_recvf", MP_FOREVER, format, args);
    va_end(args);
    return r;
}

int
mp_conn_vrecvf(mp_conn *conn, mp_time deadline, const char *format,
               va_list args)
{
    return recv_format(conn, "mp_conn_vrecvf", deadline, format, args);
}

int
mp_conn_recv_any(mp_conn *conn, mp_any *ret_any, mp_time deadline)
{
    static const char function[] = "mp_conn_recv_any";
    struct mp__taking taking = {.function = function, .ret_any = ret_any};

    if (!ret_any)
        return mp__fail(-EINVAL, "%s: ret_any is NULL", function);
    return mp__conn_recv_look(conn, mp__take_any, &taking, deadline, function);
}
