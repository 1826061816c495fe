/* SPDX-License-Identifier: MIT */
/* Ledgers: a table of entries for each pool at which this process has
 * callbacks, or a descriptor.
 *
 * A ledger is found by the pool and its id, and made at the first need. It has
 * an inbox of the pool as long as both are there. It is counted who uses it,
 * for another thread may destroy the pool; a pool that another process has
 * destroyed is noticed when the next ledger is made. */
#include "result/ledger.h"

#include "os/fork.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock; /* guards all below, and what is in them */
    struct mp__ledger *ledgers;
    pid_t pid; /* whose they are */
} book = {.lock = PTHREAD_MUTEX_INITIALIZER};

mp__a64 mp__ledger_entries;

/* ---- Ledgers ---- */

static void
free_ledger(struct mp__ledger *l)
{
    struct mp__entry *e;

    for (size_t i = 0; i < l->buckets; i++)
        while ((e = l->bucket[i]) != NULL) {
            l->bucket[i] = e->next;
            free(e);
        }
    while ((e = l->spare) != NULL) {
        l->spare = e->next;
        free(e);
    }
    free(l->bucket);
    free(l);
}

static void
drop_all(void)
{
    struct mp__ledger *l;

    while ((l = book.ledgers) != NULL) {
        book.ledgers = l->next;
        free_ledger(l);
    }
    mp__store(&mp__ledger_entries, 0);
}

MP__HELD_ACROSS_FORK(book.lock, drop_all());

void
mp__ledger_lock(void)
{
    pthread_mutex_lock(&book.lock);
    /* A copy that was made behind fork's back. */
    if (book.pid != getpid()) {
        drop_all();
        book.pid = getpid();
    }
}

void
mp__ledger_unlock(void)
{
    pthread_mutex_unlock(&book.lock);
}

/* Where the ledger hangs; NULL if there is none. */
static struct mp__ledger **
find_ledger(mp_pool *pool, uint64_t id)
{
    struct mp__ledger **at = &book.ledgers;

    while (*at && ((*at)->pool != pool || (*at)->pool_id != id))
        at = &(*at)->next;
    return *at ? at : NULL;
}

static void
unlink_ledger(struct mp__ledger **at)
{
    struct mp__ledger *l = *at;

    *at = l->next;
    l->removed = 1;
    mp__sub(&mp__ledger_entries, l->entries);
    if (l->users == 0)
        free_ledger(l);
}

/* Those of pools that others have destroyed. */
static void
sweep_ledgers(void)
{
    struct mp__ledger **at = &book.ledgers;

    while (*at)
        if (mp__pool_is((*at)->pool, (*at)->pool_id))
            at = &(*at)->next;
        else
            unlink_ledger(at);
}

struct mp__ledger *
mp__ledger_get(mp_pool *pool)
{
    struct mp__ledger **at;
    struct mp__ledger *l;

    mp__ledger_lock();
    at = find_ledger(pool, pool->id);
    l = at ? *at : NULL;
    if (l)
        l->users++;
    mp__ledger_unlock();
    return l;
}

void
mp__ledger_put(struct mp__ledger *l)
{
    mp__ledger_lock();
    if (--l->users == 0 && l->removed)
        free_ledger(l);
    mp__ledger_unlock();
}

void
mp__ledger_remove(struct mp__ledger *l)
{
    struct mp__ledger **at;

    mp__ledger_lock();
    at = find_ledger(l->pool, l->pool_id);
    if (at)
        unlink_ledger(at);
    mp__ledger_unlock();
}

static struct mp__ledger *
new_ledger(mp_pool *pool)
{
    struct mp__ledger *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->pool = pool;
    l->pool_id = pool->id;
    l->buckets = 64;
    l->bucket = calloc(l->buckets, sizeof(struct mp__entry *));
    l->inbox = l->bucket ? mp__inbox_take(pool) : NULL;
    if (l->inbox)
        return l;
    free(l->bucket);
    free(l);
    return NULL;
}

struct mp__ledger *
mp__ledger_make(mp_pool *pool)
{
    struct mp__ledger *l = mp__ledger_get(pool), *mine;

    if (l)
        return l;
    mine = new_ledger(pool);
    if (!mine)
        return NULL;
    mp__ledger_lock();
    sweep_ledgers();
    if (!find_ledger(pool, pool->id)) {
        mine->next = book.ledgers;
        book.ledgers = mine;
        mine->users++;
        mp__ledger_unlock();
        return mine;
    }
    mp__ledger_unlock();
    mp__inbox_give(pool, mine->inbox); /* another thread was faster */
    free_ledger(mine);
    return mp__ledger_get(pool);
}

/* ---- Entries: under the lock ---- */

static struct mp__entry **
bucket_of(struct mp__ledger *l, const void *result)
{
    uint64_t hash = (uintptr_t)result * 0x9e3779b97f4a7c15u;

    return &l->bucket[hash >> 32 & (l->buckets - 1)];
}

struct mp__entry *
mp__ledger_find(struct mp__ledger *l, const void *result, uint64_t number)
{
    struct mp__entry *e = *bucket_of(l, result);

    while (e && (e->result != result || e->number != number))
        e = e->next;
    return e;
}

struct mp__entry *
mp__ledger_find_any(const void *result, uint64_t number)
{
    struct mp__entry *e = NULL;

    for (struct mp__ledger *l = book.ledgers; l && !e; l = l->next)
        e = mp__ledger_find(l, result, number);
    return e;
}

/* Without memory for more the chains get longer. */
void
mp__ledger_grow(struct mp__ledger *l)
{
    struct mp__entry **old = l->bucket, *e;
    size_t n = l->buckets;
    struct mp__entry **larger = calloc(2 * n, sizeof(*larger));

    if (!larger)
        return;
    l->bucket = larger;
    l->buckets = 2 * n;
    for (size_t i = 0; i < n; i++)
        while ((e = old[i]) != NULL) {
            struct mp__entry **at = bucket_of(l, e->result);

            old[i] = e->next;
            e->next = *at;
            *at = e;
        }
    free(old);
}

void
mp__ledger_add(struct mp__ledger *l, struct mp__entry *e)
{
    struct mp__entry **at = bucket_of(l, e->result);

    e->next = *at;
    *at = e;
    l->entries++;
    l->waiting++;
    mp__add(&mp__ledger_entries, 1);
}

void
mp__ledger_drop(struct mp__ledger *l, struct mp__entry *e)
{
    struct mp__entry **at = bucket_of(l, e->result);

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    l->entries--;
    l->waiting -= !e->running;
    l->doubtful -= (size_t)e->doubtful;
    if (!l->removed)
        mp__sub(&mp__ledger_entries, 1);
    free(e);
}
