/* SPDX-License-Identifier: MIT */
/* Children look at numbers; each number is looked at by one of them. */
#include <mproc.h>
#include <stdio.h>

struct shared {
    mp_set *seen, *odd;
};

static int
look(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; i < 6; i++)
        if (mp_set_add(shared->seen, "i", i) == 1 && i % 2)
            mp_set_add(shared->odd, "i", i);
    return 0;
}

int
main(void)
{
    mp_process *children[3];
    struct shared shared;
    mp_any odd;
    int first;

    if (mp_set_create(&shared.seen) < 0 || mp_set_create(&shared.odd) < 0)
        return 1;
    for (int i = 0; i < 3; i++)
        if (mp_process_start(&children[i], look, &shared, sizeof(shared),
                             NULL) < 0)
            return 1;
    for (int i = 0; i < 3; i++) {
        mp_process_join(children[i], MP_FOREVER);
        mp_process_close(children[i]);
    }

    mp_set_print(shared.seen, stdout);
    printf("\n");
    if (mp_set_items(shared.odd, &odd) < 0)
        return 1;
    printf("superset: %d\n", mp_set_is_superset(shared.seen, odd));
    mp_set_subtract(shared.seen, odd);
    mp_set_print(shared.seen, stdout);
    mp_set_intersect(shared.seen, odd);
    mp_any_free(odd);
    printf("\n");
    mp_set_print(shared.seen, stdout);
    if (mp_set_pop(shared.seen, "i", &first) < 0)
        printf("\n%s\n", mp_last_error());
    mp_set_destroy(shared.seen);
    mp_set_destroy(shared.odd);
    return 0;
}
