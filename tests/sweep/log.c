/* SPDX-License-Identifier: MIT */
/* The log: a writer is killed, or one who says where it is to go. Whoever
 * writes next is not held up, and all lines are whole. */
#include "sweep.h"

#include "report/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST "[INFO/sweep] the first line\n"
#define NEXT  "[WARNING/sweep] the next line\n"

static char paths[2][64];

/* A process's own would make a record in the heap. */
static const char *
name(void)
{
    return "sweep";
}

static void
make_file(int i)
{
    snprintf(paths[i], sizeof(paths[i]), "/tmp/mproc-sweep-%d-%d",
             (int)getpid(), i);
    close(open(paths[i], O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
}

static void
make_log(void)
{
    make_file(0);
    make_file(1);
    mp__log_name_with(name);
    sweep_check(mp_log_to_file(paths[0], MP_LOG_INFO) == 0, "no log");
}

/* The output has no entry yet; all that there are have been others'. */
static void
make_log_of_strangers(void)
{
    make_log();
    for (unsigned i = 0; i < MP__LOG_OUTPUTS; i++)
        mp__store(&mp__region()->log.outputs[i].key, 1 + i);
}

static void
remove_files(void)
{
    mp_log_to_stderr(MP_LOG_OFF);
    unlink(paths[0]);
    unlink(paths[1]);
}

static void
enter_library(void)
{
    mp__enter();
}

static void
victim_logs(void)
{
    if (mp_log(MP_LOG_INFO, "the %s line", "first") == 0)
        mp__add(&sweep.note[0], 1);
}

static void
victim_changes(void)
{
    if (mp_log_to_file(paths[1], MP_LOG_WARNING) == 0)
        mp__store(&sweep.note[0], 1);
}

static void
log_next(struct sweep_actor *actor)
{
    int r = mp_log(MP_LOG_WARNING, "the next line");

    if (r < 0)
        sweep_complain(actor, "mp_log: %d, %s", r, mp_last_error());
    sweep_done(actor);
}

static void
read_log(int i, char text[256])
{
    int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, 255);

    text[n > 0 ? n : 0] = 0;
    close(fd);
}

/* The victim's line is there or not. */
static void
check_lines(void)
{
    unsigned written = (unsigned)mp__load(&sweep.note[0]), n = 0;
    char text[256], *rest = text;

    if (!sweep_await_end(sweep_actor(log_next)))
        return;
    read_log(0, text);
    for (; strncmp(rest, FIRST, strlen(FIRST)) == 0; rest += strlen(FIRST))
        n++;
    sweep_check(n >= written && n <= 1 && strcmp(rest, NEXT) == 0,
                "the log is \"%s\"", text);
}

static void
check_change(void)
{
    int changed = (int)mp__load(&sweep.note[0]);
    char here[256], there[256];

    sweep_check(mp_log_level() == MP_LOG_WARNING ||
                    (!changed && mp_log_level() == MP_LOG_INFO),
                "the level is %d", mp_log_level());
    if (!sweep_await_end(sweep_actor(log_next)))
        return;
    read_log(0, here);
    read_log(1, there);
    sweep_check(
        strcmp(mp_log_level() == MP_LOG_WARNING ? there : here, NEXT) == 0 &&
            strlen(here) + strlen(there) == strlen(NEXT),
        "the logs are \"%s\" and \"%s\"", here, there);
}

const struct sweep_scenario sweep_log[] = {
    {.name = "log_line",
     .setup = make_log,
     .prepare = enter_library,
     .victim = victim_logs,
     .check = check_lines,
     .teardown = remove_files},
    {.name = "log_line_to_new_output",
     .setup = make_log_of_strangers,
     .prepare = enter_library,
     .victim = victim_logs,
     .check = check_lines,
     .teardown = remove_files},
    {.name = "log_moves",
     .setup = make_log,
     .prepare = enter_library,
     .victim = victim_changes,
     .check = check_change,
     .teardown = remove_files},
    {.name = NULL},
};
