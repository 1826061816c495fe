/* SPDX-License-Identifier: MIT */
/* Waiting for several objects.
 *
 * Of each kind there are two questions to ask (waitable.h). The first is a look
 * at memory: if anything is ready by that, nothing waits, and no system call is
 * made but one for those that only their descriptor can tell of. Else all have
 * a descriptor, made once and kept by the object's kind, and poll() sleeps on
 * them. Each follows one rule: it is readable unless the object was asked, was
 * not ready, and has had no news since. So those that are readable are asked
 * the second question, which makes them unreadable if there is nothing; all
 * others have nothing to tell.
 *
 * Nothing is shared here. A death is told by the descriptors. */
#include "bell/waitable.h"

#include "base/error.h"
#include "os/clock.h"

#include <mproc/wait.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FEW 32u /* objects that need no memory */

static const struct mp__waitable *kinds[MP__SLABS];

void
mp__waitable_register(const struct mp__waitable *waitable)
{
    kinds[waitable->slab] = waitable;
}

enum finding { NOT_READY, READY, UNKNOWN };

/* One call. Entry i of `found` is of object i, entry k of `polls` of object
 * of[k]. */
struct wait {
    void *const *objects;
    size_t n;
    unsigned char *found; /* enum finding */
    struct pollfd *polls;
    size_t *of;
    size_t count; /* of polls */
};

static int
is_fd(const void *object)
{
    return (uintptr_t)object & 1;
}

static int
fd_of(const void *object)
{
    return (int)((uintptr_t)object >> 1);
}

static const struct mp__waitable *
kind_of(const void *object)
{
    int slab = mp__object_slab(object);

    return slab < 0 ? NULL : kinds[slab];
}

static int
fail(int r, size_t i, const void *object)
{
    if (is_fd(object))
        return mp__fail(r, "mp_wait: objects[%zu]: descriptor %d: %s", i,
                        fd_of(object), mp_strerror(r));
    if (r == -EBADF)
        return mp__fail(r,
                        "mp_wait: objects[%zu]: %p is no queue, event, "
                        "process, result, connection, listener, or MP_FD()",
                        i, object);
    return mp__fail(r, "mp_wait: objects[%zu]: %s", i, mp_strerror(r));
}

/* ---- The look ---- */

static int
look_at(void *object)
{
    const struct mp__waitable *kind;

    if (!object)
        return 0;
    if (is_fd(object))
        return -EAGAIN;
    kind = kind_of(object);
    if (!kind)
        return -EBADF;
    return kind->look ? kind->look(object) : -EAGAIN;
}

/* How many are ready for sure; *ret_unknown: how many may be. */
static int
look(struct wait *w, size_t *ret_unknown)
{
    int ready = 0;

    *ret_unknown = 0;
    for (size_t i = 0; i < w->n; i++) {
        int r = look_at(w->objects[i]);

        if (r < 0 && r != -EAGAIN)
            return fail(r, i, w->objects[i]);
        w->found[i] = r < 0 ? UNKNOWN : r > 0 ? READY : NOT_READY;
        *ret_unknown += r < 0;
        ready += r > 0;
    }
    return ready;
}

/* ---- Descriptors ---- */

/* *ret_armed: 0, it is readable, as far as is known; 1: poll() tells. */
static int
descriptor_of(void *object, int *ret_armed)
{
    const struct mp__waitable *kind;
    struct mp__pollers *pollers;
    int fd = -ENOENT;

    *ret_armed = 1;
    if (is_fd(object))
        return fd_of(object) < 0 ? -EBADF : fd_of(object);
    kind = kind_of(object);
    if (!kind)
        return -EBADF;
    pollers = kind->pollers ? kind->pollers(object) : NULL;
    if (pollers)
        fd = mp__poller_fd_now(pollers, ret_armed);
    if (fd == -ENOENT) {
        *ret_armed = !pollers;
        fd = kind->fd(object);
    }
    return fd;
}

static int
ask(void *object, short revents)
{
    const struct mp__waitable *kind;

    if (is_fd(object))
        return revents & POLLNVAL ? -EBADF : 1;
    kind = kind_of(object);
    if (!kind)
        return -EBADF;
    return kind->ready ? kind->ready(object) : 1;
}

/* The object's descriptor is one of those to poll; one that is readable, as far
 * as is known, is asked at once instead. 1: the object is ready. */
