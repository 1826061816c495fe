/* SPDX-License-Identifier: MIT */
/* Does the jobs that examples/manager-server.c has, wherever that runs.
 *
 *     manager-client ADDRESS KEY-FILE NAME
 *
 * The objects are used as if they were here; each call asks the server. */
#include <errno.h>
#include <mproc.h>
#include <stdio.h>
#include <stdlib.h>

static int
fail(void)
{
    fprintf(stderr, "manager-client: %s\n", mp_last_error());
    return 1;
}

static size_t
read_key(const char *path, char *key, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(key, 1, size, file) : 0;

    if (!file || n == 0) {
        fprintf(stderr, "manager-client: there is no key in %s\n", path);
        exit(1);
    }
    fclose(file);
    return n;
}

struct office {
    mp_queue *jobs;
    mp_dict *results;
    mp_list *visitors;
    mp_lock *lock;
    mp_semaphore *left;
};

static int
enter_office(mp_manager *manager, struct office *o)
{
    if (mp_manager_lookup(manager, "jobs", "queue", &o->jobs) < 0 ||
        mp_manager_lookup(manager, "results", "dict", &o->results) < 0 ||
        mp_manager_lookup(manager, "visitors", "list", &o->visitors) < 0 ||
        mp_manager_lookup(manager, "lock", "lock", &o->lock) < 0 ||
        mp_manager_lookup(manager, "left", "semaphore", &o->left) < 0)
        return -1;
    return 0;
}

/* How many it has done; below 0. */
static int
do_jobs(struct office *o)
{
    int done = 0, x = 0, r;
    mp_any job;

    while ((r = mp_queue_get_any(o->jobs, &job, MP_NOW)) == 0) {
        mp_any_parse(job, "i", &x);
        mp_any_free(job);
        if (mp_dict_set(o->results, "i", x, "i", x * x) < 0)
            return -1;
        done++;
    }
    return r == -EAGAIN ? done : r;
}

/* Signs with the number of its visit: two steps, so under the lock. */
static int
sign(struct office *o, const char *name)
{
    ssize_t n;
    int r = mp_lock_acquire(o->lock, mp_timeout(10));

    /* -EOWNERDEAD: another client has died with it; it is ours. */
    if (r < 0 && r != -EOWNERDEAD)
        return r;
    n = mp_list_len(o->visitors);
    r = mp_list_append(o->visitors, "[s,q]", name, (int64_t)n + 1);
    mp_lock_release(o->lock);
    return n < 0 ? (int)n : r;
}

int
main(int argc, char **argv)
{
    mp_manager *manager;
    struct office o;
    char key[256];
    int done;

    if (argc < 4) {
        fprintf(stderr, "usage: manager-client ADDRESS KEY-FILE NAME\n");
        return 2;
    }
    if (mp_manager_connect(
            &manager, argv[1],
            MP_MANAGER_ATTR(.authkey = key,
                            .authkey_size =
                                read_key(argv[2], key, sizeof(key)))) < 0)
        return fail();
    if (enter_office(manager, &o) < 0)
        return fail();
    done = do_jobs(&o);
    if (done < 0 || sign(&o, argv[3]) < 0)
        return fail();
    printf("%s has done %d jobs\n", argv[3], done);
    if (mp_semaphore_release(o.left) < 0)
        return fail();
    mp_manager_close(manager);
    return 0;
}
