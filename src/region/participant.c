/* SPDX-License-Identifier: MIT */
/* Participants and the reaper.
 *
 * A slot's state is {generation, what}: FREE, TAKEN by a thread (its id, from
 * the moment it claims the slot until it holds the life mutex), ALIVE, or
 * REAPED by a participant (its mark). Only ALIVE -> REAPED -> FREE of the next
 * generation is done by others, and only after the death of the slot's thread;
 * a reaper that dies is succeeded by the next. What a reaper does it may do
 * twice.
 *
 * The life mutex is the C library's robust mutex, because the library then
 * links it into the thread's robust list, whatever that looks like. What the
 * mutex's lock word is we find out once: it is the word that holds the thread's
 * id when it is locked. FUTEX_WAITERS is set in it, so that the kernel always
 * wakes somebody at the death.
 *
 * fork: the child has the memory of the parent's registration but is no owner
 * of its life mutex. A page that the kernel wipes in children tells. */
#include "region/participant.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/futex.h"
#include "region/commit.h"
#include "region/hand.h"
#include "region/layout.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_SLOT ((int)MP__PARTICIPANTS)

enum what {
    FREE = 0,
    ALIVE = 1,
    TAKEN = 2,
    REAPED = 3,
};

__thread struct mp__self mp__me __attribute__((tls_model("initial-exec")));

/* For systems without robust lists: nobody reads it. */
static __thread struct mp__robust_head no_list;

static mp__burial_fn *burials[3]; /* as many as are registered, and one */

/* Index of the lock word in a pthread_mutex_t. */
static size_t life_word;

static uint64_t
state_of(uint64_t generation, enum what what, uint32_t low)
{
    return generation << 32 | (uint32_t)what << 28 | (low & 0x0fffffffu);
}

static enum what
what_of(uint64_t state)
{
    return (enum what)((uint32_t)state >> 28);
}

static uint32_t
low_of(uint64_t state)
{
    return (uint32_t)state & 0x0fffffffu;
}

static uint64_t
generation_of(uint64_t state)
{
    return state >> 32;
}

struct mp__participant *
mp__participant_at(uint32_t index)
{
    struct mp__participant *table =
        (void *)(mp__view.base + mp__region()->participants_at);

    return &table[index];
}

uint32_t
mp__participants_high(void)
{
    return mp__load(&mp__region()->participants_high);
}

/* ---- Life ---- */

void
mp__participant_prepare(void)
{
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    pthread_mutex_t mutex;

    mp__robust_mutex_init(&mutex);
    pthread_mutex_lock(&mutex);
    for (size_t i = sizeof(mutex) / sizeof(uint32_t); i-- > 0;) {
        uint32_t word;

        memcpy(&word, (char *)&mutex + i * sizeof(word), sizeof(word));
        if ((word & FUTEX_TID_MASK) == tid)
            life_word = i;
    }
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
}

mp__a32 *
mp__participant_word(struct mp__participant *part)
{
    return (mp__a32 *)(void *)&part->life + life_word;
}

static int
thread_exists(uint32_t tid)
{
    return kill((pid_t)tid, 0) == 0 || errno != ESRCH;
}

static int
life_is_over(struct mp__participant *part)
{
    /* Without robust lists the kernel marks nothing. */
    if (mp__view.tier == MP__TIER_NO_ROBUST)
        return !thread_exists(mp__load_relaxed(&part->tid));
    return mp__load(mp__participant_word(part)) !=
           mp__participant_word_alive(part);
}

/* Locks the slot's life mutex for good. It is initialised once, and each life
 * after a death takes it over. */
static void
begin_life(struct mp__participant *part, uint32_t tid)
{
    if (!part->initialised) {
        mp__robust_mutex_init(&part->life);
        part->initialised = 1;
    }
    if (pthread_mutex_lock(&part->life) == EOWNERDEAD)
        pthread_mutex_consistent(&part->life);
    mp__store_relaxed(&part->pid, (uint32_t)getpid());
    mp__store_relaxed(&part->tid, tid);
    atomic_fetch_or(mp__participant_word(part), FUTEX_WAITERS);
}

