/* SPDX-License-Identifier: MIT */
/* Lock and RLock: owners, those who wait, and those who take over from the
 * dead are killed. If the victim dies as the owner, exactly one of the others
 * is told so, and all of them get the lock in turn. */
#include "sync_turns.h"

#include "sync/lock.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The victim's id, and whether what it had to do is done. */
enum { VICTIM = TURN_NOTES, DONE };

static mp_lock *lock;
static mp_rlock *rlock;
static struct mp__lock *inner; /* of either */
static int victim_owned;       /* when it was killed */

static void
enter_and_tell(void)
{
    sync_enter();
    mp__store(&sweep.note[VICTIM], mp__me.id);
}

static void
look(void)
{
    victim_owned = mp__load(&inner->owner) == mp__load(&sweep.note[VICTIM]);
    if (sweep.scenario->meet && !turns.holder)
        sync_look_at_waiters();
}

/* ---- Lock ---- */

static int
acquire(mp_time deadline)
{
    return mp_lock_acquire(lock, deadline);
}

static int
release(void)
{
    return mp_lock_release(lock);
}

/* One who comes now gets it too; then nobody has it or waits for it. */
static void
check(void)
{
    const char *wrong;

    if (!sync_check_waiters())
        return;
    wrong = turns_pass(mp_timeout(SWEEP_BOUND));
    sweep_check(!wrong, "the last to come: %s", wrong);
    turns_check_told(victim_owned);
    sweep_check(mp_lock_locked(lock) == 0, "it stays locked");
    sweep_check(mp_lock_waiters(lock, NULL, 0) == 0, "somebody still waits");
}

/* Who waits looks but once before it sleeps: each look costs kill points. */
static void
begin(struct mp__lock *of_either)
{
    inner = of_either;
    mp__store(&inner->gate.spins, 1);
}

static void
make_any(unsigned flags)
{
    int r = mp_lock_create(&lock, MP_LOCK_ATTR(.flags = flags));

    turns_begin();
    turns.acquire = acquire;
    turns.release = release;
    turns.check = check;
    turns.tells = !(flags & MP_LOCK_HANDOVER);
    if (sweep_check(r == 0, "cannot create a lock: %s", mp_strerror(r)))
        begin(&lock->lock);
}

static void
make(void)
{
    make_any(0);
}

static void
make_handover(void)
{
    make_any(MP_LOCK_HANDOVER);
}

static void
make_held(void)
{
    make();
    turns_have_holder();
}

static void
make_held_waiter(void)
{
    make();
    turns_have_holder_and_waiter();
}

static void
make_to_be_robbed_by_dead(void)
{
    make_held();
    turns.deaths = 1;
}

