/* SPDX-License-Identifier: MIT */
/* Reservations: who is killed with one has put nothing, and its memory comes
 * back; who is killed in the commit has put the message whole, or nothing. */
#include "shelf_stage.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 600u /* more than the first segment of a shelf has room for */

enum { RETURNED_FROM };

static unsigned char prepared[2][SIZE_MOST];

/* ---- Queues. */

static void
make_small(void)
{
    shelf_make(IN_SLOT, NULL);
}

static void
make_large(void)
{
    shelf_make(BY_REFERENCE, NULL);
}

static void
make_redeliver(void)
{
    shelf_make(IN_SLOT, MP_QUEUE_ATTR(.redeliver = 1));
}

static void
make_priority(void)
{
    shelf_make(IN_BLOCK, MP_QUEUE_ATTR(.order = MP_QUEUE_PRIORITY));
}

static void
make_full(void)
{
    shelf_make(IN_SLOT, MP_QUEUE_ATTR(.maxsize = 1));
    shelf_put_first(1);
}

static void
make_consumer_asleep(void)
{
    make_large();
    stage.one = stage_consumer(2);
    sweep_await_sleep(stage.one);
}

/* ---- Who is killed. */

static void
prepare_messages(void)
{
    mp__enter();
    stage_write(prepared[0], VICTIM);
    stage_write(prepared[1], VICTIM + 1);
}

static void *
reserve(unsigned id)
{
    void *data = NULL;

    if (mp_queue_reserve(stage.queue, stage.size, &data, MP_FOREVER) == 0)
        memcpy(data, prepared[id - VICTIM], stage.size);
    return data;
}

static void
victim_commits(void)
{
    void *data = reserve(VICTIM);

    if (mp_queue_commit(stage.queue, data) == 0)
        mp__store(&sweep.note[RETURNED_FROM], 1);
}

static void
other_commits(void)
{
    void *data = reserve(VICTIM + 1);

    mp_queue_commit(stage.queue, data);
}

static void
victim_commits_priority(void)
{
    void *data = reserve(VICTIM);

    if (mp_queue_commit_priority(stage.queue, data, -5) == 0)
        mp__store(&sweep.note[RETURNED_FROM], 1);
}

/* The second of two, which is committed after the first was cancelled. */
static void
victim_cancels(void)
{
    void *one = reserve(VICTIM + 1), *two = reserve(VICTIM);

    mp_queue_cancel(stage.queue, one);
    if (mp_queue_commit(stage.queue, two) == 0)
        mp__store(&sweep.note[RETURNED_FROM], 1);
}

/* The shelf of the reservations is full. */
static void
reserve_many(void)
{
    void *data;

    prepare_messages();
    for (unsigned i = 0; i < MANY; i++)
        mp_queue_reserve(stage.queue, 8, &data, MP_NOW);
}

static void
victim_reserves(void)
{
    reserve(VICTIM);
}

/* In the victim: somebody dies with reservations, whom it is to bury. */
static void
leave_behind(void)
{
    pid_t pid;

    mp__enter();
    pid = fork();
    if (pid == 0) {
        void *data;

        for (int i = 0; i < 3; i++)
            mp_queue_reserve(stage.queue, stage.size, &data, MP_NOW);
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
}

static void
victim_buries(void)
{
    mp__reap();
}

/* ---- What became of it. */

static int
count_reserved(struct mp__slot *slot, void *n)
{
    (void)slot;
    ++*(unsigned *)n;
    return 0;
}

/* What the dead had reserved is given back by their burial. */
static void
check_none_reserved(void)
{
    unsigned n = 0;

    mp__reap();
    mp__shelf_each_held(&stage.queue->producers.shelf, count_reserved, &n);
    sweep_check(n == 0, "%u reservations of the dead are left", n);
}

static unsigned
check_puts(unsigned before)
{
    unsigned n = stage_puts() - before;

    sweep_check(n <= 1, "one commit put %u", n);
    sweep_check(n >= mp__load(&sweep.note[RETURNED_FROM]),
                "a commit is undone");
    if (n)
        shelf_was_put(VICTIM);
    mp__store(&sweep.note[RETURNED_FROM], 0);
    if (sweep.killed)
        check_none_reserved();
    return n;
}

static void
check_commit(void)
{
    check_puts(0);
    shelf_settle();
    shelf_balance(0);
    shelf_check_goes_on();
}

/* The earlier victim may have put its message, too. */
static void
check_two_commits(void)
{
    unsigned n = stage_puts();

    sweep_check(n <= 2, "two commits put %u", n);
    shelf_was_put(VICTIM);
    shelf_was_put(VICTIM + 1);
    while (mp_queue_size(stage.queue) > 0)
        shelf_saw((unsigned)stage_get(mp_timeout(SWEEP_BOUND)));
    sweep_check(n >= mp__load(&sweep.note[RETURNED_FROM]),
                "a commit is undone");
    mp__store(&sweep.note[RETURNED_FROM], 0);
    stage_check_rest(0, 0);
}

/* The consumer gets what was committed without anybody's help. */
static void
check_consumer(void)
{
    unsigned n = check_puts(0), i;

    if (!sweep_await_done(stage.one, n))
        return;
    for (i = n; i < 2; i++)
        stage_put_bound(LATER + 2 + i);
    if (!sweep_await_end(stage.one))
        return;
    for (i = 0; i < 2; i++)
        stage_check_got(stage.one, i, i < n ? VICTIM : LATER + 2 + i);
    stage_check_rest(0, 0);
}

/* The victim waits for room, and the harness makes it. */
static void
get_first(void)
{
    shelf_saw((unsigned)stage_get(mp_timeout(SWEEP_BOUND)));
}

static void
check_full(void)
{
    check_puts(1);
    shelf_settle();
    shelf_balance(0);
    shelf_put(LATER);
    shelf_settle();
}

#define ROW(name, make, act, test)                                   \
    {                                                                \
        name, make, prepare_messages, act, .check = test,            \
                                           .teardown = stage_destroy \
    }

const struct sweep_scenario sweep_shelf_reserve[] = {
    ROW("reserve.commit", make_small, victim_commits, check_commit),
    ROW("reserve.commit-large", make_large, victim_commits, check_commit),
    ROW("reserve.commit-redeliver", make_redeliver, victim_commits,
        check_commit),
    ROW("reserve.commit-priority", make_priority, victim_commits_priority,
        check_commit),
    ROW("reserve.cancel", make_small, victim_cancels, check_commit),
    ROW("reserve.cancel-large", make_large, victim_cancels, check_commit),
    ROW("reserve.consumer-asleep", make_consumer_asleep, victim_commits,
        check_consumer),
    {"reserve.full", make_full, prepare_messages, victim_commits,
     .wake = get_first, .check = check_full, .teardown = stage_destroy},
    {"reserve.bury", make_large, leave_behind, victim_buries,
     .check = check_commit, .teardown = stage_destroy},
    {"reserve.after-a-death", make_large, prepare_messages, victim_commits,
     .check = check_two_commits, .teardown = stage_destroy,
     .before = other_commits},
    {"reserve.grows", make_small, reserve_many, victim_reserves,
     .check = check_commit, .teardown = stage_destroy},
    {0},
};
