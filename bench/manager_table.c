/* SPDX-License-Identifier: MIT */
/* The limit of manager.local.*: the same objects for threads of one process, a
 * number, a vector and a hash table, each step of them under a pthread mutex. */
#include "manager.h"
#include "manager_jobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 2 * MANAGER_KEYS };

struct entry {
    struct entry *next;
    char key[16];
    long x;
};

struct table {
    pthread_mutex_t mutex, lock;
    long value;
    long *items;
    size_t len, room;
    struct entry *buckets[BUCKETS];
};

static void *
table_new(void)
{
    struct table *table = private_memory(sizeof(*table));

    pthread_mutex_init(&table->mutex, NULL);
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

static void *
table_open(struct manager_run *run)
{
    return run->place;
}

static ALWAYS_INLINE void
table_set(void *client, long x)
{
    struct table *table = client;

    pthread_mutex_lock(&table->mutex);
    table->value = x;
    pthread_mutex_unlock(&table->mutex);
}

static ALWAYS_INLINE long
table_get(void *client)
{
    struct table *table = client;
    long x;

    pthread_mutex_lock(&table->mutex);
    x = table->value;
    pthread_mutex_unlock(&table->mutex);
    return x;
}

static void
grow(struct table *table)
{
    table->room = table->room ? 2 * table->room : 16;
    table->items = realloc(table->items, table->room * sizeof(long));
    if (!table->items)
        fail("no memory");
}

static ALWAYS_INLINE void
table_append(void *client, long x)
{
    struct table *table = client;

    pthread_mutex_lock(&table->mutex);
    if (table->len == table->room)
        grow(table);
    table->items[table->len++] = x;
    pthread_mutex_unlock(&table->mutex);
}

static long
table_len(void *client)
{
    struct table *table = client;

    return (long)table->len;
}

static ALWAYS_INLINE struct entry **
find_entry(struct table *table, const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    struct entry **at;

    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    at = &table->buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static struct entry *
entry_new(const char *key)
{
    struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        fail("no memory");
    strcpy(entry->key, key);
    return entry;
}

static ALWAYS_INLINE void
table_put(void *client, const char *key, long x)
{
    struct table *table = client;
    struct entry **at;

    pthread_mutex_lock(&table->mutex);
    at = find_entry(table, key);
    if (!*at)
        *at = entry_new(key);
    (*at)->x = x;
    pthread_mutex_unlock(&table->mutex);
}

static ALWAYS_INLINE long
table_find(void *client, const char *key)
{
    struct table *table = client;
    long x;

    pthread_mutex_lock(&table->mutex);
    x = (*find_entry(table, key))->x;
    pthread_mutex_unlock(&table->mutex);
    return x;
}

static ALWAYS_INLINE void
table_acquire(void *client)
{
    pthread_mutex_lock(&((struct table *)client)->lock);
}

static ALWAYS_INLINE void
table_release(void *client)
{
    pthread_mutex_unlock(&((struct table *)client)->lock);
}

static const struct manager_steps table_steps = {
    .open = table_open,
    .set = table_set,
    .get = table_get,
    .append = table_append,
    .len = table_len,
    .put = table_put,
    .find = table_find,
    .acquire = table_acquire,
    .release = table_release,
};

MANAGER_JOBS(table, table_new(), 1)
