/* SPDX-License-Identifier: MIT */
/* A traffic light, which is an event: set, it is green. A daemon switches it;
 * the cars wait for green. */
#include "tour.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { CARS = 8 };

struct crossing {
    mp_event *green;
    atomic_int greens; /* how often it has been green so far */
};

/* In colours, where somebody is to see them. */
static void
show(const char *colour, const char *code)
{
    if (isatty(STDOUT_FILENO))
        say("\033[1;%sm%s\033[0m", code, colour);
    else
        say("%s", colour);
}

static int
switch_the_light(void *arg)
{
    struct crossing *crossing = *(struct crossing **)arg;

    for (;;) {
        show("red", "31");
        work_for(0.1);
        atomic_fetch_add(&crossing->greens, 1);
        show("green", "32");
        MUST(mp_event_set(crossing->green));
        work_for(0.1);
        MUST(mp_event_clear(crossing->green));
    }
    return 0;
}

static int
drive(void *arg)
{
    struct crossing *crossing = *(struct crossing **)arg;

    srand((unsigned)getpid());
    work_for(rand() % 15 * 0.01);
    if (!MUST(mp_event_is_set(crossing->green)))
        say("I wait at the red light");
    MUST(mp_event_wait(crossing->green, MP_FOREVER));
    CLAIM(crossing->greens > 0);
    say("I drive on");
    return 0;
}

void
scene_lights(void)
{
    struct crossing *crossing = mp_new(struct crossing);
    mp_process *cars[CARS], *light;

    must(crossing ? 0 : -ENOMEM, "mp_new(struct crossing)");
    MUST(mp_event_create(&crossing->green, MP_EVENT_ATTR(.name = "green")));
    MUST(mp_process_start(&light, switch_the_light, &crossing,
                          sizeof(crossing),
                          MP_PROCESS_ATTR(.name = "light", .daemon = 1)));

    start_crowd(cars, CARS, "car", drive, &crossing, sizeof(crossing));
    CLAIM(join_crowd(cars, CARS) == CARS);
    say("all cars have passed, none before the first green");

    MUST(mp_process_stop(light, 1.0));
    MUST(mp_process_close(light));
    MUST(mp_event_destroy(crossing->green));
    MUST(mp_free(crossing));
}
