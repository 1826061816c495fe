/* SPDX-License-Identifier: MIT */
/* Guests: their host is killed while it acts for one, or ends one, or takes back
 * what one was given in vain. Somebody sleeps for what the guest has, and must
 * get it, or be told, whatever happens. */
#include "sync_stage.h"

#include "region/guest.h"
#include "sync/barrier.h"
#include "sync/condition.h"
#include "sync/lock.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* The guest's id; how far the victim is. */
enum { GUEST, STEP };

static mp_lock *lock;
static mp_condition *condition;
static mp_barrier *barrier;

static struct mp__guest guest; /* the victim's */
static struct mp__visit visit;

static void
step(unsigned n)
{
    mp__store(&sweep.note[STEP], n);
}

static int
is_at_step_one(void)
{
    return mp__load(&sweep.note[STEP]) == 1;
}

static int
at_once(void)
{
    return 1;
}

static void
enter(void)
{
    sync_enter();
    mp__guest_begin(&guest);
    mp__store(&sweep.note[GUEST], guest.self.id);
}

static int
try_lock(void)
{
    struct mp__self host = mp__guest_act(&guest);
    int r = mp_lock_acquire(lock, MP_NOW);

    mp__guest_rest(&host);
    return r;
}

static void
end_guest(void)
{
    mp__guest_end(&guest);
}

/* ---- Locks ---- */

static void
make_lock(void)
{
    sync_begin();
    sweep_check(mp_lock_create(&lock, NULL) == 0, "cannot create a lock");
    mp__store(&lock->lock.gate.spins, 1);
}

static void
make_lock_of_dead(void)
{
    pid_t pid;

    make_lock();
    pid = fork();
    if (pid == 0)
        _exit(mp_lock_acquire(lock, MP_NOW) != 0);
    waitpid(pid, NULL, 0);
}

static void
destroy_lock(void)
{
    sweep_check(mp_lock_destroy(lock) == 0, "cannot destroy the lock: %s",
                mp_last_error());
}

static void
enter_and_lock(void)
{
    enter();
    try_lock();
}

static void
leave_behind(void)
{
    struct mp__self host = mp__guest_act(&guest);

    mp__lock_leave_behind(&lock->lock);
    mp__guest_rest(&host);
}

static void
begin_and_lock(void)
{
    mp__guest_begin(&guest);
    mp__store(&sweep.note[GUEST], guest.self.id);
    try_lock();
}

static void
actor_locks(struct sweep_actor *actor)
{
    mp__store(&actor->value[0], (uint64_t)mp_lock_acquire(lock, MP_FOREVER));
    mp_lock_release(lock);
    sync_linger(actor);
}

static void
come_for_lock(void)
{
    sync_bring(actor_locks);
}

static void
check_lock(int must_tell)
{
    int r;

    if (sync_waiters == 0)
        come_for_lock();
    if (!sync_check_waiters())
        return;
    r = (int)mp__load(&sync_waiter[0]->value[0]);
    sweep_check(r == -EOWNERDEAD || (r == 0 && !must_tell),
                "who comes next gets %d", r);
    sweep_check(mp_lock_acquire(lock, MP_NOW) == 0, "the lock is not free");
    mp_lock_release(lock);
}

static void
check_told(void)
{
    check_lock(1);
}

static void
check_gets_lock(void)
{
    check_lock(0);
}

/* ---- Conditions ---- */

static void
make_condition(void)
{
    sync_begin();
    sweep_check(mp_condition_create(&condition, NULL) == 0,
                "cannot create a condition");
    mp__store(&condition->spins, 1);
}

static void
destroy_condition(void)
{
    sweep_check(mp_condition_destroy(condition) == 0,
                "cannot destroy the condition: %s", mp_last_error());
}

