/* SPDX-License-Identifier: MIT */
/* Starting, by each method: what the child gets, and what goes wrong. */
#include "process/family.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define WITH(...) MP_PROCESS_ATTR(.method = methods[_i], __VA_ARGS__)

/* ---- Exit codes. */

static int
return_arg(void *arg)
{
    return *(int *)arg;
}

static int
kill_myself(void *arg)
{
    raise(*(int *)arg);
    sleep_for_ever(NULL);
    return 0;
}

static int
leave_by_exit(void *arg)
{
    exit(*(int *)arg);
}

static int
leave_by_pthread_exit(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

START_TEST(start_exit_code_is_that_of_python)
{
    const struct {
        mp_target target;
        int arg, code;
    } cases[] = {
        {return_arg, 0, 0},         {return_arg, 3, 3},
        {return_arg, 255, 255},     {return_arg, 256 + 5, 5},
        {return_arg, -1, 255},      {leave_by_exit, 7, 7},
        {kill_myself, SIGKILL, -9}, {kill_myself, SIGTERM, -15},
        {kill_myself, SIGINT, -2},  {leave_by_pthread_exit, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert_int_eq(run(cases[i].target, &cases[i].arg, sizeof(int),
                             WITH(.name = "code")),
                         cases[i].code);
}
END_TEST

/* ---- Arguments. */

struct sum {
    size_t size;
    uint64_t *result; /* in the family's memory */
    unsigned char bytes[];
};

static int
sum_up(void *arg)
{
    struct sum *s = arg;
    uint64_t sum = 0;

    if ((uintptr_t)arg % 16)
        return 1;
    for (size_t i = 0; i < s->size; i++)
        sum += s->bytes[i] * (i + 1);
    memset(s->bytes, 0xff, s->size); /* our own: the caller's is not changed */
    *s->result = sum;
    return 0;
}

static int
expect_null(void *arg)
{
    return arg != NULL;
}

static void
check_argument(int method, size_t size)
{
    struct sum *s = malloc(sizeof(*s) + size + 1);
    uint64_t sum = 0;

    s->size = size;
    s->result = mp_new(uint64_t);
    for (size_t i = 0; i < size; i++) {
        s->bytes[i] = (unsigned char)(i * 7 + 1);
        sum += s->bytes[i] * (i + 1);
    }
    ck_assert_int_eq(
        run(sum_up, s, sizeof(*s) + size, MP_PROCESS_ATTR(.method = method)),
        0);
    ck_assert_uint_eq(*s->result, sum);
    for (size_t i = 0; i < size; i++)
        if (s->bytes[i] != (unsigned char)(i * 7 + 1))
            ck_abort_msg("the caller's byte %zu was changed", i);
    mp_free(s->result);
    free(s);
}

START_TEST(G18_start_copies_arguments_of_any_size)
{
    const size_t sizes[] = {0, 1, 64, 1000, 1008, 1009, 65536, 1 << 20};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        check_argument(methods[_i], sizes[i]);
    ck_assert_int_eq(run(expect_null, NULL, 0, WITH(.name = "null")), 0);
    ck_assert_int_eq(run(expect_null, "x", 0, WITH(.name = "null")), 0);
}
END_TEST

START_TEST(G18_start_copies_an_argument_of_100_MiB)
{
    check_argument(methods[_i], (size_t)100 << 20);
}
END_TEST

/* ---- Who is who. */

struct who {
    mp_process *self, *parent;
    pid_t pid;
    int method;
    char name[64];
};

static int
tell_who(void *arg)
{
    struct who *who = *(struct who **)arg;

    who->self = mp_current_process();
    who->parent = mp_parent_process();
    who->pid = getpid();
    who->method = mp_get_start_method();
    snprintf(who->name, sizeof(who->name), "%s", mp_process_name(who->self));
    return mp_process_pid(who->self) != getpid() ||
           mp_process_is_alive(who->self) != 1 ||
           mp_process_join(who->self, MP_NOW) != -EDEADLK ||
           mp_process_close(who->self) != -EBUSY ||
           mp_process_is_alive(who->parent) != 1;
}

START_TEST(G21_start_gives_the_child_the_same_handles)
{
    struct who *who = mp_new(struct who);
    mp_process *p;

    must(mp_set_start_method(methods[_i]));
    must(mp_process_start(&p, tell_who, &who, sizeof(who),
                          MP_PROCESS_ATTR(.name = "somebody")));
    must(mp_process_join(p, MP_FOREVER));
    ck_assert_ptr_eq(who->self, p);
    ck_assert_ptr_eq(who->parent, mp_current_process());
    ck_assert_int_eq(who->pid, mp_process_pid(p));
    ck_assert_int_eq(who->method, methods[_i]);
    ck_assert_str_eq(who->name, "somebody");
    ck_assert_str_eq(mp_process_name(p), "somebody");
    ck_assert_int_eq(mp_process_is_daemon(p), 0);
    ck_assert_int_eq(end_of(p), 0);
    ck_assert_ptr_null(mp_parent_process());
    mp_free(who);
}
END_TEST

START_TEST(start_makes_up_names)
{
    char longest[64], longer[65];
    mp_process *p;
    int zero = 0;

    memset(longest, 'x', sizeof(longest));
    longest[63] = '\0';
    memset(longer, 'x', sizeof(longer));
    longer[64] = '\0';
    must(mp_process_start(&p, return_arg, &zero, sizeof(zero), NULL));
    ck_assert(strncmp(mp_process_name(p), "Process-", 8) == 0);
    ck_assert_int_eq(end_of(p), 0);
    must(mp_process_start(&p, return_arg, &zero, sizeof(zero),
                          WITH(.name = longest)));
    ck_assert_str_eq(mp_process_name(p), longest);
    ck_assert_int_eq(end_of(p), 0);
    must_fail(mp_process_start(&p, return_arg, &zero, sizeof(zero),
                               WITH(.name = longer)),
              -EINVAL, "name");
}
END_TEST

static int
start_one(void *arg)
{
    int code = *(int *)arg - 1;
    mp_process *p;

    if (code == 0)
        return 42;
    if (mp_process_start(&p, start_one, &code, sizeof(code), NULL) < 0)
        return 1;
    if (mp_process_join(p, MP_FOREVER) < 0 ||
        mp_process_exitcode(p, &code) < 0 || mp_process_close(p) < 0)
        return 2;
    return code;
}

START_TEST(G14_children_start_children)
{
    int depth = 4;

    must(mp_set_start_method(methods[_i]));
    ck_assert_int_eq(run(start_one, &depth, sizeof(depth), NULL), 42);
    ck_assert_int_eq(
        run(start_one, &depth, sizeof(depth), MP_PROCESS_ATTR(.daemon = 1)),
        42);
}
END_TEST

/* ---- Attributes. */

static int
check_environment(void *unused)
{
    const char *set = getenv("MP_TEST_SET");
    const char *kept = getenv("MP_TEST_KEPT");

    (void)unused;
    return !set || strcmp(set, "a=b") != 0 || getenv("MP_TEST_UNSET") ||
           !kept || strcmp(kept, "kept") != 0 || getenv("MPROC_CHILD");
}

START_TEST(start_env_sets_and_unsets)
{
    const char *env[] = {"MP_TEST_SET=a=b", "MP_TEST_UNSET", NULL};
    const char *nameless[] = {"=x", NULL};
    mp_process *p;

    setenv("MP_TEST_SET", "old", 1);
    setenv("MP_TEST_UNSET", "old", 1);
    setenv("MP_TEST_KEPT", "kept", 1);
    ck_assert_int_eq(run(check_environment, NULL, 0, WITH(.env = env)), 0);
    ck_assert_str_eq(getenv("MP_TEST_SET"), "old");
    must_fail(mp_process_start(&p, check_environment, NULL, 0,
                               WITH(.env = nameless)),
              -EINVAL, "env");
}
END_TEST

static int
check_directory(void *arg)
{
    char path[PATH_MAX];

    return !getcwd(path, sizeof(path)) || strcmp(path, arg) != 0;
}

START_TEST(start_cwd_is_where_it_runs)
{
    char here[PATH_MAX];
    mp_process *p;

    ck_assert_int_eq(run(check_directory, "/proc", 6, WITH(.cwd = "/proc")),
                     0);
    ck_assert_int_eq(chdir("/dev"), 0);
    ck_assert_int_eq(run(check_directory, "/dev", 5, WITH(.name = "here")), 0);
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    ck_assert_str_eq(here, "/dev");
    must_fail(mp_process_start(&p, check_directory, "/", 2,
                               WITH(.cwd = "/no/such/place")),
              -ENOENT, "/no/such/place");
}
END_TEST

static int
check_priority(void *arg)
{
    return getpriority(PRIO_PROCESS, 0) != *(int *)arg;
}

START_TEST(start_nice_is_added)
{
    int expected = getpriority(PRIO_PROCESS, 0) + 3;

    ck_assert_int_eq(
        run(check_priority, &expected, sizeof(expected), WITH(.nice = 3)), 0);
    errno = 0;
    ck_assert_int_ne(nice(2), -1);
    expected = getpriority(PRIO_PROCESS, 0);
    ck_assert_int_eq(run(check_priority, &expected, sizeof(expected),
                         WITH(.name = "as caller")),
                     0);
}
END_TEST

static int
check_affinity(void *arg)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) < 0 ||
           CPU_COUNT(&set) != 1 || !CPU_ISSET(*(int *)arg, &set) ||
           mp_cpu_count() != 1;
}

START_TEST(start_cpus_binds)
{
    const char *wrong[] = {"", "x", "1,", "3-1", "-1", "0-", "0 ", "99999"};
    cpu_set_t all;
    char list[16];
    mp_process *p;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all))
            cpu = i; /* the last */
    snprintf(list, sizeof(list), "%d", cpu);
    ck_assert_int_eq(
        run(check_affinity, &cpu, sizeof(cpu), WITH(.cpus = list)), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        must_fail(mp_process_start(&p, check_affinity, &cpu, sizeof(cpu),
                                   WITH(.cpus = wrong[i])),
                  -EINVAL, "cpus");
}
END_TEST

