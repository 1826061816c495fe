/* SPDX-License-Identifier: MIT */
/* Two users of a queue with a shelf are killed: one with a message, the other
 * as it finds out; two who put the same message back; one who commits what it
 * had reserved beside one who puts. */
#include "shelf_stage.h"

#include <string.h>

/* ---- Queues. */

static void
make_one(size_t size, uint32_t order)
{
    shelf_make(size, MP_QUEUE_ATTR(.redeliver = 1, .order = order));
    shelf_put_first(1);
}

static void
make_one_small(void)
{
    make_one(IN_SLOT, MP_QUEUE_FIFO);
}

static void
make_one_large(void)
{
    make_one(BY_REFERENCE, MP_QUEUE_LIFO);
}

static void
make_three_joinable(void)
{
    shelf_make(IN_BLOCK, MP_QUEUE_ATTR(.joinable = 1));
    shelf_put_first(3);
}

static void
make_three_priority(void)
{
    shelf_make(IN_SLOT, MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
    shelf_put_first(3);
}

/* Somebody has died over the first message. */
static void
make_left_behind(void)
{
    make_one(IN_BLOCK, MP_QUEUE_FIFO);
    shelf_put(FIRST + 1);
    shelf_take_and_die();
}

static void
make_large(void)
{
    shelf_make(BY_REFERENCE, NULL);
}

/* ---- The two. */

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
victim_takes(void)
{
    shelf_take_and_work(0);
}

static void
other_takes(void)
{
    shelf_take_and_work(BY_OTHER);
}

static void
victim_gets(void)
{
    shelf_get_and_note(0);
}

static void
other_gets(void)
{
    shelf_get_and_note(BY_OTHER);
}

/* Whoever of them sleeps for a message gets another. */
static void
put_one_more(void)
{
    static unsigned n;

    shelf_put(BESIDE + n++ % 50);
}

static unsigned char prepared[2][BY_REFERENCE];

static void
prepare_messages(void)
{
    mp__enter();
    stage_write(prepared[0], VICTIM);
    stage_write(prepared[1], VICTIM + 1);
}

static void
victim_commits(void)
{
    void *data;

    if (mp_queue_reserve(stage.queue, stage.size, &data, MP_FOREVER) < 0)
        return;
    memcpy(data, prepared[0], stage.size);
    if (mp_queue_commit(stage.queue, data) == 0)
        mp__store(&sweep.note[0], 1);
}

static void
other_puts(void)
{
    if (mp_queue_put(stage.queue, prepared[1], stage.size, MP_FOREVER) == 0)
        mp__store(&sweep.note[BY_OTHER], 1);
}

/* ---- What became of it. */

/* A get is done when it returns. */
static void
check_gets(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (mp__load(&sweep.note[i * BY_OTHER + GOT]))
            mp__store(&sweep.note[i * BY_OTHER + ENDED], 1);
    shelf_check_two();
}

static void
check_puts(void)
{
    unsigned n = stage_puts(), seen[2] = {0};
    int id, i;

    while (mp_queue_size(stage.queue) > 0) {
        id = stage_get(mp_timeout(SWEEP_BOUND));
        if (!sweep_check(id == (int)VICTIM || id == (int)VICTIM + 1, "get: %d",
                         id))
            break;
        sweep_check(seen[id - (int)VICTIM]++ == 0, "%d came twice", id);
    }
    sweep_check(seen[0] + seen[1] == n, "%u of %u came out", seen[0] + seen[1],
                n);
    for (i = 0; i < 2; i++)
        sweep_check(seen[i] || !mp__load(&sweep.note[i * BY_OTHER]),
                    "message %d was put and is lost", i);
    stage_check_rest(0, 0);
}

#define TWO(name, make, one, another, test)                                 \
    {                                                                       \
        name, make, stage_enter, one,                                       \
            .wake = put_one_more, .check = test, .teardown = stage_destroy, \
            .other_prepare = stage_enter, .other = another                  \
    }

const struct sweep_scenario sweep_shelf_pair[] = {
    TWO("pair.shelf-work-work", make_three_joinable, victim_works, other_works,
        shelf_check_two),
    TWO("pair.shelf-get-get", make_three_priority, victim_gets, other_gets,
        check_gets),
    TWO("pair.shelf-take-over", make_one_small, victim_works, other_works,
        shelf_check_two),
    TWO("pair.shelf-take-over-large", make_one_large, victim_takes,
        other_takes, shelf_check_two),
    TWO("pair.shelf-return-return", make_left_behind, victim_works,
        other_takes, shelf_check_two),
    {"pair.reserve-put", make_large, prepare_messages, victim_commits,
     .check = check_puts, .teardown = stage_destroy,
     .other_prepare = prepare_messages, .other = other_puts},
    {0},
};
