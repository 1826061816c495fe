/* SPDX-License-Identifier: MIT */
/* The numbers have no end, and the pool does not mind: it is never more than
 * the window ahead of who asks for the results. */
#include <mproc.h>
#include <stdio.h>

struct source {
    long next;
};

static int
count(void *item, void *arg)
{
    struct source *source = arg;

    *(long *)item = source->next++;
    return 1; /* there is one; there always is */
}

static int
is_prime(const void *item, void *result, void *ctx)
{
    const long n = *(const long *)item;
    int *prime = result;

    (void)ctx;
    *prime = n > 1;
    for (long i = 2; i * i <= n && *prime; i++)
        *prime = n % i != 0;
    return 0;
}

int
main(void)
{
    struct source source = {.next = 1000000};
    mp_imap *primes;
    mp_pool *pool;
    size_t index;
    int prime, found = 0;

    if (mp_pool_create(&pool, 2, NULL) < 0 ||
        mp_pool_imap(pool, is_prime, count, &source, sizeof(long), sizeof(int),
                     MP_MAP_ATTR(.window = 8), &primes) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    while (found < 3 &&
           mp_imap_next(primes, &prime, &index, MP_FOREVER) == 1) {
        if (prime)
            printf("prime %d: %zu\n", ++found, 1000000 + index);
    }
    printf("read ahead: at most 8, that is %s\n",
           source.next - 1000000 - (long)index <= 9 ? "true" : "wrong");

    mp_imap_free(primes); /* the rest is not wanted */
    mp_pool_destroy(pool);
    return 0;
}
