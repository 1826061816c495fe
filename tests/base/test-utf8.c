/* SPDX-License-Identifier: MIT */
/* UTF-8: every character, and everything that is none. */
#include "base/utf8.h"
#include "support/support.h"

#include <string.h>

static int
is_character(uint32_t c)
{
    return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

START_TEST(every_character_comes_back)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char text[5];
        size_t n = mp__utf8_write(text, c), length;
        int32_t back = mp__utf8_read((const unsigned char *)text, n, &length);

        if (n != (c < 0x80      ? 1u
                  : c < 0x800   ? 2u
                  : c < 0x10000 ? 3u
                                : 4u) ||
            text[n] != 0)
            ck_abort_msg("%x is %zu bytes", c, n);
        if (back != (is_character(c) ? (int32_t)c : -1) ||
            length != (is_character(c) ? n : 1))
            ck_abort_msg("%x is read as %x, %zu bytes", c, back, length);
    }
}
END_TEST

/* What is read from any bytes is what would be written as them. */
static void
expect_the_only_form(const unsigned char bytes[4])
{
    for (size_t size = 1; size <= 4; size++) {
        char text[5];
        size_t n;
        int32_t c = mp__utf8_read(bytes, size, &n);

        if (c < 0 ? n != 1
                  : n > size || mp__utf8_write(text, (uint32_t)c) != n ||
                        memcmp(text, bytes, n) != 0)
            ck_abort_msg("%02x %02x %02x %02x, %zu of them: %x", bytes[0],
                         bytes[1], bytes[2], bytes[3], size, c);
    }
}

START_TEST(no_character_has_two_forms)
{
    static const unsigned char ends[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

    for (unsigned first = 0; first < 0x10000; first++)
        for (size_t i = 0; i < sizeof(ends); i++)
            for (size_t j = 0; j < sizeof(ends); j++)
                expect_the_only_form((const unsigned char[4]){
                    (unsigned char)(first >> 8), (unsigned char)first, ends[i],
                    ends[j]});
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tcase = mp_test_case(suite, "utf8", 20);

    tcase_add_test(tcase, every_character_comes_back);
    tcase_add_test(tcase, no_character_has_two_forms);
    return mp_test_main(suite);
}
