/* SPDX-License-Identifier: MIT */
/* A child negates numbers and moves points, in place. */
#include <mproc.h>

struct point {
    double x, y;
};

struct shared {
    mp_array *numbers, *points;
};

static int
change(void *arg)
{
    struct shared *shared = arg;
    int *numbers = mp_array_data(shared->numbers);
    struct point *points = mp_array_data(shared->points);

    for (size_t i = 0; i < mp_array_len(shared->numbers); i++)
        numbers[i] = -numbers[i];
    for (size_t i = 0; i < mp_array_len(shared->points); i++)
        points[i].y += 0.5;
    return mp_array_set(shared->numbers, -1, 100) < 0;
}

int
main(void)
{
    const int numbers[] = {0, 1, 2, 3, 4};
    const struct point points[] = {{1, 2}, {3, 4}};
    const struct point *moved;
    struct shared shared;
    mp_process *child;
    int last;

    if (mp_array_create(&shared.numbers, 'i', 5, numbers) < 0 ||
        mp_array_create_of(&shared.points, sizeof(*points), 2, points) < 0)
        return 1;
    if (mp_process_start(&child, change, &shared, sizeof(shared), NULL) < 0)
        return 1;
    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);

    mp_array_print(shared.numbers, stdout);
    moved = mp_array_data(shared.points);
    printf("\n(%g, %g), (%g, %g)\n", moved[0].x, moved[0].y, moved[1].x,
           moved[1].y);
    if (mp_array_get(shared.numbers, 5, &last) < 0)
        printf("%s\n", mp_last_error());
    mp_array_destroy(shared.numbers);
    mp_array_destroy(shared.points);
    return 0;
}
