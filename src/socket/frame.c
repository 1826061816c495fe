/* SPDX-License-Identifier: MIT */
/* The header of a message in a stream, as Python 3.3 and later have it.
 *
 * The short form is a signed number: below -1 it means nothing, and the long
 * form is for sizes that do not fit the short one only. A long header with a
 * small size is taken all the same, as Python takes it. */
#include "socket/frame.h"

#include <errno.h>

#define SHORT      4u
#define MOST_SHORT 0x7fffffffu
#define LONG_MARK  0xffffffffu /* -1 */

static void
put_number(unsigned char *to, uint64_t number, unsigned bytes)
{
    while (bytes-- > 0) {
        to[bytes] = (unsigned char)number;
        number >>= 8;
    }
}

static uint64_t
get_number(const unsigned char *from, unsigned bytes)
{
    uint64_t number = 0;

    while (bytes-- > 0)
        number = number << 8 | *from++;
    return number;
}

size_t
mp__frame_write(unsigned char header[MP__FRAME_HEADER], uint64_t size)
{
    if (size <= MOST_SHORT) {
        put_number(header, size, SHORT);
        return SHORT;
    }
    put_number(header, LONG_MARK, SHORT);
    put_number(header + SHORT, size, 8);
    return MP__FRAME_HEADER;
}

int
mp__frame_read(const unsigned char *bytes, size_t n, uint64_t *ret_size)
{
    uint64_t size;

    if (n < SHORT)
        return 0;
    size = get_number(bytes, SHORT);
    if (size <= MOST_SHORT) {
        *ret_size = size;
        return SHORT;
    }
    if (size != LONG_MARK)
        return -EPROTO;
    if (n < MP__FRAME_HEADER)
        return 0;
    size = get_number(bytes + SHORT, 8);
    if (size > INT64_MAX) /* no buffer is that large */
        return -EPROTO;
    *ret_size = size;
    return MP__FRAME_HEADER;
}
