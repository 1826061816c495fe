/* SPDX-License-Identifier: MIT */
/* Taking values apart by format strings.
 *
 * Format and value are walked side by side; the depth of both is that of the
 * format, which is the program's own. What is None under a `?`, or a key that
 * is not there, has its part of the format walked without a value: the
 * arguments are passed over. */
#include "codec/format.h"
#include "codec/token.h"

#include "base/error.h"
#include "codec/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COPIES 64 /* in one call */

struct parse {
    struct mp__format format;
    va_list args;
    int dry;               /* there are no arguments: it is only looked */
    uint64_t scratch[2];   /* in the place of what they point to */
    int copy_all;          /* S, y and v, too */
    void **copies[COPIES]; /* to be undone on failure */
    unsigned n_copies;
};

static int parse_value(struct parse *p, char letter, const mp_any *any);

/* The error of mp_any_get_*(), with the place. */
static int
refuse(struct parse *p, int code, const char *wanted, mp_any any)
{
    int type = mp_any_type(any);

    if (code == -EINVAL)
        return mp__format_fail(&p->format, code, "expected %s, got %s", wanted,
                               mp_any_type_name(type));
    if (code == -ERANGE)
        return mp__format_fail(&p->format, code,
                               "the number does not fit into '%s'", wanted);
    return mp__format_fail(&p->format, code, "not a value");
}

static void *
target(struct parse *p)
{
    return p->dry ? p->scratch : va_arg(p->args, void *);
}

/* Where a size goes, that follows a target. */
static size_t *
size_target(struct parse *p)
{
    return p->dry ? &p->scratch[1] : va_arg(p->args, size_t *);
}

/* ---- Numbers ---- */

/* What is no integer of 64 bits with a sign: its bytes, or an error. */
static ssize_t
read_other(mp_any any, char letter, void *to)
{
    struct mp__token t;
    int r = mp__token_read(any, &t);

    if (r < 0)
        return r;
    if (letter == 'd')
        r = mp__token_double(&t, to);
    else if (t.type != MP_ANY_INT)
        r = -EINVAL;
    else
        r = strchr("LQz", letter) ? mp__token_unsigned(&t, to) : -ERANGE;
    return r < 0 ? r : (ssize_t)t.length;
}

/* Reads a number of the letter's type to `to`, which may be in an array: its
 * bytes, or an error. */
static ssize_t
read_number(mp_any any, char letter, void *to)
{
    int64_t x;
    size_t n = letter == 'd' ? 0 : mp__int_read(any, &x);

    if (n == 0)
        return read_other(any, letter, to);
    switch (letter) {
    case 'i':
        if (x < INT32_MIN || x > INT32_MAX)
            return -ERANGE;
        *(int *)to = (int)x;
        break;
    case 'I':
        if (x < 0 || x > UINT32_MAX)
            return -ERANGE;
        *(unsigned *)to = (unsigned)x;
        break;
    case 'l':
    case 'q':
        *(int64_t *)to = x;
        break;
    default:
        if (x < 0)
            return -ERANGE;
        *(uint64_t *)to = (uint64_t)x;
    }
    return (ssize_t)n;
}

static size_t
number_size(char letter)
{
    return letter == 'i' || letter == 'I' ? sizeof(int) : sizeof(int64_t);
}

static int
parse_number(struct parse *p, char letter, const mp_any *any)
{
    const char name[2] = {letter};
    void *to = target(p);
    ssize_t n = any ? read_number(*any, letter, to) : 0;

    if (n == -EINVAL)
        return refuse(p, (int)n, letter == 'd' ? "float" : "int", *any);
    return n < 0 ? refuse(p, (int)n, name, *any) : 0;
}

static mp_any
behind(mp_any any, size_t n)
{
    return (mp_any){(const char *)any.data + n, any.size - n};
}

static int
read_numbers(struct parse *p, char letter, mp_any any, char *to, size_t most,
             size_t *ret_n)
{
    struct mp__token list;
    int r = mp__token_read(any, &list);

    if (r == 0 && list.type != MP_ANY_LIST)
        r = -EINVAL;
    if (r < 0)
        return refuse(p, r, "list", any);
    any = behind(any, list.length);
    for (size_t i = 0; i < list.size && i < most; i++) {
        ssize_t n = read_number(any, letter, to);

        if (n < 0)
            return mp__format_fail(&p->format, (int)n,
                                   "number %zu of the list: %s", i,
                                   mp_strerror((int)n));
        any = behind(any, (size_t)n);
        if (!p->dry)
            to += number_size(letter);
    }
    *ret_n = list.size;
    return list.size > most
               ? mp__format_fail(&p->format, -EMSGSIZE,
                                 "%zu numbers, and room for %zu", list.size,
                                 most)
               : 0;
}

