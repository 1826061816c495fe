/* SPDX-License-Identifier: MIT */
/* Consumers that are killed while they take a value apart: it was taken, or it
 * is the first of all for whoever comes next. */
#include "sweep.h"

#include <string.h>

enum { VALUES = 3 };

static mp_queue *queue;
static int redelivers;

static void
make(const mp_queue_attr *attr)
{
    redelivers = attr && attr->redeliver;
    sweep_check(mp_queue_create(&queue, attr) == 0, "no queue");
    for (int i = 1; i <= VALUES; i++)
        sweep_check(mp_queue_putf(queue, "[i,n]", i) == 0, "no value");
}

static void
make_queue(void)
{
    make(NULL);
}

static void
make_joinable(void)
{
    make(MP_QUEUE_ATTR(.joinable = 1));
}

static void
make_redelivering(void)
{
    make(MP_QUEUE_ATTR(.redeliver = 1));
}

static void
make_ordered(void)
{
    make(MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
}

static void
end_queue(void)
{
    sweep_check(mp_queue_destroy(queue) == 0, "%s", mp_last_error());
}

static void
look_at_queue(void)
{
    mp_queue_size(queue);
}

static void
victim_gets(void)
{
    int n;

    if (mp_queue_getf(queue, "[i,n]", &n) == 0)
        mp__store(&sweep.note[0], (uint64_t)n);
}

/* It does not fit: nothing is taken. */
static void
victim_refuses(void)
{
    int n;

    if (mp_queue_getf(queue, "[i,i]", &n, &n) < 0)
        mp__store(&sweep.note[0], 100);
}

/* What comes is in its order, whole, and from 1 or 2 on. */
static void
get_rest(struct sweep_actor *actor)
{
    int n, last = 0;

    while (!mp_queue_empty(queue)) {
        if (mp_queue_getf(queue, "[i,n]", &n) < 0) {
            sweep_complain(actor, "%s", mp_last_error());
            return;
        }
        if (n != last + 1 && (last != 0 || n != 2))
            sweep_complain(actor, "%d after %d", n, last);
        last = n;
        sweep_done(actor);
    }
}

static void
expect(struct sweep_actor *actor, unsigned least, unsigned most)
{
    unsigned n;

    if (!sweep_await_end(actor))
        return;
    n = mp__load(&actor->done);
    sweep_check(n >= least && n <= most, "%u values came", n);
}

static void
check_get(void)
{
    int got = (int)mp__load(&sweep.note[0]);

    sweep_check(got == 0 || got == 1, "the victim got %d", got);
    if (redelivers)
        expect(sweep_actor(get_rest), VALUES, VALUES);
    else
        expect(sweep_actor(get_rest), VALUES - 1, VALUES - (got == 1));
}

static void
check_all(void)
{
    expect(sweep_actor(get_rest), VALUES, VALUES);
}

#define GETS(kind, maker, taker, checker)                        \
    {                                                            \
        .name = kind, .setup = maker, .prepare = look_at_queue,  \
        .victim = taker, .check = checker, .teardown = end_queue \
    }

const struct sweep_scenario sweep_queue_value[] = {
    GETS("queue_getf", make_queue, victim_gets, check_get),
    GETS("queue_getf_joinable", make_joinable, victim_gets, check_get),
    GETS("queue_getf_redelivering", make_redelivering, victim_gets, check_get),
    GETS("queue_getf_ordered", make_ordered, victim_gets, check_get),
    GETS("queue_getf_refuses", make_queue, victim_refuses, check_all),
    GETS("queue_getf_refuses_held", make_redelivering, victim_refuses,
         check_all),
    GETS("queue_getf_refuses_ordered", make_ordered, victim_refuses,
         check_all),
    {.name = NULL},
};
