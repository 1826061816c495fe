/* SPDX-License-Identifier: MIT */
/* How Python prints numbers, and how objects elsewhere are printed. */
#include "container/text.h"

#include "base/error.h"
#include "region/far.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

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
