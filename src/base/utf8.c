/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

int32_t
mp__utf8_read(const unsigned char *text, size_t size, size_t *ret_length)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = text[0];
    size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    int32_t c;

    *ret_length = 1;
    if (first < 0x80)
        return first;
    if (first < 0xc2 || first > 0xf4 || n > size)
        return -1;
    c = first & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (text[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    *ret_length = n;
    return c;
}

size_t
mp__utf8_write(char text[5], uint32_t c)
{
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    char *p = text;

    *p++ = (char)(first[more] | c >> 6 * more);
    for (unsigned i = more; i-- > 0;)
        *p++ = (char)(0x80 | (c >> 6 * i & 0x3f));
    *p = 0;
    return more + 1;
}