static void
destroy(void)
{
    int r = mp_lock_destroy(lock);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

/* ---- RLock, held twice ---- */

static int
acquire_twice(mp_time deadline)
{
    int r = mp_rlock_acquire(rlock, deadline);

    if (r < 0 && r != -EOWNERDEAD)
        return r;
    return mp_rlock_acquire(rlock, MP_NOW) < 0 ? -EPROTO : r;
}

static int
release_twice(void)
{
    int r = mp_rlock_release(rlock);

    return r < 0 ? r : mp_rlock_release(rlock);
}

static void
check_rlock(void)
{
    const char *wrong;

    if (!sync_check_waiters())
        return;
    wrong = turns_pass(mp_timeout(SWEEP_BOUND));
    sweep_check(!wrong, "the last to come: %s", wrong);
    turns_check_told(victim_owned);
    sweep_check(mp_rlock_locked(rlock) == 0, "it stays locked");
    sweep_check(mp_rlock_release(rlock) == -EPERM, "it is held too often");
}

static void
make_rlock(void)
{
    int r = mp_rlock_create(&rlock, NULL);

    turns_begin();
    turns.acquire = acquire_twice;
    turns.release = release_twice;
    turns.check = check_rlock;
    turns.tells = 1;
    if (sweep_check(r == 0, "cannot create an rlock: %s", mp_strerror(r)))
        begin(&rlock->lock);
}

static void
make_rlock_held(void)
{
    make_rlock();
    turns_have_holder();
}

static void
destroy_rlock(void)
{
    int r = mp_rlock_destroy(rlock);

    sweep_check(r == 0, "cannot destroy it: %s", mp_strerror(r));
}

/* ---- One who had released it, before the holder got it again, died when it
 * was about to wake the victim, which was about to sleep ---- */

static void
actor_dies_waking(struct sweep_actor *actor)
{
    (void)actor;
    mp__bell_arm(&inner->gate.bell);
    mp__store(&inner->gate.waking, 1);
    raise(SIGKILL);
}

static void
have_a_dead_waker(void)
{
    struct sweep_actor *dead = sweep_actor(actor_dies_waking);

    waitpid(dead->pid, NULL, 0);
    dead->pid = 0;
}

/* ---- Another than the owner releases it ---- */

static struct sweep_actor *owner;

static void
actor_acquires(struct sweep_actor *actor)
{
    if (acquire(MP_FOREVER) != 0)
        sweep_complain(actor, "it could not acquire");
    mp__store(&actor->value[0], mp__me.id);
    sync_linger(actor);
}

static void
actor_passes(struct sweep_actor *actor)
{
    const char *wrong = turns_pass(MP_FOREVER);

    if (wrong)
        sweep_complain(actor, "%s", wrong);
    sync_linger(actor);
}

static void
make_to_release(void)
{
    make();
    owner = sweep_actor(actor_acquires);
    sweep_await_done(owner, 1);
    sync_bring_asleep(actor_passes);
    sync_bring_asleep(actor_passes);
}

static void
victim_releases(void)
{
    if (release() == 0)
        mp__store(&sweep.note[DONE], 1);
}

static void
check_released(void)
{
    if (mp__load(&inner->owner) == mp__load(&owner->value[0])) {
        sweep_check(!mp__load(&sweep.note[DONE]), "it is not released");
        release();
    } else {
        sweep_check(mp_lock_is_robust(lock) == 0, "it was not handed over");
    }
    check();
}

/* ---- One that is handed over stays locked when its owner dies ---- */

static void
check_handed(void)
{
    if (victim_owned) {
        sweep_check(mp_lock_owner(lock) == -EOWNERDEAD, "the dead own it not");
        release();
    }
    check();
}

#define LOCK(name, make, victim) \
    name, make, enter_and_tell, victim, .look = look, .teardown = destroy
#define RLOCK(name, make, victim) \
    name, make, enter_and_tell, victim, .look = look, .teardown = destroy_rlock

const struct sweep_scenario sweep_lock[] = {
    {LOCK("lock.alone", make, turns_victim_passes), .check = check},
    {LOCK("lock.waiter", make, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one, .check = check},
    {LOCK("lock.three-waiters", make, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_three,
     .check = check},
    {LOCK("lock.waiting", make_held_waiter, turns_victim_passes),
     .wake = turns_let_go, .check = turns_check_held},
    {LOCK("lock.first-in-line", make_held, turns_victim_passes),
     .wake = turns_queue_up_and_let_go, .check = turns_check_queued_up},
    {LOCK("lock.unwatched", make_held, turns_victim_stays),
     .wake = turns_queue_up_and_let_go, .check = turns_check_queued_up},
    {LOCK("lock.robbed", make_held, turns_victim_passes),
     .wake = turns_be_robbed, .sleeps = 1, .check = turns_check_robbed,
     .stride = 2},
    {LOCK("lock.robbed-by-dead", make_to_be_robbed_by_dead,
          turns_victim_passes),
     .wake = turns_be_robbed, .sleeps = 1, .check = turns_check_robbed,
     .stride = 2},
    {"lock.gives-up", make_to_be_robbed_by_dead, sync_enter_impatiently,
     turns_victim_gives_up, .wake = turns_be_robbed_of_time,
     .check = turns_check_robbed, .teardown = destroy},
    {LOCK("lock.heir", make, turns_victim_passes), .check = check,
     .before = turns_victim_passes, .between = turns_forget_earlier},
    {LOCK("lock.heir-waiter", make, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one, .check = check,
     .before = turns_victim_passes, .between = turns_forget_earlier},
    {LOCK("lock.meet", make, turns_victim_passes), .beside = turns_come_any,
     .check = check, .meet = 1},
    {LOCK("lock.meet-two", make, turns_victim_passes),
     .beside = turns_come_two_any, .check = check, .meet = 1},
    {LOCK("lock.meet-release", make_held, turns_victim_passes),
     .wake = turns_let_go, .beside = turns_let_go_meanwhile,
     .check = turns_check_held, .meet = 1},
    {LOCK("lock.meet-dead-waker", make_held, turns_victim_passes),
     .wake = turns_let_go, .beside = have_a_dead_waker,
     .check = turns_check_held, .meet = 1},
    {LOCK("lock.release-other", make_to_release, victim_releases),
     .check = check_released},
    {LOCK("lock.handover", make_handover, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one,
     .check = check_handed},
    {RLOCK("rlock.waiter", make_rlock, turns_victim_passes),
     .due = turns_victim_is_inside, .beside = turns_come_one,
     .check = check_rlock},
    {RLOCK("rlock.first-in-line", make_rlock_held, turns_victim_passes),
     .wake = turns_queue_up_and_let_go, .check = turns_check_queued_up},
    {RLOCK("rlock.heir", make_rlock, turns_victim_passes),
     .check = check_rlock, .before = turns_victim_passes,
     .between = turns_forget_earlier},
    {0},
};
