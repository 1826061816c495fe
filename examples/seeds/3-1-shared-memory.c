/* SPDX-License-Identifier: MIT */
/* A child changes a number and an array of its parent, in shared memory.
 *
 * Python: Value('d', 0.0) is one number, Array('i', range(10)) ten of them, of
 * a C type that a letter names; both lie in memory that parent and child
 * share. The child sets two of them, and the parent prints what it finds.
 *
 * Here: mp_value_create(), mp_array_create(), with the same letters. Setting
 * and getting are single steps that no other process can come between. */
#include "must.h"

struct shared {
    mp_value *number;
    mp_array *items;
};

static int
change(void *arg)
{
    struct shared *shared = arg;

    MUST(mp_value_set(shared->number, 3.14));
    MUST(mp_array_set(shared->items, 0, 5));
    return 0;
}

static void
show(const char *when, struct shared *shared)
{
    printf("%s: ", when);
    MUST(mp_value_print(shared->number, stdout));
    printf(" and ");
    MUST(mp_array_print(shared->items, stdout));
    printf("\n");
}

int
main(void)
{
    const int items[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct shared shared;
    mp_process *child;

    MUST(mp_value_create(&shared.number, 'd', 0.0));
    MUST(mp_array_create(&shared.items, 'i', 10, items));
    show("before", &shared);

    MUST(mp_process_start(&child, change, &shared, sizeof(shared), NULL));
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_close(child));
    show("after", &shared);

    MUST(mp_value_destroy(shared.number));
    MUST(mp_array_destroy(shared.items));
    return 0;
}
