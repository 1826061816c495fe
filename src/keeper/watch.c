/* SPDX-License-Identifier: MIT */
/* Noticing that somebody is missing.
 *
 * Whoever submits looks at one post; whoever waits sleeps with an eye on the
 * life words of all workers, and of those who look after posts.
 *
 * The owner may be busy with something else for long. So workers look around
 * between two tasks, one post at a time, and attend to the pool when somebody
 * has been missing for a while: no sooner, for the owner's own calls are to
 * come first, whose children are not foster ones. */
#include "keeper/watch.h"

#include "keeper/attend.h"
#include "keeper/settle.h"
#include "os/clock.h"
#include "progress/pool_bar.h"

#include <errno.h>

#define MISSING      100000000 /* ns, after which workers see to it */
#define UNSURE_SLICE 5000000   /* ns, while not everybody can be watched */
#define WATCH_MOST   120u

/* Whether somebody is wanted at the post who is not there. */
static inline int
is_missed(mp_pool *pool, struct mp__post *post)
{
    switch (mp__post_stage(post)) {
    case MP__STAGE_UP:
        return mp__is_dead(mp__load_relaxed(&post->participant));
    case MP__STAGE_VACANT:
        return mp__post_has_work(post) || mp__posts_wanted(pool);
    default:
        return 1;
    }
}

void
mp__pool_glance(mp_pool *pool, uint64_t turn)
{
    struct mp__post *post =
        mp__post_at(pool, (uint32_t)(turn % mp__posts(pool)));

    if (MP__UNLIKELY(is_missed(pool, post)))
        mp__pool_attend(pool);
}

/* ---- A worker among the others ---- */

/* Who was found missing, and when; of this process. */
static struct {
    struct mp__post *post;
    uint64_t stage;
    mp_time since;
} missing;

/* Whether the one who was missing is so still, as it was. */
static int
is_still_missing(mp_pool *pool)
{
    return missing.post && missing.post->pool == pool &&
           missing.stage == mp__load(&missing.post->stage) &&
           is_missed(pool, missing.post);
}

/* Looks for one who is missing among `count` posts. */
static void
look(mp_pool *pool, const struct mp__post *post, uint32_t first,
     uint32_t count)
{
    missing.post = NULL;
    for (uint32_t i = 0; i < count && !missing.post; i++) {
        struct mp__post *other =
            mp__post_at(pool, (first + i) % mp__posts(pool));

        if (other == post || MP__LIKELY(!is_missed(pool, other)))
            continue;
        missing.post = other;
        missing.stage = mp__load(&other->stage);
        missing.since = mp__now();
    }
}

static void
look_for_missing(mp_pool *pool, const struct mp__post *post, uint32_t first,
                 uint32_t count)
{
    if (MP__LIKELY(!missing.post) || !is_still_missing(pool)) {
        look(pool, post, first, count);
    } else if (mp__now() - missing.since >= MISSING) {
        mp__pool_attend(pool);
        missing.post = NULL;
    }
}

void
mp__pool_look_around(mp_pool *pool, struct mp__post *post)
{
    static uint32_t turn;

    look_for_missing(pool, post, ++turn, 1);
}

void
mp__pool_look_at_all(mp_pool *pool, struct mp__post *post)
{
    look_for_missing(pool, post, 0, mp__posts(pool));
}

/* ---- Sleeping with an eye on them ---- */

/* Those whose death would matter: workers, or who looks after their posts. 0
 * in *sure: not all can be watched. */
static unsigned
whom_to_watch(mp_pool *pool, struct mp__participant **watch, int *sure)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < mp__posts(pool) && n < WATCH_MOST; i++) {
        struct mp__post *post = mp__post_at(pool, i);
        struct mp__participant *part =
            mp__participant_find(mp__load(&post->keeper));

        if (mp__post_stage(post) == MP__STAGE_GONE)
            continue;
        if (part || mp__post_stage(post) < MP__STAGE_UP)
            *sure = 0;
        else
            part = mp__participant_find(mp__load(&post->participant));
        if (part)
            watch[n++] = part;
        else
            *sure = 0;
    }
    if (mp__posts(pool) > WATCH_MOST)
        *sure = 0;
    return n;
}

int
mp__pool_sleep(mp_pool *pool, struct mp__bell *bell, mp__a32 *data,
               uint32_t seen, mp_time deadline)
{
    struct mp__participant *watch[WATCH_MOST];
    mp_time until = deadline;
    int sure = 1;
    unsigned n;
    int r = mp__expired(deadline);

    if (r < 0)
        return r;
    n = whom_to_watch(pool, watch, &sure);
    if (!sure && mp__now() + UNSURE_SLICE < until)
        until = mp__now() + UNSURE_SLICE;
    if (MP__UNLIKELY(pool->progress))
        until = mp__pool_bar_show(pool, until);
    r = mp__bell_wait(bell, data, seen, watch, n, until);
    return r == -ETIMEDOUT ? 0 : r;
}
