/* SPDX-License-Identifier: MIT */
/* Who holds an end of a pipe.
 *
 * An end is held by processes. Each has an entry, one word {process, state}:
 *   MADE   the process that made the pipe. It counts until another process has
 *          an entry by which it holds the end, or it uses the end itself
 *   GIVEN  a child that was started with the handle in its argument; entered
 *          before the child exists
 *   USES   it has sent, received, ...
 *   LEFT   it has closed the end: which is -EBADF there, as long as it lives
 * The end is gone when none of those that count is alive. That is looked up, not
 * counted: a death needs no repair. An end that nobody but its maker has ever
 * had an entry for, and that he has left, may be known to processes that are
 * copies of him: it is held by those that were started since, but for those
 * that have left it or hold the other end.
 *
 * Entries are written under the mutex, each by one store; they fill the table
 * from the front, and those of the dead are used again. Everybody reads them
 * without. `shared` goes up when those who wait know of an entry that is not the
 * maker's: a death in between leaves the end to him.
 * `changes` goes up after each change, so that who has looked for a while knows
 * whether to look again.
 *
 * How a death is noticed: each entry names a thread, whose life can be watched.
 * If it has ended its process may go on, and another of its threads is looked
 * for; a process with none that is known is asked about by the system, each
 * time.
 *
 * Whoever is inside of an end whose process closes it meanwhile says so in his
 * own slot (`visiting`), from before he looks whether he may: the memory stays
 * until he is out (close.c). */
#include "pipe/holders.h"

#include "base/error.h"
#include "pipe/pipe.h"
#include "region/heap.h"
#include "region/region.h"

#include <errno.h>
#include <string.h>

enum state {
    LEFT = 0,
    MADE = 1,
    GIVEN = 2,
    USES = 3,
};

struct mp__pipe_family *
mp__pipe_family(void)
{
    return mp__block_at_root(MP__ROOT_PIPES, sizeof(struct mp__pipe_family));
}

/* What this thread has last found that it may use. */
static __thread struct {
    uint64_t number;
    uint64_t participant; /* a fork's child has another */
    uint32_t changes;
} used;

/* ---- Entries ---- */

static uint64_t
entry(uint64_t process, enum state state)
{
    return process << 2 | (uint64_t)state;
}

static uint64_t
process_of(uint64_t who)
{
    return who >> 2;
}

static enum state
state_of(uint64_t who)
{
    return (enum state)(who & 3);
}

/* The n-th entry; 0: there are no more. */
static uint64_t
entry_at(struct mp__holders *h, unsigned n)
{
    return n < MP__HOLDERS ? mp__load(&h->holder[n].who) : 0;
}

static struct mp__holder *
find(struct mp__holders *h, uint64_t process)
{
    uint64_t who;

    for (unsigned i = 0; (who = entry_at(h, i)) != 0; i++)
        if (process_of(who) == process)
            return &h->holder[i];
    return NULL;
}

/* A place for a new entry, under the mutex; NULL: all are of the living. */
static struct mp__holder *
find_place(struct mp__holders *h)
{
    uint64_t who;
    unsigned i;

    for (i = 0; (who = entry_at(h, i)) != 0; i++)
        ;
    if (i < MP__HOLDERS)
        return &h->holder[i];
    for (i = 0; i < MP__HOLDERS; i++)
        if (!mp__kin.alive(process_of(entry_at(h, i))))
            return &h->holder[i];
    return NULL;
}

/* Under the mutex. A reader may see the thread of the one entry with the process
 * of the other: both hold the end, or the former is dead. */
static void
write_entry(struct mp__holders *h, struct mp__holder *holder, uint64_t process,
            enum state state, uint64_t thread)
{
    mp__store(&holder->thread, thread);
    mp__store(&holder->who, entry(process, state));
    mp__add(&h->changes, 1);
}

int
mp__holders_prepare(void)
{
    return mp__kin.self() && mp__pipe_family() ? 0 : -ENOMEM;
}

void
mp__holders_init(struct mp__holders *h)
{
    memset(h, 0, sizeof(*h));
    mp__mutex_init(&h->mutex, MP__MUTEX_PLAIN);
    h->since = mp__kin.started();
    h->number = mp__add(&mp__pipe_family()->ends, 1) + 1;
    h->maker = mp__kin.self();
    write_entry(h, &h->holder[0], h->maker, MADE, mp__me.id);
}

/* ---- In use ---- */