/* Unlocks the life mutex of the dead. */
static void
end_life(struct mp__participant *part)
{
    int r = part->initialised ? pthread_mutex_trylock(&part->life) : EBUSY;

    if (r == EOWNERDEAD)
        pthread_mutex_consistent(&part->life);
    if (r == 0 || r == EOWNERDEAD)
        pthread_mutex_unlock(&part->life);
    else
        part->initialised = 0; /* no kernel that marks it: begin anew */
}

/* ---- Registration ---- */

/* Takes a slot that is free; its index, or -1. */
static int
claim_slot(uint32_t index, uint32_t tid)
{
    struct mp__participant *part = mp__participant_at(index);
    uint64_t state = mp__load(&part->state);

    if (what_of(state) != FREE)
        return 0;
    return mp__cas(&part->state, &state,
                   state_of(generation_of(state) + 1, TAKEN, tid));
}

static int
claim_any_slot(uint32_t tid)
{
    mp__a32 *high = &mp__region()->participants_high;

    for (;;) {
        uint32_t n = mp__load(high);
        size_t at;

        for (uint32_t i = 0; i < n; i++)
            if (claim_slot(i, tid))
                return (int)i;
        if (n > MP__PARTICIPANTS)
            return mp__fail(-EAGAIN,
                            "the family has %u threads that use mproc: no "
                            "more can",
                            MP__PARTICIPANTS);
        at =
            mp__region()->participants_at + n * sizeof(struct mp__participant);
        if (mp__region_commit(at, sizeof(struct mp__participant)) < 0)
            return mp__fail(-ENOMEM, "out of memory: no room for a thread");
        mp__cas(high, &n, n + 1);
    }
}

static void
live_in(struct mp__self *self, uint32_t index, uint32_t tid)
{
    struct mp__participant *part = mp__participant_at(index);

    begin_life(part, tid);
    mp__store(&part->state,
              state_of(generation_of(mp__load(&part->state)), ALIVE, tid));
    self->index = index;
    self->id = mp__participant_id(part);
    self->part = part;
}

static void
leave_slot(struct mp__participant *part)
{
    uint64_t state = mp__load(&part->state);

    pthread_mutex_unlock(&part->life);
    mp__store(&part->state, state_of(generation_of(state), FREE, 0));
}

/* The last slot is only passed through: by who finds all others taken, to see
 * whether the dead have some of them. */
static int
move_from_last_slot(struct mp__self *self, uint32_t tid)
{
    struct mp__participant *last = self->part;
    int r = claim_any_slot(tid);

    if (r >= 0)
        live_in(self, (uint32_t)r, tid);
    else
        memset(self, 0, sizeof(*self));
    leave_slot(last);
    return r < 0 ? r : 0;
}

/* The first thing that a life does is to make room for others. */
static int
begin_in_any_slot(struct mp__self *self)
{
    uint32_t tid = self->word & FUTEX_TID_MASK;
    int r = claim_any_slot(tid);

    if (r < 0)
        return r;
    live_in(self, (uint32_t)r, tid);
    mp__reap();
    return r == LAST_SLOT ? move_from_last_slot(self, tid) : 0;
}

