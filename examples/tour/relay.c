/* SPDX-License-Identifier: MIT */
/* A relay race: four runners, one baton. Each waits, by a condition, until its
 * turn has come, runs, and hands the baton on. The last was the first to take
 * its place: that makes no difference. */
#include "tour.h"

#include <errno.h>
#include <stdio.h>

enum { RUNNERS = 4, LAPS = 2 };

struct relay {
    mp_condition *passed;
    int legs; /* run so far; guarded by the condition's lock */
};

/* What a runner is given: a copy of his own. */
struct place {
    struct relay *relay;
    int leg; /* the next that is its own */
};

static int
is_my_leg(void *arg)
{
    const struct place *place = arg;

    return place->relay->legs == place->leg;
}

static int
run(void *arg)
{
    struct place *place = arg;
    struct relay *relay = place->relay;

    for (int lap = 1; lap <= LAPS; lap++) {
        MUST(mp_condition_acquire(relay->passed, MP_FOREVER));
        MUST(mp_condition_wait_for(relay->passed, is_my_leg, place,
                                   MP_FOREVER));
        say("I run leg %d", place->leg + 1);
        work_for(0.02);
        relay->legs++;
        MUST(mp_condition_notify_all(relay->passed));
        MUST(mp_condition_release(relay->passed));
        place->leg += RUNNERS;
    }
    return 0;
}

void
scene_relay(void)
{
    struct relay *relay = mp_new(struct relay);
    mp_process *runners[RUNNERS];

    must(relay ? 0 : -ENOMEM, "mp_new(struct relay)");
    MUST(mp_condition_create(&relay->passed, NULL));
    for (int i = RUNNERS - 1; i >= 0; i--) {
        struct place place = {relay, i};
        char name[16];

        snprintf(name, sizeof(name), "runner-%d", i + 1);
        MUST(mp_process_start(&runners[i], run, &place, sizeof(place),
                              MP_PROCESS_ATTR(.name = name)));
    }
    CLAIM(join_crowd(runners, RUNNERS) == RUNNERS);
    say("the baton is home after %d legs", relay->legs);
    CLAIM(relay->legs == RUNNERS * LAPS);
    MUST(mp_condition_destroy(relay->passed));
    MUST(mp_free(relay));
}
