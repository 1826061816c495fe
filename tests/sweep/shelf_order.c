/* SPDX-License-Identifier: MIT */
/* Queues that have an order of their own: the ring is emptied onto the shelf,
 * which grows. What comes out is in order whoever was killed meanwhile; one
 * message may be early or late: that which the victim had taken. */
#include "shelf_stage.h"

#include "queue/ring.h"

#include <string.h>

#define FEW  5u
#define FULL MP__SLOTS_FIRST
#define BULK 1000u /* the first id where there are so many */

static int64_t (*priority_of)(unsigned id);

/* ---- Priorities: a message has one that follows from its id. */

static int64_t
by_digit(unsigned id)
{
    return (int64_t)(id * 7 % 5) - 2;
}

static int
put_by_priority(unsigned id)
{
    unsigned char message[SIZE_MOST];

    stage_write(message, id);
    return mp_queue_put_priority(stage.queue, message, stage.size,
                                 priority_of(id), MP_FOREVER);
}

static void
put_first_by_priority(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sweep_check(put_by_priority(FIRST + i) == 0, "cannot put");
        shelf_was_put(FIRST + i);
    }
}

/* Whether `a` comes out before `b`. */
static int
comes_before(unsigned a, unsigned b)
{
    if (!priority_of)
        return a > b; /* the last first */
    if (priority_of(a) != priority_of(b))
        return priority_of(a) < priority_of(b);
    return a < b;
}

/* ---- Queues. */

static void
make_ordered(size_t size, uint32_t order, uint32_t redeliver, unsigned n)
{
    shelf_make(size, MP_QUEUE_ATTR(.order = order, .redeliver = redeliver));
    priority_of = order == MP_QUEUE_PRIORITY ? by_digit : NULL;
    if (priority_of)
        put_first_by_priority(n);
    else
        shelf_put_first(n);
}

static void
make_lifo(void)
{
    make_ordered(IN_SLOT, MP_QUEUE_LIFO, 0, FEW);
}

static void
make_lifo_large(void)
{
    make_ordered(BY_REFERENCE, MP_QUEUE_LIFO, 0, 3);
}

static void
make_lifo_redeliver(void)
{
    make_ordered(IN_BLOCK, MP_QUEUE_LIFO, 1, FEW);
}

static void
make_priority(void)
{
    make_ordered(IN_SLOT, MP_QUEUE_PRIORITY, 0, FEW);
}

static void
make_priority_redeliver(void)
{
    make_ordered(BY_REFERENCE, MP_QUEUE_PRIORITY, 1, 3);
}

/* All but one wait on the shelf, in its heap. */
static void
make_priority_on_shelf(void)
{
    make_ordered(IN_SLOT, MP_QUEUE_PRIORITY, 0, FEW);
    shelf_saw((unsigned)stage_get(MP_NOW));
}

/* The first segment of the shelf is full, and one more message comes. */
static void
make_shelf_full(void)
{
    make_ordered(IN_SLOT, MP_QUEUE_LIFO, 0, 0);
    for (unsigned i = 0; i < FULL; i++)
        shelf_put(BULK + i);
    mp_queue_next_size(stage.queue, MP_NOW);
    shelf_put(BULK + FULL);
}

/* The second segment of the shelf is not needed any more. */
static void
make_shelf_to_shrink(void)
{
    make_shelf_full();
    while (mp_queue_size(stage.queue) > 0)
        shelf_saw((unsigned)stage_get(MP_NOW));
}

/* ---- Who is killed. */

static void
victim_gets(void)
{
    shelf_get_and_note(0);
}

static void
victim_works(void)
{
    shelf_work(0);
}

static void
other_works(void)
{
    shelf_work(BY_OTHER);
}

static void
other_gets(void)
{
    shelf_get_and_note(BY_OTHER);
}

/* Nothing is there: it looks, and gives back what is not needed. */
static void
victim_looks(void)
{
    mp_queue_next_size(stage.queue, MP_NOW);
}

static void
victim_puts(void)
{
    if (put_by_priority(VICTIM) == 0)
        mp__store(&sweep.note[GOT], 1);
}