int
mp__participant_register(void)
{
    struct mp__robust_head *head;
    int r;

    r = mp__region_open();
    if (r < 0)
        return r;
    if (*mp__view.fork_guard == 0) {
        mp__participant_forget();
        *mp__view.fork_guard = 1;
    }
    if (mp__me.part)
        return 0;
    head = mp__robust_head();
    if (head == NULL && mp__view.tier != MP__TIER_NO_ROBUST)
        return mp__fail(-ENOTSUP, "this process was made by a bare clone(), "
                                  "behind the C library's back");
    if (head == NULL)
        head = &no_list;
    mp__me.head = head;
    mp__me.word = (uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS;
    return begin_in_any_slot(&mp__me);
}

void
mp__participant_forget(void)
{
    memset(&mp__me, 0, sizeof(mp__me));
}

uint64_t
mp__participant_id(const struct mp__participant *part)
{
    uint64_t index = (uint64_t)(part - mp__participant_at(0));

    return generation_of(mp__load((mp__a64 *)&part->state)) << 32 |
           (index + 1);
}

struct mp__participant *
mp__participant_find(uint64_t id)
{
    uint32_t index = (uint32_t)id - 1;
    struct mp__participant *part;
    uint64_t state;

    if (id == 0 || index >= mp__participants_high())
        return NULL;
    part = mp__participant_at(index);
    state = mp__load(&part->state);
    if (generation_of(state) != id >> 32 || what_of(state) != ALIVE ||
        life_is_over(part))
        return NULL;
    /* The life just looked at may have been the next one's. */
    return mp__load(&part->state) == state ? part : NULL;
}

int
mp__participant_buried(uint64_t id)
{
    uint64_t state = mp__load(&mp__participant_at((uint32_t)id - 1)->state);

    return generation_of(state) != id >> 32 || what_of(state) == FREE;
}

uint64_t
mp__participant_burials(void)
{
    return mp__load_acquire(&mp__region()->burials);
}

/* ---- The reaper ---- */

void
mp__participant_bury_with(mp__burial_fn *burial)
{
    for (size_t i = 0; i < MP__LENGTH(burials); i++) {
        if (burials[i] == NULL) {
            burials[i] = burial;
            return;
        }
    }
}

static void
bury(uint32_t index)
{
    struct mp__participant *part = mp__participant_at(index);
    uint64_t state = mp__load(&part->state);

    mp__hands_empty(index);
    for (size_t i = 0; i < MP__LENGTH(burials) && burials[i]; i++)
        burials[i](part);
    mp__store(&part->waiting, 0);
    mp__store(&part->visiting, 0);
    end_life(part);
    /* The kernel woke one of those who watched this life. */
    mp__futex_wake(mp__participant_word(part), INT_MAX);
    mp__add(&mp__region()->burials, 1);
    mp__store(&part->state, state_of(generation_of(state), FREE, 0));
}

/* What a reaper leaves in the state of a slot: its own slot's index and, of
 * its generation, the lowest bits. Not its thread id: the system knows a dead
 * thread by that until its parent has asked for it. */
static uint32_t
reaper_mark(void)
{
    return mp__me.index << 15 | (uint32_t)(mp__me.id >> 32 & 0x7fff);
}

static int
reaper_is_dead(uint32_t mark)
{
    struct mp__participant *part = mp__participant_at(mark >> 15);
    uint64_t state = mp__load(&part->state);

    return what_of(state) != ALIVE ||
           (generation_of(state) & 0x7fff) != (mark & 0x7fff) ||
           life_is_over(part);
}

/* Whether the slot's thread, or the one that was changing its state, is dead;
 * then it is ours to reap. */
static int
claim_dead(struct mp__participant *part)
{
    uint64_t state = mp__load(&part->state);
    int dead;

    switch (what_of(state)) {
    case ALIVE:
        dead = life_is_over(part);
        break;
    case TAKEN:
        /* Our own id there is that of a thread that had it before us. */
        dead = low_of(state) == (mp__me.word & FUTEX_TID_MASK) ||
               !thread_exists(low_of(state));
        break;
    case REAPED:
        dead = reaper_is_dead(low_of(state));
        break;
    default:
        dead = 0;
    }
    return dead &&
           mp__cas(&part->state, &state,
                   state_of(generation_of(state), REAPED, reaper_mark()));
}

/* ---- Lives that a thread has beside its own ---- */

int
mp__participant_host(struct mp__self *ret_self)
{
    *ret_self = (struct mp__self){.head = mp__me.head, .word = mp__me.word};
    return begin_in_any_slot(ret_self);
}

void
mp__participant_end(struct mp__self *self)
{
    uint64_t state = mp__load(&self->part->state);

    /* From here on it is dead to all others, who may be the first to bury it. */
    pthread_mutex_unlock(&self->part->life);
    if (mp__cas(&self->part->state, &state,
                state_of(generation_of(state), REAPED, reaper_mark())))
        bury(self->index);
    memset(self, 0, sizeof(*self));
}

void
mp__reap(void)
{
    uint32_t n = mp__participants_high();

    for (uint32_t i = 0; i < n; i++)
        if (claim_dead(mp__participant_at(i)))
            bury(i);
}
