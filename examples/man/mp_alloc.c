/* SPDX-License-Identifier: MIT */
/* A linked list that two processes build: pointers are good in both. */
#include <mproc.h>
#include <stdio.h>

struct node {
    int number;
    struct node *next;
};

static int
append(void *arg)
{
    struct node *last = *(struct node **)arg;

    last->next = mp_new(struct node);
    if (!last->next)
        return 1;
    last->next->number = 2;
    return 0;
}

int
main(void)
{
    struct node *first = mp_new(struct node);
    mp_process *child;

    if (!first ||
        mp_process_start(&child, append, &first, sizeof(first), NULL) < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        return 1;
    }
    first->number = 1;
    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);

    /* What the child allocated has outlived it. */
    for (struct node *node = first; node;) {
        struct node *next = node->next;

        printf("%d\n", node->number);
        mp_free(node);
        node = next;
    }
    return 0;
}
