/* SPDX-License-Identifier: MIT */
/* Pieces of JSON, without the weight of printf. */
#include "pool/json.h"

#include <string.h>

/* Bytes of the character at `s`, 0 if it is not UTF-8. */
static unsigned
utf8_size(const unsigned char *s)
{
    unsigned size = s[0] < 0x80                   ? 1
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                    : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                  : 0;

    for (unsigned i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, half a pair, or beyond what there is. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return size;
}

const char *
mp__json_quote(const char *text, char *buf, size_t size)
{
    size_t at = 0;

    for (const unsigned char *s = (const unsigned char *)text;
         *s && at + 7 < size;) {
        unsigned n = utf8_size(s);

        if (n == 0 || *s < 0x20) {
            buf[at++] = *s == '\n' ? ' ' : '?';
            n = 1;
        } else {
            if (*s == '"' || *s == '\\')
                buf[at++] = '\\';
            memcpy(buf + at, s, n);
            at += n;
        }
        s += n;
    }
    buf[at] = '\0';
    return buf;
}

char *
mp__json_put(char *at, const char *text)
{
    const size_t n = strlen(text);

    memcpy(at, text, n);
    return at + n;
}

char *
mp__json_number(char *at, uint64_t number)
{
    char digits[20];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

char *
mp__json_time(char *at, mp_time time)
{
    const uint64_t ns = time > 0 ? (uint64_t)time : 0;

    at = mp__json_number(at, ns / 1000);
    *at++ = '.';
    *at++ = (char)('0' + ns / 100 % 10);
    *at++ = (char)('0' + ns / 10 % 10);
    *at++ = (char)('0' + ns % 10);
    return at;
}
