/* SPDX-License-Identifier: MIT */
/* Memory returns: after a burst through a queue, the family holds what is worth
 * keeping, and no more. The numbers are the kernel's: pages of the region. */
#include "os/meminfo.h"
#include "region/kin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB   ((size_t)1024)
#define MIB   (KIB * KIB)
#define GIB   (KIB * MIB)
#define KEPT  (256 * MIB) /* freed memory that is worth keeping, of small and */
#define LARGE (512 * MIB) /* of large messages */
#define BURST (mp_test_scale() > 1 ? GIB / 8 : GIB)

static const size_t sizes[] = {64 * MIB, MIB, 64 * KIB, 4 * KIB, 100};

struct burst {
    mp_queue *queue;
    size_t size, n;
};

static int
produce(void *arg, int i)
{
    struct burst *burst = arg;
    char *message = calloc(1, burst->size);
    int r = 0;

    (void)i;
    if (message == NULL)
        return 1;
    memset(message, 'm', burst->size);
    for (size_t n = 0; n < burst->n && r == 0; n++)
        r = mp_queue_put(burst->queue, message, burst->size, MP_FOREVER);
    free(message);
    return r;
}

static int
consume(void *arg, int i)
{
    struct burst *burst = arg;
    char *message = malloc(burst->size);
    ssize_t size = (ssize_t)burst->size, r = size;

    (void)i;
    if (message == NULL)
        return 1;
    for (size_t n = 0; n < burst->n && r == size; n++)
        r = mp_queue_get(burst->queue, message, burst->size, MP_FOREVER);
    free(message);
    return r == size ? 0 : 2;
}

static int
has_memory(void)
{
    if (mp__memory_available("") > 3 * BURST)
        return 1;
    fprintf(stderr, "skipped: there is too little memory for a burst\n");
    return 0;
}

START_TEST(queue_memory_returns_after_a_burst)
{
    struct burst *burst = mp_new(struct burst);
    size_t kept = sizes[_i] < 64 * MIB ? KEPT : LARGE;
    uint64_t before;

    if (!has_memory())
        return;
    burst->size = sizes[_i];
    burst->n = BURST / burst->size;
    must(mp_memory_trim());
    before = pages_of_region();
    must(mp_queue_create(&burst->queue, NULL));
    kin_run(PROCESSES, 1, produce, burst);
    ck_assert_uint_ge(pages_of_region(), before + burst->n * burst->size);
    ck_assert_uint_eq(mp_queue_size(burst->queue), burst->n);
    kin_run(PROCESSES, 1, consume, burst);
    ck_assert_int_eq(mp_queue_empty(burst->queue), 1);
    ck_assert_uint_le(pages_of_region(), before + kept + 128 * MIB);
    must(mp_queue_destroy(burst->queue));
    ck_assert_uint_le(pages_of_region(), before + kept + MIB);
    must(mp_memory_trim());
    ck_assert_uint_le(pages_of_region(), before + 2 * MIB);
    must(mp_free(burst));
    heap_now();
}
END_TEST

/* As much again and again takes no more than once. */
START_TEST(queue_memory_of_a_second_burst_is_that_of_the_first)
{
    struct burst *burst = mp_new(struct burst);
    mp_memory_statistics now = {.size = sizeof(now)};
    uint64_t peak;

    burst->size = 100 * KIB;
    burst->n = 64 * MIB / burst->size;
    must(mp_queue_create(&burst->queue, NULL));
    kin_run(PROCESSES, 1, produce, burst);
    kin_run(PROCESSES, 1, consume, burst);
    must(mp_memory_stats(&now));
    peak = now.peak;
    for (int i = 0; i < 3; i++) {
        kin_run(PROCESSES, 1, produce, burst);
        kin_run(PROCESSES, 1, consume, burst);
    }
    must(mp_memory_stats(&now));
    ck_assert_uint_le(now.peak, peak + MIB);
    must(mp_queue_destroy(burst->queue));
    must(mp_free(burst));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue-memory");
    TCase *tcase = mp_test_case(suite, "memory", 60);

    tcase_add_loop_test(tcase, queue_memory_returns_after_a_burst, 0,
                        LENGTH(sizes));
    tcase_add_test(tcase, queue_memory_of_a_second_burst_is_that_of_the_first);
    return mp_test_main(suite);
}
