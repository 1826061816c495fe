/* SPDX-License-Identifier: MIT */
/* Python's repr() of numbers, bytes and characters. Nothing here depends on
 * the locale, as printf() and strtod() do on their own.
 *
 * Floating point is written with as few digits as are read back as the same
 * number, and of those that are as short, with the nearest. */
#include "base/text.h"

#include "base/macros.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Floating point ---- */

#define DIGITS 24             /* room for those of any word */
#define ROOM   (MP__TEXT - 1) /* the first is for the sign */

/* `digits` are significant decimal digits; the number is 0.DIGITS * 10^point.
 * Python writes 1e16 and more, and less than 1e-4, with an exponent. */
static void
lay_out(char *text, const char *digits, int point)
{
    int n = (int)strlen(digits);

    if (point > 16 || point < -3)
        snprintf(text, ROOM, "%.1s%s%se%+03d", digits, n > 1 ? "." : "",
                 digits + 1, point - 1);
    else if (point <= 0)
        snprintf(text, ROOM, "0.%.*s%s", -point, "000", digits);
    else if (point < n)
        snprintf(text, ROOM, "%.*s.%s", point, digits, digits + point);
    else
        snprintf(text, ROOM, "%s%.*s.0", digits, point - n,
                 "0000000000000000");
}

/* Whether the whole number `digits`, times 10^exponent, is read as `x`. */
static int
reads_as(uint64_t digits, int exponent, double x)
{
    char text[MP__TEXT];

    snprintf(text, sizeof(text), "%" PRIu64 "e%d", digits, exponent);
    return strtod(text, NULL) == x;
}

/* `x` is positive and finite. Gives the digits as a whole number, to be
 * multiplied by 10^*exponent. */
static uint64_t
shortest(double x, int *exponent)
{
    char text[MP__TEXT];
    uint64_t digits = 0;

    for (int n = 1; n <= 17; n++) {
        const char *p = text;

        snprintf(text, sizeof(text), "%.*e", n - 1, x);
        digits = 0;
        for (; *p != 'e'; p++) /* passes over the locale's decimal point */
            if (*p >= '0' && *p <= '9')
                digits = digits * 10 + (uint64_t)(*p - '0');
        *exponent = atoi(p + 1) - (n - 1);
        if (reads_as(digits, *exponent, x))
            break;
        /* Below a power of two numbers are twice as dense as above it: one
         * that is farther away may be read back where the nearest is not. */
        if (reads_as(digits + 1, *exponent, x))
            return digits + 1;
    }
    return digits;
}

void
mp__text_of_double(char text[MP__TEXT], double x)
{
    char digits[DIGITS];
    int exponent = 0;

    if (isnan(x)) {
        strcpy(text, "nan");
        return;
    }
    if (signbit(x))
        *text++ = '-';
    if (isinf(x)) {
        strcpy(text, "inf");
    } else if (x == 0) {
        strcpy(text, "0.0");
    } else {
        snprintf(digits, sizeof(digits), "%" PRIu64,
                 shortest(fabs(x), &exponent));
        lay_out(text, digits, (int)strlen(digits) + exponent);
    }
}

/* ---- Characters ---- */

/* What is the same in bytes and strings. 0: it is nothing special. */
static int
escape(char text[MP__TEXT], uint32_t c, char quote)
{
    static const char plain[] = "\t\n\r\\", letters[] = "tnr\\";
    const char *found = c && c < 128 ? strchr(plain, (int)c) : NULL;

    if (found)
        snprintf(text, MP__TEXT, "\\%c", letters[found - plain]);
    else if (c == (unsigned char)quote)
        snprintf(text, MP__TEXT, "\\%c", quote);
    else if (c < ' ' || c == 127)
        snprintf(text, MP__TEXT, "\\x%02x", c);
    else
        return 0;
    return 1;
}

void
mp__text_of_byte(char text[MP__TEXT], unsigned char c, char quote)
{
    if (!escape(text, c, quote))
        snprintf(text, MP__TEXT, c < 128 ? "%c" : "\\x%02x", c);
}

/* Whether a character beyond ASCII shows: not one that controls, separates, or
 * is private. (Python does not write those either that its Unicode has not
 * assigned: of these, here, only what can never be.) */
static int
shows(uint32_t c)
{
    static const uint32_t hidden[][2] = {
        {0x80, 0xa0},          {0xad, 0xad},       {0x600, 0x605},
        {0x61c, 0x61c},        {0x6dd, 0x6dd},     {0x70f, 0x70f},
        {0x890, 0x891},        {0x8e2, 0x8e2},     {0x1680, 0x1680},
        {0x180e, 0x180e},      {0x2000, 0x200f},   {0x2028, 0x202f},
        {0x205f, 0x206f},      {0x3000, 0x3000},   {0xd800, 0xf8ff},
        {0xfdd0, 0xfdef},      {0xfeff, 0xfeff},   {0xfff0, 0xfffb},
        {0x110bd, 0x110bd},    {0x110cd, 0x110cd}, {0x13430, 0x1343f},
        {0x1bca0, 0x1bca3},    {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff},
        {0xe01f0, UINT32_MAX},
    };

    for (size_t i = 0; i < MP__LENGTH(hidden); i++)
        if (c >= hidden[i][0] && c <= hidden[i][1])
            return 0;
    return (c & 0xfffe) != 0xfffe;
}

void
mp__text_of_wide(char text[MP__TEXT], uint32_t c, char quote)
{
    if (escape(text, c, quote))
        return;
    if (c < 128 || shows(c))
        mp__utf8_write(text, c);
    else
        snprintf(text, MP__TEXT,
                 c < 0x100     ? "\\x%02x"
                 : c < 0x10000 ? "\\u%04x"
                               : "\\U%08x",
                 c);
}
