/* SPDX-License-Identifier: MIT */
/* Objects: cells of slabs, which become live by being published and end by
 * being retired. A kill in between costs the cell. */
#include "sweep.h"

#include "region/object.h"

/* Notes of the victim: what it was given, what it had, that it gave that. */
enum { GIVEN, OWN, RETURNED };

static void
note(unsigned at, const void *p)
{
    mp__store(&sweep.note[at], (uintptr_t)p);
}

static void *
noted(unsigned at)
{
    return (void *)(uintptr_t)mp__load(&sweep.note[at]);
}

static void
enter_library(void)
{
    mp__enter();
}

#define CELL ((size_t)192)
static void *objects[3];

static void
victim_takes_object(void)
{
    void *p = mp__object_alloc(MP__SLAB_JOB, CELL);

    if (p)
        mp__object_publish(p, MP__SLAB_JOB);
    note(GIVEN, p);
}

static void
have_object(void)
{
    void *p;

    mp__enter();
    p = mp__object_alloc(MP__SLAB_JOB, CELL);
    mp__object_publish(p, MP__SLAB_JOB);
    note(OWN, p);
}

static void
victim_gives_object(void)
{
    if (mp__object_retire(noted(OWN), MP__SLAB_JOB) < 0)
        return;
    mp__object_free(noted(OWN), MP__SLAB_JOB);
    mp__store(&sweep.note[RETURNED], 1);
}

static void
make_objects(void)
{
    int i;

    for (i = 0; i < 3; i++) {
        objects[i] = mp__object_alloc(MP__SLAB_JOB, CELL);
        mp__object_publish(objects[i], MP__SLAB_JOB);
    }
}

static int
give_object(void *p)
{
    if (mp__object_retire(p, MP__SLAB_JOB) < 0)
        return 0;
    mp__object_free(p, MP__SLAB_JOB);
    return 1;
}

static void
free_objects(void)
{
    int i;

    for (i = 0; i < 3; i++)
        sweep_check(give_object(objects[i]), "an object is not live");
}

static void
actor_uses_objects(struct sweep_actor *actor)
{
    void *p[4];
    int i;

    for (i = 0; i < 4; i++) {
        p[i] = mp__object_alloc(MP__SLAB_JOB, CELL);
        if (mp__object_ok(p[i], MP__SLAB_JOB))
            sweep_complain(actor, "a live object was given again");
        mp__object_publish(p[i], MP__SLAB_JOB);
    }
    for (i = 0; i < 4; i++) {
        if (!give_object(p[i]))
            sweep_complain(actor, "an object is not live");
    }
    sweep_done(actor);
}

static void
check_object_taken(void)
{
    if (!sweep_await_end(sweep_actor(actor_uses_objects)))
        return;
    if (noted(GIVEN))
        sweep_check(give_object(noted(GIVEN)),
                    "the victim's object is not live");
}

static void
check_object_given(void)
{
    int given;

    if (!sweep_await_end(sweep_actor(actor_uses_objects)))
        return;
    given = give_object(noted(OWN));
    if (noted(RETURNED) || sweep.completed)
        sweep_check(!given, "the object was given back twice");
}

const struct sweep_scenario sweep_object[] = {
    {"object.alloc", make_objects, enter_library, victim_takes_object,
     .check = check_object_taken, .teardown = free_objects, .may_lose = 1},
    {"object.free", make_objects, have_object, victim_gives_object,
     .check = check_object_given, .teardown = free_objects, .may_lose = 1},
    {0},
};
