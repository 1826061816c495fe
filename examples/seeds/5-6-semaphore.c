/* SPDX-License-Identifier: MIT */
/* Ten guests, and a karaoke booth with room for four.
 *
 * Python: Semaphore(4) is a lock that four may hold at once: a lock and a
 * counter. Guests go in as long as there is room, the others wait at the door
 * until somebody comes out.
 *
 * Here: mp_semaphore_create(), _acquire(), _release(). As in Python, a place
 * of somebody who was killed inside is gone; but with .tracked it comes free
 * again (see ../tour/heirs.c). */
#include "must.h"

enum { GUESTS = 10, PLACES = 4 };

struct guest {
    mp_semaphore *places;
    int number;
};

static int
sing(void *arg)
{
    struct guest *guest = arg;

    srand((unsigned)guest->number);
    MUST(mp_semaphore_acquire(guest->places, MP_FOREVER));
    say("guest %d comes in\n", guest->number);
    usleep(100 * 1000 + (unsigned)rand() % 200000);
    say("guest %d goes\n", guest->number);
    MUST(mp_semaphore_release(guest->places));
    return 0;
}

int
main(void)
{
    mp_process *guests[GUESTS];
    struct guest guest;

    MUST(mp_semaphore_create(&guest.places, PLACES, NULL));
    for (int i = 0; i < GUESTS; i++) {
        guest.number = i + 1;
        MUST(mp_process_start(&guests[i], sing, &guest, sizeof(guest), NULL));
    }
    for (int i = 0; i < GUESTS; i++) {
        MUST(mp_process_join(guests[i], MP_FOREVER));
        MUST(mp_process_close(guests[i]));
    }
    say("all have sung; free places: %d\n", mp_semaphore_value(guest.places));
    MUST(mp_semaphore_destroy(guest.places));
    return 0;
}
