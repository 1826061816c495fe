/* SPDX-License-Identifier: MIT */
/* Names of functions, out of the symbol tables of program files. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MP__SYMBOL_NAME 120

struct mp__symbol {
    uint64_t
        offset; /* looked for: this byte of the file; all below is found */
    uint64_t address; /* which the linker has put there; 0: unknown */
    uint64_t size;    /* of the function; 0: unknown */
    char name[MP__SYMBOL_NAME]; /* "": unknown; a longer one is cut */
};

/* Finds the functions of `n` places in one file, by one pass over it. What
 * cannot be found, or read, stays unknown; whatever the file holds, nothing
 * else happens. */
void mp__symbols_find(const char *path, struct mp__symbol *list, size_t n);
