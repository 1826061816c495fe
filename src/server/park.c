/* SPDX-License-Identifier: MIT */
/* Calls that wait.
 *
 * The server cannot sleep in an object, so it tries again: when another call
 * on that object was executed here; when a descriptor of the object says that
 * it is worth it; and else, since the family's own processes use the objects
 * without the server, every few milliseconds. Objects that have a descriptor
 * are looked at seldom by the clock, in case they were destroyed.
 *
 * Those who wait for one object are in a line, first come first tried. When
 * several in a row have been tried in vain, the rest of the line is left to
 * the clock: one item in a queue must not cost a try for each of thousands who
 * want it.
 *
 * A place with a descriptor stays for a while when its line is empty, so that
 * a client who comes back for every item does not have it watched anew each
 * time. What is watched is a duplicate: the object's own descriptor may be
 * closed, by whoever destroys it, and its number be another's. */
#include "server/park.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/descriptors.h"
#include "os/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS     1024u
#define MISSES      8 /* in a row */
#define TICK_FIRST  ((mp_time)1000000)
#define TICK_MOST   ((mp_time)5000000)
#define TICK_SELDOM ((mp_time)100000000)

struct mp__place {
    struct mp__source source;
    struct mp__chain link;  /* among all, or the stirred */
    struct mp__place *next; /* in the bucket */
    const void *object;
    struct mp__chain line; /* struct mp__held */
    int fd;                /* watched; -1: there is none */
    int watched;           /* for input, at this moment */
    int stirred;           /* the misses that its next round may have */
};

static struct {
    struct mp__place *buckets[BUCKETS];
    struct mp__chain places; /* those that are not stirred */
    struct mp__chain stirred;
    struct mp__timer tick;
    mp_time interval, seldom;   /* of the tick; when all are tried */
    uint32_t parked, unwatched; /* calls; those that only the clock looks at */
    int all;                    /* try all */
} lot = {
    .places = {&lot.places, &lot.places},
    .stirred = {&lot.stirred, &lot.stirred},
};

static struct mp__held *
held_of(struct mp__chain *link)
{
    return MP__CONTAINER(link, struct mp__held, at);
}

static struct mp__place *
place_of(struct mp__chain *link)
{
    return MP__CONTAINER(link, struct mp__place, link);
}

uint32_t
mp__parked(void)
{
    return lot.parked;
}

/* ---- The clock ---- */

/* Rings within that time. */
static void
tick_within(mp_time interval)
{
    mp_time when = mp__now() + interval;

    if (!lot.tick.place || lot.tick.when > when)
        mp__timer_set(&mp__server.timers, &lot.tick, when);
}

static void
tick_on(void)
{
    tick_within(lot.unwatched ? lot.interval : TICK_SELDOM);
}

/* ---- Places ---- */

static struct mp__place **
bucket_of(const void *object)
{
    return &lot.buckets[((uintptr_t)object >> 6) * 0x9e3779b97f4a7c15u >> 54];
}

static struct mp__place *
find_place(const void *object)
{
    struct mp__place *place = *bucket_of(object);

    while (place && place->object != object)
        place = place->next;
    return place;
}

static void
watch(struct mp__place *place, int on)
{
    if (place->fd >= 0 && place->watched != on)
        mp__epoll_change(mp__server.epoll, place->fd, on ? EPOLLIN : 0,
                         &place->source);
    place->watched = on;
}

/* A round over the line: whether somebody went on. */
static int
try_line(struct mp__place *place, int most_misses)
{
    struct mp__chain *at = place->line.next;
    int misses = 0, done = 0;

    while (at != &place->line && misses < most_misses) {
        struct mp__held *held = held_of(at);

        at = at->next;
        if (mp__held_try(held)) {
            done = 1;
            misses = 0;
        } else {
            misses++;
        }
    }
    return done;
}

/* The descriptor says so. If it was wrong it is not heard until the clock has
 * rung. */
static void
on_ready(struct mp__source *source, uint32_t events)
{
    struct mp__place *place = MP__CONTAINER(source, struct mp__place, source);

    (void)events;
    if (try_line(place, MISSES))
        return;
    watch(place, 0);
    if (!mp__chain_is_empty(&place->line))
        tick_within(TICK_FIRST);
}

static void
open_watch(struct mp__place *place, const struct mp__held *held)
{
    int fd = -1;

    if (held->call.op->fd)
        fd = held->call.op->fd(held->call.object);
    if (fd >= 0)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 &&
        mp__epoll_add(mp__server.epoll, fd, EPOLLIN, &place->source) < 0) {
        close(fd);
        fd = -1;
    }
    place->fd = fd;
    place->watched = fd >= 0;
}

