/* SPDX-License-Identifier: MIT */
/* Workers that crash: the error of the task says in which functions. */
#include "pool/crew.h"

#include "keeper/crash_text.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Ways to crash ---- */

/* So that no call is the last thing its caller does, and leaves a frame. */
static volatile int calls;

__attribute__((noinline)) static int
write_to(volatile int *place)
{
    *place = 1;
    return ++calls;
}

static int
write_nowhere(mp_task *task)
{
    (void)task;
    write_to((int *)16);
    return ++calls;
}

static int
call_nothing(mp_task *task)
{
    int (*volatile nothing)(mp_task *) = NULL;

    nothing(task);
    return ++calls;
}

__attribute__((noinline)) static int
go_deeper(volatile int *above)
{
    volatile int here[100];

    here[0] = *above + 1;
    if (here[0] != 0) /* which the compiler does not know */
        go_deeper(here);
    return here[0] + ++calls;
}

static int
overflow_stack(mp_task *task)
{
    volatile int top = 0;

    (void)task;
    go_deeper(&top);
    return ++calls;
}

static int
give_up(mp_task *task)
{
    (void)task;
    abort();
}

static int
raise_signal(mp_task *task)
{
    raise(*(int *)mp_task_arg(task, NULL));
    return ++calls;
}

#if defined(__x86_64__)
static int
divide(mp_task *task)
{
    volatile int zero = 0;

    (void)task;
    return 1000 / zero;
}
#endif

static void *
crash_in_thread(void *arg)
{
    write_to(arg);
    return NULL;
}

static int
start_thread(mp_task *task)
{
    pthread_t thread;

    (void)task;
    pthread_create(&thread, NULL, crash_in_thread, (void *)16);
    pthread_join(thread, NULL);
    return 0;
}

/* The child of a task is no worker. */
static int
fork_and_be_killed(mp_task *task)
{
    pid_t pid = fork();

    if (pid == 0)
        write_nowhere(task);
    waitpid(pid, NULL, 0);
    raise(SIGKILL);
    return 0;
}

static void
exit_42(int sig)
{
    (void)sig;
    _exit(42);
}

static int
write_with_handler(mp_task *task)
{
    signal(SIGSEGV, exit_42);
    return write_nowhere(task);
}

/* ---- What is said of it ---- */

/* The error of a task that dies; valid until the next call. */
static const char *
error_of(mp_pool *pool, mp_task_fn f, const void *arg, size_t size)
{
    static char text[8192];
    mp_result *result;

    must(mp_pool_apply(pool, f, arg, size, &result));
    ck_assert_int_eq(end_of(result), -ESRCH);
    snprintf(text, sizeof(text), "%s", mp_result_error(result));
    must(mp_result_free(result));
    return text;
}

/* A line of the backtrace: "  at NAME (test-crash+0x..." */
static const char *
expect_frame(const char *text, const char *name)
{
    char start[100];
    const char *at;

    snprintf(start, sizeof(start), "\n  at %s (test-crash+0x", name);
    at = strstr(text, start);
    ck_assert_msg(at != NULL, "\"%s\" has no frame of %s", text, name);
    return at + 1;
}

static void
expect_no_frames(const char *text)
{
    ck_assert_msg(strstr(text, "\n  at ") == NULL, "\"%s\" has a backtrace",
                  text);
}

START_TEST(static_functions_have_names)
{
    const char *text;
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(2);
    text = error_of(pool, write_nowhere, NULL, 0);
    mp_test_text(text, "killed by signal 11 (SIGSEGV)\n");
    mp_test_text(text, ", accessing 0x10\n");
    expect_frame(expect_frame(text, "write_to") - 1, "write_nowhere");
    ck_assert_ptr_null(strstr(text, "mp__worker_main"));
    end_pool(pool);
}
END_TEST

START_TEST(call_of_no_function_names_the_caller)
{
    mp_pool *pool = pool_of(1);
    const char *text = error_of(pool, call_nothing, NULL, 0);

    mp_test_text(text, "\n  at 0x0, accessing 0x0\n");
    expect_frame(text, "call_nothing");
    end_pool(pool);
}
END_TEST

START_TEST(stack_overflow_is_told)
{
    const char *text;
    mp_pool *pool;

    use_method(_i);
    pool = pool_of(1);
    text = error_of(pool, overflow_stack, NULL, 0);
    mp_test_text(text, "killed by signal 11 (SIGSEGV)");
    mp_test_text(expect_frame(text, "go_deeper"), " times, out of stack");
    end_pool(pool);
}
END_TEST

START_TEST(abort_names_who_called_it)
{
    mp_pool *pool = pool_of(1);
    const char *text = error_of(pool, give_up, NULL, 0);

    mp_test_text(text, "killed by signal 6 (SIGABRT)\n");
    expect_frame(text, "give_up");
    end_pool(pool);
}
END_TEST

START_TEST(signals_of_crashes_are_told)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                  SIGABRT, SIGSYS, SIGTRAP};
    mp_pool *pool = pool_of(1);

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        const char *text =
            error_of(pool, raise_signal, &signals[i], sizeof(*signals));
        char how[64];

        snprintf(how, sizeof(how), "killed by signal %d (", signals[i]);
        mp_test_text(text, how);
        expect_frame(text, "raise_signal");
        ck_assert_ptr_null(strstr(text, "accessing"));
    }
    end_pool(pool);
}
END_TEST

