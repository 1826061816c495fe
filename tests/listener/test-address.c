/* SPDX-License-Identifier: MIT */
/* Addresses: what is of one of the forms is read, and all else is refused with
 * a word about what is missing. */
#include "listener/address.h"
#include "region/kin.h"

#include <errno.h>
#include <string.h>

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
    Suite *suite = suite_create("address");
    TCase *tcase = mp_test_case(suite, "addresses", 5);

    tcase_add_test(tcase, addresses_are_read);
    tcase_add_test(tcase, bad_addresses_are_explained);
    tcase_add_test(tcase, too_long_a_path_is_told_by_its_length);
    tcase_add_test(tcase, too_long_a_host_is_refused);
    return mp_test_main(suite);
}