static int
check_limits(void *unused)
{
    struct rlimit core, cpu, files;

    (void)unused;
    return getrlimit(RLIMIT_CORE, &core) || core.rlim_cur != 4096 ||
           getrlimit(RLIMIT_CPU, &cpu) || cpu.rlim_cur != 100 ||
           getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur != 64;
}

/* What is preloaded takes the region's address, or the room for it. */
START_TEST(start_without_a_place_for_the_region_fails)
{
    const char *const what[] = {"OCCUPANT=address", "OCCUPANT=room"};
    char preload[512];
    mp_process *p;

    if (mp_test_scale() != 1)
        return; /* what is preloaded must be theirs */
    ck_assert_ptr_nonnull(getenv("MP_TEST_OCCUPANT"));
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
             getenv("MP_TEST_OCCUPANT"));
    for (int i = 0; i < 2; i++) {
        const char *env[] = {preload, what[i], NULL};

        must_fail(
            mp_process_start(&p, check_limits, NULL, 0,
                             MP_PROCESS_ATTR(.method = MP_SPAWN, .env = env)),
            -EADDRNOTAVAIL, "family's memory");
    }
}
END_TEST

/* A child that dies while it is set up. */
static int
never_called(void *unused)
{
    (void)unused;
    return 0;
}

