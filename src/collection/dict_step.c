/* SPDX-License-Identifier: MIT */
/* The steps of a dict: each with the mutex held from its first look to its
 * commit. What goes out is looked at where it lies, before the commit: if it
 * does not fit the caller's format, nothing has changed.
 *
 * What only reads takes the mutex as it is: it does not matter to it whether
 * something is left to be freed. */
#include "collection/dict.h"

#include "base/error.h"
#include "codec/number.h"
#include "codec/token.h"

#include <errno.h>
#include <string.h>

typedef ssize_t step_fn(mp_dict *dict, const struct mp__dict_step *step);

static int
fail_absent(const mp_dict *dict, const struct mp__dict_step *step)
{
    const char *text = "dict has no such key";

    if (dict->c.slab == MP__SLAB_SET)
        text = "set has no such item";
    else if (dict->c.slab == MP__SLAB_NAMESPACE)
        text = "namespace has no such name";
    return mp__fail(-ENOENT, "%s: the %s", step->function, text);
}

static int
hash_key(const mp_dict *dict, const struct mp__dict_step *step,
         uint32_t *ret_hash)
{
    return mp__key_hash(step->key, &dict->seed, ret_hash, step->function);
}

static mp_any
value_of(const struct mp__dict_cell *cell)
{
    return mp__word_any(&cell->value);
}

/* ---- One entry ---- */

static ssize_t
has(mp_dict *dict, const struct mp__dict_step *step)
{
    uint32_t hash;
    int found, r = hash_key(dict, step, &hash);

    if (r < 0)
        return r;
    mp__mutex_lock(&dict->c.mutex);
    found = mp__dict_find(dict, step->key, hash) != NULL;
    mp__mutex_unlock(&dict->c.mutex);
    return found;
}

static ssize_t
look_at(const struct mp__dict_cell *cell, const struct mp__dict_step *step)
{
    mp_any value = value_of(cell);

    return step->look ? step->look(value.data, value.size, step->arg) : 0;
}

static ssize_t
get(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    uint32_t hash;
    ssize_t r = hash_key(dict, step, &hash);

    if (r < 0)
        return r;
    mp__mutex_lock(&dict->c.mutex);
    cell = mp__dict_find(dict, step->key, hash);
    if (cell)
        r = look_at(cell, step);
    mp__mutex_unlock(&dict->c.mutex);
    return cell ? r : fail_absent(dict, step);
}

static ssize_t
pop(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    uint32_t hash;
    uint64_t before;
    ssize_t r = hash_key(dict, step, &hash);

    if (r < 0)
        return r;
    mp__collection_lock(&dict->c);
    before = mp__load_relaxed(&dict->live);
    cell = mp__dict_find(dict, step->key, hash);
    if (cell)
        r = look_at(cell, step);
    if (cell && r >= 0)
        mp__dict_delete(dict, cell);
    mp__dict_unlock_smaller(dict, before);
    return cell ? r : fail_absent(dict, step);
}

/* The first, or the last. */
static ssize_t
pop_end(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    struct mp__dict_entry entry;
    uint64_t before;
    ssize_t r = 0;

    mp__collection_lock(&dict->c);
    before = mp__load_relaxed(&dict->live);
    cell = step->op == MP__DICT_POP_FIRST ? mp__dict_first(dict)
                                          : mp__dict_last(dict);
    if (cell && step->look) {
        entry = mp__dict_entry_of(cell);
        r = step->look(&entry, sizeof(entry), step->arg);
    }
    if (cell && r >= 0)
        mp__dict_delete(dict, cell);
    mp__dict_unlock_smaller(dict, before);
    return cell ? r
                : mp__fail(-ENOENT, "%s: the %s is empty", step->function,
                           dict->c.slab == MP__SLAB_SET ? "set" : "dict");
}

/* ---- Setting ---- */

/* Key and value, on their way in. */
struct pair {
    struct mp__bundle *bundle;
    uint64_t words[2];
    uint32_t hash;
};

/* A whole value, not so deep that it could not be part of another. */
static int
check_value(const struct mp__dict_step *step)
{
    mp_any value = step->value, checked;
    int r;

    if (value.data && value.size &&
        mp__value_length(value, MP_ANY_DEPTH - 1, NULL) == value.size)
        return 0;
    r = mp__any_check(step->function, value.data, value.size, &checked);
    return r < 0 ? r
                 : mp__fail(-EINVAL,
                            "%s: lists and dicts lie more than %d deep "
                            "inside each other",
                            step->function, MP_ANY_DEPTH - 1);
}

static int
prepare(mp_dict *dict)
{
    int r;

    mp__collection_lock(&dict->c);
    r = mp__dict_make_room(dict, 1);
    mp__collection_unlock(&dict->c);
    return r;
}

