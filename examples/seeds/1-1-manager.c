/* SPDX-License-Identifier: MIT */
/* A child changes a number, an array and a list that a manager holds.
 *
 * Python: Manager() starts a server process. Its Value, Array and list live
 * there; what parent and child hold are proxies, which send each access to the
 * server. So a list, which is no piece of shared memory, can be shared as
 * well.
 *
 * Here: mp_manager_start(), mp_manager_value(), mp_manager_array() and
 * mp_manager_list(). There is a server too, but it serves other programs and
 * machines (see ../manager-server.c). Parent and child share memory, lists
 * included, and use the objects where they lie. */
#include "must.h"

struct held {
    mp_value *number;
    mp_array *items;
    mp_list *list;
};

static int
change(void *arg)
{
    struct held *held = arg;

    MUST(mp_value_set(held->number, 3.14));
    MUST(mp_array_set(held->items, 0, 5));
    MUST(mp_list_append(held->list, "s", "Hello"));
    return 0;
}

int
main(void)
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

    MUST(mp_process_start(&child, change, &held, sizeof(held), NULL));
    MUST(mp_process_join(child, MP_FOREVER));
    MUST(mp_process_close(child));

    printf("the number: ");
    MUST(mp_value_print(held.number, stdout));
    printf("\nthe array:  ");
    MUST(mp_array_print(held.items, stdout));
    printf("\nthe list:   ");
    MUST(mp_list_print(held.list, stdout));
    printf("\n");
    MUST(mp_manager_shutdown(manager));
    return 0;
}
