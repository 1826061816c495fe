/* SPDX-License-Identifier: MIT */
/* The commands that ask a server: list, show, stop. */
#include "commands.h"
#include "key.h"
#include "objects.h"
#include "say.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
reach(struct options *options, mp_manager **ret_manager)
{
    int r = key_read(options, 0);

    if (r != 0)
        return r;
    r = mp_manager_connect(ret_manager, options->address, &options->attr);
    return r < 0 ? complain(r, "%s", options->address) : 0;
}

/* A name as text; what would speak to the terminal is a '?'. */
static void
print_name(mp_any name)
{
    const char *text = "";
    size_t size = 0;

    mp_any_get_string(name, &text, &size);
    for (size_t i = 0; i < size; i++)
        putchar(iscntrl((unsigned char)text[i]) ? '?' : text[i]);
}

/* A line for each entry of {name: type}, or {name: number}. */
static int
print_entries(mp_any dict)
{
    mp_any_walker walker;
    mp_any key, value;
    int r;

    mp_any_walk(dict, &walker);
    while ((r = mp_any_next(&walker, &key, &value)) > 0) {
        print_name(key);
        putchar('\t');
        if (mp_any_type(value) == MP_ANY_STRING)
            print_name(value);
        else
            mp_any_print(value, stdout);
        putchar('\n');
    }
    return fflush(stdout) == 0 ? r : -errno;
}

/* Closes it; gives the exit status. */
static int
done(mp_manager *manager, struct options *options, int r)
{
    mp_manager_close(manager);
    return r < 0 ? complain(r, "%s", options->address) : 0;
}

int
list(struct options *options)
{
    mp_manager *manager;
    mp_any names;
    int r = reach(options, &manager);

    if (r != 0)
        return r;
    r = mp_manager_names(manager, &names);
    if (r == 0) {
        r = print_entries(names);
        mp_any_free(names);
    }
    return done(manager, options, r);
}

static int
show_statistics(mp_manager *manager)
{
    mp_any statistics;
    int r = mp_manager_statistics(manager, &statistics);

    if (r < 0)
        return r;
    r = print_entries(statistics);
    mp_any_free(statistics);
    return r;
}

/* 1: shown, or said why not. */
static int
show_published(mp_manager *manager, const char *name, int *ret_status)
{
    mp_any names, type;
    const char *text;
    size_t size;
    char *copy;
    int r = mp_manager_names(manager, &names);

    if (r < 0)
        return r;
    r = mp_any_entry(names, name, &type);
    if (r == 0)
        r = mp_any_get_string(type, &text, &size);
    if (r == 0) {
        copy = strndup(text, size);
        *ret_status = copy ? object_show(manager, name, copy, stdout) : 1;
        free(copy);
    } else {
        say("nothing is published as %s", name);
        *ret_status = 1;
    }
    mp_any_free(names);
    return 0;
}

int
show(struct options *options, const char *name)
{
    mp_manager *manager;
    int status = 0;
    int r = reach(options, &manager);

    if (r != 0)
        return r;
    r = name ? show_published(manager, name, &status)
             : show_statistics(manager);
    r = done(manager, options, r);
    return r ? r : status;
}

int
stop(struct options *options)
{
    mp_manager *manager;
    int r = reach(options, &manager);

    if (r != 0)
        return r;
    return done(manager, options, mp_manager_shutdown(manager));
}
