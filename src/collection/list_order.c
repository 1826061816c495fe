/* SPDX-License-Identifier: MIT */
/* Sorting, and turning round.
 *
 * A sort may take long, so it is one of a copy, with the mutex released: then
 * the words are written in the order that was found, if the list is still the
 * same. If it changes all the time, others have to wait after all.
 *
 * The sort is a merge of its own: one that keeps within its bounds when the
 * order contradicts itself, as that of items of different kinds, or of NaN,
 * does. */
#include "collection/list.h"

#include "base/error.h"
#include "codec/number.h"
#include "codec/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3
#define SMALL 1000u /* items: sorted at once */
#define RUN   8u    /* items */

/* What an item is compared by. */
struct place {
    const unsigned char *value;
    union {
        int64_t i;
        double d;
        const unsigned char *body;
    };
    size_t at; /* in the list */
    uint32_t size;
    int32_t type;
};

struct sorting {
    struct place *places, *others; /* others: as many again */
    unsigned char *copy;           /* of all values */
    size_t n, size;
    uint64_t version; /* of the list */
    int descending, bad;
};

/* ---- The order ---- */

static int
order_bodies(const struct place *a, const struct place *b)
{
    int r = memcmp(a->body, b->body, a->size < b->size ? a->size : b->size);

    return r ? r : (a->size > b->size) - (a->size < b->size);
}

static mp_any
value_of(const struct sorting *s, const struct place *place)
{
    return (mp_any){place->value, s->size - (size_t)(place->value - s->copy)};
}

static int
order(struct sorting *s, const struct place *a, const struct place *b)
{
    if (a->type == b->type && a->type == MP_ANY_INT)
        return (a->i > b->i) - (a->i < b->i);
    if (a->type == b->type && a->type == MP_ANY_FLOAT)
        return (a->d > b->d) - (a->d < b->d);
    if (a->type == b->type &&
        (a->type == MP_ANY_STRING || a->type == MP_ANY_BYTES))
        return order_bodies(a, b);
    return mp__any_order(value_of(s, a), value_of(s, b), &s->bad);
}

/* Whether `b`, which comes after `a`, must come before it. */
static int
is_wrong(struct sorting *s, const struct place *a, const struct place *b)
{
    int r = order(s, a, b);

    return s->descending ? r < 0 : r > 0;
}

/* ---- Merging ---- */

static void
insert_sort(struct sorting *s, struct place *places, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct place place = places[i];
        size_t to = i;

        for (; to > 0 && is_wrong(s, &places[to - 1], &place); to--)
            places[to] = places[to - 1];
        places[to] = place;
    }
}

/* Two neighbours, of `m` and `n` items, into `to`. */
static void
merge(struct sorting *s, const struct place *a, size_t m, size_t n,
      struct place *to)
{
    const struct place *middle = a + m, *b = middle, *end = b + n;

    if (n && is_wrong(s, b - 1, b)) /* else they are in order */
        while (a < middle && b < end)
            *to++ = *(is_wrong(s, a, b) ? b++ : a++);
    for (; a < middle; a++)
        *to++ = *a;
    for (; b < end; b++)
        *to++ = *b;
}

static size_t
at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

static void
sort_places(struct sorting *s)
{
    for (size_t i = 0; i < s->n; i += RUN)
        insert_sort(s, s->places + i, at_most(s->n - i, RUN));
    for (size_t run = RUN; run < s->n && !s->bad; run *= 2) {
        struct place *from = s->places, *to = s->others;

        for (size_t i = 0; i < s->n; i += 2 * run) {
            size_t m = at_most(s->n - i, run);

            merge(s, from + i, m, at_most(s->n - i - m, run), to + i);
        }
        s->places = to;
        s->others = from;
    }
}

/* ---- The copy ---- */

static size_t
bytes_of_all(const mp_list *list)
{
    size_t size = 0;

    for (size_t i = 0; i < mp__list_len(list); i++)
        size += mp__word_any(&list->items[i]).size;
    return size;
}

