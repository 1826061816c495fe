/* SPDX-License-Identifier: MIT */
/* Each participant says in its slot what it waits for; whoever wants to know
 * walks through the slots. What is read may be outdated at once. */
#include "bell/waiters.h"

#include "os/clock.h"

void
mp__wait_resume(const void *object, mp_time since)
{
    struct mp__participant *me = mp__me.part;

    mp__store_relaxed(&me->waiting_since, (uint64_t)since);
    /* release: pairs with note() */
    mp__store_release(&me->waiting, (uintptr_t)object);
}

void
mp__wait_begin(const void *object)
{
    mp__wait_resume(object, mp__now());
}

void
mp__wait_end(void)
{
    mp__store_relaxed(&mp__me.part->waiting, 0);
}

/* Whether the participant waits there; who it is. */
static int
note(struct mp__waiting_thread *waiter, struct mp__participant *part,
     uintptr_t from, size_t size)
{
    uint64_t id = mp__participant_id(part);

    if (mp__load_acquire(&part->waiting) - from >= size)
        return 0;
    waiter->participant = id;
    waiter->pid = (pid_t)mp__load_relaxed(&part->pid);
    waiter->tid = (pid_t)mp__load_relaxed(&part->tid);
    waiter->since = (mp_time)mp__load_relaxed(&part->waiting_since);
    return id != mp__me.id && mp__participant_find(id) != NULL;
}

unsigned
mp__waiters_of(const void *object, size_t size,
               struct mp__waiting_thread *waiters, unsigned most)
{
    uint32_t high = mp__participants_high();
    unsigned found = 0;

    for (uint32_t i = 0; i < high; i++) {
        struct mp__waiting_thread waiter;

        if (!note(&waiter, mp__participant_at(i), (uintptr_t)object, size))
            continue;
        if (found < most)
            waiters[found] = waiter;
        found++;
    }
    return found;
}
