/* SPDX-License-Identifier: MIT */
/* The settings of a child, and the parcel that carries them.
 *
 * A forked child reads its parent's own data. One that was executed afresh, or
 * comes from the fork server, gets a parcel: a block of the region, written by
 * the parent before the child exists, and the child's own from then on. Its
 * pointers hold there too, because the region lies at the same address. */
#include "start/setup.h"

#include "base/error.h"
#include "base/macros.h"
#include "os/cpu.h"
#include "region/heap.h"
#include "region/region.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
    int resource;
    const char *name;
} limits[4] = {
    {RLIMIT_AS, "rlimit_as"},
    {RLIMIT_CORE, "rlimit_core"},
    {RLIMIT_CPU, "rlimit_cpu"},
    {RLIMIT_NOFILE, "rlimit_nofile"},
};

void
mp__setup_of(const mp_process_attr *a, struct mp__setup *ret_setup)
{
    *ret_setup = (struct mp__setup){
        .env = a->env,
        .cwd = a->cwd,
        .cpus = a->cpus,
        .nice = a->nice,
        .rlimit = {a->rlimit_as, a->rlimit_core, a->rlimit_cpu,
                   a->rlimit_nofile},
    };
}

int
mp__setup_needed(const struct mp__setup *s)
{
    uint64_t any = 0;

    for (size_t i = 0; i < MP__LENGTH(s->rlimit); i++)
        any |= s->rlimit[i];
    return s->env || s->cwd || s->cpus || s->nice || any;
}

static int
fail(const char *what, int r)
{
    return mp__fail(r, "mp_process_start: %s: %s", what, mp_strerror(r));
}

static int
apply_environment(const char *const *changes)
{
    for (; changes && *changes; changes++) {
        const char *equals = strchr(*changes, '=');
        char *name =
            equals ? strndup(*changes, (size_t)(equals - *changes)) : NULL;
        int r;

        if (equals && !name)
            return fail("env", -ENOMEM);
        r = equals ? setenv(name, equals + 1, 1) : unsetenv(*changes);
        free(name);
        if (r < 0)
            return fail("env", -errno);
    }
    return 0;
}

static int
apply_limit(int which, uint64_t value)
{
    struct rlimit limit;

    if (getrlimit(limits[which].resource, &limit) < 0)
        return fail(limits[which].name, -errno);
    /* The family's region is address space too, but no memory: it is not
     * what the limit is about. */
    if (limits[which].resource == RLIMIT_AS &&
        value < RLIM_INFINITY - mp__view.size)
        value += mp__view.size;
    limit.rlim_cur = value;
    if (setrlimit(limits[which].resource, &limit) < 0)
        return fail(limits[which].name, -errno);
    return 0;
}

