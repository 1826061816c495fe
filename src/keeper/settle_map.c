/* SPDX-License-Identifier: MIT */
/* Maps and the death of their workers.
 *
 * Who buries a worker (bury.c) finds in its post what it was at: the item `at`
 * of a range, or none. The item fails, or is to be tried again. Both may be
 * done twice, for the one who buries may die as well:
 *
 *   fails    its code and text are written, the same each time; then, if it
 *            was the last of the range, `at` goes to the end. Else it stays:
 *            the successor goes on behind it
 *   again    the post's word {item, attempt} says which attempt is granted. It
 *            is computed from the worker's own word, of the attempt that was
 *            begun last; so the second who grants it writes the same. The
 *            successor begins the attempt by copying the word into its own:
 *            dying before that uses up nothing, dying after it one attempt
 *
 * Both words are those of one job, and are cleared by who joins one. An item
 * is in one range only, so no other post has anything to say about it.
 *
 * When the pool ends, or the map was cancelled, no successor shall go on: the
 * rest of the range fails with the item, and the post leaves the job.
 *
 * Workers that are still at a map some time after it was cancelled are
 * condemned: whoever looks after the pool kills them (bury.c), and says so in
 * their stage before, under the pool's mutex, under which they leave the job,
 * too. So a worker either has left before, and is safe; or it finds that it has
 * to leave its post, takes nothing any more, and may be killed at any time. */
#include "keeper/settle.h"

#include "os/clock.h"
#include "progress/tally.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHERE_MOST 1000u /* bytes of the places in the program */

/* ---- Items that fail ---- */

/* Items [from, to) fail: the codes of all, the text of the first. */
static void
fail_items(struct mp__job *job, uint64_t from, uint64_t to, int code,
           const char *text)
{
    mp__add(&job->failed, to - from - 1);
    if (job->codes)
        for (uint64_t i = from; i < to; i++)
            job->codes[i] = code;
    mp__job_note(job, from, code, text);
}

/* Which attempt at item `at` the dead worker was in. */
static uint32_t
attempt_at(struct mp__post *post, uint64_t at)
{
    uint64_t word = mp__load(&post->attempt);

    return word && word >> 16 == at ? word & 0xffff : 1;
}

/* How much of the lines to show: whole ones, without the last newline. */
static int
length_of(const char *lines)
{
    size_t length = strlen(lines);

    if (length > WHERE_MOST)
        for (length = WHERE_MOST; length && lines[length] != '\n'; length--)
            ;
    while (length && lines[length - 1] == '\n')
        length--;
    return (int)length;
}

static void
fail_dead(struct mp__job *job, struct mp__post *post, uint64_t at, uint64_t to,
          const struct mp__obituary *obituary)
{
    uint32_t attempts = attempt_at(post, at);
    int length = length_of(obituary->where);
    char text[MP__JOB_TEXT], all[64] = "";

    if (attempts > 1)
        snprintf(all, sizeof(all),
                 "it lost its worker in each of %u attempts; the last: ",
                 (unsigned)attempts);
    if (mp__load(&job->cancelled))
        snprintf(text, sizeof(text), "the map was cancelled");
    else if (obituary->code == -ECANCELED)
        snprintf(text, sizeof(text), "the pool was terminated");
    else if (obituary->why)
        snprintf(text, sizeof(text), "pool broken: %.230s", obituary->why);
    else
        snprintf(text, sizeof(text), "%s%s died while running it: %s%s%.*s",
                 all, obituary->who, obituary->how, length ? "\n" : "", length,
                 obituary->where);
    fail_items(job, at, to,
               mp__load(&job->cancelled) ? -ECANCELED : obituary->code, text);
}

/* No worker will come for what is left. */
static void
fail_rest(struct mp__job *job, uint64_t from, uint64_t to)
{
    enum mp__pool_state state = mp__pool_state(job->pool);

    if (from >= to)
        return;
    if (state == MP__POOL_TERMINATED)
        fail_items(job, from, to, -ECANCELED, "the pool was terminated");
    else if (state == MP__POOL_BROKEN)
        fail_items(job, from, to, -ESRCH, job->pool->why);
    else
        fail_items(job, from, to, -ESRCH,
                   "its worker died, and there is no other");
}

/* ---- Settling ---- */

/* Grants another attempt at item `at`, if there is one. An item that is known
 * as failed has ended before its worker did: that cannot be taken back. */
static int
grant(struct mp__job *job, struct mp__post *post, uint64_t at)
{
    uint32_t attempt = attempt_at(post, at);

    if (attempt > job->retries || mp__load(&job->stop) ||
        mp__load(&job->failure) >> 1 == at)
        return 0;
    mp__store(&post->again, mp__job_attempt_word(at, attempt + 1));
    return 1;
}

int
mp__job_settle(mp_pool *pool, struct mp__post *post, int forsake,
               const struct mp__obituary *obituary)
{
    struct mp__job *job = mp__load(&post->job);
    uint64_t at, to;
    int held;

    if (!job)
        return 0;
    mp__mutex_lock(&job->mutex); /* a range it did not commit becomes void */
    mp__mutex_unlock(&job->mutex);
    at = mp__load(&post->at);
    to = mp__load(&post->to);
    held = at < to;
    forsake |= (int)mp__load(&job->cancelled);
    if (at < to && (forsake || !grant(job, post, at))) {
        if (obituary)
            fail_dead(job, post, at, forsake ? to : at + 1, obituary);
        else
            fail_rest(job, mp__job_resumes_at(post, at), to);
        if (forsake || at + 1 == to)
            mp__store(&post->at, to);
    }
    mp__tally_rest(
        post, at,
        mp__load(&post->at) >= to ? to : mp__job_resumes_at(post, at), to);
    mp__job_announce(job);
    if (forsake)
        mp__job_leave(pool, post);
    return held;
}

/* ---- Cancelled ---- */

int
mp__job_is_condemned(struct mp__post *post)
{
    struct mp__job *job = mp__load(&post->job);

    return job && mp__load(&job->cancelled) &&
           mp__now() - job->cancel_time >= MP__JOB_GRACE;
}
