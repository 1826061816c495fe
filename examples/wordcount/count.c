/* SPDX-License-Identifier: MIT */
/* Counting the words of files.
 *
 * A worker that is killed has told nobody anything yet: its batch is counted
 * again by another, from the beginning, and nothing is counted twice. */
#include "wordcount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

/* The letter in lower case; 0: no letter. */
static unsigned char letter[256];
static char buffer[BUFFER];

static void
prepare_letters(void)
{
    for (int c = 'a'; c <= 'z'; c++)
        letter[c] = letter[c - 'a' + 'A'] = (unsigned char)c;
    for (int c = 128; c < 256; c++)
        letter[c] = (unsigned char)c;
}

/* Adds the words in `size` bytes. A word that touches the end may go on behind
 * it: it is left alone unless this is the `end` of the file. How many bytes are
 * left. */
static size_t
add_words(char *text, size_t size, bool end)
{
    size_t i = 0;

    for (;;) {
        uint32_t hash = 2166136261u; /* FNV-1a */
        size_t begin;

        while (i < size && !letter[(unsigned char)text[i]])
            i++;
        for (begin = i; i < size && letter[(unsigned char)text[i]]; i++) {
            text[i] = (char)letter[(unsigned char)text[i]];
            hash = (hash ^ (unsigned char)text[i]) * 16777619u;
        }
        if (i == size && !end)
            return size - begin;
        if (i == begin)
            return 0;
        table_add(text + begin, (uint32_t)(i - begin), hash, 1);
    }
}

/* The bytes of a text, 0 if it is none, or -errno. Whether a file is a text is
 * told by its first bytes. */
static ssize_t
count_text(int fd)
{
    size_t left = 0;
    ssize_t n, bytes = 0;

    while ((n = read(fd, buffer + left, BUFFER - left)) > 0) {
        if (bytes == 0 && memchr(buffer, '\0', (size_t)n))
            return 0;
        bytes += n;
        n += (ssize_t)left;
        left = add_words(buffer, (size_t)n, false);
        if (left == BUFFER) /* a word without end: cut */
            left = add_words(buffer, left, true);
        memmove(buffer, buffer + n - left, left);
    }
    add_words(buffer, left, true);
    return n < 0 ? -errno : bytes;
}

struct counted
count_files(const struct batch *batch)
{
    struct counted counted = {0};

    if (!letter['a'])
        prepare_letters();
    for (const char *name = batch->names; *name; name += strlen(name) + 1) {
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t bytes = fd < 0 ? -errno : count_text(fd);

        if (fd >= 0)
            close(fd);
        if (bytes < 0)
            complain("%s: %s", name, strerror((int)-bytes));
        counted.lost += bytes < 0;
        counted.files += bytes > 0;
        counted.bytes += bytes > 0 ? (uint64_t)bytes : 0;
    }
    return counted;
}

int
count_batch(const void *batch, void *result, void *ctx)
{
    struct words **words = result;
    struct counted counted;

    (void)ctx;
    table_clear();
    counted = count_files(batch);
    *words = table_pack();
    if (!*words)
        return -ENOMEM;
    (*words)->counted = counted;
    return 0;
}
