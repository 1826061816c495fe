/* SPDX-License-Identifier: MIT */
/* Pieces of JSON, without the weight of printf. */
#include "progress/json.h"

#include "base/utf8.h"

#include <string.h>

const char *
mp__json_quote(const char *text, char *buf, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0, n;

    for (size_t left = strlen(text); left && at + 7 < size; left -= n) {
        int32_t c = mp__utf8_read(s, left, &n);

        if (c < ' ') {
            buf[at++] = c == '\n' ? ' ' : '?';
        } else {
            if (c == '"' || c == '\\')
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
