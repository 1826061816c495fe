/* SPDX-License-Identifier: MIT */
/* Holds objects for other programs: examples/manager-client.c, on this machine
 * or on another one.
 *
 *     manager-server ADDRESS KEY-FILE [CLIENTS]
 *
 * ADDRESS is tcp:host:port or unix:/path. There is a queue of jobs, a dict of
 * the results, and a lock. Each client does what it finds in the queue, and puts
 * its name on the list of those who have come. After so many (1) the results are
 * printed, and the program ends. */
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOBS = 10 };

static int
fail(void)
{
    fprintf(stderr, "manager-server: %s\n", mp_last_error());
    return 1;
}

static size_t
read_key(const char *path, char *key, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(key, 1, size, file) : 0;

    if (!file || n == 0) {
        fprintf(stderr, "manager-server: there is no key in %s\n", path);
        exit(1);
    }
    fclose(file);
    return n;
}

/* What the clients work on, and the semaphore that says that one has left. */
struct office {
    mp_queue *jobs;
    mp_dict *results;
    mp_list *visitors;
    mp_lock *lock;
    mp_semaphore *left;
};

static int
open_office(mp_manager *manager, struct office *o)
{
    if (mp_manager_queue(manager, &o->jobs, 0) < 0 ||
        mp_manager_dict(manager, &o->results) < 0 ||
        mp_manager_list(manager, &o->visitors) < 0 ||
        mp_manager_lock(manager, &o->lock) < 0 ||
        mp_semaphore_create(&o->left, 0, NULL) < 0)
        return -1;
    for (int i = 1; i <= JOBS; i++)
        if (mp_queue_putf(o->jobs, "i", i) < 0)
            return -1;
    if (mp_manager_publish(manager, "jobs", o->jobs) < 0 ||
        mp_manager_publish(manager, "results", o->results) < 0 ||
        mp_manager_publish(manager, "visitors", o->visitors) < 0 ||
        mp_manager_publish(manager, "lock", o->lock) < 0 ||
        mp_manager_publish(manager, "left", o->left) < 0)
        return -1;
    return 0;
}

int
main(int argc, char **argv)
{
    int clients = argc > 3 ? atoi(argv[3]) : 1;
    mp_manager *manager;
    struct office o;
    char key[256];

    if (argc < 3) {
        fprintf(stderr, "usage: manager-server ADDRESS KEY-FILE [CLIENTS]\n");
        return 2;
    }
    if (mp_manager_start(&manager,
                         MP_MANAGER_ATTR(.address = argv[1], .authkey = key,
                                         .authkey_size = read_key(
                                             argv[2], key, sizeof(key)))) < 0)
        return fail();
    if (open_office(manager, &o) < 0)
        return fail();
    printf("listening at %s\n", mp_manager_address(manager));
    fflush(stdout);

    for (int i = 0; i < clients; i++)
        if (mp_semaphore_acquire(o.left, MP_FOREVER) < 0)
            return fail();
    printf("results: ");
    mp_dict_print(o.results, stdout);
    printf("\nvisitors: ");
    mp_list_print(o.visitors, stdout);
    putchar('\n');
    mp_manager_shutdown(manager);
    return 0;
}
