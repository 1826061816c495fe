/* SPDX-License-Identifier: MIT */
/* Steps at random, on a list and on a plain array of C: after each the two are
 * the same. The model is as simple as can be; what is told apart by it are
 * ids, and each id stands for one value, of one of several kinds. */
#include "kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST 600 /* items */

struct model {
    int items[MOST + 100];
    int n;
};

static unsigned
random_below(unsigned n)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

/* The value of an id. */
static mp_any
value_of_id(mp_any_writer *w, int id)
{
    char text[40];
    mp_any any = {0};

    switch (id % 5) {
    case 0:
        mp_any_write_int(w, id);
        break;
    case 1:
        mp_any_write_int(w, ((int64_t)1 << 40) * id);
        break;
    case 2:
        snprintf(text, sizeof(text), "%d", id);
        mp_any_write_string(w, text, SIZE_MAX);
        break;
    case 3:
        snprintf(text, sizeof(text), "number %030d", id);
        mp_any_write_string(w, text, SIZE_MAX);
        break;
    default:
        must(mp_any_build(w, "[i,{'a':s}]", id, "something that is long"));
    }
    must(mp_any_end(w, &any));
    return any;
}

/* A list of `n` values. */
static mp_any
values_of_ids(mp_any_writer *w, const int *ids, int n)
{
    mp_any_writer one = MP_ANY_WRITER;
    mp_any any = {0};

    mp_any_write_list(w, (size_t)n);
    for (int i = 0; i < n; i++)
        mp_any_write_value(w, value_of_id(&one, ids[i]));
    must(mp_any_end(w, &any));
    mp_any_discard(&one);
    return any;
}

/* ---- The model ---- */

static int
place_of(const struct model *m, int64_t index)
{
    index += index < 0 ? m->n : 0;
    return index < 0 ? 0 : index > m->n ? m->n : (int)index;
}

/* -1: there is none. */
static int
item_of(const struct model *m, int64_t index)
{
    index += index < 0 ? m->n : 0;
    return index < 0 || index >= m->n ? -1 : (int)index;
}

static void
model_replace(struct model *m, int start, int stop, const int *ids, int n)
{
    if (stop < start)
        stop = start;
    memmove(m->items + start + n, m->items + stop,
            (size_t)(m->n - stop) * sizeof(int));
    if (n)
        memcpy(m->items + start, ids, (size_t)n * sizeof(int));
    m->n += n - (stop - start);
}

static int
model_index(const struct model *m, int id)
{
    for (int i = 0; i < m->n; i++)
        if (m->items[i] == id)
            return i;
    return -ENOENT;
}

static void
model_reverse(struct model *m)
{
    for (int i = 0; i < m->n / 2; i++) {
        int id = m->items[i];

        m->items[i] = m->items[m->n - 1 - i];
        m->items[m->n - 1 - i] = id;
    }
}

/* ---- One step ---- */

static int64_t
random_index(const struct model *m)
{
    if (random_below(20) == 0)
        return random_below(2) ? INT64_MAX - 1 : INT64_MIN;
    return (int64_t)random_below((unsigned)m->n * 2 + 6) - m->n - 3;
}

static void
put_step(mp_list *list, struct model *m, int step, mp_any value, int id)
{
    int64_t index = random_index(m);
    int at = item_of(m, index), place = place_of(m, index);

    switch (step) {
    case 0:
        must(mp_list_append(list, "v", value));
        model_replace(m, m->n, m->n, &id, 1);
        break;
    case 1:
        must(mp_list_insert(list, index, "v", value));
        model_replace(m, place, place, &id, 1);
        break;
    default:
        ck_assert_int_eq(mp_list_set(list, index, "v", value),
                         at < 0 ? -ERANGE : 0);
        if (at >= 0)
            m->items[at] = id;
    }
}

static void
take_step(mp_list *list, struct model *m, int step, mp_any value, int id)
{
    int64_t index = random_index(m);
    int at = item_of(m, index), first = model_index(m, id);
    mp_any any;

    switch (step) {
    case 3:
        ck_assert_int_eq(mp_list_pop(list, index, "v", &any),
                         at < 0 ? -ERANGE : 0);
        if (at < 0)
            break;
        value = value_of_id(&(mp_any_writer)MP_ANY_WRITER, m->items[at]);
        ck_assert_int_eq(mp_any_equal(any, value), 1);
        mp_any_free(value);
        mp_any_free(any);
        model_replace(m, at, at + 1, NULL, 0);
        break;
    case 4:
        ck_assert_int_eq(mp_list_remove(list, "v", value),
                         first < 0 ? -ENOENT : 0);
        if (first >= 0)
            model_replace(m, first, first + 1, NULL, 0);
        break;
    default:
        ck_assert_int_eq(mp_list_index(list, "v", value), first);
    }
}

static void
part_step(mp_list *list, struct model *m, int step)
{
    int64_t start = random_index(m), stop = random_index(m);
    mp_any_writer w = MP_ANY_WRITER;
    int ids[60], n = (int)random_below(60);

    for (int i = 0; i < n; i++)
        ids[i] = (int)random_below(40);
    switch (step) {
    case 6:
        must(mp_list_extend(list, "v", values_of_ids(&w, ids, n)));
        model_replace(m, m->n, m->n, ids, n);
        break;
    case 7:
        must(mp_list_replace(list, start, stop, values_of_ids(&w, ids, n)));
        model_replace(m, place_of(m, start), place_of(m, stop), ids, n);
        break;
    case 8:
        must(mp_list_replace(list, start, stop, values_of_ids(&w, ids, 0)));
        model_replace(m, place_of(m, start), place_of(m, stop), ids, 0);
        break;
    default:
        must(mp_list_reverse(list));
        model_reverse(m);
    }
    mp_any_discard(&w);
}

static void
one_step(mp_list *list, struct model *m)
{
    mp_any_writer w = MP_ANY_WRITER;
    int id = (int)random_below(40), step = (int)random_below(10);
    mp_any value = value_of_id(&w, id);

    if (m->n > MOST)
        step = random_below(2) ? 3 : 8;
    if (step < 3)
        put_step(list, m, step, value, id);
    else if (step < 6)
        take_step(list, m, step, value, id);
    else
        part_step(list, m, step);
    mp_any_discard(&w);
}

static void
compare(mp_list *list, const struct model *m)
{
    mp_any_writer w = MP_ANY_WRITER;

    ck_assert_int_eq(mp_list_len(list), m->n);
    ck_assert_int_eq(mp_list_equal(list, values_of_ids(&w, m->items, m->n)),
                     1);
    mp_any_discard(&w);
}

START_TEST(list_does_as_its_model)
{
    static struct model model;
    uint64_t before = heap_use();
    mp_list *list;

    must(mp_list_create(&list));
    for (int i = 0; i < 20000; i++) {
        one_step(list, &model);
        if (i % 16 == 0)
            compare(list, &model);
    }
    compare(list, &model);
    must(mp_list_destroy(list));
    ck_assert_uint_eq(heap_use(), before);
    heap_now();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list-model");
    TCase *tcase = mp_test_case(suite, "model", 60);

    tcase_add_test(tcase, list_does_as_its_model);
    return mp_test_main(suite);
}
