/* SPDX-License-Identifier: MIT */
/* A list that eight processes put values into, each of its own, and take
 * them out of, one of which is killed all the time. What is known of each
 * value is in memory that is no part of the library: none comes twice, from
 * nowhere, or in part, and none is missing but those that a killed one was
 * just taking out, one each. */
#include "collection_soak.h"

#include "base/atomic.h"
#include "base/macros.h"
#include "os/clock.h"
#include "region/participant.h"

#include <mproc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 2000 /* of one worker in a round */
#define MANY  3    /* values that come at once */

/* What is known of a value. */
enum { BEGUN = 1, RETURNED = 2, GOT = 4, FOUND = 8 };

struct worker {
    mp__a32 steps, values;
    mp__a32 taking; /* a value, that it has not noted yet */
    uint64_t random;
    _Atomic unsigned char value[(STEPS + 1000) * MANY];
};

static struct {
    mp__a64 violations, lost_with_killed;
    struct worker worker[SOAK_WORKERS];
} * soak;
static mp_list *list;
static uint64_t put, got, lost, found;

static uint64_t
draw(struct worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random >> 11;
}

static void
complain(const char *what, int64_t x)
{
    mp__add(&soak->violations, 1);
    printf("VIOLATION: %s: %" PRId64 " (%s)\n", what, x, mp_last_error());
    fflush(stdout);
}

/* ---- Values ---- */

static int64_t
name_of(const struct worker *w, uint32_t i)
{
    return (w - soak->worker) * 1000000 + i;
}

/* Every other one does not fit into a word. */
static void
write_value(mp_any_writer *writer, int64_t x)
{
    char text[80];

    snprintf(text, sizeof(text), "%" PRId64 " is the number of this value", x);
    if (x % 2)
        mp_any_write_int(writer, x);
    else
        mp_any_build(writer, "s", text);
}

static int64_t
read_value(mp_any any)
{
    int64_t x = -1;
    const char *text;
    size_t size;

    if (mp_any_get_string(any, &text, &size) == 0)
        return strtoll(text, NULL, 10);
    mp_any_get_int(any, &x);
    return x;
}

/* The value has come out, or is there at the end. */
static void
note(int64_t x, unsigned char as)
{
    uint32_t i = (uint32_t)(x % 1000000);
    struct worker *w = &soak->worker[x / 1000000 % SOAK_WORKERS];
    unsigned char before;

    if (x < 0 || x / 1000000 >= SOAK_WORKERS ||
        i >= sizeof(w->value) / sizeof(w->value[0])) {
        complain("it comes from nowhere", x);
        return;
    }
    before = atomic_fetch_or(&w->value[i], as);
    if (!(before & BEGUN))
        complain("nobody has put it there", x);
    if (before & (GOT | FOUND))
        complain("it comes twice", x);
}

/* ---- What they do ---- */

static void
unexpected(const char *what, int r)
{
    if (r < 0)
        complain(what, r);
}

/* Brings `n` values, at the end or somewhere. */
static void
bring(struct worker *w, uint32_t n)
{
    uint32_t first = mp__load(&w->values);
    int64_t at = draw(w) % 2 ? MP_LIST_END : (int64_t)(draw(w) % 20);
    mp_any_writer writer = MP_ANY_WRITER;
    mp_any any = {0};
    int r;

    if (n > 1)
        mp_any_write_list(&writer, n);
    for (uint32_t i = first; i < first + n; i++) {
        atomic_fetch_or(&w->value[i], BEGUN);
        write_value(&writer, name_of(w, i));
    }
    mp__store(&w->values, first + n);
    mp_any_end(&writer, &any);
    if (n > 1)
        r = at == MP_LIST_END ? mp_list_extend(list, "v", any)
                              : mp_list_replace(list, at, at, any);
    else
        r = at == MP_LIST_END ? mp_list_append(list, "v", any)
                              : mp_list_insert(list, at, "v", any);
    unexpected("put", r);
    for (uint32_t i = first; i < first + n; i++)
        atomic_fetch_or(&w->value[i], RETURNED);
    mp_any_discard(&writer);
}

