/* SPDX-License-Identifier: MIT */
/* Frames and addresses: what is written is read again, however it is cut, and
 * what means nothing is refused. */
#include "connection/address.h"
#include "connection/frame.h"
#include "region/kin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Frames ---- */

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

/* ---- Addresses ---- */

static struct mp__address
address_of(const char *text)
{
    struct mp__address address;

    must(mp__address_read(&address, text, "mp_connect"));
    return address;
}

START_TEST(addresses_are_read)
{
    struct mp__address address = address_of("unix:/run/a:b c");

    ck_assert(address.local);
    ck_assert_str_eq(address.path, "/run/a:b c");
    address = address_of("tcp:example.org:8080");
    ck_assert(!address.local);
    ck_assert_str_eq(address.host, "example.org");
    ck_assert_uint_eq(address.port, 8080);
    address = address_of("tcp:[fe80::1%eth0]:0");
    ck_assert_str_eq(address.host, "fe80::1%eth0");
    ck_assert_uint_eq(address.port, 0);
    ck_assert_uint_eq(address_of("tcp:127.0.0.1:65535").port, 65535);
}
END_TEST

START_TEST(bad_addresses_are_explained)
{
    static const struct {
        const char *text, *word;
    } bad[] = {
        {NULL, "NULL"},
        {"", "unix:/path or tcp:host:port"},
        {"/tmp/socket", "unix:/path or tcp:host:port"},
        {"localhost:80", "unix:/path or tcp:host:port"},
        {"unix:", "slash"},
        {"unix:socket", "slash"},
        {"unix:@abstract", "slash"},
        {"tcp:", "tcp:host:port"},
        {"tcp:host", "tcp:host:port"},
        {"tcp:host:", "tcp:host:port"},
        {"tcp:host:http", "tcp:host:port"},
        {"tcp:host:65536", "tcp:host:port"},
        {"tcp:host:-1", "tcp:host:port"},
        {"tcp:host: 1", "tcp:host:port"},
        {"tcp:host:99999999999999999999", "tcp:host:port"},
        {"tcp::80", "the host is missing"},
        {"tcp:[]:80", "the host is missing"},
        {"tcp:::1:80", "brackets"},
        {"tcp:[::1:80", "tcp:host:port"},
        {"tcp:[::1]80", "tcp:host:port"},
        {"tcp:[", "tcp:host:port"},
        {"tcp:[:80", "tcp:host:port"},
    };
    struct mp__address address;

    for (size_t i = 0; i < LENGTH(bad); i++)
        must_fail(mp__address_read(&address, bad[i].text, "mp_connect"),
                  -EINVAL, bad[i].word);
}
END_TEST

START_TEST(too_long_a_path_is_told_by_its_length)
{
    char text[5 + MP__ADDRESS_PATH + 1] = "unix:/";
    struct mp__address address;

    memset(text + 6, 'x', MP__ADDRESS_PATH - 2);
    address = address_of(text);
    ck_assert_uint_eq(strlen(address.path), MP__ADDRESS_PATH - 1);
    strcat(text, "y");
    must_fail(mp__address_read(&address, text, "mp_listener_open"), -EINVAL,
              "has 108 bytes, and the system takes 107");
}
END_TEST

START_TEST(too_long_a_host_is_refused)
{
    char text[400] = "tcp:";
    struct mp__address address;

    memset(text + 4, 'h', MP__ADDRESS_HOST - 1);
    strcat(text, ":1");
    must(mp__address_read(&address, text, "mp_connect"));
    strcpy(text + 4 + MP__ADDRESS_HOST - 1, "h:1");
    must_fail(mp__address_read(&address, text, "mp_connect"), -EINVAL,
              "too long");
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
    tcase = mp_test_case(suite, "addresses", 5);
    tcase_add_test(tcase, addresses_are_read);
    tcase_add_test(tcase, bad_addresses_are_explained);
    tcase_add_test(tcase, too_long_a_path_is_told_by_its_length);
    tcase_add_test(tcase, too_long_a_host_is_refused);
    return mp_test_main(suite);
}
