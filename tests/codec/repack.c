/* SPDX-License-Identifier: MIT */
/* usage: repack           lines of hexadecimal bytes, each a value or none
 *        repack make N    N values made up
 *
 * Writes of each value a line: the bytes after it was taken apart and written
 * again, in hexadecimal, a tab, and the value as it is printed; or "none". */
#include "codec/rewrite.h"

#include <mproc/any.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
tell(mp_any any)
{
    const unsigned char *bytes = any.data;

    for (size_t i = 0; i < any.size; i++)
        printf("%02x", bytes[i]);
    putchar('\t');
    mp_any_print(any, stdout);
    putchar('\n');
}

static size_t
from_hex(char *line, unsigned char *bytes)
{
    size_t n = strcspn(line, "\n") / 2;

    for (size_t i = 0; i < n; i++) {
        char digits[3] = {line[2 * i], line[2 * i + 1], 0};

        bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return n;
}

static int
repack(unsigned char *bytes, size_t size)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any, again;

    if (mp_any_check(bytes, size, &any) < 0) {
        puts("none");
        return 0;
    }
    if (rewrite(&w, any) < 0 || mp_any_end(&w, &again) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    tell(again);
    mp_any_discard(&w);
    return 0;
}

/* ---- Made up ---- */

static uint64_t
chance(uint64_t below)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return below ? (state >> 33) % below : state ^ state >> 29;
}

/* A number of any length. */
static uint64_t
number(void)
{
    return chance(0) >> chance(64);
}

static void
make_text(mp_any_writer *w, int bytes)
{
    char text[300];
    size_t size = chance(4) ? chance(40) : chance(sizeof(text));

    for (size_t i = 0; i < size; i++)
        text[i] = (char)(bytes ? chance(256) : ' ' + chance(95));
    if (bytes)
        mp_any_write_bytes(w, text, size);
    else
        mp_any_write_string(w, text, size);
}

static void
make(mp_any_writer *w, int depth)
{
    size_t n = chance(12) ? chance(5) : chance(40);

    switch (chance(depth ? 10 : 8)) {
    case 0:
        mp_any_build(w, "n");
        break;
    case 1:
        mp_any_build(w, "b", (int)chance(2));
        break;
    case 2:
        mp_any_build(w, "q", (int64_t)number());
        break;
    case 3:
        mp_any_build(w, "q", -(int64_t)(number() >> 1) - 1);
        break;
    case 4:
        mp_any_build(w, "Q", number());
        break;
    case 5:
        mp_any_build(w, "d", (double)(int64_t)number() / 1024);
        break;
    case 6:
    case 7:
        make_text(w, chance(2) != 0);
        break;
    case 8:
        mp_any_write_list(w, n);
        while (n-- > 0)
            make(w, depth - 1);
        break;
    default:
        mp_any_write_dict(w, n);
        for (size_t i = 0; i < n; i++) {
            mp_any_write_unsigned(w, i * i); /* no key twice */
            make(w, depth - 1);
        }
    }
}

static int
make_some(long n)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any any;

    while (n-- > 0) {
        make(&w, 4);
        if (mp_any_end(&w, &any) < 0) {
            fprintf(stderr, "%s\n", mp_last_error());
            return 1;
        }
        tell(any);
    }
    mp_any_discard(&w);
    return 0;
}

int
main(int argc, char **argv)
{
    char *line = NULL;
    size_t room = 0;
    int r = 0;

    if (argc == 3)
        return make_some(atol(argv[2]));
    while (r == 0 && getline(&line, &room, stdin) > 0)
        r = repack((unsigned char *)line,
                   from_hex(line, (unsigned char *)line));
    free(line);
    return r;
}
