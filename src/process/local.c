/* SPDX-License-Identifier: MIT */
/* What this process has of its own about processes: a table from records to
 * pidfds.
 *
 * A record may be closed and its cell used again while another process still
 * has an entry for it; so an entry belongs to {record, serial}. A pidfd is
 * opened by the number, and used only if the identity agrees with the
 * record's: then it is that process, whatever happens to the number later.
 * If it does not agree, the process has ended and was reaped.
 *
 * Nothing here is shared with other processes. fork's child inherits the
 * table: the pidfds are as good there, but the children are not its own, which
 * it sees by the generation. */
#include "process/local.h"

#include "os/descriptors.h"
#include "os/fork.h"
#include "os/pidfd.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BUCKETS 256

static struct {
    pthread_mutex_t lock; /* guards all below; held across fork */
    struct mp__local *bucket[BUCKETS];
    size_t count;
    size_t sweep_at; /* the count at which stale entries are looked for */
    uint32_t generation;
    uint32_t has_children; /* the generation that has started any, */
    pid_t starter;         /*   and its process */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .sweep_at = 64, .generation = 1};

MP__HELD_ACROSS_FORK(table.lock, table.generation++);

uint32_t
mp__generation(void)
{
    return table.generation;
}

int
mp__local_has_children(void)
{
    /* The pid tells copies that were made behind fork's back. */
    return __atomic_load_n(&table.has_children, __ATOMIC_RELAXED) ==
               table.generation &&
           table.starter == getpid();
}

static struct mp__local **
bucket_of(const mp_process *p)
{
    return &table.bucket[((uintptr_t)p / sizeof(*p)) % BUCKETS];
}

/* Where the entry hangs; NULL if there is none. */
static struct mp__local **
find(const mp_process *p, uint32_t serial)
{
    struct mp__local **at = bucket_of(p);

    while (*at && ((*at)->process != p || (*at)->serial != serial))
        at = &(*at)->next;
    return *at ? at : NULL;
}

/* Whether the handle was closed since; perhaps the cell is another's now. */
static int
is_stale(const struct mp__local *l)
{
    uint64_t state = mp__load_acquire(&l->process->state);

    return !mp__process_ok(l->process) ||
           mp__state_serial(state) != l->serial ||
           mp__state_phase(state) == MP__CLOSED;
}

static void
free_entry(struct mp__local *l)
{
    if (l->ours && l->generation == table.generation)
        mp__pidfd_reap(l->fd);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

static void
unlink_entry(struct mp__local **at)
{
    struct mp__local *l = *at;

    *at = l->next;
    l->removed = 1;
    table.count--;
    if (l->users == 0)
        free_entry(l);
}

/* Handles that other processes have closed. A child of ours that has ended
 * stays in the process table until then. */
static void
sweep(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct mp__local **at = &table.bucket[i];

        while (*at)
            if (is_stale(*at))
                unlink_entry(at);
            else
                at = &(*at)->next;
    }
    table.sweep_at = table.count < 32 ? 64 : table.count * 2;
}

static void
link_entry(struct mp__local *l)
{
    struct mp__local **at;

    if (table.count >= table.sweep_at)
        sweep();
    at = bucket_of(l->process);
    l->next = *at;
    *at = l;
    table.count++;
}

struct mp__local *
mp__local_new(mp_process *p, uint32_t serial)
{
    struct mp__local *l = calloc(1, sizeof(*l));

    if (l) {
        l->process = p;
        l->serial = serial;
        l->fd = -1;
    }
    return l;
}

void
mp__local_add(struct mp__local *l, pid_t pid, int pidfd)
{
    l->pid = pid;
    l->fd = pidfd;
    pthread_mutex_lock(&table.lock);
    l->generation = table.generation;
    table.has_children = table.generation;
    table.starter = getpid();
    link_entry(l);
    if (is_stale(l)) /* the child has given itself to one that closed it */
        unlink_entry(find(l->process, l->serial));
    pthread_mutex_unlock(&table.lock);
}

/* Opens the descriptor of an entry that has none. */
static int
open_entry(struct mp__local *l)
{
    uint64_t identity = mp__load_acquire(&l->process->identity);
    pid_t pid = (pid_t)mp__load_relaxed(&l->process->pid);
    int fd = mp__pidfd_open(pid);

    /* What was read is of a later use of the cell? */
    if (is_stale(l)) {
        if (fd >= 0)
            close(fd);
        return -EBADF;
    }
    if (fd < 0 && fd != -ESRCH)
        return fd;
    if (fd >= 0 && mp__pidfd_identity(fd, pid) != identity) {
        close(fd);
        fd = -ESRCH;
    }
    l->pid = pid;
    if (fd == -ESRCH) {
        l->gone = 1;
        fd = mp__fd_high(eventfd(1, EFD_CLOEXEC));
    }
    if (fd < 0)
        return fd;
    l->fd = fd;
    return 0;
}

int
mp__local_get(mp_process *p, struct mp__local **ret_local)
{
    uint32_t serial = mp__state_serial(mp__load_acquire(&p->state));
    struct mp__local **at;
    struct mp__local *l;
    int r = 0;

    pthread_mutex_lock(&table.lock);
    at = find(p, serial);
    l = at ? *at : mp__local_new(p, serial);
    if (!l)
        r = -ENOMEM;
    else if (l->fd < 0)
        r = open_entry(l);
    if (r == 0) {
        if (!at)
            link_entry(l);
        l->users++;
        *ret_local = l;
    } else if (!at) {
        free(l);
    }
    pthread_mutex_unlock(&table.lock);
    return r;
}

void
mp__local_put(struct mp__local *l)
{
    pthread_mutex_lock(&table.lock);
    if (--l->users == 0 && l->removed)
        free_entry(l);
    pthread_mutex_unlock(&table.lock);
}

void
mp__local_remove(mp_process *p, uint32_t serial)
{
    struct mp__local **at;

    pthread_mutex_lock(&table.lock);
    at = find(p, serial);
    if (at)
        unlink_entry(at);
    pthread_mutex_unlock(&table.lock);
}

struct mp__local **
mp__local_children(size_t *ret_n)
{
    struct mp__local **list;
    size_t n = 0;

    pthread_mutex_lock(&table.lock);
    sweep();
    list = malloc((table.count + 1) * sizeof(struct mp__local *));
    for (size_t i = 0; i < BUCKETS && list; i++)
        for (struct mp__local *l = table.bucket[i]; l; l = l->next)
            if (l->generation == table.generation && !l->hidden &&
                (l->fd >= 0 || open_entry(l) == 0)) {
                l->users++;
                list[n++] = l;
            }
    pthread_mutex_unlock(&table.lock);
    *ret_n = n;
    return list;
}
