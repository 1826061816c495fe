/* SPDX-License-Identifier: MIT */
#include "codec/kit.h"

#include <stdlib.h>
#include <string.h>

static char *
collected(mp_any any, int (*write)(mp_any any, FILE *file))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(file);
    ck_assert_msg(write(any, file) == 0, "%s", mp_last_error());
    ck_assert_int_eq(fclose(file), 0);
    return text;
}

char *
printed(mp_any any)
{
    return collected(any, mp_any_print);
}

char *
as_json(mp_any any)
{
    return collected(any, mp_any_to_json);
}

mp_any
ended(mp_any_writer *w)
{
    mp_any any;

    ck_assert_msg(mp_any_end(w, &any) == 0, "%s", mp_last_error());
    must(mp_any_check(any.data, any.size, NULL));
    return any;
}

mp_any
from_json(mp_any_writer *w, const char *text)
{
    ck_assert_msg(mp_any_from_json(w, text, strlen(text)) == 0, "%s",
                  mp_last_error());
    return ended(w);
}
