/* SPDX-License-Identifier: MIT */
/* Many calls at once: see batch.c. */
#pragma once

#include "link/link.h"

/* 0: the call was put off, and is done as far as its caller is concerned; below:
 * it failed; NOT: it is to be made, and what was put off before has been
 * sent. */
#define MP__BATCH_NOT ((ssize_t)-2000005)
ssize_t mp__batch_take(struct mp__manager_link *link,
                       const struct mp__target *target, const char *function,
                       mp_time deadline, const char *format,
                       struct mp__arguments *args);

/* The calling thread ends, with a batch or without; fork's child has none. */
void mp__batch_drop(void);
void mp__batch_forget(void);