static void
actor_waits(struct sweep_actor *actor)
{
    int r = mp_condition_acquire(condition, MP_FOREVER);

    if (r == 0 || r == -EOWNERDEAD)
        r = mp_condition_wait(condition, MP_FOREVER);
    if (r < 0 && r != -EOWNERDEAD)
        sweep_complain(actor, "its wait gave %d", r);
    mp_condition_release(condition);
    sync_linger(actor);
}

/* Behind the guest, if it stands in line; then the first is notified. */
static void
come_into_line_and_notify(void)
{
    int r;

    sync_bring_asleep(actor_waits);
    r = mp_condition_acquire(condition, mp_timeout(SWEEP_BOUND));
    sweep_check(r == 0 || r == -EOWNERDEAD, "the harness: %d", r);
    sweep_check(mp_condition_notify(condition, 1) == 0, "the harness: %s",
                mp_last_error());
    mp_condition_release(condition);
}

/* A guest waits as a server has it; `end`: what comes of it. */
static void
wait_and(void (*end)(struct mp__condition_wait *wait))
{
    struct mp__self host = mp__guest_act(&guest);
    struct mp__condition_wait wait;

    mp_condition_acquire(condition, MP_NOW);
    mp__condition_begin(condition, &wait);
    step(1);
    mp__line_look(condition, wait.ticket);
    end(&wait);
    mp__guest_rest(&host);
}

static void
quit(struct mp__condition_wait *wait)
{
    (void)wait;
    mp__line_quit();
}

static void
get_back_in_vain(struct mp__condition_wait *wait)
{
    int r = mp__condition_end(condition, wait, MP_NOW);

    if (r != -EAGAIN)
        mp__condition_undo(condition, r);
}

static void
die_in_line(struct mp__condition_wait *wait)
{
    (void)wait;
    mp__participant_end(&guest.self);
}

static void
wait_and_quit(void)
{
    wait_and(quit);
}

static void
wait_in_vain(void)
{
    wait_and(get_back_in_vain);
}

static void
wait_and_die(void)
{
    wait_and(die_in_line);
}

/* Killed with the lock: that tells, and the notification is lost with it. */
static int killed_with_lock;

static void
look_at_condition(void)
{
    uint64_t id = mp__load(&sweep.note[GUEST]);

    killed_with_lock = !sweep.completed && id &&
                       mp__load(&mp__condition_lock(condition)->owner) == id;
}

static void
check_condition(void)
{
    int r;

    if (sync_waiters > 0 && killed_with_lock) {
        r = mp_condition_acquire(condition, mp_timeout(SWEEP_BOUND));
        sweep_check(r == -EOWNERDEAD || r == 0, "the harness: %d", r);
        mp_condition_notify_all(condition);
        mp_condition_release(condition);
    }
    if (!sync_check_waiters())
        return;
    mp__line_settle(condition);
    sweep_check(mp__line_length(condition) == 0, "somebody is in line");
    r = mp_condition_acquire(condition, MP_NOW);
    sweep_check(r == 0 || r == -EOWNERDEAD, "the lock is held: %d", r);
    mp_condition_release(condition);
}

/* ---- Barriers ---- */

static void
make_barrier(void)
{
    sync_begin();
    sweep_check(mp_barrier_create(&barrier, 3, NULL) == 0,
                "cannot create a barrier");
    mp__store(&barrier->spins, 1);
    mp_barrier_reset(barrier); /* turn 0 looks for long */
}

static void
actor_sits(struct sweep_actor *actor)
{
    mp__store(&actor->value[0],
              (uint64_t)mp_barrier_wait(barrier, MP_FOREVER));
    sync_linger(actor);
}

static void
make_barrier_with_one(void)
{
    make_barrier();
    sync_bring_asleep(actor_sits);
}

static void
make_barrier_with_two(void)
{
    make_barrier_with_one();
    sync_bring_asleep(actor_sits);
}

static void
destroy_barrier(void)
{
    sweep_check(mp_barrier_destroy(barrier) == 0,
                "cannot destroy the barrier: %s", mp_last_error());
}