int
mp__setup_apply(const struct mp__setup *s)
{
    int r = apply_environment(s->env);

    if (r < 0)
        return r;
    if (s->cwd && chdir(s->cwd) < 0) {
        r = -errno;
        return mp__fail(r, "mp_process_start: cwd \"%s\": %s", s->cwd,
                        mp_strerror(r));
    }
    if (s->cpus) {
        r = mp__cpu_bind(s->cpus, 0);
        if (r < 0)
            return fail("cpus", r);
    }
    errno = 0;
    if (s->nice && nice(s->nice) == -1 && errno)
        return fail("nice", -errno);
    for (int i = 0; i < (int)MP__LENGTH(limits); i++) {
        r = s->rlimit[i] ? apply_limit(i, s->rlimit[i]) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

void
mp__heritage_read(struct mp__heritage *h)
{
    struct rlimit limit;

    *h = (struct mp__heritage){.nice = getpriority(PRIO_PROCESS, 0)};
    for (size_t i = 0; i < MP__LENGTH(limits); i++)
        if (getrlimit(limits[i].resource, &limit) == 0)
            h->rlimit[i] = limit.rlim_cur;
    h->has_cpus =
        sched_getaffinity(0, sizeof(h->cpus), (cpu_set_t *)h->cpus) == 0;
}

void
mp__heritage_apply(const struct mp__heritage *wanted,
                   const struct mp__heritage *have)
{
    struct rlimit limit;

    if (wanted->nice != have->nice)
        setpriority(PRIO_PROCESS, 0, wanted->nice);
    for (size_t i = 0; i < MP__LENGTH(limits); i++)
        if (wanted->rlimit[i] != have->rlimit[i] &&
            getrlimit(limits[i].resource, &limit) == 0) {
            limit.rlim_cur = wanted->rlimit[i];
            setrlimit(limits[i].resource, &limit);
        }
    if (wanted->has_cpus &&
        memcmp(wanted->cpus, have->cpus, sizeof(have->cpus)) != 0)
        sched_setaffinity(0, sizeof(wanted->cpus),
                          (const cpu_set_t *)wanted->cpus);
}

static int
same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return strcspn(b, "=") == n && memcmp(a, b, n) == 0;
}

static int
is_changed(const char *variable, const char *const *changes)
{
    for (; changes && *changes; changes++)
        if (same_name(variable, *changes))
            return 1;
    return 0;
}

static size_t
length(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

char **
mp__environment_make(const char *const *changes, const char *extra)
{
    const char *const *old = (const char *const *)environ;
    char **env = malloc((length(old) + length(changes) + 2) * sizeof(*env));
    size_t n = 0;

    if (!env)
        return NULL;
    for (; old && *old; old++)
        if (!is_changed(*old, changes))
            env[n++] = (char *)*old;
    for (; changes && *changes; changes++)
        if (strchr(*changes, '=') && !is_changed(*changes, changes + 1))
            env[n++] = (char *)*changes;
    if (extra)
        env[n++] = (char *)extra;
    env[n] = NULL;
    return env;
}

/* Lays things out one after the other; without a base it only measures. */
struct packer {
    char *base;
    size_t used;
};

static void *
put(struct packer *packer, const void *data, size_t size)
{
    char *at = packer->base ? packer->base + packer->used : NULL;

    if (at && size)
        memcpy(at, data, size);
    packer->used += mp__round_up(size, 16);
    return at;
}

static char *
put_string(struct packer *packer, const char *s)
{
    return s ? put(packer, s, strlen(s) + 1) : NULL;
}

static char **
put_strings(struct packer *packer, const char *const *list)
{
    size_t n = length(list);
    char **out;

    if (!list)
        return NULL;
    out = put(packer, list, (n + 1) * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        char *s = put_string(packer, list[i]);

        if (out)
            out[i] = s;
    }
    return out;
}

static struct mp__parcel *
pack(struct packer *packer, const void *arg, size_t size,
     const mp_process_attr *attr, char **environment)
{
    struct mp__parcel parcel = {.size = size, .signal = -1, .server = -1};
    struct mp__parcel *at = put(packer, &parcel, sizeof(parcel));

    packer->used = mp__round_up(packer->used, 64);
    parcel.arg = put(packer, arg, size);
    if (size == 0)
        parcel.arg = NULL;
    mp__setup_of(attr, &parcel.setup);
    parcel.setup.env = NULL; /* part of the environment it is given */
    parcel.setup.cwd = put_string(packer, attr->cwd);
    parcel.setup.cpus = put_string(packer, attr->cpus);
    parcel.environment = put_strings(packer, (const char *const *)environment);
    parcel.pass_fds = put(packer, attr->pass_fds,
                          attr->pass_fds_count * sizeof(*attr->pass_fds));
    parcel.pass_fds_count = attr->pass_fds_count;
    parcel.watch = MP__LIFE_NONE;
    if (at)
        *at = parcel;
    return at;
}

struct mp__parcel *
mp__parcel_make(const void *arg, size_t size, const mp_process_attr *attr,
                char **environment)
{
    struct packer packer = {0};

    pack(&packer, arg, size, attr, environment);
    packer.base = mp__block_alloc(packer.used, 0);
    packer.used = 0;
    if (!packer.base)
        return NULL;
    return pack(&packer, arg, size, attr, environment);
}
