/* SPDX-License-Identifier: MIT */
/* A map over numbers, then one over pairs that does not wait, and of which an
 * item fails. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>

struct pair {
    int a, b;
};

static int
square(const void *item, void *result, void *ctx)
{
    const int *number = item;
    int *squared = result;

    (void)ctx;
    *squared = *number * *number;
    return 0;
}

static int
divide(const void *item, void *result, void *ctx)
{
    const struct pair *pair = item;
    int *quotient = result;

    (void)ctx;
    if (pair->b == 0)
        return -EINVAL;
    *quotient = pair->a / pair->b;
    return 0;
}

int
main(void)
{
    int numbers[] = {1, 2, 3, 4, 5}, squares[5];
    struct pair pairs[] = {{84, 2}, {1, 0}, {21, 3}};
    int quotients[3], codes[3];
    mp_result *result;
    mp_pool *pool;

    if (mp_pool_create(&pool, 2, NULL) < 0 ||
        mp_pool_map(pool, square, numbers, sizeof(int), squares, sizeof(int),
                    5, NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    for (int i = 0; i < 5; i++)
        printf("%d%c", squares[i], i < 4 ? ' ' : '\n');

    if (mp_pool_map_async(pool, divide, pairs, sizeof(struct pair), quotients,
                          sizeof(int), 3, MP_MAP_ATTR(.codes = codes),
                          &result) < 0)
        return 1;
    mp_result_wait(result, MP_FOREVER);
    printf("all went well: %s\n",
           mp_result_successful(result) == 1 ? "yes" : "no");
    for (int i = 0; i < 3; i++) {
        if (codes[i] < 0)
            printf("%d / %d: %s\n", pairs[i].a, pairs[i].b,
                   mp_strerror(codes[i]));
        else
            printf("%d / %d = %d\n", pairs[i].a, pairs[i].b, quotients[i]);
    }
    mp_result_free(result);
    mp_pool_destroy(pool);
    return 0;
}
