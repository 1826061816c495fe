/* SPDX-License-Identifier: MIT */
/* Steps of collections, one of which is killed: it is made or not made, all
 * other values are what they were, later steps work, and no memory is lost. */
#include "collection_stage.h"

#include "collection/word.h"
#include "region/heap.h"
#include "region/participant.h"

#include <mproc/any.h>

#include <string.h>

#define FAST_SECONDS 0.15 /* there are many of these scenarios */

static void *collection;
static mp_any states[4]; /* that it may be in */
static int n_states;
static struct sweep_actor *comer;

static const struct stage_case *
the_case(void)
{
    return sweep.scenario->what;
}

void
stage_survive(int r, const char *what)
{
    sweep_check(r >= 0, "%s: %s: %s", what, mp_strerror(r), mp_last_error());
}

mp_any
stage_copy(int r, mp_any any)
{
    stage_survive(r, "cannot read it");
    return r < 0 ? (mp_any){0} : any;
}

/* ---- Inside ---- */

void
stage_look_at_block(const void *block, size_t size)
{
    sweep_check(size == 0 || mp__block_size(block) >= size,
                "a block has %zu bytes of %zu", mp__block_size(block), size);
}

void
stage_look_at_words(const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mp__bundle *bundle = mp__word_bundle(words[i]);
        size_t uses = 0;

        if (bundle == NULL)
            continue;
        stage_look_at_block(bundle, sizeof(*bundle));
        for (size_t j = 0; j < n; j++)
            uses += mp__word_bundle(words[j]) == bundle;
        sweep_check(bundle->refs == uses, "a bundle counts %zu of %zu values",
                    (size_t)bundle->refs, uses);
    }
}

/* ---- States ---- */

static int
same(mp_any a, mp_any b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* What becomes of a twin. */
static void
add_state(stage_act_fn *first, stage_act_fn *second)
{
    const struct stage_kind *kind = the_case()->kind;
    void *twin = kind->make(the_case()->n);

    if (first)
        first(twin);
    if (second)
        second(twin);
    states[n_states++] = kind->whole(twin);
    stage_survive(kind->destroy(twin), "cannot destroy the twin");
}

void
stage_make_collection(void)
{
    const struct stage_case *c = the_case();

    sweep_fast_seconds = FAST_SECONDS;
    n_states = 0;
    if (c->check == NULL) {
        add_state(NULL, NULL);
        add_state(NULL, c->act);
        if (c->first) {
            add_state(c->first, NULL);
            add_state(c->first, c->act);
        }
    }
    collection = c->kind->make(c->n);
}

/* Whether it is in one of the states, from `first` on in steps of `step`. */
static int
is_one(mp_any now, int first, int step)
{
    for (int i = first; i < n_states; i += step)
        if (same(now, states[i]))
            return 1;
    return 0;
}

static void
check_state(void)
{
    mp_any now = the_case()->kind->whole(collection);

    sweep_check(is_one(now, 0, 1), "it is neither as before nor as after");
    sweep_check(is_one(now, 1, 2) || !sweep.completed, "it has not been done");
    mp_any_free(now);
}

/* ---- The scenario ---- */

void
stage_enter_collection(void)
{
    mp__enter();
}

void
stage_act(void)
{
    the_case()->act(collection);
}

void
stage_act_first(void)
{
    the_case()->first(collection);
}

static void
actor_acts(struct sweep_actor *actor)
{
    the_case()->meet(collection);
    sweep_done(actor);
}

void
stage_come_and_act(void)
{
    comer = sweep_actor(actor_acts);
    sweep_let_come(comer);
}

void
stage_check_collection(void)
{
    if (the_case()->meet && !sweep_await_end(comer))
        return;
    if (the_case()->check)
        the_case()->check(collection);
    else
        check_state();
    the_case()->kind->go_on(collection);
    the_case()->kind->look(collection);
}

void
stage_end_collection(void)
{
    stage_survive(the_case()->kind->destroy(collection), "cannot destroy it");
    while (n_states > 0)
        mp_any_free(states[--n_states]);
}
