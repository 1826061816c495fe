/* SPDX-License-Identifier: MIT */
#include "sync/condition-kit.h"

#include <errno.h>

struct stage *
stage_with(enum lock_kind kind)
{
    struct stage *stage = mp_new(struct stage);
    const mp_condition_attr *attr;

    ck_assert_ptr_nonnull(stage);
    if (kind == LOCK)
        must(mp_lock_create(&stage->lock, NULL));
    if (kind == RLOCK)
        must(mp_rlock_create(&stage->rlock, NULL));
    attr = MP_CONDITION_ATTR(.lock = stage->lock, .rlock = stage->rlock);
    must(mp_condition_create(&stage->condition, attr));
    if (kind != OWN)
        must(mp_condition_create(&stage->other, attr));
    stage->deadline = MP_FOREVER;
    if (mp__view.tier == MP__TIER_FULL)
        mp__view.slice = (mp_time)3600 * 1000000000;
    return stage;
}

void
end_stage(struct stage *stage)
{
    ck_assert_uint_eq(mp__line_length(stage->condition), 0);
    must(mp_condition_destroy(stage->condition));
    must(mp_condition_destroy(stage->other));
    must(mp_lock_destroy(stage->lock));
    must(mp_rlock_destroy(stage->rlock));
    must(mp_free(stage));
}

void
acquire(struct stage *stage)
{
    int r = mp_condition_acquire(stage->condition, MP_FOREVER);

    must(r == -EOWNERDEAD ? 0 : r);
}

void
release(struct stage *stage)
{
    must(mp_condition_release(stage->condition));
}

void
notify(struct stage *stage, size_t n)
{
    acquire(stage);
    must(mp_condition_notify(stage->condition, n));
    release(stage);
}

/* ---- The line ---- */

/* Who may be killed at any moment uses none of Check's asserts: these write
 * to the test's pipe even if all is well, and half a message spoils it. */
#define POLL_UNTIL(condition)                 \
    do {                                      \
        int64_t until = mp_test_deadline(50); \
        while (!(condition))                  \
            if (!mp_test_poll(until))         \
                return 1;                     \
    } while (0)

int
wait_in_line(void *arg, int i)
{
    struct stage *stage = arg;
    int r;

    POLL_UNTIL(mp__line_length(stage->condition) == (size_t)i);
    acquire(stage);
    r = mp_condition_wait(stage->condition, stage->deadline);
    if (r == -EOWNERDEAD)
        mp__add(&stage->warned, 1);
    else if (r != stage->expected)
        ck_abort_msg("wait: %d", r);
    mp__store(&stage->is_back[i], 1);
    mp__add(&stage->back, 1);
    release(stage);
    POLL_UNTIL(mp__load(&stage->over));
    return 0;
}

struct kin *
line_of(struct stage *stage, enum kin_how how, int n)
{
    struct kin *kin = kin_start(how, n, wait_in_line, stage);

    await_line(stage, (size_t)n);
    kin_await_sleep(kin);
    return kin;
}

void
end_line(struct stage *stage, struct kin *kin)
{
    for (int i = 0; i < kin->n; i++)
        if (kin->pids[i] != 0)
            wait_until(mp__load(&stage->is_back[i]), 20);
    mp__store(&stage->over, 1);
    kin_end(kin);
    mp__store(&stage->over, 0);
}

void
await_line(struct stage *stage, size_t n)
{
    wait_until(mp__line_length(stage->condition) == n, 20);
}

void
await_at_the_lock(struct stage *stage, int n)
{
    const void *lock = stage->condition->lock;
    size_t size = sizeof(*stage->condition->lock);

    if (lock == NULL) {
        lock = stage->condition->rlock;
        size = sizeof(*stage->condition->rlock);
    }
    wait_until(mp__sync_waiters(lock, size, NULL, 0, "") == n, 20);
}

void
await_back(struct stage *stage, size_t n)
{
    wait_until(mp__load(&stage->back) == n, 20);
}

uint64_t
granted(struct stage *stage)
{
    return mp__load(&stage->condition->granted);
}
