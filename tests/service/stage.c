/* SPDX-License-Identifier: MIT */
#include "service/stage.h"

#include <errno.h>

static void
publish(struct stage *stage, const char *name, void *handle)
{
    must(mp_manager_publish(stage->manager, name, handle));
}

static void
make_things(struct stage *stage)
{
    struct things *t = &stage->things;

    must(mp_lock_create(&t->lock, NULL));
    must(mp_rlock_create(&t->rlock, NULL));
    must(mp_semaphore_create(&t->tracked, 2, MP_SEMAPHORE_ATTR(.tracked = 1)));
    must(mp_event_create(&t->event, NULL));
    must(mp_condition_create(&t->condition, NULL));
    must(mp_barrier_create(&t->barrier, 3, NULL));
    must(mp_value_create(&t->count, 'i', 0));
    must(mp_array_create(&t->array, 'd', 3, NULL));
    publish(stage, "lock", t->lock);
    publish(stage, "rlock", t->rlock);
    publish(stage, "tracked", t->tracked);
    publish(stage, "event", t->event);
    publish(stage, "condition", t->condition);
    publish(stage, "barrier", t->barrier);
    publish(stage, "count", t->count);
    publish(stage, "array", t->array);
}

static struct remote *
puppet_of(const struct stage *stage)
{
    struct remote *made =
        remote_start("puppet", mp_manager_address(stage->manager), 0);

    must(puppet_hear(made));
    return made;
}

struct stage *
stage_new(int tcp)
{
    mp_manager *manager = kit_start(tcp ? "tcp:127.0.0.1:0" : "unix:");
    struct stage *stage = mp_alloc(sizeof(*stage));

    stage->manager = manager;
    make_things(stage);
    stage->a = puppet_of(stage);
    stage->b = puppet_of(stage);
    return stage;
}

void
stage_end(struct stage *stage)
{
    struct things *t = &stage->things;

    if (stage->a)
        puppet_end(stage->a);
    if (stage->b)
        puppet_end(stage->b);
    kit_shutdown(stage->manager);
    must(mp_lock_destroy(t->lock));
    must(mp_rlock_destroy(t->rlock));
    must(mp_semaphore_destroy(t->tracked));
    must(mp_event_destroy(t->event));
    must(mp_condition_destroy(t->condition));
    must(mp_barrier_destroy(t->barrier));
    must(mp_value_destroy(t->count));
    must(mp_array_destroy(t->array));
    must(mp_free(stage));
}

void
kill_a(struct stage *stage)
{
    remote_kill(stage->a);
    stage->a = NULL;
}

void
queue_at_the_lock(struct stage *stage, struct remote *remote)
{
    int before = mp_lock_waiters(stage->things.lock, NULL, 0);

    puppet_say(remote, "lock_acquire", -1);
    await(mp_lock_waiters(stage->things.lock, NULL, 0) > before);
    ck_assert(puppet_is_busy(remote));
}

int
sits_in_vain(void *arg, int i)
{
    (void)i;
    return mp_barrier_wait(arg, MP_FOREVER) != -ECANCELED;
}
