/* SPDX-License-Identifier: MIT */
/* Leaving: what happens to the children of a process that ends by itself.
 *
 * As in Python: daemonic children get SIGTERM, the others are waited for.
 * Unlike there, a daemonic child that does not heed the signal, or is stopped,
 * cannot keep its parent from ending: it is killed after a second. Detached
 * children are left alone. How children end when their parent is killed is the
 * business of the kernel (os/life.c). */
#include "start/leave.h"

#include "os/clock.h"
#include "os/pidfd.h"
#include "process/local.h"
#include "start/forkserver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define GRACE 1.0

enum kind {
    WAITED_FOR,
    DAEMONIC,
    LEFT_ALONE,
};

static enum kind
kind_of(const struct mp__local *l)
{
    if (l->daemon)
        return DAEMONIC;
    return l->detached ? LEFT_ALONE : WAITED_FOR;
}

static int
wait_for(struct mp__local *l, mp_time deadline)
{
    int code;
    int r;

    do
        r = mp__process_wait(l, deadline, &code);
    while (r == -EINTR);
    return r;
}

static void
end_children(struct mp__local **list, size_t n)
{
    mp_time patience;

    for (size_t i = 0; i < n; i++)
        if (kind_of(list[i]) == DAEMONIC && !list[i]->gone)
            mp__pidfd_signal(list[i]->fd, SIGTERM);
    for (size_t i = 0; i < n; i++)
        if (kind_of(list[i]) == WAITED_FOR)
            wait_for(list[i], MP_FOREVER);
    patience = mp_timeout(GRACE);
    for (size_t i = 0; i < n; i++)
        if (kind_of(list[i]) == DAEMONIC &&
            wait_for(list[i], patience) == -ETIMEDOUT) {
            mp__pidfd_signal(list[i]->fd, SIGKILL);
            wait_for(list[i], MP_FOREVER);
        }
}

void
mp__leave(void)
{
    struct mp__local **list;
    size_t n;

    if (!mp__local_has_children())
        return;
    list = mp__local_children(&n);
    if (list)
        end_children(list, n);
    for (size_t i = 0; list && i < n; i++)
        mp__local_put(list[i]);
    free(list);
    mp__forkserver_stop();
}

static void
register_handler(void)
{
    atexit(mp__leave);
}

void
mp__leave_at_exit(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_handler);
}

int
mp_active_children(mp_process **list, size_t n)
{
    struct mp__local **children;
    size_t count, alive = 0;

    if (!mp__local_has_children())
        return 0;
    children = mp__local_children(&count);
    if (!children)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int code;

        if (mp__process_wait(children[i], MP_NOW, &code) == -EAGAIN) {
            if (list && alive < n)
                list[alive] = children[i]->process;
            alive++;
        }
        mp__local_put(children[i]);
    }
    free(children);
    return (int)alive;
}
