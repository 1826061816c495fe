/* SPDX-License-Identifier: MIT */
/* Cars wait at a traffic light, which is an event: set, it is green.
 *
 * Python: Event() is a flag. wait() blocks while it is not set, wait(n) for n
 * seconds at the most, and leaves the flag as it is; set() lets all pass, and
 * clear() blocks those who come later. A daemon switches the light for ever;
 * cars come at random, and the main process joins them.
 *
 * Here: mp_event_set(), mp_event_clear(), mp_event_is_set(), mp_event_wait().
 * Who waits goes on when the light turns green, even if it is red again before
 * he has looked. */
#include "must.h"

enum { CARS = 10 };

struct car {
    mp_event *green;
    int number;
};

static int
switch_the_light(void *arg)
{
    mp_event *green = *(mp_event **)arg;
    int colours = isatty(STDOUT_FILENO);

    for (;;) {
        say("the light is %s\n", colours ? "\033[31mred\033[0m" : "red");
        usleep(200 * 1000);
        say("the light is %s\n", colours ? "\033[32mgreen\033[0m" : "green");
        MUST(mp_event_set(green));
        usleep(200 * 1000);
        MUST(mp_event_clear(green));
    }
    return 0;
}

static int
drive(void *arg)
{
    struct car *car = arg;
    int r;

    if (!MUST(mp_event_is_set(car->green)))
        say("car %d waits\n", car->number);
    while ((r = mp_event_wait(car->green, mp_timeout(0.15))) == -ETIMEDOUT)
        say("car %d has waited for 0.15 s, and is impatient\n", car->number);
    MUST(r);
    say("car %d drives on\n", car->number);
    return 0;
}

int
main(void)
{
    mp_process *cars[CARS], *light;
    struct car car;

    MUST(mp_event_create(&car.green, NULL));
    MUST(mp_process_start(&light, switch_the_light, &car.green,
                          sizeof(car.green), MP_PROCESS_ATTR(.daemon = 1)));
    for (int i = 0; i < CARS; i++) {
        car.number = i + 1;
        MUST(mp_process_start(&cars[i], drive, &car, sizeof(car), NULL));
        usleep((unsigned)rand() % 150000);
    }
    for (int i = 0; i < CARS; i++) {
        MUST(mp_process_join(cars[i], MP_FOREVER));
        MUST(mp_process_close(cars[i]));
    }
    say("all have passed; the light goes with the program\n");
    return 0;
}
