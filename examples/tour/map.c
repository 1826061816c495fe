/* SPDX-License-Identifier: MIT */
/* Five processes share the work on an array; the results come back in its
 * order, whoever was first. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

enum { NUMBERS = 10 };

static int
square(const void *item, void *result, void *ctx)
{
    const int *number = item;
    int *squared = result;

    (void)ctx;
    *squared = *number * *number;
    return 0;
}

static void
say_list(const int *list, int n)
{
    char text[256] = "";

    for (int i = 0; i < n; i++) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof(text) - used, "%s%d", i ? ", " : "",
                 list[i]);
    }
    say("[%s]", text);
}

void
scene_map(void)
{
    const int numbers[NUMBERS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    int squares[NUMBERS];
    mp_pool *pool;

    MUST(mp_pool_create(&pool, 5, NULL));
    MUST(mp_pool_map(pool, square, numbers, sizeof(int), squares, sizeof(int),
                     NUMBERS, NULL));
    say_list(squares, NUMBERS);
    MUST(mp_pool_close(pool));
    MUST(mp_pool_join(pool, MP_FOREVER));
    MUST(mp_pool_destroy(pool));
}
