/* SPDX-License-Identifier: MIT */
/* Terminals: only what a bar needs.
 *
 * A line and what has to be wiped away before it go out by one system call, for
 * a terminal takes each write as a whole: what others write comes before or
 * after it. Nobody is told of an error; there is nowhere to tell it. */
#include "os/terminal.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

int
mp__terminal_is(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

int
mp__terminal_width(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

int
mp__terminal_is_ours(int fd)
{
    pid_t group = tcgetpgrp(fd);

    return group < 0 || group == getpgrp();
}

void
mp__terminal_write(int fd, const char *first, size_t first_size,
                   const char *second, size_t second_size)
{
    struct iovec pieces[] = {
        {.iov_base = (void *)(uintptr_t)first, .iov_len = first_size},
        {.iov_base = (void *)(uintptr_t)second, .iov_len = second_size},
    };
    ssize_t n;

    do
        n = writev(fd, pieces, 2);
    while (n < 0 && errno == EINTR);
}
