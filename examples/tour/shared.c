/* SPDX-License-Identifier: MIT */
/* A number and an array that two processes share. Children change them where
 * they lie; their parent prints them, as Python would print a Value and an
 * Array.
 *
 * An array is memory: whoever knows its type may use it like any array of C. A
 * number can be added to by many at once, and nothing gets lost. */
#include "tour.h"

#include <stdio.h>

enum { COUNTERS = 4, TIMES = 1000 };

struct shared {
    mp_value *number;
    mp_array *items;
};

static void
show(const char *when, struct shared *shared)
{
    char text[128] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    CLAIM(out != NULL);
    MUST(mp_value_print(shared->number, out));
    fputs(" and ", out);
    MUST(mp_array_print(shared->items, out));
    fclose(out);
    say("%s: %s", when, text);
}

/* ---- The children ---- */

static int
set_some(void *arg)
{
    struct shared *shared = arg;

    MUST(mp_value_set(shared->number, 3.14));
    MUST(mp_array_set(shared->items, 0, 5));
    return 0;
}

static int
times_ten(void *arg)
{
    struct shared *shared = arg;
    int *items = mp_array_data(shared->items);

    MUST(mp_value_add(shared->number, 1));
    for (size_t i = 0; i < mp_array_len(shared->items); i++)
        items[i] *= 10;
    return 0;
}

static int
count_up(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; i < TIMES; i++)
        MUST(mp_value_add(shared->number, 1));
    return 0;
}

/* ---- The scene ---- */

/* Makes the number `x` and the items 0 to 9. */
static void
create(struct shared *shared, int type, double x)
{
    int items[10];

    for (int i = 0; i < 10; i++)
        items[i] = i;
    MUST(mp_value_create(&shared->number, type, x));
    MUST(mp_array_create(&shared->items, 'i', 10, items));
}

static void
destroy(struct shared *shared)
{
    MUST(mp_value_destroy(shared->number));
    MUST(mp_array_destroy(shared->items));
}

static void
run(mp_target target, int n, struct shared *shared)
{
    mp_process *children[COUNTERS];

    start_crowd(children, n, "child", target, shared, sizeof(*shared));
    CLAIM(join_crowd(children, n) == n);
}

void
scene_shared(void)
{
    struct shared shared;
    int number;

    create(&shared, 'd', 0.0);
    show("a double and ten ints", &shared);
    run(set_some, 1, &shared);
    show("a child has set two of them", &shared);
    destroy(&shared);

    create(&shared, 'i', 1);
    run(times_ten, 1, &shared);
    show("once plus 1 and times 10", &shared);
    run(times_ten, 1, &shared);
    show("and once more", &shared);

    run(count_up, COUNTERS, &shared);
    MUST(mp_value_get(shared.number, &number));
    say("%d children have each added 1, %d times: %d", COUNTERS, TIMES,
        number);
    CLAIM(number == 3 + COUNTERS * TIMES);
    destroy(&shared);
}
