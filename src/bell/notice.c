/* SPDX-License-Identifier: MIT */
/* Notices.
 *
 * The object has one word whose change is the commit, and a bit in it says that
 * there are pollers. It is set for good, before the first of them is armed: so
 * whoever changes the word by compare-and-swap either has done so before, or
 * sees the bit. He who sees it is a teller: he enters his id, takes the bits of
 * those who are armed away, pages them, commits, and takes his id back.
 *
 * A poller drains its pager, sets its bit, and looks: first at the tellers, then
 * at the word. A teller who comes later sees the bit. One who has come before
 * and has committed shows in the word; if he has not, the descriptor is made
 * readable again, and the program comes once more. So it costs a stopped teller
 * that the poller does not sleep.
 *
 * A teller that dies leaves its id behind. Had it committed, it has paged
 * before. If not, the bits that it took are lost. So only who is alone trusts
 * the bits, and takes them; who sees another's id, which may be dead, or die the
 * next moment, pages everybody.
 *
 * A notice may go while a teller is still in it, for its commit may be what the
 * program waited for before it freed the object. Its memory is only ever used
 * for notices, and an id is nobody else's: so he takes back his own, or
 * nothing. */
#include "bell/notice.h"

#include <sched.h>

#define YIELDS 20 /* a teller that runs is through by then */

struct mp__notice *
mp__notice_make(mp__notice_at *at)
{
    struct mp__notice *notice = atomic_load(at), *mine;

    if (notice)
        return notice;
    mine = mp__object_alloc(MP__SLAB_NOTICE, sizeof(*mine));
    if (!mine)
        return NULL;
    mp__object_publish(mine, MP__SLAB_NOTICE);
    if (atomic_compare_exchange_strong(at, &notice, mine))
        return mine;
    mp__object_retire(mine, MP__SLAB_NOTICE); /* another was faster */
    mp__object_free(mine, MP__SLAB_NOTICE);
    return notice;
}

void
mp__notice_free(struct mp__notice *notice)
{
    if (!notice || mp__object_retire(notice, MP__SLAB_NOTICE) < 0)
        return;
    mp__pollers_page_all(&notice->pollers); /* to see that it is gone */
    mp__poller_forget(&notice->pollers);
    mp__object_free(notice, MP__SLAB_NOTICE);
}

/* ---- Tellers ---- */

static int
is_dead(uint64_t teller)
{
    return teller && mp__participant_find(teller) == NULL;
}

/* Whether there is a teller beside the caller's own place, dead or alive. */
static int
has_others(struct mp__notice *notice, unsigned mine)
{
    for (unsigned i = 0; i < MP__TELLERS; i++)
        if (i != mine && mp__load(&notice->teller[i]))
            return 1;
    return 0;
}

/* Tells everybody; only then are the dead forgotten, who may have taken bits
 * away. */
static void
tell_all(struct mp__notice *notice)
{
    mp__pollers_page_all(&notice->pollers);
    for (unsigned i = 0; i < MP__TELLERS; i++) {
        uint64_t teller = mp__load(&notice->teller[i]);

        if (is_dead(teller))
            mp__cas(&notice->teller[i], &teller, 0);
    }
}

static int
take_free(struct mp__notice *notice, unsigned *ret_teller)
{
    for (unsigned i = 0; i < MP__TELLERS; i++) {
        uint64_t none = 0;

        if (mp__cas(&notice->teller[i], &none, mp__me.id)) {
            *ret_teller = i;
            return 1;
        }
    }
    return 0;
}

unsigned
mp__notice_begin(struct mp__notice *notice)
{
    unsigned mine;

    while (!take_free(notice, &mine)) {
        tell_all(notice);
        sched_yield();
    }
#ifndef MP__MUTATION_TELLERS_UNSEEN
    if (has_others(notice, mine))
        tell_all(notice);
    else
#endif
        mp__pollers_page(&notice->pollers);
    return mine;
}

void
mp__notice_end(struct mp__notice *notice, unsigned teller)
{
    uint64_t me = mp__me.id;

    mp__cas(&notice->teller[teller], &me, 0);
}

/* ---- Pollers ---- */

static int
has_teller(struct mp__notice *notice)
{
    for (unsigned i = 0; i < MP__TELLERS; i++)
        if (mp__participant_find(mp__load(&notice->teller[i])))
            return 1;
    return 0;
}

int
mp__notice_is_busy(struct mp__notice *notice)
{
#ifdef MP__MUTATION_TELLER_UNSEEN
    return 0;
#endif
    for (int i = 0; i < YIELDS; i++) {
        if (!has_teller(notice))
            return 0;
        sched_yield();
    }
    return 1;
}
