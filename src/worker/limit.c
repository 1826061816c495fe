/* SPDX-License-Identifier: MIT */
/* Time limits: the worker's own timers keep them, for nobody else may be there
 * to look.
 *
 * The hard one sends SIGKILL to the worker: no function can be in its way. The
 * soft one sends SIGURG to its thread; the handler does nothing but be there,
 * so that a system call which blocks ends with EINTR. SIGURG, because it is
 * ignored where nobody handles it.
 *
 * `expires` of the post tells who buries the worker why it died. It is stored
 * before the timer is on and cleared after it is off, and the timer never goes
 * off before that time: a worker that its limit has killed is found with an
 * `expires` that is over. The reverse may be untrue: somebody else's SIGKILL
 * that is found late looks the same.
 *
 * Timers belong to the process that made them. A child of fork has none, and
 * tells by its participant that those it remembers are not its own. */
#include "worker/limit.h"

#include "base/error.h"
#include "os/clock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define MOST 4e9 /* s: beyond, there is no limit */

enum which { HARD, SOFT };

/* Of this thread, which alone runs tasks in a worker. */
static struct {
    uint64_t maker; /* participant whose timers these are */
    int made[2];
    timer_t timer[2];
    mp_time until[2]; /* 0: off */
} limits;

mp_time
mp__limit_of(double seconds, mp_time otherwise)
{
    if (seconds == 0)
        return otherwise;
    if (!(seconds > 0) || seconds >= MOST)
        return 0;
    return (mp_time)(seconds * 1e9) + 1;
}

/* ---- Timers ---- */

static void
on_soft(int number)
{
    (void)number;
}

/* A handler that the program has set is left alone: it interrupts as well, or
 * the program does not want that. */
static void
catch_soft(void)
{
    struct sigaction action;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (sigaction(SIGURG, NULL, &action) < 0 ||
        (action.sa_flags & SA_SIGINFO) ||
        (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN))
        return;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_soft;
    sigaction(SIGURG, &action, NULL);
}

static int
make(enum which which)
{
    struct sigevent event;

    memset(&event, 0, sizeof(event));
    event.sigev_notify = which == HARD ? SIGEV_SIGNAL : SIGEV_THREAD_ID;
    event.sigev_signo = which == HARD ? SIGKILL : SIGURG;
    if (which == SOFT) {
        event.sigev_notify_thread_id =
            (pid_t)mp__load_relaxed(&mp__me.part->tid);
        catch_soft();
    }
    /* Its only error is that there are too many, EAGAIN. */
    if (timer_create(CLOCK_MONOTONIC, &event, &limits.timer[which]) < 0)
        return mp__fail(-ENOMEM, "no timer is left for the time limit");
    limits.made[which] = 1;
    return 0;
}

static void
set_timer(enum which which, mp_time until)
{
    struct itimerspec when = {
        .it_value.tv_sec = (time_t)(until / 1000000000),
        .it_value.tv_nsec = (long)(until % 1000000000),
    };

    timer_settime(limits.timer[which], TIMER_ABSTIME, &when, NULL);
    limits.until[which] = until;
}

static int
start(enum which which, mp_time until)
{
    int r = limits.made[which] ? 0 : make(which);

    if (r == 0)
        set_timer(which, until);
    return r;
}

/* ---- Limits ---- */

int
mp__limit_begin(struct mp__post *post, mp_time hard, mp_time soft)
{
    mp_time now;
    int r = 0;

    if ((hard | soft) == 0)
        return 0;
    if (limits.maker != mp__me.id)
        memset(&limits, 0, sizeof(limits));
    limits.maker = mp__me.id;
    now = mp__now();
    if (soft)
        r = start(SOFT, now + soft);
    if (hard && r == 0) {
        mp__store(&post->limit, (uint64_t)hard);
        mp__store(&post->expires, (uint64_t)(now + hard));
        r = start(HARD, now + hard);
    }
    if (r < 0)
        mp__limit_end(post);
    return r;
}

void
mp__limit_end(struct mp__post *post)
{
    for (enum which which = HARD; which <= SOFT; which++)
        if (limits.until[which])
            set_timer(which, 0);
    if (mp__load_relaxed(&post->expires))
        mp__store(&post->expires, 0);
}

int
mp__limit_is_over(void)
{
    mp_time until = limits.until[SOFT];

    return until && limits.maker == mp__me.id && mp__now() >= until;
}
