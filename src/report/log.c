/* SPDX-License-Identifier: MIT */
/* The family's log.
 *
 * The setting, a level and where lines go, lies in the region's header: so it
 * is one for all processes, and looking at it costs a load. A change writes the
 * path that the setting does not mean, and then the setting: its commit. How
 * lines are kept whole, log_output.c tells. */
#include "report/log.h"

#include "base/error.h"
#include "report/log_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The setting ---- */

static uint64_t
setting_of(uint32_t changes, int level)
{
    return (uint64_t)changes << 32 | (uint32_t)(MP_LOG_OFF - level);
}

/* `path` "": standard error. */
static void
change(const char *path, int level)
{
    struct mp__log *log = &mp__region()->log;
    uint32_t changes;

    mp__mutex_lock(&log->mutex);
    changes = mp__log_changes(mp__load_relaxed(&log->setting)) + 1;
    strcpy(log->path[changes % 2], path);
    mp__store_release(&log->setting, setting_of(changes, level));
    mp__mutex_unlock(&log->mutex);
    mp__log_output_leave();
}

static int
check_level(int level, const char *function)
{
    if (level < 0 || level > MP_LOG_OFF)
        return mp__fail(-EINVAL, "%s: %d is no level", function, level);
    return mp__enter();
}

int
mp_log_to_stderr(int level)
{
    int r = check_level(level, "mp_log_to_stderr");

    if (r == 0)
        change("", level);
    return r;
}

static int
make_absolute(char absolute[MP__LOG_PATH], const char *path)
{
    size_t used = 0;

    if (*path != '/') {
        if (!getcwd(absolute, MP__LOG_PATH))
            return mp__fail(-errno, "mp_log_to_file: %s: %s", path,
                            strerror(errno));
        used = strlen(absolute);
        absolute[used++] = '/';
    }
    if (strlen(path) >= MP__LOG_PATH - used)
        return mp__fail(-EINVAL, "mp_log_to_file: the path is too long");
    strcpy(absolute + used, path);
    return 0;
}

int
mp_log_to_file(const char *path, int level)
{
    char absolute[MP__LOG_PATH];
    struct mp__log_file file;
    int r = check_level(level, "mp_log_to_file");

    if (r < 0)
        return r;
    if (!path || !*path)
        return mp__fail(-EINVAL, "mp_log_to_file: there is no path");
    r = make_absolute(absolute, path);
    if (r < 0)
        return r;
    r = mp__log_file_open(&file, absolute);
    if (r < 0)
        return mp__fail(r, "mp_log_to_file: %s: %s", path, mp_strerror(r));
    mp__log_file_close(&file);
    change(absolute, level);
    return 0;
}

int
mp_log_level(void)
{
    return mp__log_level();
}

/* ---- Lines ---- */

static const char *(*name_of_process)(void);

void
mp__log_name_with(const char *(*name)(void))
{
    name_of_process = name;
}

static const char *
level_name(int level, char buffer[32])
{
    static const char *const names[] = {NULL,      "DEBUG", "INFO",
                                        "WARNING", "ERROR", "CRITICAL"};

    if (level % 10 == 0 && level > 0 && level <= MP_LOG_CRITICAL)
        return names[level / 10];
    snprintf(buffer, 32, "Level %d", level);
    return buffer;
}

static size_t
begin_line(char *line, size_t size, int level)
{
    const char *name = name_of_process ? name_of_process() : NULL;
    char buffer[32];

    return (size_t)snprintf(line, size, "\n[%s/%s] ",
                            level_name(level, buffer),
                            name ? name : "MainProcess");
}

/* From `text` to `end`; a newline of the caller's own at the end is not told
 * from ours. */
static size_t
tidy(char *text, char *end)
{
    if (end > text && end[-1] == '\n')
        end--;
    for (char *p = text; p < end; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
        else if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    *end++ = '\n';
    return (size_t)(end - text);
}

static int
compose_and_write(int level, const char *format, va_list args)
{
    char small[1024], *line = small;
    size_t head = begin_line(small, sizeof(small), level);
    va_list again;
    int n, r;

    va_copy(again, args);
    n = vsnprintf(small + head, sizeof(small) - head, format, args);
    if (n >= (int)(sizeof(small) - head)) {
        line = malloc(head + (size_t)n + 1);
        if (line) {
            memcpy(line, small, head);
            n = vsnprintf(line + head, (size_t)n + 1, format, again);
        }
    }
    va_end(again);
    if (!line)
        return -ENOMEM;
    r = n < 0 ? -EINVAL
              : mp__log_output_write(line + 1,
                                     tidy(line + 1, line + head + (size_t)n));
    if (line != small)
        free(line);
    return r;
}

int
mp_vlog(int level, const char *format, va_list args)
{
    int r;

    if (level < mp__log_level())
        return 0;
    if (level < 0 || level >= MP_LOG_OFF)
        return mp__fail(-EINVAL, "mp_log: %d is no level of a line", level);
    if (!format)
        return mp__fail(-EINVAL, "mp_log: format is NULL");
    r = mp__enter();
    if (r < 0)
        return r;
    r = compose_and_write(level, format, args);
    return r < 0 ? mp__fail(r, "mp_log: the line is lost: %s", mp_strerror(r))
                 : 0;
}

int
mp_log(int level, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = mp_vlog(level, format, args);
    va_end(args);
    return r;
}

void
mp__log_line(int level, const char *format, ...)
{
    int error = errno;
    va_list args;

    va_start(args, format);
    if (mp__enter() == 0)
        compose_and_write(level, format, args);
    va_end(args);
    errno = error;
}
