/* SPDX-License-Identifier: MIT */
/* MPROC_TRACE: what is written, that it can be read, and that nothing is lost
 * with a worker. */
#include "pool/crew.h"
#include "progress/events.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64], path[96];

static struct {
    struct json_event *events;
    size_t n;
} trace;

static void
set_up(void)
{
    snprintf(directory, sizeof(directory), "%s/trace-XXXXXX", P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/trace.json", directory);
    ck_assert_int_eq(setenv("MPROC_TRACE", path, 1), 0);
}

static void
tear_down(void)
{
    unlink(path);
    rmdir(directory);
    free(trace.events);
    trace.events = NULL;
}

/* Reads the whole file; it must be strict JSON. */
static void
read_trace(void)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0, room = 1 << 16, n;

    ck_assert_ptr_nonnull(file);
    do {
        text = realloc(text, size + room + 1);
        n = fread(text + size, 1, room, file);
        size += n;
    } while (n > 0);
    fclose(file);
    text[size] = '\0';
    free(trace.events);
    trace.events = json_read(text, size, &trace.n);
    ck_assert_msg(trace.events != NULL, "no JSON at byte %zu of %zu: %.80s",
                  trace.n, size, text + trace.n);
    free(text);
}

static int
is_task(const struct json_event *e, const char *end)
{
    return strcmp(e->ph, "X") == 0 && strcmp(e->cat, "task") == 0 &&
           (!end || strcmp(e->end, end) == 0);
}

static int
count_named(const char *name)
{
    int count = 0;

    for (size_t i = 0; i < trace.n; i++)
        count += strcmp(trace.events[i].ph, "X") == 0 &&
                 strcmp(trace.events[i].name, name) == 0;
    return count;
}

static int
count_tasks(const char *end)
{
    int count = 0;

    for (size_t i = 0; i < trace.n; i++)
        count += is_task(&trace.events[i], end);
    return count;
}

/* The tasks from 1 to `n` are each there once. */
static void
expect_each_once(int n)
{
    for (int task = 1; task <= n; task++) {
        int count = 0;

        for (size_t i = 0; i < trace.n; i++)
            count += is_task(&trace.events[i], NULL) &&
                     trace.events[i].task == task;
        ck_assert_msg(count == 1, "task %d: %d times", task, count);
    }
}

/* The events of a worker do not overlap, and it has a name. */
static void
expect_in_order(void)
{
    for (size_t i = 0; i < trace.n; i++) {
        const struct json_event *a = &trace.events[i];
        int named = 0;

        if (strcmp(a->ph, "X") != 0)
            continue;
        ck_assert_int_eq(a->pid, a->tid);
        for (size_t k = 0; k < trace.n; k++) {
            const struct json_event *b = &trace.events[k];

            if (b->pid != a->pid)
                continue;
            named += strcmp(b->name, "process_name") == 0;
            if (k > i && strcmp(b->ph, "X") == 0)
                ck_assert(a->ts + a->dur <= b->ts + 0.002);
        }
        ck_assert_int_eq(named, 1);
    }
}

static int
maybe_fail(mp_task *task)
{
    return *(int *)mp_task_arg(task, NULL) % 10 == 0 ? -EDOM : 0;
}

static void
run_tasks(mp_pool *pool, int from, int to)
{
    mp_result *result = NULL;

    for (int i = from; i < to; i++)
        must(mp_pool_apply_async(pool, maybe_fail, &i, sizeof(i), NULL,
                                 i == to - 1 ? &result : NULL));
    end_of(result);
    must(mp_result_free(result));
}

START_TEST(every_task_is_there_once)
{
    mp_pool *pool;

    unsetenv("MPROC_TRACE");
    use_method(_i);
    ck_assert_int_eq(access(path, F_OK), -1); /* nobody has asked for one */
    setenv("MPROC_TRACE", path, 1);
    pool = pool_of(2);
    run_tasks(pool, 0, 500);
    end_pool(pool);
    read_trace();
    ck_assert_int_eq(count_tasks(NULL), 500);
    ck_assert_int_eq(count_tasks("done"), 450);
    ck_assert_int_eq(count_tasks("failed"), 50);
    ck_assert_int_eq(count_named("maybe_fail"), 500);
    expect_each_once(500);
    expect_in_order();
}
END_TEST

