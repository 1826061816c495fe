/* SPDX-License-Identifier: MIT */
/* Values of any kind: what Python calls None, True, 42, 2.5, 'Hello', b'\0',
 * [1, 2] and {'a': 1}, as bytes (MessagePack) that may go through any channel,
 * to any machine, and to programs in other languages.
 *
 *     mp_any_writer w = MP_ANY_WRITER;
 *     mp_any value;
 *     const char *text;
 *     int n;
 *
 *     mp_any_build(&w, "[i,n,s]", 42, "Hello");
 *     mp_any_end(&w, &value);
 *     mp_any_print(value, stdout);                 [42, None, 'Hello']
 *     mp_any_parse(value, "[i,n,S]", &n, &text, &size);
 *     mp_any_discard(&w);
 *
 * An mp_any is where a value's bytes lie. It owns nothing, costs nothing to
 * copy, and holds as long as those bytes do. To look into it allocates nothing;
 * what is not a value is -EPROTO wherever it is met, whatever the bytes are.
 *
 * Process death concerns none of this: nothing here is shared. Functions may be
 * used by several threads at once on values, not on one writer; none blocks. */
#ifndef MPROC_ANY_H
#define MPROC_ANY_H

#include <mproc/base.h>
#include <stdarg.h>
#include <stdio.h>

MP__BEGIN

typedef struct mp_any {
    const void *data;
    size_t size; /* bytes */
} mp_any;

/* How deep lists and dicts may lie inside each other. */
#define MP_ANY_DEPTH 64

/* ---- Looking ---- */

#define MP_ANY_NIL    1
#define MP_ANY_BOOL   2
#define MP_ANY_INT    3 /* -2^63 to 2^64 - 1 */
#define MP_ANY_FLOAT  4
#define MP_ANY_STRING 5 /* UTF-8, by agreement */
#define MP_ANY_BYTES  6
#define MP_ANY_LIST   7
#define MP_ANY_DICT   8
#define MP_ANY_EXT    9 /* a type, and bytes: of another program's; type 1: the
                           handle of an object */

/* What it is; -EPROTO: no value. The name is "list", "None", ... */
MP_API int mp_any_type(mp_any any);
MP_API const char *mp_any_type_name(int type);

/* Whether the `size` bytes at `data` are one value, whole, and no more: 0, and
 * the value; -EPROTO, with the offset in mp_last_error(). Nothing that a value
 * from elsewhere says of itself is believed before. */
MP_API int mp_any_check(const void *data, size_t size, mp_any *ret_any);

/* 0; -EPROTO; -EINVAL: it is of another type (mp_last_error() says which);
 * -ERANGE: the number does not fit. An integer may be read as a double if that
 * is exact. Strings and bytes are where they lie: no NUL follows. */
MP_API int mp_any_get_bool(mp_any any, int *ret_x);
MP_API int mp_any_get_int(mp_any any, int64_t *ret_x);
MP_API int mp_any_get_unsigned(mp_any any, uint64_t *ret_x);
MP_API int mp_any_get_double(mp_any any, double *ret_x);
MP_API int mp_any_get_string(mp_any any, const char **ret_text,
                             size_t *ret_size);
MP_API int mp_any_get_bytes(mp_any any, const void **ret_data,
                            size_t *ret_size);
MP_API int mp_any_get_ext(mp_any any, int *ret_type, const void **ret_data,
                          size_t *ret_size);

/* The items of a list, the entries of a dict; -EINVAL: it is neither. */
MP_API ssize_t mp_any_size(mp_any any);

/* Walks over a list or a dict:
 *
 *     for (mp_any_walk(any, &walk); mp_any_next(&walk, &key, &item) > 0;)
 *
 * In a list the key is not written. */
typedef struct mp_any_walker {
    mp_any rest;
    uint64_t left;
    int pairs;
} mp_any_walker;

/* 0; -EINVAL: neither list nor dict, and the walk is empty. */
MP_API int mp_any_walk(mp_any any, mp_any_walker *ret_walker);
/* 1; 0: that was all; -EPROTO. `ret_key` may be NULL. */
MP_API int mp_any_next(mp_any_walker *walker, mp_any *ret_key,
                       mp_any *ret_item);

/* An item by index (negative: from the end), an entry by its key, a string.
 * They walk: to look at all, walk yourself. 0; -ENOENT: there is none. */
MP_API int mp_any_item(mp_any any, int64_t index, mp_any *ret_item);
MP_API int mp_any_entry(mp_any any, const char *key, mp_any *ret_item);

/* Whether both are the same to Python: 1 == 1.0 == True, dicts in any order.
 * 1, 0; -EPROTO. */
MP_API int mp_any_equal(mp_any a, mp_any b);

/* ---- Writing ---- */

/* Collects bytes. The first error stays, and later calls do nothing: it is
 * enough to look at what mp_any_end() gives. */
typedef struct mp_any_writer {
    unsigned char *data;
    size_t size, capacity;
    size_t most;  /* bytes at most; 0: any number */
    int32_t error;
    uint32_t depth;
    int32_t own;  /* `data` is the writer's, by malloc() */
    int32_t reserved;
    uint64_t left[MP_ANY_DEPTH + 1]; /* values to come, by depth */
} mp_any_writer;

