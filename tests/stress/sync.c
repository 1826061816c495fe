/* SPDX-License-Identifier: MIT */
/* Players who use the synchronisation objects. None of them waits with a limit
 * but now and then, so whoever is left asleep makes no progress; and nobody
 * else's next call wakes it by chance: who sets the event waits until all have
 * seen it, a notification is for one, and a round needs every party. */
#include "stress.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PERMITS 2u /* of the tracked semaphore */
#define ROOM    4u /* of the store */
#define PARTIES 3u
#define ENOUGH  8 /* permits that the givers leave there */

static struct stress_sync *
ours(void)
{
    return &stress->sync;
}

static int
seldom(struct stress_player *player)
{
    return stress_random(player) % 16 == 0;
}

/* ---- Lock and RLock: numbers that are equal whenever it is free ---- */

static int
is_acquired(int r, struct stress_guarded *g, const char *what)
{
    if (r == -EOWNERDEAD) {
        mp__add(&ours()->told, 1);
        g->b = g->a;
    } else if (r < 0) {
        if (r != -ETIMEDOUT && r != -EAGAIN)
            stress_unexpected(what, r);
        return 0;
    }
    if (g->a != g->b)
        mp__add(&stress->broken_pairs, 1);
    return 1;
}

static void
change(struct stress_guarded *g)
{
    g->a++;
    mp__compiler_barrier();
    g->b++;
}

static mp_time
choose_deadline(struct stress_player *player)
{
    if (!seldom(player))
        return MP_FOREVER;
    return stress_random(player) % 2 ? mp_timeout(0.0005) : MP_NOW;
}

void
stress_lock(struct stress_player *player)
{
    int r = mp_lock_acquire(ours()->lock, choose_deadline(player));

    if (!is_acquired(r, &ours()->by_lock, "lock_acquire"))
        return;
    change(&ours()->by_lock);
    if (mp_lock_release(ours()->lock) < 0)
        stress_unexpected("lock_release", -EPERM);
}

void
stress_rlock(struct stress_player *player)
{
    int r = mp_rlock_acquire(ours()->rlock, choose_deadline(player));

    if (!is_acquired(r, &ours()->by_rlock, "rlock_acquire"))
        return;
    r = mp_rlock_acquire(ours()->rlock, MP_NOW);
    if (r < 0)
        stress_unexpected("rlock_acquire, again", r);
    change(&ours()->by_rlock);
    if ((r = mp_rlock_release(ours()->rlock)) < 0 ||
        (r = mp_rlock_release(ours()->rlock)) < 0)
        stress_unexpected("rlock_release", r);
}

/* ---- Semaphores ---- */

void
stress_give(struct stress_player *player)
{
    int r;

    (void)player;
    if (mp_semaphore_value(ours()->permits) >= ENOUGH) {
        usleep(200);
        return;
    }
    r = mp_semaphore_release(ours()->permits);
    if (r == 0)
        mp__add(&ours()->given, 1);
    else
        stress_unexpected("semaphore_release", r);
}

void
stress_take(struct stress_player *player)
{
    int r = mp_semaphore_acquire(ours()->permits, choose_deadline(player));

    if (r == 0)
        mp__add(&ours()->taken, 1);
    else if (r != -ETIMEDOUT && r != -EAGAIN)
        stress_unexpected("semaphore_acquire", r);
}

/* Marks of all who have a permit; one may be that of a player which has just
 * been killed. */
static void
count_holders(void)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < stress->players; i++)
        n += mp__load(&ours()->has_permit[i]);
    if (n > PERMITS + 1)
        mp__add(&ours()->too_many, 1);
}

void
stress_hold_permit(struct stress_player *player)
{
    mp__a32 *mark = &ours()->has_permit[player->number];
    int r = mp_semaphore_acquire(ours()->tracked, choose_deadline(player));

    if (r < 0) {
        if (r != -ETIMEDOUT && r != -EAGAIN)
            stress_unexpected("semaphore_acquire, tracked", r);
        return;
    }
    mp__store(mark, 1);
    count_holders();
    mp__store(mark, 0);
    r = mp_semaphore_release(ours()->tracked);
    if (r < 0)
        stress_unexpected("semaphore_release, tracked", r);
}

/* ---- Event ---- */

/* Leaves it set until all who wait have seen it. */
void
stress_set(struct stress_player *player)
{
    uint64_t before[STRESS_PLAYERS];

    (void)player;
    for (uint32_t i = 0; i < stress->players; i++)
        before[i] = mp__load(&stress->player[i].progress);
    mp_event_set(ours()->event);
    for (uint32_t i = 0; i < stress->players; i++)
        while (stress->player[i].role == STRESS_AWAITER &&
               mp__load(&stress->player[i].progress) == before[i] &&
               stress_goes_on())
            usleep(50);
    if (stress_goes_on())
        mp_event_clear(ours()->event);
}

