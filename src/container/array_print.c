/* SPDX-License-Identifier: MIT */
/* mp_array_print(): as Python prints bytes, strings, and lists of numbers.
 * Items are read one by one while others may change them. */
#include "container/container.h"

#include "base/error.h"
#include "container/datum.h"
#include "container/text.h"

#include <errno.h>
#include <string.h>

static uint64_t
item(const mp_array *array, const struct mp__type *type, size_t i)
{
    struct mp__datum datum = {type, array->items + i * array->itemsize, NULL};

    return mp__datum_load(&datum);
}

static void
print_text(const mp_array *array, const struct mp__type *type, FILE *out)
{
    char text[MP__TEXT], quote;
    int single = 0, twice = 0;

    for (size_t i = 0; i < array->n; i++) {
        uint64_t c = item(array, type, i);

        single |= c == '\'';
        twice |= c == '"';
    }
    quote = mp__text_quote(single, twice);
    fprintf(out, "%s%c", type->code == 'c' ? "b" : "", quote);
    for (size_t i = 0; i < array->n; i++) {
        uint64_t c = item(array, type, i);

        if (type->code == 'c')
            mp__text_of_byte(text, (unsigned char)c, quote);
        else
            mp__text_of_wide(text, (uint32_t)c, quote);
        fputs(text, out);
    }
    fputc(quote, out);
}

static void
print_struct(const char *bytes, size_t size, FILE *out)
{
    char quote = mp__text_quote(memchr(bytes, '\'', size) != NULL,
                                memchr(bytes, '"', size) != NULL);
    char text[MP__TEXT];

    fprintf(out, "b%c", quote);
    for (size_t i = 0; i < size; i++) {
        mp__text_of_byte(text, (unsigned char)bytes[i], quote);
        fputs(text, out);
    }
    fputc(quote, out);
}

static void
print_list(const mp_array *array, const struct mp__type *type, FILE *out)
{
    char text[MP__TEXT];

    fputc('[', out);
    for (size_t i = 0; i < array->n; i++) {
        if (i > 0)
            fputs(", ", out);
        if (type) {
            mp__datum_text(text, type, item(array, type, i));
            fputs(text, out);
        } else {
            print_struct(array->items + i * array->itemsize, array->itemsize,
                         out);
        }
    }
    fputc(']', out);
}

int
mp_array_print(mp_array *array, FILE *out)
{
    int r =
        mp__object_enter(array, MP__SLAB_ARRAY, "mp_array_print", "an array");
    const struct mp__type *type;

    if (r < 0)
        return mp__text_far(r, array, "mp_array_print", out);
    if (out == NULL)
        return mp__fail(-EINVAL, "mp_array_print: out is NULL");
    type = mp__type_find(array->code);
    flockfile(out); /* threads' output does not mix */
    if (array->code == 'c' || array->code == 'u')
        print_text(array, type, out);
    else
        print_list(array, type, out);
    r = ferror(out);
    funlockfile(out);
    return r ? mp__fail(-EIO, "mp_array_print: `out` has an error") : 0;
}
