/* SPDX-License-Identifier: MIT */
/* Waiting for an object in poll().
 *
 * A process that asks for an object's descriptor gets a pager (os/pager.h),
 * whose number it enters in the object. Invariant: a descriptor is readable, or
 * its bit in `armed` is set; or else somebody is about to commit something, or
 * has died so, and the object knows how to tell that. How each does is told
 * where it is: queue/poll.c, bell/notice.c, pipe/poll.c.
 *
 * A poller that has died is out of the table when its pager is found gone. If
 * a page fails for other reasons (no descriptor left, another network
 * namespace), the bit is set again: the next who commits tries.
 *
 * What depends on the life of processes as well has an epoll instance, with the
 * pager's socket and the processes' pidfds in it: so the descriptor is readable
 * when one is killed, though nobody is inside the library then.
 *
 * The descriptors are in a table of this process. fork's child closes them: it
 * has to ask for one of its own. */
#include "bell/pollers.h"

#include "base/error.h"
#include "os/fork.h"
#include "os/pager.h"
#include "region/region.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKETS 256

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct mp__poller *bucket[BUCKETS];
    pid_t pid; /* whose they are */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

mp__a32 mp__pollers_here;

/* ---- What this process has ---- */

static void
free_poller(struct mp__poller *poller)
{
    if (poller->lookout)
        poller->leave(poller->lookout);
    if (poller->fd != poller->socket)
        mp__pidfd_set_close(&poller->lives);
    close(poller->socket);
    free(poller);
}

static void
drop(struct mp__poller **at)
{
    struct mp__poller *poller = *at;

    *at = poller->next;
    mp__sub(&mp__pollers_here, 1);
    free_poller(poller);
}

static void
drop_all(void)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (table.bucket[i])
            drop(&table.bucket[i]);
}

MP__HELD_ACROSS_FORK(table.lock, drop_all());

static void
lock_table(void)
{
    static __thread uint64_t known; /* this thread, as it was seen last */

    pthread_mutex_lock(&table.lock);
    if (MP__LIKELY(known == mp__me.id))
        return;
    known = mp__me.id;
    /* A copy that was made behind fork's back. */
    if (table.pid != getpid()) {
        drop_all();
        table.pid = getpid();
    }
}

static void
unlock_table(void)
{
    pthread_mutex_unlock(&table.lock);
}

/* Where the entry hangs, or would. */
static struct mp__poller **
find(const struct mp__pollers *pollers)
{
    struct mp__poller **at =
        &table.bucket[((uintptr_t)pollers * 0x9e3779b97f4a7c15u >> 32) %
                      BUCKETS];

    while (*at && (*at)->of != pollers)
        at = &(*at)->next;
    return at;
}

/* ---- The object's table ---- */

static int
page(struct mp__pollers *pollers, uint32_t place)
{
    uint64_t pager = mp__load(&pollers->pager[place]);
    int r;

    if (pager == 0)
        return 0;
    r = mp__pager_page(mp__region_uuid(), pager);
    if (r == -ECONNREFUSED)
        mp__cas(&pollers->pager[place], &pager, 0);
    else if (r < 0)
        atomic_fetch_or(&pollers->armed, (uint64_t)1 << place);
    return r < 0 && r != -ECONNREFUSED;
}

int
mp__pollers_page(struct mp__pollers *pollers)
{
    uint64_t armed = mp__swap(&pollers->armed, 0);
    int left = 0;

    for (; armed; armed &= armed - 1)
        left |= page(pollers, (uint32_t)__builtin_ctzll(armed));
    return left;
}

int
mp__pollers_page_all(struct mp__pollers *pollers)
{
    int left = 0;

    for (uint32_t place = 0; place < MP__POLLERS; place++)
        left |= page(pollers, place);
    return left;
}

/* Enters the pager in the object, where it has no place yet. */
static int
enter(struct mp__poller *poller)
{
    mp__a64 *pager = poller->of->pager;

    if (mp__load(&pager[poller->place]) == poller->pager)
        return 0;
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 0; i < MP__POLLERS; i++) {
            uint64_t free_place = 0;

            if (mp__cas(&pager[i], &free_place, poller->pager)) {
                poller->place = i;
                return 0;
            }
        }
        mp__pollers_page_all(poller->of); /* finds those who are gone */
    }
    return -ENOMEM;
}

/* ---- Arming ---- */

