/* SPDX-License-Identifier: MIT */
/* A child changes what its parent has set. */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

static int
change(void *arg)
{
    mp_namespace *ns = *(mp_namespace **)arg;

    mp_namespace_add_int(ns, "x", 5, NULL);
    mp_namespace_set(ns, "y", "[s,d]", "from the child", 0.5);
    return mp_namespace_delete(ns, "gone") < 0;
}

int
main(void)
{
    mp_process *child;
    mp_namespace *ns;
    char *text;

    if (mp_namespace_create(&ns) < 0)
        return 1;
    mp_namespace_set(ns, "x", "i", 10);
    mp_namespace_set(ns, "gone", "n");
    mp_namespace_set(ns, "_secret", "s", "not printed");
    if (mp_process_start(&child, change, &ns, sizeof(ns), NULL) < 0)
        return 1;
    mp_process_join(child, MP_FOREVER);
    mp_process_close(child);

    mp_namespace_print(ns, stdout);
    if (mp_namespace_get(ns, "_secret", "s", &text) < 0)
        return 1;
    printf("\n%s\n", text);
    free(text);
    printf("%d\n", mp_namespace_has(ns, "gone"));
    mp_namespace_destroy(ns);
    return 0;
}
