/* SPDX-License-Identifier: MIT */
#include "sync/kit.h"

#include "sync/gate.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Handles ---- */

static void
make_all(void *all[KINDS])
{
    must(mp_lock_create((mp_lock **)&all[KIND_LOCK], NULL));
    must(mp_rlock_create((mp_rlock **)&all[KIND_RLOCK], NULL));
    must(mp_semaphore_create((mp_semaphore **)&all[KIND_SEMAPHORE], 1, NULL));
    must(mp_event_create((mp_event **)&all[KIND_EVENT], NULL));
    must(mp_condition_create((mp_condition **)&all[KIND_CONDITION], NULL));
    must(mp_barrier_create((mp_barrier **)&all[KIND_BARRIER], 2, NULL));
    must(mp_queue_create((mp_queue **)&all[KIND_QUEUE], NULL));
    all[KIND_BLOCK] = mp_alloc(512);
    ck_assert_ptr_nonnull(all[KIND_BLOCK]);
}

/* Which can be done, as nothing has happened to them. */
static void
end_all(void *all[KINDS])
{
    ck_assert_int_eq(mp_lock_locked(all[KIND_LOCK]), 0);
    must(mp_lock_destroy(all[KIND_LOCK]));
    must(mp_rlock_destroy(all[KIND_RLOCK]));
    ck_assert_int_eq(mp_semaphore_value(all[KIND_SEMAPHORE]), 1);
    must(mp_semaphore_destroy(all[KIND_SEMAPHORE]));
    ck_assert_int_eq(mp_event_is_set(all[KIND_EVENT]), 0);
    must(mp_event_destroy(all[KIND_EVENT]));
    must(mp_condition_destroy(all[KIND_CONDITION]));
    ck_assert_int_eq(mp_barrier_broken(all[KIND_BARRIER]), 0);
    must(mp_barrier_destroy(all[KIND_BARRIER]));
    must(mp_queue_destroy(all[KIND_QUEUE]));
    must(mp_free(all[KIND_BLOCK]));
}

static void
refuses(const struct handle_call *call, void *handle, const char *what)
{
    int r = call->call(handle);

    ck_assert_msg(r == -EBADF, "%s of %s: %d", call->name, what, r);
    kin_text(mp_last_error(), call->name, __LINE__);
}

void
calls_refuse_strangers(const struct handle_call *calls, size_t n,
                       enum kind kind, void *gone)
{
    char stack[1024] MP__ALIGNED(64) = {0};
    void *all[KINDS];

    make_all(all);
    for (size_t i = 0; i < n; i++) {
        if (strstr(calls[i].name, "_destroy") == NULL)
            refuses(&calls[i], NULL, "NULL");
        else
            ck_assert_int_eq(calls[i].call(NULL), 0);
        refuses(&calls[i], gone, "one that is gone");
        refuses(&calls[i], stack, "the stack");
        refuses(&calls[i], (void *)8, "8");
        refuses(&calls[i], (void *)(UINTPTR_MAX - 63), "the last address");
        refuses(&calls[i], mp__view.base + mp__view.size - 64,
                "the end of the region");
        for (int other = 0; other < KINDS; other++) {
            if (other != (int)kind)
                refuses(&calls[i], all[other], "another kind");
            refuses(&calls[i], (char *)all[other] + 1, "a misaligned one");
            refuses(&calls[i], (char *)all[other] + 16, "the middle of one");
        }
    }
    end_all(all);
}

/* ---- System calls ---- */

struct quiet {
    int (*fn)(void *arg);
    void *arg;
};

static int
be_quiet(void *arg)
{
    struct quiet *quiet = arg;
    long r = quiet->fn(quiet->arg);

    if (r != 0)
        return (int)r;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        return 77;
    for (int i = 0; i < 1000 && r == 0; i++)
        r = quiet->fn(quiet->arg);
    return (int)syscall(SYS_exit, r);
}

void
needs_no_system_call(int (*fn)(void *arg), void *arg)
{
    struct quiet quiet = {fn, arg};
    int code;

    if (mp_test_scale() > 1)
        return; /* the tools that slow us down make calls of their own */
    code = reap(child(be_quiet, &quiet));
    ck_assert_msg(code == 0 || code == 77, "%d", code);
}

/* ---- Attributes ---- */

void
attributes_are_checked(int (*create)(const void *attr), size_t size,
                       uint32_t known_flags)
{
    uint32_t attr[64] = {0}; /* size, flags, the fields, what we do not know */

    must(create(NULL));
    for (attr[0] = 0; attr[0] < 8; attr[0]++)
        must_fail(create(attr), -EINVAL, "size");
    attr[0] = 1u << 20;
    must_fail(create(attr), -EINVAL, "size");
    for (attr[0] = 8; attr[0] <= sizeof(attr); attr[0] += 8)
        must(create(attr)); /* an older caller; one that knows more */
    attr[0] = sizeof(attr);
    attr[size / 4] = 1;
    must_fail(create(attr), -E2BIG, "_create");
    attr[size / 4] = 0;
    attr[63] = 1;
    must_fail(create(attr), -E2BIG, "_create");
    attr[63] = 0;
    for (int bit = 0; bit < 32; bit++) {
        attr[1] = 1u << bit;
        if (attr[1] & known_flags)
            must(create(attr));
        else
            must_fail(create(attr), -EINVAL, "flags");
    }
}

/* ---- Waiting ---- */

void
rely_on_wake_ups(void)
{
    const mp_time hour = (mp_time)3600 * 1000000000;

    mp__view.cpus = 1;
    mp__gate_slice = hour;
    if (mp__view.tier == MP__TIER_FULL)
        mp__view.slice = hour;
}

static void
on_signal(int sig)
{
    (void)sig;
}

void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}
