/* SPDX-License-Identifier: MIT */
/* Values from JSON (RFC 8259).
 *
 * The length of an array comes before its items in a value, and is known only
 * at its end in JSON: so a first pass counts, and checks, and a second writes.
 * Both run over the text with the same few functions; open brackets are on a
 * stack. */
#include "codec/token.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct json {
    const char *begin, *at, *end;
    mp_any_writer *writer;
};

static int
fail_here(const struct json *j, const char *at, const char *what)
{
    unsigned line = 1, column = 1;

    for (const char *p = j->begin; p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return mp__fail(-EPROTO, "mp_any_from_json: line %u, column %u: %s", line,
                    column, what);
}

static void
skip_space(struct json *j)
{
    while (j->at < j->end && *j->at && strchr(" \t\r\n", *j->at))
        j->at++;
}

static int
peek(struct json *j)
{
    skip_space(j);
    return j->at < j->end ? (unsigned char)*j->at : 0;
}

/* ---- Strings ---- */

static int
hex4(const struct json *j, const char *p)
{
    int x = 0;

    if (j->end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = p[i] ? strchr(digits, p[i] | 0x20) : NULL;

        if (!d || (p[i] < '0' || (p[i] > '9' && p[i] < 'A')))
            return -1;
        x = x << 4 | (int)(d - digits);
    }
    return x;
}

/* The character of \uXXXX, or of two of them, at the `u`; -1. */
static int32_t
read_unicode(struct json *j)
{
    int high = hex4(j, j->at + 1), low;

    if (high < 0)
        return -1;
    j->at += 5;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || j->end - j->at < 6 || j->at[0] != '\\' ||
        j->at[1] != 'u')
        return -1;
    low = hex4(j, j->at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    j->at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* What a backslash means, which has been read; -1. */
static int32_t
read_escape(struct json *j)
{
    static const char letters[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (j->at == j->end || *j->at == 0)
        return -1;
    if (*j->at == 'u')
        return read_unicode(j);
    found = strchr(letters, *j->at);
    if (!found)
        return -1;
    j->at++;
    return plain[found - letters];
}

/* The string whose quote is next, to `to` (NULL: only its length, -1: none). */
static ssize_t
read_string(struct json *j, char *to)
{
    char piece[5];
    ssize_t size = 0;
    size_t n;

    for (j->at++; j->at < j->end && *j->at != '"'; size += (ssize_t)n) {
        const unsigned char *p = (const unsigned char *)j->at;
        int32_t c = mp__utf8_read(p, (size_t)(j->end - j->at), &n);

        if (c < ' ')
            return -1;
        j->at += n;
        if (c == '\\' && (c = read_escape(j)) < 0)
            return -1;
        n = mp__utf8_write(piece, (uint32_t)c);
        if (to)
            memcpy(to + size, piece, n);
    }
    if (j->at == j->end)
        return -1;
    j->at++;
    return size;
}

static int
take_string(struct json *j)
{
    const char *begin = j->at;
    ssize_t size = read_string(j, NULL);
    char *text;
    int r;

    if (size < 0)
        return fail_here(j, j->at, "a string that is none");
    if (!j->writer)
        return 0;
    text = malloc((size_t)size + 1);
    if (!text)
        return mp__fail(-ENOMEM, "mp_any_from_json: out of memory");
    j->at = begin;
    read_string(j, text);
    r = mp_any_write_string(j->writer, text, (size_t)size);
    free(text);
    return r;
}

/* ---- Numbers and words ---- */

static size_t
digits(const struct json *j, const char *p)
{
    size_t n = 0;

    while (p + n < j->end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

/* The length of the number at `at`, 0: it is none; and whether it is an
 * integer. */
static size_t
number_length(const struct json *j, int *ret_integer)
{
    const char *p = j->at + (*j->at == '-');
    size_t n = digits(j, p);

    *ret_integer = 1;
    if (n == 0 || (n > 1 && *p == '0'))
        return 0;
    p += n;
    if (p < j->end && *p == '.') {
        *ret_integer = 0;
        n = digits(j, ++p);
        if (n == 0)
            return 0;
        p += n;
    }
    if (p < j->end && (*p | 0x20) == 'e') {
        *ret_integer = 0;
        p++;
        p += p < j->end && (*p == '+' || *p == '-');
        n = digits(j, p);
        if (n == 0)
            return 0;
        p += n;
    }
    return (size_t)(p - j->at);
}

/* As strtod(), in the C locale. */
static double
read_double(const char *text)
{
    static locale_t c; /* once; a second one by a race is only lost */
    locale_t old;
    double x;

    if (!c)
        c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    old = uselocale(c);
    x = strtod(text, NULL);
    uselocale(old);
    return x;
}

static int
write_number(struct json *j, const char *text, int integer)
{
    char *end;

    errno = 0;
    if (integer && *text == '-') {
        long long x = strtoll(text, &end, 10);

        if (errno == 0)
            return mp_any_write_int(j->writer, x);
    } else if (integer) {
        unsigned long long x = strtoull(text, &end, 10);

        if (errno == 0)
            return mp_any_write_unsigned(j->writer, x);
    }
    return mp_any_write_double(j->writer, read_double(text));
}

static int
take_number(struct json *j)
{
    char few[64], *text = few;
    int integer, r;
    size_t n = number_length(j, &integer);

    if (n == 0)
        return fail_here(j, j->at, "a number that is none");
    if (n >= sizeof(few))
        text = malloc(n + 1);
    if (!text)
        return mp__fail(-ENOMEM, "mp_any_from_json: out of memory");
    memcpy(text, j->at, n);
    text[n] = 0;
    r = j->writer              ? write_number(j, text, integer)
        : isinf(read_double(text)) ? fail_here(j, j->at, "a number too large")
                               : 0;
    if (text != few)
        free(text);
    j->at += n;
    return r;
}

static int
take_word(struct json *j)
{
    static const char *const words[] = {"null", "false", "true"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if ((size_t)(j->end - j->at) < n || memcmp(j->at, words[i], n) != 0)
            continue;
        j->at += n;
        if (!j->writer)
            return 0;
        return i == 0 ? mp_any_write_nil(j->writer)
                      : mp_any_write_bool(j->writer, i == 2);
    }
    return fail_here(j, j->at, j->at == j->end ? "the text ends too early"
                                               : "no value begins like this");
}

/* ---- Arrays and objects ---- */

/* An open bracket. */
struct level {
    size_t index; /* in the list of counts */
    char end;
};

/* How many items each bracket has, in the order of the brackets: found by the
 * first pass, used by the second. */
struct counts {
    size_t *n;
    size_t used, room;
};

static int
add_count(struct counts *counts)
{
    size_t room = counts->room ? 2 * counts->room : 32;
    size_t *n = counts->n;

    if (counts->used == counts->room) {
        n = realloc(counts->n, room * sizeof(*n));
        if (!n)
            return mp__fail(-ENOMEM, "mp_any_from_json: out of memory");
        counts->n = n;
        counts->room = room;
    }
    counts->n[counts->used++] = 0;
    return 0;
}

static int
open_bracket(struct json *j, struct counts *counts, struct level *level)
{
    int list = *j->at == '[';
    size_t n;

    level->end = list ? ']' : '}';
    level->index = counts->used;
    j->at++;
    if (!j->writer)
        return add_count(counts);
    n = counts->n[counts->used++];
    return list ? mp_any_write_list(j->writer, n)
                : mp_any_write_dict(j->writer, n);
}

static int
take_key(struct json *j)
{
    int r;

    if (peek(j) != '"')
        return fail_here(j, j->at, "a key is a string in quotes");
    r = take_string(j);
    if (r < 0)
        return r;
    if (peek(j) != ':')
        return fail_here(j, j->at, "':' is missing");
    j->at++;
    return 0;
}

/* After a value: the next begins (1), or all is read (0). */
static int
go_on(struct json *j, const struct level *levels, unsigned *depth)
{
    while (*depth > 0) {
        int c = peek(j);

        if (c == ',') {
            j->at++;
            return 1;
        }
        if (c != levels[*depth].end)
            return fail_here(j, j->at, "',' or the bracket's end is missing");
        j->at++;
        --*depth;
    }
    return 0;
}

/* One pass. */
static int
pass(struct json *j, struct counts *counts)
{
    struct level levels[MP_ANY_DEPTH + 1];
    unsigned depth = 0;
    int r = 1;

    while (r > 0) {
        int c, begun = 0;

        if (depth > 0 && !j->writer)
            counts->n[levels[depth].index]++;
        if (depth > 0 && levels[depth].end == '}' && (r = take_key(j)) < 0)
            return r;
        c = peek(j);
        if (c == '[' || c == '{') {
            if (depth == MP_ANY_DEPTH)
                return fail_here(j, j->at, "too deep");
            r = open_bracket(j, counts, &levels[++depth]);
            begun = r == 0 && peek(j) != levels[depth].end;
        } else {
            r = c == '"'                             ? take_string(j)
                : c == '-' || (c >= '0' && c <= '9') ? take_number(j)
                                                     : take_word(j);
        }
        if (r == 0)
            r = begun ? 1 : go_on(j, levels, &depth);
    }
    return r;
}

int
mp_any_from_json(mp_any_writer *writer, const char *text, size_t size)
{
    struct counts counts = {NULL, 0, 0};
    struct json j = {text, text, text + size, NULL};
    int r = writer->error;

    if (r == 0 && !text)
        r = mp__fail(-EINVAL, "mp_any_from_json: text is NULL");
    if (r == 0)
        r = pass(&j, &counts);
    if (r == 0 && peek(&j))
        r = fail_here(&j, j.at, "something behind the value");
    if (r == 0) {
        j.at = j.begin;
        j.writer = writer;
        counts.used = 0;
        r = pass(&j, &counts);
    }
    free(counts.n);
    return r;
}
