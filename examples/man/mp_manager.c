/* SPDX-License-Identifier: MIT */
/* Two programs: one holds a dict, the other one, no child in the sense of
 * mproc, changes it by its name. fork() stands for starting the other one by
 * hand, on this machine or on another. */
#include <mproc.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int
be_the_other(const char *address)
{
    mp_manager *manager;
    mp_dict *dict;
    int64_t visits;

    if (mp_manager_connect(&manager, address, NULL) < 0 ||
        mp_manager_lookup(manager, "guests", "dict", &dict) < 0 ||
        mp_dict_set(dict, "s", "last", "s", "Bob") < 0 ||
        mp_dict_add_int(dict, 1, &visits, "s", "visits") < 0) {
        printf("%s\n", mp_last_error());
        return 1;
    }
    printf("I am visitor %d\n", (int)visits);
    fflush(stdout);
    mp_manager_close(manager);
    return 0;
}

int
main(void)
{
    char address[80], go;
    mp_manager *manager;
    mp_dict *dict;
    int ready[2];

    snprintf(address, sizeof(address), "unix:/tmp/guests-%d", (int)getpid());
    if (pipe(ready) < 0)
        return 1;
    if (fork() == 0) {
        if (read(ready[0], &go, 1) != 1)
            return 1;
        return be_the_other(address);
    }

    if (mp_manager_start(&manager, MP_MANAGER_ATTR(.address = address)) < 0 ||
        mp_manager_dict(manager, &dict) < 0 ||
        mp_manager_publish(manager, "guests", dict) < 0) {
        printf("%s\n", mp_last_error());
        return 1;
    }
    mp_dict_set(dict, "s", "visits", "i", 41); /* as any dict of the family */
    if (write(ready[1], "!", 1) != 1)
        return 1;
    wait(NULL);
    mp_dict_print(dict, stdout);
    putchar('\n');
    mp_manager_shutdown(manager);
    return 0;
}
