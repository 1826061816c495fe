/* SPDX-License-Identifier: MIT */
/* A doctor's waiting room: a queue by priority. The lowest number comes first,
 * and among equals who came first. Who comes later and is worse off is seen
 * earlier; negative numbers are there for that. */
#include "tour.h"

#include <stdio.h>

enum { EMERGENCY = -1, PAIN, COUGH, PAPERS };

struct patient {
    char name[16];
};

static void
come(mp_queue *room, const char *name, int urgency)
{
    struct patient patient;

    snprintf(patient.name, sizeof(patient.name), "%s", name);
    MUST(mp_queue_put_priority(room, &patient, sizeof(patient), urgency,
                               MP_FOREVER));
    say("%s comes: priority %d", name, urgency);
}

static int
bring_an_emergency(void *arg)
{
    come(*(mp_queue **)arg, "Eve", EMERGENCY);
    return 0;
}

static void
see_next(mp_queue *room)
{
    struct patient patient;

    MUST(mp_queue_get(room, &patient, sizeof(patient), MP_NOW));
    say("%s, please", patient.name);
}

void
scene_surgery(void)
{
    mp_process *ambulance;
    mp_queue *room;

    MUST(mp_queue_create(&room, MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY)));
    come(room, "Ann", COUGH);
    come(room, "Bob", PAPERS);
    come(room, "Cid", COUGH);
    come(room, "Dan", PAIN);
    see_next(room);

    start_crowd(&ambulance, 1, "ambulance", bring_an_emergency, &room,
                sizeof(room));
    CLAIM(join_crowd(&ambulance, 1) == 1);
    while (!mp_queue_empty(room))
        see_next(room);
    MUST(mp_queue_destroy(room));
}