/* The mutex is held. */
static int
copy_all(const mp_list *list, struct sorting *s)
{
    unsigned char *to;

    s->n = mp__list_len(list);
    s->version = list->c.version;
    s->size = bytes_of_all(list);
    s->copy = to = malloc(s->size + 1);
    s->places = malloc((s->n + 1) * sizeof(*s->places));
    s->others = malloc((s->n + 1) * sizeof(*s->others));
    if (s->copy == NULL || s->places == NULL || s->others == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        mp_any any = mp__word_any(&list->items[i]);

        memcpy(to, any.data, any.size);
        s->places[i].value = to;
        s->places[i].at = i;
        to += any.size;
    }
    return 0;
}

/* What can be compared by itself. */
static void
look_at_all(struct sorting *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct place *place = &s->places[i];
        struct mp__token token = {0};

        mp__token_read(value_of(s, place), &token);
        place->type = token.type;
        place->size = (uint32_t)token.size;
        if (token.type == MP_ANY_INT && mp__token_int(&token, &place->i) < 0)
            place->type = 0; /* beyond 2^63 */
        if (token.type == MP_ANY_FLOAT)
            place->d = token.d;
        if (token.type == MP_ANY_STRING || token.type == MP_ANY_BYTES)
            place->body = token.body;
    }
}

static void
forget(struct sorting *s)
{
    free(s->copy);
    free(s->places);
    free(s->others);
}

/* ---- The steps ---- */

/* The mutex is held, and may be released meanwhile: there is a spare for the
 * whole list then. */
static int
get_spare(mp_list *list)
{
    int r = 0;

    while (r == 0 && !mp__list_has_spare(list, mp__list_len(list)))
        r = mp__list_spare(list, mp__list_len(list) + 1);
    return r;
}

/* The places are sorted. 0; -EINVAL; -EAGAIN: the list has changed. */
static int
put_in_order(mp_list *list, const struct mp__list_step *step,
             const struct sorting *s)
{
    uint64_t *to = list->c.spare;

    if (s->bad)
        return mp__fail(-EINVAL, "%s: items of different kinds have no order",
                        step->function);
    if (s->version != list->c.version || !mp__list_has_spare(list, s->n))
        return -EAGAIN;
    for (size_t i = 0; i < s->n; i++)
        to[i] = list->items[s->places[i].at];
    if (s->n)
        mp__list_order(list);
    return 0;
}

/* `hold`: the mutex is held all the time. */
static int
try_sort(mp_list *list, const struct mp__list_step *step, int hold)
{
    struct sorting s = {.descending = step->stop == MP_LIST_DESCENDING};
    int r;

    mp__collection_lock(&list->c);
    r = get_spare(list);
    if (r == 0 && copy_all(list, &s) < 0)
        r = mp__fail(-ENOMEM, "%s: out of memory: %zu items", step->function,
                     s.n);
    if (r == 0 && !hold)
        mp__collection_unlock(&list->c); /* the spare stays */
    if (r == 0) {
        look_at_all(&s);
        sort_places(&s);
    }
    if (r == 0 && !hold)
        mp__collection_lock(&list->c);
    if (r == 0)
        r = put_in_order(list, step, &s);
    mp__collection_leave(&list->c);
    forget(&s);
    return r;
}

ssize_t
mp__list_sort(mp_list *list, const struct mp__list_step *step)
{
    int r = -EAGAIN;

    for (int tries = 0; r == -EAGAIN; tries++)
        r = try_sort(list, step,
                     tries == TRIES || mp__list_len(list) <= SMALL);
    return r;
}

ssize_t
mp__list_reverse(mp_list *list, const struct mp__list_step *step)
{
    size_t len;
    int r;

    (void)step;
    mp__collection_lock(&list->c);
    r = get_spare(list);
    len = mp__list_len(list);
    for (size_t i = 0; r == 0 && i < len; i++)
        ((uint64_t *)list->c.spare)[i] = list->items[len - 1 - i];
    if (r == 0 && len)
        mp__list_order(list);
    mp__collection_leave(&list->c);
    return r;
}
