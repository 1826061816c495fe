/* SPDX-License-Identifier: MIT */
/* Values and arrays: a step that was killed is done or not done, and a killed
 * maker costs its own memory at the most. */
#include "sweep.h"

#include "container/container.h"

#include <errno.h>

/* What the victim notes: steps that have returned, an array that it has made,
 * that it has ended one. */
enum { STEPS, MADE, ENDED };

static mp_value *value;
static mp_array *array;

/* The victim is registered. */
static void
enter(void)
{
    mp__enter();
}

static void
survive(int r, const char *what)
{
    sweep_check(r == 0, "%s: %s", what, mp_strerror(r));
}

/* ---- Steps ---- */

static void
make_both(void)
{
    const double init[3] = {0};

    survive(mp_value_create(&value, 'H', 0), "cannot make a value");
    survive(mp_array_create(&array, 'd', 3, init), "cannot make an array");
}

static void
end_both(void)
{
    survive(mp_value_destroy(value), "cannot destroy the value");
    survive(mp_array_destroy(array), "cannot destroy the array");
}

/* Each of its steps makes it greater by one, however it does that. */
static void
victim_counts(void)
{
    int now;

    mp_value_add(value, 1);
    mp__store(&sweep.note[STEPS], 1);
    mp_value_set(value, 2);
    mp__store(&sweep.note[STEPS], 2);
    mp_value_compare_exchange(value, 2, 3);
    mp__store(&sweep.note[STEPS], 3);
    mp_value_add_get(value, 1.0, &now);
    mp__store(&sweep.note[STEPS], 4);
}

static void
victim_counts_items(void)
{
    mp_array_add(array, -1, 1);
    mp__store(&sweep.note[STEPS], 1);
    mp_array_set(array, 2, 2);
    mp__store(&sweep.note[STEPS], 2);
    mp_array_compare_exchange(array, 2, 2.0, 3);
    mp__store(&sweep.note[STEPS], 3);
    mp_array_add(array, 2, 1.0f);
    mp__store(&sweep.note[STEPS], 4);
}

static void
check_count(int count)
{
    int steps = (int)mp__load(&sweep.note[STEPS]);

    sweep_check(count == steps || count == steps + 1, "it is %d after %d",
                count, steps);
}

static void
check_value(void)
{
    int before = -1, after = -1;

    survive(mp_value_get(value, &before), "cannot get it");
    check_count(before);
    survive(mp_value_add_get(value, 100, &after), "cannot add");
    sweep_check(after == before + 100, "the sum is %d", after);
}

static void
check_items(void)
{
    int count = -1;

    survive(mp_array_get(array, 2, &count), "cannot get it");
    check_count(count);
    for (int i = 0; i < 2; i++)
        sweep_check(mp_array_compare_exchange(array, i, 0, 1) == 1,
                    "item %d was changed", i);
}

/* ---- The lock ---- */

static void
victim_asks_for_lock(void)
{
    mp__store(&sweep.note[MADE], (uintptr_t)mp_value_lock(value));
}

static void
check_lock(void)
{
    mp_rlock *lock = mp_value_lock(value);
    uint64_t made = mp__load(&sweep.note[MADE]);

    sweep_check(made == 0 || made == (uintptr_t)lock, "there are two locks");
    survive(mp_rlock_acquire(lock, MP_NOW), "cannot acquire");
    survive(mp_rlock_release(lock), "cannot release");
}

/* ---- Making and ending ---- */

static void
victim_makes_array(void)
{
    const double init[50] = {1};
    mp_array *mine;

    if (mp_array_create(&mine, 'd', 50, init) == 0)
        mp__store(&sweep.note[MADE], (uintptr_t)mine);
}

static void
check_made(void)
{
    mp_array *made = (mp_array *)(uintptr_t)mp__load(&sweep.note[MADE]);
    double x = 0;

    if (made == NULL) {
        sweep_check(!sweep.completed, "it could not be made");
        return;
    }
    survive(mp_array_get(made, 0, &x), "cannot get an item");
    sweep_check(x == 1, "the first item is %g", x);
    survive(mp_array_destroy(made), "cannot destroy it");
}

static void
make_locked(void)
{
    make_both();
    survive(mp_array_lock(array) ? 0 : -ENOMEM, "cannot make its lock");
}

static void
victim_ends_array(void)
{
    if (mp_array_destroy(array) == 0)
        mp__store(&sweep.note[ENDED], 1);
}

static void
check_ended(void)
{
    int r = mp_array_set(array, 0, 5);

    if (r == 0) {
        sweep_check(!mp__load(&sweep.note[ENDED]), "it is there still");
        r = mp_rlock_acquire(mp_array_lock(array), MP_NOW);
        survive(r, "cannot acquire its lock");
        survive(mp_rlock_release(mp_array_lock(array)), "cannot release");
        survive(mp_array_destroy(array), "cannot destroy it");
    } else {
        sweep_check(r == -EBADF, "set: %s", mp_strerror(r));
    }
    survive(mp_value_destroy(value), "cannot destroy the value");
}

const struct sweep_scenario sweep_value[] = {
    {"value.steps", make_both, enter, victim_counts, .check = check_value,
     .teardown = end_both},
    {"value.array-steps", make_both, enter, victim_counts_items,
     .check = check_items, .teardown = end_both},
    {"value.lock", make_both, enter, victim_asks_for_lock, .check = check_lock,
     .teardown = end_both, .may_lose = 1},
    {"value.array-create", NULL, enter, victim_makes_array,
     .check = check_made, .may_lose = 2},
    {"value.array-destroy", make_locked, enter, victim_ends_array,
     .check = check_ended, .may_lose = 3},
    {0},
};
