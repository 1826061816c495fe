/* SPDX-License-Identifier: MIT */
/* Values as messages: what queues and connections have in common.
 *
 * Into a message: a small value is written on the caller's stack, a large one
 * into memory by malloc(). Out of a message: it is taken apart where it lies,
 * in somebody else's memory, so what the caller gets are copies. */
#pragma once

#include "codec/format.h"

#include <mproc/any.h>
#include <mproc/item.h>

struct mp__draft {
    mp_any_writer writer;
    unsigned char small[512];
};

/* What is to be sent: it holds until mp__draft_end(), which must follow, after
 * a failure, too. `function` is the public function in the error's text. */
int mp__draft_format(struct mp__draft *draft, const char *function,
                     const char *format, va_list args, mp_any *ret_any);
int mp__draft_format_on(struct mp__draft *draft, const char *function,
                        const char *format, struct mp__arguments *args,
                        mp_any *ret_any);
int mp__draft_item(struct mp__draft *draft, mp_item item, mp_any *ret_any);
void mp__draft_end(struct mp__draft *draft);

/* How a message is to be taken: one of these is the argument of the functions
 * below, which look at a message where it lies. 0, or why it does not fit; then
 * nothing is left to be freed. */
struct mp__taking {
    const char *function, *format;
    va_list args;
    mp_any *ret_any;
    int checked; /* it is known to be a value */
};

/* By the format. */
int mp__take_parts(const void *data, size_t size, void *taking);
/* As it is. */
int mp__take_any(const void *data, size_t size, void *taking);
