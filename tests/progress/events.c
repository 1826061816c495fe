/* SPDX-License-Identifier: MIT */
#include "progress/events.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *text;
    size_t at, size;
    int bad;
};

static int
peek(const struct reader *r)
{
    return r->at < r->size ? (unsigned char)r->text[r->at] : -1;
}

static int
fail(struct reader *r)
{
    r->bad = 1;
    return 0;
}

static void
skip_space(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\n' || peek(r) == '\t' ||
           peek(r) == '\r')
        r->at++;
}

static int
take(struct reader *r, int c)
{
    skip_space(r);
    if (peek(r) != c)
        return 0;
    r->at++;
    return 1;
}

static int
expect(struct reader *r, int c)
{
    return take(r, c) || fail(r);
}

/* Bytes of the character there, 0 if it is not UTF-8 or may not stand in a
 * string. */
static size_t
character(const struct reader *r)
{
    const int c = peek(r);
    size_t n = c < 0x20   ? 0
               : c < 0x80 ? 1
               : c < 0xc2 ? 0
               : c < 0xe0 ? 2
               : c < 0xf0 ? 3
               : c < 0xf5 ? 4
                          : 0;

    for (size_t i = 1; i < n; i++)
        if (r->at + i >= r->size || (r->text[r->at + i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static int
escape(struct reader *r, char *ret_c)
{
    const int c = peek(r);

    if (c < 0 || !strchr("\"\\/bfnrt", c))
        return fail(r); /* \u is not expected here */
    *ret_c = (char)c;
    r->at++;
    return 1;
}

static int
string(struct reader *r, char *buf, size_t size)
{
    size_t n = 0, bytes;
    char c;

    if (!expect(r, '"'))
        return 0;
    while (peek(r) != '"') {
        if (peek(r) == '\\') {
            r->at++;
            if (!escape(r, &c))
                return 0;
            if (n + 1 < size)
                buf[n++] = c;
            continue;
        }
        bytes = character(r);
        if (bytes == 0)
            return fail(r);
        for (; bytes > 0; bytes--, r->at++)
            if (n + 1 < size)
                buf[n++] = r->text[r->at];
    }
    buf[n] = '\0';
    r->at++;
    return 1;
}

static int
some_digits(struct reader *r)
{
    if (!isdigit(peek(r)))
        return fail(r);
    while (isdigit(peek(r)))
        r->at++;
    return 1;
}

static int
number(struct reader *r, double *ret_value)
{
    size_t from;

    skip_space(r);
    from = r->at;
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0')
        r->at++;
    else if (!some_digits(r))
        return 0;
    if (peek(r) == '.') {
        r->at++;
        if (!some_digits(r))
            return 0;
    }
    *ret_value = strtod(r->text + from, NULL);
    return 1;
}

static void
keep_text(struct json_event *e, int inner, const char *key, const char *text)
{
    if (!inner && strcmp(key, "name") == 0)
        snprintf(e->name, sizeof(e->name), "%.63s", text);
    else if (!inner && strcmp(key, "ph") == 0)
        snprintf(e->ph, sizeof(e->ph), "%.7s", text);
    else if (!inner && strcmp(key, "cat") == 0)
        snprintf(e->cat, sizeof(e->cat), "%.15s", text);
    else if (inner && strcmp(key, "name") == 0)
        snprintf(e->called, sizeof(e->called), "%.63s", text);
    else if (inner && strcmp(key, "end") == 0)
        snprintf(e->end, sizeof(e->end), "%.31s", text);
    else if (inner && strcmp(key, "worker") == 0)
        snprintf(e->worker, sizeof(e->worker), "%.159s", text);
}

static void
keep_number(struct json_event *e, const char *key, double value)
{
    const struct {
        const char *key;
        long *to;
    } longs[] = {
        {"pid", &e->pid},   {"tid", &e->tid},         {"map", &e->map},
        {"task", &e->task}, {"attempt", &e->attempt}, {"from", &e->from},
        {"to", &e->to},
    };

    for (size_t i = 0; i < sizeof(longs) / sizeof(longs[0]); i++)
        if (strcmp(key, longs[i].key) == 0)
            *longs[i].to = (long)value;
    if (strcmp(key, "ts") == 0)
        e->ts = value;
    if (strcmp(key, "dur") == 0)
        e->dur = value;
}

static int object(struct reader *r, struct json_event *e, int inner);

static int
member(struct reader *r, struct json_event *e, int inner)
{
    char key[32], text[256];
    double value;

    if (!string(r, key, sizeof(key)) || !expect(r, ':'))
        return 0;
    skip_space(r);
    if (peek(r) == '"') {
        if (!string(r, text, sizeof(text)))
            return 0;
        keep_text(e, inner, key, text);
    } else if (peek(r) == '{') {
        return inner ? fail(r) : object(r, e, 1);
    } else {
        if (!number(r, &value))
            return 0;
        keep_number(e, key, value);
    }
    return 1;
}

static int
object(struct reader *r, struct json_event *e, int inner)
{
    if (!expect(r, '{'))
        return 0;
    if (take(r, '}'))
        return 1;
    do
        if (!member(r, e, inner))
            return 0;
    while (take(r, ','));
    return expect(r, '}');
}

struct json_event *
json_read(const char *text, size_t size, size_t *ret_n)
{
    struct reader r = {.text = text, .size = size};
    struct json_event *events = NULL;
    size_t n = 0;

    expect(&r, '[');
    do {
        events = realloc(events, (n + 1) * sizeof(*events));
        memset(&events[n], 0, sizeof(*events));
    } while (!r.bad && object(&r, &events[n++], 0) && take(&r, ','));
    if (!r.bad)
        expect(&r, ']');
    skip_space(&r);
    *ret_n = n;
    if (!r.bad && r.at == r.size)
        return events;
    *ret_n = r.at;
    free(events);
    return NULL;
}
