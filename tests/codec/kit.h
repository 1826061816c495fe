/* SPDX-License-Identifier: MIT */
/* What the tests of values share. */
#pragma once

#include "support/support.h"

#include <mproc/any.h>
#include <mproc/base.h>
#include <mproc/item.h>

/* A value's text as it is printed, and as JSON; to be freed. */
char *printed(mp_any any);
char *as_json(mp_any any);

/* The value of a JSON text, in `w`. */
mp_any from_json(mp_any_writer *w, const char *text);

/* The value that is in the writer. */
mp_any ended(mp_any_writer *w);

#define must(call) ck_assert_int_ge((call), 0)
/* The call fails with `code`, and the text names `culprit`. */
#define must_fail(call, code, culprit)                                    \
    do {                                                                  \
        ck_assert_int_eq((call), (code));                                 \
        ck_assert_msg(strstr(mp_last_error(), culprit) != NULL, "%s in %s", \
                      culprit, mp_last_error());                          \
    } while (0)