static int
parse_numbers(struct parse *p, const mp_any *any)
{
    char letter = *p->format.at ? *p->format.at++ : 0;
    char *to;
    size_t *n;

    if (letter == 0 || !strchr("iIlLqQzd", letter))
        return mp__format_bad(&p->format, letter);
    to = target(p);
    n = size_target(p);
    if (p->dry)
        *n = SIZE_MAX;
    return any ? read_numbers(p, letter, *any, to, *n, n) : 0;
}

/* ---- Strings ---- */

/* A copy of the caller's own; with a NUL behind, whatever it is. */
static int
copy_body(struct parse *p, const void *data, size_t size, void **ret_copy)
{
    char *copy;

    if (p->n_copies == COPIES)
        return mp__format_fail(&p->format, -EINVAL,
                               "more than %d strings to be copied", COPIES);
    copy = malloc(size + 1);
    if (!copy)
        return mp__format_fail(&p->format, -ENOMEM, "out of memory");
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    *ret_copy = copy;
    p->copies[p->n_copies++] = ret_copy;
    return 0;
}

static int
parse_body(struct parse *p, char letter, const mp_any *any)
{
    int type = letter == 'y' ? MP_ANY_BYTES : MP_ANY_STRING;
    void *to = target(p);
    size_t *size = letter == 's' ? NULL : size_target(p);
    struct mp__token t;

    if (!any)
        return 0;
    if (mp__token_read(*any, &t) < 0)
        return refuse(p, -EPROTO, "", *any);
    if (t.type != type)
        return refuse(p, -EINVAL, mp_any_type_name(type), *any);
    if (letter == 's' && t.size && memchr(t.body, 0, t.size))
        return mp__format_fail(&p->format, -EINVAL,
                               "the string has a NUL inside ('S' takes it)");
    if (size)
        *size = t.size;
    if (!p->dry && (letter == 's' || p->copy_all))
        return copy_body(p, t.body, t.size, to);
    *(const void **)to = t.body;
    return 0;
}

static int
parse_any(struct parse *p, mp_any any, mp_any *ret_any)
{
    *ret_any = any;
    return p->copy_all ? copy_body(p, any.data, any.size,
                                   (void **)(void *)&ret_any->data)
                       : 0;
}

/* ---- Other scalars ---- */

static int
parse_simple(struct parse *p, char letter, const mp_any *any)
{
    void *to = letter == 'b' || letter == 'v' ? target(p) : NULL;
    int r = 0;

    if (!any)
        return 0;
    if (letter == 'v')
        return parse_any(p, *any, to);
    if (letter == 'b')
        r = mp_any_get_bool(*any, to);
    else if (letter == 'n' && mp_any_type(*any) != MP_ANY_NIL)
        r = -EINVAL;
    return r < 0 ? refuse(p, r, letter == 'b' ? "bool" : "None", *any) : 0;
}

static int
parse_handle(struct parse *p, const mp_any *any)
{
    void *to = target(p);
    struct mp__handle handle;
    int r = 0;

    if (any && p->dry)
        r = mp__handle_look(*any, &handle) ? 0 : -EINVAL;
    else if (any)
        r = mp__handle_read(*any, to, NULL);

    if (r == -EINVAL)
        return refuse(p, r, "handle", *any);
    return r < 0 ? mp__format_fail(&p->format, r, "%s", mp_last_error()) : 0;
}

/* ---- Lists and dicts ---- */

/* Whether `*]` is next; it is passed. */
static int
takes_rest(struct mp__format *format)
{
    if (mp__format_peek(format) != '*' || format->at[1] != ']')
        return 0;
    format->at++;
    return 1;
}

static int
parse_items(struct parse *p, mp_any_walker *walker)
{
    struct mp__format *format = &p->format;
    size_t *index = &format->place[format->depth].index;
    mp_any item;
    int r = 1, rest = 0;

    while (!(rest = takes_rest(format)) && mp__format_peek(format) != ']') {
        r = walker ? mp_any_next(walker, NULL, &item) : 1;
        if (r < 0)
            return mp__format_fail(format, r, "not a value");
        if (r == 0)
            return mp__format_fail(format, -EINVAL,
                                   "the list has only %zu items", *index);
        r = parse_value(p, mp__format_next(format), walker ? &item : NULL);
        if (r < 0)
            return r;
        ++*index;
    }
    mp__format_next(format); /* ] */
    if (walker && walker->left > 0 && !rest)
        return mp__format_fail(format, -EINVAL,
                               "the list has %llu items more",
                               (unsigned long long)walker->left);
    return 0;
}

