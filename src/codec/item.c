/* SPDX-License-Identifier: MIT */
/* Items: values that were written down in a program's text. Their depth is that
 * of the text. */
#include <mproc/item.h>

#include "base/error.h"

#include <errno.h>

static int
write_items(mp_any_writer *writer, const mp_item *items, size_t n)
{
    int r = writer->error;

    for (size_t i = 0; i < n && r == 0; i++)
        r = mp_any_write_item(writer, items[i]);
    return r;
}

static int
write_dict(mp_any_writer *writer, mp_item item)
{
    if (item.n % 2 && writer->error == 0)
        writer->error = mp__fail(-EINVAL,
                                 "mp_any_write_item: a dict of %zu: a key has "
                                 "no value",
                                 item.n);
    mp_any_write_dict(writer, item.n / 2);
    return write_items(writer, item.p, item.n);
}

int
mp_any_write_item(mp_any_writer *writer, mp_item item)
{
    switch (item.type) {
    case MP_ANY_NIL:
        return mp_any_write_nil(writer);
    case MP_ANY_BOOL:
        return mp_any_write_bool(writer, item.i != 0);
    case MP_ANY_INT:
        return item.n ? mp_any_write_unsigned(writer, item.u)
                      : mp_any_write_int(writer, item.i);
    case MP_ANY_FLOAT:
        return mp_any_write_double(writer, item.d);
    case MP_ANY_STRING:
        return mp_any_write_string(writer, item.p, item.n);
    case MP_ANY_BYTES:
        return mp_any_write_bytes(writer, item.p, item.n);
    case MP_ANY_LIST:
        mp_any_write_list(writer, item.n);
        return write_items(writer, item.p, item.n);
    case MP_ANY_DICT:
        return write_dict(writer, item);
    default:
        return mp_any_write_value(writer, (mp_any){item.p, item.n});
    }
}
