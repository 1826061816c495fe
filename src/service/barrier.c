/* SPDX-License-Identifier: MIT */
/* Barrier, served: the caller's guest has the seat. If it has come last, and there
 * is an action, the caller is told, runs it, and says how that went by another
 * op, mp__barrier_acted(): meanwhile its guest ACTS. Whoever gives up waiting
 * breaks the barrier, as one that dies does, and one whose time is over. */
#include "service/sync.h"

#include "sync/barrier.h"

/* In state_words[0]; the others are the visit's state and seat. */
enum {
    OUTSIDE,
    SEATED,
    ACTING,
    AWAY,
};

static struct mp__visit
visit_of(const struct mp__call *call)
{
    return (struct mp__visit){
        .barrier = call->object,
        .function = "mp_barrier_wait",
        .deadline = call->deadline,
        .awake = 1,
        .state = call->state_words[1],
        .seat = (uint32_t)call->state_words[2],
    };
}

/* As mp__barrier_come() and mp__barrier_look(). */
static int
go_on(struct mp__call *call, struct mp__visit *v)
{
    int with_action;
    int r = mp__call_args(call, "b", &with_action);

    if (r < 0)
        return r;
    if (call->state_words[0] == SEATED)
        return mp__barrier_look(v);
    r = mp__barrier_come(v, with_action);
    if (r == -EAGAIN && call->expired) {
        mp_barrier_abort(v->barrier);
        return -ETIMEDOUT;
    }
    call->state_words[1] = v->state;
    call->state_words[2] = v->seat;
    return r;
}

static ssize_t
serve_barrier_wait(struct mp__call *call)
{
    struct mp__visit v = visit_of(call);
    int r = go_on(call, &v);

    if (r == -EAGAIN) /* it has found no seat */
        return mp__serve_wait(call, r);
    call->state_words[0] = r == MP__BARRIER_WAITS  ? SEATED
                           : r == MP__BARRIER_ACTS ? ACTING
                                                   : AWAY;
    if (r == MP__BARRIER_WAITS)
        return mp__serve_wait(call, -EAGAIN);
    if (r >= 0)
        mp__call_give(call, "QI", v.state, v.seat);
    return mp__serve_wait(call, r);
}

static void
cancel_wait(struct mp__call *call)
{
    struct mp__visit v = visit_of(call);

    mp__wait_end();
    if (!mp__object_ok(call->object, MP__SLAB_BARRIER))
        return;
    if (call->state_words[0] == SEATED)
        mp__barrier_quit(&v);
    else if (call->state_words[0] == ACTING && mp__barrier_may_act(&v))
        mp__barrier_acted(&v, -ECANCELED);
}

static ssize_t
serve_barrier_acted(struct mp__call *call)
{
    struct mp__visit v = visit_of(call);
    int went_well;
    int r = mp__call_args(call, "QIb", &v.state, &v.seat, &went_well);

    if (r < 0)
        return r;
    if (!mp__barrier_may_act(&v))
        return mp__fail(-EPERM, "mp_barrier_wait_with: the calling thread is "
                                "not the last one that has come");
    return mp__barrier_acted(&v, went_well ? 0 : -ECANCELED);
}

MP__SERVE_PLAIN(barrier_abort)
MP__SERVE_PLAIN(barrier_reset)
MP__SERVE_PLAIN(barrier_register)
MP__SERVE_PLAIN(barrier_unregister)
MP__SERVE_PLAIN(barrier_parties)
MP__SERVE_PLAIN(barrier_n_waiting)
MP__SERVE_PLAIN(barrier_broken)

static const struct mp__op ops[] = {
    {"barrier_destroy", MP__SLAB_BARRIER, .serve = mp__serve_destroy},
    {"barrier_wait", MP__SLAB_BARRIER, .serve = serve_barrier_wait, .guest = 1,
     .cancel = cancel_wait},
    {"barrier_acted", MP__SLAB_BARRIER, .serve = serve_barrier_acted,
     .guest = 1},
    {"barrier_abort", MP__SLAB_BARRIER, .serve = serve_barrier_abort},
    {"barrier_reset", MP__SLAB_BARRIER, .serve = serve_barrier_reset},
    {"barrier_register", MP__SLAB_BARRIER, .serve = serve_barrier_register,
     .guest = 1},
    {"barrier_unregister", MP__SLAB_BARRIER, .serve = serve_barrier_unregister,
     .guest = 1},
    {"barrier_parties", MP__SLAB_BARRIER, .serve = serve_barrier_parties},
    {"barrier_n_waiting", MP__SLAB_BARRIER, .serve = serve_barrier_n_waiting},
    {"barrier_broken", MP__SLAB_BARRIER, .serve = serve_barrier_broken},
};

void
mp__serve_barrier(void)
{
    mp__ops_register(ops, MP__LENGTH(ops));
}
