/* SPDX-License-Identifier: MIT */
/* A manager's number, array and list, changed by a child: what Python does with
 * multiprocessing.Manager().
 *
 * In the family that has started the manager they lie in the family's memory,
 * and cost what ordinary shared objects cost. The manager holds them for others:
 * for programs that are no children, on this machine or on another one, as in
 * examples/manager-server.c. */
#include "tour.h"

#include <stdio.h>

struct held {
    mp_value *number;
    mp_array *items;
    mp_list *list;
};

static void
show(const char *when, struct held *held)
{
    char text[200] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    CLAIM(out != NULL);
    MUST(mp_value_print(held->number, out));
    fputs(" and ", out);
    MUST(mp_array_print(held->items, out));
    fputs(" and ", out);
    MUST(mp_list_print(held->list, out));
    fclose(out);
    say("%s: %s", when, text);
}

static int
change(void *arg)
{
    struct held *held = arg;

    MUST(mp_value_set(held->number, 3.14));
    MUST(mp_array_set(held->items, 0, 5));
    MUST(mp_list_append(held->list, "s", "Hello"));
    return 0;
}

void
scene_manager(void)
{
    mp_manager *manager;
    mp_process *child;
    struct held held;

    MUST(mp_manager_start(&manager, NULL));
    MUST(mp_manager_value(manager, &held.number, 'd', MP_SCALAR(0.0)));
    MUST(mp_manager_array(manager, &held.items, 'i', 10));
    MUST(mp_manager_list(manager, &held.list));
    for (int i = 0; i < 10; i++)
        MUST(mp_array_set(held.items, i, i));
    show("at first", &held);

    start_crowd(&child, 1, "child", change, &held, sizeof(held));
    CLAIM(join_crowd(&child, 1) == 1);
    show("a child has changed all three", &held);
    MUST(mp_manager_shutdown(manager));
}
