/* SPDX-License-Identifier: MIT */
/* Values as Python prints them, and as JSON.
 *
 * The value is checked as a whole before the first byte is written; then one
 * token after the other is, with the brackets that are due on a stack. The two
 * notations differ in the words of a table and in strings. */
#include "codec/token.h"

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"
#include "codec/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct notation {
    const char *nil, *no, *yes;
    void (*string)(FILE *file, const unsigned char *text, size_t size);
    int json;
};

/* ---- Python ---- */

static int
has(const unsigned char *text, size_t size, char c)
{
    return size > 0 && memchr(text, c, size) != NULL;
}

/* What is no UTF-8 is written as Python's surrogateescape shows it. */
static void
python_string(FILE *file, const unsigned char *text, size_t size)
{
    char quote =
        mp__text_quote(has(text, size, '\''), has(text, size, '"'));
    size_t n;

    putc(quote, file);
    for (; size > 0; text += n, size -= n) {
        char piece[MP__TEXT];
        int32_t c = mp__utf8_read(text, size, &n);

        mp__text_of_wide(piece, c < 0 ? 0xdc00u + *text : (uint32_t)c, quote);
        fputs(piece, file);
    }
    putc(quote, file);
}

static void
python_bytes(FILE *file, const unsigned char *data, size_t size)
{
    char quote =
        mp__text_quote(has(data, size, '\''), has(data, size, '"'));

    fprintf(file, "b%c", quote);
    while (size-- > 0) {
        char piece[MP__TEXT];

        mp__text_of_byte(piece, *data++, quote);
        fputs(piece, file);
    }
    putc(quote, file);
}

static const struct notation python = {"None", "False", "True", python_string,
                                       0};

/* ---- JSON ---- */

static void
json_string(FILE *file, const unsigned char *text, size_t size)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

    putc('"', file);
    for (; size-- > 0; text++) {
        const char *found = *text ? strchr(plain, *text) : NULL;

        if (found)
            fprintf(file, "\\%c", letters[found - plain]);
        else if (*text < ' ' || *text == 127)
            fprintf(file, "\\u%04x", *text);
        else
            putc(*text, file);
    }
    putc('"', file);
}

static const struct notation json = {"null", "false", "true", json_string, 1};

/* ---- Both ---- */

static void
print_number(FILE *file, const struct mp__token *t)
{
    char text[MP__TEXT];

    if (t->type == MP_ANY_FLOAT)
        mp__text_of_double(text, t->d);
    else if (t->extra)
        snprintf(text, sizeof(text), "%" PRId64, t->i);
    else
        snprintf(text, sizeof(text), "%" PRIu64, t->u);
    fputs(text, file);
}

static void
print_ext(FILE *file, const struct mp__token *t)
{
    struct mp__handle h;

    if (mp__handle_look_token(t, &h)) {
        fprintf(file, "<%s%s at %#" PRIx64 ">",
                mp__handle_is_here(&h) ? "" : "remote ",
                mp__handle_class_name(h.slab), h.id);
        return;
    }
    fprintf(file, "ext(%d, ", t->extra);
    python_bytes(file, t->body, t->size);
    putc(')', file);
}

static void
print_token(FILE *file, const struct notation *as, const struct mp__token *t)
{
    switch (t->type) {
    case MP_ANY_NIL:
        fputs(as->nil, file);
        break;
    case MP_ANY_BOOL:
        fputs(t->extra ? as->yes : as->no, file);
        break;
    case MP_ANY_STRING:
        as->string(file, t->body, t->size);
        break;
    case MP_ANY_BYTES:
        python_bytes(file, t->body, t->size);
        break;
    case MP_ANY_EXT:
        print_ext(file, t);
        break;
    default:
        print_number(file, t);
    }
}

/* A list or dict that is being printed. */
struct level {
    uint64_t left;
    int pairs;
};

/* What stands between what was printed last and what is next. */
static void
print_between(FILE *file, const struct level *level)
{
    fputs(level->pairs && level->left % 2 ? ": " : ", ", file);
}

