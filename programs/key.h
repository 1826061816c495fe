/* SPDX-License-Identifier: MIT */
/* The key's file. See key.c. */
#pragma once

#include "options.h"

#define KEY_SIZE 512 /* bytes of a key, at most */

/* Reads the key of the options into their attributes, if one is needed; where
 * there is none, one is made if `make`. 0, or the exit status. */
int key_read(struct options *options, int make);
