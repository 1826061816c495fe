/* SPDX-License-Identifier: MIT */
/* Objects by the names of their types: made for an option, shown to whoever
 * asks. What a client may have put into them is printed as Python prints it, so
 * that nothing in it speaks to the terminal. */
#include "objects.h"

#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Making ---- */

/* A number from 0 on. */
static int
number_of(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || n > UINT32_MAX)
        return -EINVAL;
    *ret = (uint32_t)n;
    return 0;
}

/* Defines make_TYPE for a type that needs a name only. */
#define PLAIN(type)                                               \
    static int make_##type(mp_manager *manager, const char *more, \
                           void **ret_handle)                     \
    {                                                             \
        mp_##type *object;                                        \
        int r = mp_manager_##type(manager, &object);              \
                                                                  \
        (void)more;                                               \
        if (r == 0)                                               \
            *ret_handle = object;                                 \
        return r;                                                 \
    }

/* And for one that needs a number. */
#define NUMBERED(name, type)                                      \
    static int make_##name(mp_manager *manager, const char *more, \
                           void **ret_handle)                     \
    {                                                             \
        mp_##type *object;                                        \
        uint32_t n = 0;                                           \
        int r = more ? number_of(more, &n) : 0;                   \
                                                                  \
        if (r == 0)                                               \
            r = mp_manager_##name(manager, &object, n);           \
        if (r == 0)                                               \
            *ret_handle = object;                                 \
        return r;                                                 \
    }

PLAIN(list)
PLAIN(dict)
PLAIN(set)
PLAIN(namespace)
PLAIN(lock)
PLAIN(rlock)
PLAIN(event)
PLAIN(condition)
NUMBERED(queue, queue)
NUMBERED(joinable_queue, queue)
NUMBERED(semaphore, semaphore)
NUMBERED(bounded_semaphore, semaphore)
NUMBERED(barrier, barrier)

/* "TYPE", a letter. */
static int
make_value(mp_manager *manager, const char *more, void **ret_handle)
{
    mp_value *value;
    int r = more[1] ? -EINVAL
                    : mp_manager_value(manager, &value, more[0], MP_SCALAR(0));

    if (r == 0)
        *ret_handle = value;
    return r;
}

/* "TYPE:N" */
static int
make_array(mp_manager *manager, const char *more, void **ret_handle)
{
    mp_array *array;
    uint32_t n;
    int r = more[1] == ':' ? number_of(more + 2, &n) : -EINVAL;

    if (r == 0)
        r = mp_manager_array(manager, &array, more[0], n);
    if (r == 0)
        *ret_handle = array;
    return r;
}

const struct wish wishes[] = {
    {"list", NULL, "NAME", make_list},
    {"dict", NULL, "NAME", make_dict},
    {"set", NULL, "NAME", make_set},
    {"namespace", NULL, "NAME", make_namespace},
    {"value", "a type, as \"d\"", "NAME:TYPE", make_value},
    {"array", "a type and a number, as \"d:100\"", "NAME:TYPE:N", make_array},
    {"queue", "", "NAME[:MAXSIZE]", make_queue},
    {"joinable-queue", "", "NAME[:MAXSIZE]", make_joinable_queue},
    {"lock", NULL, "NAME", make_lock},
    {"rlock", NULL, "NAME", make_rlock},
    {"semaphore", "a number", "NAME:N", make_semaphore},
    {"bounded-semaphore", "a number", "NAME:N", make_bounded_semaphore},
    {"event", NULL, "NAME", make_event},
    {"condition", NULL, "NAME", make_condition},
    {"barrier", "a number", "NAME:N", make_barrier},
    {0},
};

