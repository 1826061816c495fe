/* SPDX-License-Identifier: MIT */
/* The bar, on a pseudo terminal and elsewhere, and the lines of workers beside
 * it. What happens is played by a child; what it has shown is looked at
 * afterwards. */
#include "pool/crew.h"

#include "os/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIPE "\033[K"

/* ---- What was shown ---- */

static char shown[1 << 18]; /* all bytes */
static char *lines[4096];   /* what is to be seen in the end, top to bottom */
static int line_count;
static int drawings; /* of a bar on a terminal */

static void
read_all(int fd)
{
    size_t size = 0;
    ssize_t n;

    do {
        n = read(fd, shown + size, sizeof(shown) - 1 - size);
        size += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    shown[size] = '\0'; /* a terminal whose users are gone gives EIO */
}

static void
end_line(char *line)
{
    size_t n = strlen(line);

    while (n && line[n - 1] == ' ')
        line[--n] = '\0';
    ck_assert_int_lt(line_count, 4096);
    lines[line_count++] = strdup(line);
}

/* Does as a terminal does. */
static void
interpret(void)
{
    char line[512] = "";
    size_t at = 0;

    line_count = drawings = 0;
    for (const char *c = shown; *c; c++) {
        ck_assert_uint_lt(at, sizeof(line) - 1);
        if (*c == '\r') {
            at = 0;
        } else if (*c == '\n') {
            end_line(line);
            memset(line, 0, sizeof(line));
            at = 0;
        } else if (strncmp(c, WIPE, 3) == 0) {
            memset(line + at, 0, sizeof(line) - at);
            c += 2;
            drawings += at > 0;
        } else {
            ck_assert_int_ne(*c, '\033');
            line[at++] = *c;
        }
    }
    ck_assert_str_eq(line, ""); /* it has ended with a line */
}

static int
count_lines(const char *part)
{
    int count = 0;

    for (int i = 0; i < line_count; i++)
        count += strstr(lines[i], part) != NULL;
    return count;
}

/* Columns of the longest text between two movements. */
static int
widest(void)
{
    int most = 0, n = 0;

    for (const char *c = shown; *c; c++) {
        if (strncmp(c, WIPE, 3) == 0)
            c += 2;
        else if (*c == '\r' || *c == '\n')
            n = 0;
        else
            n += (*c & 0xc0) != 0x80;
        most = n > most ? n : most;
    }
    return most;
}

/* ---- The stage ---- */

typedef void scene(void);

static void
play(scene *f, int err)
{
    dup2(err, STDERR_FILENO);
    alarm(60);
    f();
    fflush(NULL);
    _exit(0);
}

static void
await_end(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "the scene failed: %s", shown);
}

static void
on_terminal(scene *f, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
    pid_t pid;

    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(slave, 0);
    ioctl(slave, TIOCSWINSZ, &size);
    setenv("TERM", "xterm", 1);
    pid = fork();
    if (pid == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        play(f, slave);
    }
    close(slave);
    read_all(master);
    close(master);
    await_end(pid);
    interpret();
}

static void
on_pipe(scene *f)
{
    int ends[2];
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0)
        play(f, ends[1]);
    close(ends[1]);
    read_all(ends[0]);
    close(ends[0]);
    await_end(pid);
    interpret();
}

/* ---- Scenes; no assertions in there ---- */

static void
check(long r)
{
    if (r < 0) {
        fprintf(stderr, "%s\n", mp_last_error());
        _exit(1);
    }
}

static mp_pool *
scene_pool(uint32_t flags)
{
    mp_pool *pool;

    check(mp_pool_create(&pool, 2,
                         MP_POOL_ATTR(.flags = flags, .name = "the tasks")));
    return pool;
}

static int
slow_item(const void *item, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    usleep(20000);
    return *(const int *)item % 10 == 0 ? -EDOM : 0;
}

static int
fast_item(const void *item, void *result, void *ctx)
{
    (void)item;
    (void)result;
    (void)ctx;
    return 0;
}

static int items[200];

static void
map(mp_pool *pool, mp_map_fn f, size_t n, const char *label)
{
    for (int i = 0; i < 200; i++)
        items[i] = i;
    mp_pool_map(pool, f, items, sizeof(int), NULL, 0, n,
                MP_MAP_ATTR(.progress = label, .chunk = 1));
}

static void
map_slowly(void)
{
    mp_pool *pool = scene_pool(0);

    map(pool, slow_item, 200, "two hundred items");
    check(mp_pool_destroy(pool));
}