START_TEST(workers_are_named)
{
    mp_pool *pool;
    int found = 0;

    must(mp_pool_create(&pool, 1,
                        MP_POOL_ATTR(.name = "a \"b\"\t\\ \xc3\xa9 "
                                             "\xff")));
    run_tasks(pool, 0, 1);
    end_pool(pool);
    read_trace();
    for (size_t i = 0; i < trace.n; i++)
        found +=
            strcmp(trace.events[i].called, "a \"b\"?\\ \xc3\xa9 ?:1") == 0;
    ck_assert_int_eq(found, 1);
}
END_TEST

START_TEST(a_killed_worker_takes_nothing_along)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 19; k++)
            must(mp_pool_apply_async(pool, echo, NULL, 0, NULL, NULL));
        must(mp_pool_apply_async(pool, kill_self, NULL, 0, NULL, &result));
        ck_assert_int_eq(end_of(result), -ESRCH);
        must(mp_result_free(result));
    }
    end_pool(pool);
    read_trace();
    expect_each_once(100);
    expect_in_order();
    ck_assert_int_eq(count_tasks("done"), 95);
    ck_assert_int_eq(count_tasks("lost"), 5);
    ck_assert_int_eq(count_named("kill_self"), 5);
    for (size_t i = 0; i < trace.n; i++)
        if (is_task(&trace.events[i], "lost"))
            mp_test_text(trace.events[i].worker, "SIGKILL");
}
END_TEST

START_TEST(each_attempt_is_there)
{
    mp_pool *pool = pool_of(1);
    mp_result *result;

    must(mp_pool_apply_async(pool, kill_self, NULL, 0,
                             MP_TASK_ATTR(.retries = 2), &result));
    ck_assert_int_eq(end_of(result), -ESRCH);
    must(mp_result_free(result));
    end_pool(pool);
    read_trace();
    ck_assert_int_eq(count_tasks("lost"), 3);
    for (int attempt = 1, i = 0; i < (int)trace.n; i++)
        if (is_task(&trace.events[i], "lost"))
            ck_assert_int_eq(trace.events[i].attempt, attempt++);
}
END_TEST

START_TEST(more_than_a_block_is_all_there)
{
    mp_pool *pool = pool_of(1);

    run_tasks(pool, 0, 3000); /* some 400 KiB */
    end_pool(pool);
    read_trace();
    expect_each_once(3000);
}
END_TEST

static int
nothing(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return 0;
}

START_TEST(ranges_of_maps_are_there)
{
    static char in[10000];
    mp_pool *pool = pool_of(2);
    long sum = 0;

    must(mp_pool_map(pool, nothing, in, 1, NULL, 0, sizeof(in), NULL));
    end_pool(pool);
    read_trace();
    for (size_t i = 0; i < trace.n; i++)
        if (strcmp(trace.events[i].cat, "map") == 0)
            sum += trace.events[i].to - trace.events[i].from;
    ck_assert_int_eq(sum, sizeof(in));
    expect_in_order();
}
END_TEST

static int
die_at_77(const void *item, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    return *(const int *)item == 77 ? raise(SIGKILL) : 0;
}

START_TEST(a_range_that_was_cut_off_is_there)
{
    mp_pool *pool = pool_of(1);
    int in[100], lost = 0;
    long sum = 0;

    for (int i = 0; i < 100; i++)
        in[i] = i;
    ck_assert_int_eq(mp_pool_map(pool, die_at_77, in, sizeof(int), NULL, 0,
                                 100, MP_MAP_ATTR(.chunk = 100)),
                     -ESRCH);
    end_pool(pool);
    read_trace();
    for (size_t i = 0; i < trace.n; i++) {
        const struct json_event *e = &trace.events[i];

        if (strcmp(e->cat, "map") != 0)
            continue;
        sum += e->to - e->from;
        if (strcmp(e->end, "lost") == 0) {
            ck_assert_int_eq(e->from, 0);
            ck_assert_int_eq(e->to, 77);
            lost++;
        }
    }
    ck_assert_int_eq(lost, 1);
    ck_assert_int_eq(sum, 99);
}
END_TEST

START_TEST(several_pools_write_one_trace)
{
    mp_pool *first = pool_of(1), *second = pool_of(1);

    run_tasks(first, 0, 10);
    run_tasks(second, 0, 10);
    end_pool(first);
    run_tasks(second, 0, 10);
    end_pool(second);
    read_trace();
    ck_assert_int_eq(count_tasks(NULL), 30);
    first = pool_of(1); /* when it has been ended */
    run_tasks(first, 0, 10);
    end_pool(first);
    read_trace();
    ck_assert_int_eq(count_tasks(NULL), 40);
}
END_TEST

