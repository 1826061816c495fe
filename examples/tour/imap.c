/* SPDX-License-Identifier: MIT */
/* Maps over what is read as it goes. imap gives the results in the order of
 * the items, imap_unordered as they come; neither reads further ahead than its
 * window, so the input may have no end. */
#include "tour.h"

enum { WINDOW = 4 };

struct reader {
    int last;
    int end; /* 0: none */
};

static int
read_number(void *item, void *arg)
{
    struct reader *reader = arg;

    if (reader->end && reader->last == reader->end)
        return 0;
    *(int *)item = ++reader->last;
    return 1;
}

/* Odd numbers take longer. */
static int
square(const void *item, void *result, void *ctx)
{
    const int *number = item;
    int *squared = result;

    (void)ctx;
    work_for(*number % 2 ? 0.06 : 0.01);
    *squared = *number * *number;
    return 0;
}

static void
in_order(mp_pool *pool)
{
    struct reader reader = {.end = 6};
    mp_imap *squares;
    int squared;

    MUST(mp_pool_imap(pool, square, read_number, &reader, sizeof(int),
                      sizeof(int), MP_MAP_ATTR(.window = WINDOW), &squares));
    while (MUST(mp_imap_next(squares, &squared, NULL, MP_FOREVER)))
        say("in order: %d", squared);
    MUST(mp_imap_free(squares));
}

static void
as_they_come(mp_pool *pool)
{
    struct reader reader = {.end = 6};
    mp_imap *squares;
    int squared;

    MUST(mp_pool_imap_unordered(pool, square, read_number, &reader,
                                sizeof(int), sizeof(int),
                                MP_MAP_ATTR(.window = WINDOW), &squares));
    while (MUST(mp_imap_next(squares, &squared, NULL, MP_FOREVER)))
        say("as they come: %d", squared);
    MUST(mp_imap_free(squares));
}

static void
without_end(mp_pool *pool)
{
    struct reader reader = {0};
    mp_imap *squares;
    int squared = 0;

    MUST(mp_pool_imap(pool, square, read_number, &reader, sizeof(int),
                      sizeof(int), MP_MAP_ATTR(.window = WINDOW), &squares));
    while (squared < 20)
        MUST(mp_imap_next(squares, &squared, NULL, MP_FOREVER));
    say("the first square from 20 on: %d", squared);
    CLAIM(reader.last <= 5 + WINDOW);
    MUST(mp_imap_free(squares)); /* what was read ahead is not wanted */
}

void
scene_imap(void)
{
    mp_pool *pool;

    MUST(mp_pool_create(&pool, 3, NULL));
    in_order(pool);
    as_they_come(pool);
    without_end(pool);
    MUST(mp_pool_destroy(pool));
}
