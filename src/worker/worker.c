/* SPDX-License-Identifier: MIT */
/* What a worker process does.
 *
 * It takes its post, if that is still its own (keeper/birth.c), runs the
 * initializer, goes on with what its predecessor has left for it (a task that
 * is to be tried again, the map that it died in), and then takes messages from
 * the pool's queues: tasks, and hints that there is a map. What it has in hand
 * is in its post at every instant, so that its death tells exactly what it
 * took along.
 *
 * Between two tasks it looks whether it should leave (relief.c), and now and
 * then whether the others are well, since the pool's owner may be busy with
 * something else. It ends when the queues are closed and empty. Whichever way
 * it ends in order, the finalizer runs last: the post says by then that it
 * leaves, so the finalizer's crash is not held against anybody.
 *
 * It is a daemon of the pool's owner and is killed with it; but not of any
 * other process that started it: such a foster child looks now and then
 * whether the pool's owner is still there. */
#include "keeper/birth.h"
#include "keeper/settle.h"
#include "keeper/watch.h"
#include "os/clock.h"
#include "process/record.h"
#include "progress/bar.h"
#include "progress/tally.h"
#include "progress/trace.h"
#include "worker/crash.h"
#include "worker/relief.h"
#include "worker/run.h"
#include "worker/state.h"
#include "worker/take.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define LOOK 1.0 /* s: how often one that waits looks around */

/* ---- Beginning ---- */

/* ctrl-C goes to every process of the terminal: the program decides what
 * becomes of its workers, not each of them for itself. But SIGTERM must end
 * it, whatever handler it inherited. */
static void
set_signals(void)
{
    sigset_t set;

    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* This process's handle. As others will learn of it from here, it must not
 * depend on its starter any more, who may die before mp_process_start()
 * returns: nobody could close the handle then. */
static mp_process *
own_handle(void)
{
    mp_process *me = mp__process_self();

    if (me)
        mp__process_advance(me, mp__state_serial(mp__load(&me->state)),
                            MP__RUNNING, 0);
    return me;
}

/* Takes the post, unless somebody else is wanted there by now. */
static struct mp__post *
take_post(const struct mp__posting *posting)
{
    mp_pool *pool = posting->pool;
    struct mp__post *post = mp__post_at(pool, posting->post);
    uint64_t expected = mp__stage_word(posting->epoch, MP__STAGE_STARTING);
    mp_process *me = own_handle();
    int mine;

    mp__mutex_lock(&pool->mutex);
    mine = mp__load(&post->stage) == expected &&
           mp__pool_state(pool) < MP__POOL_TERMINATED;
    if (mine) {
        mp__store(&post->participant, mp__participant_id(mp__me.part));
        atomic_store(&post->process, me);
        mp__post_set(pool, post, posting->epoch, MP__STAGE_UP);
    }
    mp__mutex_unlock(&pool->mutex);
    return mine ? post : NULL;
}

/* What a forked worker has of another one it was forked from is not its own. */
static void
begin(const struct mp__posting *posting, struct mp__post *post)
{
    mp__worker_forget();
    mp__budget_take(&posting->budget, posting->pool->method == MP_FORK);
    mp__relief_begin();
    mp__bar_whole_lines();
    mp__crash_watch(post);
    mp__trace_worker(posting->pool, post);
    mp__tally_arrive(post);
}

/* ---- Working ---- */

static int
owner_is_gone(mp_pool *pool, struct mp__post *post)
{
    return post->foster && mp_process_is_alive(pool->owner) != 1;
}

static void
after_task(struct mp__post *post, int cancelled)
{
    mp__store_relaxed(&post->served, mp__load_relaxed(&post->served) + 1);
    if (MP__UNLIKELY(cancelled))
        mp__worker_dismiss();
}

/* Goes on with what the last worker here has left. */
static void
take_over(mp_pool *pool, struct mp__post *post)
{
    if (mp__task_waits_at(post))
        after_task(post, mp__task_resume(post));
    if (!mp__worker_should_leave(pool, post))
        mp__job_work(pool, post);
}

/* Does what the message in the claim says. */
static void
serve(mp_pool *pool, struct mp__post *post)
{
    void *message = (void *)(uintptr_t)mp__load_relaxed(&post->claim.pointer);

    if (message == MP__HINT)
        mp__job_work(pool, post);
    else
        after_task(post, mp__task_run(message, post));
}

static mp_time
earlier(mp_time a, mp_time b)
{
    return a < b ? a : b;
}

/* Waits for the next message. 0; 1: it has left its post instead; -ESHUTDOWN:
 * there will be none; or it cannot go on. */
static int
await(mp_pool *pool, struct mp__post *post)
{
    mp_time idle = MP_NOW; /* when it leaves: not known yet */

    for (;;) {
        int r = mp__pool_take(pool, post, MP_NOW);

        if (r == -EAGAIN && idle == MP_NOW)
            idle = pool->least ? mp__now() + pool->idle : MP_FOREVER;
        if (r == -EAGAIN)
            r = mp__pool_take(pool, post, earlier(idle, mp_timeout(LOOK)));
        if (r != -ETIMEDOUT && r != -EINTR)
            return r;
        if (owner_is_gone(pool, post))
            return -EOWNERDEAD;
        if (mp__worker_should_leave(pool, post) || mp__now() >= idle) {
            if (mp__worker_relieve(pool, post, mp__now() >= idle))
                return 1;
            idle = MP_NOW;
        }
        mp__pool_look_at_all(pool, post);
        mp__job_work(pool, post); /* the hint may have died with another */
    }
}

/* Until it leaves its post, 1, or the pool ends, as await(). */
static int
work(mp_pool *pool, struct mp__post *post)
{
    int r;

    take_over(pool, post);
    for (;;) {
        if (mp__worker_should_leave(pool, post)) {
            if (mp__worker_relieve(pool, post, 0))
                return 1;
            mp__job_work(pool, post);
        }
        r = await(pool, post);
        if (r != 0)
            return r;
        serve(pool, post);
        mp__pool_look_around(pool, post);
    }
}

/* ---- Ending ---- */

static void
leave_for_good(mp_pool *pool, struct mp__post *post)
{
    mp__mutex_lock(&pool->mutex);
    if (mp__post_stage(post) == MP__STAGE_UP)
        mp__post_set(pool, post, mp__post_epoch(post), MP__STAGE_LEAVING);
    mp__mutex_unlock(&pool->mutex);
}

int
mp__worker_main(void *arg)
{
    const struct mp__posting *posting = arg;
    mp_pool *pool = posting->pool;
    struct mp__post *post;
    int r;

    set_signals();
    if (mp__enter() < 0 || !mp__pool_is(pool, posting->pool_id))
        return EXIT_FAILURE;
    post = take_post(posting);
    if (!post)
        return EXIT_SUCCESS;
    begin(posting, post);
    r = mp__worker_initialize(pool);
    if (r != 0) {
        post->refused = 1;
        return r;
    }
    post->ready = 1;
    mp__store(&pool->ready, 1);
    r = work(pool, post);
    if (r < 0 && r != -ESHUTDOWN)
        return EXIT_FAILURE;
    if (r < 0)
        leave_for_good(pool, post);
    else
        mp__worker_hand_over(pool);
    mp__worker_finalize();
    mp__trace_flush();
    return EXIT_SUCCESS;
}
