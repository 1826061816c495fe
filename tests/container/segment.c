/* SPDX-License-Identifier: MIT */
/* Does with a named segment what standard input says, and answers each line
 * with one line, so that programs of another language can be the other side.
 * An error is answered by its number.
 *
 *     create NAME SIZE   made; "-" for NAME: one is made up: its name
 *     open NAME          opened; or readonly NAME: its size
 *     put AT HEX         writes these bytes there
 *     get AT N           N bytes from there, in hexadecimal
 *     close
 *     unlink NAME */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mp_shm *shm;

static int
make(const char *name, size_t size)
{
    int r = mp_shm_create(&shm, strcmp(name, "-") ? name : NULL, size, NULL);

    if (r < 0)
        return r;
    puts(mp_shm_name(shm));
    return 0;
}

static int
attach(const char *name, const mp_shm_attr *attr)
{
    int r = mp_shm_open(&shm, name, attr);

    if (r < 0)
        return r;
    printf("%zu\n", mp_shm_size(shm));
    return 0;
}

static int
put(size_t at, const char *hex)
{
    unsigned char *data = mp_shm_data(shm);

    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};

        data[at++] = (unsigned char)strtol(digits, NULL, 16);
    }
    puts("done");
    return 0;
}

static int
get(size_t at, size_t n)
{
    unsigned char *data = mp_shm_data(shm);

    while (n-- > 0)
        printf("%02x", data[at++]);
    puts("");
    return 0;
}

static int
say_done(int r)
{
    if (r == 0)
        puts("done");
    return r;
}

static int
obey(const char *what, const char *first, const char *second)
{
    size_t n = strtoul(second, NULL, 10);

    if (strcmp(what, "create") == 0)
        return make(first, n);
    if (strcmp(what, "open") == 0)
        return attach(first, NULL);
    if (strcmp(what, "readonly") == 0)
        return attach(first, MP_SHM_ATTR(.readonly = 1));
    if (strcmp(what, "put") == 0)
        return put(strtoul(first, NULL, 10), second);
    if (strcmp(what, "get") == 0)
        return get(strtoul(first, NULL, 10), n);
    if (strcmp(what, "close") == 0)
        return say_done(mp_shm_close(shm));
    if (strcmp(what, "unlink") == 0)
        return say_done(mp_shm_unlink(first));
    exit(2);
}

int
main(void)
{
    char line[1024], what[16], first[300], second[512];

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        int r;

        *first = *second = 0;
        if (sscanf(line, "%15s %299s %511s", what, first, second) < 1)
            return 2;
        r = obey(what, first, second);
        if (r < 0)
            printf("%d\n", r);
    }
    return 0;
}
