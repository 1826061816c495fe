/* SPDX-License-Identifier: MIT */
/* A pool of five processes squares the numbers from 1 to 10.
 *
 * Python: Pool(5).map(f, numbers) is map(f, numbers), done by five processes.
 * Who has done one number takes another; the list of results has the order of
 * the numbers, whoever was first.
 *
 * Here: mp_pool_create(), mp_pool_map(). Items and results are arrays of any
 * type, so the function gets a pointer to an item and one to the room for its
 * result. A function of several arguments takes a struct of them as its item
 * (see ../tour/starmap.c). */
#include "must.h"

enum { NUMBERS = 10 };

static int
square(const void *item, void *result, void *ctx)
{
    const int *x = item;

    (void)ctx;
    *(int *)result = *x * *x;
    return 0;
}

int
main(void)
{
    const int numbers[NUMBERS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    int squares[NUMBERS];
    mp_pool *pool;

    MUST(mp_pool_create(&pool, 5, NULL));
    MUST(mp_pool_map(pool, square, numbers, sizeof(int), squares, sizeof(int),
                     NUMBERS, NULL));
    for (int i = 0; i < NUMBERS; i++)
        printf("%d * %d = %d\n", numbers[i], numbers[i], squares[i]);
    MUST(mp_pool_destroy(pool));
    return 0;
}