static int
come(int with_action)
{
    visit = (struct mp__visit){.barrier = barrier,
                               .function = "mp_barrier_wait",
                               .deadline = MP_FOREVER,
                               .awake = 1};
    return mp__barrier_come(&visit, with_action);
}

static void
come_and_quit(void)
{
    struct mp__self host = mp__guest_act(&guest);

    come(0);
    mp__barrier_look(&visit);
    mp__barrier_quit(&visit);
    mp__guest_rest(&host);
}

static void
come_and_act(void)
{
    struct mp__self host = mp__guest_act(&guest);

    if (come(1) == MP__BARRIER_ACTS)
        mp__barrier_acted(&visit, 0);
    mp__guest_rest(&host);
}

static void
enter_and_come(void)
{
    struct mp__self host;

    enter();
    host = mp__guest_act(&guest);
    come(0);
    mp__guest_rest(&host);
}

/* It had a seat, or has had one. */
static int came;

static void
look_at_barrier(void)
{
    uint64_t id = mp__load(&sweep.note[GUEST]);

    came = sweep.completed;
    for (uint32_t i = 0; i < barrier->parties && id; i++)
        came |= mp__seat_participant(mp__load(&barrier->seats[i])) == id;
    came |= (mp__load(&barrier->state) & MP__BARRIER_BROKEN) != 0;
    came |= mp__barrier_turn(mp__load(&barrier->state)) != 1;
}

/* All who sit there have been released, or told; or nobody has, and the guest
 * did not come. */
static void
check_barrier(void)
{
    int first;

    if (!came)
        mp_barrier_abort(barrier);
    if (!sync_check_waiters())
        return;
    first = (int)mp__load(&sync_waiter[0]->value[0]);
    for (unsigned i = 0; i < sync_waiters; i++) {
        int r = (int)mp__load(&sync_waiter[i]->value[0]);

        sweep_check((r >= 0) == (first >= 0) && (r >= 0 || r == -ECANCELED),
                    "one was told %d, the first %d", r, first);
    }
    mp_barrier_reset(barrier);
}

const struct sweep_scenario sweep_guest[] = {
    {"guest.lock-ends", make_lock, enter_and_lock, end_guest, .due = at_once,
     .beside = come_for_lock, .check = check_told, .teardown = destroy_lock},
    {"guest.lock-left-behind", make_lock_of_dead, enter_and_lock, leave_behind,
     .due = at_once, .beside = come_for_lock, .check = check_told,
     .teardown = destroy_lock},
    {"guest.begins", make_lock, sync_enter, begin_and_lock,
     .check = check_gets_lock, .teardown = destroy_lock},
    {"guest.condition-quits", make_condition, enter, wait_and_quit,
     .due = is_at_step_one, .beside = come_into_line_and_notify,
     .look = look_at_condition, .check = check_condition,
     .teardown = destroy_condition},
    {"guest.condition-in-vain", make_condition, enter, wait_in_vain,
     .due = is_at_step_one, .beside = come_into_line_and_notify,
     .look = look_at_condition, .check = check_condition,
     .teardown = destroy_condition},
    {"guest.condition-dies", make_condition, enter, wait_and_die,
     .due = is_at_step_one, .beside = come_into_line_and_notify,
     .look = look_at_condition, .check = check_condition,
     .teardown = destroy_condition},
    {"guest.barrier-quits", make_barrier_with_one, enter, come_and_quit,
     .look = look_at_barrier, .check = check_barrier,
     .teardown = destroy_barrier},
    {"guest.barrier-acts", make_barrier_with_two, enter, come_and_act,
     .look = look_at_barrier, .check = check_barrier,
     .teardown = destroy_barrier},
    {"guest.barrier-ends", make_barrier_with_one, enter_and_come, end_guest,
     .look = look_at_barrier, .check = check_barrier,
     .teardown = destroy_barrier},
    {0},
};
