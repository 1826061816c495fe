/* SPDX-License-Identifier: MIT */
/* Children append what they have found to one list, and count in another. */
#include <mproc.h>
#include <stdlib.h>

struct shared {
    mp_list *found, *counts;
};

static int
look(void *arg)
{
    struct shared *shared = arg;
    const char *name = mp_process_name(mp_current_process());

    mp_list_append(shared->found, "{'who':s,'sizes':[i,d]}", name, 3, 0.5);
    return mp_list_add_int(shared->counts, 0, 1, NULL) < 0;
}

int
main(void)
{
    mp_process *children[2];
    struct shared shared;
    mp_any last;
    char *who;
    int n;

    if (mp_list_create(&shared.found) < 0 ||
        mp_list_create(&shared.counts) < 0 ||
        mp_list_extend(shared.counts, "[i,s]", 0, "children") < 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        if (mp_process_start(&children[i], look, &shared, sizeof(shared),
                             MP_PROCESS_ATTR(.name = i ? "Eve" : "Adam")) < 0)
            return 1;
        mp_process_join(children[i], MP_FOREVER);
        mp_process_close(children[i]);
    }

    mp_list_print(shared.found, stdout);
    if (mp_list_get(shared.found, 0, "{'who':s,'sizes':[i *]}", &who, &n) == 0)
        printf("\n%s found %d\n", who, n);
    free(who);
    if (mp_list_slice(shared.found, -1, MP_LIST_END, 1, &last) == 0)
        mp_any_print(last, stdout);
    mp_any_free(last);
    printf("\n");
    mp_list_append(shared.counts, "h", shared.counts); /* in itself */
    mp_list_pop(shared.counts, -1, NULL);
    mp_list_print(shared.counts, stdout);
    if (mp_list_get(shared.counts, 2, "i", &n) < 0)
        printf("\n%s\n", mp_last_error());
    mp_list_destroy(shared.found);
    mp_list_destroy(shared.counts);
    return 0;
}