static int
parse_list(struct parse *p, const mp_any *any)
{
    mp_any_walker walker;
    int r;

    if (any && mp_any_type(*any) != MP_ANY_LIST)
        return refuse(p, -EINVAL, "list", *any);
    if (any)
        mp_any_walk(*any, &walker);
    r = mp__format_enter(&p->format, ']');
    if (r == 0)
        r = parse_items(p, any ? &walker : NULL);
    if (r == 0)
        mp__format_leave(&p->format);
    return r;
}

/* The entry of the quoted key that comes next in the format: 1; 0: there is
 * none, and need not be. */
static int
find_entry(struct parse *p, const mp_any *any, mp_any *ret_item)
{
    struct mp__format *format = &p->format;
    char letter = mp__format_next(format), key[128];
    const char *end = letter == '\'' ? strchr(format->at, '\'') : NULL;
    size_t size = end ? (size_t)(end - format->at) : 0;
    int r, optional;

    if (!end || size >= sizeof(key))
        return mp__format_bad(format, letter);
    memcpy(key, format->at, size);
    key[size] = 0;
    format->at = end + 1;
    optional = *format->at == '?'; /* behind the colon it is the value's */
    format->at += optional;
    if (!any)
        return 0;
    r = mp_any_entry(*any, key, ret_item);
    if (r == -ENOENT && !optional)
        return mp__format_fail(format, -EINVAL, "there is no key '%s'", key);
    if (r < 0 && r != -ENOENT)
        return mp__format_fail(format, r, "not a value");
    return r == 0;
}

static int
parse_dict(struct parse *p, const mp_any *any)
{
    struct mp__format *format = &p->format;
    mp_any item;
    int r;

    if (any && mp_any_type(*any) != MP_ANY_DICT)
        return refuse(p, -EINVAL, "dict", *any);
    r = mp__format_enter(format, '}');
    while (r >= 0 && mp__format_peek(format) != '}') {
        r = find_entry(p, any, &item);
        if (r >= 0)
            r = parse_value(p, mp__format_next(format), r ? &item : NULL);
        format->place[format->depth].index++;
    }
    if (r < 0)
        return r;
    mp__format_next(format); /* } */
    mp__format_leave(format);
    return 0;
}

/* The part of the format that begins with `letter`; `any` NULL: there is no
 * value for it. */
static int
parse_value(struct parse *p, char letter, const mp_any *any)
{
    if (letter == '?') {
        if (any && mp_any_type(*any) == MP_ANY_NIL)
            any = NULL;
        letter = mp__format_next(&p->format);
    }
    switch (letter) {
    case '[':
        return parse_list(p, any);
    case '{':
        return parse_dict(p, any);
    case '*':
        return parse_numbers(p, any);
    case 'i':
    case 'I':
    case 'l':
    case 'L':
    case 'q':
    case 'Q':
    case 'z':
    case 'd':
        return parse_number(p, letter, any);
    case 's':
    case 'S':
    case 'y':
        return parse_body(p, letter, any);
    case 'n':
    case 'b':
    case 'v':
    case '_':
        return parse_simple(p, letter, any);
    case 'h':
        return parse_handle(p, any);
    default:
        return mp__format_bad(&p->format, letter);
    }
}

static void
undo_copies(struct parse *p)
{
    for (unsigned i = 0; i < p->n_copies; i++) {
        free(*p->copies[i]);
        *p->copies[i] = NULL;
    }
}

/* The whole format. */
static int
parse_all(struct parse *p, const char *function, const char *format,
          mp_any any)
{
    int r;

    mp__format_begin(&p->format, function, format);
    p->n_copies = 0;
    r = parse_value(p, mp__format_next(&p->format), &any);
    if (r == 0 && mp__format_peek(&p->format))
        r = mp__format_bad(&p->format, mp__format_next(&p->format));
    return r;
}

int
mp__format_parse(const char *function, mp_any any, int copies,
                 const char *format, va_list args)
{
    struct parse p;
    int r;

    if (!format)
        return mp__fail(-EINVAL, "%s: format is NULL", function);
    p.dry = 0;
    p.copy_all = copies;
    va_copy(p.args, args);
    r = parse_all(&p, function, format, any);
    va_end(p.args);
    if (r < 0)
        undo_copies(&p);
    return r;
}

int
mp__format_fits(const char *function, mp_any any, const char *format)
{
    struct parse p;

    p.dry = 1;
    p.copy_all = 0;
    return parse_all(&p, function, format, any);
}

int
mp_any_vparse(mp_any any, const char *format, va_list args)
{
    if (!any.data || mp__value_length(any, MP_ANY_DEPTH, NULL) == 0)
        return mp__fail(-EPROTO, "mp_any_parse: not a value");
    return mp__format_parse("mp_any_parse", any, 0, format, args);
}

int
mp_any_parse(mp_any any, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = mp_any_vparse(any, format, args);
    va_end(args);
    return r;
}