static void
map_fast(void)
{
    mp_pool *pool = scene_pool(0);

    for (int i = 0; i < 3; i++)
        map(pool, fast_item, 200, "hardly worth it");
    check(mp_pool_destroy(pool));
}

static void *
map_in_thread(void *pool)
{
    map(pool, slow_item, 100, "B");
    return NULL;
}

static void
map_twice_at_once(void)
{
    mp_pool *first = scene_pool(0), *second = scene_pool(0);
    pthread_t thread;

    pthread_create(&thread, NULL, map_in_thread, second);
    map(first, slow_item, 100, "A");
    pthread_join(thread, NULL);
    check(mp_pool_destroy(first));
    check(mp_pool_destroy(second));
}

static int
slow_task(mp_task *task)
{
    usleep(20000);
    return *(int *)mp_task_arg(task, NULL) % 10 == 0 ? -EDOM : 0;
}

/* One result after the other, and then what is left. */
static void
wait_for_tasks(void)
{
    mp_pool *pool = scene_pool(MP_POOL_PROGRESS);
    mp_result *results[100];

    for (int i = 0; i < 100; i++)
        check(mp_pool_apply_async(pool, slow_task, &i, sizeof(i), NULL,
                                  &results[i]));
    for (int i = 0; i < 100; i++) {
        check(mp_result_wait(results[i], MP_FOREVER));
        check(mp_result_free(results[i]));
    }
    for (int i = 0; i < 80; i++)
        check(mp_pool_apply_async(pool, slow_task, &i, sizeof(i), NULL, NULL));
    check(mp_pool_close(pool));
    check(mp_pool_join(pool, MP_FOREVER));
    check(mp_pool_destroy(pool));
}

/* In pieces, with a bar meanwhile. */
static int
talk(mp_task *task)
{
    int number = *(int *)mp_task_arg(task, NULL);

    usleep(10000);
    fprintf(stderr, "task %d", number);
    for (int i = 0; i < 5; i++) {
        usleep(1000);
        fprintf(stderr, " %d", i);
    }
    fprintf(stderr, " ends\n");
    return 0;
}

static void
talk_meanwhile(void)
{
    mp_pool *pool = scene_pool(MP_POOL_PROGRESS);

    for (int i = 0; i < 100; i++)
        check(mp_pool_apply_async(pool, talk, &i, sizeof(i), NULL, NULL));
    check(mp_pool_close(pool));
    check(mp_pool_join(pool, MP_FOREVER));
    check(mp_pool_destroy(pool));
}

static int
say_all(mp_task *task)
{
    (void)task;
    fprintf(stderr, "%s", "without a newline");
    return fileno(stderr) == STDERR_FILENO ? 0 : -EBADF;
}

static void
end_in_the_middle(void)
{
    mp_pool *pool = scene_pool(0);
    mp_result *result;

    check(mp_pool_apply(pool, say_all, NULL, 0, &result));
    check(mp_result_get(result, NULL, 0, MP_FOREVER));
    check(mp_result_free(result));
    check(mp_pool_close(pool));
    check(mp_pool_join(pool, MP_FOREVER));
    check(mp_pool_destroy(pool));
    fprintf(stderr, "\n");
}

/* ---- The bar ---- */

static const char *
last_line(void)
{
    return line_count ? lines[line_count - 1] : "";
}

START_TEST(a_bar_is_drawn_on_a_terminal)
{
    on_terminal(map_slowly, 80);
    ck_assert_int_eq(line_count, 1); /* it was always the same line */
    ck_assert_int_ge(drawings, 3);
    mp_test_text(last_line(), "two hundred items  100% [####");
    mp_test_text(last_line(), "200/200");
    mp_test_text(last_line(), "20 failed");
    mp_test_text(shown, " left");
    ck_assert_ptr_nonnull(strchr(shown, '.'));
    ck_assert_int_lt(widest(), 80);
}
END_TEST

START_TEST(it_is_no_wider_than_the_terminal)
{
    static const unsigned short columns[] = {1, 2, 10, 20, 40, 60, 300};

    on_terminal(map_slowly, columns[_i]);
    ck_assert_int_lt(widest(), columns[_i]);
    ck_assert_int_ge(drawings + (columns[_i] < 3), 1);
}
END_TEST

START_TEST(all_is_done_only_in_the_end)
{
    char *last;

    on_terminal(map_slowly, 80);
    last = strrchr(shown, '\r'); /* before the newline, by the terminal */
    while (last > shown && last[-1] != '\r')
        last--;
    ck_assert_ptr_nonnull(strstr(last, "100%"));
    *last = '\0';
    ck_assert_ptr_null(strstr(shown, "100%"));
}
END_TEST