static void
print_all(FILE *file, const struct notation *as, mp_any any)
{
    const unsigned char *p = any.data;
    struct level levels[MP_ANY_DEPTH + 1];
    unsigned depth = 0;
    struct mp__token t;

    levels[0] = (struct level){1, 0};
    for (;;) {
        mp__token_read((mp_any){p, any.size}, &t);
        p += t.length;
        any.size -= t.length;
        levels[depth].left--;
        if (t.type == MP_ANY_LIST || t.type == MP_ANY_DICT) {
            fputs(t.type == MP_ANY_DICT ? "{" : "[", file);
            if (mp__token_inside(&t)) {
                levels[++depth] = (struct level){mp__token_inside(&t),
                                                 t.type == MP_ANY_DICT};
                continue;
            }
            fputs(t.type == MP_ANY_DICT ? "}" : "]", file);
        } else {
            print_token(file, as, &t);
        }
        while (depth > 0 && levels[depth].left == 0)
            putc(levels[depth--].pairs ? '}' : ']', file);
        if (depth == 0)
            return;
        print_between(file, &levels[depth]);
    }
}

static int
check(mp_any any, FILE *file, const char *function)
{
    if (!file)
        return mp__fail(-EINVAL, "%s: file is NULL", function);
    if (!any.data || mp__value_length(any, MP_ANY_DEPTH, NULL) == 0)
        return mp__fail(-EPROTO, "%s: not a value", function);
    return 0;
}

int
mp_any_print(mp_any any, FILE *file)
{
    int r = check(any, file, "mp_any_print");

    if (r < 0)
        return r;
    print_all(file, &python, any);
    return ferror(file) ? mp__fail(-EIO, "mp_any_print: cannot write") : 0;
}

/* ---- What JSON does not have ---- */

static int
is_utf8(const unsigned char *text, size_t size)
{
    size_t n;

    for (; size > 0; text += n, size -= n)
        if (mp__utf8_read(text, size, &n) < 0)
            return 0;
    return 1;
}

/* Whether one token can be in JSON; `key`: as the key of an object. */
static int
fits_json(const struct mp__token *t, int key)
{
    if (key && t->type != MP_ANY_STRING)
        return mp__fail(-EINVAL,
                        "mp_any_to_json: the key of a dict is %s; in JSON it "
                        "is a string",
                        mp_any_type_name(t->type));
    if (t->type == MP_ANY_BYTES || t->type == MP_ANY_EXT)
        return mp__fail(-EINVAL, "mp_any_to_json: JSON has no %s",
                        mp_any_type_name(t->type));
    if (t->type == MP_ANY_FLOAT && !isfinite(t->d))
        return mp__fail(-EINVAL, "mp_any_to_json: JSON has no %s",
                        isnan(t->d) ? "NaN" : "infinity");
    if (t->type == MP_ANY_STRING && !is_utf8(t->body, t->size))
        return mp__fail(-EINVAL, "mp_any_to_json: a string is no UTF-8");
    return 0;
}

static int
check_json(mp_any any)
{
    const unsigned char *p = any.data;
    struct level levels[MP_ANY_DEPTH + 1];
    unsigned depth = 0;
    struct mp__token t;
    int r = 0;

    levels[0] = (struct level){1, 0};
    while (r == 0 && levels[0].left + depth > 0) {
        int key = levels[depth].pairs && levels[depth].left % 2 == 0;

        mp__token_read((mp_any){p, any.size}, &t);
        p += t.length;
        any.size -= t.length;
        levels[depth].left--;
        r = fits_json(&t, key);
        if (mp__token_inside(&t))
            levels[++depth] = (struct level){mp__token_inside(&t),
                                             t.type == MP_ANY_DICT};
        while (depth > 0 && levels[depth].left == 0)
            depth--;
    }
    return r;
}

int
mp_any_to_json(mp_any any, FILE *file)
{
    int r = check(any, file, "mp_any_to_json");

    if (r == 0)
        r = check_json(any);
    if (r < 0)
        return r;
    print_all(file, &json, any);
    return ferror(file) ? mp__fail(-EIO, "mp_any_to_json: cannot write") : 0;
}
