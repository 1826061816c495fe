/* SPDX-License-Identifier: MIT */
#include "codec/utf8.h"

int32_t
mp__utf8_read(const unsigned char *text, size_t size, size_t *ret_length)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = text[0];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : 0;
    int32_t c;

    if (n == 0)
        n = first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 ? 4 : 0;
    *ret_length = 1;
    if (first < 0xc2 && first >= 0x80)
        return -1;
    if (n == 1)
        return first;
    if (first > 0xf4 || n > size)
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
