/* SPDX-License-Identifier: MIT */
/* Looks into a value that came as bytes. */
#include <mproc.h>

static const char bytes[] = "\x83\xa4name\xa5" "Alice"
                            "\xa4" "ages\x93\x2a\x07\x01"
                            "\xa4note\xc0";

int
main(void)
{
    mp_any any, ages, key, item;
    mp_any_walker walker;
    int64_t age;

    if (mp_any_check(bytes, sizeof(bytes) - 1, &any) < 0)
        return 1;
    mp_any_print(any, stdout);
    printf("\n");

    for (mp_any_walk(any, &walker); mp_any_next(&walker, &key, &item) > 0;) {
        mp_any_print(key, stdout);
        printf(" is a %s\n", mp_any_type_name(mp_any_type(item)));
    }
    if (mp_any_entry(any, "ages", &ages) == 0 &&
        mp_any_item(ages, -1, &item) == 0 && mp_any_get_int(item, &age) == 0)
        printf("%zd ages, the last is %d\n", mp_any_size(ages), (int)age);

    if (mp_any_get_int(key, &age) < 0)
        printf("%s\n", mp_last_error());
    if (mp_any_check(bytes, 5, &any) < 0)
        printf("%s\n", mp_last_error());
    return 0;
}
