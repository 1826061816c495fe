/* SPDX-License-Identifier: MIT */
/* Parcels are a queue, and couriers deliver them. The queue redelivers: a
 * parcel is in a courier's hands until mp_message_done(), and if the courier is
 * killed before, another gets it, and sees that it is the second attempt.
 *
 * One parcel kills whoever takes it. After two attempts it is put aside, among
 * the dead letters, instead of killing one courier after the other. */
#include "tour.h"

#include <errno.h>
#include <signal.h>

enum { COURIERS = 4, PARCELS = 5, ATTEMPTS = 2 };

struct parcel {
    int number;
    unsigned deadly; /* so many attempts end with a death */
};

static void
deliver(const struct parcel *parcel, unsigned attempt)
{
    say("I have parcel %d: attempt %u", parcel->number, attempt);
    if (attempt <= parcel->deadly)
        raise(SIGKILL);
    work_for(0.02);
    say("parcel %d is delivered", parcel->number);
}

static int
run_errands(void *arg)
{
    mp_queue *parcels = *(mp_queue **)arg;
    mp_message message;
    int r;

    while ((r = mp_queue_take(parcels, &message, MP_FOREVER)) == 0) {
        deliver(message.data, message.attempt);
        MUST(mp_message_done(parcels, &message));
    }
    CLAIM(r == -ESHUTDOWN);
    return 0;
}

static void
put_parcels(mp_queue *parcels)
{
    for (int i = 1; i <= PARCELS; i++) {
        struct parcel parcel = {.number = i};

        if (i == 2)
            parcel.deadly = 1;
        if (i == 4)
            parcel.deadly = ATTEMPTS;
        MUST(mp_queue_put(parcels, &parcel, sizeof(parcel), MP_FOREVER));
    }
}

static void
look_at_dead_letters(mp_queue *dead_letters)
{
    struct parcel parcel;

    CLAIM(mp_queue_size(dead_letters) == 1);
    MUST(mp_queue_get(dead_letters, &parcel, sizeof(parcel), MP_NOW));
    say("put aside after %d attempts: parcel %d", ATTEMPTS, parcel.number);
}

void
scene_courier(void)
{
    mp_process *couriers[COURIERS];
    mp_queue *parcels, *dead_letters;
    int survivors;

    MUST(mp_queue_create(&dead_letters, NULL));
    MUST(mp_queue_create(
        &parcels, MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = ATTEMPTS,
                                .dead_letters = dead_letters)));
    put_parcels(parcels);
    start_crowd(couriers, COURIERS, "courier", run_errands, &parcels,
                sizeof(parcels));

    MUST(mp_queue_join(parcels, MP_FOREVER));
    MUST(mp_queue_close(parcels));
    survivors = join_crowd(couriers, COURIERS);
    say("no parcel is on its way; of %d couriers %d are alive", COURIERS,
        survivors);
    CLAIM(survivors == COURIERS - 1 - ATTEMPTS);
    look_at_dead_letters(dead_letters);
    MUST(mp_queue_destroy(parcels));
    MUST(mp_queue_destroy(dead_letters));
}