/* Acquires the mutex with the pair made, and room for it. */
static int
enter_with(mp_dict *dict, mp_any key, mp_any value, struct pair *pair)
{
    const mp_any both[2] = {key, value};
    int r = mp__dict_has_room(dict, 1) ? 0 : prepare(dict); /* a guess */

    while (r == 0) {
        r = mp__words_make(both, 2, &dict->c.mutex, pair->words,
                           &pair->bundle);
        if (r < 0)
            break;
        if (mp__collection_lock_in_hand(&dict->c)) {
            if (MP__LIKELY(mp__dict_has_room(dict, 1)))
                return 0;
            mp__mutex_unlock(&dict->c.mutex);
        }
        /* Somebody has been faster, or has died. */
        mp__bundle_drop(pair->bundle);
        r = prepare(dict);
    }
    return r;
}

/* The pair takes the place of an entry, whose key is kept; NULL: it is new. */
static void
put(mp_dict *dict, struct mp__dict_cell *cell, struct pair *pair)
{
    if (cell == NULL) {
        mp__dict_add(dict, pair->hash, pair->words[0], pair->words[1],
                     pair->bundle);
        return;
    }
    if (mp__word_bundle(pair->words[0]))
        pair->bundle->refs--;
    mp__dict_set(dict, cell, pair->words[1], pair->bundle);
}

static void
leave_with(mp_dict *dict, struct pair *pair, int done)
{
    mp__collection_unlock(&dict->c);
    if (!done)
        mp__bundle_drop(pair->bundle);
}

/* What is to become of an entry (NULL: there is none) when the pair is there:
 * 1: set; 0: leave it. */
static int
wanted(const struct mp__dict_step *step, const struct mp__dict_cell *cell)
{
    if (step->op == MP__DICT_DEFAULT)
        return cell == NULL;
    if (step->op != MP__DICT_EXCHANGE)
        return 1;
    if (step->expected.size == 0)
        return cell == NULL;
    return cell && mp__any_equal(value_of(cell), step->expected);
}

static ssize_t
set(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    struct pair pair;
    int done, r = hash_key(dict, step, &pair.hash);

    if (r == 0)
        r = check_value(step);
    if (r == 0)
        r = enter_with(dict, step->key, step->value, &pair);
    if (r < 0)
        return r;
    cell = mp__dict_find(dict, step->key, pair.hash);
    done = wanted(step, cell);
    if (done)
        put(dict, cell, &pair);
    leave_with(dict, &pair, done);
    return step->op == MP__DICT_SET ? 0 : done;
}

/* As a rule the entry is there: then no memory is needed. Nor is it for small
 * ones. */
static ssize_t
set_default(mp_dict *dict, const struct mp__dict_step *step)
{
    ssize_t r;

    if (step->look == NULL && step->key.size <= MP__WORD_INLINE &&
        step->value.size <= MP__WORD_INLINE)
        return set(dict, step);
    do {
        struct mp__dict_cell *cell;
        uint32_t hash;

        r = hash_key(dict, step, &hash);
        if (r < 0)
            return r;
        mp__mutex_lock(&dict->c.mutex);
        cell = mp__dict_find(dict, step->key, hash);
        if (cell)
            r = look_at(cell, step);
        mp__mutex_unlock(&dict->c.mutex);
        if (cell)
            return r < 0 ? r : 0;
        r = set(dict, step);
    } while (r == 0); /* it has come meanwhile */
    return r;
}

/* ---- Comparing and exchanging ---- */

/* Deletes an entry if it is what is expected. */
static ssize_t
delete_if(mp_dict *dict, const struct mp__dict_step *step)
{
    struct mp__dict_cell *cell;
    uint64_t before;
    uint32_t hash;
    int done, r = hash_key(dict, step, &hash);

    if (r < 0)
        return r;
    mp__collection_lock(&dict->c);
    before = mp__load_relaxed(&dict->live);
    cell = mp__dict_find(dict, step->key, hash);
    done = wanted(step, cell);
    if (done && cell)
        mp__dict_delete(dict, cell);
    mp__dict_unlock_smaller(dict, before);
    return done;
}

static ssize_t
exchange(mp_dict *dict, const struct mp__dict_step *step)
{
    mp_any any;
    int r = 0;

    if (step->expected.size)
        r = mp__any_check(step->function, step->expected.data,
                          step->expected.size, &any);
    if (r < 0)
        return r;
    return step->value.size ? set(dict, step) : delete_if(dict, step);
}

/* ---- Adding ---- */

/* The sum, in `buf`. */
static int
make_sum(const struct mp__dict_cell *cell, const struct mp__dict_step *step,
         unsigned char buf[MP__NUMBER_MOST], mp_any *ret_sum)
{
    static const unsigned char nothing = 0; /* the integer 0 */
    mp_any value = {&nothing, 1};

    return mp__number_add(cell ? value_of(cell) : value, step->value, buf,
                          ret_sum, step->function);
}

