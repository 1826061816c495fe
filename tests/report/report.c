/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "os/clock.h"
#include "support/support.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char raw[65536], text[65536];

/* Describes into `raw`; the result. */
static int
describe(const void *object)
{
    FILE *out = fmemopen(raw, sizeof(raw), "w");
    int r;

    ck_assert_ptr_nonnull(out);
    raw[0] = 0;
    r = mp_describe(object, out);
    ck_assert_int_eq(fclose(out), 0);
    return r;
}

/* How many characters at `s` are an address, or a time with two decimals. */
static size_t
address_at(const char *s)
{
    return strncmp(s, "0x", 2) == 0 ? 2 + strspn(s + 2, "0123456789abcdef")
                                    : 0;
}

static size_t
time_at(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && s[n] == '.' && isdigit(s[n + 1]) && isdigit(s[n + 2]) &&
                   strncmp(s + n + 3, " s", 2) == 0
               ? n + 5
               : 0;
}

const char *
report_in(const char *from)
{
    char *to = text;
    size_t n;

    while (*from) {
        if ((n = address_at(from)) > 0)
            *to++ = '@';
        else if ((n = time_at(from)) > 0)
            *to++ = '#';
        else
            *to++ = from[n = 0];
        from += n ? n : 1;
    }
    *to = 0;
    return text;
}

const char *
report_of(const void *object)
{
    int r = describe(object);

    ck_assert_msg(r == 0, "mp_describe: %s", mp_last_error());
    return report_in(raw);
}

void
expect_report(const void *object, const char *format, ...)
{
    char expected[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(expected, sizeof(expected), format, args);
    va_end(args);
    ck_assert_str_eq(report_of(object), expected);
}

void
await_report(const void *object, const char *format, ...)
{
    int64_t until = mp_test_deadline(20);
    char expected[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(expected, sizeof(expected), format, args);
    va_end(args);
    while (strcmp(report_of(object), expected) != 0 && mp_test_poll(until))
        ;
    ck_assert_str_eq(text, expected);
}

double
report_time(const void *object, const char *words)
{
    const char *at;

    ck_assert_int_eq(describe(object), 0);
    at = strstr(raw, words);
    return at ? atof(at + strlen(words)) : -1;
}

void
expect_time(const void *object, const char *words, mp_time before,
            mp_time seen)
{
    double least = (double)(mp__now() - seen) / 1e9;
    double told = report_time(object, words);
    double most = (double)(mp__now() - before) / 1e9;

    ck_assert_msg(told >= least - 0.01 && told <= most + 0.01,
                  "told %.2f s, it is %.2f s to %.2f s", told, least, most);
}

mp_time
let_time_pass(void)
{
    mp_time now = mp__now(), until = mp_timeout(1.3);

    wait_until(mp__now() > until, 20);
    return now;
}

mp_process *
start_named(const char *name, mp_target target, const void *object)
{
    mp_process *process;
    int r = mp_process_start(&process, target, &object, sizeof(object),
                             MP_PROCESS_ATTR(.name = name));

    ck_assert_msg(r == 0, "start of %s: %s", name, mp_last_error());
    return process;
}

int
pid_of(mp_process *process)
{
    return (int)mp_process_pid(process);
}

void
kill_named(mp_process *process)
{
    int code;

    ck_assert_int_eq(mp_process_kill(process), 0);
    ck_assert_int_eq(mp_process_join(process, MP_FOREVER), 0);
    ck_assert_int_eq(mp_process_exitcode(process, &code), 0);
    ck_assert_int_eq(code, -SIGKILL);
    ck_assert_int_eq(mp_process_close(process), 0);
}

int
report_in_loop(void *volatile *object, const char *kind, double seconds)
{
    int64_t until = mp_test_deadline(seconds), end = mp_test_deadline(30);
    int there = 0;

    do {
        for (int i = 0; i < 20; i++) {
            int r = describe(*object);

            ck_assert_msg(r == 0 || r == -EBADF, "mp_describe: %d", r);
            ck_assert(r < 0 || strncmp(raw, kind, strlen(kind)) == 0);
            ck_assert(r < 0 || raw[strlen(raw) - 1] == '\n');
            ck_assert(r == 0 || raw[0] == 0);
            there += r == 0;
        }
    } while (mp_test_poll(there > 0 ? until : end));
    return there;
}
