/* SPDX-License-Identifier: MIT */
/* Writes the squares of some numbers, and a value that came as JSON. */
#include <mproc.h>
#include <string.h>

int
main(void)
{
    static const char json[] = "{\"pi\": 3.14, \"primes\": [2, 3, 5]}";
    mp_any_writer w = MP_ANY_WRITER;
    mp_any value;

    mp_any_write_dict(&w, 3);
    for (int i = 1; i <= 3; i++) {
        mp_any_write_int(&w, i);
        mp_any_write_int(&w, i * i);
    }
    if (mp_any_end(&w, &value) < 0)
        return 1;
    mp_any_print(value, stdout);
    printf(" takes %zu bytes\n", value.size);

    if (mp_any_from_json(&w, json, strlen(json)) < 0 ||
        mp_any_end(&w, &value) < 0)
        return 1;
    mp_any_print(value, stdout);
    printf("\n");
    if (mp_any_from_json(&w, "[1, 2", 5) < 0)
        printf("%s\n", mp_last_error());

    mp_any_write_list(&w, 2);
    mp_any_write_nil(&w);
    if (mp_any_end(&w, &value) < 0)
        printf("%s\n", mp_last_error());
    mp_any_discard(&w);
    return 0;
}
