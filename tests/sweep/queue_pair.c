/* SPDX-License-Identifier: MIT */
/* Two users of a queue are killed, each at any of its instructions.
 *
 * Whatever they did, the books must balance: as many messages come out as the
 * positions say, each once, whole and in order. Of what was put, only what a
 * killed consumer had taken is missing. And those beside them get what was
 * committed, and the places that were made, without anybody's help. */
#include "queue_stage.h"

#include <string.h>

#define OTHER 250u /* the id of what the other one puts */
#define IDS   1000u

/* Notes: how far each of the two came. A producer notes that its put returned,
 * a consumer the id that it got. */
enum { NOTE_VICTIM, NOTE_OTHER };

static unsigned char prepared[2][SIZE_MOST], taken[SIZE_MOST];

static struct {
    unsigned first;     /* messages that were there first */
    unsigned woken;     /* ... or put, or taken, to wake somebody */
    unsigned consumers; /* of the two victims */
    unsigned char seen[IDS];
} books;

/* ---- The two. */

static void
prepare_both(void)
{
    mp__enter();
    stage_write(prepared[0], VICTIM);
    stage_write(prepared[1], OTHER);
}

static void
put_and_note(unsigned char *message, unsigned note)
{
    if (mp_queue_put(stage.queue, message, stage.size, MP_FOREVER) == 0)
        mp__store(&sweep.note[note], 1);
}

static void
get_and_note(unsigned note)
{
    unsigned id;

    if (mp_queue_get(stage.queue, taken, SIZE_MOST, MP_FOREVER) < 0)
        return;
    memcpy(&id, taken, sizeof(id));
    mp__store(&sweep.note[note], id);
}

static void
victim_puts(void)
{
    put_and_note(prepared[0], NOTE_VICTIM);
}

static void
other_puts(void)
{
    put_and_note(prepared[1], NOTE_OTHER);
}

static void
victim_gets(void)
{
    get_and_note(NOTE_VICTIM);
}

static void
other_gets(void)
{
    get_and_note(NOTE_OTHER);
}

/* ---- The books. */

static void
begin_books(unsigned first, unsigned consumers)
{
    memset(&books, 0, sizeof(books));
    books.first = first;
    books.consumers = consumers;
}

static void
see(unsigned id, const char *where)
{
    if (sweep_check(id > 0 && id < IDS, "%s: message %u", where, id))
        sweep_check(books.seen[id]++ == 0, "message %u came twice", id);
}

static void
see_actor(const struct sweep_actor *actor)
{
    for (unsigned i = 0; actor && i < mp__load(&actor->done); i++)
        see((unsigned)mp__load(&actor->value[i]), "a survivor");
}

/* The harness takes out what is there. Those that were there first come in
 * their order. */
static unsigned
drain(void)
{
    unsigned n = 0, last = 0;

    for (; !mp_queue_empty(stage.queue); n++) {
        int id = stage_get(mp_timeout(SWEEP_BOUND));

        if (!sweep_check(id > 0, "get: %d", id))
            break;
        see((unsigned)id, "what is left");
        if (id < (int)VICTIM)
            sweep_check((unsigned)id > last, "%d comes after %u", id, last);
        last = (unsigned)id;
    }
    return n;
}

/* What returned to a victim must be in order whatever became of it. */
static void
see_victims(void)
{
    unsigned puts = 2 - books.consumers, i;

    for (i = 0; i < 2; i++) {
        unsigned id = (unsigned)mp__load(&sweep.note[i]);

        if (id > 1)
            see(id, "a victim");
    }
    for (i = 0; i < 2 && puts; i++) {
        unsigned id = i == NOTE_VICTIM ? VICTIM : OTHER;

        if (mp__load(&sweep.note[i]) == 1)
            sweep_check(books.seen[id] || books.consumers,
                        "message %u was put and is lost", id);
    }
}

static void
check_books(unsigned puts, unsigned gets)
{
    unsigned seen = 0, i;

    for (i = 0; i < IDS; i++)
        seen += books.seen[i];
    sweep_check(seen <= puts, "%u messages came out of %u", seen, puts);
    sweep_check(puts - seen <= books.consumers,
                "%u of %u messages are lost, with %u consumers dead",
                puts - seen, puts, books.consumers);
    sweep_check(gets == puts, "%u puts, %u gets at the end", puts, gets);
}

static void
check_pair(void)
{
    unsigned left = stage_puts() - stage_gets(), n;

    see_actor(stage.one);
    n = drain();
    sweep_check(n == left, "%u messages came out, not %u", n, left);
    see_victims();
    check_books(stage_puts(), stage_gets());
    stage_check_rest(0, 0);
}

/* ---- What there is at first. */

static void
make_three(void)
{
    stage_make_small();
    stage_put_first(3);
    begin_books(3, 2);
}

static void
make_three_large(void)
{
    stage_make_large();
    stage_put_first(3);
    begin_books(3, 2);
}

static void
make_empty(void)
{
    stage_make_small();
    begin_books(0, 0);
}

static void
make_empty_large(void)
{
    stage_make_large();
    begin_books(0, 0);
}

static void
make_to_grow(void)
{
    stage_make_grow();
    begin_books(stage_count_grow(), 0);
}