void
stress_await(struct stress_player *player)
{
    int r = mp_event_wait(ours()->event, choose_deadline(player));

    if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN)
        stress_unexpected("event_wait", r);
}

/* ---- Condition: a store with room for a few, and its book-keeping. ---- */

/* Whoever died with the lock may have owed others a notification. */
static int
enter_store(int r, const char *what)
{
    struct stress_store *s = &ours()->store;

    if (r == -EOWNERDEAD) {
        mp__add(&ours()->told, 1);
        s->stored = s->put - s->got;
        mp_condition_notify_all(ours()->not_full);
        mp_condition_notify_all(ours()->not_empty);
    } else if (r < 0 && r != -ETIMEDOUT) {
        stress_unexpected(what, r);
        return 0;
    }
    if (s->stored != s->put - s->got || s->stored > ROOM)
        mp__add(&ours()->wrong_books, 1);
    return 1;
}

static int
wait_in_store(struct stress_player *player, mp_condition *condition,
              uint64_t full)
{
    const struct stress_store *s = &ours()->store;
    int inside = enter_store(mp_lock_acquire(ours()->store_lock, MP_FOREVER),
                             "lock_acquire, store");

    while (inside && s->stored == full && stress_goes_on())
        inside = enter_store(
            mp_condition_wait(condition, seldom(player) ? mp_timeout(0.0005)
                                                        : MP_FOREVER),
            "condition_wait");
    return inside;
}

static void
leave_store(mp_condition *condition)
{
    int r = mp_condition_notify(condition, 1);

    if (r == 0)
        r = mp_lock_release(ours()->store_lock);
    if (r < 0)
        stress_unexpected("condition_notify", r);
}

void
stress_put_in_store(struct stress_player *player)
{
    struct stress_store *s = &ours()->store;

    if (!wait_in_store(player, ours()->not_full, ROOM))
        return;
    if (s->stored < ROOM) {
        s->put++;
        mp__compiler_barrier();
        s->stored++;
    }
    leave_store(ours()->not_empty);
}

void
stress_get_from_store(struct stress_player *player)
{
    struct stress_store *s = &ours()->store;

    if (!wait_in_store(player, ours()->not_empty, 0))
        return;
    if (s->stored > 0) {
        s->got++;
        mp__compiler_barrier();
        s->stored--;
    }
    leave_store(ours()->not_full);
}

/* ---- Barrier: as many players as parties. The first of them registers. */

static void
register_party(const struct stress_player *player)
{
    int r = player->which == 0 ? mp_barrier_register(ours()->barrier) : 0;

    /* Its predecessor's name is still there. */
    if (r == -EOVERFLOW)
        r = mp_barrier_reset(ours()->barrier);
    if (r < 0)
        stress_unexpected("barrier_register", r);
}

static int
act(void *arg)
{
    mp__add((mp__a64 *)arg, 1);
    return 0;
}

/* Until a round is complete. */
void
stress_meet(struct stress_player *player)
{
    int r = -ECANCELED;

    register_party(player);
    while (r < 0 && stress_goes_on()) {
        r = mp_barrier_wait_with(ours()->barrier, act, &ours()->rounds,
                                 MP_FOREVER);
        if (r < 0 && r != -ECANCELED)
            stress_unexpected("barrier_wait", r);
        if (r < 0 && stress_goes_on() &&
            mp_barrier_broken(ours()->barrier) == 1)
            mp_barrier_reset(ours()->barrier);
    }
    if (r >= (int)PARTIES)
        stress_unexpected("barrier_wait", r);
    else if (r >= 0)
        mp__add(&ours()->numbers[r], 1);
}

/* ---- The stage ---- */

int
stress_sync_create(void)
{
    struct stress_sync *s = ours();

    if (mp_lock_create(&s->lock, NULL) < 0 ||
        mp_rlock_create(&s->rlock, NULL) < 0 ||
        mp_lock_create(&s->store_lock, NULL) < 0 ||
        mp_semaphore_create(&s->permits, 0, NULL) < 0 ||
        mp_semaphore_create(&s->tracked, PERMITS,
                            MP_SEMAPHORE_ATTR(.tracked = 1)) < 0 ||
        mp_event_create(&s->event, NULL) < 0 ||
        mp_barrier_create(&s->barrier, PARTIES, NULL) < 0 ||
        mp_condition_create(&s->not_full,
                            MP_CONDITION_ATTR(.lock = s->store_lock)) < 0 ||
        mp_condition_create(&s->not_empty,
                            MP_CONDITION_ATTR(.lock = s->store_lock)) < 0)
        return -1;
    return 0;
}