static void
take(struct worker *w)
{
    int64_t at = draw(w) % 2 ? -1 : (int64_t)(draw(w) % 20);
    mp_any any;
    int r;

    mp__store(&w->taking, 1);
    r = mp_list_pop(list, at, "v", &any);
    if (r == 0) {
        note(read_value(any), GOT);
        mp_any_free(any);
    } else if (r != -ERANGE) {
        complain("pop", r);
    }
    mp__store(&w->taking, 0);
}

static void
do_something(struct worker *w)
{
    uint32_t n = (uint32_t)(draw(w) % 100);

    if (n < 1)
        unexpected("reverse", mp_list_reverse(list));
    else if (n < 40)
        bring(w, 1);
    else if (n < 48)
        bring(w, MANY);
    else
        take(w);
    mp__add(&w->steps, 1);
}

static void
work(unsigned number)
{
    struct worker *w = &soak->worker[number];

    mp__store(&w->taking, 0);
    while (mp__load(&w->steps) < STEPS && mp__load(&soak->violations) == 0)
        do_something(w);
}

/* What it was taking may have gone with it. */
static void
killed(unsigned number)
{
    if (mp__load(&soak->worker[number].taking))
        mp__add(&soak->lost_with_killed, 1);
}

/* ---- Rounds ---- */

/* What is left comes out, from either end. */
static void
drain(void)
{
    ssize_t n = mp_list_len(list);
    mp_any any;

    for (ssize_t i = 0; i < n; i++) {
        int r = mp_list_pop(list, i % 2 - 1, "v", &any);

        if (r < 0) {
            complain("it is shorter than it says", r);
            return;
        }
        note(read_value(any), FOUND);
        mp_any_free(any);
        found++;
    }
    if (mp_list_len(list) != 0)
        complain("it is longer than it says", mp_list_len(list));
}

static void
settle(const struct worker *w)
{
    for (uint32_t i = 0; i < mp__load((mp__a32 *)&w->values); i++) {
        unsigned char known = w->value[i];

        put += (known & RETURNED) != 0;
        got += (known & GOT) != 0;
        lost += (known & RETURNED) && !(known & (GOT | FOUND));
    }
}

static int
play_round(void)
{
    int kills;

    for (unsigned i = 0; i < SOAK_WORKERS; i++) {
        struct worker *w = &soak->worker[i];

        mp__store(&w->steps, 0);
        mp__store(&w->values, 0);
        memset((void *)w->value, 0, sizeof(w->value));
    }
    kills = soak_workers(work, killed);
    if (kills >= 0)
        drain();
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        settle(&soak->worker[i]);
    if (kills >= 0 && lost > mp__load(&soak->lost_with_killed))
        complain("more values are missing than were with killed ones",
                 (int64_t)lost);
    return mp__load(&soak->violations) ? -1 : kills;
}

int
stress_list_soak(double seconds, unsigned seed)
{
    mp_time end_of_all = mp_timeout(seconds);
    uint64_t kills = 0;
    int64_t live = mp__enter() < 0 ? -1 : soak_live(), left;
    int r = 0;

    soak = soak_shared(sizeof(*soak));
    if (live < 0 || soak == NULL || mp_list_create(&list) < 0)
        return 1;
    for (unsigned i = 0; i < SOAK_WORKERS; i++)
        soak->worker[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15u;
    while (r >= 0 && mp__now() < end_of_all) {
        r = play_round();
        kills += r > 0 ? (uint64_t)r : 0;
    }
    if (r >= 0)
        unexpected("destroy", mp_list_destroy(list));
    left = r < 0 ? live : soak_live();
    printf("%" PRIu64 " values put, %" PRIu64 " taken, %" PRIu64
           " there at the end of a round, %" PRIu64 " lost with %" PRIu64
           " killed; %" PRId64 " blocks lost\n",
           put, got, found, lost, kills, left - live);
    return r < 0 || left != live || mp__load(&soak->violations) != 0;
}