static int
add(struct wait *w, size_t i)
{
    int armed, fd = descriptor_of(w->objects[i], &armed);
    int r = fd < 0 ? fd : armed ? 0 : ask(w->objects[i], POLLIN);

    if (r < 0)
        return fail(r, i, w->objects[i]);
    w->found[i] = r > 0 ? READY : w->found[i];
    if (r == 0) {
        w->polls[w->count] = (struct pollfd){.fd = fd, .events = POLLIN};
        w->of[w->count++] = i;
    }
    return r;
}

/* Of those that nothing is known of, and with `idle` also of those that are not
 * ready. How many are after all. */
static int
gather(struct wait *w, int idle)
{
    int ready = 0;

    w->count = 0;
    for (size_t i = 0; i < w->n; i++) {
        int wanted = w->found[i] == UNKNOWN ||
                     (idle && w->found[i] == NOT_READY && w->objects[i]);
        int r = wanted ? add(w, i) : 0;

        if (r < 0)
            return r;
        ready += r;
    }
    return ready;
}

/* How many of them are readable. */
static int
sleep_until(struct wait *w, mp_time deadline)
{
    struct timespec left = {0};
    mp_time ns;
    int n;

    if (deadline > 0 && deadline != MP_FOREVER) {
        ns = deadline - mp__now();
        if (ns > 0)
            left = (struct timespec){ns / 1000000000, ns % 1000000000};
    }
    n = ppoll(w->polls, w->count, deadline == MP_FOREVER ? NULL : &left, NULL);
    if (n >= 0)
        return n;
    if (errno == EINVAL)
        return mp__fail(-EMFILE,
                        "mp_wait: %zu objects: a process may not have so "
                        "many descriptors",
                        w->count);
    return -errno;
}

static int
ask_readable(struct wait *w, int readable)
{
    int ready = 0;

    for (size_t k = 0; readable > 0; k++) {
        size_t i = w->of[k];
        int r;

        if (!w->polls[k].revents)
            continue;
        readable--;
        r = ask(w->objects[i], w->polls[k].revents);
        if (r < 0)
            return fail(r, i, w->objects[i]);
        w->found[i] = r > 0 ? READY : NOT_READY;
        ready += r > 0;
    }
    return ready;
}

/* ---- All of it ---- */

/* How many are ready, at least one. */
static int
wait_until(struct wait *w, mp_time deadline)
{
    int ready, over;

    do {
        over = mp__expired(deadline);
        ready = sleep_until(w, deadline);
        if (ready > 0)
            ready = ask_readable(w, ready);
    } while (ready == 0 && over == 0);
    return ready ? ready : over;
}

static int
wait_for(struct wait *w, mp_time deadline)
{
    size_t unknown;
    int ready = look(w, &unknown), idle, more;

    if (ready < 0 || (unknown == 0 && (ready > 0 || deadline == MP_NOW)))
        return ready ? ready : -EAGAIN;
    idle = ready == 0 && deadline != MP_NOW;
    more = gather(w, idle);
    if (more < 0)
        return more;
    ready += more;
    more = wait_until(w, ready == 0 ? deadline : MP_NOW);
    if (more < 0 && !(more == -EAGAIN && ready > 0))
        return more;
    return ready + (more > 0 ? more : 0);
}

static int
wait_and_tell(struct wait *w, int *ready, mp_time deadline)
{
    int r = wait_for(w, deadline);

    for (size_t i = 0; ready && r > 0 && i < w->n; i++)
        ready[i] = w->found[i] == READY;
    return r;
}

static int
wait_for_many(struct wait *w, int *ready, mp_time deadline)
{
    int r = -ENOMEM;

    w->found = malloc(w->n);
    w->polls = malloc(w->n * sizeof(*w->polls));
    w->of = malloc(w->n * sizeof(*w->of));
    if (w->found && w->polls && w->of)
        r = wait_and_tell(w, ready, deadline);
    else
        mp__fail(r, "mp_wait: no memory for %zu objects", w->n);
    free(w->found);
    free(w->polls);
    free(w->of);
    return r;
}

int
mp_wait(void *const *objects, size_t n, int *ready, mp_time deadline)
{
    struct pollfd polls[FEW];
    size_t of[FEW];
    unsigned char found[FEW];
    struct wait w = {objects, n, found, polls, of, 0};
    int r = mp__enter();

    if (r < 0)
        return r;
    if (n > 0 && !objects)
        return mp__fail(-EINVAL, "mp_wait: objects is NULL");
    if (n > INT_MAX)
        return mp__fail(-EINVAL, "mp_wait: %zu objects are too many", n);
    return n <= FEW ? wait_and_tell(&w, ready, deadline)
                    : wait_for_many(&w, ready, deadline);
}
