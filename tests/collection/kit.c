/* SPDX-License-Identifier: MIT */
#include "kit.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What tests do not free by themselves. */
static struct kept {
    struct kept *next;
    const void *data;
} * all_kept;

mp_any
value_of(const char *format, ...)
{
    struct kept *kept = malloc(sizeof(*kept));
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any = {0};
    va_list args;

    ck_assert_ptr_nonnull(kept);
    va_start(args, format);
    must(mp_any_vbuild(&w, format, args));
    va_end(args);
    must(mp_any_end(&w, &any));
    *kept = (struct kept){all_kept, any.data};
    all_kept = kept;
    return any; /* with the memory of the writer */
}

/* ---- Texts ---- */

static char *text;
static size_t text_size;

static FILE *
text_begin(void)
{
    FILE *out = open_memstream(&text, &text_size);

    ck_assert_ptr_nonnull(out);
    return out;
}

static char *
text_end(FILE *out)
{
    fclose(out);
    return text;
}

char *
list_text(mp_list *list)
{
    FILE *out = text_begin();

    must(mp_list_print(list, out));
    return text_end(out);
}

char *
any_text(mp_any any)
{
    FILE *out = text_begin();

    must(mp_any_print(any, out));
    return text_end(out);
}

char *
described(void *object)
{
    FILE *out = text_begin();

    must(mp_describe(object, out));
    return text_end(out);
}

void
text_is(char *got, const char *expected, const char *file, int line)
{
    if (strcmp(got, expected) != 0)
        ck_abort_msg("%s:%d: it is %.300s, not %.300s", file, line, got,
                     expected);
    free(got);
}

void
taken_any_is(mp_any any, const char *expected)
{
    any_is(any, expected);
    mp_any_free(any);
}

/* ---- Full memory ---- */

struct link {
    struct link *next;
};

static struct link *ballast;

void
fill_memory(void)
{
    for (size_t size = (size_t)1 << 24; size >= sizeof(struct link);
         size -= (size + 7) / 8) {
        struct link *link;

        while ((link = mp_alloc(size)) != NULL) {
            link->next = ballast;
            ballast = link;
        }
    }
}

int
drop_ballast(int n)
{
    int any = ballast != NULL;

    for (; n > 0 && ballast; n--) {
        struct link *next = ballast->next;

        must(mp_free(ballast));
        ballast = next;
    }
    return any;
}
