/* SPDX-License-Identifier: MIT */
#include <mproc.h>
#include <stdio.h>

static int number = 1; /* a variable of the program, not shared */

static int
look(void *sum)
{
    return mp_value_add(*(mp_value **)sum, number);
}

int
main(void)
{
    const int methods[] = {MP_FORK, MP_SPAWN, MP_FORKSERVER};
    const char *names[] = {"fork", "spawn", "forkserver"};

    number = 5;
    for (int i = 0; i < 3; i++) {
        mp_process *process;
        mp_value *sum;
        int x;

        if (mp_value_create(&sum, 'i', 0) < 0 ||
            mp_process_start(&process, look, &sum, sizeof(sum),
                             MP_PROCESS_ATTR(.method = methods[i])) < 0)
            return fprintf(stderr, "%s\n", mp_last_error()), 1;
        mp_process_join(process, MP_FOREVER);
        mp_value_get(sum, &x);
        printf("%s: the child's number is %d\n", names[i], x);
    }
    return 0;
}