/* "NAME" or "NAME:MORE". */
static int
make_one(mp_manager *manager, const struct wish *wish, const char *argument)
{
    const char *more = wish->more ? strchr(argument, ':') : NULL;
    size_t n = more ? (size_t)(more - argument) : strlen(argument);
    char *name = strndup(argument, n);
    void *handle = NULL;
    int r = name ? 0 : -ENOMEM;

    if (r == 0 && wish->more && *wish->more && !more) {
        say("--%s %s: %s is to follow: NAME:...", wish->option, argument,
            wish->more);
        free(name);
        return USAGE;
    }
    if (r == 0)
        r = wish->make(manager, more ? more + 1 : NULL, &handle);
    if (r == 0)
        r = mp_manager_publish(manager, name, handle);
    free(name);
    return r < 0 ? complain(r, "--%s %s", wish->option, argument) : 0;
}

int
objects_make(mp_manager *manager, const struct options *options)
{
    int r = 0;

    for (size_t i = 0; i < options->wish_count && r == 0; i++)
        r = make_one(manager, options->wishes[i], options->wished[i]);
    return r;
}

/* ---- Showing ---- */

static int
show_lock(mp_lock *lock, FILE *out)
{
    int r = mp_lock_locked(lock);

    if (r >= 0)
        fputs(r ? "locked\n" : "free\n", out);
    return r;
}

static int
show_rlock(mp_rlock *lock, FILE *out)
{
    int r = mp_rlock_locked(lock);

    if (r >= 0)
        fputs(r ? "locked\n" : "free\n", out);
    return r;
}

static int
show_semaphore(mp_semaphore *semaphore, FILE *out)
{
    int r = mp_semaphore_value(semaphore);

    if (r >= 0)
        fprintf(out, "%d permits are free\n", r);
    return r;
}

static int
show_event(mp_event *event, FILE *out)
{
    int r = mp_event_is_set(event);

    if (r >= 0)
        fputs(r ? "set\n" : "not set\n", out);
    return r;
}

static int
show_barrier(mp_barrier *barrier, FILE *out)
{
    int parties = mp_barrier_parties(barrier);
    int waiting = mp_barrier_n_waiting(barrier);
    int broken = mp_barrier_broken(barrier);

    if (parties < 0 || waiting < 0 || broken < 0)
        return broken < 0 ? broken : waiting < 0 ? waiting : parties;
    fprintf(out, "%d of %d wait%s\n", waiting, parties,
            broken ? "; it is broken" : "");
    return 0;
}

static int
show_queue(mp_queue *queue, FILE *out)
{
    int empty = mp_queue_empty(queue);

    if (empty >= 0)
        fprintf(out, "%zu messages\n", mp_queue_size(queue));
    return empty;
}

/* Defines print_TYPE, for types that have a function to print them. */
#define PRINTED(type)                                \
    static int show_##type(mp_##type *it, FILE *out) \
    {                                                \
        int r = mp_##type##_print(it, out);          \
                                                     \
        if (r >= 0)                                  \
            putc('\n', out);                         \
        return r;                                    \
    }

PRINTED(list)
PRINTED(dict)
PRINTED(set)
PRINTED(namespace)
PRINTED(value)
PRINTED(array)

/* Shows it if it is of that type. */
#define SHOW(name)                                           \
    if (strcmp(type, #name) == 0) {                          \
        mp_##name *it;                                       \
        int r = mp_manager_lookup(manager, key, #name, &it); \
                                                             \
        return r < 0 ? r : show_##name(it, out);             \
    }

static int
show_by_type(mp_manager *manager, const char *key, const char *type, FILE *out)
{
    SHOW(list)
    SHOW(dict)
    SHOW(set)
    SHOW(namespace)
    SHOW(value)
    SHOW(array)
    SHOW(lock)
    SHOW(rlock)
    SHOW(semaphore)
    SHOW(event)
    SHOW(barrier)
    SHOW(queue)
    fprintf(out, "a %s\n", type);
    return 0;
}

int
object_show(mp_manager *manager, const char *name, const char *type, FILE *out)
{
    int r = show_by_type(manager, name, type, out);

    return r < 0 ? complain(r, "%s", name) : 0;
}
