/* SPDX-License-Identifier: MIT */
/* Four processes count in one value, and keep a maximum in another. */
#include <mproc.h>

enum { COUNTERS = 4, TIMES = 10000 };

struct shared {
    mp_value *count, *largest;
};

static int
count_up(void *arg)
{
    struct shared *shared = arg;
    double mine, largest;

    for (int i = 0; i < TIMES; i++) {
        if (mp_value_add_get(shared->count, 1, &mine) < 0)
            return 1;
        do { /* an atomic maximum */
            mp_value_get(shared->largest, &largest);
        } while (
            largest < mine / 8 &&
            !mp_value_compare_exchange(shared->largest, largest, mine / 8));
    }
    return 0;
}

int
main(void)
{
    mp_process *counters[COUNTERS];
    struct shared shared;

    if (mp_value_create(&shared.count, 'i', 0) < 0 ||
        mp_value_create(&shared.largest, 'd', 0.0) < 0)
        return 1;
    for (int i = 0; i < COUNTERS; i++) {
        if (mp_process_start(&counters[i], count_up, &shared, sizeof(shared),
                             NULL) < 0)
            return 1;
    }
    for (int i = 0; i < COUNTERS; i++) {
        mp_process_join(counters[i], MP_FOREVER);
        mp_process_close(counters[i]);
    }
    mp_value_print(shared.count, stdout);
    printf(" and ");
    mp_value_print(shared.largest, stdout);
    printf("\n");

    if (mp_value_set(shared.count, 2.5) < 0)
        printf("%s\n", mp_last_error());
    mp_value_destroy(shared.count);
    mp_value_destroy(shared.largest);
    return 0;
}
