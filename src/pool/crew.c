/* SPDX-License-Identifier: MIT */
/* Who sleeps in poll() for a task's end sleeps for the death of a worker, too:
 * nobody else may be there to see to the task.
 *
 * The pidfds of a pool's workers are in one epoll instance for many
 * descriptors, which have that in theirs: else a thousand results would take a
 * thousand times as many descriptors as there are workers. Not for all, because
 * the kernel bounds in how many epoll instances one may be that is itself in
 * others (100): who puts each result into a loop of his own must be able to.
 *
 * Who is woken looks after the pool, and then renews the crew, as one of many;
 * the others are not told any more. They need not be: if it was their task, it
 * has ended or goes on, and its end is told to each. Only the end of the pool
 * itself is told by nobody, and everybody has to look for himself: so a pool
 * that has ended leaves its crew readable, and each descriptor that has looked
 * leaves the crew.
 *
 * Keepers (attend.c) are watched as workers are. Where somebody is to come who
 * has no name yet, a timer tells to look again.
 *
 * All this is of one process, under the lock of pollers.c. */
#include "pool/crew.h"

#include "os/pidfd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MEMBERS 32u
#define SOON    10000000 /* ns, while not everybody can be named */
#define AT_ONCE 1

struct crew {
    struct crew *next;
    mp_pool *pool;
    uint64_t pool_id;
    unsigned members; /* descriptors */
    struct mp__pidfd_set lives;
};

static struct crew *crews;

/* ---- Joining and leaving ---- */

static struct crew *
find_crew(mp_pool *pool)
{
    struct crew *crew = crews;

    while (crew && (crew->pool != pool || crew->pool_id != pool->id ||
                    crew->members == MEMBERS))
        crew = crew->next;
    return crew;
}

static int
make_crew(mp_pool *pool, struct crew **ret_crew)
{
    struct crew *crew = calloc(1, sizeof(*crew));
    int r = crew ? mp__pidfd_set_open(&crew->lives) : -ENOMEM;

    if (r < 0) {
        free(crew);
        return r;
    }
    crew->pool = pool;
    crew->pool_id = pool->id;
    crew->next = crews;
    crews = *ret_crew = crew;
    return 0;
}

static void
leave(void *arg)
{
    struct crew *crew = arg, **link = &crews;

    if (--crew->members > 0)
        return;
    while (*link != crew)
        link = &(*link)->next;
    *link = crew->next;
    mp__pidfd_set_close(&crew->lives);
    free(crew);
}

int
mp__crew_join(struct mp__poller *poller, mp_pool *pool)
{
    struct crew *crew = find_crew(pool);
    int r = crew ? 0 : make_crew(pool, &crew);

    if (r < 0)
        return r;
    crew->members++;
    r = mp__pidfd_set_beside(&poller->lives, crew->lives.fd);
    if (r < 0) {
        leave(crew);
        return r;
    }
    poller->crew = crew;
    poller->leave = leave;
    return 0;
}

static void
leave_for_good(struct mp__poller *poller)
{
    struct crew *crew = poller->crew;

    mp__pidfd_set_without(&poller->lives, crew->lives.fd);
    poller->crew = NULL;
    leave(crew);
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
name_at(struct mp__pidfd_set *lives, mp_pool *pool, struct mp__worker *w)
{
    int r = name_one(lives, mp__load(&w->keeper));

    if (r != 0)
        return r < 0 ? r : 0;
    switch (mp__worker_stage(w)) {
    case MP__STAGE_GONE:
        return 1;
    case MP__STAGE_VACANT:
        return !mp__post_has_work(w) && !mp__posts_wanted(pool);
    case MP__STAGE_STARTING:
        return 0;
    default:
        return name_one(lives, mp__load(&w->participant));
    }
}

int
mp__crew_renew(struct mp__poller *poller)
{
    struct crew *crew = poller->crew;
    mp_pool *pool = crew ? crew->pool : NULL;
    int sure = 1, r;

    if (!crew)
        return 1;
    mp__pidfd_set_begin(&crew->lives);
    if (!mp__pool_is(pool, crew->pool_id) ||
        mp__pool_state(pool) >= MP__POOL_TERMINATED) {
        r = mp__pidfd_set_end(&crew->lives, AT_ONCE);
        leave_for_good(poller);
        return r < 0 ? r : 1;
    }
    for (uint32_t i = 0; i < mp__posts(pool); i++) {
        r = name_at(&crew->lives, pool, mp__post(pool, i));
        if (r < 0)
            return r;
        sure &= r;
    }
    return mp__pidfd_set_end(&crew->lives, sure ? 0 : SOON);
}