/* Before it is there: it may not be what the caller can take. */
static int
look_at_sum(const struct mp__dict_step *step, mp_any sum)
{
    return step->look ? step->look(sum.data, sum.size, step->arg) : 0;
}

/* Puts the sum there if that needs no memory: 1; 0: it does. */
static int
add_small(mp_dict *dict, const struct mp__dict_step *step, uint32_t hash)
{
    unsigned char buf[MP__NUMBER_MOST];
    struct mp__dict_cell *cell;
    mp_any sum;
    int r, small = 0;

    mp__collection_lock(&dict->c);
    cell = mp__dict_find(dict, step->key, hash);
    r = make_sum(cell, step, buf, &sum);
    if (r == 0 && cell && sum.size <= MP__WORD_INLINE) {
        small = 1;
        r = look_at_sum(step, sum);
        if (r >= 0)
            mp__dict_set(dict, cell, mp__word_inline(sum), NULL);
    }
    mp__collection_unlock(&dict->c);
    return r < 0 ? r : small;
}

/* The number takes the place of a blank one. */
static void
fill(struct pair *pair, mp_any number)
{
    struct mp__bundled *kept = (struct mp__bundled *)(uintptr_t)pair->words[1];

    if (number.size <= MP__WORD_INLINE) {
        pair->words[1] = mp__word_inline(number);
        pair->bundle->refs--;
    } else {
        kept->size = number.size;
        memcpy(kept->data, number.data, number.size);
    }
}

/* The same with memory for the number, and for the key, which cannot be had
 * with the mutex held. */
static int
add_large(mp_dict *dict, const struct mp__dict_step *step, uint32_t hash)
{
    static const unsigned char blank[MP__NUMBER_MOST];
    unsigned char buf[MP__NUMBER_MOST];
    struct pair pair = {.hash = hash};
    struct mp__dict_cell *cell;
    mp_any sum;
    int r = enter_with(dict, step->key, (mp_any){blank, sizeof(blank)}, &pair);

    if (r < 0)
        return r;
    cell = mp__dict_find(dict, step->key, hash);
    r = make_sum(cell, step, buf, &sum);
    if (r == 0)
        r = look_at_sum(step, sum);
    if (r >= 0) {
        fill(&pair, sum);
        put(dict, cell, &pair);
    }
    leave_with(dict, &pair, r >= 0);
    return r;
}

static ssize_t
add(mp_dict *dict, const struct mp__dict_step *step)
{
    uint32_t hash;
    int r = hash_key(dict, step, &hash);

    if (r == 0)
        r = add_small(dict, step, hash);
    if (r == 0)
        r = add_large(dict, step, hash);
    return r < 0 ? r : 0;
}

/* ---- The whole ---- */

static ssize_t
clear(mp_dict *dict, const struct mp__dict_step *step)
{
    (void)step;
    mp__collection_lock(&dict->c);
    mp__dict_clear(dict);
    mp__collection_unlock(&dict->c);
    return 0;
}

static ssize_t
len(mp_dict *dict, const struct mp__dict_step *step)
{
    (void)step;
    return (ssize_t)mp__load_relaxed(&dict->live);
}

ssize_t
mp__dict_step(mp_dict *dict, const struct mp__dict_step *step)
{
    static step_fn *const steps[MP__DICT_OPS] = {
        [MP__DICT_LEN] = len,
        [MP__DICT_HAS] = has,
        [MP__DICT_GET] = get,
        [MP__DICT_SET] = set,
        [MP__DICT_DEFAULT] = set_default,
        [MP__DICT_POP] = pop,
        [MP__DICT_POP_FIRST] = pop_end,
        [MP__DICT_POP_LAST] = pop_end,
        [MP__DICT_ADD] = add,
        [MP__DICT_EXCHANGE] = exchange,
        [MP__DICT_NEXT] = mp__dict_next,
        [MP__DICT_UPDATE] = mp__dict_update,
        [MP__DICT_SUBTRACT] = mp__dict_update,
        [MP__DICT_INTERSECT] = mp__dict_intersect,
        [MP__DICT_TOGGLE] = mp__dict_update,
        [MP__DICT_CLEAR] = clear,
        [MP__DICT_KEYS] = mp__dict_collect,
        [MP__DICT_VALUES] = mp__dict_collect,
        [MP__DICT_ITEMS] = mp__dict_collect,
        [MP__DICT_EQUAL] = mp__dict_compare,
        [MP__DICT_SUBSET] = mp__dict_compare,
        [MP__DICT_SUPERSET] = mp__dict_compare,
        [MP__DICT_DISJOINT] = mp__dict_compare,
    };

    return steps[step->op](dict, step);
}