/* In a task: a pool inside. */
static int
run_inside(mp_task *task)
{
    mp_pool *pool;
    int r = mp_pool_create(&pool, 1, NULL);

    (void)task;
    for (int i = 0; i < 10 && r == 0; i++)
        r = mp_pool_apply(pool, echo, NULL, 0, NULL);
    return r < 0 ? r : mp_pool_destroy(pool);
}

START_TEST(pools_inside_of_tasks_write_it_too)
{
    mp_pool *pool;
    mp_result *result;

    use_method(_i);
    pool = pool_of(2);
    must(mp_pool_apply(pool, run_inside, NULL, 0, &result));
    ck_assert_int_eq(end_of(result), 0);
    must(mp_result_free(result));
    end_pool(pool);
    read_trace();
    ck_assert_int_ge(count_tasks("done"), 11);
}
END_TEST

START_TEST(a_trace_of_another_run_is_replaced)
{
    FILE *file = fopen(path, "w");
    mp_pool *pool;

    for (int i = 0; i < 10000; i++)
        fprintf(file, "what was there before\n");
    fclose(file);
    pool = pool_of(1);
    run_tasks(pool, 0, 10);
    end_pool(pool);
    read_trace();
    expect_each_once(10);
}
END_TEST

/* As a process does that is killed while it writes. */
static void
write_half(int fd, const char *half)
{
    struct flock door = {.l_type = F_WRLCK, .l_len = 1};

    ck_assert_int_eq(fcntl(fd, F_SETLKW, &door), 0);
    ck_assert_int_gt(write(fd, half, strlen(half)), 0);
    door.l_type = F_UNLCK;
    ck_assert_int_eq(fcntl(fd, F_SETLK, &door), 0);
}

START_TEST(half_an_event_is_cut_off)
{
    static const char *const halves[] = {",", ",\n", ",\n{\"name\":\"ta",
                                         ",\n{\"name\":\"x\",\"args\":{}"};
    mp_pool *pool = pool_of(1);
    int fd = open(path, O_WRONLY | O_APPEND);

    for (int i = 0; i < 4; i++) {
        write_half(fd, halves[i]);
        run_tasks(pool, 0, 10);
    }
    end_pool(pool);
    close(fd);
    read_trace();
    expect_each_once(40);
}
END_TEST

START_TEST(what_cannot_be_written_is_no_error)
{
    mp_pool *pool;

    setenv("MPROC_TRACE", "/nowhere/at/all", 1);
    pool = pool_of(1);
    run_tasks(pool, 0, 10);
    end_pool(pool);
    setenv("MPROC_TRACE", "/dev/null", 1);
    pool = pool_of(1);
    run_tasks(pool, 0, 10);
    end_pool(pool);
}
END_TEST

static int
change_directory(void *unused)
{
    (void)unused;
    return chdir("/");
}

START_TEST(a_relative_name_is_one_file_for_all)
{
    char before[1024];
    mp_pool *pool;

    ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
    ck_assert_int_eq(chdir(directory), 0);
    setenv("MPROC_TRACE", "trace.json", 1);
    must(mp_pool_create(&pool, 2,
                        MP_POOL_ATTR(.initializer = change_directory)));
    run_tasks(pool, 0, 20);
    ck_assert_int_eq(chdir(before), 0);
    end_pool(pool);
    read_trace();
    expect_each_once(20);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tcase = pool_case(suite, "trace", 30);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, every_task_is_there_once, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, workers_are_named);
    tcase_add_test(tcase, a_killed_worker_takes_nothing_along);
    tcase_add_test(tcase, each_attempt_is_there);
    tcase_add_test(tcase, more_than_a_block_is_all_there);
    tcase_add_test(tcase, ranges_of_maps_are_there);
    tcase_add_test(tcase, a_range_that_was_cut_off_is_there);
    tcase_add_test(tcase, several_pools_write_one_trace);
    tcase_add_loop_test(tcase, pools_inside_of_tasks_write_it_too, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(tcase, a_trace_of_another_run_is_replaced);
    tcase_add_test(tcase, half_an_event_is_cut_off);
    tcase_add_test(tcase, what_cannot_be_written_is_no_error);
    tcase_add_test(tcase, a_relative_name_is_one_file_for_all);
    return pool_main(suite);
}
