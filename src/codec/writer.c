/* SPDX-License-Identifier: MIT */
/* Writing values.
 *
 * The writer knows for each list and dict that it is in how many values are to
 * come: so it notices one too many or too few. The smallest form of each number
 * and length is taken, as the MessagePack specification recommends. */
#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 64 /* bytes of a buffer */

void
mp_any_writer_init(mp_any_writer *writer, void *buf, size_t cap)
{
    *writer = (mp_any_writer){.data = buf, .capacity = cap, .most = cap};
}

static int
set_error(mp_any_writer *w, int error)
{
    w->error = error;
    return error;
}

/* A writer whose value has been ended begins another. */
static void
begin(mp_any_writer *w)
{
    if (w->depth == 0 && w->left[0] == 0) {
        w->left[0] = 1;
        w->size = 0;
    }
}

static int
grow(mp_any_writer *w, size_t need)
{
    size_t capacity = w->capacity < LEAST ? LEAST : w->capacity;
    unsigned char *data;

    if (w->most && need > w->most)
        return set_error(w, mp__fail(-EMSGSIZE,
                                     "mp_any_write: the value does not fit "
                                     "into %zu bytes",
                                     w->most));
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : 2 * capacity;
    data = realloc(w->own ? w->data : NULL, capacity);
    if (!data)
        return set_error(w, mp__fail(-ENOMEM, "mp_any_write: out of memory: "
                                              "%zu bytes",
                                     capacity));
    w->data = data;
    w->capacity = capacity;
    w->own = 1;
    return 0;
}

/* Room for `n` bytes more, at the end; NULL: an error. */
static unsigned char *
extend(mp_any_writer *w, size_t n)
{
    unsigned char *p;

    if (n > SIZE_MAX - w->size ||
        (w->size + n > w->capacity && grow(w, w->size + n) < 0))
        return NULL;
    p = w->data + w->size;
    w->size += n;
    return p;
}

/* One value begins, with `inside` values in it. 0, or the error. */
static int
count(mp_any_writer *w, uint64_t inside)
{
    begin(w);
    if (w->left[w->depth] == 0)
        return set_error(w, mp__fail(-EINVAL,
                                     "mp_any_write: a value too many"));
    w->left[w->depth]--;
    if (inside == 0)
        return 0;
    if (w->depth == MP_ANY_DEPTH)
        return set_error(w, mp__fail(-EINVAL,
                                     "mp_any_write: deeper than %d",
                                     MP_ANY_DEPTH));
    w->left[++w->depth] = inside;
    return 0;
}

/* Lists and dicts that have all they wait for are left. */
static int
counted(mp_any_writer *w)
{
    while (w->depth > 0 && w->left[w->depth] == 0)
        w->depth--;
    if (w->depth == 0 && w->left[0] == 0)
        w->left[0] = 0;
    return 0;
}

/* A kind, a number of `n` bytes behind it, and room for `body` bytes: where
 * these go. */
static unsigned char *
put_head(mp_any_writer *w, unsigned kind, uint64_t x, size_t n, size_t body)
{
    unsigned char *p = extend(w, 1 + n + body);

    if (!p)
        return NULL;
    *p++ = (unsigned char)kind;
    for (size_t i = n; i-- > 0; x >>= 8)
        p[i] = (unsigned char)x;
    return p + n;
}

/* The exponent of how many bytes a number takes: 1, 2, 4, 8. */
static unsigned
width(uint64_t x)
{
    return x > UINT32_MAX ? 3 : x > UINT16_MAX ? 2 : x > UINT8_MAX ? 1 : 0;
}

static int
put(mp_any_writer *w, unsigned kind, uint64_t x, size_t n)
{
    int r = w->error;

    if (r == 0)
        r = count(w, 0);
    if (r < 0)
        return r;
    return put_head(w, kind, x, n, 0) ? counted(w) : w->error;
}

int
mp_any_write_nil(mp_any_writer *writer)
{
    return put(writer, 0xc0, 0, 0);
}

int
mp_any_write_bool(mp_any_writer *writer, int x)
{
    return put(writer, x ? 0xc3 : 0xc2, 0, 0);
}

int
mp_any_write_unsigned(mp_any_writer *writer, uint64_t x)
{
    if (x < 0x80)
        return put(writer, (unsigned)x, 0, 0);
    return put(writer, 0xcc + width(x), x, (size_t)1 << width(x));
}