struct mp__poller *
mp__poller_get(struct mp__pollers *pollers)
{
    struct mp__poller *poller;

    lock_table();
    poller = *find(pollers);
    if (!poller)
        unlock_table();
    return poller;
}

struct mp__poller *
mp__poller_begin(struct mp__pollers *pollers)
{
    struct mp__poller *poller = mp__poller_get(pollers);

    if (!poller)
        return NULL;
    mp__pager_drain(poller->socket);
    if (enter(poller) == 0) {
        atomic_fetch_or(&pollers->armed, (uint64_t)1 << poller->place);
        return poller;
    }
    mp__pager_page(mp__region_uuid(), poller->pager);
    unlock_table();
    return NULL;
}

int
mp__poller_end(struct mp__poller *poller, int readable)
{
    int r = readable ? page(poller->of, poller->place) : 0;

    unlock_table();
    return r;
}

/* ---- Making ---- */

static int
open_descriptors(struct mp__poller *poller, int lives)
{
    int r;

    poller->socket = mp__pager_open(mp__region_uuid(), &poller->pager);
    if (poller->socket < 0)
        return poller->socket;
    poller->fd = poller->socket;
    if (!lives)
        return 0;
    r = mp__pidfd_set_open(&poller->lives);
    if (r == 0) {
        poller->fd = poller->lives.fd;
        r = mp__pidfd_set_beside(&poller->lives, poller->socket);
        if (r == 0)
            return 0;
        mp__pidfd_set_close(&poller->lives);
    }
    close(poller->socket);
    return r;
}

static struct mp__poller *
new_poller(struct mp__pollers *pollers, const struct mp__poller_kind *kind,
           int *ret)
{
    struct mp__poller *poller = calloc(1, sizeof(*poller));

    *ret = poller ? 0 : mp__fail(-ENOMEM, "%s: out of memory", kind->function);
    if (!poller)
        return NULL;
    poller->of = pollers;
    *ret = open_descriptors(poller, kind->lives);
    if (*ret == 0)
        return poller;
    mp__fail(*ret, "%s: no descriptor: %s", kind->function, mp_strerror(*ret));
    free(poller);
    return NULL;
}

/* Into the object's table, and readable: the look that follows arms it. */
static int
begin(struct mp__poller *poller, const struct mp__poller_kind *kind)
{
    int r = enter(poller);

    if (r < 0)
        return mp__fail(r,
                        "%s: %u processes have a descriptor of this %s: no "
                        "more can",
                        kind->function, MP__POLLERS, kind->what);
    r = mp__pager_page(mp__region_uuid(), poller->pager);
    if (r < 0)
        mp__fail(r, "%s: this process cannot send to itself", kind->function);
    return r;
}

static int
make(struct mp__poller **at, struct mp__pollers *pollers,
     const struct mp__poller_kind *kind)
{
    int r;
    struct mp__poller *poller = new_poller(pollers, kind, &r);

    if (!poller)
        return r;
    r = begin(poller, kind);
    if (r < 0) {
        free_poller(poller);
        return r;
    }
    *at = poller;
    mp__add(&mp__pollers_here, 1);
    return 0;
}

int
mp__poller_fd(struct mp__pollers *pollers, const struct mp__poller_kind *kind)
{
    struct mp__poller **at;
    int r = 0;

    lock_table();
    at = find(pollers);
    /* One of an object that was destroyed, in the same place? */
    if (*at && mp__load(&pollers->pager[(*at)->place]) != (*at)->pager)
        drop(at);
    if (!*at)
        r = make(at, pollers, kind);
    if (r == 0)
        r = (*at)->fd;
    unlock_table();
    return r;
}

int
mp__poller_fd_now(struct mp__pollers *pollers, int *ret_armed)
{
    struct mp__poller *poller;
    int fd = -ENOENT;

    lock_table();
    poller = *find(pollers);
    if (poller && mp__load(&pollers->pager[poller->place]) == poller->pager) {
        *ret_armed = mp__load(&pollers->armed) >> poller->place & 1;
        fd = poller->fd;
    }
    unlock_table();
    return fd;
}

void
mp__poller_forget(struct mp__pollers *pollers)
{
    struct mp__poller **at;

    if (!mp__pollers_exist())
        return;
    lock_table();
    at = find(pollers);
    if (*at)
        drop(at);
    unlock_table();
}
