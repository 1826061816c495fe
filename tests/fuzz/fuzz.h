/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share.
 *
 * A target is one file, NAME.c, with LLVMFuzzerTestOneInput(), and a folder of
 * inputs, corpus/NAME. It is built twice: with libFuzzer, which looks for
 * inputs that break it (`make fuzz`), and with replay.c, which gives it the
 * inputs of the folder as an ordinary test, by any compiler. A target takes
 * any bytes, returns 0, and keeps nothing from one input to the next. What
 * must hold whatever the bytes are is said by holds(). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define holds(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
                    #condition);                                              \
            abort();                                                          \
        }                                                                     \
    } while (0)
