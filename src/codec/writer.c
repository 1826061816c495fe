/* SPDX-License-Identifier: MIT */
/* Writing values.
 *
 * The writer knows for each list and dict that it is in how many values are to
 * come: so it notices one too many or too few. The smallest form of each number
 * and length is taken, as the MessagePack specification recommends. */
#include "base/error.h"
#include "codec/kind.h"
#include "codec/token.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 64 /* bytes of a buffer */

void
mp_any_writer_init(mp_any_writer *writer, void *buf, size_t cap)
{
    /* No limit is written as 0. */
    *writer = (mp_any_writer){.data = buf,
                              .capacity = cap,
                              .most = cap,
                              .error = cap ? 0 : -EMSGSIZE};
}

void
mp__writer_begin(mp_any_writer *writer, void *buf, size_t size)
{
    writer->data = buf;
    writer->capacity = size;
    writer->size = writer->most = 0;
    writer->error = writer->own = 0;
    writer->depth = 0;
    writer->left[0] = 0;
}

static int
set_error(mp_any_writer *w, int error)
{
    w->error = error;
    return error;
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
    if (!w->own && w->size)
        memcpy(data, w->data, w->size);
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

/* One value begins, with `n` bytes: where they go; NULL: an error. A writer
 * whose value has been ended begins another. */
static unsigned char *
begin(mp_any_writer *w, size_t n)
{
    if (w->error)
        return NULL;
    if (w->depth == 0 && w->left[0] == 0) {
        w->left[0] = 1;
        w->size = 0;
    }
    if (w->left[w->depth] == 0) {
        set_error(w, mp__fail(-EINVAL, "mp_any_write: a value too many"));
        return NULL;
    }
    w->left[w->depth]--;
    return extend(w, n);
}

/* Lists and dicts that have all they wait for are left. */
static void
leave(mp_any_writer *w)
{
    while (w->depth > 0 && w->left[w->depth] == 0)
        w->depth--;
}

/* One value is added that has nothing inside. */
static inline unsigned char *
add(mp_any_writer *w, size_t n)
{
    unsigned char *p;

    /* As a rule others follow in the same list, and there is room. */
    if (w->left[w->depth] > 1 && n <= w->capacity - w->size && !w->error) {
        w->left[w->depth]--;
        p = w->data + w->size;
        w->size += n;
        return p;
    }
    p = begin(w, n);
    leave(w);
    return p;
}

/* The lowest `n` bytes of a number, the highest of them first. */
static void
put_number(unsigned char *p, uint64_t x, size_t n)
{
    uint16_t x2 = htobe16((uint16_t)x);
    uint32_t x4 = htobe32((uint32_t)x);
    uint64_t x8 = htobe64(x);

    switch (n) {
    case 1:
        *p = (unsigned char)x;
        break;
    case 2:
        memcpy(p, &x2, sizeof(x2));
        break;
    case 4:
        memcpy(p, &x4, sizeof(x4));
        break;
    case 8:
        memcpy(p, &x8, sizeof(x8));
        break;
    }
}

/* The exponent of how many bytes a number takes: 1, 2, 4, 8. */
static unsigned
width(uint64_t x)
{
    return x > UINT32_MAX ? 3 : x > UINT16_MAX ? 2 : x > UINT8_MAX ? 1 : 0;
}

/* A value that is a kind and a number of `n` bytes. */
static inline int
put(mp_any_writer *w, unsigned kind, uint64_t x, size_t n)
{
    unsigned char *p = add(w, 1 + n);

    if (!p)
        return w->error;
    *p = (unsigned char)kind;
    put_number(p + 1, x, n);
    return 0;
}

int
mp_any_write_nil(mp_any_writer *writer)
{
    return put(writer, MP__NIL, 0, 0);
}

int
mp_any_write_bool(mp_any_writer *writer, int x)
{
    return put(writer, x ? MP__TRUE : MP__FALSE, 0, 0);
}

int
mp_any_write_unsigned(mp_any_writer *writer, uint64_t x)
{
    if (x < 0x80)
        return put(writer, (unsigned)x, 0, 0);
    return put(writer, MP__UINT8 + width(x), x, (size_t)1 << width(x));
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
    return put(writer, MP__INT8 + e, (uint64_t)x, (size_t)1 << e);
}

int
mp_any_write_double(mp_any_writer *writer, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return put(writer, MP__FLOAT64, bits, 8);
}

static int
too_many(mp_any_writer *w, size_t n, const char *what)
{
    if (w->error)
        return w->error;
    return set_error(w, mp__fail(-EMSGSIZE,
                                 "mp_any_write: %zu %s are more than the "
                                 "format has (2^32 - 1)",
                                 n, what));
}

/* A string or bytes: kinds of 1, 2 and 4 bytes of length from `kind` on. */
static int
put_body(mp_any_writer *w, unsigned kind, const void *data, size_t size)
{
    unsigned e = width(size);
    size_t n = (size_t)1 << e;
    unsigned char *p;

    if (size > UINT32_MAX)
        return too_many(w, size, "bytes in one string");
    if (kind == MP__STR8 && size < 32) {
        kind = MP__FIXSTR | (unsigned)size;
        n = 0;
    } else {
        kind += e;
    }
    p = add(w, 1 + n + size);
    if (!p)
        return w->error;
    *p = (unsigned char)kind;
    put_number(p + 1, size, n);
    if (size)
        memcpy(p + 1 + n, data, size);
    return 0;
}

int
mp_any_write_string(mp_any_writer *writer, const char *text, size_t size)
{
    if (!text)
        return mp_any_write_nil(writer);
    return put_body(writer, MP__STR8, text,
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
    return put_body(writer, MP__BIN8, data, size);
}

/* A list or dict: `few` with up to 15, else `kind` with 2 or 4 bytes. */
static int
put_container(mp_any_writer *w, unsigned few, unsigned kind, size_t n,
              uint64_t inside)
{
    size_t bytes = n < 16 ? 0 : n > UINT16_MAX ? 4 : 2;
    unsigned char *p;

    if (n > UINT32_MAX)
        return too_many(w, n, "items");
    p = begin(w, 1 + bytes);
    if (!p)
        return w->error;
    if (w->depth == MP_ANY_DEPTH)
        return set_error(w, mp__fail(-EINVAL, "mp_any_write: deeper than %d",
                                     MP_ANY_DEPTH));
    *p = (unsigned char)(bytes ? kind + (bytes == 4) : few | (unsigned)n);
    put_number(p + 1, n, bytes);
    w->left[++w->depth] = inside;
    leave(w);
    return 0;
}

int
mp_any_write_list(mp_any_writer *writer, size_t n)
{
    return put_container(writer, MP__FIXLIST, MP__LIST16, n, n);
}

int
mp_any_write_dict(mp_any_writer *writer, size_t n)
{
    return put_container(writer, MP__FIXMAP, MP__MAP16, n, 2 * (uint64_t)n);
}

int
mp__any_write_checked(mp_any_writer *writer, mp_any any)
{
    unsigned char *p = add(writer, any.size);

    if (!p)
        return writer->error;
    memcpy(p, any.data, any.size);
    return 0;
}

int
mp_any_write_value(mp_any_writer *writer, mp_any any)
{
    unsigned most = MP_ANY_DEPTH - writer->depth;

    if (writer->error)
        return writer->error;
    if (!any.data || any.size == 0 ||
        mp__value_length(any, most, NULL) != any.size)
        return set_error(writer, mp__fail(-EPROTO,
                                          "mp_any_write_value: not a value, "
                                          "or too deep"));
    return mp__any_write_checked(writer, any);
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
mp_any_free(mp_any any)
{
    free((void *)any.data);
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
