/* SPDX-License-Identifier: MIT */
/* Dicts and sets against a model: an array of entries, in order, that is
 * searched from one end to the other. Many random steps, of keys of all types,
 * small and large; each gives what the model says, and now and then the whole
 * is compared. At the end no memory is left. */
#include "collection/dict-kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS   300
#define VALUES 40
#define STEPS  (mp_test_scale() > 1 ? 3000 : 30000)

static mp_any keys[KEYS], values[VALUES];
static unsigned seed;

static unsigned
draw(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static void
make_keys(void)
{
    static char long_text[1000];

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (int i = 0; i < KEYS; i++) {
        char text[40];

        snprintf(text, sizeof(text), i % 3 ? "%d" : "a key that is long, %d",
                 i / 6);
        if (i % 6 == 1)
            keys[i] = value_of("i", i / 6);
        else if (i % 6 == 2)
            keys[i] = value_of("d", i / 12.0); /* half of them are integers */
        else if (i % 6 == 3)
            keys[i] = value_of("y", text, strlen(text));
        else if (i % 6 == 4)
            keys[i] = value_of("q", (int64_t)i << 40);
        else
            keys[i] = value_of("s", text);
    }
    for (int i = 0; i < VALUES; i++)
        values[i] = i % 4 == 0   ? value_of("i", i)
                    : i % 4 == 1 ? value_of("[s,d]", long_text + 25 * i, 0.5)
                    : i % 4 == 2 ? value_of("d", i * 0.25)
                                 : value_of("s", long_text + 990 - i);
}

/* ---- The model ---- */

static struct entry {
    int key, value; /* numbers of these; of a value -1: `sum` */
    int64_t sum;
} model[KEYS];
static int n_model;

static int
find(int key)
{
    for (int i = 0; i < n_model; i++)
        if (mp_any_equal(keys[model[i].key], keys[key]) == 1)
            return i;
    return -1;
}

static void
model_set(int key, int value)
{
    int at = find(key);

    if (at < 0) {
        at = n_model++;
        model[at].key = key;
    }
    model[at].value = value;
}

static void
model_delete(int at)
{
    memmove(model + at, model + at + 1,
            (size_t)(--n_model - at) * sizeof(*model));
}

static mp_any
model_value(const struct entry *entry)
{
    static unsigned char buf[9];
    mp_any_writer w;
    mp_any any;

    if (entry->value >= 0)
        return values[entry->value];
    mp_any_writer_init(&w, buf, sizeof(buf));
    must(mp_any_write_int(&w, entry->sum));
    must(mp_any_end(&w, &any));
    return any;
}

/* ---- A dict ---- */

static void
compare_dict(mp_dict *dict)
{
    mp_dict_walker walker = MP_DICT_WALKER;
    mp_any key, value;

    ck_assert_int_eq(mp_dict_len(dict), n_model);
    for (int i = 0; i < n_model; i++) {
        ck_assert_int_eq(mp_dict_next(dict, &walker, &key, &value), 1);
        ck_assert_int_eq(mp_any_equal(key, keys[model[i].key]), 1);
        ck_assert_int_eq(mp_any_equal(value, model_value(&model[i])), 1);
        mp_any_free(key);
        mp_any_free(value);
    }
    ck_assert_int_eq(mp_dict_next(dict, &walker, &key, &value), 0);
    must(mp_dict_items(dict, &value));
    ck_assert_int_eq(mp_dict_equal(dict, value), 1);
    mp_any_free(value);
}

static void
step_set(mp_dict *dict, int key, int value)
{
    must(mp_dict_set_any(dict, keys[key], values[value]));
    model_set(key, value);
}

static void
step_get(mp_dict *dict, int key, int value)
{
    int at = find(key);
    mp_any any;

    (void)value;
    ck_assert_int_eq(mp_dict_get(dict, "v", keys[key], "v", &any),
                     at < 0 ? -ENOENT : 0);
    if (at >= 0) {
        ck_assert_int_eq(mp_any_equal(any, model_value(&model[at])), 1);
        mp_any_free(any);
    }
    ck_assert_int_eq(mp_dict_has(dict, "v", keys[key]), at >= 0);
}

static void
step_pop(mp_dict *dict, int key, int value)
{
    int at = find(key);

    ck_assert_int_eq(value % 2 ? mp_dict_pop(dict, "v", keys[key], "_")
                               : mp_dict_delete(dict, "v", keys[key]),
                     at < 0 ? -ENOENT : 0);
    if (at >= 0)
        model_delete(at);
}

static void
step_default(mp_dict *dict, int key, int value)
{
    int at = find(key);
    mp_any any;

    ck_assert_int_eq(
        mp_dict_setdefault_any(dict, keys[key], values[value], &any), at < 0);
    ck_assert_int_eq(
        mp_any_equal(any, at < 0 ? values[value] : model_value(&model[at])),
        1);
    mp_any_free(any);
    if (at < 0)
        model_set(key, value);
}

static void
step_exchange(mp_dict *dict, int key, int value)
{
    int at = find(key), right = (int)draw(2), none = (int)draw(3) == 0;
    mp_any expected = values[(value + 1) % VALUES], nothing = {NULL, 0};

    if (at >= 0 && right)
        expected = model_value(&model[at]);
    else if (at < 0 && right)
        expected = nothing;
    ck_assert_int_eq(mp_dict_compare_exchange(dict, keys[key], expected,
                                              none ? nothing : values[value]),
                     at < 0 ? right
                            : mp_any_equal(expected, model_value(&model[at])));
    if (at >= 0 && mp_any_equal(expected, model_value(&model[at])) == 0)
        return;
    if (at < 0 && !right)
        return;
    if (!none)
        model_set(key, value);
    else if (at >= 0)
        model_delete(at);
}

static void
step_add(mp_dict *dict, int key, int value)
{
    int64_t x = (int64_t)1 << value, sum = 0;
    int at = find(key);

    if (at >= 0 && model[at].value >= 0) {
        step_set(dict, key, value);
        return;
    }
    if (at >= 0)
        sum = model[at].sum;
    must(mp_dict_add_int(dict, x, &x, "v", keys[key]));
    model_set(key, -1);
    model[find(key)].sum = sum + ((int64_t)1 << value);
    ck_assert_int_eq(x, sum + ((int64_t)1 << value));
}

static void
step_popitem(mp_dict *dict, int key, int value)
{
    mp_any k, v;

    (void)key, (void)value;
    ck_assert_int_eq(mp_dict_popitem(dict, &k, &v), n_model ? 0 : -ENOENT);
    if (n_model == 0)
        return;
    n_model--;
    ck_assert_int_eq(mp_any_equal(k, keys[model[n_model].key]), 1);
    ck_assert_int_eq(mp_any_equal(v, model_value(&model[n_model])), 1);
    mp_any_free(k);
    mp_any_free(v);
}

static void
step_update(mp_dict *dict, int key, int value)
{
    size_t n = draw(draw(8) ? 6 : KEYS);
    mp_any_writer w = MP_ANY_WRITER;
    mp_any entries;

    must(mp_any_write_dict(&w, n));
    for (size_t i = 0; i < n; i++) {
        int k = (key + (int)draw(20)) % KEYS, v = (value + (int)i) % VALUES;

        must(mp_any_write_value(&w, keys[k]));
        must(mp_any_write_value(&w, values[v]));
        model_set(k, v);
    }
    must(mp_any_end(&w, &entries));
    must(mp_dict_update(dict, entries));
    mp_any_discard(&w);
}

static void
step_clear(mp_dict *dict, int key, int value)
{
    (void)value;
    if (key % 20)
        return;
    must(mp_dict_clear(dict));
    n_model = 0;
}

START_TEST(dict_does_as_the_model)
{
    static void (*const steps[])(mp_dict * dict, int key, int value) = {
        step_set, step_set, step_set,     step_get,     step_get,
        step_pop, step_pop, step_pop,     step_default, step_exchange,
        step_add, step_add, step_popitem, step_update,  step_clear,
    };
    uint64_t use = heap_use();
    mp_dict *dict = dict_new();

    seed = (unsigned)_i * 7919 + 1;
    make_keys();
    n_model = 0;
    for (int i = 0; i < STEPS; i++) {
        int range = i / 500 % 4 ? KEYS : 20;

        steps[draw(LENGTH(steps))](dict, (int)draw((unsigned)range),
                                   (int)draw(VALUES));
        if (i % 100 == 0)
            compare_dict(dict);
    }
    compare_dict(dict);
    must(mp_dict_destroy(dict));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

/* ---- A set ---- */

static void
compare_set(mp_set *set)
{
    mp_set_walker walker = MP_SET_WALKER;
    mp_any item;

    ck_assert_int_eq(mp_set_len(set), n_model);
    for (int i = 0; i < n_model; i++) {
        ck_assert_int_eq(mp_set_next(set, &walker, &item), 1);
        ck_assert_int_eq(mp_any_equal(item, keys[model[i].key]), 1);
        mp_any_free(item);
    }
    ck_assert_int_eq(mp_set_next(set, &walker, &item), 0);
}

static void
set_one(mp_set *set, int key)
{
    int at = find(key);

    switch (draw(4)) {
    case 0:
    case 1:
        ck_assert_int_eq(mp_set_add(set, "v", keys[key]), at < 0);
        model_set(key, 0);
        break;
    case 2:
        ck_assert_int_eq(mp_set_remove(set, "v", keys[key]),
                         at < 0 ? -ENOENT : 0);
        if (at >= 0)
            model_delete(at);
        break;
    default:
        ck_assert_int_eq(mp_set_has(set, "v", keys[key]), at >= 0);
    }
}

static void
set_pop(mp_set *set)
{
    mp_any item;

    ck_assert_int_eq(mp_set_pop(set, "v", &item), n_model ? 0 : -ENOENT);
    if (n_model == 0)
        return;
    ck_assert_int_eq(mp_any_equal(item, keys[model[0].key]), 1);
    mp_any_free(item);
    model_delete(0);
}

/* Some keys, each once; and the same as a list, in which some come twice. */
static int several[KEYS], n_several;

static mp_any
draw_several(mp_any_writer *w)
{
    size_t n = draw(draw(4) ? 10 : KEYS);
    mp_any list;

    n_several = 0;
    must(mp_any_write_list(w, n));
    for (size_t i = 0; i < n; i++) {
        int key = (int)draw(KEYS), known = 0;

        must(mp_any_write_value(w, keys[key]));
        for (int j = 0; j < n_several && !known; j++)
            known = mp_any_equal(keys[several[j]], keys[key]) == 1;
        if (!known)
            several[n_several++] = key;
    }
    must(mp_any_end(w, &list));
    return list;
}

static int
is_among_several(int key)
{
    for (int i = 0; i < n_several; i++)
        if (mp_any_equal(keys[several[i]], keys[key]) == 1)
            return 1;
    return 0;
}

static void
expect_relations(mp_set *set, mp_any list)
{
    int found = 0;

    for (int i = 0; i < n_several; i++)
        found += find(several[i]) >= 0;
    ck_assert_int_eq(mp_set_is_superset(set, list), found == n_several);
    ck_assert_int_eq(mp_set_is_subset(set, list), found == n_model);
    ck_assert_int_eq(mp_set_is_disjoint(set, list), found == 0);
    ck_assert_int_eq(mp_set_equal(set, list),
                     found == n_model && found == n_several);
}

static void
set_several(mp_set *set)
{
    mp_any_writer w = MP_ANY_WRITER;
    mp_any list = draw_several(&w);
    unsigned how = draw(4);

    expect_relations(set, list);
    must(how == 0   ? mp_set_update(set, list)
         : how == 1 ? mp_set_subtract(set, list)
         : how == 2 ? mp_set_toggle(set, list)
                    : mp_set_intersect(set, list));
    if (how == 3) {
        for (int i = n_model - 1; i >= 0; i--)
            if (!is_among_several(model[i].key))
                model_delete(i);
    }
    for (int i = 0; i < n_several && how < 3; i++) {
        int at = find(several[i]);

        if (at >= 0 && how > 0)
            model_delete(at);
        else if (at < 0 && how != 1)
            model_set(several[i], 0);
    }
    mp_any_discard(&w);
}

START_TEST(set_does_as_the_model)
{
    uint64_t use = heap_use();
    mp_set *set = set_new();

    seed = (unsigned)_i * 104729 + 1;
    make_keys();
    n_model = 0;
    for (int i = 0; i < STEPS; i++) {
        unsigned how = draw(20);

        if (how < 15)
            set_one(set, (int)draw(KEYS));
        else if (how < 17)
            set_pop(set);
        else if (how < 19 || n_model < KEYS / 4)
            set_several(set);
        else if (draw(20) == 0) {
            must(mp_set_clear(set));
            n_model = 0;
        }
        if (i % 100 == 0)
            compare_set(set);
    }
    compare_set(set);
    must(mp_set_destroy(set));
    ck_assert_uint_eq(heap_use(), use);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("dict-model");
    TCase *tcase = mp_test_case(suite, "model", 200);

    tcase_add_loop_test(tcase, dict_does_as_the_model, 0, 4);
    tcase_add_loop_test(tcase, set_does_as_the_model, 0, 4);
    return mp_test_main(suite);
}
