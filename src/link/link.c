/* SPDX-License-Identifier: MIT */
/* A process's connection to a manager, for all its threads.
 *
 * A call gets a serial, goes out, and stands in line until its answer comes
 * (line.c). One of the threads that wait, the leader, reads, and hands
 * answers to all (wait.c); it also connects, and when the connection breaks
 * it connects anew and sends again what has no answer: the server knows by the
 * serial what it has done already (connect.c). Nobody ever waits to send:
 * what finds no room is kept and goes out later (send.c).
 *
 * All this is memory of one process; nothing is shared, and there is no death
 * to think of but the process's own, which the server sees by the end of the
 * connection. fork's child has no links: it makes its own when it first calls.
 *
 * `table.lock` guards the list of links and is held across fork; a link's own
 * lock guards what is in it. Neither is held by who waits, nor the first by who
 * takes another. A link is freed by the last who uses it after it was
 * closed. */
#include "link/link.h"

#include "link/batch.h"
#include "os/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct mp__manager_link *first;
    uint32_t pid;       /* whose all this is */
    pthread_key_t ends; /* tells of a thread's end */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static mp__a32 threads; /* the last number that was given */
static __thread uint32_t thread;

/* ---- Forks ---- */

/* In a copy of the process. The memory stays: the threads that used it are not
 * here. */
static void
forget_all(void)
{
    for (struct mp__manager_link *link = table.first; link; link = link->next)
        close(link->kick);
    table.first = NULL;
    thread = 0;
    mp__batch_forget();
}

static void
before_fork(void)
{
    pthread_mutex_lock(&table.lock);
}

static void
after_fork_in_parent(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void
after_fork_in_child(void)
{
    forget_all();
    pthread_mutex_unlock(&table.lock);
}

static void
lock_table(void)
{
    uint32_t pid = mp__load_relaxed(&mp__me.part->pid);

    pthread_mutex_lock(&table.lock);
    if (table.pid != pid) { /* a copy that was made behind fork's back */
        if (table.pid)
            forget_all();
        table.pid = pid;
    }
}

static void
unlock_table(void)
{
    pthread_mutex_unlock(&table.lock);
}

/* ---- Coming and going ---- */

static void
free_link(struct mp__manager_link *link)
{
    pthread_mutex_lock(&link->lock);
    mp__link_drop(link);
    pthread_mutex_unlock(&link->lock);
    free(link->drain.data);
    free(link->fill.data);
    close(link->kick);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

void
mp__link_put(struct mp__manager_link *link)
{
    if (mp__sub(&link->uses, 1) == 1)
        free_link(link);
}

static struct mp__manager_link *
new_link(mp_manager *manager, const char *function, int *ret_error)
{
    struct mp__manager_link *link = calloc(1, sizeof(*link));
    int kick = link ? mp__signal_open() : -ENOMEM;

    if (kick < 0) {
        free(link);
        *ret_error = mp__fail(kick, "%s: no connection can be made: %s",
                              function, mp_strerror(kick));
        return NULL;
    }
    link->manager = manager;
    link->number = manager->number;
    link->kick = kick;
    mp__store_relaxed(&link->uses, 1); /* the table's */
    pthread_mutex_init(&link->lock, NULL);
    return link;
}

/* Those inside return. It is out of the table, whose lock is not held: fork
 * takes that with others'. */
static void
end_link(struct mp__manager_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->closed = 1;
    mp__pending_fail_all(link, 0, -EBADF, "the manager was closed");
    mp__pending_fail_all(link, 1, -EBADF, "the manager was closed");
    mp__signal_raise(link->kick);
    pthread_mutex_unlock(&link->lock);
    mp__link_put(link);
}

static void
end_links(struct mp__manager_link *list)
{
    struct mp__manager_link *next;

    for (; list; list = next) {
        next = list->next;
        end_link(list);
    }
}

static int
is_of(const struct mp__manager_link *link, const mp_manager *manager)
{
    return link->manager == manager && link->number == manager->number;
}

/* Another process may have closed the manager, and another manager may be in
 * its place. */
static int
is_stale(const struct mp__manager_link *link)
{
    return !mp__object_ok(link->manager, MP__SLAB_MANAGER) ||
           !is_of(link, link->manager);
}

/* Out of the table, with its lock held: those of the manager, or stale ones
 * (NULL). */
static struct mp__manager_link *
take_out(const mp_manager *manager)
{
    struct mp__manager_link **at = &table.first, *out = NULL, *link;

    while ((link = *at) != NULL) {
        if (manager ? !is_of(link, manager) : !is_stale(link)) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        link->next = out;
        out = link;
    }
    return out;
}

struct mp__manager_link *
mp__link_get(mp_manager *manager, const char *function, int *ret_error)
{
    struct mp__manager_link *link, *stale = NULL;

    lock_table();
    for (link = table.first; link && !is_of(link, manager);)
        link = link->next;
    if (!link) {
        stale = take_out(NULL);
        link = new_link(manager, function, ret_error);
        if (link) {
            link->next = table.first;
            table.first = link;
        }
    }
    if (link)
        mp__add(&link->uses, 1);
    unlock_table();
    end_links(stale);
    return link;
}

void
mp__link_close(mp_manager *manager)
{
    struct mp__manager_link *links;

    lock_table();
    links = take_out(manager);
    unlock_table();
    end_links(links);
}

/* ---- Threads ---- */

/* The i-th link of the table, to be given back; NULL. */
static struct mp__manager_link *
link_at(unsigned i)
{
    struct mp__manager_link *link;

    lock_table();
    for (link = table.first; link && i > 0; i--)
        link = link->next;
    if (link)
        mp__add(&link->uses, 1);
    unlock_table();
    return link;
}

/* What the thread held there is that of a dead thread. */
static void
end_thread(void *arg)
{
    struct mp__manager_link *link;

    (void)arg;
    mp__batch_drop();
    for (unsigned i = 0; (link = link_at(i)) != NULL; i++) {
        pthread_mutex_lock(&link->lock);
        if (link->met && !link->closed)
            mp__pending_tell(link, "thread_end", 0, thread);
        pthread_mutex_unlock(&link->lock);
        mp__link_put(link);
    }
}

__attribute__((constructor)) static void
prepare(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    pthread_key_create(&table.ends, end_thread);
}

uint32_t
mp__link_thread(void)
{
    if (MP__UNLIKELY(thread == 0)) {
        thread = mp__add(&threads, 1) + 1;
        pthread_setspecific(table.ends, &table);
    }
    return thread;
}