/* 200 items of 20 ms by two workers take 2 s at the least; on a busy machine
 * they take longer, and there may be more drawings. */
START_TEST(it_is_drawn_ten_times_a_second_at_most)
{
    mp_time begun = mp__now();
    double seconds;

    on_terminal(map_slowly, 80);
    seconds = (double)(mp__now() - begun) / 1e9;
    ck_assert_int_le(drawings, (int)(seconds * 10) + 2);
}
END_TEST

START_TEST(short_work_shows_nothing)
{
    on_terminal(map_fast, 80);
    ck_assert_str_eq(shown, "");
}
END_TEST

START_TEST(elsewhere_there_are_plain_lines)
{
    on_pipe(map_slowly);
    ck_assert_ptr_null(strchr(shown, '\r'));
    ck_assert_ptr_null(strchr(shown, '\033'));
    ck_assert_int_ge(line_count, 2);
    ck_assert_int_eq(count_lines("two hundred items: "), line_count);
    mp_test_text(last_line(), "two hundred items: 100%  200/200");
    mp_test_text(last_line(), "20 failed");
}
END_TEST

START_TEST(there_is_one_bar_at_a_time)
{
    int changes = 0;
    char now = 0;

    on_terminal(map_twice_at_once, 80);
    for (const char *c = shown; *c; c++)
        if ((*c == 'A' || *c == 'B') && *c != now) {
            now = *c;
            changes++;
        }
    ck_assert_int_ge(changes, 1);
    ck_assert_int_le(changes, 2); /* the other one's, when the first is over */
}
END_TEST

START_TEST(a_pool_has_one_while_somebody_waits)
{
    on_terminal(wait_for_tasks, 80);
    ck_assert_int_eq(line_count, 2);
    ck_assert_int_eq(count_lines("the tasks  100% ["), 2);
    mp_test_text(lines[0], "100/100");
    mp_test_text(lines[0], "10 failed");
    mp_test_text(lines[1], "80/80");
    mp_test_text(lines[1], "8 failed");
}
END_TEST

/* ---- What workers say ---- */

static void
expect_whole_lines(int others)
{
    ck_assert_int_eq(line_count, 100 + others);
    for (int i = 0; i < 100; i++) {
        char line[64];
        int found = 0;

        snprintf(line, sizeof(line), "task %d 0 1 2 3 4 ends", i);
        for (int k = 0; k < line_count; k++)
            found += strcmp(lines[k], line) == 0;
        ck_assert_msg(found == 1, "\"%s\" is there %d times", line, found);
    }
}

START_TEST(lines_of_workers_are_whole_beside_a_bar)
{
#ifndef __GLIBC__
    puts("no streams of one's own in this C library: not looked at");
    return;
#endif
    on_terminal(talk_meanwhile, 80);
    ck_assert_int_ge(drawings, 2);
    expect_whole_lines(1);
    mp_test_text(last_line(), "100/100");
}
END_TEST

START_TEST(lines_of_workers_are_whole_in_a_pipe)
{
    on_pipe(talk_meanwhile);
    expect_whole_lines(count_lines("the tasks: "));
}
END_TEST

START_TEST(what_has_no_newline_comes_at_the_end)
{
    on_pipe(end_in_the_middle);
    ck_assert_str_eq(shown, "without a newline\n");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tcase = pool_case(suite, "bar", 60);

    tcase_add_test(tcase, a_bar_is_drawn_on_a_terminal);
    tcase_add_loop_test(tcase, it_is_no_wider_than_the_terminal, 0, 7);
    tcase_add_test(tcase, all_is_done_only_in_the_end);
    tcase_add_test(tcase, it_is_drawn_ten_times_a_second_at_most);
    tcase_add_test(tcase, short_work_shows_nothing);
    tcase_add_test(tcase, elsewhere_there_are_plain_lines);
    tcase_add_test(tcase, there_is_one_bar_at_a_time);
    tcase_add_test(tcase, a_pool_has_one_while_somebody_waits);

    tcase = pool_case(suite, "workers", 60);
    tcase_add_test(tcase, lines_of_workers_are_whole_beside_a_bar);
    tcase_add_test(tcase, lines_of_workers_are_whole_in_a_pipe);
    tcase_add_test(tcase, what_has_no_newline_comes_at_the_end);
    return pool_main(suite);
}
