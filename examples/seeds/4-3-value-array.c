/* SPDX-License-Identifier: MIT */
/* Two children, one after the other, each add 1 and multiply by ten.
 *
 * Python: Value('i', 1) and Array('i', range(10)). The first child makes the
 * number one larger and each item ten times as large; the second one does the
 * same with what it finds.
 *
 * Here: mp_value_add() adds in one step, so that nothing would get lost if
 * both ran at once (n.value = n.value + 1 in Python is two steps).
 * mp_array_data() is the array itself: ints, as any array of C. */
#include "must.h"

struct shared {
    mp_value *number;
    mp_array *items;
};

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

int
main(void)
{
    const int items[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct shared shared;
    mp_process *child;

    MUST(mp_value_create(&shared.number, 'i', 1));
    MUST(mp_array_create(&shared.items, 'i', 10, items));
    for (int i = 1; i <= 2; i++) {
        MUST(mp_process_start(&child, times_ten, &shared, sizeof(shared),
                              NULL));
        MUST(mp_process_join(child, MP_FOREVER));
        MUST(mp_process_close(child));

        printf("after child %d: ", i);
        MUST(mp_value_print(shared.number, stdout));
        printf(" and ");
        MUST(mp_array_print(shared.items, stdout));
        printf("\n");
    }
    MUST(mp_value_destroy(shared.number));
    MUST(mp_array_destroy(shared.items));
    return 0;
}