#if defined(__x86_64__)
START_TEST(division_by_zero_is_told)
{
    mp_pool *pool = pool_of(1);
    const char *text = error_of(pool, divide, NULL, 0);

    mp_test_text(text, "killed by signal 8 (SIGFPE)\n");
    expect_frame(text, "divide");
    end_pool(pool);
}
END_TEST
#endif

START_TEST(crash_of_a_thread_is_told)
{
    mp_pool *pool = pool_of(1);
    const char *text = error_of(pool, start_thread, NULL, 0);

    expect_frame(expect_frame(text, "write_to") - 1, "crash_in_thread");
    end_pool(pool);
}
END_TEST

/* ---- Of nobody else ---- */

START_TEST(other_deaths_have_no_backtrace)
{
    mp_pool *pool = pool_of(1);

    expect_no_frames(error_of(pool, kill_self, NULL, 0));
    expect_frame(error_of(pool, write_nowhere, NULL, 0), "write_to");
    expect_no_frames(error_of(pool, kill_self, NULL, 0)); /* nor the last's */
    expect_frame(error_of(pool, give_up, NULL, 0), "give_up");
    end_pool(pool);
}
END_TEST

START_TEST(child_of_a_task_leaves_nothing)
{
    mp_pool *pool = pool_of(1);

    expect_no_frames(error_of(pool, fork_and_be_killed, NULL, 0));
    end_pool(pool);
}
END_TEST

START_TEST(handlers_of_the_program_are_left_alone)
{
    const char *text;
    mp_pool *pool;

    signal(SIGSEGV, exit_42); /* the workers inherit it */
    pool = pool_of(1);
    text = error_of(pool, write_nowhere, NULL, 0);
    mp_test_text(text, "exit code 42");
    expect_no_frames(text);
    expect_frame(error_of(pool, give_up, NULL, 0), "give_up");
    end_pool(pool);
}
END_TEST

START_TEST(handlers_of_the_task_are_left_alone)
{
    mp_pool *pool = pool_of(1);
    const char *text = error_of(pool, write_with_handler, NULL, 0);

    mp_test_text(text, "exit code 42");
    expect_no_frames(text);
    end_pool(pool);
}
END_TEST

START_TEST(crashes_leave_nothing)
{
    mp_pool *pool = pool_of(1);
    uint64_t blocks;
    int fds;

    error_of(pool, write_nowhere, NULL, 0);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    blocks = heap_use();
    fds = mp_test_fds();
    for (int i = 0; i < 10; i++)
        error_of(pool, i % 2 ? overflow_stack : write_nowhere, NULL, 0);
    must(mp_pool_apply(pool, echo, NULL, 0, NULL));
    ck_assert_uint_eq(heap_use(), blocks);
    ck_assert_int_eq(mp_test_fds(), fds);
    end_pool(pool);
}
END_TEST

/* ---- What is in the post was written by a process that was broken ---- */

static void
fill_with_noise(void *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)at)[i] = (unsigned char)rand();
}

START_TEST(noise_in_the_post_does_no_harm)
{
    struct mp__post *post = aligned_alloc(MP__LINE, sizeof(*post));
    char text[3000];

    memset(post, 0, sizeof(*post));
    mp__store(&post->stage, mp__stage_word(5, MP__STAGE_UP));
    mp__crash_describe(post, text, sizeof(text));
    ck_assert_str_eq(text, "");
    srand(1);
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)rand() % sizeof(text);

        fill_with_noise(&post->crash, sizeof(post->crash));
        if (i % 3)
            mp__store(&post->crash.trace.frames, (uint32_t)rand() % 40);
        if (i % 2)
            strcpy(post->crash.trace.file[0].path, "/proc/self/exe");
        mp__store(&post->crash.epoch, 5);
        memset(text, '#', sizeof(text));
        mp__crash_describe(post, text, size);
        for (size_t j = size; j < sizeof(text); j++)
            ck_assert_int_eq(text[j], '#');
        if (size > 0)
            ck_assert_uint_lt(strnlen(text, size), size);
    }
    free(post);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("crash");
    TCase *told = pool_case(suite, "told", 60);
    TCase *alone = pool_case(suite, "alone", 60);

    tcase_add_loop_test(told, static_functions_have_names, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_loop_test(told, stack_overflow_is_told, MP_FORK,
                        MP_FORKSERVER + 1);
    tcase_add_test(told, call_of_no_function_names_the_caller);
    tcase_add_test(told, abort_names_who_called_it);
    tcase_add_test(told, signals_of_crashes_are_told);
#if defined(__x86_64__)
    tcase_add_test(told, division_by_zero_is_told);
#endif
    tcase_add_test(told, crash_of_a_thread_is_told);
    tcase_add_test(alone, other_deaths_have_no_backtrace);
    tcase_add_test(alone, child_of_a_task_leaves_nothing);
    tcase_add_test(alone, handlers_of_the_program_are_left_alone);
    tcase_add_test(alone, handlers_of_the_task_are_left_alone);
    tcase_add_test(alone, crashes_leave_nothing);
    tcase_add_test(alone, noise_in_the_post_does_no_harm);
    return suite;
}

int
main(void)
{
    if (SANITIZED) {
        puts("1..0 # SKIP the sanitizer owns the signals");
        return 0;
    }
    return pool_main(make_suite());
}