static struct mp__pipe_end *
end_of(struct mp__holders *h)
{
    return MP__CONTAINER(h, struct mp__pipe_end, holders);
}

static void
note(struct mp__holders *h, uint32_t changes)
{
    used.number = h->number;
    used.participant = mp__me.id;
    used.changes = changes;
}

static int
is_noted(struct mp__holders *h)
{
    return used.number == h->number && used.participant == mp__me.id &&
           used.changes == mp__load(&h->changes);
}

/* There is one more than the maker. Those who wait have known only him, and
 * must know whom else to watch before he does not count any more. */
static void
share(struct mp__holders *h)
{
    mp__pipe_news(end_of(h));
    mp__add(&h->shared, 1);
}

/* The caller's entry becomes USES (1), or one is made (2). Under the mutex. */
static int
enter(struct mp__holders *h, uint64_t self)
{
    struct mp__holder *holder = find(h, self);

    if (holder == NULL) {
        holder = find_place(h);
        if (holder == NULL)
            return -EMFILE;
        write_entry(h, holder, self, USES, mp__me.id);
        return 2;
    } else {
        enum state state = state_of(mp__load(&holder->who));

        if (state == LEFT || state == USES)
            return state == LEFT ? -EBADF : 0;
    }
    write_entry(h, holder, self, USES, mp__me.id);
    return 1;
}

static int
use(struct mp__holders *h)
{
    uint64_t self = mp__kin.self();
    uint32_t changes = mp__load(&h->changes);
    struct mp__holder *holder = self ? find(h, self) : NULL;
    int r = 0;

    if (self == 0)
        return -ENOMEM;
    if (holder == NULL || state_of(mp__load(&holder->who)) != USES) {
        mp__mutex_lock(&h->mutex);
        r = enter(h, self);
        changes = mp__load(&h->changes);
        mp__mutex_unlock(&h->mutex);
    }
    if (r == 2)
        share(h);
    if (r < 0)
        return r;
    note(h, changes);
    return r > 0;
}

int
mp__holders_use(struct mp__holders *h)
{
    int r = mp__pipe_visit(end_of(h)) ? 0 : -EBADF;

    if (r == 0 && MP__UNLIKELY(!is_noted(h)))
        r = use(h);
    if (r == -EMFILE)
        return mp__fail(r,
                        "this end of the pipe is held by %u processes: no "
                        "more can",
                        MP__HOLDERS);
    return r;
}

int
mp__holders_left(struct mp__holders *h)
{
    struct mp__holder *holder;

    if (MP__LIKELY(is_noted(h)))
        return 0;
    holder = find(h, mp__kin.self());
    return holder && state_of(mp__load(&holder->who)) == LEFT;
}

/* ---- What the other end asks ---- */

static int
counts(struct mp__holders *h, uint64_t who)
{
    enum state state = state_of(who);

    return state == USES || state == GIVEN ||
           (state == MADE && !mp__load(&h->shared));
}

static int
is_alive(struct mp__holder *holder, uint64_t who)
{
    return mp__participant_find(mp__load(&holder->thread)) ||
           mp__kin.alive(process_of(who));
}

/* A thread of the process that is known to the family. */
static uint64_t
find_thread(uint64_t process)
{
    uint32_t pid = (uint32_t)mp__kin.pid(process);
    uint32_t high = pid ? mp__participants_high() : 0;

    for (uint32_t i = 0; i < high; i++) {
        struct mp__participant *part = mp__participant_at(i);
        uint64_t id = mp__participant_id(part);

        if (mp__load_relaxed(&part->pid) == pid && mp__participant_find(id))
            return id;
    }
    return 0;
}

/* The same for the process of the entry; 0: none is known. */
static uint64_t
living_thread(struct mp__holder *holder, uint64_t who)
{
    uint64_t thread = mp__load(&holder->thread);
    uint64_t another;

    if (mp__participant_find(thread))
        return thread;
    another = find_thread(process_of(who));
    /* It is alive yet, so the number is its own. */
    if (another == 0 || !mp__kin.alive(process_of(who)))
        return 0;
    mp__cas(&holder->thread, &thread, another);
    return another;
}

/* The end may be known to copies of its maker, who has left it. */
static int
is_left_to_copies(struct mp__holders *h)
{
    struct mp__holder *maker = find(h, h->maker);

    return !mp__load(&h->shared) && maker &&
           state_of(mp__load(&maker->who)) == LEFT;
}

