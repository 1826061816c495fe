/* SPDX-License-Identifier: MIT */
/* The key's file: one line of text that only its owner may read. Whoever can
 * read it can do with the objects what their owner can: so a file that others
 * may read is refused.
 *
 * A fresh one is written under a passing name, and gets its own by link(), which
 * fails if somebody else was quicker: then that one's key holds. So nobody ever
 * reads half a key. */
#include "key.h"

#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANDOM = 32, LEAST = 16 };

static char path[PATH_MAX], key[KEY_SIZE + 2];

/* ~/.config/mproc/key, with its folders if `make`. 0, or -1. */
static int
default_path(int make)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char folder[PATH_MAX - 8];

    if (config && *config == '/')
        snprintf(folder, sizeof(folder), "%s", config);
    else if (home && *home == '/')
        snprintf(folder, sizeof(folder), "%s/.config", home);
    else
        return -1;
    if (make)
        mkdir(folder, 0700);
    if (snprintf(path, sizeof(path), "%s/mproc", folder) >=
        (int)sizeof(folder))
        return -1;
    if (make)
        mkdir(path, 0700);
    strcat(path, "/key");
    return 0;
}

static int
write_all(int fd, const char *text, size_t size)
{
    ssize_t n = write(fd, text, size);

    if (n == (ssize_t)size && fsync(fd) == 0)
        return 0;
    if (n >= 0 && n < (ssize_t)size)
        errno = ENOSPC;
    return -1;
}

/* A line of hexadecimal digits. */
static int
write_random(int fd)
{
    unsigned char bytes[RANDOM];
    char text[2 * RANDOM + 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    strcat(text, "\n");
    return write_all(fd, text, strlen(text));
}

/* 0, also if somebody else has made one meanwhile. */
static int
make_key(void)
{
    char passing[PATH_MAX + 8];
    int fd, r;

    snprintf(passing, sizeof(passing), "%s.XXXXXX", path);
    fd = mkostemp(passing, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return complain(-errno, "cannot make the key %s", path);
    r = write_random(fd);
    if (r == 0)
        r = link(passing, path);
    if (r == 0)
        say("made a key: %s", path);
    else if (errno != EEXIST)
        complain(-errno, "cannot make the key %s", path);
    else
        r = 0;
    unlink(passing);
    close(fd);
    return r < 0;
}

static int
refuse(const char *why)
{
    say("the key %s is refused: %s", path, why);
    return 1;
}

/* Whose it is, and who may read it. */
static int
look_at(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return complain(-errno, "cannot look at the key %s", path);
    if (!S_ISREG(st.st_mode))
        return refuse("it is no file");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return refuse("it is another user's");
    if (st.st_mode & 077)
        return refuse("others may use it, too; let them not: chmod 600");
    return 0;
}

/* The text without the line's end. */
static int
take(int fd, mp_manager_attr *attr)
{
    ssize_t n = read(fd, key, sizeof(key));

    if (n < 0)
        return complain(-errno, "cannot read the key %s", path);
    if (n > 0 && key[n - 1] == '\n')
        n--;
    if (n < LEAST)
        return refuse("it has less than 16 bytes");
    if (n > KEY_SIZE)
        return refuse("it has more than 512 bytes");
    if (memchr(key, '\n', (size_t)n))
        return refuse("it has more than one line");
    attr->authkey = key;
    attr->authkey_size = (size_t)n;
    return 0;
}

static int
read_key(mp_manager_attr *attr, int make)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r;

    if (fd < 0 && errno == ENOENT && make)
        return make_key() || read_key(attr, 0);
    if (fd < 0)
        return complain(-errno, "cannot read the key %s", path);
    r = look_at(fd);
    if (r == 0)
        r = take(fd, attr);
    close(fd);
    return r;
}

int
key_read(struct options *options, int make)
{
    int is_tcp = strncmp(options->address, "tcp:", 4) == 0;
    int other_users = options->attr.flags & MP_CONN_ANY_USER;

    if (options->key)
        snprintf(path, sizeof(path), "%s", options->key);
    else if (options->attr.certificate || (!is_tcp && !other_users))
        return 0;
    else if (default_path(make) < 0)
        return refuse("it has no place without $HOME: say --key FILE");
    return read_key(&options->attr, make);
}
