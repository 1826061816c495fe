/* SPDX-License-Identifier: MIT */
#include <mproc.h>
#include <stdio.h>

struct node {
    struct node *next;
    int x;
};

/* Puts a node of its own before the first. */
static int
prepend(void *arg)
{
    struct node **first = *(struct node ***)arg;
    struct node *node = mp_new(struct node);

    if (!node)
        return 1;
    node->x = (*first)->x + 1;
    node->next = *first;
    *first = node;
    return 0;
}

int
main(void)
{
    struct node **first = mp_new(struct node *);

    if (!first || !(*first = mp_new(struct node)))
        return fprintf(stderr, "%s\n", mp_last_error()), 1;
    for (int i = 0; i < 3; i++) {
        mp_process *process;

        if (mp_process_start(&process, prepend, &first, sizeof(first), NULL) <
            0)
            return fprintf(stderr, "%s\n", mp_last_error()), 1;
        mp_process_join(process, MP_FOREVER);
    }
    /* Nodes of processes that have ended. */
    for (struct node *node = *first; node; node = node->next)
        printf("%d\n", node->x);
    return 0;
}
