/* SPDX-License-Identifier: MIT */
/* Consumers who are killed while they take a message and are done with it, in
 * queues of all kinds; and those who find that another died over one. */
#include "shelf_stage.h"

#include "os/clock.h"
#include "region/participant.h"

#include <errno.h>
#include <sched.h>

#define REDELIVER MP_QUEUE_ATTR(.redeliver = 1)
#define JOINABLE  MP_QUEUE_ATTR(.joinable = 1)

static void
make_with_three(size_t size, const mp_queue_attr *attr)
{
    shelf_make(size, attr);
    shelf_put_first(3);
}

#define MAKE(name, size, attr)       \
    static void make_##name(void)    \
    {                                \
        make_with_three(size, attr); \
    }

MAKE(redeliver, IN_SLOT, REDELIVER)
MAKE(redeliver_block, IN_BLOCK, REDELIVER)
MAKE(redeliver_large, BY_REFERENCE, REDELIVER)
MAKE(joinable, IN_SLOT, JOINABLE)
MAKE(joinable_block, IN_BLOCK, JOINABLE)
MAKE(joinable_large, BY_REFERENCE, JOINABLE)
MAKE(plain, IN_SLOT, NULL)
MAKE(plain_block, IN_BLOCK, NULL)
MAKE(plain_large, BY_REFERENCE, NULL)

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

/* ---- Somebody died over a message. */

/* The message was tried `n` times. */
static void
make_left_behind(size_t size, unsigned n)
{
    shelf_make(size, REDELIVER);
    shelf_put_first(1);
    for (; n > 0; n--)
        shelf_take_and_die();
}

static void
make_left(void)
{
    make_left_behind(IN_SLOT, 1);
}

static void
make_left_twice(void)
{
    make_left_behind(IN_BLOCK, 2);
}

static void
make_left_large(void)
{
    make_left_behind(BY_REFERENCE, 1);
}

/* A consumer sees that others have died over its message. */
static void
check_attempt(void)
{
    uint64_t got = mp__load(&sweep.note[GOT]);
    mp_message m;
    int r;

    if (mp_queue_unfinished(stage.queue) > 0) {
        r = mp_queue_take(stage.queue, &m, mp_timeout(SWEEP_BOUND));
        if (!sweep_check(r == 0, "take: %s", mp_strerror(r)))
            return;
        sweep_check(m.attempt == 2 || (m.attempt == 3 && got) ||
                        (m.attempt == 3 && !sweep.completed),
                    "it is attempt %u", m.attempt);
        sweep_check(stage_read(m.data, m.size) == (int)FIRST,
                    "it is another message");
        shelf_saw(FIRST);
        r = mp_message_done(stage.queue, &m);
        sweep_check(r == 0, "done: %s", mp_strerror(r));
    }
    shelf_check_one();
}

/* ---- Too many died over it. */

static mp_queue *letters;

static void
make_letter(size_t size, mp_queue *to)
{
    letters = to;
    shelf_make(size, MP_QUEUE_ATTR(.redeliver = 1, .max_attempts = 1,
                                   .dead_letters = to));
    shelf_put_first(2);
    shelf_take_and_die();
    mp__reap(); /* who comes to get looks for the dead, since one was buried */
}

static void
make_letters_queue(size_t size, const mp_queue_attr *attr)
{
    mp_queue *to = NULL;
    int r = mp_queue_create(&to, attr);

    sweep_check(r == 0, "cannot create a queue: %s", mp_strerror(r));
    make_letter(size, to);
}

static void
make_letter_small(void)
{
    make_letters_queue(IN_SLOT, NULL);
}

static void
make_letter_block(void)
{
    make_letters_queue(IN_BLOCK, MP_QUEUE_ATTR(.order = MP_QUEUE_LIFO));
}

static void
make_letter_large(void)
{
    make_letters_queue(BY_REFERENCE, REDELIVER);
}

static void
make_thrown_away(void)
{
    make_letter(BY_REFERENCE, NULL);
}

/* The harness gets and is done until nothing is unfinished. The message that
 * the victim got, if it died over it, goes the way of the first. */