/* Whether the process is known to hold the other end, or not to hold this
 * one. */
static int
holds_not(uint64_t process, void *holders)
{
    struct mp__pipe_end *end = end_of(holders);
    struct mp__holder *here = find(&end->holders, process);
    struct mp__holder *there = find(&end->peer->holders, process);

    return (here && state_of(mp__load(&here->who)) == LEFT) ||
           (there && counts(&end->peer->holders, mp__load(&there->who)));
}

int
mp__holders_gone(struct mp__holders *h)
{
    uint32_t changes;
    uint64_t who;

    do {
        changes = mp__load(&h->changes);
        for (unsigned i = 0; (who = entry_at(h, i)) != 0; i++)
            if (counts(h, who) && is_alive(&h->holder[i], who))
                return 0;
        /* One who has gone may have passed the end on to one before him. */
    } while (changes != mp__load(&h->changes));
    return !is_left_to_copies(h) ||
           !mp__kin.alive_since(h->since, holds_not, h);
}

int
mp__holders_done(struct mp__holders *h)
{
    struct mp__holder *maker = find(h, h->maker);
    uint64_t who = maker ? mp__load(&maker->who) : 0;

    return !(who && state_of(who) == MADE && is_alive(maker, who)) &&
           mp__holders_gone(h);
}

void
mp__holders_watch(struct mp__holders *h, struct mp__watch *watch)
{
    uint64_t who;

    for (unsigned i = 0; (who = entry_at(h, i)) != 0; i++) {
        struct mp__holder *holder = &h->holder[i];

        if (counts(h, who) &&
            !mp__watch_life(watch, living_thread(holder, who)) &&
            mp__kin.alive(process_of(who)))
            watch->partial = 1;
    }
    if (is_left_to_copies(h))
        watch->partial = 1;
}

uint64_t
mp__holders_witness(struct mp__holders *h)
{
    uint64_t who, thread;

    for (unsigned i = 0; (who = entry_at(h, i)) != 0; i++)
        if (counts(h, who) &&
            (thread = living_thread(&h->holder[i], who)) != 0)
            return thread;
    return 0;
}

int
mp__holders_each(struct mp__holders *h,
                 void (*visit)(uint64_t process, void *arg), void *arg)
{
    uint64_t who;

    for (unsigned i = 0; (who = entry_at(h, i)) != 0; i++)
        if (counts(h, who) && is_alive(&h->holder[i], who))
            visit(process_of(who), arg);
    return is_left_to_copies(h);
}

/* ---- Leaving ---- */

int
mp__holders_leave(struct mp__holders *h)
{
    uint64_t self = mp__kin.self();
    struct mp__holder *holder;
    int r = 0;

    if (self == 0)
        return -ENOMEM;
    mp__mutex_lock(&h->mutex);
    holder = find(h, self);
    if (holder && state_of(mp__load(&holder->who)) == LEFT)
        r = -EBADF;
    else if (holder == NULL && (holder = find_place(h)) == NULL)
        r = -EMFILE;
    else
        write_entry(h, holder, self, LEFT, mp__me.id);
    mp__mutex_unlock(&h->mutex);
    return r;
}

/* ---- Children ---- */

int
mp__holders_add(struct mp__holders *h, uint64_t process)
{
    struct mp__holder *holder;
    int r = 1;

    mp__mutex_lock(&h->mutex);
    holder = find(h, process);
    if (holder) {
        r = 0; /* it was given twice */
    } else if ((holder = find_place(h)) == NULL) {
        r = -EMFILE;
    } else {
        write_entry(h, holder, process, GIVEN, 0);
    }
    mp__mutex_unlock(&h->mutex);
    if (r == 1)
        share(h);
    return r;
}

/* The entry stays: that of a process that is not. */
void
mp__holders_remove(struct mp__holders *h, uint64_t process)
{
    struct mp__holder *holder;

    mp__mutex_lock(&h->mutex);
    holder = find(h, process);
    if (holder && state_of(mp__load(&holder->who)) == GIVEN) {
        write_entry(h, holder, process, LEFT, 0);
        mp__sub(&h->shared, 1);
    }
    mp__mutex_unlock(&h->mutex);
}

int
mp__holders_arrived(struct mp__holders *h, uint64_t process)
{
    struct mp__holder *holder = find(h, process);

    if (holder)
        mp__store(&holder->thread, mp__me.id);
    return holder != NULL;
}
