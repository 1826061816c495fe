/* SPDX-License-Identifier: MIT */
/* The frames of Python's multiprocessing.connection: a length of 4 bytes, big
 * endian, or -1 and a length of 8 bytes when it is above 2^31 - 1; then the
 * message. No system calls here. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MP__FRAME_HEADER 12u /* bytes at most */

/* Writes the header of a message of `size` bytes; its length. */
size_t mp__frame_write(unsigned char header[MP__FRAME_HEADER], uint64_t size);

/* Reads one from the first `n` bytes: its length; 0: more bytes are needed;
 * -EPROTO: it is none. */
int mp__frame_read(const unsigned char *bytes, size_t n, uint64_t *ret_size);
