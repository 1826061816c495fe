/* SPDX-License-Identifier: MIT */
/* Memory that is given back to the system, and segments with a name.
 *
 * Who is killed while it gives pages back leaves a heap in which nothing is
 * lost: what was in use is as it was, what is taken next is zero, and the next
 * trim gives back what the killed one did not. A segment that was being made is
 * there whole or not at all. */
#include "sweep.h"

#include "region/participant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* What the victim notes: its call returned; what it was given. */
enum { RETURNED, GIVEN };

static void
enter(void)
{
    mp__enter();
}

static void
survive(int r, const char *what)
{
    sweep_check(r >= 0, "%s: %s: %s", what, mp_strerror(r), mp_last_error());
}

static mp_memory_statistics
stats_now(void)
{
    mp_memory_statistics now = {.size = sizeof(now)};

    survive(mp_memory_stats(&now), "cannot tell");
    return now;
}

/* ---- Giving memory back ---- */

#define KEPT 3
#define SIZE (100 * KIB)

static unsigned char *kept[KEPT];
static uint64_t least; /* that is resident without what can be given back */

/* Free extents between and behind used ones: one of them of several steps. */
static void
make_warm(void)
{
    void *gaps[KEPT];

    survive((int)mp_memory_trim(), "cannot trim");
    least = stats_now().resident + KEPT * SIZE;
    for (int i = 0; i < KEPT; i++) {
        kept[i] = mp_alloc(SIZE);
        gaps[i] = mp_alloc(i ? SIZE : 5 * MIB);
        if (!sweep_check(kept[i] && gaps[i], "no memory"))
            return;
        memset(kept[i], i + 1, SIZE);
        memset(gaps[i], 0xff, SIZE);
    }
    for (int i = 0; i < KEPT; i++)
        survive(mp_free(gaps[i]), "cannot free");
}

static void
victim_trims(void)
{
    if (mp_memory_trim() >= 0)
        mp__store(&sweep.note[RETURNED], 1);
}

/* Where only fresh pages are, more is taken than is asked for, and the surplus
 * given back. */
static void
victim_takes_fresh(void)
{
    mp__store(&sweep.note[GIVEN], (uintptr_t)mp_alloc(MIB));
}

