/* SPDX-License-Identifier: MIT */
#include "collection/dict-kit.h"

#include <stdlib.h>
#include <string.h>

/* ---- Values ---- */

static mp_any
end_of_writer(mp_any_writer *w)
{
    mp_any any;

    must(mp_any_end(w, &any));
    ck_assert(w->own);
    return any; /* what the writer has is the caller's now */
}

mp_any
list_of(int64_t first, size_t n)
{
    mp_any_writer w = MP_ANY_WRITER;

    must(mp_any_write_list(&w, n));
    for (size_t i = 0; i < n; i++)
        must(mp_any_write_int(&w, first + (int64_t)i));
    return end_of_writer(&w);
}

mp_any
dict_of(int64_t first, size_t n)
{
    mp_any_writer w = MP_ANY_WRITER;

    must(mp_any_write_dict(&w, n));
    for (size_t i = 0; i < n; i++) {
        int64_t x = first + (int64_t)i;

        must(mp_any_write_int(&w, x));
        must(mp_any_write_int(&w, x * x));
    }
    return end_of_writer(&w);
}

/* ---- Objects ---- */

mp_dict *
dict_new(void)
{
    mp_dict *dict;

    must(mp_dict_create(&dict));
    return dict;
}

mp_set *
set_new(void)
{
    mp_set *set;

    must(mp_set_create(&set));
    return set;
}

/* ---- Printing ---- */

int
print_dict(void *dict, FILE *out)
{
    return mp_dict_print(dict, out);
}

int
print_set(void *set, FILE *out)
{
    return mp_set_print(set, out);
}

int
print_namespace(void *ns, FILE *out)
{
    return mp_namespace_print(ns, out);
}

int
print_any(void *any, FILE *out)
{
    return mp_any_print(*(mp_any *)any, out);
}

void
expect_print(print_fn *print, void *object, const char *expected, int line)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int r;

    ck_assert_ptr_nonnull(out);
    r = print(object, out);
    fclose(out);
    ck_assert_msg(r == 0, "line %d: %s", line, mp_last_error());
    ck_assert_msg(strcmp(text, expected) == 0, "line %d: \"%s\", not \"%s\"",
                  line, text, expected);
    free(text);
}
