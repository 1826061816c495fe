/* SPDX-License-Identifier: MIT */
/* Tasks that are not let go on for ever: one is asked to stop, one is killed
 * for its time, one is cancelled before it has begun, and one while it runs.
 * And one that dies is tried again. */
#include "tour.h"

#include <signal.h>
#include <unistd.h>

/* Looks now and then whether it is to stop, and then says how far it is. */
static int
count_sheep(mp_task *task)
{
    int sheep = 0;

    while (!mp_task_cancelled(task)) {
        work_for(0.01);
        sheep++;
    }
    return mp_task_return(task, &sheep, sizeof(sheep));
}

static int
sleep_for_ever(mp_task *task)
{
    (void)task;
    for (;;)
        pause();
    return 0;
}

/* Says that it has begun: to cancel it before would be another thing. */
static int
ring_and_sleep(mp_task *task)
{
    mp_event *begun = *(mp_event **)mp_task_arg(task, NULL);

    MUST(mp_event_set(begun));
    return sleep_for_ever(task);
}

static int
die_twice(mp_task *task)
{
    int attempt = mp_task_attempt(task);

    say("attempt %d", attempt);
    if (attempt < 3)
        raise(SIGKILL);
    return mp_task_return(task, &attempt, sizeof(attempt));
}

static void
report(const char *what, mp_result *result)
{
    int number;
    ssize_t r = mp_result_get(result, &number, sizeof(number), MP_FOREVER);

    if (r < 0)
        say("%s failed: %s", what, mp_result_error(result));
    else
        say("%s: %d", what, number);
    MUST(mp_result_free(result));
}

static void
time_limits(mp_pool *pool)
{
    mp_result *result;

    MUST(mp_pool_apply_async(pool, count_sheep, NULL, 0,
                             MP_TASK_ATTR(.soft_timeout = 0.1), &result));
    report("sheep, in 0.1 s", result);
    MUST(mp_pool_apply_async(pool, sleep_for_ever, NULL, 0,
                             MP_TASK_ATTR(.timeout = 0.1), &result));
    report("the sleeper that has 0.1 s", result);
}

static void
cancel_two(mp_pool *pool)
{
    mp_result *running, *queued;
    mp_event *begun;

    MUST(mp_event_create(&begun, NULL));
    MUST(mp_pool_apply_async(pool, ring_and_sleep, &begun, sizeof(begun), NULL,
                             &running));
    MUST(mp_pool_apply_async(pool, die_twice, NULL, 0, NULL, &queued));
    MUST(mp_event_wait(begun, MP_FOREVER));
    MUST(mp_result_cancel(queued));
    report("the task behind a sleeper", queued);
    MUST(mp_result_cancel(running));
    report("that sleeper", running);
    MUST(mp_event_destroy(begun));
}

void
scene_limits(void)
{
    mp_result *result;
    mp_pool *pool;

    MUST(mp_pool_create(&pool, 1, NULL));
    time_limits(pool);
    cancel_two(pool);
    MUST(mp_pool_apply_async(pool, die_twice, NULL, 0,
                             MP_TASK_ATTR(.retries = 2), &result));
    report("done at attempt", result);
    MUST(mp_pool_destroy(pool));
}