static void
victim_tells(void)
{
    mp_memory_statistics now = {.size = sizeof(now)};

    if (mp_memory_stats(&now) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

static int
is_filled(const unsigned char *p, int byte, size_t size)
{
    return *p == byte && memcmp(p, p + 1, size - 1) == 0;
}

static void
actor_takes_zeroes(struct sweep_actor *actor)
{
    for (size_t size = 1; size <= MIB; size *= 16) {
        unsigned char *p = mp_alloc(size);

        if (p == NULL)
            sweep_complain(actor, "no memory: %s", mp_last_error());
        else if (!is_filled(p, 0, size))
            sweep_complain(actor, "memory is not zero");
        else
            memset(p, 0xff, size);
        if (mp_free(p) < 0)
            sweep_complain(actor, "cannot free");
    }
    sweep_done(actor);
}

static void
check_trimmed(void)
{
    mp_memory_statistics now = stats_now();

    if (mp__load(&sweep.note[RETURNED]) &&
        sweep.scenario->victim == victim_trims)
        sweep_check(now.spare == 0, "%llu bytes were left",
                    (unsigned long long)now.spare);
    if (!sweep_await_end(sweep_actor(actor_takes_zeroes)))
        return;
    for (int i = 0; i < KEPT; i++)
        sweep_check(is_filled(kept[i], i + 1, SIZE), "a block has changed");
    survive((int)mp_memory_trim(), "cannot trim");
    now = stats_now();
    sweep_check(now.spare == 0, "not all could be given back");
    sweep_check(now.resident <= least + (1 + sweep.scenario->may_lose) * MIB,
                "%llu bytes are lost",
                (unsigned long long)(now.resident - least));
}

static void
make_cold(void)
{
    make_warm();
    survive((int)mp_memory_trim(), "cannot trim");
}

static void
check_fresh(void)
{
    unsigned char *given = (void *)(uintptr_t)mp__load(&sweep.note[GIVEN]);

    if (given) {
        sweep_check(is_filled(given, 0, MIB), "it is not zero");
        memset(given, 0xff, MIB);
    }
    if (!sweep_await_end(sweep_actor(actor_takes_zeroes)))
        return;
    if (given)
        sweep_check(is_filled(given, 0xff, MIB), "it was given twice");
    survive(mp_free(given), "cannot free it");
    check_trimmed();
}

static void
free_kept(void)
{
    for (int i = 0; i < KEPT; i++)
        survive(mp_free(kept[i]), "cannot free");
}

/* ---- Segments ---- */

#define LENGTH (40 * KIB + 1)

static char name[64];
static mp_shm *segment;

static void
choose_name(void)
{
    snprintf(name, sizeof(name), "mp-sweep-%d", (int)getpid());
    mp_shm_unlink(name); /* of an earlier run that was ended */
}

static void
make_segment(void)
{
    choose_name();
    survive(mp_shm_create(&segment, name, LENGTH, NULL), "cannot make it");
    memset(mp_shm_data(segment), 5, LENGTH);
}

static void
victim_makes_segment(void)
{
    mp_shm *shm;

    if (mp_shm_create(&shm, name, LENGTH, NULL) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

static void
victim_uses_segment(void)
{
    mp_shm *shm;

    if (mp_shm_open(&shm, name, NULL) < 0)
        return;
    *(char *)mp_shm_data(shm) = 6;
    mp_shm_close(shm);
    if (mp_shm_unlink(name) == 0)
        mp__store(&sweep.note[RETURNED], 1);
}

/* All of it is there, memory too. */
static void
check_whole(int byte)
{
    struct stat status;
    char path[100];
    mp_shm *shm;

    snprintf(path, sizeof(path), "/dev/shm/%s", name);
    survive(stat(path, &status), "it has no file");
    sweep_check((uint64_t)status.st_blocks * 512 >= LENGTH,
                "it has no memory");
    sweep_check(status.st_nlink == 1, "it has another name");
    survive(mp_shm_open(&shm, name, NULL), "cannot open it");
    sweep_check(mp_shm_size(shm) == LENGTH, "it has %zu bytes",
                mp_shm_size(shm));
    sweep_check(
        is_filled((unsigned char *)mp_shm_data(shm) + 1, byte, LENGTH - 1),
        "it has other contents");
    survive(mp_shm_close(shm), "cannot close it");
    survive(mp_shm_unlink(name), "cannot unlink it");
}

static void
check_segment_made(void)
{
    mp_shm *shm;
    int r = mp_shm_create(&shm, name, LENGTH, NULL);

    if (r == -EEXIST) {
        check_whole(0);
        return;
    }
    sweep_check(!mp__load(&sweep.note[RETURNED]), "it is gone");
    survive(r, "cannot make it");
    check_whole(0);
    survive(mp_shm_close(shm), "cannot close it");
}

static void
check_segment_used(void)
{
    unsigned char *data = mp_shm_data(segment);
    mp_shm *shm;
    int r;

    sweep_check(*data == 5 || *data == 6, "it has other contents");
    r = mp_shm_open(&shm, name, MP_SHM_ATTR(.readonly = 1));
    if (r == 0) {
        survive(mp_shm_close(shm), "cannot close it");
        check_whole(5);
    } else {
        sweep_check(r == -ENOENT, "open: %s", mp_strerror(r));
    }
    sweep_check(r < 0 || !mp__load(&sweep.note[RETURNED]), "it is there");
    sweep_check(is_filled(data + 1, 5, LENGTH - 1), "its users lost it");
    survive(mp_shm_close(segment), "cannot close it");
}

const struct sweep_scenario sweep_memory[] = {
    {"memory.trim", make_warm, enter, victim_trims, .check = check_trimmed,
     .teardown = free_kept, .stride = 3},
    {"memory.fresh", make_cold, enter, victim_takes_fresh,
     .check = check_fresh, .teardown = free_kept, .may_lose = 1, .stride = 7},
    {"memory.stats", make_warm, enter, victim_tells, .check = check_trimmed,
     .teardown = free_kept, .stride = 3},
    {"shm.create", choose_name, enter, victim_makes_segment,
     .check = check_segment_made, .stride = 17},
    {"shm.use", make_segment, enter, victim_uses_segment,
     .check = check_segment_used},
    {0},
};
