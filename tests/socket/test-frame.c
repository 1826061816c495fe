/* SPDX-License-Identifier: MIT */
/* Frames: what is written is read again, however it is cut, and what means
 * nothing is refused. */
#include "region/kin.h"
#include "socket/frame.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
    uint64_t size;
    size_t header;
    unsigned char bytes[MP__FRAME_HEADER];
} known[] = {
    {0, 4, {0, 0, 0, 0}},
    {1, 4, {0, 0, 0, 1}},
    {0x01020304, 4, {1, 2, 3, 4}},
    {0x7fffffff, 4, {0x7f, 255, 255, 255}},
    {0x80000000, 12, {255, 255, 255, 255, 0, 0, 0, 0, 0x80, 0, 0, 0}},
    {(uint64_t)3 << 30, 12, {255, 255, 255, 255, 0, 0, 0, 0, 0xc0, 0, 0, 0}},
    {0x0102030405060708, 12, {255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8}},
    {INT64_MAX,
     12,
     {255, 255, 255, 255, 0x7f, 255, 255, 255, 255, 255, 255, 255}},
};

START_TEST(frames_are_pythons)
{
    unsigned char header[MP__FRAME_HEADER];

    ck_assert_uint_eq(mp__frame_write(header, known[_i].size),
                      known[_i].header);
    ck_assert_mem_eq(header, known[_i].bytes, known[_i].header);
}
END_TEST

START_TEST(a_header_is_read_when_it_is_complete)
{
    uint64_t size = 77;

    for (size_t n = 0; n < known[_i].header; n++)
        ck_assert_int_eq(mp__frame_read(known[_i].bytes, n, &size), 0);
    ck_assert_uint_eq(size, 77);
    for (size_t n = known[_i].header; n <= MP__FRAME_HEADER; n++) {
        ck_assert_int_eq(mp__frame_read(known[_i].bytes, n, &size),
                         (int)known[_i].header);
        ck_assert_uint_eq(size, known[_i].size);
    }
}
END_TEST

START_TEST(a_long_header_may_hold_a_small_size)
{
    static const unsigned char bytes[] = {255, 255, 255, 255, 0, 0,
                                          0,   0,   0,   0,   0, 5};
    uint64_t size;

    ck_assert_int_eq(mp__frame_read(bytes, sizeof(bytes), &size), 12);
    ck_assert_uint_eq(size, 5);
}
END_TEST

START_TEST(negative_sizes_are_no_frames)
{
    static const unsigned char bytes[][MP__FRAME_HEADER] = {
        {0x80, 0, 0, 0},
        {255, 255, 255, 254},
        {0xfe, 1, 2, 3},
        {255, 255, 255, 255, 0x80},
        {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
    };
    uint64_t size = 77;

    for (size_t i = 0; i < LENGTH(bytes); i++)
        ck_assert_int_eq(mp__frame_read(bytes[i], MP__FRAME_HEADER, &size),
                         -EPROTO);
    ck_assert_uint_eq(size, 77);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = mp_test_case(suite, "frames", 5);

    tcase_add_loop_test(tcase, frames_are_pythons, 0, LENGTH(known));
    tcase_add_loop_test(tcase, a_header_is_read_when_it_is_complete, 0,
                        LENGTH(known));
    tcase_add_test(tcase, a_long_header_may_hold_a_small_size);
    tcase_add_test(tcase, negative_sizes_are_no_frames);
    return mp_test_main(suite);
}