START_TEST(start_of_a_child_that_dies_early_fails)
{
    const char *env[] = {"MP_TEST_DIE=1", NULL};
    mp_process *p;

    must_fail(
        mp_process_start(&p, never_called, NULL, 0,
                         MP_PROCESS_ATTR(.method = MP_SPAWN, .env = env)),
        -ESRCH, "SIGKILL");
    ck_assert_int_eq(mp_active_children(NULL, 0), 0);
}
END_TEST

__attribute__((constructor)) static void
die_early(void)
{
    if (getenv("MP_TEST_DIE"))
        raise(SIGKILL);
}

static int
use_memory(void *unused)
{
    size_t size = (size_t)512 << 20;
    void *p;

    (void)unused;
    p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        return 1;
    p = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 2 : 0;
}

START_TEST(start_limits_hold)
{
    struct rlimit core;
    mp_process *p;

    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
    if (core.rlim_max >= 4096)
        ck_assert_int_eq(run(check_limits, NULL, 0,
                             WITH(.rlimit_core = 4096, .rlimit_cpu = 100,
                                  .rlimit_nofile = 64)),
                         0);
    if (mp_test_scale() == 1) /* not where the build itself reserves much */
        ck_assert_int_eq(
            run(use_memory, NULL, 0, WITH(.rlimit_as = (uint64_t)256 << 20)),
            0);
    must_fail(mp_process_start(&p, check_limits, NULL, 0,
                               WITH(.rlimit_nofile = UINT64_MAX - 1)),
              -EINVAL, "rlimit_nofile");
}
END_TEST

/* What descriptor 0 gives. */
static int
read_input(void *unused)
{
    char byte = 0;
    ssize_t n = read(0, &byte, 1);

    (void)unused;
    return n == 0 ? 100 : n == 1 ? byte : 101;
}

