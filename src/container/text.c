/* SPDX-License-Identifier: MIT */
/* Python's repr() of values and of what is in arrays. */
#include "container/text.h"

#include "base/error.h"
#include "region/far.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void
mp__text_of_scalar(char text[MP__TEXT], mp_scalar x)
{
    if (x.type == 'd')
        mp__text_of_double(text, x.d);
    else if (x.type == 'q')
        snprintf(text, MP__TEXT, "%" PRId64, x.i);
    else if (x.type == 'Q')
        snprintf(text, MP__TEXT, "%" PRIu64, x.u);
    else
        snprintf(text, MP__TEXT, x.p ? "%p" : "None", x.p);
}

void
mp__text_of_cell(char text[MP__TEXT], const struct mp__type *type,
                 uint64_t bits)
{
    char piece[MP__TEXT], quote = mp__text_quote(bits == '\'', 0);

    if (type->code == '?') {
        strcpy(text, bits ? "True" : "False");
    } else if (type->code == 'c') {
        mp__text_of_byte(piece, (unsigned char)bits, quote);
        snprintf(text, MP__TEXT, "b%c%.8s%c", quote, piece, quote);
    } else if (type->code == 'u') {
        mp__text_of_wide(piece, (uint32_t)bits, quote);
        snprintf(text, MP__TEXT, "%c%.12s%c", quote, piece, quote);
    } else {
        mp__text_of_scalar(text, mp__type_decode(type, bits));
    }
}

int
mp__text_far(int r, const void *object, const char *function, FILE *out)
{
    char *text;

    if (r != -EREMOTE)
        return r;
    if (out == NULL)
        return mp__fail(-EINVAL, "%s: out is NULL", function);
    r = (int)mp__far_call(object, function, MP__FAR_PLAIN, "> s", &text);
    if (r < 0)
        return r;
    if (fputs(text, out) < 0)
        r = mp__fail(-EIO, "%s: `out` has an error", function);
    free(text);
    return r;
}