/* Those who wait go on, see that it is over, and leave. */
void
stress_sync_stop(void)
{
    struct stress_sync *s = ours();

    for (unsigned i = 0; i < STRESS_PLAYERS; i++)
        mp_semaphore_release(s->permits);
    mp_event_set(s->event);
    mp_barrier_abort(s->barrier);
    if (mp_lock_acquire(s->store_lock, mp_timeout(10)) == -ETIMEDOUT)
        return;
    mp_condition_notify_all(s->not_full);
    mp_condition_notify_all(s->not_empty);
    mp_lock_release(s->store_lock);
    mp__add(&s->given, STRESS_PLAYERS);
}

void
stress_sync_killed(const struct stress_player *player)
{
    mp__store(&ours()->has_permit[player->number], 0);
}

static int
violated(int is, const char *what)
{
    if (is)
        printf("VIOLATION: %s\n", what);
    return is;
}

static int
report_lock(int r, const char *what)
{
    return violated(r != 0 && r != -EOWNERDEAD, what);
}

static int
report_objects(void)
{
    struct stress_sync *s = ours();

    return report_lock(mp_lock_acquire(s->lock, MP_NOW), "a lock is held") +
           report_lock(mp_rlock_acquire(s->rlock, MP_NOW),
                       "an rlock is held") +
           report_lock(mp_lock_acquire(s->store_lock, MP_NOW),
                       "the condition's lock is held") +
           violated(mp_semaphore_value(s->tracked) != PERMITS,
                    "tracked permits are lost") +
           violated(mp_lock_release(s->lock) < 0 ||
                        mp_rlock_release(s->rlock) < 0 ||
                        mp_lock_release(s->store_lock) < 0,
                    "a lock cannot be released");
}

/* What a dead giver gave may not be counted, nor what a dead taker took. */
static int
report_permits(const uint64_t killed[STRESS_ROLES])
{
    struct stress_sync *s = ours();
    int64_t off = (int64_t)(mp__load(&s->taken) - mp__load(&s->given)) +
                  mp_semaphore_value(s->permits);

    return violated(off > (int64_t)killed[STRESS_GIVER] ||
                        off < -(int64_t)killed[STRESS_TAKER],
                    "permits are lost, or come from nowhere");
}

static int
report_rounds(uint64_t parties_killed)
{
    mp__a64 *n = ours()->numbers;
    uint64_t most = 0, least = UINT64_MAX;

    for (unsigned i = 0; i < PARTIES; i++) {
        most = mp__load(&n[i]) > most ? mp__load(&n[i]) : most;
        least = mp__load(&n[i]) < least ? mp__load(&n[i]) : least;
    }
    return violated(most > least + parties_killed,
                    "numbers of a barrier were given twice") +
           violated(most > mp__load(&ours()->rounds),
                    "a barrier released more rounds than its action saw");
}

static int
destroy_all(void)
{
    struct stress_sync *s = ours();

    return violated(mp_condition_destroy(s->not_full) < 0 ||
                        mp_condition_destroy(s->not_empty) < 0 ||
                        mp_lock_destroy(s->lock) < 0 ||
                        mp_rlock_destroy(s->rlock) < 0 ||
                        mp_lock_destroy(s->store_lock) < 0 ||
                        mp_semaphore_destroy(s->permits) < 0 ||
                        mp_semaphore_destroy(s->tracked) < 0 ||
                        mp_event_destroy(s->event) < 0 ||
                        mp_barrier_destroy(s->barrier) < 0,
                    "an object cannot be destroyed");
}

int
stress_sync_report(const uint64_t killed[STRESS_ROLES])
{
    struct stress_sync *s = ours();
    uint64_t told = mp__load(&s->told);
    int v =
        report_objects() + report_permits(killed) +
        report_rounds(killed[STRESS_PARTY]) +
        violated(mp__load(&s->too_many) > 0,
                 "more hold a tracked permit than there are") +
        violated(mp__load(&s->wrong_books) > 0, "the store's books are wrong");

    v += violated(told > killed[STRESS_LOCK_USER] + killed[STRESS_RLOCK_USER] +
                             killed[STRESS_STORER] + killed[STRESS_FETCHER],
                  "more dead owners than dead");
    printf("locks: %llu, %llu turns, %llu dead owners told of; permits: %llu "
           "given, %llu taken; store: %llu put, %llu got; barrier: %llu "
           "rounds\n",
           (unsigned long long)s->by_lock.a, (unsigned long long)s->by_rlock.a,
           (unsigned long long)told, (unsigned long long)mp__load(&s->given),
           (unsigned long long)mp__load(&s->taken),
           (unsigned long long)s->store.put, (unsigned long long)s->store.got,
           (unsigned long long)mp__load(&s->rounds));
    return v + destroy_all();
}
