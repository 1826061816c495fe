/* SPDX-License-Identifier: MIT */
/* A karaoke booth for four, and ten who want to sing. The semaphore holds the
 * places. It is a tracked one: a place belongs to who took it, and comes free
 * when that one leaves, be it feet first. */
#include "tour.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { GUESTS = 10, PLACES = 4 };

struct booth {
    mp_semaphore *places;
    atomic_int inside;
    atomic_int most; /* that ever were inside at once */
};

static void
note_most(struct booth *booth, int inside)
{
    int most = atomic_load(&booth->most);

    while (inside > most &&
           !atomic_compare_exchange_weak(&booth->most, &most, inside))
        ;
}

static int
sing(void *arg)
{
    struct booth *booth = *(struct booth **)arg;
    int inside;

    srand((unsigned)getpid());
    MUST(mp_semaphore_acquire(booth->places, MP_FOREVER));
    inside = atomic_fetch_add(&booth->inside, 1) + 1;
    note_most(booth, inside);
    say("I come in: %d inside", inside);
    work_for(0.03 + rand() % 8 * 0.01);
    say("I go");
    atomic_fetch_sub(&booth->inside, 1);
    MUST(mp_semaphore_release(booth->places));
    return 0;
}

static int
sing_for_ever(void *arg)
{
    struct booth *booth = *(struct booth **)arg;

    MUST(mp_semaphore_acquire(booth->places, MP_FOREVER));
    say("I come in, and shall never go");
    for (;;)
        pause();
    return 0;
}

static void
kill_a_guest(struct booth *booth)
{
    mp_process *guest;

    MUST(mp_process_start(&guest, sing_for_ever, &booth, sizeof(booth),
                          MP_PROCESS_ATTR(.name = "guest-11")));
    while (MUST(mp_semaphore_value(booth->places)) == PLACES)
        work_for(0.01);
    say("free places: %d; guest-11 is killed",
        mp_semaphore_value(booth->places));
    MUST(mp_process_kill(guest));
    join_crowd(&guest, 1);
    say("free places: %d", mp_semaphore_value(booth->places));
    CLAIM(mp_semaphore_value(booth->places) == PLACES);
}

void
scene_karaoke(void)
{
    struct booth *booth = mp_new(struct booth);
    mp_process *guests[GUESTS];

    must(booth ? 0 : -ENOMEM, "mp_new(struct booth)");
    MUST(mp_semaphore_create(
        &booth->places, PLACES,
        MP_SEMAPHORE_ATTR(.name = "places", .tracked = 1)));

    start_crowd(guests, GUESTS, "guest", sing, &booth, sizeof(booth));
    CLAIM(join_crowd(guests, GUESTS) == GUESTS);
    say("all have sung; never more than %d inside at once: %s", PLACES,
        booth->most <= PLACES ? "true" : "false");
    CLAIM(booth->most >= 1 && booth->most <= PLACES);
    kill_a_guest(booth);

    MUST(mp_semaphore_destroy(booth->places));
    MUST(mp_free(booth));
}