static void
settle_with_letters(void)
{
    mp_time deadline = mp_timeout(SWEEP_BOUND);

    while (mp_queue_unfinished(stage.queue) > 0) {
        int id = stage_get(MP_NOW);

        if (!sweep_check(mp__now() < deadline, "a dead letter stays: %d", id))
            return;
        if (id > 0) {
            shelf_saw((unsigned)id);
            mp_queue_task_done(stage.queue);
        }
        sched_yield();
    }
}

static void
check_letters(void)
{
    mp_queue *queue = stage.queue;
    unsigned n = 0, lost;
    int r, id;

    settle_with_letters();
    stage.queue = letters;
    for (; letters && (id = stage_get(MP_NOW)) != -EAGAIN; n++) {
        if (!sweep_check(id > 0, "a letter cannot be got: %d", id))
            break;
        shelf_saw((unsigned)id);
    }
    stage.queue = queue;
    sweep_check(!letters || n > 0, "the letter is lost");
    lost = letters ? 0 : 1 + !mp__load(&sweep.note[ENDED]);
    r = mp_queue_join(queue, mp_timeout(SWEEP_BOUND));
    sweep_check(r == (lost ? -ESRCH : 0), "join: %s", mp_strerror(r));
    if (letters)
        shelf_balance(1);
    shelf_put(LATER);
    settle_with_letters();
}

static void
destroy_both(void)
{
    stage_destroy();
    sweep_check(!letters || mp_queue_destroy(letters) == 0,
                "cannot destroy the letters");
    letters = NULL;
}

#define ROW(name, make, act)                                    \
    {                                                           \
        name, make, stage_enter, act, .check = shelf_check_one, \
                                      .teardown = stage_destroy \
    }
#define LETTER(name, make)                                              \
    {                                                                   \
        name, make, stage_enter, victim_works, .check = check_letters,  \
                                               .teardown = destroy_both \
    }

const struct sweep_scenario sweep_shelf_get[] = {
    ROW("shelf.redeliver-get", make_redeliver, victim_works),
    ROW("shelf.redeliver-get-block", make_redeliver_block, victim_works),
    ROW("shelf.redeliver-get-large", make_redeliver_large, victim_works),
    ROW("shelf.redeliver-take", make_redeliver, victim_takes),
    ROW("shelf.redeliver-take-block", make_redeliver_block, victim_takes),
    ROW("shelf.redeliver-take-large", make_redeliver_large, victim_takes),
    ROW("shelf.joinable-get", make_joinable, victim_works),
    ROW("shelf.joinable-get-large", make_joinable_large, victim_works),
    ROW("shelf.joinable-take", make_joinable, victim_takes),
    ROW("shelf.joinable-take-block", make_joinable_block, victim_takes),
    ROW("shelf.joinable-take-large", make_joinable_large, victim_takes),
    ROW("shelf.plain-take", make_plain, victim_takes),
    ROW("shelf.plain-take-block", make_plain_block, victim_takes),
    ROW("shelf.plain-take-large", make_plain_large, victim_takes),
    {"shelf.left-behind", make_left, stage_enter, victim_works,
     .check = check_attempt, .teardown = stage_destroy},
    {"shelf.left-behind-large", make_left_large, stage_enter, victim_works,
     .check = check_attempt, .teardown = stage_destroy},
    ROW("shelf.left-behind-twice", make_left_twice, victim_works),
    {"shelf.redeliver-after-a-death", make_redeliver, stage_enter,
     victim_works, .check = shelf_check_two, .teardown = stage_destroy,
     .before = other_works},
    {"shelf.redeliver-large-after-a-death", make_redeliver_large, stage_enter,
     victim_works, .check = shelf_check_two, .teardown = stage_destroy,
     .before = other_works},
    LETTER("shelf.letter", make_letter_small),
    LETTER("shelf.letter-block", make_letter_block),
    LETTER("shelf.letter-large", make_letter_large),
    LETTER("shelf.thrown-away", make_thrown_away),
    {0},
};
