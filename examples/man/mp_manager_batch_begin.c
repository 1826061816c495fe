/* SPDX-License-Identifier: MIT */
/* A thousand items go to another program's list in a few messages. */
#include <mproc.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int
fill(const char *address)
{
    mp_manager *manager;
    mp_list *list;

    if (mp_manager_connect(&manager, address, NULL) < 0 ||
        mp_manager_lookup(manager, "list", "list", &list) < 0)
        return 1;
    mp_manager_batch_begin(manager);
    for (int i = 0; i < 1000; i++)
        mp_list_append(list, "i", i);
    if (mp_manager_batch_end(manager) < 0)
        printf("%s\n", mp_last_error());
    mp_manager_close(manager);
    return 0;
}

int
main(void)
{
    char address[80], go;
    mp_manager *manager;
    mp_list *list;
    int ready[2];

    snprintf(address, sizeof(address), "unix:/tmp/batch-%d", (int)getpid());
    if (pipe(ready) < 0)
        return 1;
    if (fork() == 0)
        return read(ready[0], &go, 1) != 1 || fill(address);

    if (mp_manager_start(&manager, MP_MANAGER_ATTR(.address = address)) < 0 ||
        mp_manager_list(manager, &list) < 0 ||
        mp_manager_publish(manager, "list", list) < 0 ||
        write(ready[1], "!", 1) != 1)
        return 1;
    wait(NULL);
    printf("%d items\n", (int)mp_list_len(list));
    mp_manager_shutdown(manager);
    return 0;
}