int
mp_any_write_int(mp_any_writer *writer, int64_t x)
{
    unsigned e;

    if (x >= 0)
        return mp_any_write_unsigned(writer, (uint64_t)x);
    if (x >= -32)
        return put(writer, (unsigned char)x, 0, 0);
    e = x >= INT8_MIN ? 0 : x >= INT16_MIN ? 1 : x >= INT32_MIN ? 2 : 3;
    return put(writer, 0xd0 + e, (uint64_t)x, (size_t)1 << e);
}

int
mp_any_write_double(mp_any_writer *writer, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return put(writer, 0xcb, bits, 8);
}

/* A string or bytes: kinds of 1, 2 and 4 bytes of length from `kind` on. */
static int
put_body(mp_any_writer *w, unsigned kind, const void *data, size_t size)
{
    unsigned e = width(size);
    unsigned char *p;
    int r = w->error;

    if (r == 0 && size > UINT32_MAX)
        r = set_error(w, mp__fail(-EMSGSIZE,
                                  "mp_any_write: %zu bytes in one string are "
                                  "more than the format has (2^32 - 1)",
                                  size));
    if (r == 0)
        r = count(w, 0);
    if (r < 0)
        return r;
    if (kind == 0xd9 && size < 32)
        p = put_head(w, 0xa0 | (unsigned)size, 0, 0, size);
    else
        p = put_head(w, kind + e, size, (size_t)1 << e, size);
    if (!p)
        return w->error;
    if (size)
        memcpy(p, data, size);
    return counted(w);
}

int
mp_any_write_string(mp_any_writer *writer, const char *text, size_t size)
{
    if (!text)
        return mp_any_write_nil(writer);
    return put_body(writer, 0xd9, text,
                    size == SIZE_MAX ? strlen(text) : size);
}

int
mp_any_write_bytes(mp_any_writer *writer, const void *data, size_t size)
{
    if (!data && size)
        return set_error(writer, mp__fail(-EINVAL,
                                          "mp_any_write_bytes: data is NULL, "
                                          "size is %zu",
                                          size));
    return put_body(writer, 0xc4, data, size);
}

/* A list or dict: `few` with up to 15, else `kind` with 2 or 4 bytes. */
static int
put_container(mp_any_writer *w, unsigned few, unsigned kind, size_t n,
              uint64_t inside)
{
    unsigned char *p;
    int r = w->error;

    if (r == 0 && n > UINT32_MAX)
        r = set_error(w, mp__fail(-EMSGSIZE,
                                  "mp_any_write: %zu items are more than the "
                                  "format has (2^32 - 1)",
                                  n));
    if (r == 0)
        r = count(w, inside);
    if (r < 0)
        return r;
    if (n < 16)
        p = put_head(w, few | (unsigned)n, 0, 0, 0);
    else
        p = put_head(w, kind + (n > UINT16_MAX), n, n > UINT16_MAX ? 4 : 2, 0);
    return p ? counted(w) : w->error;
}

int
mp_any_write_list(mp_any_writer *writer, size_t n)
{
    return put_container(writer, 0x90, 0xdc, n, n);
}

int
mp_any_write_dict(mp_any_writer *writer, size_t n)
{
    return put_container(writer, 0x80, 0xde, n, 2 * (uint64_t)n);
}

int
mp_any_write_value(mp_any_writer *writer, mp_any any)
{
    size_t length = any.data ? mp__value_length(any, NULL) : 0;
    unsigned char *p;
    int r = writer->error;

    if (r == 0 && (length == 0 || length != any.size))
        r = set_error(writer, mp__fail(-EPROTO,
                                       "mp_any_write_value: not a value"));
    if (r == 0)
        r = count(writer, 0);
    if (r < 0)
        return r;
    p = extend(writer, length);
    if (!p)
        return writer->error;
    memcpy(p, any.data, length);
    return counted(writer);
}

int
mp_any_end(mp_any_writer *writer, mp_any *ret_any)
{
    if (writer->error)
        return writer->error;
    if (writer->depth > 0)
        return mp__fail(-EINVAL, "mp_any_end: %llu values are missing",
                        (unsigned long long)writer->left[writer->depth]);
    if (writer->size == 0)
        return mp__fail(-EINVAL, "mp_any_end: nothing was written");
    *ret_any = (mp_any){writer->data, writer->size};
    return 0;
}

void
mp_any_discard(mp_any_writer *writer)
{
    if (writer->own)
        free(writer->data);
    *writer = (mp_any_writer){
        .data = writer->own ? NULL : writer->data,
        .capacity = writer->own ? 0 : writer->capacity,
        .most = writer->most,
    };
}
