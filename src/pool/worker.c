/* SPDX-License-Identifier: MIT */
/* What a worker process does.
 *
 * It takes its post, if that is still its own (attend.c), runs the
 * initializer, goes on with the map that its predecessor died in, and then
 * takes messages from the pool's queue: tasks, and hints that there is a map.
 * What it has in hand is in its post at every instant, so that its death tells
 * exactly what it took along.
 *
 * It ends when the queue is closed and empty. It is a daemon of the process
 * that started it and is killed with it; but a worker that another worker
 * started (in a task that waits for a task) must not take the blame for that
 * one's task: such a foster child stays, and looks now and then whether the
 * pool's owner is still there. */
#include "base/error.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/task.h"
#include "process/record.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_FOR_OWNER 1.0 /* s; only of foster children */

static struct {
    struct mp__worker *post;
    pid_t pid;      /* a child that a task forks is no worker */
    void *argument; /* of the initializer; for life */
} self;

int
mp__worker_is_of(mp_pool *pool)
{
    return self.post && self.pid == getpid() && self.post >= pool->workers &&
           self.post < pool->workers + pool->count;
}

void
mp__worker_check(struct mp__worker *w)
{
    if (!mp__me.part || *mp__view.fork_guard == 0 ||
        mp__participant_id(mp__me.part) != mp__load_relaxed(&w->participant))
        _exit(EXIT_FAILURE);
}

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
static struct mp__worker *
take_post(const struct mp__posting *posting)
{
    struct mp__worker *w = &posting->pool->workers[posting->index];
    uint64_t expected = mp__stage_word(posting->epoch, MP__STAGE_STARTING);
    mp_process *me = own_handle();
    int mine;

    mp__mutex_lock(&posting->pool->mutex);
    mine = mp__load(&w->stage) == expected &&
           mp__pool_state(posting->pool) < MP__POOL_TERMINATED;
    if (mine) {
        mp__store(&w->participant, mp__participant_id(mp__me.part));
        atomic_store(&w->process, me);
        mp__worker_set_stage(w, MP__STAGE_UP);
    }
    mp__mutex_unlock(&posting->pool->mutex);
    return mine ? w : NULL;
}

/* Runs the initializer on a copy of its argument. */
static int
initialize(mp_pool *pool)
{
    mp__code *code;
    int r;

    if (pool->initializer.module == 0)
        return 0;
    r = mp__function_import(&pool->initializer, &code, "mp_pool_create");
    if (r < 0)
        return r;
    if (pool->initializer_size) {
        self.argument = malloc(pool->initializer_size);
        if (!self.argument)
            return -ENOMEM;
        memcpy(self.argument, pool->initializer_arg, pool->initializer_size);
    }
    return ((int (*)(void *))code)(self.argument);
}

static int
owner_is_gone(mp_pool *pool, struct mp__worker *w)
{
    return w->foster && mp_process_is_alive(pool->owner) != 1;
}

/* Takes messages until there are no more. */
static int
serve(mp_pool *pool, struct mp__worker *w)
{
    const uint32_t post = (uint32_t)(w - pool->workers);
    int r;

    mp__job_work(pool, w);
    for (;;) {
        r = mp__queue_get_claim(pool->queue, &w->claim,
                                w->foster ? mp_timeout(LOOK_FOR_OWNER)
                                          : MP_FOREVER);
        if (r == -EINTR || (r == -ETIMEDOUT && !owner_is_gone(pool, w)))
            continue;
        if (r < 0)
            return r;
        void *message = (void *)(uintptr_t)mp__load_relaxed(&w->claim.pointer);

        if (message == MP__HINT)
            mp__job_work(pool, w);
        else
            mp__task_run(message, w, post);
    }
}

/* Ends in order. Workers that this one has started would be terminated by its
 * exit: they end by themselves, and are waited for. */
static void
leave_post(mp_pool *pool, struct mp__worker *w)
{
    mp__mutex_lock(&pool->mutex);
    mp__worker_set_stage(w, MP__STAGE_LEAVING);
    mp__mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct mp__worker *other = &pool->workers[i];
        mp_process *process = atomic_load(&other->process);

        if (process && other->starter == (uint32_t)self.pid)
            while (mp_process_join(process, MP_FOREVER) == -EINTR)
                ;
    }
}

int
mp__worker_main(void *arg)
{
    const struct mp__posting *posting = arg;
    mp_pool *pool = posting->pool;
    struct mp__worker *w;
    int r;

    set_signals();
    if (mp__enter() < 0 || !mp__pool_is(pool, posting->pool_id))
        return EXIT_FAILURE;
    w = take_post(posting);
    if (!w)
        return EXIT_SUCCESS;
    self.post = w;
    self.pid = getpid();
    r = initialize(pool);
    if (r != 0) {
        w->refused = 1;
        return r;
    }
    w->ready = 1;
    mp__store(&pool->ready, 1);
    if (serve(pool, w) != -ESHUTDOWN)
        return EXIT_FAILURE;
    leave_post(pool, w);
    return EXIT_SUCCESS;
}