#ifdef __cplusplus
#define MP_ANY_WRITER {}
#else
#define MP_ANY_WRITER {0}
#endif

/* A writer into the caller's buffer, which never grows: -EMSGSIZE beyond. */
MP_API void mp_any_writer_init(mp_any_writer *writer, void *buf, size_t cap);

/* One value each. 0, or the writer's error: -ENOMEM, -EMSGSIZE, -EINVAL (too
 * deep, a value too many). */
MP_API int mp_any_write_nil(mp_any_writer *writer);
MP_API int mp_any_write_bool(mp_any_writer *writer, int x);
MP_API int mp_any_write_int(mp_any_writer *writer, int64_t x);
MP_API int mp_any_write_unsigned(mp_any_writer *writer, uint64_t x);
MP_API int mp_any_write_double(mp_any_writer *writer, double x);
/* `text` NULL: nil. SIZE_MAX: up to its NUL. */
MP_API int mp_any_write_string(mp_any_writer *writer, const char *text,
                               size_t size);
MP_API int mp_any_write_bytes(mp_any_writer *writer, const void *data,
                              size_t size);
/* The next `n` values are its items; the next 2 n: keys and items in turn. */
MP_API int mp_any_write_list(mp_any_writer *writer, size_t n);
MP_API int mp_any_write_dict(mp_any_writer *writer, size_t n);
/* A copy of a value. -EPROTO: it is none. */
MP_API int mp_any_write_value(mp_any_writer *writer, mp_any any);

/* The value that was written: 0; the writer's error; -EINVAL: there is none, or
 * a list waits for more. It holds until the writer is used again; the next
 * write begins another value in its place. */
MP_API int mp_any_end(mp_any_writer *writer, mp_any *ret_any);

/* Gives back what the writer has. It may be used again. */
MP_API void mp_any_discard(mp_any_writer *writer);

/* Frees a value that a function gave as a copy of the caller's own. */
MP_API void mp_any_free(mp_any any);

/* ---- Format strings ---- */

/* One value, written as Python's Py_BuildValue() and jansson have it:
 *
 *   n                    None
 *   b                    int           bool
 *   i I l L q Q z        int, unsigned, long, unsigned long, int64_t,
 *                        uint64_t, size_t
 *   d                    double
 *   s  S                 const char *; const char *, size_t      string
 *   y                    const void *, size_t                    bytes
 *   v                    mp_any
 *   h                    a handle: mp_list *, mp_dict *, mp_set *, mp_namespace *,
 *                        mp_value *, mp_array *, mp_lock *, mp_rlock *,
 *                        mp_semaphore *, mp_event *, mp_condition *,
 *                        mp_barrier *, mp_queue *, mp_pool *, mp_object *; NULL:
 *                        None. -EBADF: it is none of a live one
 *   *i *I *l *L *q *Q *z *d    pointer to n numbers, size_t n: a list of them
 *   [..]                 list; items follow each other, commas as you like
 *   {k:v,k:v}            dict; k is a format, as a rule s
 *   'text'               that very string, for keys
 *   ?                    before s, S, y, v: a NULL pointer is None
 *
 * mp_any_parse() takes apart in the same letters, with a pointer to each:
 *
 *   n b i .. d           must be that; numbers must fit
 *   s                    char **: a copy with a NUL behind, to be freed by
 *                        free(); -EINVAL if there is a NUL inside
 *   S y                  pointer and size_t of where it lies
 *   v                    mp_any: any value
 *   h                    pointer to a handle; -EBADF: its object has been
 *                        destroyed; -ENOTCONN: it is of another family, and
 *                        there is no manager by which it can be reached
 *   *i ..                type *, size_t *n: room for *n numbers, n is how many
 *                        there were; -EMSGSIZE beyond
 *   {'k':v}              the entry of that key, wherever it is; others are
 *                        passed over
 *   {'k'?:v}             ... and if there is none nothing is written
 *   ? before the rest    None is taken, too, and nothing is written
 *   _                    any value, passed over
 *   [.. *]               further items are passed over; without it a list must
 *                        have as many as the format
 *
 * Errors name the place: "item 2: expected string, got None". -EINVAL: another
 * type, another length, or a bad format; -ERANGE, -EPROTO, -ENOMEM. When parsing
 * fails, nothing is to be freed; what was written before the failure stays. */
MP_API int mp_any_build(mp_any_writer *writer, const char *format, ...);
MP_API int mp_any_vbuild(mp_any_writer *writer, const char *format,
                         va_list args);
MP_API int mp_any_parse(mp_any any, const char *format, ...);
MP_API int mp_any_vparse(mp_any any, const char *format, va_list args);

/* ---- For people ---- */

/* As Python prints it: [42, None, 'Hello']. 0; -EPROTO; -EIO. */
MP_API int mp_any_print(mp_any any, FILE *file);

/* JSON to and from a value. Bytes and ext have no JSON: -EINVAL; nor have NaN
 * and infinity. From JSON: -EPROTO with the line and column. Integers beyond 64
 * bits become doubles. */
MP_API int mp_any_from_json(mp_any_writer *writer, const char *text,
                            size_t size);
MP_API int mp_any_to_json(mp_any any, FILE *file);

MP__END

#endif
