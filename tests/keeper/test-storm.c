/* SPDX-License-Identifier: MIT */
/* A storm: tasks and maps from several processes, while workers are killed at
 * random moments, and with them one of the submitters. Every task and every
 * item must be accounted for: done exactly once, or failed by a death. */
#include "pool/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, BATCH = 300, ITEMS = 3000 };

struct storm {
    mp_pool *pool;
    mp__a32 over;
    mp__a32 kills;
    mp__a32 tasks, dead_tasks;
    mp__a32 maps, dead_maps;
};

static double
storm_seconds(void)
{
    const char *more = getenv("MP_TEST_STORM"); /* seconds; make soak */

    return more ? atof(more) : 2;
}

/* ---- Who is killed as well: others who look after the pool ---- */

static int
nop(mp_task *task)
{
    (void)task;
    return 0;
}

static int
submit_and_wait(void *arg)
{
    struct storm *storm = *(struct storm **)arg;

    for (;;)
        mp_pool_apply(storm->pool, nop, "some bytes", 10, NULL);
    return 0;
}

static void
replace(struct storm *storm, mp_process **process)
{
    if (*process) {
        must(mp_process_kill(*process));
        must(mp_process_join(*process, MP_FOREVER));
        must(mp_process_close(*process));
        *process = NULL;
    }
    if (!mp__load(&storm->over))
        must(mp_process_start(process, submit_and_wait, &storm, sizeof(storm),
                              NULL));
}

/* ---- Who kills ---- */

/* Whether something has been done since the last few kills: a pool that does
 * nothing but die gives up, and rightly so. */
static int
is_getting_on(struct storm *storm)
{
    static uint32_t done_before, kills_before;
    uint32_t done = mp__load(&storm->tasks) + mp__load(&storm->maps);
    uint32_t kills = mp__load(&storm->kills);

    if (done != done_before) {
        done_before = done;
        kills_before = kills;
    }
    return kills - kills_before < 4;
}

static void *
kill_workers(void *arg)
{
    struct storm *storm = arg;
    unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid();
    mp_process *list[WORKERS], *submitter = NULL;

    fprintf(stderr, "# storm: seed %u\n", seed);
    srandom(seed);
    while (!mp__load(&storm->over)) {
        struct timespec pause = {.tv_nsec = random() % 4000000};
        int n;

        nanosleep(&pause, NULL);
        if (random() % 4 == 0)
            replace(storm, &submitter);
        n = mp_pool_workers(storm->pool, list, WORKERS);
        if (n > 0 && is_getting_on(storm) &&
            mp_process_kill(list[random() % n]) == 0)
            mp__add(&storm->kills, 1);
    }
    replace(storm, &submitter);
    return NULL;
}

/* ---- Who submits ---- */

static int
run_once(mp_task *task)
{
    mp__a32 *runs = *(mp__a32 **)mp_task_arg(task, NULL);

    mp__add(runs, 1);
    return mp_task_return(task, &runs, sizeof(runs));
}

/* 0, or what is wrong: 1 a call, 2 a result, 3 a count. */
static int
check_task(struct storm *storm, mp_result *result, mp__a32 *runs)
{
    mp__a32 *back;
    ssize_t r = mp_result_get(result, &back, sizeof(back), MP_FOREVER);

    mp__add(&storm->tasks, 1);
    if (mp_result_free(result) < 0)
        return 1;
    if (r == -ESRCH) {
        mp__add(&storm->dead_tasks, 1);
        return mp__load(runs) <= 1 ? 0 : 3;
    }
    if (r != sizeof(back) || back != runs)
        return 2;
    return mp__load(runs) == 1 ? 0 : 3;
}

static int
submit_batches(void *arg)
{
    struct storm *storm = *(struct storm **)arg;
    mp__a32 *runs = mp_new_array(mp__a32, BATCH);
    mp_result *results[BATCH];
    int r = 0;

    while (r == 0 && !mp__load(&storm->over)) {
        for (int i = 0; r == 0 && i < BATCH; i++) {
            mp__a32 *mine = &runs[i];

            mp__store(mine, 0);
            r = mp_pool_apply_async(storm->pool, run_once, &mine, sizeof(mine),
                                    NULL, &results[i]) < 0;
        }
        for (int i = 0; r == 0 && i < BATCH; i++)
            r = check_task(storm, results[i], &runs[i]);
    }
    if (r)
        fprintf(stderr, "# task: %d: %s\n", r, mp_last_error());
    return r;
}

static int
count_item(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)ctx;
    *(int *)result += 1;
    return 0;
}

static int
check_map(struct storm *storm, const int *out, int r, uint32_t kills)
{
    uint32_t missing = 0;

    mp__add(&storm->maps, 1);
    mp__add(&storm->dead_maps, r == -ESRCH);
    if (r != 0 && r != -ESRCH)
        return 1;
    for (int i = 0; i < ITEMS; i++) {
        if (out[i] < 0 || out[i] > 1)
            return 3;
        missing += out[i] == 0;
    }
    if (r == 0 && missing)
        return 2;
    return missing <= mp__load(&storm->kills) - kills + 1 ? 0 : 4;
}

static int
map_batches(void *arg)
{
    struct storm *storm = *(struct storm **)arg;
    static int in[ITEMS], out[ITEMS];
    int r = 0;

    while (r == 0 && !mp__load(&storm->over)) {
        uint32_t kills = mp__load(&storm->kills);

        r = mp_pool_map(storm->pool, count_item, in, sizeof(int), out,
                        sizeof(int), ITEMS, NULL);
        r = check_map(storm, out, r, kills);
    }
    if (r)
        fprintf(stderr, "# map: %d: %s\n", r, mp_last_error());
    return r;
}

/* ---- The storm ---- */

static void
end_well(mp_process *process)
{
    int code;

    must(mp_process_join(process, MP_FOREVER));
    must(mp_process_exitcode(process, &code));
    ck_assert_int_eq(code, 0);
    must(mp_process_close(process));
}

START_TEST(every_task_and_item_is_accounted_for)
{
    static const mp_target targets[] = {submit_batches, submit_batches,
                                        map_batches, map_batches};
    struct timespec duration = {.tv_sec = (time_t)storm_seconds()};
    struct storm *storm = mp_new(struct storm);
    mp_process *processes[4];
    pthread_t killer;

    use_method(_i);
    storm->pool = pool_of(WORKERS);
    for (int i = 0; i < 4; i++)
        must(mp_process_start(&processes[i], targets[i], &storm, sizeof(storm),
                              NULL));
    pthread_create(&killer, NULL, kill_workers, storm);
    nanosleep(&duration, NULL);
    mp__store(&storm->over, 1);
    pthread_join(killer, NULL);
    for (int i = 0; i < 4; i++)
        end_well(processes[i]);
    fprintf(stderr,
            "# storm: %u kills; %u tasks, %u died; %u maps of %d, %u died\n",
            mp__load(&storm->kills), mp__load(&storm->tasks),
            mp__load(&storm->dead_tasks), mp__load(&storm->maps), ITEMS,
            mp__load(&storm->dead_maps));
    ck_assert_uint_gt(mp__load(&storm->kills), 0);
    ck_assert_uint_gt(mp__load(&storm->tasks), 0);
    ck_assert_uint_gt(mp__load(&storm->maps), 0);
    end_pool(storm->pool);
    must(mp_free(storm));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("storm");
    TCase *storm = pool_case(suite, "storm", 60 + storm_seconds());

    tcase_add_loop_test(storm, every_task_and_item_is_accounted_for, MP_FORK,
                        MP_FORKSERVER + 1);
    return pool_main(suite);
}
