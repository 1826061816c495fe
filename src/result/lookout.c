/* SPDX-License-Identifier: MIT */
/* Lookouts: who sleeps in poll() for a task's end sleeps for the death of a
 * worker, too, for nobody else may be there to see to the task.
 *
 * A lookout is one epoll instance with the pidfds of a pool's workers. Many
 * descriptors have it in theirs, its members: else a thousand results would take
 * a thousand times as many descriptors as there are workers. Not all have the
 * same, because the kernel bounds in how many epoll instances one may be that is
 * itself in others (100): who puts each result into a loop of his own must be
 * able to.
 *
 * Who is woken looks after the pool, and then renews the lookout, for all of its
 * members; the others are not told any more. They need not be: if it was their
 * task, it has ended or goes on, and its end is told to each. Only the end of
 * the pool itself is told by nobody, and everybody has to look for himself: so a
 * pool that has ended leaves its lookouts readable, and each descriptor that has
 * looked leaves its lookout.
 *
 * Keepers (keeper/keeper.c) are watched as workers are. Where somebody is to
 * come who has no name yet, a timer tells to look again.
 *
 * All this is of one process, under the lock of bell/pollers.c. */
#include "result/lookout.h"

#include "keeper/settle.h"
#include "os/pidfd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMBERS 32u
#define SOON    10000000 /* ns, while not everybody can be named */
#define AT_ONCE 1

struct lookout {
    struct lookout *next;
    mp_pool *pool;
    uint64_t pool_id;
    unsigned members; /* descriptors */
    struct mp__pidfd_set lives;
};

static struct lookout *lookouts;

/* ---- Joining and leaving ---- */

static struct lookout *
find_lookout(mp_pool *pool)
{
    struct lookout *lookout = lookouts;

    while (lookout && (lookout->pool != pool || lookout->pool_id != pool->id ||
                       lookout->members == MEMBERS))
        lookout = lookout->next;
    return lookout;
}

static int
make_lookout(mp_pool *pool, struct lookout **ret_lookout)
{
    struct lookout *lookout = calloc(1, sizeof(*lookout));
    int r = lookout ? mp__pidfd_set_open(&lookout->lives) : -ENOMEM;

    if (r < 0) {
        free(lookout);
        return r;
    }
    lookout->pool = pool;
    lookout->pool_id = pool->id;
    lookout->next = lookouts;
    lookouts = *ret_lookout = lookout;
    return 0;
}

static void
leave(void *arg)
{
    struct lookout *lookout = arg, **link = &lookouts;

    if (--lookout->members > 0)
        return;
    while (*link != lookout)
        link = &(*link)->next;
    *link = lookout->next;
    mp__pidfd_set_close(&lookout->lives);
    free(lookout);
}

int
mp__lookout_join(struct mp__poller *poller, mp_pool *pool)
{
    struct lookout *lookout = find_lookout(pool);
    int r = lookout ? 0 : make_lookout(pool, &lookout);

    if (r < 0)
        return r;
    lookout->members++;
    r = mp__pidfd_set_beside(&poller->lives, lookout->lives.fd);
    if (r < 0) {
        leave(lookout);
        return r;
    }
    poller->lookout = lookout;
    poller->leave = leave;
    return 0;
}

static void
leave_for_good(struct mp__poller *poller)
{
    struct lookout *lookout = poller->lookout;

    mp__pidfd_set_without(&poller->lives, lookout->lives.fd);
    poller->lookout = NULL;
    leave(lookout);
}

/* ---- Renewing ---- */

/* 1; 0: it is dead, or about to be; below 0: no descriptor is left. */
static int
name_one(struct mp__pidfd_set *lives, uint64_t participant)
{
    struct mp__participant *part = mp__participant_find(participant);
    int fd, r;

    if (!part)
        return 0;
    if (mp__pidfd_set_keep(lives, participant))
        return 1;
    fd = mp__pidfd_open((pid_t)mp__load_relaxed(&part->pid));
    if (fd < 0)
        return fd == -ESRCH ? 0 : fd;
    /* It lives yet, so the number was its own. */
    if (!mp__participant_find(participant)) {
        close(fd);
        return 0;
    }
    r = mp__pidfd_set_add(lives, participant, fd);
    return r < 0 ? r : 1;
}

/* Those at the post whose death would matter. As above; 0 also if somebody is
 * to come. */
static int
name_at(struct mp__pidfd_set *lives, mp_pool *pool, struct mp__post *post)
{
    int r = name_one(lives, mp__load(&post->keeper));

    if (r != 0)
        return r < 0 ? r : 0;
    switch (mp__post_stage(post)) {
    case MP__STAGE_GONE:
        return 1;
    case MP__STAGE_VACANT:
        return !mp__post_has_work(post) && !mp__posts_wanted(pool);
    case MP__STAGE_STARTING:
        return 0;
    default:
        return name_one(lives, mp__load(&post->participant));
    }
}

int
mp__lookout_renew(struct mp__poller *poller)
{
    struct lookout *lookout = poller->lookout;
    mp_pool *pool = lookout ? lookout->pool : NULL;
    int sure = 1, r;

    if (!lookout)
        return 1;
    mp__pidfd_set_begin(&lookout->lives);
    if (!mp__pool_is(pool, lookout->pool_id) ||
        mp__pool_state(pool) >= MP__POOL_TERMINATED) {
        r = mp__pidfd_set_end(&lookout->lives, AT_ONCE);
        leave_for_good(poller);
        return r < 0 ? r : 1;
    }
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        r = name_at(&lookout->lives, pool, mp__post_at(pool, i));
        if (r < 0)
            return r;
        sure &= r;
    }
    return mp__pidfd_set_end(&lookout->lives, sure ? 0 : SOON);
}
