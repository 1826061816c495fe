/* SPDX-License-Identifier: MIT */
/* A counter that lives in the server's process. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

static int
create(void **ret_self, mp_any args)
{
    int *counter = malloc(sizeof(*counter));

    if (!counter)
        return -ENOMEM;
    *ret_self = counter;
    return mp_any_parse(args, "[i]", counter);
}

static int
add(void *self, mp_any args, mp_any_writer *result)
{
    int *counter = self, x;
    int r = mp_any_parse(args, "[i]", &x);

    if (r < 0)
        return r;
    if (x < 0)
        return mp_any_build(result, "s", "it counts upwards only"), -EDOM;
    *counter += x;
    return mp_any_build(result, "i", *counter);
}

static const mp_method methods[] = {{"add", add}};
static const mp_type_ops ops = {sizeof(ops), 1, methods, create, free};

int
main(void)
{
    mp_manager *manager;
    mp_object *counter;
    int sum;

    if (mp_manager_register("counter", &ops) < 0 ||
        mp_manager_start(&manager, NULL) < 0 ||
        mp_manager_object(manager, &counter, "counter", "i", 40) < 0)
        return printf("%s\n", mp_last_error()), 1;

    if (mp_object_call(counter, "add", MP_FOREVER, "i > i", 2, &sum) == 0)
        printf("the counter says %d\n", sum);
    if (mp_object_call(counter, "add", MP_FOREVER, "i", -1) < 0)
        printf("%s\n", mp_last_error());
    mp_object_destroy(counter);
    mp_manager_shutdown(manager);
    return 0;
}