START_TEST(start_stdin_is_empty_unless_asked_for)
{
    int ends[2];
    int old = dup(0);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "A", 1), 1);
    ck_assert_int_eq(dup2(ends[0], 0), 0);
    ck_assert_int_eq(run(read_input, NULL, 0, WITH(.name = "empty")), 100);
    ck_assert_int_eq(run(read_input, NULL, 0, WITH(.flags = MP_PROCESS_STDIN)),
                     'A');
    dup2(old, 0);
    close(old);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

struct passed {
    int fd[3];
    int other; /* not passed, and not close-on-exec */
};

static int
use_passed(void *arg)
{
    const struct passed *passed = arg;

    for (int i = 0; i < 3; i++) {
        char byte = (char)('0' + i);

        if (write(passed->fd[i], &byte, 1) != 1)
            return 1;
    }
    return fcntl(passed->other, F_GETFD) >= 0 ? 2 : 0;
}

START_TEST(G37_start_passes_only_listed_descriptors)
{
    struct passed passed;
    char bytes[4] = {0};
    int ends[2];
    mp_process *p;
    int code;

    ck_assert_int_eq(pipe(ends), 0);
    passed.other = dup(ends[1]);
    for (int i = 0; i < 3; i++) /* low and high numbers */
        passed.fd[i] = fcntl(ends[1], F_DUPFD_CLOEXEC, 3 + i * 20);
    code = run(use_passed, &passed, sizeof(passed),
               WITH(.pass_fds = passed.fd, .pass_fds_count = 3));
    ck_assert_int_eq(code, methods[_i] == MP_FORK ? 2 : 0);
    ck_assert_int_eq(read(ends[0], bytes, 3), 3);
    ck_assert_str_eq(bytes, "012");
    close(passed.fd[1]);
    must_fail(
        mp_process_start(&p, use_passed, &passed, sizeof(passed),
                         WITH(.pass_fds = passed.fd, .pass_fds_count = 3)),
        -EINVAL, "not open");
    must_fail(mp_process_start(&p, use_passed, &passed, sizeof(passed),
                               WITH(.pass_fds_count = 1)),
              -EINVAL, "pass_fds");
    close(passed.fd[0]);
    close(passed.fd[2]);
    close(passed.other);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* All descriptors but the standard streams' are close-on-exec. */
static int
count_inheritable(void *unused)
{
    int n = 0;

    (void)unused;
    for (int fd = 3; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);

        n += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return n;
}

START_TEST(G37_descriptors_are_close_on_exec)
{
    int before = count_inheritable(NULL);
    mp_process *p;

    must(mp_process_start(&p, sleep_for_ever, NULL, 0, WITH(.daemon = 1)));
    ck_assert_int_ge(mp_process_fd(p), 3);
    ck_assert_int_eq(count_inheritable(NULL), before);
    must(mp_process_kill(p));
    ck_assert_int_eq(end_of(p), -SIGKILL);
    ck_assert_int_eq(run(count_inheritable, NULL, 0, WITH(.name = "count")),
                     methods[_i] == MP_FORK ? before : 0);
}
END_TEST

static int
check_signals(void *unused)
{
    const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,
                           SIGPIPE, SIGALRM, SIGTERM, SIGCHLD};
    struct sigaction action;
    sigset_t mask;

    (void)unused;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    if (sigismember(&mask, SIGUSR1))
        return 1;
    /* Not those that sanitizers handle. */
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        if (sigaction(signals[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_DFL)
            return signals[i] + 1;
    return 0;
}

START_TEST(start_signals_are_default_unless_forked)
{
    sigset_t set, old;

    if (methods[_i] == MP_FORK)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    ck_assert_int_eq(run(check_signals, NULL, 0, WITH(.name = "default")), 0);
}
END_TEST

/* ---- What the caller may get wrong. */

START_TEST(start_wrong_arguments_are_explained)
{
    struct {
        mp_process_attr attr;
        uint64_t more;
    } newer = {.attr = {.size = sizeof(newer)}, .more = 1};
    mp_process *p = (mp_process *)&newer;
    int zero = 0;

    must_fail(mp_process_start(NULL, return_arg, &zero, 4, NULL), -EINVAL,
              "ret_process");
    must_fail(mp_process_start(&p, NULL, &zero, 4, NULL), -EINVAL, "target");
    must_fail(mp_process_start(&p, return_arg, NULL, 4, NULL), -EINVAL, "arg");
    must_fail(mp_process_start(&p, return_arg, &zero, SIZE_MAX, NULL), -ENOMEM,
              "bytes");
    must_fail(mp_process_start(&p, return_arg, &zero, 4,
                               MP_PROCESS_ATTR(.method = 4)),
              -EINVAL, "method");
    must_fail(mp_process_start(&p, return_arg, &zero, 4,
                               MP_PROCESS_ATTR(.method = -1)),
              -EINVAL, "method");
    must_fail(mp_process_start(&p, return_arg, &zero, 4,
                               MP_PROCESS_ATTR(.flags = 2)),
              -EINVAL, "flags");
    must_fail(mp_process_start(&p, return_arg, &zero, 4,
                               MP_PROCESS_ATTR(.daemon = 2)),
              -EINVAL, "daemon");
    must_fail(mp_process_start(&p, return_arg, &zero, 4,
                               MP_PROCESS_ATTR(.on_parent_death = 4)),
              -EINVAL, "on_parent_death");
    ck_assert_int_eq(mp_process_start(&p, return_arg, &zero, 4, &newer.attr),
                     -E2BIG);
    ck_assert_ptr_eq(p, (mp_process *)&newer); /* only written on success */
}
END_TEST

START_TEST(start_target_must_be_a_function)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static int data;
    mp_process *p;

    must_fail(mp_process_start(&p, (mp_target)(uintptr_t)page, NULL, 0,
                               MP_PROCESS_ATTR(.method = MP_SPAWN)),
              -EINVAL, "no function");
    must_fail(mp_process_start(&p, (mp_target)(uintptr_t)&data, NULL, 0,
                               MP_PROCESS_ATTR(.method = MP_FORKSERVER)),
              -EINVAL, "no function");
}
END_TEST

START_TEST(start_method_is_one_of_three)
{
    ck_assert_int_eq(mp_get_start_method(), MP_FORK);
    must_fail(mp_set_start_method(0), -EINVAL, "0");
    must_fail(mp_set_start_method(4), -EINVAL, "4");
    for (int i = 0; i < METHODS; i++) {
        ck_assert_int_eq(mp_set_start_method(methods[i]), 0);
        ck_assert_int_eq(mp_get_start_method(), methods[i]);
    }
}
END_TEST

START_TEST(start_output_is_not_written_twice)
{
    char path[] = P_tmpdir "/mproc-test-XXXXXX";
    int fd = mkstemp(path);
    int old = dup(1);
    int zero = 0;
    char text[64] = {0};

    unlink(path);
    dup2(fd, 1);
    setvbuf(stdout, NULL, _IOFBF, 4096);
    printf("once");
    ck_assert_int_eq(run(return_arg, &zero, sizeof(zero), NULL), 0);
    fflush(stdout);
    ck_assert_int_eq(pread(fd, text, sizeof(text) - 1, 0), 4);
    ck_assert_str_eq(text, "once");
    dup2(old, 1);
    close(old);
    close(fd);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("start");
    TCase *tcase = family_case(suite, "methods", 10);
    TCase *once = family_case(suite, "calls", 10);

    tcase_add_loop_test(tcase, start_exit_code_is_that_of_python, 0, METHODS);
    tcase_add_loop_test(tcase, G18_start_copies_arguments_of_any_size, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G18_start_copies_an_argument_of_100_MiB, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G21_start_gives_the_child_the_same_handles, 0,
                        METHODS);
    tcase_add_loop_test(tcase, start_makes_up_names, 0, METHODS);
    tcase_add_loop_test(tcase, G14_children_start_children, 0, METHODS);
    tcase_add_loop_test(tcase, start_env_sets_and_unsets, 0, METHODS);
    tcase_add_loop_test(tcase, start_cwd_is_where_it_runs, 0, METHODS);
    tcase_add_loop_test(tcase, start_nice_is_added, 0, METHODS);
    tcase_add_loop_test(tcase, start_cpus_binds, 0, METHODS);
    tcase_add_loop_test(tcase, start_limits_hold, 0, METHODS);
    tcase_add_loop_test(tcase, start_stdin_is_empty_unless_asked_for, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G37_start_passes_only_listed_descriptors, 0,
                        METHODS);
    tcase_add_loop_test(tcase, G37_descriptors_are_close_on_exec, 0, METHODS);
    tcase_add_loop_test(tcase, start_signals_are_default_unless_forked, 0,
                        METHODS);
    tcase_add_test(once, start_wrong_arguments_are_explained);
    tcase_add_test(once, start_target_must_be_a_function);
    tcase_add_test(once, start_method_is_one_of_three);
    tcase_add_test(once, start_without_a_place_for_the_region_fails);
    tcase_add_test(once, start_of_a_child_that_dies_early_fails);
    tcase_add_test(once, start_output_is_not_written_twice);
    return mp_test_main(suite);
}