static void
make_to_jump(void)
{
    unsigned n, i;

    stage_make_grow();
    n = stage_count_grow();
    stage_put_bound(FIRST + n);
    stage_put_bound(FIRST + n + 1);
    begin_books(n + 2, 2);
    for (i = 0; i < n; i++)
        see((unsigned)stage_get(MP_NOW), "the first");
}

static void
make_one(void)
{
    stage_make_small();
    stage_put_first(1);
    begin_books(1, 1);
}

static void
make_one_large(void)
{
    stage_make_large();
    stage_put_first(1);
    begin_books(1, 1);
}

/* ---- Somebody sleeps, whom both of them should wake. */

static void
make_consumer_asleep(void)
{
    make_empty();
    stage.one = stage_consumer(2);
    sweep_await_sleep(stage.one);
}

static void
make_large_consumer_asleep(void)
{
    make_empty_large();
    stage.one = stage_consumer(2);
    sweep_await_sleep(stage.one);
}

static void
check_consumer(void)
{
    unsigned n = stage_puts();

    if (!sweep_await_done(stage.one, n))
        return;
    for (; n < 2; n++)
        stage_put_bound(LATER + 10 + n);
    if (sweep_await_end(stage.one))
        check_pair();
}

static void
make_producer_asleep(void)
{
    stage_make(2, 40);
    stage_put_first(2);
    begin_books(2, 2);
    stage.one = stage_producer(2);
    sweep_await_sleep(stage.one);
}

static void
check_producer(void)
{
    unsigned n = stage_gets();
    struct sweep_actor *one = stage.one;

    if (!sweep_await_done(one, n < 2 ? n : 2))
        return;
    for (; n < 2; n++) {
        int id = stage_get(mp_timeout(SWEEP_BOUND));

        see(id < 0 ? 0 : (unsigned)id, "the harness");
    }
    if (!sweep_await_end(one))
        return;
    stage.one = NULL;
    check_pair();
}

/* ---- The two sleep themselves: one first in line, one behind it. */

static void
make_to_sleep(void)
{
    make_empty();
    books.consumers = 2;
}

static void
put_one_more(void)
{
    stage_put_bound(FIRST + 20 + books.woken++);
}

static void
make_full(void)
{
    stage_make_full();
    begin_books(1, 0);
}

static void
get_one_more(void)
{
    int id = stage_get(mp_timeout(SWEEP_BOUND));

    see(id < 0 ? 0 : (unsigned)id, "the harness");
}

/* Whichever of a producer and a consumer sleeps. */
static void
help_either(void)
{
    if (mp_queue_full(stage.queue))
        get_one_more();
    else
        put_one_more();
}

/* One producer sleeps, since the queue is full; the other one makes room. */
static void
make_full_for_both(void)
{
    stage_make_full();
    begin_books(1, 1);
}

/* ... or the consumer sleeps, and the other one puts. */
static void
make_empty_for_both(void)
{
    make_empty();
    books.consumers = 1;
}

#define TWO(name, make, one, another, test)                 \
    {                                                       \
        name, make, prepare_both, one,                      \
            .check = test, .teardown = stage_destroy,       \
            .other_prepare = prepare_both, .other = another \
    }
#define TWO_WOKEN(name, make, one, another, waker)                         \
    {                                                                      \
        name, make, prepare_both, one,                                     \
            .wake = waker, .check = check_pair, .teardown = stage_destroy, \
            .other_prepare = prepare_both, .other = another                \
    }

const struct sweep_scenario sweep_queue_pair[] = {
    TWO("pair.put-put", make_empty, victim_puts, other_puts, check_pair),
    TWO("pair.put-put-large", make_empty_large, victim_puts, other_puts,
        check_pair),
    TWO("pair.put-put-grows", make_to_grow, victim_puts, other_puts,
        check_pair),
    TWO("pair.put-put-consumer-asleep", make_consumer_asleep, victim_puts,
        other_puts, check_consumer),
    TWO("pair.put-put-large-consumer-asleep", make_large_consumer_asleep,
        victim_puts, other_puts, check_consumer),
    TWO("pair.get-get", make_three, victim_gets, other_gets, check_pair),
    TWO("pair.get-get-large", make_three_large, victim_gets, other_gets,
        check_pair),
    TWO("pair.get-get-next-segment", make_to_jump, victim_gets, other_gets,
        check_pair),
    TWO("pair.get-get-producer-asleep", make_producer_asleep, victim_gets,
        other_gets, check_producer),
    TWO("pair.put-get", make_one, victim_puts, other_gets, check_pair),
    TWO("pair.get-put-large", make_one_large, victim_gets, other_puts,
        check_pair),
    TWO_WOKEN("pair.get-put-empty", make_empty_for_both, victim_gets,
              other_puts, put_one_more),
    TWO_WOKEN("pair.put-get-full", make_full_for_both, victim_puts, other_gets,
              help_either),
    TWO_WOKEN("pair.get-get-in-line", make_to_sleep, victim_gets, other_gets,
              put_one_more),
    TWO_WOKEN("pair.put-put-in-line", make_full, victim_puts, other_puts,
              get_one_more),
    {0},
};
