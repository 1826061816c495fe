/* SPDX-License-Identifier: MIT */
/* Any format string. The input is a byte of choices, a format up to its NUL,
 * and bytes: the arguments of mp_any_build() are made of them, or they are the
 * value that mp_any_parse() takes apart, where it lies or with copies for the
 * caller. Whatever comes, it is an error or a value.
 *
 * A format tells what arguments it wants, so they are laid out by its letters:
 * as if there had been so many arguments that all of these lie on the stack. */
#include "fuzz.h"

#include "codec/format.h"

#include <errno.h>
#include <mproc/any.h>
#include <stdarg.h>
#include <string.h>

#define ARGUMENTS 256 /* words */
#define ROOM      8   /* numbers of a list that is parsed */

/* Where results go: each argument has a place of its own. */
union place {
    mp_any any;
    void *data;
    size_t n;
    int64_t numbers[ROOM];
};

struct arguments {
    uint64_t word[ARGUMENTS];
    size_t n;
    union place place[ARGUMENTS];
    void **copy[ARGUMENTS]; /* where strings will be that are to be freed */
    size_t n_copies;
};

struct bytes {
    const uint8_t *at;
    size_t left;
};

/* ---- The arguments, as va_list ---- */

#if defined(__x86_64__)
#define HAVE_ARGUMENTS 1

static void
as_list(const struct arguments *a, va_list list)
{
    list[0].gp_offset = 48; /* no more in registers */
    list[0].fp_offset = 176;
    list[0].overflow_arg_area = (void *)(uintptr_t)a->word;
    list[0].reg_save_area = NULL;
}

#else
#define HAVE_ARGUMENTS 0

static void
as_list(const struct arguments *a, va_list list)
{
    (void)a;
    (void)list;
}

#endif

static int
build(mp_any_writer *w, const char *format, const struct arguments *a)
{
    va_list list;

    as_list(a, list);
    return mp_any_vbuild(w, format, list);
}

static int
parse(mp_any any, int copies, const char *format, const struct arguments *a)
{
    va_list list;

    as_list(a, list);
    return copies ? mp__format_parse("fuzz", any, 1, format, list)
                  : mp_any_vparse(any, format, list);
}

/* ---- What a format wants ---- */

static void
push(struct arguments *a, uint64_t word)
{
    a->word[a->n++] = word;
}

static void
push_pointer(struct arguments *a, const void *p)
{
    push(a, (uintptr_t)p);
}

/* The letters of a format that take arguments, one after the other: 0 at its
 * end; that of a list of numbers has `ret_list` set. */
static char
next_letter(const char **format, int *ret_list)
{
    *ret_list = 0;
    for (; **format; ++*format) {
        if (**format == '\'') {
            *format += strcspn(*format + 1, "'") + 1;
            if (**format == 0)
                return 0;
            continue;
        }
        if (**format == '*' && (*format)[1]) {
            ++*format;
            *ret_list = **format != ']';
        }
        if (strchr("nbiIlLqQzdsSyv_", **format))
            return *(*format)++;
    }
    return 0;
}

static uint64_t
take(struct bytes *from, size_t n)
{
    uint64_t x = 0;

    n = n < from->left ? n : from->left;
    memcpy(&x, from->at, n);
    from->at += n;
    from->left -= n;
    return x;
}

/* A pointer argument of mp_any_build(): now and then it is NULL. */
static void
push_body(struct arguments *a, struct bytes *from, char letter)
{
    size_t choice = take(from, 1), size = choice / 16;
    const void *p = choice % 16 == 15 ? NULL : from->at;

    size = size < from->left ? size : from->left;
    if (letter == 's') {
        push_pointer(a, p ? "text" : NULL);
        return;
    }
    push_pointer(a, p);
    push(a, p ? size : 0);
    from->at += size;
    from->left -= size;
}

static void
push_numbers(struct arguments *a, struct bytes *from)
{
    static const int64_t numbers[] = {0, -1, INT64_MAX, INT64_MIN, 42};

    push_pointer(a, numbers);
    push(a, take(from, 1) % (sizeof(numbers) / sizeof(*numbers) + 1));
}

static void
for_build(struct arguments *a, const char *format, struct bytes *from)
{
    int list;
    char letter;

    while ((letter = next_letter(&format, &list)) && a->n < ARGUMENTS - 2)
        if (list)
            push_numbers(a, from);
        else if (strchr("sSyv", letter))
            push_body(a, from, letter);
        else if (letter != 'n' && letter != '_')
            push(a, take(from, 8));
}

static void
for_parse(struct arguments *a, int copies, const char *format)
{
    int list;
    char letter;

    while ((letter = next_letter(&format, &list)) && a->n < ARGUMENTS - 2) {
        union place *place = &a->place[a->n];

        if (!list && (letter == 'n' || letter == '_'))
            continue;
        push_pointer(a, place);
        if (!list && (letter == 's' || (copies && strchr("Syv", letter))))
            a->copy[a->n_copies++] = &place->data;
        if (list)
            place[1].n = ROOM;
        if (list || letter == 'S' || letter == 'y')
            push_pointer(a, &place[1].n);
    }
}

/* ---- The two ways ---- */

static void
check_error(int r)
{
    holds(r == -EINVAL || r == -ERANGE || r == -EPROTO || r == -EMSGSIZE);
    holds(mp_last_error()[0]);
}

static int
try_parse(mp_any any, int copies, const char *format)
{
    struct arguments a;
    int r;

    memset(&a, 0, sizeof(a));
    for_parse(&a, copies, format);
    r = parse(any, copies, format, &a);
    if (r < 0)
        check_error(r);
    for (size_t i = 0; i < a.n_copies; i++) {
        holds(r == 0 || *a.copy[i] == NULL);
        free(*a.copy[i]);
    }
    return r;
}

/* What was built is a value, and the plain formats take it apart again. */
static void
try_build(int copies, const char *format, struct bytes from)
{
    static const char plain[] = "[]nbiIlLqQzdsSyv ,:";
    mp_any_writer w = MP_ANY_WRITER;
    struct arguments a;
    mp_any any;
    int r;

    memset(&a, 0, sizeof(a));
    for_build(&a, format, &from);
    r = build(&w, format, &a);
    if (r < 0) {
        check_error(r);
        holds(mp_any_end(&w, &any) == r);
    } else {
        holds(mp_any_end(&w, &any) == 0);
        holds(mp_any_check(any.data, any.size, NULL) == 0);
        r = try_parse(any, copies, format);
        holds(r == 0 || format[strspn(format, plain)]);
    }
    mp_any_discard(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size > 0 ? strnlen((const char *)data + 1, size - 1) : 0;
    int copies = size > 0 && (data[0] & 2) != 0;
    struct bytes rest;
    char *format;

    if (!HAVE_ARGUMENTS || size == 0 || n > ARGUMENTS / 4)
        return 0;
    format = strndup((const char *)data + 1, n);
    holds(format);
    rest.at = data + 1 + n;
    rest.left = size - 1 - n;
    if (rest.left > 0)
        take(&rest, 1); /* the NUL */
    if (data[0] & 1)
        try_build(copies, format, rest);
    else if (!copies || mp_any_check(rest.at, rest.left, NULL) == 0)
        try_parse((mp_any){rest.at, rest.left}, copies, format);
    free(format);
    return 0;
}
