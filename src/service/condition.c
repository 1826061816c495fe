/* SPDX-License-Identifier: MIT */
/* Condition, served: the caller's guest holds the lock, and stands in line.
 *
 * A wait has a deadline of its own among its arguments. When that is over, or the
 * guest is notified, it gets the lock back, for which it waits without limit, as
 * a thread does. But the call's deadline comes some seconds later: if the lock is
 * not back shortly before, the answer says so, and the guest goes on standing in
 * line until the caller asks again, with its ticket. That is checked, as are all
 * arguments: whoever tells another one is refused.
 *
 * Whoever does not ask again has died, and its guest with it; or has been waiting
 * in vain for the answer: then the call is cancelled, and the guest leaves. */
#include "service/sync.h"

#include "os/clock.h"
#include "sync/condition.h"

#include <errno.h>

/* ---- The lock ---- */

static ssize_t
serve_condition_acquire(struct mp__call *call)
{
    return mp__serve_given(call, mp_condition_acquire(call->object, MP_NOW));
}

static void
cancel_acquire(struct mp__call *call)
{
    enum mp__served served = mp__serve_cancelled(call);
    struct mp__lock *lock;

    if (served == MP__SERVED_NOTHING)
        return;
    lock = mp__condition_lock(call->object);
    if (served == MP__SERVED_LEFT)
        mp__lock_leave_behind(lock);
    else if (mp__lock_is_mine(lock))
        mp_condition_release(call->object);
}

/* ---- Waiting ---- */

/* In state_words[0]; the others: ticket, times, and the wait's own deadline, or
 * what it has come to. */
enum {
    BEFORE,
    IN_LINE,
    BACK, /* it has the lock again */
};

static mp_time
until_of(mp_time left)
{
    mp_time now = mp__now();

    return left < MP_FOREVER - now ? now + left : MP_FOREVER;
}

/* 0; else the call has ended. */
static int
begin(struct mp__call *call, struct mp__condition_wait *wait)
{
    mp_time left;
    int r = mp__call_args(call, "qQI", &left, &wait->ticket, &wait->times);

    if (r < 0)
        return r;
    if (wait->ticket && wait->times == 0)
        return mp__fail(-EINVAL, "mp_condition_wait: the lock was held 0 "
                                 "times");
    if (wait->ticket && !mp__line_has(call->object, wait->ticket))
        return mp__fail(-EPERM, "mp_condition_wait: the calling thread does "
                                "not wait");
    if (wait->ticket == 0) {
        /* Whether the lock is held. */
        r = mp_condition_wait(call->object, MP_NOW);
        if (r != -EAGAIN || left == MP_NOW)
            return r;
        mp__condition_begin(call->object, wait);
    }
    call->state_words[0] = IN_LINE;
    call->state_words[1] = wait->ticket;
    call->state_words[2] = wait->times;
    call->state_words[3] = (uint64_t)until_of(left);
    return 0;
}

static int
has_grace(const struct mp__call *call)
{
    return !call->expired && (call->deadline == MP_FOREVER ||
                              call->deadline - mp__now() > MP__WAIT_GRACE / 2);
}

static ssize_t
serve_condition_wait(struct mp__call *call)
{
    struct mp__condition_wait wait = {call->state_words[1],
                                      (uint32_t)call->state_words[2]};
    int r = call->state_words[0] == BEFORE ? begin(call, &wait) : 0;

    if (r < 0)
        return r;
    if (!mp__line_look(call->object, wait.ticket) &&
        mp__now() < (mp_time)call->state_words[3])
        return mp__serve_wait(call, -EAGAIN);
    r = mp__condition_end(call->object, &wait, MP_NOW);
    if (r == -EAGAIN && has_grace(call))
        return mp__serve_wait(call, r);
    if (r == -EAGAIN) {
        r = MP__WAIT_GOES_ON;
    } else {
        call->state_words[0] = BACK;
        call->state_words[3] = (uint64_t)r;
    }
    if (r >= 0)
        mp__call_give(call, "QI", wait.ticket, wait.times);
    return mp__serve_wait(call, r);
}

static void
cancel_wait(struct mp__call *call)
{
    uint64_t state = call->state_words[0], ticket = call->state_words[1];

    mp__wait_end();
    if (!mp__object_ok(call->object, MP__SLAB_CONDITION))
        return;
    if (state == IN_LINE && mp__line_has(call->object, ticket))
        mp__line_quit();
    else if (state == BACK)
        mp__condition_undo(call->object, (int)call->state_words[3]);
}

/* ---- Others ---- */

static ssize_t
serve_condition_notify(struct mp__call *call)
{
    size_t n;
    int r = mp__call_args(call, "z", &n);

    return r < 0 ? r : mp_condition_notify(call->object, n);
}

MP__SERVE_PLAIN(condition_release)
MP__SERVE_PLAIN(condition_notify_all)

static const struct mp__op ops[] = {
    {"condition_destroy", MP__SLAB_CONDITION, .serve = mp__serve_destroy},
    {"condition_acquire", MP__SLAB_CONDITION, .serve = serve_condition_acquire,
     .guest = 1, .cancel = cancel_acquire},
    {"condition_release", MP__SLAB_CONDITION, .serve = serve_condition_release,
     .guest = 1},
    {"condition_wait", MP__SLAB_CONDITION, .serve = serve_condition_wait,
     .guest = 1, .cancel = cancel_wait},
    {"condition_notify", MP__SLAB_CONDITION, .serve = serve_condition_notify,
     .guest = 1},
    {"condition_notify_all", MP__SLAB_CONDITION,
     .serve = serve_condition_notify_all, .guest = 1},
};

void
mp__serve_condition(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
