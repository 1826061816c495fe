/* SPDX-License-Identifier: MIT */
/* Names for addresses of this program, static functions too. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Writes "function+0x12" into `text`; the bare address where there is no
 * name for it. */
void symbols_name(uintptr_t address, char *text, size_t size);
