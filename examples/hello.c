/* SPDX-License-Identifier: MIT */
#include <mproc.h>
#include <stdio.h>

static int
hello(void *name)
{
    return printf("Hello %s, from another process\n", (char *)name) < 0;
}

int
main(void)
{
    mp_process *child;

    if (mp_process_start(&child, hello, "Bob", sizeof("Bob"), NULL) < 0)
        return fprintf(stderr, "%s\n", mp_last_error()), 1;
    return mp_process_join(child, MP_FOREVER);
}
