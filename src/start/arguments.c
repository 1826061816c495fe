/* SPDX-License-Identifier: MIT */
/* What mp_process_start() is given, and whether it makes sense: all that can
 * be known before there is a child. */
#include "start/start.h"

#include "base/error.h"
#include "os/cpu.h"
#include "os/descriptors.h"
#include "start/bootstrap.h"

#include <errno.h>
#include <string.h>

static int
fail(int r, const char *what)
{
    return mp__fail(r, "mp_process_start: %s", what);
}

static int
check_environment(const char *const *env)
{
    for (; env && *env; env++)
        if ((*env)[0] == '\0' || (*env)[0] == '=')
            return fail(-EINVAL, "env: a variable without a name");
    return 0;
}

static int
check_descriptors(const mp_process_attr *a)
{
    if (a->pass_fds_count && !a->pass_fds)
        return fail(-EINVAL, "pass_fds is NULL");
    if (a->pass_fds_count > MP__PASS_MAX - 8)
        return mp__fail(-EINVAL, "mp_process_start: pass_fds: more than %d",
                        MP__PASS_MAX - 8);
    for (uint64_t i = 0; i < a->pass_fds_count; i++)
        if (!mp__fd_is_open(a->pass_fds[i]))
            return mp__fail(-EINVAL,
                            "mp_process_start: pass_fds: %d is not "
                            "open",
                            (int)a->pass_fds[i]);
    return 0;
}

int
mp__start_check_attributes(mp_process_attr *a)
{
    int r;

    if (a->name && strlen(a->name) >= MP__NAME_SIZE)
        return fail(-EINVAL, "name is longer than 63 bytes");
    if (a->method == MP_DEFAULT)
        a->method = mp_get_start_method();
    if (a->method < MP_FORK || a->method > MP_FORKSERVER)
        return fail(-EINVAL, "method is none of the three");
    if (a->tree != 0 && a->tree != 1)
        return fail(-EINVAL, "tree is neither 0 nor 1");
    if (a->daemon != 0 && a->daemon != 1)
        return fail(-EINVAL, "daemon is neither 0 nor 1");
    if (a->on_parent_death < 0 || a->on_parent_death > MP_DEATH_DETACH)
        return fail(-EINVAL, "on_parent_death is no MP_DEATH_*");
    if (a->on_parent_death == MP_DEATH_DEFAULT)
        a->on_parent_death = a->daemon ? MP_DEATH_KILL : MP_DEATH_STAY;
    if (a->cpus && mp__cpu_bind(a->cpus, 1) < 0)
        return fail(-EINVAL, "cpus is no list such as \"0,2-5\"");
    r = check_environment(a->env);
    return r < 0 ? r : check_descriptors(a);
}

int
mp__start_check_arguments(mp_process **ret_process, mp_target target,
                          const void *arg, size_t size)
{
    if (!ret_process)
        return fail(-EINVAL, "ret_process is NULL");
    if (!target)
        return fail(-EINVAL, "target is NULL");
    if (!arg && size)
        return fail(-EINVAL, "arg is NULL, but size is not 0");
    if (size > SIZE_MAX / 4)
        return mp__fail(-ENOMEM, "mp_process_start: an argument of %zu bytes",
                        size);
    if (mp__bootstrap_pending())
        return fail(-EPERM, "called by a static initialiser of a process "
                            "that is itself being started");
    return 0;
}
