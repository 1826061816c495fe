/* SPDX-License-Identifier: MIT */
#include "service/puppet.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 128

/* ---- The role ---- */

static long
play(const struct trick *tricks, size_t n, const char *name, long arg)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(tricks[i].name, name) == 0)
            return tricks[i].play(arg);
    return -ENOSYS;
}

int
puppet_play(const struct trick *tricks, size_t n)
{
    char line[LINE], name[LINE];
    long arg;

    role_say("0");
    while (fgets(line, sizeof(line), stdin) &&
           sscanf(line, "%127s %ld", name, &arg) == 2) {
        if (strcmp(name, "end") == 0)
            return 0;
        role_say("%ld", play(tricks, n, name, arg));
    }
    return 1;
}

/* ---- The test ---- */

void
puppet_say(struct remote *puppet, const char *trick, long arg)
{
    char line[LINE];
    int n = snprintf(line, sizeof(line), "%s %ld\n", trick, arg);

    ck_assert_int_eq(write(puppet->to, line, (size_t)n), n);
}

int
puppet_is_busy(struct remote *puppet)
{
    struct pollfd fd = {puppet->from, POLLIN, 0};

    return poll(&fd, 1, 0) == 0;
}

long
puppet_hear(struct remote *puppet)
{
    char *line = remote_line(puppet);
    long r = atol(line);

    free(line);
    return r;
}

long
puppet_do(struct remote *puppet, const char *trick, long arg)
{
    puppet_say(puppet, trick, arg);
    return puppet_hear(puppet);
}

void
puppet_end(struct remote *puppet)
{
    puppet_say(puppet, "end", 0);
    remote_end(puppet);
}
