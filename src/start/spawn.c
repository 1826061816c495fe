/* SPDX-License-Identifier: MIT */
/* Start by spawn: this program is executed afresh. What becomes of it there,
 * bootstrap.c tells. */
#include "os/spawn.h"

#include "base/error.h"
#include "os/descriptors.h"
#include "region/region.h"
#include "start/bootstrap.h"
#include "start/forkserver.h"
#include "start/start.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The descriptors that the child gets, under the same numbers. */
static size_t
list_descriptors(const struct mp__start *s, int *fds)
{
    size_t n = 0;

    fds[n++] = mp__view.fd;
    fds[n++] = s->signal;
    if (s->server >= 0)
        fds[n++] = s->server;
    for (int i = 0; i < MP__LIVES; i++)
        if (s->watch.fd[i] >= 0)
            fds[n++] = s->watch.fd[i];
    for (uint64_t i = 0; i < s->attr.pass_fds_count; i++)
        fds[n++] = s->attr.pass_fds[i];
    return n;
}

static int
execute(struct mp__start *s, char **environment)
{
    int fds[MP__PASS_MAX];
    size_t n = list_descriptors(s, fds);
    int input = -1;

    if (!(s->attr.flags & MP_PROCESS_STDIN)) {
        input = mp__start_null();
        if (input < 0)
            return input;
    }
    return mp__spawn_self(&s->pid, environment, input, fds, n);
}

int
mp__start_spawn(struct mp__start *s)
{
    char variable[MP__CHILD_VARIABLE_SIZE];
    char **environment;
    int r = mp__start_pack(s, NULL);

    if (r < 0)
        return r;
    if (!s->local->hidden) /* else it is the server that is started */
        s->server = mp__forkserver_socket();
    s->parcel->server = s->server;
    s->parcel->signal = s->signal;
    s->parcel->watch = s->watch;
    mp__bootstrap_variable(variable, s->process, s->serial);
    environment = mp__environment_make(s->attr.env, variable);
    r = environment ? execute(s, environment) : -ENOMEM;
    free(environment);
    if (r < 0)
        return mp__fail(r,
                        "mp_process_start: cannot execute this program: "
                        "%s",
                        mp_strerror(r));
    return 0;
}
