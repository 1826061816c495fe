/* SPDX-License-Identifier: MIT */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

/* def square(x): return x * x */
static int
square(const void *item, void *result, void *context)
{
    int x = *(const int *)item;

    (void)context;
    *(int *)result = x * x;
    return 0;
}

/* def greet(q): q.put([42, None, 'Hello']) */
static int
greet(void *queue)
{
    return mp_queue_putf(*(mp_queue **)queue, "[i,n,s]", 42, "Hello");
}

int
main(void)
{
    int in[] = {1, 2, 3, 4, 5}, out[5], n;
    mp_process *process;
    mp_queue *queue;
    mp_pool *pool;
    char *text;

    /* with Pool(2) as pool: out = pool.map(square, [1, 2, 3, 4, 5]) */
    mp_pool_create(&pool, 2, NULL);
    mp_pool_map(pool, square, in, sizeof(*in), out, sizeof(*out), 5, NULL);
    mp_pool_destroy(pool);
    for (int i = 0; i < 5; i++)
        printf("%d\n", out[i]);

    /* q = Queue(); p = Process(target=greet, args=(q,)); p.start() */
    mp_queue_create(&queue, NULL);
    mp_process_start(&process, greet, &queue, sizeof(queue), NULL);

    /* n, _, text = q.get(); p.join() */
    if (mp_queue_getf(queue, "[i,n,s]", &n, &text) < 0)
        return fprintf(stderr, "%s\n", mp_last_error()), 1;
    mp_process_join(process, MP_FOREVER);
    printf("%d %s\n", n, text);
    free(text);
    return 0;
}
