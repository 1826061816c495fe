/* SPDX-License-Identifier: MIT */
/* Any text as JSON: what is taken as a value can be written as JSON, and is
 * read from there as the same value. */
#include "fuzz.h"

#include <errno.h>
#include <mproc/any.h>

static void
again(mp_any any)
{
    mp_any_writer w = MP_ANY_WRITER;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    mp_any other;

    holds(file);
    holds(mp_any_to_json(any, file) == 0);
    holds(fclose(file) == 0);
    holds(mp_any_from_json(&w, text, size) == 0);
    holds(mp_any_end(&w, &other) == 0);
    holds(mp_any_equal(any, other) == 1);
    mp_any_discard(&w);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;
    int r = mp_any_from_json(&w, (const char *)data, size);

    holds(r == 0 || r == -EPROTO || (r == -EINVAL && !data));
    if (r == 0) {
        holds(mp_any_end(&w, &any) == 0);
        holds(mp_any_check(any.data, any.size, NULL) == 0);
        again(any);
    }
    mp_any_discard(&w);
    return 0;
}
