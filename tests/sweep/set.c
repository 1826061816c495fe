/* SPDX-License-Identifier: MIT */
/* Sets and namespaces, as far as they are not just dicts: see
 * collection_stage.c. */
#include "collection_stage.h"

#include "collection/dict.h"

#include <string.h>

/* ---- Sets ---- */

static void
with_items(mp_set *set, int (*does)(mp_set *set, mp_any items),
           const char *format, int first)
{
    unsigned char buf[300];
    mp_any_writer w;
    mp_any any;

    mp_any_writer_init(&w, buf, sizeof(buf));
    mp_any_build(&w, format, LONG_A, LONG_B, first, first + 1);
    if (mp_any_end(&w, &any) == 0)
        does(set, any);
}

/* {LONG_A, LONG_B, 1, 2, 3, 4 ...} */
static void *
make_set(size_t n)
{
    mp_set *set = NULL;

    stage_survive(mp_set_create(&set), "cannot make a set");
    with_items(set, mp_set_update, "[s,s,i,i]", 1);
    for (int i = 3; i < (int)n; i++)
        stage_survive(mp_set_add(set, "i", i), "cannot add");
    return set;
}

static mp_any
whole_set(void *set)
{
    mp_any any = {0};
    int r = mp_set_items(set, &any);

    return stage_copy(r, any);
}

static int
end_set(void *set)
{
    return mp_set_destroy(set);
}

static void
look_into(void *set)
{
    const mp_dict *d = set;

    stage_look_at_block(d->c.spare, d->c.spare_size);
    if (d->table)
        stage_look_at_words(&d->table->cells[0].key,
                            MP__DICT_CELL_WORDS * d->used);
}

static void
go_on_with_set(void *set)
{
    stage_survive(mp_set_add(set, "s", "an item that is new"), "cannot add");
    sweep_check(mp_set_has(set, "s", "an item that is new") == 1, "it is not");
    stage_survive(mp_set_remove(set, "s", "an item that is new"),
                  "cannot remove");
    with_items(set, mp_set_toggle, "[s,s,i,i]", 70);
    with_items(set, mp_set_toggle, "[s,s,i,i]", 70);
}

static const struct stage_kind sets = {make_set, whole_set, end_set, look_into,
                                       go_on_with_set};

static void
add(void *set)
{
    mp_set_add(set, "s", "an item that is new");
}

static void
add_there(void *set)
{
    mp_set_add(set, "s", LONG_A);
}

static void
take(void *set)
{
    mp_set_remove(set, "s", LONG_B);
}

static void
pop(void *set)
{
    mp_set_pop(set, "_");
}

static void
update(void *set)
{
    with_items(set, mp_set_update, "[s,s,i,i]", 90);
}

static void
subtract(void *set)
{
    with_items(set, mp_set_subtract, "[s,s,i,i]", 90);
}

static void
intersect(void *set)
{
    with_items(set, mp_set_intersect, "[s,s,i,i]", 2);
}

static void
toggle(void *set)
{
    with_items(set, mp_set_toggle, "[s,s,i,i]", 2);
}

static void
clear(void *set)
{
    mp_set_clear(set);
}

/* ---- Namespaces ---- */

static void *
make_namespace(size_t n)
{
    mp_namespace *ns = NULL;
    char name[32];

    stage_survive(mp_namespace_create(&ns), "cannot make a namespace");
    stage_survive(mp_namespace_set(ns, "counted", "i", 1), "cannot set");
    for (size_t i = 1; i < n; i++) {
        snprintf(name, sizeof(name), "name_%zu", i);
        stage_survive(mp_namespace_set(ns, name, "s", LONG_A), "cannot set");
    }
    return ns;
}

static mp_any
whole_namespace(void *ns)
{
    mp_any any = {0};
    int r = mp_namespace_items(ns, &any);

    return stage_copy(r, any);
}

static int
end_namespace(void *ns)
{
    return mp_namespace_destroy(ns);
}

static void
go_on_with_namespace(void *ns)
{
    stage_survive(mp_namespace_set(ns, "new_name", "s", LONG_B), "cannot set");
    stage_survive(mp_namespace_add_int(ns, "counted", 1, NULL), "cannot add");
    stage_survive(mp_namespace_delete(ns, "new_name"), "cannot delete");
}

static const struct stage_kind namespaces = {make_namespace, whole_namespace,
                                             end_namespace, look_into,
                                             go_on_with_namespace};

static void
set_name(void *ns)
{
    mp_namespace_set(ns, "a_new_name", "s", LONG_B);
}

static void
delete_name(void *ns)
{
    mp_namespace_delete(ns, "name_1");
}

static void
add_to_name(void *ns)
{
    mp_namespace_add_double(ns, "counted", 0.5, NULL);
}

#define SET(text, n, act)   STAGE_BOTH("set." text, &sets, n, act)
#define NAMES(text, n, act) STAGE_BOTH("namespace." text, &namespaces, n, act)

const struct sweep_scenario sweep_set[] = {
    SET("add", 6, add),
    SET("add-there", 6, add_there),
    SET("remove", 6, take),
    SET("pop", 6, pop),
    SET("update", 6, update),
    SET("subtract", 6, subtract),
    SET("intersect", 6, intersect),
    SET("toggle", 6, toggle),
    SET("clear", 6, clear),
    STAGE_AFTER("set.toggle-after-dead-subtract", &sets, 6, toggle, subtract),
    NAMES("set", 4, set_name),
    NAMES("delete", 4, delete_name),
    NAMES("add", 4, add_to_name),
    {.name = NULL},
};