/* ---- What comes out. */

/* The harness takes all there is, and looks at the order. */
static void
check_order(unsigned victims)
{
    unsigned n = (unsigned)mp_queue_size(stage.queue), early = 0, i;
    int last = stage_get(mp_timeout(SWEEP_BOUND)), id;

    if (n == 0)
        return;
    for (i = 0; sweep_check(last > 0, "get: %d", last); i++, last = id) {
        shelf_saw((unsigned)last);
        mp_queue_task_done(stage.queue);
        if (i + 1 >= n)
            break;
        id = stage_get(mp_timeout(SWEEP_BOUND));
        if (id > 0)
            early += !comes_before((unsigned)last, (unsigned)id);
    }
    sweep_check(early <= victims, "%u messages are out of order", early);
}

/* A get is done when it returns. */
static void
check_got(unsigned victims)
{
    for (unsigned i = 0; i < victims; i++)
        if (mp__load(&sweep.note[i * BY_OTHER + GOT]))
            mp__store(&sweep.note[i * BY_OTHER + ENDED], 1);
    if (mp_queue_size(stage.queue) > 0)
        check_order(0);
    shelf_balance(victims);
    shelf_check_goes_on();
}

static void
check_gets(void)
{
    check_got(1);
}

/* A segment of the shelf that was given back by mistake is taken, and filled,
 * and must not be given back again with the queue. */
static void *filled[3];

static void
check_segments(void)
{
    size_t size = 2 * FULL * sizeof(struct mp__slot), i;

    mp__reap();
    for (i = 0; i < MP__LENGTH(filled); i++) {
        filled[i] = mp_alloc(size);
        memset(filled[i], 0xee, size);
    }
    check_gets();
}

static void
destroy_segments(void)
{
    stage_destroy();
    for (size_t i = 0; i < MP__LENGTH(filled); i++)
        sweep_check(mp_free(filled[i]) == 0, "a segment was given back twice");
}

static void
check_two_gets(void)
{
    check_got(2);
}

static void
check_works(void)
{
    if (mp_queue_size(stage.queue) > 0)
        check_order(1);
    shelf_check_one();
}

static void
check_two_works(void)
{
    shelf_check_two();
}

static void
check_put(void)
{
    unsigned n = stage_puts() - FEW;

    sweep_check(n >= mp__load(&sweep.note[GOT]), "a put is undone");
    if (n)
        shelf_was_put(VICTIM);
    check_order(0);
    mp__store(&sweep.note[GOT], 0);
    shelf_balance(0);
    shelf_check_goes_on();
}

#define ROW(name, make, act, test)                              \
    {                                                           \
        name, make, stage_enter, act, .check = test,            \
                                      .teardown = stage_destroy \
    }

const struct sweep_scenario sweep_shelf_order[] = {
    ROW("shelf.lifo-get", make_lifo, victim_gets, check_gets),
    ROW("shelf.lifo-get-large", make_lifo_large, victim_gets, check_gets),
    ROW("shelf.lifo-redeliver", make_lifo_redeliver, victim_works,
        check_works),
    ROW("shelf.priority-get", make_priority, victim_gets, check_gets),
    ROW("shelf.priority-get-waiting", make_priority_on_shelf, victim_gets,
        check_gets),
    ROW("shelf.priority-redeliver", make_priority_redeliver, victim_works,
        check_works),
    ROW("shelf.priority-put", make_priority, victim_puts, check_put),
    {"shelf.priority-after-a-death", make_priority, stage_enter, victim_gets,
     .check = check_two_gets, .teardown = stage_destroy, .before = other_gets},
    {"shelf.lifo-redeliver-after-a-death", make_lifo_redeliver, stage_enter,
     victim_works, .check = check_two_works, .teardown = stage_destroy,
     .before = other_works},
    {"shelf.grows", make_shelf_full, stage_enter, victim_gets,
     .check = check_segments, .teardown = destroy_segments},
    {"shelf.shrinks", make_shelf_to_shrink, stage_enter, victim_looks,
     .check = check_segments, .teardown = destroy_segments, .stride = 5},
    {0},
};
