/* SPDX-License-Identifier: MIT */
#include "codec/message.h"

#include "base/error.h"
#include "codec/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
mp__draft_format(struct mp__draft *draft, const char *function,
                 const char *format, va_list args, mp_any *ret_any)
{
    int r;

    mp__writer_begin(&draft->writer, draft->small, sizeof(draft->small));
    r = mp__format_build(&draft->writer, function, format, args);
    return r < 0 ? r : mp_any_end(&draft->writer, ret_any);
}

int
mp__draft_format_on(struct mp__draft *draft, const char *function,
                    const char *format, struct mp__arguments *args,
                    mp_any *ret_any)
{
    int r;

    mp__writer_begin(&draft->writer, draft->small, sizeof(draft->small));
    r = mp__format_build_on(&draft->writer, function, format, args);
    return r < 0 ? r : mp_any_end(&draft->writer, ret_any);
}

int
mp__draft_item(struct mp__draft *draft, mp_item item, mp_any *ret_any)
{
    mp__writer_begin(&draft->writer, draft->small, sizeof(draft->small));
    mp_any_write_item(&draft->writer, item);
    return mp_any_end(&draft->writer, ret_any);
}

void
mp__draft_end(struct mp__draft *draft)
{
    if (draft->writer.own)
        free(draft->writer.data);
}

/* What comes from elsewhere is believed to be a value when it was checked. */
static int
check(const struct mp__taking *taking, mp_any any)
{
    return taking->checked ? 0
                           : mp__any_check(taking->function, any.data,
                                           any.size, NULL);
}

int
mp__take_parts(const void *data, size_t size, void *arg)
{
    struct mp__taking *taking = arg;
    mp_any any = {data, size};
    int r = check(taking, any);

    return r < 0 ? r
                 : mp__format_parse(taking->function, any, 1, taking->format,
                                    taking->args);
}

int
mp__take_any(const void *data, size_t size, void *arg)
{
    struct mp__taking *taking = arg;
    void *copy;
    int r = check(taking, (mp_any){data, size});

    if (r < 0)
        return r;
    copy = malloc(size);
    if (!copy)
        return mp__fail(-ENOMEM, "%s: out of memory: %zu bytes",
                        taking->function, size);
    memcpy(copy, data, size);
    *taking->ret_any = (mp_any){copy, size};
    return 0;
}
