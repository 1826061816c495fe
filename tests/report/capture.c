/* SPDX-License-Identifier: MIT */
#include "report/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Standard error ---- */

static int saved = -1;

static void
redirect(int fd)
{
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(saved, 0);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

void
capture_file(void)
{
    int fd = memfd_create("captured", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    redirect(fd);
}

int
capture_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    redirect(ends[1]);
    return ends[0];
}

char *
captured(void)
{
    struct stat st;
    char *text = NULL;

    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode)) {
        lseek(STDERR_FILENO, 0, SEEK_SET);
        text = read_all(STDERR_FILENO);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    saved = -1;
    return text;
}

/* ---- Reading ---- */

char *
read_all(int fd)
{
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);
    ssize_t n;

    while ((n = read(fd, text + used, room - used - 1)) > 0) {
        used += (size_t)n;
        if (used == room - 1)
            text = realloc(text, room *= 2);
        ck_assert_ptr_nonnull(text);
    }
    ck_assert_int_eq(n, 0);
    text[used] = 0;
    return text;
}

char *
read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;

    ck_assert_int_ge(fd, 0);
    text = read_all(fd);
    close(fd);
    return text;
}

static char directory[64], name[80];

const char *
temporary(void)
{
    snprintf(directory, sizeof(directory), "/tmp/mproc-test-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(name, sizeof(name), "%s/log", directory);
    return name;
}

void
remove_temporary(void)
{
    unlink(name);
    ck_assert_int_eq(rmdir(directory), 0);
}

unsigned
count_lines(const char *text)
{
    unsigned n = 0;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        n++;
    return n;
}

int
has_line(const char *text, const char *line)
{
    size_t n = strlen(line);

    for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL)
        if (strncmp(text, line, n) == 0 && text[n] == '\n')
            return 1;
    return 0;
}

/* ---- Lines that tell whether they are whole ---- */

int
log_marked(int i, int size)
{
    char *body = malloc((size_t)size + 1);
    int r;

    memset(body, 'a' + i % 26, (size_t)size);
    body[size] = 0;
    r = mp_log(MP_LOG_INFO, "<%d %d %d %s>", (int)getpid(), i, size, body);
    free(body);
    return r;
}

/* A number and a blank behind it, and past both. */
static int
next_number(const char **at)
{
    char *end;
    long x = strtol(*at, &end, 10);

    if (end == *at || *end != ' ')
        return -1;
    *at = end + 1;
    return (int)x;
}

size_t
marked_line(const char *text, int *ret_pid, int *ret_i)
{
    const char *at = text + strcspn(text, "]\n");
    int size;
    char c;

    if (strncmp(text, "[INFO/", 6) != 0 || strncmp(at, "] <", 3) != 0)
        return 0;
    at += 3;
    *ret_pid = next_number(&at);
    *ret_i = next_number(&at);
    size = next_number(&at);
    c = (char)('a' + *ret_i % 26);
    if (*ret_pid < 0 || *ret_i < 0 || size < 0)
        return 0;
    for (int i = 0; i < size; i++)
        if (*at++ != c)
            return 0;
    return strncmp(at, ">\n", 2) == 0 ? (size_t)(at + 2 - text) : 0;
}
