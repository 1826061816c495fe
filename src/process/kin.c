/* SPDX-License-Identifier: MIT */
/* What the ends of pipes know of processes: pipe/holders.h.
 *
 * A process is named by a key that fits into a word beside other things: where
 * its record lies, and the lower bits of the record's serial. All here is
 * reading, and without a lock: a record may be closed and its cell used again
 * at any moment, which the serial tells, looked at once more at the end.
 *
 * Whether it is alive the system says, by a pidfd that is opened by the number
 * and trusted if it has the record's identity. Before the record tells that,
 * the process counts as alive as long as its parent is, who is about to make
 * it, or to tell; a parent that was killed on the way has not made it, or it
 * tells itself (start/child.c): only for the moment before that it may be taken for
 * dead. */
#include "process/kin.h"

#include "os/pidfd.h"
#include "pipe/kin.h"
#include "process/record.h"
#include "region/region.h"

#include <errno.h>
#include <unistd.h>

#define UNIT_BITS   7 /* records lie at multiples of MP__LINE */
#define PLACE_BITS  36
#define SERIAL_BITS (MP__KIN_BITS - PLACE_BITS)
#define LOWER(bits) (((uint64_t)1 << (bits)) - 1)

_Static_assert(1 << UNIT_BITS == MP__LINE, "a record's place is a unit");

static uint64_t
key_of(const mp_process *p, uint32_t serial)
{
    uint64_t at = (uint64_t)((const char *)p - mp__view.base);

    return (serial & LOWER(SERIAL_BITS)) << PLACE_BITS | at >> UNIT_BITS;
}

uint64_t
mp__kin_key(const mp_process *p)
{
    return key_of(p, mp__state_serial(mp__load_acquire((mp__a64 *)&p->state)));
}

/* The record, and its state. NULL: it is closed, or another's. */
static mp_process *
find(uint64_t key, uint64_t *ret_state)
{
    mp_process *p =
        (void *)(mp__view.base + ((key & LOWER(PLACE_BITS)) << UNIT_BITS));

    if (key == 0 || !mp__process_ok(p))
        return NULL;
    *ret_state = mp__load_acquire(&p->state);
    return key_of(p, mp__state_serial(*ret_state)) == key ? p : NULL;
}

static uint64_t
self(void)
{
    mp_process *p = mp__process_self();

    return p ? mp__kin_key(p) : 0;
}

static pid_t
pid_of(uint64_t key)
{
    uint64_t state;
    mp_process *p = find(key, &state);

    return p ? (pid_t)mp__load_acquire(&p->pid) : 0;
}

/* ---- Life ---- */

/* A pidfd of the process whose record has an identity; -ESRCH: it has ended. */
static int
open_pidfd(mp_process *p, uint64_t identity)
{
    pid_t pid = (pid_t)mp__load_relaxed(&p->pid);
    int fd = mp__pidfd_open(pid);

    if (fd < 0)
        return fd;
    if (mp__pidfd_identity(fd, pid) == identity &&
        mp__pidfd_wait(fd, MP_NOW) != 0)
        return fd;
    close(fd);
    return -ESRCH;
}

/* The same by the key. -EAGAIN: it is alive, as far as can be known. */
static int
open_by_key(uint64_t key)
{
    uint64_t state, identity;
    mp_process *p = find(key, &state);
    int fd;

    if (p == NULL || mp__state_phase(state) >= MP__ENDED ||
        mp__state_phase(state) == MP__FAILED)
        return -ESRCH;
    identity = mp__load_acquire(&p->identity);
    if (identity == 0)
        return -EAGAIN;
    fd = open_pidfd(p, identity);
    if (find(key, &state) == p)
        return fd;
    if (fd >= 0)
        close(fd);
    return -ESRCH;
}

/* Of a process that nobody has told the identity of: on whom it depends whether
 * it will be told. 0: nobody. */
static uint64_t
parent_of(uint64_t key, uint64_t *ret_state)
{
    mp_process *p = find(key, ret_state);
    uint64_t parent = p && p->parent ? key_of(p->parent, p->parent_serial) : 0;

    return find(key, ret_state) == p ? parent : 0;
}

static int
is_self(uint64_t key)
{
    uint64_t state;
    mp_process *p = find(key, &state);

    return p && mp__process_is_self(p);
}

static int
alive(uint64_t key)
{
    uint64_t state;
    int fd;

    /* Parents were made before their children: this ends. */
    while ((fd = is_self(key) ? 0 : open_by_key(key)) == -EAGAIN) {
        uint64_t parent = parent_of(key, &state);

        /* Without a number it could not look itself up; with one it was gone
         * before its parent could. */
        if (mp__state_phase(state) >= MP__RUNNING)
            return pid_of(key) == 0;
        if (parent == 0)
            return 0;
        key = parent;
    }
    if (fd > 0)
        close(fd);
    /* No descriptor to be had: not known to be dead. */
    return fd != -ESRCH;
}

/* ---- Who was started when ---- */

struct search {
    uint32_t since;
    int (*left)(uint64_t process, void *arg);
    void *arg;
    int found;
};

static void
look_at(void *process, void *search)
{
    struct search *s = search;
    mp_process *p = process;
    uint32_t serial = mp__state_serial(mp__load_acquire(&p->state));
    uint64_t key = key_of(p, serial);

    if (!s->found && (int32_t)(serial - s->since) > 0 && !p->serves &&
        !s->left(key, s->arg))
        s->found = alive(key);
}

static int
alive_since(uint32_t since, int (*left)(uint64_t process, void *arg),
            void *arg)
{
    struct search s = {since, left, arg, 0};

    mp__object_each(MP__SLAB_PROCESS, look_at, &s);
    return s.found;
}

const struct mp__kin_ops mp__kin = {
    .self = self,
    .alive = alive,
    .pid = pid_of,
    .pidfd = open_by_key,
    .started = mp__process_last_serial,
    .alive_since = alive_since,
};