static struct mp__place *
make_place(const struct mp__held *held)
{
    struct mp__place **bucket = bucket_of(held->call.object);
    struct mp__place *place = calloc(1, sizeof(*place));

    if (!place) {
        mp__fail(-ENOMEM, "mp_manager: no memory for a call that waits");
        return NULL;
    }
    place->source.ready = on_ready;
    place->object = held->call.object;
    mp__chain_init(&place->line);
    mp__chain_append(&lot.places, &place->link);
    place->next = *bucket;
    *bucket = place;
    open_watch(place, held);
    return place;
}

static void
free_place(struct mp__place *place)
{
    struct mp__place **at = bucket_of(place->object);

    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    mp__chain_remove(&place->link);
    if (place->fd >= 0) {
        mp__epoll_remove(mp__server.epoll, place->fd);
        close(place->fd);
    }
    free(place);
}

/* ---- Stirring ---- */

static void
stir(struct mp__place *place, int most_misses)
{
    if (!place->stirred) {
        mp__chain_remove(&place->link);
        mp__chain_append(&lot.stirred, &place->link);
    }
    if (place->stirred < most_misses)
        place->stirred = most_misses;
}

void
mp__park_stir(const void *object)
{
    struct mp__place *place = lot.parked ? find_place(object) : NULL;

    if (place)
        stir(place, MISSES);
}

void
mp__park_stir_all(void)
{
    lot.all = 1;
}

/* What is not watched, or not heard, is tried; now and then, all. Places where
 * nobody has been for some time go. */
static void
on_tick(struct mp__timer *timer)
{
    struct mp__chain *at = lot.places.next;
    mp_time now = mp__now();
    int all = now >= lot.seldom;

    (void)timer;
    if (all)
        lot.seldom = now + TICK_SELDOM;
    while (at != &lot.places) {
        struct mp__place *place = place_of(at);

        at = at->next;
        if (!mp__chain_is_empty(&place->line)) {
            if (all || lot.unwatched > 0 || !place->watched)
                stir(place, INT32_MAX);
        } else if (all) {
            free_place(place);
        }
    }
    lot.interval = lot.interval * 2 < TICK_MOST ? lot.interval * 2 : TICK_MOST;
    if (!mp__chain_is_empty(&lot.places) || !mp__chain_is_empty(&lot.stirred))
        tick_on();
}

void
mp__park_settle(void)
{
    struct mp__chain *at;

    if (lot.all)
        for (at = lot.places.next; at != &lot.places; at = lot.places.next)
            stir(place_of(at), INT32_MAX);
    lot.all = 0;
    while ((at = mp__chain_pop(&lot.stirred)) != NULL) {
        struct mp__place *place = place_of(at);
        int most = place->stirred;

        place->stirred = 0;
        mp__chain_append(&lot.places, at);
        try_line(place, most);
        if (!mp__chain_is_empty(&place->line))
            watch(place, 1);
    }
}

/* ---- Parking ---- */

static int
is_watched(const struct mp__held *held)
{
    return held->place->fd >= 0 && held->call.op->fd;
}

static void
on_deadline(struct mp__timer *timer)
{
    struct mp__held *held = MP__CONTAINER(timer, struct mp__held, deadline);

    held->call.expired = 1;
    mp__held_try(held);
}

int
mp__park(struct mp__held *held)
{
    struct mp__place *place = find_place(held->call.object);

    held->deadline = (struct mp__timer){.ring = on_deadline};
    if (mp__timer_set(&mp__server.timers, &held->deadline,
                      held->call.deadline) < 0)
        return -ENOMEM;
    if (!place)
        place = make_place(held);
    if (!place) {
        mp__timer_clear(&mp__server.timers, &held->deadline);
        return -ENOMEM;
    }
    held->place = place;
    mp__chain_append(&place->line, &held->at);
    lot.parked++;
    if (is_watched(held))
        watch(place, 1);
    else
        lot.unwatched++;
    lot.interval = TICK_FIRST;
    lot.tick.ring = on_tick;
    tick_on();
    return 0;
}

void
mp__unpark(struct mp__held *held)
{
    struct mp__place *place = held->place;

    mp__timer_clear(&mp__server.timers, &held->deadline);
    mp__chain_remove(&held->at);
    lot.parked--;
    lot.unwatched -= !is_watched(held);
    held->place = NULL;
    if (mp__chain_is_empty(&place->line))
        watch(place, 0);
}

void
mp__park_orphan(void)
{
    mp__chain_move(&lot.places, &lot.stirred);
    for (struct mp__chain *at = lot.places.next; at != &lot.places;
         at = at->next)
        if (place_of(at)->fd >= 0)
            close(place_of(at)->fd);
    mp__chain_init(&lot.places);
    memset(lot.buckets, 0, sizeof(lot.buckets));
    lot.parked = lot.unwatched = 0;
    lot.tick.place = 0;
}

void
mp__park_close(void)
{
    mp__chain_move(&lot.places, &lot.stirred);
    while (!mp__chain_is_empty(&lot.places))
        free_place(place_of(lot.places.next));
    mp__timer_clear(&mp__server.timers, &lot.tick);
}
