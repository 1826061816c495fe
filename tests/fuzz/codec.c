/* SPDX-License-Identifier: MIT */
/* Any bytes as a value: every look bears them. What mp_any_check() accepts can
 * be taken apart and written again, and is the same value then; and so it is
 * after a detour by JSON, if it has a JSON. */
#include "fuzz.h"

#include "codec/rewrite.h"

#include <errno.h>
#include <mproc/any.h>
#include <string.h>

/* How many values of an input are still looked at in all ways: most of these
 * fail, and the texts of errors take their time. */
static int looks;

static void
look(mp_any any)
{
    const void *p;
    const char *text;
    mp_any item;
    uint64_t u;
    int64_t i;
    size_t size;
    double d;
    int b;

    if (looks-- <= 0)
        return;
    (void)mp_any_get_bool(any, &b);
    (void)mp_any_get_int(any, &i);
    (void)mp_any_get_unsigned(any, &u);
    (void)mp_any_get_double(any, &d);
    (void)mp_any_get_string(any, &text, &size);
    (void)mp_any_get_bytes(any, &p, &size);
    (void)mp_any_get_ext(any, &b, &p, &size);
    (void)mp_any_item(any, 1, &item);
    (void)mp_any_item(any, -1, &item);
    (void)mp_any_entry(any, "a", &item);
}

/* What the value is as text; `ret_r` is what the writing function gave. */
static char *
text_of(mp_any any, int (*write)(mp_any any, FILE *file), int *ret_r,
        size_t *ret_size)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, ret_size);

    holds(file);
    *ret_r = write(any, file);
    holds(fclose(file) == 0);
    return text;
}

static void
by_json(mp_any any)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any again;
    size_t size;
    int r;
    char *text = text_of(any, mp_any_to_json, &r, &size);

    if (r == 0) {
        holds(mp_any_from_json(&w, text, size) == 0);
        holds(mp_any_end(&w, &again) == 0);
        holds(mp_any_equal(any, again) == 1);
    } else {
        holds(size == 0);
    }
    mp_any_discard(&w);
    free(text);
}

static void
accepted(mp_any any)
{
    mp_any_writer w = MP_ANY_WRITER, w2 = MP_ANY_WRITER;
    mp_any again, twice;
    size_t size;
    int odd = rewrite(&w, any), r;

    holds(odd >= 0);
    holds(mp_any_end(&w, &again) == 0);
    holds(mp_any_check(again.data, again.size, NULL) == 0);
    r = mp_any_equal(any, again);
    holds(r == 1 || (odd && r == 0));
    holds(rewrite(&w2, again) == odd);
    holds(mp_any_end(&w2, &twice) == 0 && twice.size == again.size);
    holds(memcmp(again.data, twice.data, twice.size) == 0);
    free(text_of(any, mp_any_print, &r, &size));
    holds(r == 0 && size > 0);
    by_json(any);
    mp_any_discard(&w);
    mp_any_discard(&w2);
}

/* Bytes that nobody has checked. */
static void
unchecked(mp_any any)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any_walker walker;
    mp_any key, item;
    size_t size;
    int r;

    (void)rewrite(&w, any);
    mp_any_discard(&w);
    if (mp_any_walk(any, &walker) == 0)
        while (mp_any_next(&walker, &key, &item) > 0)
            look(item);
    (void)mp_any_equal(any, any);
    free(text_of(any, mp_any_print, &r, &size));
    by_json(any);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mp_any any = {data, size};
    int r = mp_any_check(data, size, &any);

    looks = 8;
    holds(r == 0 || r == -EPROTO || (r == -EINVAL && !data));
    look(any);
    if (r == 0)
        accepted(any);
    else
        unchecked(any);
    return 0;
}
