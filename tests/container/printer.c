/* SPDX-License-Identifier: MIT */
/* Prints, for each line of standard input, what it describes, as the library
 * does: "= d 000000000000f03f" a value of that letter, "[ d ..." an array, and
 * "{ 3 ..." one of structs of 3 bytes. The bytes are in hexadecimal. */
#include <locale.h>
#include <mproc.h>
#include <stdlib.h>
#include <string.h>

static size_t
unhex(char *hex)
{
    size_t n = strspn(hex, "0123456789abcdef") / 2;

    for (size_t i = 0; i < n; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};

        hex[i] = (char)strtol(digits, NULL, 16);
    }
    return n;
}

/* The first item as a value. */
static int
print_value(mp_array *array)
{
    int letter = mp_array_type(array), r;
    mp_value *value;
    double d = 0;
    long long i = 0;
    unsigned long long u = 0;
    void *p = NULL;

    if (letter == 'P')
        r = mp_array_get(array, 0, &p) || mp_value_create(&value, letter, p);
    else if (strchr("df", letter))
        r = mp_array_get(array, 0, &d) || mp_value_create(&value, letter, d);
    else if (strchr("LQN", letter))
        r = mp_array_get(array, 0, &u) || mp_value_create(&value, letter, u);
    else
        r = mp_array_get(array, 0, &i) || mp_value_create(&value, letter, i);
    return r || mp_value_print(value, stdout) || mp_value_destroy(value);
}

static int
print_line(char *line)
{
    char what[8];
    mp_array *array;
    size_t n;
    int r, at = 0;

    if (sscanf(line + 1, "%7s %n", what, &at) < 1)
        return 1;
    n = unhex(line + 1 + at);
    if (*line == '{') {
        size_t size = (size_t)atoi(what);

        r = mp_array_create_of(&array, size, n / size, line + 1 + at);
    } else {
        r = mp_array_create(&array, *what, 0, NULL);
        if (r == 0) {
            n /= mp_array_itemsize(array);
            r = mp_array_destroy(array) ||
                mp_array_create(&array, *what, n, line + 1 + at);
        }
    }
    r = r ||
        (*line == '=' ? print_value(array) : mp_array_print(array, stdout));
    return r || mp_array_destroy(array) || putchar('\n') < 0;
}

int
main(void)
{
    char *line = NULL;
    size_t room = 0;
    int r = 0;

    setlocale(LC_ALL, "");
    while (r == 0 && getline(&line, &room, stdin) > 0)
        r = print_line(line);
    if (r)
        fprintf(stderr, "%s\n", mp_last_error());
    free(line);
    return r;
}
