/* SPDX-License-Identifier: MIT */
/* A function of several arguments takes a struct of them: what Python calls
 * starmap is a map over an array of structs. Also with a loop, for comparison,
 * and without waiting. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

enum { PRODUCTS = 10, WORKERS = 5 };

struct factors {
    int a, b;
};

static int
multiply(const void *item, void *result, void *ctx)
{
    const struct factors *of = item;
    int *product = result;

    (void)ctx;
    work_for(0.05);
    *product = of->a * of->b;
    return 0;
}

static void
say_products(const int *products)
{
    char text[128] = "";

    for (int i = 0; i < PRODUCTS; i++) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof(text) - used, "%s%d", i ? ", " : "",
                 products[i]);
    }
    say("[%s]", text);
}

void
scene_starmap(void)
{
    int products[PRODUCTS];
    struct factors factors[PRODUCTS];
    mp_result *result;
    mp_pool *pool;
    double begin;

    for (int i = 0; i < PRODUCTS; i++)
        factors[i] = (struct factors){i, 10 - i};

    begin = seconds();
    for (int i = 0; i < PRODUCTS; i++)
        MUST(multiply(&factors[i], &products[i], NULL));
    say("in a loop: %.1f s", seconds() - begin);

    MUST(mp_pool_create(&pool, WORKERS, NULL));
    begin = seconds();
    MUST(mp_pool_map(pool, multiply, factors, sizeof(*factors), products,
                     sizeof(*products), PRODUCTS, NULL));
    say("by a pool of %d: %.1f s", WORKERS, seconds() - begin);
    say_products(products);

    MUST(mp_pool_map_async(pool, multiply, factors, sizeof(*factors), products,
                           sizeof(*products), PRODUCTS, NULL, &result));
    say("again, without waiting: ready: %d", mp_result_ready(result));
    MUST(mp_result_wait(result, MP_FOREVER));
    say("and now: ready: %d, successful: %d", mp_result_ready(result),
        mp_result_successful(result));
    MUST(mp_result_free(result));
    MUST(mp_pool_destroy(pool));
}
